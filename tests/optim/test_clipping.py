"""Weights and gradients that are clipped."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minigan import Tensor, optim
from minigan.testing import arrays
from tests.optim.stepping import parameter


@given(arrays(low=-3, high=3), st.floats(0.01, 4), st.sampled_from(["float32", "float64"]))
@example(np.array([np.inf, -np.inf, np.nan, 1.0]), 0.5, "float32")  # nan stays where it is
def test_clip_weights_takes_every_element_into_minus_c_to_c_and_leaves_those_inside(w, c, dtype):
    p = Tensor(w.astype(dtype), requires_grad=True)
    array, p.grad = p.data, Tensor(np.ones(p.shape, dtype))
    w, g, c_ = array.copy(), p.grad, array.dtype.type(c)
    optim.clip_weights([p], c)
    assert (p.data is array, p.grad is g) == (True, True)
    np.testing.assert_array_equal(array, np.where(w > c_, c_, np.where(w < -c_, -c_, w)))


@pytest.mark.parametrize(
    "dtypes", [("float64", "float64"), ("float32", "float64"), ("float16", "float32"), ("float16", "float16")]
)
@pytest.mark.parametrize("limit", [0.01, 12.9, 13.1])
def test_gradients_that_are_longer_than_the_limit_are_shortened_to_it_all_together(dtypes, limit):
    """|(3, 4, 0)| = 5 and |(0, 0, 12)| = 12: together 13."""
    p, q = (parameter(dtype=dtype) for dtype in dtypes)
    waiting = parameter(dtype=dtypes[0])
    given_ = [np.array(g, dtype) for g, dtype in zip(([3, 4, 0], [0, 0, 12]), dtypes, strict=True)]
    p.grad, q.grad = map(Tensor, given_)
    norm = optim.clip_gradient_norm([p, waiting, q, p], limit)
    assert (norm.item(), norm.shape, norm.dtype) == (13, (), np.result_type("float32", *dtypes))
    assert waiting.grad is None
    for own, g, dtype in zip((p, q), given_, dtypes, strict=True):
        assert own.grad.dtype == dtype
        expected = g.astype("float64") * min(1, limit / 13)
        np.testing.assert_allclose(own.grad.numpy(), expected, rtol=2 * np.finfo(dtype).eps)


def test_the_old_gradients_keep_their_values_since_others_may_read_them():
    p, q, r, array = parameter(), parameter(), parameter(0.0), np.full(3, 2.0)
    p.grad = old = Tensor(array)
    q.grad, r.grad = Tensor(array[::-1]), Tensor(1.0)
    loss = (old * Tensor(np.ones(3), requires_grad=True)).sum()
    assert optim.clip_gradient_norm([p, q, r], 1.0).item() == pytest.approx(5)
    assert array.tolist() == old.numpy().tolist() == [2, 2, 2]
    assert p.grad.numpy().tolist() == q.grad.numpy().tolist() == pytest.approx([0.4] * 3)
    assert (type(r.grad.data), r.grad.item()) == (np.ndarray, pytest.approx(0.2))
    loss.backward()


def test_gradients_whose_squares_overflow_are_clipped_and_a_nan_is_seen_in_all_of_them():
    p, q = parameter(dtype="float32"), parameter()
    p.grad = Tensor(np.full(3, 1e30, "float32"))
    assert optim.clip_gradient_norm([p, q], 3**0.5).item() == pytest.approx(3**0.5 * 1e30)
    np.testing.assert_allclose(p.grad.numpy(), 1, rtol=1e-6)
    q.grad = Tensor(np.array([np.nan, 0, 0]))
    optim.clip_gradient_norm([p, q], 1.0)
    assert np.isnan(p.grad.numpy()).all()
    assert optim.clip_gradient_norm([parameter()], 1.0).item() == 0  # no gradient at all
