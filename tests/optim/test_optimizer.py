"""What all optimizers share: gradients that are missing, shared or assigned, dtypes, the learning rate, saving, misuse."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn, optim
from tests.optim.stepping import RULES, every_rule, parameter, step

# --- gradients that are missing, shared, assigned -----------------------------------------------------------------------


@every_rule
def test_a_parameter_without_a_gradient_is_left_alone_and_so_is_its_state(make):
    a, b = parameter(), parameter()
    optimizer = make([a, b])
    step(optimizer, [1, 1, 1], [1, 1, 1])
    before, state = b.numpy().copy(), optimizer.state_dict()["params"]["1"]
    step(optimizer, [1, 1, 1], None)
    np.testing.assert_array_equal(b.numpy(), before)
    after = optimizer.state_dict()["params"]["1"]
    assert after["t"] == state["t"] == 1
    assert after.keys() == state.keys()
    for name in state:
        np.testing.assert_array_equal(after[name], state[name])


@every_rule
def test_a_parameter_that_waits_then_steps_like_a_fresh_one(make):
    a, b, fresh = parameter(), parameter(), parameter()
    optimizer = make([a, b])
    step(optimizer, [1, 1, 1], None)
    step(optimizer, [1, 1, 1], [1, 2, 3])
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
    optimizer = make([twice, twice])
    optimizer.step()
    np.testing.assert_array_equal(twice.numpy(), once.numpy())
    assert len(optimizer.params) == 1


@every_rule
def test_zero_grad_forgets(make):
    p = parameter()
    p.grad = Tensor(np.ones(3))
    make([p]).zero_grad()
    assert p.grad is None


@every_rule
def test_a_step_follows_assignments_to_data_and_grad(make):
    p = parameter([0.0])
    optimizer = make([p])
    step(optimizer, [1.0])
    moved = p.item()
    p.data = np.array([10.0])
    step(optimizer, [-1.0])
    assert moved < 0
    assert p.item() != pytest.approx(moved, abs=5)
    assert p.item() > 10
    assert p.item() == pytest.approx(10, abs=0.75)


@every_rule
def test_a_step_does_not_write_to_the_gradients_or_keep_their_memory(make):
    p, g = parameter(), np.array([1.0, -2.0, 0.5])
    optimizer = make([p])
    for _ in range(3):
        p.grad = Tensor(g)
        optimizer.step()
        np.testing.assert_array_equal(g, [1.0, -2.0, 0.5])
    for state in optimizer.state:
        assert not any(np.shares_memory(g, v) for v in state.values() if backend.is_array(v))


@every_rule
def test_the_gradients_memory_may_be_used_again_after_a_step(make):
    reused, fresh, buffer = parameter(), parameter(), np.zeros(3)
    optimizer, other = make([reused]), make([fresh])
    for g in np.random.default_rng(0).standard_normal((5, 3)):
        buffer[...] = g
        reused.grad = Tensor(buffer)
        optimizer.step()
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


VALUES = np.linspace(-1, 1, 40_000).reshape(200, 200)  # halves of it are too large to be joined
TWO_VIEWS = {
    "one array": lambda a: (a, a),
    "overlapping halves": lambda a: (a[:120], a[80:]),
    "transposed": lambda a: (a[:3, :3], a[:3, :3].T),
    "one number": lambda a: (a[:2], a[1:3, :1]),
    "every other one, and some": lambda a: (a[::2], a[2:3]),
    "one buffer": lambda a: [np.frombuffer(buffer) for buffer in [bytearray(a)] * 2],
}


@pytest.mark.parametrize("views", TWO_VIEWS.values(), ids=TWO_VIEWS)
def test_two_parameters_in_one_memory_are_refused(views):
    first, second = (Tensor(a, requires_grad=True, name=name) for a, name in zip(views(VALUES.copy()), "ab", strict=True))
    message = r"parameters 0, tensor 'a' of shape .*, and 2, tensor 'b' of shape .*, share memory: .*one Tensor for both"
    with pytest.raises(ValueError, match=message):
        optim.Adam([first, parameter(), second])


@every_rule
def test_parameters_beside_each_other_in_one_array_are_all_stepped(make):
    whole = VALUES[:2].copy()
    parts = [Tensor(a, requires_grad=True) for a in (whole[0], whole[1, ::2], whole[1, 1::2])]
    alone = Tensor(VALUES[:2].copy(), requires_grad=True)
    step(make(parts), whole[0] + 1, whole[1, ::2] + 1, whole[1, 1::2] + 1)
    step(make([alone]), VALUES[:2] + 1)
    np.testing.assert_allclose(whole, alone.numpy(), rtol=1e-12)


def test_steps_record_no_graph():
    p = parameter()
    for optimizer in (make([p]) for make in RULES.values()):
        step(optimizer, [1, 2, 3])
        assert p.is_leaf
        assert p.requires_grad
    assert mg.grad((p * p).sum(), p)[0].shape == (3,)


# --- dtypes -------------------------------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_and_state_keep_the_dtype(make, dtype):
    p = parameter(dtype=dtype)
    optimizer = make([p])
    step(optimizer, [1, 2, 3])
    step(optimizer, [1, 2, 3])
    assert p.dtype == dtype
    assert {v.dtype for v in optimizer.state[0].values() if backend.is_array(v)} <= {np.dtype(dtype)}


@every_rule
def test_the_state_follows_the_parameter_to_float64(make):
    p = parameter(dtype="float32")
    optimizer = make([p])
    step(optimizer, [1, 2, 3])
    p.data = p.data.astype("float64")
    step(optimizer, [1, 2, 3])
    assert p.dtype == np.float64
    assert {v.dtype for v in optimizer.state[0].values() if backend.is_array(v)} <= {np.dtype("float64")}


@every_rule
def test_float32_steps_are_close_to_float64_ones(make):
    single, double = parameter(dtype="float32"), parameter()
    optimizers = make([single]), make([double])
    rng = np.random.default_rng(0)
    for g in rng.standard_normal((50, 3)):
        for optimizer in optimizers:
            step(optimizer, g)
    np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=1e-4, atol=1e-5)


# --- the learning rate --------------------------------------------------------------------------------------------------


@every_rule
def test_the_learning_rate_can_be_set_between_steps(make):
    p = parameter()
    optimizer = make([p])
    optimizer.lr = 0
    before = p.numpy().copy()
    step(optimizer, [1, 2, 3])
    np.testing.assert_array_equal(p.numpy(), before)
    optimizer.lr = 0.5
    step(optimizer, [1, 2, 3])
    assert optimizer.lr == 0.5
    assert (p.numpy() < before).all()


def test_a_new_learning_rate_scales_the_next_step():
    p = parameter([0.0])
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.lr = 0.3
    step(optimizer, [2.0])
    assert p.item() == pytest.approx(-0.6, rel=1e-15)


# --- saving -------------------------------------------------------------------------------------------------------------


@every_rule
def test_a_loaded_optimizer_goes_on_bit_for_bit(make):
    gradients = np.random.default_rng(0).standard_normal((20, 3))
    p = parameter()
    optimizer = make([p])
    for g in gradients[:10]:
        step(optimizer, g)
    state, values = optimizer.state_dict(), p.numpy().copy()
    for g in gradients[10:]:
        step(optimizer, g)

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
    optimizer, other = make([p]), make([q])
    step(optimizer, [1, 2, 3])
    state = optimizer.state_dict()
    other.load_state_dict(state)
    kept = {name: np.array(v) for name, v in state["params"]["0"].items()}
    step(optimizer, [4, 5, 6])
    step(other, [7, 8, 9])
    for name, v in state["params"]["0"].items():
        np.testing.assert_array_equal(v, kept[name])


@every_rule
def test_a_state_can_be_saved_before_the_first_step_and_forgets_later_ones(make):
    p, q = parameter(), parameter()
    optimizer, fresh = make([p]), make([q])
    state = optimizer.state_dict()
    step(optimizer, [1, 2, 3])
    p.data = q.numpy().copy()
    optimizer.load_state_dict(state)
    step(optimizer, [1, 1, 1])
    step(fresh, [1, 1, 1])
    np.testing.assert_array_equal(p.numpy(), q.numpy())


@every_rule
def test_a_state_of_more_than_ten_parameters_keeps_their_order(make):
    params = [parameter([float(i)]) for i in range(12)]
    optimizer = make(params)
    step(optimizer, *[[float(i + 1)] for i in range(12)])
    other = make([parameter([0.0]) for _ in range(12)])
    other.load_state_dict(optimizer.state_dict())
    for own, loaded in zip(optimizer.state, other.state, strict=True):
        assert own == loaded


@every_rule
def test_loading_refuses_another_number_of_parameters(make):
    state = make([parameter(), parameter()]).state_dict()
    with pytest.raises(ValueError, match=r"load_state_dict: params: missing \[\], unexpected \['1'\]"):
        make([parameter()]).load_state_dict(state)
    with pytest.raises(ValueError, match=r"load_state_dict: params: missing \['2'\], unexpected \[\]"):
        make([parameter(), parameter(), parameter()]).load_state_dict(state)


@pytest.mark.parametrize("make", [make for name, make in RULES.items() if name != "sgd"], ids=[r for r in RULES if r != "sgd"])
def test_loading_refuses_another_shape_and_then_loads_nothing(make):
    optimizer = make([parameter([1.0]), parameter([1.0, 2.0])])
    step(optimizer, [1.0], [1.0, 2.0])
    other = make([parameter([1.0]), parameter([1.0])], lr=0.3)
    with pytest.raises(ValueError, match=r"load_state_dict: params\.1\.\w+ has shape \(1,\), the state \(2,\)"):
        other.load_state_dict(optimizer.state_dict())
    assert other.lr == 0.3
    assert other.state == [{"t": 0}, {"t": 0}]


# --- rules of the user's own ---------------------------------------------------------------------------------------------


def test_a_rule_of_the_users_own_is_its_formula():
    class SignDescent(optim.Optimizer):
        def update(self, theta, g, state):
            theta -= self.lr * np.sign(g)

    p = parameter([1.0, 2.0])
    step(SignDescent([p], lr=0.5), [3.0, -4.0])
    np.testing.assert_array_equal(p.numpy(), [0.5, 2.5])


def test_a_rule_without_update_says_so():
    p = parameter()
    p.grad = Tensor(np.ones(3))
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        optim.Optimizer([p], 0.1).step()


# --- display ------------------------------------------------------------------------------------------------------------


def test_repr_shows_the_constants_the_extent_and_the_steps():
    params = [parameter() for _ in range(3)] + [parameter(np.zeros((30, 40)))]
    rule = optim.Adam(params, betas=(0.5, 0.9))
    assert repr(rule) == "Adam(lr=0.001, betas=(0.5, 0.9), eps=1e-08, 4 parameters, 1,209 numbers, step 0)"
    for _ in range(2):
        step(rule, [1, 1, 1], None, None, None)
    assert repr(rule).endswith("step 2)")


@every_rule
def test_repr_names_the_rule_and_all_its_settings(make):
    rule = make([parameter()])
    assert repr(rule).startswith(f"{type(rule).__name__}(lr=0.1, ")
    assert all(f" {name}={getattr(rule, name)}, " in repr(rule) for name in rule.settings)


# --- misuse -------------------------------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("lr", [-0.1, math.nan, math.inf])
def test_bad_learning_rates_are_refused(make, lr):
    with pytest.raises(ValueError, match="lr is"):
        make([parameter()], lr=lr)
    optimizer = make([parameter()])
    with pytest.raises(ValueError, match="lr is"):
        optimizer.lr = lr
    assert optimizer.lr == 0.1


@every_rule
@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "no parameters; pass module.parameters()"),
        ([np.ones(3)], TypeError, "parameter 0 is a ndarray; expected a Tensor"),
        (["weight"], TypeError, "parameter 0 is a str; expected a Tensor"),
        ([Tensor(np.arange(3))], ValueError, r"parameter 0 \(int64\) is not a leaf with requires_grad=True"),
        ([parameter() * 2], ValueError, "is not a leaf with requires_grad=True"),
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
