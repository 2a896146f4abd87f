"""Learning rates that go linearly to 0, and weights that are clipped."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import Tensor, nn, optim
from minigan.testing import arrays
from tests.optim.stepping import parameter

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


# --- clip_weights -------------------------------------------------------------------------------------------------------


@given(arrays(low=-3, high=3), st.floats(0.01, 4))
def test_clip_weights_takes_every_element_into_minus_c_to_c_and_leaves_those_inside(w, c):
    p = Tensor(w.copy(), requires_grad=True)
    optim.clip_weights([p], c)
    assert p.shape == w.shape
    assert (np.abs(p.numpy()) <= c).all()
    np.testing.assert_array_equal(p.numpy(), np.where(w > c, c, np.where(w < -c, -c, w)))


def test_clip_weights_works_in_place_in_the_parameters_dtype_and_leaves_the_gradient_alone():
    for dtype in ("float32", "float64"):
        p = parameter([1.0, -2.0, 0.05], dtype)
        array, p.grad = p.data, Tensor(np.ones(3, dtype))
        g = p.grad
        optim.clip_weights([p], 0.1)
        assert p.data is array
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, np.array([0.1, -0.1, 0.05], dtype))
        assert p.grad is g


def test_clip_weights_bounds_infinity_and_keeps_nan_where_it_is():
    p = parameter([math.inf, -math.inf, math.nan, 1.0])
    optim.clip_weights([p], 0.5)
    np.testing.assert_array_equal(p.numpy(), [0.5, -0.5, math.nan, 0.5])


def test_clipping_between_forward_and_backward_makes_the_backward_pass_an_error():
    p = parameter()
    loss = (p * p).sum()
    optim.clip_weights([p], 10.0)  # changes nothing, but might have
    with pytest.raises(RuntimeError, match=r"tensor 'theta' of shape \(3,\), an input of multiply, was changed in place"):
        loss.backward()


def test_clip_weights_takes_a_list_an_iterator_or_one_tensor_and_frozen_parameters_too():
    model = nn.Sequential(nn.Dense(3, 2), nn.Dense(2, 1))
    model[0].requires_grad_(False)
    optim.clip_weights(iter(model.parameters()), 1e-3)
    assert max(np.abs(p.numpy()).max() for p in model.parameters()) <= np.float32(1e-3)
    optim.clip_weights(model[0].weight, 1e-4)
    assert np.abs(model[0].weight.numpy()).max() <= np.float32(1e-4) < np.abs(model[0].bias.numpy()).max()
    assert not model[0].weight.requires_grad


def test_clip_weights_copies_read_only_memory_first():
    array = np.broadcast_to(1.0, 3)
    p = Tensor(array, requires_grad=True)
    optim.clip_weights([p], 0.5)
    assert (p.numpy() == 0.5).all()
    assert (array == 1).all()


@pytest.mark.parametrize("c", [0, -0.01, math.nan])
def test_clip_weights_refuses_a_bound_that_is_not_above_0(c):
    p = parameter()
    with pytest.raises(ValueError, match=r"clip_weights: c is .*; expected a finite number above 0"):
        optim.clip_weights([p], c)
    np.testing.assert_array_equal(p.numpy(), [1, -2, 3])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "clip_weights: no parameters"),
        (nn.Dense(1, 1), TypeError, r"clip_weights: params is a Dense; expected .* \(module\.parameters\(\)\)"),
        ([np.ones(3)], TypeError, "clip_weights: parameter 0 is a ndarray"),
        ([parameter(), parameter() * 2], ValueError, r"clip_weights: parameter 1 .* is not a leaf"),
        ([Tensor(np.ones(3))], ValueError, "is not a leaf with requires_grad=True"),
    ],
    ids=["none", "module", "buffer", "result", "constant"],
)
def test_clip_weights_refuses_what_are_no_parameters(params, error, message):
    with pytest.raises(error, match=message):
        optim.clip_weights(params, 0.1)


@pytest.mark.parametrize("optimizers", [None, 3, [], [None], "SGD"], ids=repr)
def test_a_decay_of_something_else_than_optimizers_is_refused(optimizers):
    with pytest.raises(ValueError, match=r"^LinearDecay: optimizers is .*; expected an Optimizer, or a list of at least one$"):
        optim.LinearDecay(optimizers, 10)


def test_a_decay_takes_any_iterable_of_optimizers():
    rules = two_rules()
    decay = optim.LinearDecay(iter(rules), 2)
    decay.step()
    decay.step()
    assert [rule.lr for rule in rules] == [0, 0]
