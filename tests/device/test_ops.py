"""Every op on a device: what NumPy computes, gradients of both orders, dtypes kept, and nothing copied back and forth."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, backend, nn
from minigan.testing import arrays, assert_gradients, shapes
from tests.contracts.ops import CASES
from tests.device.comparing import assert_agree, everything_is_on, on_both

every_case = pytest.mark.parametrize(("name", "fn", "inputs"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow  # they are NumPy's, see below, which `tests/contracts/test_gradients.py` checks
@every_case
def test_gradients_are_those_of_finite_differences_to_order_2(name, fn, inputs, device):
    with backend.using("cupy"):
        assert mg.gradcheck(fn, *inputs())


BIG = np.array([2**63 + 5, 7], np.uint64)
INTEGERS = {
    "pad widens": lambda: [mg.pad(np.ones(2, np.uint8), 1, value) for value in (0, -1, 300, 0.5, np.nan)],
    "uint64": lambda: [mg.sum(BIG), mg.cumsum(BIG), Tensor(BIG) + 1, Tensor(BIG) > 0, mg.maximum(BIG, 9), mg.stack([BIG, BIG])],
}


@pytest.mark.parametrize("compute", INTEGERS.values(), ids=INTEGERS)
def test_integers_are_as_wide_there_as_under_numpy(compute, device):
    assert_agree(*on_both(compute), 0)


def outputs(fn, inputs):
    y = fn(*inputs)
    return list(y) if isinstance(y, list | tuple) else [y]


@every_case
def test_values_and_gradients_of_both_orders_are_numpys_and_live_on_the_device(name, fn, inputs, device):
    def compute(dtype):
        xs = [Tensor(x.astype(dtype), requires_grad=True) for x in inputs()]
        ys = outputs(fn, xs)
        first = mg.grad(sum((y * y).sum() for y in ys), xs, create_graph=True)
        second = mg.grad(sum((g * g).sum() for g in first), xs)
        return ys, list(first), list(second)

    for dtype, tolerance in (("float32", 1e-4), ("float64", 1e-10)):
        here, there = on_both(lambda dtype=dtype: compute(dtype))
        assert_agree(here, there, tolerance)
        assert everything_is_on(device, *there[0], *there[1], *there[2])


GIVEN = {"dropout": 1, "getitem": 2, "take": 1, "where": 2}  # from the host: a mask drawn there; lists (first, for their dtype)


@every_case
def test_nothing_is_copied_to_the_host_and_no_constant_to_the_device(name, fn, inputs, stand_in):
    with backend.using("cupy"):
        xs = [Tensor(x, requires_grad=True) for x in inputs()]
        for _ in range(2):  # the first time, constants are made, on the device
            stand_in.transfers.clear()
            sum((y * y).sum() for y in outputs(fn, xs)).backward()
    assert stand_in.transfers["to_device"] <= GIVEN.get(name, 0)
    if name != "getitem":  # of x[x > 0], the device alone knows the size
        assert stand_in.transfers["to_host"] == 0


ELEMENTWISE = [mg.exp, mg.tanh, mg.sigmoid, mg.softplus, mg.square, mg.relu, mg.leaky_relu, mg.abs]
REDUCTIONS = [mg.sum, mg.mean, mg.var, mg.max, mg.logsumexp]


@shared
@given(x=arrays(away_from=(0.0,)), fn=st.sampled_from(ELEMENTWISE))
def test_elementwise_ops_of_any_shape(device, x, fn):
    with backend.using("cupy"):
        assert_gradients(fn, x)


@shared
@given(x=arrays(shapes(min_dims=1, min_side=1), distinct=True), fn=st.sampled_from(REDUCTIONS), data=st.data())
def test_reductions_over_any_axis(device, x, fn, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    with backend.using("cupy"):
        assert_gradients(lambda x: fn(x, axis=axis), x)


@pytest.mark.parametrize("labels", [np.array([2, 0, 1]), [2, 0, 1]])
def test_lookups_by_label(labels, device):
    def compute():
        weight = Tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
        loss = mg.losses.cross_entropy(weight[labels], labels)
        return mg.one_hot(labels, 4), loss, mg.grad(loss, weight)[0], nn.Embedding(4, 2)(labels)

    assert_agree(*on_both(compute))


def test_labels_on_the_host_are_checked_and_those_on_the_device_only_in_debug_mode(stand_in):
    with backend.using("cupy"):
        with pytest.raises(ValueError, match="labels from 0 to 7; expected 0 to 3"):
            mg.one_hot(np.array([0, 7]), 4)
        there = Tensor(np.array([0, 7]))
        stand_in.transfers.clear()
        with pytest.raises(ValueError, match="labels from 0 to 7"), mg.debug():
            mg.one_hot(there, 4)
        assert stand_in.transfers["to_host"] > 0


def test_many_parts_are_put_together_without_a_table_from_the_host(stand_in):
    with backend.using("cupy"):
        x = Tensor(np.arange(50.0).reshape(1, 1, 5, 10), requires_grad=True)
        parts = [x[:, :, :, i] for i in range(10)]
        stand_in.transfers.clear()
        (mg.stack(parts, axis=-1) * mg.max_pool2d(x, 3, 1, 1)).sum().backward()
        assert not stand_in.transfers
    whole = np.arange(50.0).reshape(5, 10)
    np.testing.assert_array_equal(mg.stack(parts, axis=-1).numpy()[0, 0], whole)


def test_log_loss_does_not_wait_for_a_check_of_its_arguments(stand_in):
    with backend.using("cupy"):
        v, y = Tensor(np.zeros((3, 1)), requires_grad=True), Tensor(np.ones((3, 1)))
        stand_in.transfers.clear()
        mg.losses.log_loss_with_logits(v, y).backward()
        mg.losses.log_loss(mg.sigmoid(v), y).backward()
        assert not stand_in.transfers


# --- two backends ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [mg.add, mg.matmul, mg.maximum, lambda a, b: mg.concatenate([a, b]), lambda a, b: a * b])
def test_tensors_of_two_backends_are_refused_at_once_by_name(op, device):
    a = Tensor(np.ones((2, 2), np.float32))
    b = a.to("cupy")
    with pytest.raises(TypeError, match="argument 1 on numpy, argument 2 on cupy; move one with"):
        op(a, b)


def test_moving_there_and_back_passes_gradients(device):
    a = Tensor(np.arange(3.0), requires_grad=True)
    there = a.to("cupy") * 2
    assert everything_is_on(device, there)
    (there.to("numpy") ** 2).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 8 * np.arange(3.0))


@pytest.mark.parametrize("where", ["cupy", "numpy"])
def test_moving_passes_gradients_back_as_they_are(where, device):
    with backend.using("cupy" if where == "numpy" else "numpy"):
        a = Tensor(np.arange(3.0), requires_grad=True)
    (g,) = mg.grad(a.to(where), a, gradient=a.to(where).detach() + 2.0)
    np.testing.assert_array_equal(g.numpy(), [2.0, 3.0, 4.0])
    assert type(g.data) is type(a.data)


def test_numbers_lists_and_numpys_arrays_are_moved_to_the_current_backend(device):
    with backend.using("cupy"):
        for data in (1.5, [1.0, 2.0], np.ones(2), np.arange(3), [True, False]):
            t = Tensor(data)
            assert everything_is_on(device, t)
            assert t.dtype == mg.Tensor(backend.to_numpy(t.data)).dtype
        x = Tensor(np.ones(2, np.float32))
        assert everything_is_on(device, x + 1.0, x * np.ones(2, np.float32), 2 - x, mg.where([True, False], x, 0.0))


@pytest.mark.parametrize("data", ["abc", [None], ["a", "b"], object()])
def test_what_is_no_number_is_refused_as_under_numpy(data, device):
    with backend.using("cupy"), pytest.raises(TypeError, match="expected real numbers"):
        Tensor(data)


def test_constants_are_made_once_and_keep_their_sign(device):
    with backend.using("cupy"):
        x = Tensor(np.ones(2, np.float32))

        def constant(value):
            return backend.constant(value, np.float32, x.data)

        assert constant(1.25) is constant(1.25)
        for value in (0.0, -0.0):
            assert np.signbit(backend.to_numpy(constant(value))) == np.signbit(value)
