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


@pytest.mark.parametrize("steps", [1, 3, 100])
@pytest.mark.parametrize("kind", [list, iter])
def test_after_t_steps_the_rates_are_lr_0_times_1_minus_t_over_steps_and_then_stay_at_0(steps, kind):
    rules = two_rules()
    decay = optim.LinearDecay(kind(rules), steps)
    for t in [*range(1, steps + 1), steps, steps]:
        decay.step()
        expected = [lr * (1 - t / steps) for lr in (0.3, 0.007)]
        assert [rule.lr for rule in rules] == pytest.approx(expected, rel=1e-14, abs=1e-17)
    assert decay.t == steps


def test_a_decay_resumes_from_the_rates_it_started_with_not_the_present_ones():
    a, _ = two_rules()
    decay = optim.LinearDecay(a, 10)
    for _ in range(5):
        decay.step()
    late = optim.LinearDecay(a, 10)  # made at half the rate
    late.load_state_dict(decay.state_dict())
    late.step()
    assert a.lr == pytest.approx(0.3 * 0.4, rel=1e-14)


# --- clip_weights -------------------------------------------------------------------------------------------------------


@given(arrays(low=-3, high=3), st.floats(0.01, 4))
def test_clip_weights_takes_every_element_into_minus_c_to_c_and_leaves_those_inside(w, c):
    p = Tensor(w.copy(), requires_grad=True)
    optim.clip_weights([p], c)
    assert p.shape == w.shape
    np.testing.assert_array_equal(p.numpy(), np.where(w > c, c, np.where(w < -c, -c, w)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_weights_works_in_place_in_the_parameters_dtype_and_leaves_the_gradient_alone(dtype):
    p = parameter([1.0, -2.0, 0.05], dtype)
    array, p.grad = p.data, Tensor(np.ones(3, dtype))
    g = p.grad
    optim.clip_weights([p], 0.1)
    assert (p.data is array, p.grad is g, array.dtype) == (True, True, dtype)
    np.testing.assert_array_equal(array, np.array([0.1, -0.1, 0.05], dtype))


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


def test_clip_weights_takes_an_iterator_or_one_tensor_frozen_or_read_only():
    layer, array = nn.Dense(3, 2), np.broadcast_to(1.0, 3)
    layer.requires_grad_(False)
    optim.clip_weights(iter([*layer.parameters(), p := Tensor(array, requires_grad=True)]), 1e-3)
    assert max(np.abs(v.numpy()).max() for v in [*layer.parameters(), p]) <= np.float32(1e-3)
    assert (array == 1).all()
    optim.clip_weights(layer.weight, 1e-4)
    assert np.abs(layer.weight.numpy()).max() <= np.float32(1e-4)
    assert not layer.weight.requires_grad
