"""Learning rates that go linearly to 0, and weights that are clipped."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minigan import Tensor, optim
from minigan.testing import arrays
from tests.optim.stepping import parameter


@pytest.mark.parametrize("steps", [1, 3, 100])
@pytest.mark.parametrize("kind", [list, iter])
def test_after_t_steps_the_rates_are_lr_0_times_1_minus_t_over_steps_and_then_stay_at_0(steps, kind):
    rules = optim.SGD([parameter()], 0.3), optim.Adam([parameter()], 0.007)
    decay = optim.LinearDecay(kind(rules), steps)
    for t in [*range(1, steps + 1), steps, steps]:
        decay.step()
        expected = [lr * (1 - t / steps) for lr in (0.3, 0.007)]
        assert [rule.lr for rule in rules] == pytest.approx(expected, rel=1e-14, abs=1e-17)
    assert decay.t == steps


def test_a_decay_resumes_from_the_rates_it_started_with_not_the_present_ones():
    rule = optim.SGD([parameter()], 0.3)
    decay = optim.LinearDecay(rule, 10)
    for _ in range(5):
        decay.step()
    late = optim.LinearDecay(rule, 10)  # made at half the rate
    late.load_state_dict(decay.state_dict())
    late.step()
    assert rule.lr == pytest.approx(0.3 * 0.4, rel=1e-14)


@given(arrays(low=-3, high=3), st.floats(0.01, 4), st.sampled_from(["float32", "float64"]))
@example(np.array([np.inf, -np.inf, np.nan, 1.0]), 0.5, "float32")  # nan stays where it is
def test_clip_weights_takes_every_element_into_minus_c_to_c_and_leaves_those_inside(w, c, dtype):
    p = Tensor(w.astype(dtype), requires_grad=True)
    array, p.grad = p.data, Tensor(np.ones(p.shape, dtype))
    w, g, c_ = array.copy(), p.grad, array.dtype.type(c)
    optim.clip_weights([p], c)
    assert (p.data is array, p.grad is g) == (True, True)
    np.testing.assert_array_equal(array, np.where(w > c_, c_, np.where(w < -c_, -c_, w)))


def test_clipping_between_forward_and_backward_makes_the_backward_pass_an_error():
    p = parameter()
    loss = (p * p).sum()
    optim.clip_weights([p], 10.0)  # changes nothing, but might have
    with pytest.raises(RuntimeError, match=r"tensor 'theta' of shape \(3,\), an input of multiply, was changed in place"):
        loss.backward()
