import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn, optim

RULES = {
    "sgd": lambda params, **options: optim.SGD(params, **{"lr": 0.1, **options}),
    "momentum": lambda params, **options: optim.SGD(params, **{"lr": 0.1, "momentum": 0.9, **options}),
    "rmsprop": lambda params, **options: optim.RMSProp(params, **{"lr": 0.1, **options}),
    "omd": lambda params, **options: optim.OMD(params, **{"lr": 0.1, **options}),
    "adam": lambda params, **options: optim.Adam(params, **{"lr": 0.1, **options}),
    "optimistic adam": lambda params, **options: optim.OptimisticAdam(params, **{"lr": 0.1, **options}),
}
every_rule = pytest.mark.parametrize("make", RULES.values(), ids=RULES)


def parameter(value=(1.0, -2.0, 3.0), dtype="float64"):
    return Tensor(np.array(value, dtype), requires_grad=True, name="theta")


def step(optimizer, *gradients):
    """One step along the given gradients, one for each parameter."""
    for p, g in zip(optimizer.params, gradients, strict=True):
        p.grad = None if g is None else Tensor(np.array(g, p.dtype))
    optimizer.step()


# --- the rules, against references written from the papers --------------------------------------------------------------


def naive_sgd(theta, gradients, lr):
    for g in gradients:
        theta = theta - lr * g
    return theta


def naive_momentum(theta, gradients, lr, momentum):
    for t in range(1, len(gradients) + 1):  # b_t written out: sum of momentum^(t - s) g_s
        b = sum(momentum ** (t - s) * gradients[s - 1] for s in range(1, t + 1))
        theta = theta - lr * b
    return theta


def naive_rmsprop(theta, gradients, lr, alpha, eps):
    for t in range(1, len(gradients) + 1):  # the average written out
        v = (1 - alpha) * sum(alpha ** (t - s) * gradients[s - 1] ** 2 for s in range(1, t + 1))
        theta = theta - lr * gradients[t - 1] / (np.sqrt(v) + eps)
    return theta


def naive_omd(theta, gradients, lr):
    for t, g in enumerate(gradients):
        theta = theta - 2 * lr * g + lr * (gradients[t - 1] if t else 0.0)
    return theta


def adams_direction(gradients, t, beta1, beta2, eps):
    """That of step t >= 1, the averages written out."""
    m = (1 - beta1) * sum(beta1 ** (t - s) * gradients[s - 1] for s in range(1, t + 1))
    v = (1 - beta2) * sum(beta2 ** (t - s) * gradients[s - 1] ** 2 for s in range(1, t + 1))
    return (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


def naive_adam(theta, gradients, lr, *options):
    for t in range(1, len(gradients) + 1):
        theta = theta - lr * adams_direction(gradients, t, *options)
    return theta


def naive_optimistic_adam(theta, gradients, lr, *options):
    for t in range(1, len(gradients) + 1):
        previous = adams_direction(gradients, t - 1, *options) if t > 1 else 0.0
        theta = theta - 2 * lr * adams_direction(gradients, t, *options) + lr * previous
    return theta


@pytest.mark.parametrize(
    ("optimizer", "naive"),
    [
        (lambda p: optim.SGD(p, lr=0.03), lambda x, g: naive_sgd(x, g, 0.03)),
        (lambda p: optim.SGD(p, lr=0.03, momentum=0.9), lambda x, g: naive_momentum(x, g, 0.03, 0.9)),
        (lambda p: optim.SGD(p, lr=0.03, momentum=0.5), lambda x, g: naive_momentum(x, g, 0.03, 0.5)),
        (lambda p: optim.RMSProp(p, 0.03), lambda x, g: naive_rmsprop(x, g, 0.03, 0.99, 1e-8)),
        (lambda p: optim.RMSProp(p, 0.03, 0.8, 1e-2), lambda x, g: naive_rmsprop(x, g, 0.03, 0.8, 1e-2)),
        (lambda p: optim.OMD(p, 0.03), lambda x, g: naive_omd(x, g, 0.03)),
        (optim.Adam, lambda x, g: naive_adam(x, g, 1e-3, 0.9, 0.999, 1e-8)),
        (lambda p: optim.Adam(p, 0.02, (0.5, 0.9), 1e-3), lambda x, g: naive_adam(x, g, 0.02, 0.5, 0.9, 1e-3)),
        (lambda p: optim.Adam(p, 0.02, betas=(0.0, 0.9)), lambda x, g: naive_adam(x, g, 0.02, 0.0, 0.9, 1e-8)),
        (optim.OptimisticAdam, lambda x, g: naive_optimistic_adam(x, g, 1e-3, 0.9, 0.999, 1e-8)),
        (
            lambda p: optim.OptimisticAdam(p, 0.02, (0.5, 0.9), 1e-3),
            lambda x, g: naive_optimistic_adam(x, g, 0.02, 0.5, 0.9, 1e-3),
        ),
    ],
    ids=[
        *("sgd", "momentum 0.9", "momentum 0.5", "rmsprop", "rmsprop with options", "omd"),
        *("adam", "adam with options", "adam without momentum", "optimistic adam", "optimistic adam with options"),
    ],
)
def test_50_steps_follow_the_rule(optimizer, naive):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((3, 2)), rng.standard_normal((50, 3, 2))
    p = parameter(start)
    rule = optimizer([p])
    for g in gradients:
        step(rule, g)
    np.testing.assert_allclose(p.numpy(), naive(start, gradients), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_adams_first_step_is_lr_in_the_gradients_direction_whatever_its_size(size):
    p = parameter([0.0, 0.0])
    step(optim.Adam([p], lr=0.1), [size, -size])
    np.testing.assert_allclose(p.numpy(), [-0.1, 0.1], rtol=2e-5)


def test_adams_eps_stands_outside_the_root_and_after_the_correction():
    p = parameter([0.0])
    step(optim.Adam([p], lr=1.0, eps=1.0), [3.0])
    assert p.item() == pytest.approx(-3 / (3 + 1), rel=1e-14)


def test_rmsprops_eps_stands_outside_the_root_and_its_average_starts_at_0_uncorrected():
    p = parameter([0.0])
    step(optim.RMSProp([p], lr=1.0, alpha=0.75, eps=1.0), [4.0])
    assert p.item() == pytest.approx(-4 / (2 + 1), rel=1e-14)


def test_sgd_with_momentum_on_a_constant_gradient_accelerates_to_lr_over_1_minus_momentum():
    p = parameter([0.0])
    rule = optim.SGD([p], lr=0.1, momentum=0.9)
    for _ in range(300):
        before = p.item()
        step(rule, [1.0])
    assert before - p.item() == pytest.approx(0.1 / (1 - 0.9), rel=1e-10)


@every_rule
def test_every_rule_goes_downhill(make):
    p = parameter([2.0, -3.0])
    rule = make([p], lr=0.02)
    for _ in range(500):
        rule.zero_grad()
        (p * p).sum().backward()
        rule.step()
    assert np.abs(p.numpy()).max() < 0.01


# --- gradients that are missing, shared, assigned -----------------------------------------------------------------------


@every_rule
def test_a_parameter_without_a_gradient_is_left_alone_and_so_is_its_state(make):
    a, b = parameter(), parameter()
    rule = make([a, b])
    step(rule, [1, 1, 1], [1, 1, 1])
    before, state = b.numpy().copy(), rule.state_dict()["params"]["1"]
    step(rule, [1, 1, 1], None)
    np.testing.assert_array_equal(b.numpy(), before)
    after = rule.state_dict()["params"]["1"]
    assert after["t"] == state["t"] == 1
    assert after.keys() == state.keys()
    for name in state:
        np.testing.assert_array_equal(after[name], state[name])


@every_rule
def test_a_parameter_that_waits_then_steps_like_a_fresh_one(make):
    a, b, fresh = parameter(), parameter(), parameter()
    rule = make([a, b])
    step(rule, [1, 1, 1], None)
    step(rule, [1, 1, 1], [1, 2, 3])
    step(make([fresh]), [1, 2, 3])
    np.testing.assert_array_equal(b.numpy(), fresh.numpy())


@every_rule
def test_a_parameter_without_a_gradient_does_not_count_as_changed(make):
    p = parameter()
    loss = (p * p).sum()
    make([p]).step()
    loss.backward()
    np.testing.assert_array_equal(p.grad.numpy(), 2 * p.numpy())


@every_rule
def test_a_parameter_that_is_listed_twice_is_stepped_once(make):
    once, twice = parameter(), parameter()
    step(make([once]), [1, 2, 3])
    twice.grad = Tensor(np.array([1.0, 2.0, 3.0]))
    make([twice, twice]).step()
    np.testing.assert_array_equal(twice.numpy(), once.numpy())


@every_rule
def test_zero_grad_forgets(make):
    p = parameter()
    p.grad = Tensor(np.ones(3))
    make([p]).zero_grad()
    assert p.grad is None


@every_rule
def test_a_step_follows_assignments_to_data_and_grad(make):
    p = parameter([0.0])
    rule = make([p])
    step(rule, [1.0])
    moved = p.item()
    p.data = np.array([10.0])
    step(rule, [-1.0])
    assert moved < 0
    assert p.item() != pytest.approx(moved, abs=5)
    assert p.item() > 10
    assert p.item() == pytest.approx(10, abs=0.75)


@every_rule
def test_a_step_does_not_write_to_the_gradients_or_keep_their_memory(make):
    p, g = parameter(), np.array([1.0, -2.0, 0.5])
    rule = make([p])
    for _ in range(3):
        p.grad = Tensor(g)
        rule.step()
        np.testing.assert_array_equal(g, [1.0, -2.0, 0.5])
    for state in rule.state:
        assert not any(np.shares_memory(g, v) for v in state.values() if backend.is_array(v))


@every_rule
def test_the_gradients_memory_may_be_used_again_after_a_step(make):
    reused, fresh, buffer = parameter(), parameter(), np.zeros(3)
    rule, other = make([reused]), make([fresh])
    for g in np.random.default_rng(0).standard_normal((5, 3)):
        buffer[...] = g
        reused.grad = Tensor(buffer)
        rule.step()
        step(other, g)
        buffer[...] = 1e6
    np.testing.assert_array_equal(reused.numpy(), fresh.numpy())


@every_rule
def test_a_step_copies_read_only_memory_first(make):
    array = np.broadcast_to(1.0, 3)
    p = Tensor(array, requires_grad=True)
    step(make([p]), [1.0, 1.0, 1.0])
    assert (p.numpy() < 1).all()
    assert (array == 1).all()


@every_rule
def test_a_step_works_in_the_parameters_memory(make):
    p = parameter()
    array = p.data
    step(make([p]), [1.0, 1.0, 1.0])
    assert p.data is array


@every_rule
def test_a_scalar_parameter_is_stepped(make):
    p = parameter(2.0)
    step(make([p]), 1.0)
    assert p.shape == ()
    assert p.item() < 2


@every_rule
def test_a_step_between_forward_and_backward_makes_the_backward_pass_an_error(make):
    p = parameter()
    loss = (p * p).sum()
    step(make([p]), [1.0, 1.0, 1.0])
    with pytest.raises(RuntimeError, match=r"tensor 'theta' of shape \(3,\), an input of multiply, was changed in place"):
        loss.backward()


def test_two_optimizers_may_share_a_parameter():
    p = parameter([0.0])
    first, second = optim.SGD([p], lr=1.0), optim.SGD([p], lr=10.0)
    step(first, [1.0])
    step(second, [1.0])
    assert p.item() == -11


# --- dtypes -------------------------------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_and_state_keep_the_dtype(make, dtype):
    p = parameter(dtype=dtype)
    rule = make([p])
    step(rule, [1, 2, 3])
    step(rule, [1, 2, 3])
    assert p.dtype == dtype
    assert {v.dtype for v in rule.state[0].values() if backend.is_array(v)} <= {np.dtype(dtype)}


@every_rule
def test_the_state_follows_the_parameter_to_float64(make):
    p = parameter(dtype="float32")
    rule = make([p])
    step(rule, [1, 2, 3])
    p.data = p.data.astype("float64")
    step(rule, [1, 2, 3])
    assert p.dtype == np.float64
    assert {v.dtype for v in rule.state[0].values() if backend.is_array(v)} <= {np.dtype("float64")}


@every_rule
def test_float32_steps_are_close_to_float64_ones(make):
    single, double = parameter(dtype="float32"), parameter()
    rules = make([single]), make([double])
    rng = np.random.default_rng(0)
    for g in rng.standard_normal((50, 3)):
        for rule in rules:
            step(rule, g)
    np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=1e-4, atol=1e-5)


# --- the learning rate --------------------------------------------------------------------------------------------------


@every_rule
def test_the_learning_rate_can_be_set_between_steps(make):
    p = parameter()
    rule = make([p])
    rule.lr = 0
    before = p.numpy().copy()
    step(rule, [1, 2, 3])
    np.testing.assert_array_equal(p.numpy(), before)
    rule.lr = 0.5
    step(rule, [1, 2, 3])
    assert rule.lr == 0.5
    assert (p.numpy() < before).all()


def test_a_new_learning_rate_scales_the_next_step():
    p = parameter([0.0])
    rule = optim.SGD([p], lr=0.1)
    rule.lr = 0.3
    step(rule, [2.0])
    assert p.item() == pytest.approx(-0.6, rel=1e-15)


# --- saving -------------------------------------------------------------------------------------------------------------


@every_rule
def test_a_loaded_optimizer_goes_on_bit_for_bit(make):
    gradients = np.random.default_rng(0).standard_normal((20, 3))
    p = parameter()
    rule = make([p])
    for g in gradients[:10]:
        step(rule, g)
    state, values = rule.state_dict(), p.numpy().copy()
    for g in gradients[10:]:
        step(rule, g)

    resumed = parameter(values)
    other = make([resumed], lr=0.7)
    other.load_state_dict(state)
    assert other.lr == 0.1
    for g in gradients[10:]:
        step(other, g)
    np.testing.assert_array_equal(resumed.numpy(), p.numpy())


@every_rule
def test_state_dict_and_loading_copy(make):
    p, q = parameter(), parameter()
    rule, other = make([p]), make([q])
    step(rule, [1, 2, 3])
    state = rule.state_dict()
    other.load_state_dict(state)
    kept = {name: np.array(v) for name, v in state["params"]["0"].items()}
    step(rule, [4, 5, 6])
    step(other, [7, 8, 9])
    for name, v in state["params"]["0"].items():
        np.testing.assert_array_equal(v, kept[name])


@every_rule
def test_a_state_can_be_saved_before_the_first_step_and_forgets_later_ones(make):
    p, q = parameter(), parameter()
    rule, fresh = make([p]), make([q])
    state = rule.state_dict()
    step(rule, [1, 2, 3])
    p.data = q.numpy().copy()
    rule.load_state_dict(state)
    step(rule, [1, 1, 1])
    step(fresh, [1, 1, 1])
    np.testing.assert_array_equal(p.numpy(), q.numpy())


@every_rule
def test_a_state_of_more_than_ten_parameters_keeps_their_order(make):
    params = [parameter([float(i)]) for i in range(12)]
    rule = make(params)
    step(rule, *[[float(i + 1)] for i in range(12)])
    other = make([parameter([0.0]) for _ in range(12)])
    other.load_state_dict(rule.state_dict())
    for own, loaded in zip(rule.state, other.state, strict=True):
        assert own == loaded


@every_rule
def test_loading_refuses_another_number_of_parameters(make):
    state = make([parameter(), parameter()]).state_dict()
    with pytest.raises(ValueError, match="2 states for 1 parameters"):
        make([parameter()]).load_state_dict(state)
    with pytest.raises(ValueError, match="2 states for 3 parameters"):
        make([parameter(), parameter(), parameter()]).load_state_dict(state)


@pytest.mark.parametrize("make", [make for name, make in RULES.items() if name != "sgd"], ids=[r for r in RULES if r != "sgd"])
def test_loading_refuses_another_shape_and_then_loads_nothing(make):
    rule = make([parameter([1.0]), parameter([1.0, 2.0])])
    step(rule, [1.0], [1.0, 2.0])
    other = make([parameter([1.0]), parameter([1.0])], lr=0.3)
    with pytest.raises(ValueError, match=r"state of parameter 1 does not have its shape, \(1,\)"):
        other.load_state_dict(rule.state_dict())
    assert other.lr == 0.3
    assert other.state == [{"t": 0}, {"t": 0}]


# --- several parameters as one vector -----------------------------------------------------------------------------------

SHAPES = [(2, 3), (), (4,), (0, 2), (1, 2, 2)]


def several(dtype="float64", shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(np.array(rng.standard_normal(shape), dtype), requires_grad=True) for shape in shapes]


def gradients_of(params, t):
    rng = np.random.default_rng(100 + t)
    return [rng.standard_normal(p.shape) for p in params]


def beside(make, **options):
    """Two rules over equal parameters: one takes them as one vector, one by themselves."""
    together, alone = make(several(**options)), make(several(**options))
    alone.elementwise = False
    assert together.elementwise
    return together, alone


def assert_same(one, other, tolerance=1e-12):
    """Equal parameters, equal states."""
    for p, q in zip(one.params, other.params, strict=True):
        assert p.dtype == q.dtype
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=tolerance, atol=tolerance)
    for own, wanted in zip(one.state_dict()["params"].values(), other.state_dict()["params"].values(), strict=True):
        assert own.keys() == wanted.keys()
        for slot in own:
            np.testing.assert_allclose(own[slot], wanted[slot], rtol=tolerance, atol=tolerance, err_msg=slot)


@pytest.fixture(params=["one vector", "one by one"])
def _either_way(request, monkeypatch):
    """Few elements fit into a vector, or none."""
    monkeypatch.setattr(optim, "PART", 1 << 17 if request.param == "one vector" else 4)


@every_rule
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-6)])
def test_10_steps_as_one_vector_are_those_of_each_parameter_alone(make, dtype, tolerance):
    together, alone = beside(make, dtype=dtype)
    for t in range(10):
        for rule in (together, alone):
            step(rule, *gradients_of(rule.params, t))
        assert_same(together, alone, tolerance)


@every_rule
def test_several_parameters_cost_one_update_and_a_rule_that_is_not_elementwise_one_each(make, monkeypatch):
    together, alone = beside(make)
    for rule, calls in ((together, 1), (alone, len(SHAPES))):
        sizes, update = [], rule.update
        rule.update = lambda theta, g, state, sizes=sizes, update=update: (sizes.append(theta.size), update(theta, g, state))
        step(rule, *gradients_of(rule.params, 0))
        assert len(sizes) == calls
        assert sum(sizes) == sum(p.size for p in rule.params)


@every_rule
def test_more_elements_than_a_vector_is_good_for_are_updated_one_by_one(make, monkeypatch):
    monkeypatch.setattr(optim, "PART", 15)
    rules = make(several()), make(several(shapes=[*SHAPES, (1,)]))  # 15 and 16 elements
    for rule, calls in zip(rules, (1, 6), strict=True):
        found, update = [], rule.update
        rule.update = lambda theta, g, state, found=found, update=update: (found.append(1), update(theta, g, state))
        step(rule, *gradients_of(rule.params, 0))
        assert len(found) == calls


@every_rule
def test_gradients_that_are_missing_now_and_then_change_nothing_for_the_others(make):
    together, alone = beside(make)
    for t in range(12):
        for rule in (together, alone):
            missing = np.random.default_rng(t).random(len(SHAPES)) < 0.3 * (t % 3)  # at times none, so that all have met
            found = gradients_of(rule.params, t)
            step(rule, *[None if gone else g for g, gone in zip(found, missing, strict=True)])
        assert_same(together, alone)
    assert len({state["t"] for state in together.state}) > 1


@every_rule
@pytest.mark.parametrize("shapes", [[(3,), (3,), (3,)], [(3,), (2,), (2, 2)]], ids=["alike", "not alike"])
def test_another_parameter_may_be_missing_each_time(make, shapes):
    together, alone = beside(make, shapes=shapes)
    for t in range(9):
        for rule in (together, alone):
            found = gradients_of(rule.params, t)
            found[t % 3] = None
            step(rule, *found)
        assert_same(together, alone)


@every_rule
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_assignments_between_steps_are_noticed(make, dtype):
    together, alone = beside(make)
    for t in range(10):
        for rule in (together, alone):
            if t in (3, 6):
                p = rule.params[t // 3]
                p.data = np.full(p.shape, 10.0 + t, dtype)
            step(rule, *gradients_of(rule.params, t))
        assert_same(together, alone, 1e-12 if dtype == "float64" else 1e-6)
    assert together.params[1].dtype == together.params[2].dtype == dtype


@every_rule
def test_a_cast_of_all_parameters_is_noticed(make):
    together, alone = beside(make, dtype="float32")
    for t in range(6):
        for rule in (together, alone):
            if t == 3:
                for p in rule.params:
                    p.data = p.data.astype("float64")
            step(rule, *gradients_of(rule.params, t))
    assert_same(together, alone, 1e-6)
    assert {p.dtype for p in together.params} == {np.dtype("float64")}
    assert {v.dtype for s in together.state for v in s.values() if backend.is_array(v)} <= {np.dtype("float64")}


@every_rule
def test_no_digit_of_a_wider_dtype_is_lost(make):
    rules = make(several(dtype="float32")), make(several(dtype="float32"))
    rules[1].elementwise = False
    for rule in rules:
        step(rule, *gradients_of(rule.params, 0))
        for p, values in zip(rule.params, several(), strict=True):
            p.data = values.data
        step(rule, *gradients_of(rule.params, 1))
    for p, q in zip(rules[0].params, rules[1].params, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-14)


@every_rule
def test_a_state_that_is_loaded_between_steps_is_noticed(make):
    together, alone = beside(make)
    for rule in (together, alone):
        for t in range(3):
            step(rule, *gradients_of(rule.params, t))
        saved = rule.state_dict()
        for t in range(3, 6):
            step(rule, *gradients_of(rule.params, t))
        rule.load_state_dict(saved)
        assert {state["t"] for state in rule.state} == {3}
        for t in range(6, 9):
            step(rule, *gradients_of(rule.params, t))
    assert_same(together, alone)


@every_rule
def test_several_parameters_go_on_bit_for_bit_after_loading(make):
    rule = make(several())
    for t in range(5):
        step(rule, *gradients_of(rule.params, t))
    resumed = make(several(seed=1), lr=0.7)
    for p, q in zip(resumed.params, rule.params, strict=True):
        p.data = q.data
    resumed.load_state_dict(rule.state_dict())
    for t in range(5, 10):
        for each in (rule, resumed):
            step(each, *gradients_of(each.params, t))
    assert_same(resumed, rule, 0)


@every_rule
@pytest.mark.parametrize(
    "make_copy", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))], ids=["deepcopy", "pickle"]
)
def test_a_copy_of_a_rule_goes_on_by_itself(make, make_copy):
    rule = make(several())
    for t in range(3):
        step(rule, *gradients_of(rule.params, t))
    twin, before = make_copy(rule), [p.numpy().copy() for p in rule.params]
    for t in range(3, 6):
        step(twin, *gradients_of(twin.params, t))
    for p, values in zip(rule.params, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), values)
    for t in range(3, 6):
        step(rule, *gradients_of(rule.params, t))
    assert_same(twin, rule, 0)


@every_rule
def test_parameters_of_several_dtypes_are_stepped_each_in_its_own(make):
    def mixed():
        return [parameter(dtype="float32"), parameter(dtype="float64"), parameter(dtype="float32")]

    together, alone = make(mixed()), [make([p]) for p in mixed()]
    for _ in range(3):
        step(together, [1, 2, 3], [1, 2, 3], [3, 2, 1])
        for rule, g in zip(alone, ([1, 2, 3], [1, 2, 3], [3, 2, 1]), strict=True):
            step(rule, g)
    for p, rule in zip(together.params, alone, strict=True):
        assert p.dtype == rule.params[0].dtype
        np.testing.assert_array_equal(p.numpy(), rule.params[0].numpy())


@every_rule
def test_two_rules_take_turns_over_the_same_parameters(make):
    def turns(elementwise):
        params = several()
        rules = make(params), optim.Adam(params[1:], lr=0.01)
        for rule in rules:
            rule.elementwise = elementwise
        for t in range(6):
            for rule in rules:
                step(rule, *gradients_of(rule.params, t))
        return rules

    for one, other in zip(turns(True), turns(False), strict=True):
        assert_same(one, other)


@every_rule
@pytest.mark.usefixtures("_either_way")
def test_parameters_keep_their_memory_and_whoever_looks_at_it_sees_every_step(make):
    rule = make(several())
    arrays = [p.data for p in rule.params]
    views = [p.detach() for p in rule.params]
    with mg.no_grad():
        flat = [p.reshape(-1) for p in rule.params]
    for t in range(3):
        step(rule, *gradients_of(rule.params, t))
        for p, array, view, row in zip(rule.params, arrays, views, flat, strict=True):
            assert p.data is array
            np.testing.assert_array_equal(view.numpy(), p.numpy())
            np.testing.assert_array_equal(row.numpy(), p.numpy().ravel())


@every_rule
@pytest.mark.usefixtures("_either_way")
def test_no_parameter_shares_memory_with_another_or_with_a_state(make):
    rule = make(several())
    for t in range(2):
        step(rule, *gradients_of(rule.params, t))
    arrays = [*[p.data for p in rule.params], *[v for state in rule.state for v in state.values() if backend.is_array(v)]]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))


@every_rule
@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("look", [lambda p: p.reshape(-1), lambda p: p[::-1], lambda p: p.T, lambda p: p.detach(), lambda p: p])
def test_a_view_from_before_a_step_of_several_is_refused_in_backward(make, look):
    rule = make(several(shapes=[(2, 3), (2,), (3, 2)]))
    for p in (rule.params[0], rule.params[2], rule.params[0]):
        x = Tensor(np.ones(look(p).shape), requires_grad=True)
        loss = mg.exp(look(p) * x).sum()
        step(rule, *gradients_of(rule.params, 0))
        with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
            loss.backward()


def test_a_change_of_one_parameter_is_no_change_of_another():
    a, b, s = parameter(), parameter(), parameter([1.0, 1.0, 1.0])
    step(optim.SGD([a, b], 0.1), [1, 1, 1], [1, 1, 1])
    y = mg.record("second", b.data, (a, lambda g, y: g * 0.0), (b, lambda g, y: g))  # passes b's memory on
    for changed, refused in ((a, False), (b, True)):
        loss = (y * s).sum()
        changed.changed_in_place()
        if refused:
            with pytest.raises(RuntimeError, match="was changed in place"):
                mg.grad(loss, s)
        else:
            mg.grad(loss, s)


@every_rule
@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1]])
def test_the_layout_of_parameters_and_gradients_makes_no_difference(make, layout):
    values = np.arange(6.0).reshape(2, 3)
    odd, plain = make([Tensor(layout(values), True), parameter()]), make([Tensor(values.copy(), True), parameter()])
    other = np.ascontiguousarray(layout(values))
    plain.params[0].data = other
    for rule, g in ((odd, layout(values + 1)), (plain, np.ascontiguousarray(layout(values + 1)))):
        rule.params[0].grad = Tensor(g)
        rule.params[1].grad = Tensor(np.ones(3))
        rule.step()
    np.testing.assert_array_equal(odd.params[0].numpy(), plain.params[0].numpy())


@every_rule
def test_read_only_parameters_are_copied_first_also_among_several(make):
    array = np.broadcast_to(1.0, 3)
    p, q = Tensor(array, requires_grad=True), parameter()
    step(make([p, q]), [1, 1, 1], [1, 1, 1])
    assert (p.numpy() < 1).all()
    assert (array == 1).all()


@every_rule
def test_no_update_writes_to_the_gradients_of_several(make):
    rule = make(several())
    found = gradients_of(rule.params, 0)
    kept = [g.copy() for g in found]
    for p, g in zip(rule.params, found, strict=True):
        p.grad = Tensor(g)
    for _ in range(3):
        rule.step()
    for g, before in zip(found, kept, strict=True):
        np.testing.assert_array_equal(g, before)


def test_a_rule_of_the_users_own_is_called_once_for_each_parameter():
    class UnitSteps(optim.Optimizer):
        slots = ("n",)

        def update(self, theta, g, state):
            state["n"] = state["n"] + 1  # a new array: the rule need not work in place
            theta -= self.lr * g / np.linalg.norm(g)

    rule = UnitSteps([parameter([0.0, 0.0]), parameter([0.0])], lr=1.0)
    for _ in range(2):
        step(rule, [3.0, 4.0], [-5.0])
    np.testing.assert_allclose(rule.params[0].numpy(), [-1.2, -1.6])
    np.testing.assert_allclose(rule.params[1].numpy(), [2.0])
    np.testing.assert_array_equal(rule.state_dict()["params"]["0"]["n"], [2, 2])


@pytest.mark.parametrize("base", [optim.SGD, optim.RMSProp, optim.OMD, optim.Adam, optim.OptimisticAdam])
def test_what_extends_a_rule_is_called_once_for_each_parameter_unless_it_says_otherwise(base):
    class Clipped(base):
        def update(self, theta, g, state):
            sizes.append(g.size)
            super().update(theta, g / max(1.0, np.linalg.norm(g)), state)

    class Watched(base):
        elementwise = True

        def update(self, theta, g, state):
            sizes.append(g.size)

    for kind, expected in ((Clipped, [2, 1]), (Watched, [3])):
        sizes = []
        step(kind([parameter([0.0, 0.0]), parameter([0.0])], lr=1.0), [3.0, 4.0], [-5.0])
        assert sizes == expected


def test_each_update_starts_from_its_own_t():
    rule, alone = optim.Adam([parameter(), parameter()], lr=0.1), optim.Adam([parameter()], lr=0.1)
    step(rule, [1, 2, 3], None)
    for _ in range(3):
        step(rule, [1, 2, 3], [1, 2, 3])
        step(alone, [1, 2, 3])
    assert [state["t"] for state in rule.state] == [4, 3]
    np.testing.assert_array_equal(rule.params[1].numpy(), alone.params[0].numpy())


def test_products_and_roots_in_spare_memory_have_the_shape_and_dtype_of_their_array():
    rule = optim.SGD([parameter()], 0.1)
    for a in (np.full(4, 9.0), np.full(4, 9.0, "float32"), np.full((2, 2), 9.0), np.full((), 9.0), np.full(4, 9.0)):
        for make, value in ((rule.root_of, 3), (lambda a: rule.times(2, a), 18), (lambda a: rule.times(a, a), 81)):
            made = make(a)
            assert (made.shape, made.dtype) == (a.shape, a.dtype)
            assert not np.shares_memory(made, a)
            np.testing.assert_array_equal(made, value)
            np.testing.assert_array_equal(a, 9)
    assert np.shares_memory(rule.times(1, a), rule.root_of(a))


@pytest.mark.parametrize(("eps", "refused"), [(5e-7, True), (2e-5, False)])
def test_adams_eps_is_refused_where_what_is_added_to_the_root_would_be_0(eps, refused):
    rule = optim.Adam([parameter(dtype="float16")], eps=eps)  # at first, root(1 - beta2) eps: a thirtieth of it
    if refused:
        with pytest.raises(ValueError, match="eps=5e-07 is 0 in float16"):
            step(rule, [1, 2, 3])
    else:
        step(rule, [1, 2, 3])


# --- misuse -------------------------------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("lr", [-0.1, math.nan, math.inf])
def test_bad_learning_rates_are_refused(make, lr):
    with pytest.raises(ValueError, match="lr is"):
        make([parameter()], lr=lr)
    rule = make([parameter()])
    with pytest.raises(ValueError, match="lr is"):
        rule.lr = lr
    assert rule.lr == 0.1


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, math.nan])
def test_bad_momentum_and_betas_are_refused(value):
    with pytest.raises(ValueError, match="SGD: momentum is"):
        optim.SGD([parameter()], 0.1, momentum=value)
    with pytest.raises(ValueError, match=r"Adam: betas\[0\] is"):
        optim.Adam([parameter()], betas=(value, 0.999))
    with pytest.raises(ValueError, match=r"RMSProp: alpha is"):
        optim.RMSProp([parameter()], 0.1, alpha=value)
    for rule in (optim.Adam, optim.OptimisticAdam):
        with pytest.raises(ValueError, match=rf"^{rule.__name__}: betas\[1\] is"):
            rule([parameter()], betas=(0.9, value))


@pytest.mark.parametrize("eps", [-1e-8, math.nan])
def test_a_bad_eps_is_refused(eps):
    for rule in (optim.Adam, optim.OptimisticAdam, optim.RMSProp):
        with pytest.raises(ValueError, match=f"^{rule.__name__}: eps is"):
            rule([parameter()], lr=0.1, eps=eps)


@every_rule
@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "no parameters; pass module.parameters()"),
        ([np.ones(3)], TypeError, "parameter 0 is a ndarray; expected a Tensor"),
        (["weight"], TypeError, "parameter 0 is a str; expected a Tensor"),
        ([Tensor(np.arange(3))], ValueError, r"parameter 0 \(int64\) is no leaf that requires a gradient"),
        ([parameter() * 2], ValueError, "is no leaf that requires a gradient"),
    ],
    ids=["none", "array", "name", "integers", "result"],
)
def test_what_cannot_be_trained_is_refused(make, params, error, message):
    with pytest.raises(error, match=message):
        make(params)


def test_parameters_may_come_as_an_iterator_or_alone():
    model = nn.Dense(2, 2)
    assert len(optim.SGD((p for p in model.parameters()), 0.1).params) == 2
    assert optim.SGD(model.weight, 0.1).params == [model.weight]


def test_a_rule_without_update_says_so():
    p = parameter()
    p.grad = Tensor(np.ones(3))
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        optim.Optimizer([p], 0.1).step()


def test_a_rule_of_the_users_own_is_its_formula():
    class SignDescent(optim.Optimizer):
        def update(self, theta, g, state):
            theta -= self.lr * np.sign(g)

    p = parameter([1.0, 2.0])
    step(SignDescent([p], lr=0.5), [3.0, -4.0])
    np.testing.assert_array_equal(p.numpy(), [0.5, 2.5])


# --- LinearDecay --------------------------------------------------------------------------------------------------------


def two_rules():
    return optim.SGD([parameter()], 0.3), optim.Adam([parameter()], 0.007)


@pytest.mark.parametrize("steps", [1, 3, 7, 1000])
def test_after_t_steps_the_rates_are_lr_0_times_1_minus_t_over_steps(steps):
    a, b = two_rules()
    decay = optim.LinearDecay([a, b], steps)
    assert (a.lr, b.lr) == (0.3, 0.007)
    for t in range(1, steps + 1):
        decay.step()
        assert a.lr == pytest.approx(0.3 * (1 - t / steps), rel=1e-14, abs=1e-17)
        assert b.lr == pytest.approx(0.007 * (1 - t / steps), rel=1e-14, abs=1e-17)
    assert (a.lr, b.lr) == (0, 0)


def test_the_rates_stay_at_0():
    a, _ = two_rules()
    decay = optim.LinearDecay(a, 2)
    for _ in range(5):
        decay.step()
    assert a.lr == 0


def test_a_decay_resumes():
    a, b = two_rules()
    decay = optim.LinearDecay([a, b], 10)
    for _ in range(4):
        decay.step()
    c, d = two_rules()
    resumed = optim.LinearDecay([c, d], 10)
    resumed.load_state_dict(decay.state_dict())
    c.load_state_dict(a.state_dict())
    d.load_state_dict(b.state_dict())
    for _ in range(6):
        assert (c.lr, d.lr) == (a.lr, b.lr)
        decay.step()
        resumed.step()
    assert (c.lr, d.lr) == (0, 0)


def test_a_decay_resumes_from_the_rates_it_started_with_not_the_present_ones():
    a, _ = two_rules()
    decay = optim.LinearDecay(a, 10)
    for _ in range(5):
        decay.step()
    late = optim.LinearDecay(a, 10)  # made at half the rate
    late.load_state_dict(decay.state_dict())
    late.step()
    assert a.lr == pytest.approx(0.3 * 0.4, rel=1e-14)


@pytest.mark.parametrize("steps", [0, -1])
def test_a_decay_over_no_steps_is_refused(steps):
    with pytest.raises(ValueError, match=r"LinearDecay: .*steps"):
        optim.LinearDecay(two_rules()[0], steps)


def test_steps_record_no_graph():
    p = parameter()
    for rule in (make([p]) for make in RULES.values()):
        step(rule, [1, 2, 3])
        assert p.is_leaf
        assert p.requires_grad
    assert mg.grad((p * p).sum(), p)[0].shape == (3,)


@pytest.mark.parametrize("rule", [optim.Adam, optim.OptimisticAdam, optim.RMSProp])
def test_an_eps_that_is_0_in_the_parameters_dtype_is_refused(rule):
    p = Tensor(np.ones(2, np.float16), requires_grad=True)
    p.grad = Tensor(np.zeros(2, np.float16))
    with pytest.raises(ValueError, match=rf"^{rule.__name__}: eps=1e-08 is 0 in float16"):
        rule([p], lr=0.1).step()
