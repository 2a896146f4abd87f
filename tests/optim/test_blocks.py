"""Small parameters that are updated as one vector, and large ones part by part: as if each were stepped by itself."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, optim
from tests.optim.stepping import every_rule, parameter, step

SHAPES = [(2, 3), (), (4,), (0, 2), (1, 2, 2)]


def several(dtype="float64", shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(np.array(rng.standard_normal(shape), dtype), requires_grad=True) for shape in shapes]


def gradients_of(params, t):
    rng = np.random.default_rng(100 + t)
    return [rng.standard_normal(p.shape) for p in params]


def beside(make, **options):
    """Two optimizers over equal parameters: one takes them as one vector, one by themselves."""
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


one_vector_or_one_by_one = pytest.mark.parametrize("joined", [True, False], ids=["one vector", "one by one"])


@every_rule
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-6)])
def test_10_steps_as_one_vector_are_those_of_each_parameter_alone(make, dtype, tolerance):
    together, alone = beside(make, dtype=dtype)
    for t in range(10):
        for optimizer in (together, alone):
            step(optimizer, *gradients_of(optimizer.params, t))
        assert_same(together, alone, tolerance)


@every_rule
def test_several_parameters_cost_one_update_and_a_rule_that_is_not_elementwise_one_each(make, monkeypatch):
    together, alone = beside(make)
    for optimizer, calls in ((together, 1), (alone, len(SHAPES))):
        sizes, update = [], optimizer.update
        optimizer.update = lambda theta, g, state, sizes=sizes, update=update: (
            sizes.append(theta.size),
            update(theta, g, state),
        )
        step(optimizer, *gradients_of(optimizer.params, 0))
        assert len(sizes) == calls
        assert sum(sizes) == sum(p.size for p in optimizer.params)


@every_rule
def test_small_parameters_beside_a_large_one_are_joined(make):
    shapes = [(3,), (200, 100), (2, 2)]
    together, alone = beside(make, shapes=shapes)
    sizes, update = [], together.update
    together.update = lambda theta, g, state: (sizes.append(theta.size), update(theta, g, state))
    for t in range(4):
        for optimizer in (together, alone):
            step(optimizer, *gradients_of(optimizer.params, t))
    assert sorted(sizes[:2]) == [7, 20_000]
    assert_same(together, alone, 0)


@every_rule
def test_large_parameters_are_updated_part_by_part_to_the_same_end(make):
    shapes = [(600, 500), (7,)]
    g = [np.linspace(-1, 1, math.prod(shape)).reshape(shape) for shape in shapes]
    by_parts, whole = make(several(shapes=shapes)), make(several(shapes=shapes))
    whole.elementwise = False
    sizes, update = [], by_parts.update
    by_parts.update = lambda theta, g, state: (sizes.append(theta.size), update(theta, g, state))
    for layout in (np.ascontiguousarray, np.asfortranarray):
        for optimizer in (by_parts, whole):
            step(optimizer, *map(layout, g))
    assert sum(sizes) == 2 * sum(p.size for p in whole.params)
    assert max(sizes) < 300_000
    assert_same(by_parts, whole, 0)


@every_rule
def test_gradients_that_are_missing_now_and_then_change_nothing_for_the_others(make):
    together, alone = beside(make)
    for t in range(12):
        for optimizer in (together, alone):
            missing = np.random.default_rng(t).random(len(SHAPES)) < 0.3 * (t % 3)  # at times none, so that all have met
            found = gradients_of(optimizer.params, t)
            step(optimizer, *[None if gone else g for g, gone in zip(found, missing, strict=True)])
        assert_same(together, alone)
    assert len({state["t"] for state in together.state}) > 1


@every_rule
@pytest.mark.parametrize("shapes", [[(3,), (3,), (3,)], [(3,), (2,), (2, 2)]], ids=["alike", "not alike"])
def test_another_parameter_may_be_missing_each_time(make, shapes):
    together, alone = beside(make, shapes=shapes)
    for t in range(9):
        for optimizer in (together, alone):
            found = gradients_of(optimizer.params, t)
            found[t % 3] = None
            step(optimizer, *found)
        assert_same(together, alone)


@every_rule
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_assignments_between_steps_are_noticed(make, dtype):
    together, alone = beside(make)
    for t in range(10):
        for optimizer in (together, alone):
            if t in (3, 6):
                p = optimizer.params[t // 3]
                p.data = np.full(p.shape, 10.0 + t, dtype)
            step(optimizer, *gradients_of(optimizer.params, t))
        assert_same(together, alone, 1e-12 if dtype == "float64" else 1e-6)
    assert together.params[1].dtype == together.params[2].dtype == dtype


@every_rule
def test_a_cast_of_all_parameters_is_noticed(make):
    together, alone = beside(make, dtype="float32")
    for t in range(6):
        for optimizer in (together, alone):
            if t == 3:
                for p in optimizer.params:
                    p.data = p.data.astype("float64")
            step(optimizer, *gradients_of(optimizer.params, t))
    assert_same(together, alone, 1e-6)
    assert {p.dtype for p in together.params} == {np.dtype("float64")}
    assert {v.dtype for s in together.state for v in s.values() if backend.is_array(v)} <= {np.dtype("float64")}


@every_rule
def test_no_digit_of_a_wider_dtype_is_lost(make):
    optimizers = make(several(dtype="float32")), make(several(dtype="float32"))
    optimizers[1].elementwise = False
    for optimizer in optimizers:
        step(optimizer, *gradients_of(optimizer.params, 0))
        for p, values in zip(optimizer.params, several(), strict=True):
            p.data = values.data
        step(optimizer, *gradients_of(optimizer.params, 1))
    for p, q in zip(optimizers[0].params, optimizers[1].params, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-14)


@every_rule
def test_a_state_that_is_loaded_between_steps_is_noticed(make):
    together, alone = beside(make)
    for optimizer in (together, alone):
        for t in range(3):
            step(optimizer, *gradients_of(optimizer.params, t))
        saved = optimizer.state_dict()
        for t in range(3, 6):
            step(optimizer, *gradients_of(optimizer.params, t))
        optimizer.load_state_dict(saved)
        assert {state["t"] for state in optimizer.state} == {3}
        for t in range(6, 9):
            step(optimizer, *gradients_of(optimizer.params, t))
    assert_same(together, alone)


@every_rule
def test_several_parameters_go_on_bit_for_bit_after_loading(make):
    optimizer = make(several())
    for t in range(5):
        step(optimizer, *gradients_of(optimizer.params, t))
    resumed = make(several(seed=1), lr=0.7)
    for p, q in zip(resumed.params, optimizer.params, strict=True):
        p.data = q.data
    resumed.load_state_dict(optimizer.state_dict())
    for t in range(5, 10):
        for each in (optimizer, resumed):
            step(each, *gradients_of(each.params, t))
    assert_same(resumed, optimizer, 0)


@every_rule
@pytest.mark.parametrize(
    "make_copy", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))], ids=["deepcopy", "pickle"]
)
def test_a_copy_of_a_rule_goes_on_by_itself(make, make_copy):
    optimizer = make(several())
    for t in range(3):
        step(optimizer, *gradients_of(optimizer.params, t))
    twin, before = make_copy(optimizer), [p.numpy().copy() for p in optimizer.params]
    for t in range(3, 6):
        step(twin, *gradients_of(twin.params, t))
    for p, values in zip(optimizer.params, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), values)
    for t in range(3, 6):
        step(optimizer, *gradients_of(optimizer.params, t))
    assert_same(twin, optimizer, 0)


@every_rule
def test_parameters_of_several_dtypes_are_stepped_each_in_its_own(make):
    def mixed():
        return [parameter(dtype="float32"), parameter(dtype="float64"), parameter(dtype="float32")]

    together, alone = make(mixed()), [make([p]) for p in mixed()]
    for _ in range(3):
        step(together, [1, 2, 3], [1, 2, 3], [3, 2, 1])
        for optimizer, g in zip(alone, ([1, 2, 3], [1, 2, 3], [3, 2, 1]), strict=True):
            step(optimizer, g)
    for p, optimizer in zip(together.params, alone, strict=True):
        assert p.dtype == optimizer.params[0].dtype
        np.testing.assert_array_equal(p.numpy(), optimizer.params[0].numpy())


@every_rule
def test_two_rules_take_turns_over_the_same_parameters(make):
    def turns(elementwise):
        params = several()
        optimizers = make(params), optim.Adam(params[1:], lr=0.01)
        for optimizer in optimizers:
            optimizer.elementwise = elementwise
        for t in range(6):
            for optimizer in optimizers:
                step(optimizer, *gradients_of(optimizer.params, t))
        return optimizers

    for one, other in zip(turns(True), turns(False), strict=True):
        assert_same(one, other)


@every_rule
@one_vector_or_one_by_one
def test_parameters_keep_their_memory_and_whoever_looks_at_it_sees_every_step(make, joined):
    optimizer = make(several())
    optimizer.elementwise = joined
    arrays = [p.data for p in optimizer.params]
    views = [p.detach() for p in optimizer.params]
    with mg.no_grad():
        flat = [p.reshape(-1) for p in optimizer.params]
    for t in range(3):
        step(optimizer, *gradients_of(optimizer.params, t))
        for p, array, view, row in zip(optimizer.params, arrays, views, flat, strict=True):
            assert p.data is array
            np.testing.assert_array_equal(view.numpy(), p.numpy())
            np.testing.assert_array_equal(row.numpy(), p.numpy().ravel())


@every_rule
@one_vector_or_one_by_one
def test_no_parameter_shares_memory_with_another_or_with_a_state(make, joined):
    optimizer = make(several())
    optimizer.elementwise = joined
    for t in range(2):
        step(optimizer, *gradients_of(optimizer.params, t))
    arrays = [
        *[p.data for p in optimizer.params],
        *[v for state in optimizer.state for v in state.values() if backend.is_array(v)],
    ]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))


@every_rule
@one_vector_or_one_by_one
@pytest.mark.parametrize("look", [lambda p: p.reshape(-1), lambda p: p[::-1], lambda p: p.T, lambda p: p.detach(), lambda p: p])
def test_a_view_from_before_a_step_of_several_is_refused_in_backward(make, look, joined):
    optimizer = make(several(shapes=[(2, 3), (2,), (3, 2)]))
    optimizer.elementwise = joined
    for p in (optimizer.params[0], optimizer.params[2], optimizer.params[0]):
        x = Tensor(np.ones(look(p).shape), requires_grad=True)
        loss = mg.exp(look(p) * x).sum()
        step(optimizer, *gradients_of(optimizer.params, 0))
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
@one_vector_or_one_by_one
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1]])
def test_the_layout_of_parameters_and_gradients_makes_no_difference(make, layout, joined):
    values = np.arange(6.0).reshape(2, 3)
    odd, plain = make([Tensor(layout(values), True), parameter()]), make([Tensor(values.copy(), True), parameter()])
    other = np.ascontiguousarray(layout(values))
    plain.params[0].data = other
    for optimizer, g in ((odd, layout(values + 1)), (plain, np.ascontiguousarray(layout(values + 1)))):
        optimizer.params[0].grad = Tensor(g)
        optimizer.params[1].grad = Tensor(np.ones(3))
        optimizer.elementwise = joined
        optimizer.step()
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
    optimizer = make(several())
    found = gradients_of(optimizer.params, 0)
    kept = [g.copy() for g in found]
    for p, g in zip(optimizer.params, found, strict=True):
        p.grad = Tensor(g)
    for _ in range(3):
        optimizer.step()
    for g, before in zip(found, kept, strict=True):
        np.testing.assert_array_equal(g, before)


def test_a_rule_of_the_users_own_is_called_once_for_each_parameter():
    class UnitSteps(optim.Optimizer):
        slots = ("n",)

        def update(self, theta, g, state):
            state["n"] = state["n"] + 1  # a new array: the rule need not work in place
            theta -= self.lr * g / np.linalg.norm(g)

    optimizer = UnitSteps([parameter([0.0, 0.0]), parameter([0.0])], lr=1.0)
    for _ in range(2):
        step(optimizer, [3.0, 4.0], [-5.0])
    np.testing.assert_allclose(optimizer.params[0].numpy(), [-1.2, -1.6])
    np.testing.assert_allclose(optimizer.params[1].numpy(), [2.0])
    np.testing.assert_array_equal(optimizer.state_dict()["params"]["0"]["n"], [2, 2])


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
    optimizer, alone = optim.Adam([parameter(), parameter()], lr=0.1), optim.Adam([parameter()], lr=0.1)
    step(optimizer, [1, 2, 3], None)
    for _ in range(3):
        step(optimizer, [1, 2, 3], [1, 2, 3])
        step(alone, [1, 2, 3])
    assert [state["t"] for state in optimizer.state] == [4, 3]
    np.testing.assert_array_equal(optimizer.params[1].numpy(), alone.params[0].numpy())


@every_rule
def test_states_of_parameters_that_drop_out_keep_no_vector(make):
    params = several(shapes=[(1000,)] * 8)
    optimizer = make(params)
    for t in range(8):
        step(optimizer, *[None] * t, *gradients_of(params, t)[t:])
    for state in optimizer.state[:6]:
        for slot in optimizer.slots:
            assert state[slot].base is None or state[slot].base.size <= 1000


def test_a_rule_of_the_users_own_need_not_call_the_base_class_first():
    class Plain(optim.Optimizer):
        elementwise = True

        def __init__(self, params):
            self.params, self.state, self.lr, self.eps = params, [{"t": 0} for _ in params], 0.5, "any"

        def update(self, theta, g, state):
            theta -= self.lr * g

    params = several(shapes=[(2,), (3,)])
    before = [p.data.copy() for p in params]
    step(Plain(params), np.ones(2), np.ones(3))
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.data, old - 0.5)
