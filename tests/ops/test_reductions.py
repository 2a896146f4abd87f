"""Reductions over every kind of axis: values against NumPy, gradients, ties, zeros, stability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.testing import arrays, assert_gradients, axes, shapes
from tests.helpers.examples import few


def logsumexp(x, axis, keepdims):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def norm(x, axis, keepdims):
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


TOTAL = {"sum": (np.sum, {}), "prod": (np.prod, {}), "norm": (norm, {"away_from": (0,)})}
NONEMPTY = {
    "mean": (np.mean, {}),
    "var": (np.var, {}),
    "max": (np.max, {"distinct": True}),
    "min": (np.min, {"distinct": True}),
    "logsumexp": (logsumexp, {}),
}
SHORT = {"max_dims": 3, "max_side": 3}


def check(name, reference, options, data, min_side):
    x = data.draw(arrays(shapes(min_side=min_side, **SHORT), low=-2, high=2, **options))
    axis, keepdims = data.draw(axes(x.ndim)), data.draw(st.booleans())
    op = getattr(mg, name)
    y = op(x, axis=axis, keepdims=keepdims)
    expected = reference(x, axis=axis, keepdims=keepdims)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert_gradients(lambda x: op(x, axis=axis, keepdims=keepdims), x, order=2 if x.size <= 6 else 1)


@pytest.mark.parametrize("name", TOTAL)
@few
@given(data=st.data())
def test_value_and_gradients_nothing_to_reduce_included(name, data):
    check(name, *TOTAL[name], data, min_side=0)


@pytest.mark.parametrize("name", NONEMPTY)
@few
@given(data=st.data())
def test_value_and_gradients(name, data):
    check(name, *NONEMPTY[name], data, min_side=1)


@pytest.mark.parametrize("name", [*NONEMPTY, "softmax", "log_softmax"])
def test_no_elements_to_reduce_are_refused_but_no_results_are_not(name):
    op = getattr(mg, name)
    with pytest.raises(ValueError, match=rf"{name}: no elements along axes \(1,\) of shape \(2, 0\)"):
        op(np.ones((2, 0)), axis=-1)
    assert op(np.ones((2, 0)), axis=0).size == 0
    assert_gradients(lambda x: op(x, axis=0), np.ones((2, 0)))


@pytest.mark.parametrize("name", [*TOTAL, *NONEMPTY])
def test_axis_0_is_not_taken_for_no_axis(name):
    x = np.arange(1.0, 7.0).reshape(2, 3)
    assert getattr(mg, name)(x, axis=0).shape == (3,)
    assert getattr(mg, name)(x, axis=[0, 1], keepdims=True).shape == (1, 1)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "min", "prod", "norm", "logsumexp"])
def test_methods_are_the_ops(name):
    x = mg.Tensor([[1.0, 2.0], [3.0, 5.0]])
    np.testing.assert_array_equal(getattr(x, name)(1).numpy(), getattr(mg, name)(x, 1).numpy())


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_sum_of_integers_and_masks_counts(dtype):
    y = mg.Tensor(np.ones(3, dtype)).sum()
    assert y.dtype == np.int64
    assert y.item() == 3


# --- var ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ddof", [0, 1, 2])
@few
@given(data=st.data())
def test_var_with_ddof(ddof, data):
    x = data.draw(arrays(shapes(min_dims=1, max_dims=2, min_side=3, max_side=4)))
    np.testing.assert_allclose(mg.var(x, -1, ddof=ddof).numpy(), np.var(x, -1, ddof=ddof), atol=1e-12)
    assert_gradients(lambda x: mg.var(x, -1, ddof=ddof), x)


def test_var_needs_more_elements_than_ddof():
    with pytest.raises(ValueError, match=r"var: ddof=2 needs more than 2 elements \(shape \(3, 2\), axis 1\)"):
        mg.var(np.ones((3, 2)), axis=1, ddof=2)


def test_var_of_constants_has_gradient_0():
    assert_gradients(mg.var, np.full((2, 2), 3.0))
    x = mg.Tensor(np.full(4, 3.0), requires_grad=True)
    np.testing.assert_array_equal(mg.grad(mg.var(x), x)[0].numpy(), 0)


def test_var_of_large_numbers_keeps_its_digits():
    assert mg.var(np.array([1e8, 1e8 + 1])).item() == 0.25


# --- max and min --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_ties_share_the_gradient_equally(sign):
    op = mg.max if sign == 1 else mg.min
    x = mg.Tensor(sign * np.array([[2.0, 2.0, 1.0, 2.0], [3.0, 1.0, 1.0, 1.0]]), requires_grad=True)
    (g,) = mg.grad(op(x, axis=1), x, gradient=[3, 5])
    np.testing.assert_allclose(g.numpy(), [[1, 1, 0, 1], [5, 0, 0, 0]])
    (g,) = mg.grad(op(mg.Tensor(np.ones((2, 2)), requires_grad=True) * x[:, :2] / x[:, :2]), x)
    assert g.shape == x.shape


def test_sum_of_gradients_at_ties_is_one():
    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    np.testing.assert_allclose(mg.grad(x.max(), x)[0].numpy(), 1 / 6)
    np.testing.assert_allclose(mg.grad(x.min(axis=0).sum(), x)[0].numpy(), 1 / 2)


# --- prod ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", range(4))
def test_prod_with_any_number_of_zeros(zeros):
    x = np.array([2.0, -3.0, 0.5])
    x[:zeros] = 0
    assert_gradients(mg.prod, x, order=3)
    t = mg.Tensor(x, requires_grad=True)
    expected = [np.prod(np.delete(x, i)) for i in range(3)]
    np.testing.assert_allclose(mg.grad(mg.prod(t), t)[0].numpy(), expected)


@pytest.mark.parametrize("axis", [0, -1, (0, 2), (2, 0), (), None])
def test_prod_over_axes_with_zeros(axis):
    x = np.arange(12.0).reshape(2, 3, 2) % 5 * 0.5
    assert_gradients(lambda x: mg.prod(x, axis), x)


# --- cumsum -------------------------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_cumsum(data):
    x = data.draw(arrays(shapes(**SHORT)))
    axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    np.testing.assert_allclose(mg.cumsum(x, axis).numpy(), np.cumsum(x, axis), atol=1e-12)
    assert_gradients(lambda x: mg.cumsum(x, axis), x)


# --- float16 ------------------------------------------------------------------------------------------------------------

HALF = {  # name: (the op, x: a sum on the way is too large for float16, or too small, and the result is not)
    "norm": (mg.norm, [300.0, 400.0]),
    "norm of small numbers": (lambda x: mg.norm(x, axis=0, keepdims=True), [3e-5, 4e-5]),
    "var": (mg.var, [300.0, -300.0] * 50 + [0.0] * 400),
    "var of equal numbers": (mg.var, [60_000.0] * 4),
    "sum": (mg.sum, [60_000.0, 60_000.0, -60_000.0, -59_000.0]),
    "mean": (mg.mean, [60_000.0] * 4),
    "avg_pool2d": (lambda x: mg.avg_pool2d(x.reshape(1, 1, 2, 2), 2), [60_000.0] * 4),
    "LayerNorm": (lambda x: mg.nn.LayerNorm(4)(x).astype("float16"), [300.0, -300.0, 300.0, 100.0]),
}


@pytest.mark.parametrize(("op", "values"), HALF.values(), ids=HALF)
def test_what_fits_float16_is_right_though_a_sum_on_the_way_does_not(op, values):
    results = []
    for dtype in ("float16", "float64"):
        x = mg.Tensor(np.array(np.float16(values), dtype), requires_grad=True)
        y = op(x)
        results.append((y.numpy(), mg.grad(y.sum() if y.size > 1 else y.reshape(()), x)[0].numpy()))
    (y, g), (exact_y, exact_g) = results
    assert (y.dtype, g.dtype) == (np.float16, np.float16)
    np.testing.assert_allclose(y, exact_y, rtol=2e-3)
    np.testing.assert_allclose(g, exact_g, rtol=2e-3, atol=1e-3 * np.abs(exact_g).max())


# --- norm ---------------------------------------------------------------------------------------------------------------


def test_norm_at_0_has_gradient_0():
    x = mg.Tensor(np.array([[0.0, 0.0], [3.0, 4.0]]), requires_grad=True)
    (g,) = mg.grad(mg.norm(x, axis=1).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.numpy(), [[0, 0], [0.6, 0.8]])
    (h,) = mg.grad((g * g).sum(), x)
    assert np.isfinite(h.numpy()).all()


def test_norm_at_0_has_second_derivative_0():
    x = mg.Tensor(np.zeros(2), requires_grad=True)
    (g,) = mg.grad(mg.norm(x), x, create_graph=True)
    np.testing.assert_array_equal(mg.grad(g.sum(), x)[0].numpy(), 0)


# --- logsumexp ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [-1000.0, -40.0, 40.0, 1000.0])
def test_logsumexp_is_stable(v, dtype):
    x = mg.Tensor(np.array([[v, v], [v, -v]], dtype), requires_grad=True)
    y = mg.logsumexp(x, axis=1)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.numpy(), [v + np.log(2), abs(v)], rtol=1e-6)
    np.testing.assert_allclose(mg.grad(y.sum(), x)[0].numpy(), [[0.5, 0.5], [v > 0, v < 0]], atol=1000 * np.finfo(dtype).eps)


def test_logsumexp_takes_minus_infinity_as_nothing():
    x = mg.Tensor(np.array([-np.inf, 0.0]), requires_grad=True)
    y = mg.logsumexp(x)
    assert y.item() == 0
    np.testing.assert_array_equal(mg.grad(y, x)[0].numpy(), [0, 1])


@pytest.mark.parametrize(("dtype", "value"), [("float16", 6e4), ("float32", 1e6), ("float64", 1e17)])
def test_the_gradient_of_logsumexp_does_not_go_by_the_digits_that_large_numbers_lose(dtype, value):
    x = mg.Tensor(np.full(4, value, dtype), requires_grad=True)
    np.testing.assert_allclose(mg.grad(mg.logsumexp(x), x)[0].numpy(), 0.25, rtol=1e-3)
