"""Far from 0, next to 0, and among large numbers: no overflow on the way, and no digits lost."""

import math

import numpy as np
import pytest

import minigan as mg

FAR = [-1000.0, -40.0, 40.0, 1000.0]
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
AT_INFINITY = {  # name -> (value, slope) far below 0, (value, slope) far above 0; x stands for the argument itself
    "relu": ((0, 0), ("x", 1)),
    "leaky_relu": (("x/5", 0.2), ("x", 1)),
    "elu": ((-1, 0), ("x", 1)),
    "sigmoid": ((0, 0), (1, 0)),
    "softplus": ((0, 0), ("x", 1)),
    "log_sigmoid": (("x", 1), (0, 0)),
    "tanh": ((-1, 0), (1, 0)),
}


@both_dtypes
@pytest.mark.parametrize("v", FAR)
@pytest.mark.parametrize("name", AT_INFINITY)
def test_far_from_0_values_and_gradients_are_finite_and_right(name, v, dtype):
    value, derivative = AT_INFINITY[name][v > 0]
    x = mg.Tensor(np.array([v], dtype), requires_grad=True)
    y = getattr(mg, name)(x)
    (g,) = mg.grad(y, x, create_graph=True)
    expected = {"x": v, "x/5": 0.2 * v}.get(value, value)
    assert y.dtype == g.dtype == dtype
    assert y.item() == pytest.approx(expected, rel=1e-6, abs=1e-15)
    assert g.item() == pytest.approx(derivative, rel=1e-6, abs=1e-15)
    assert mg.grad(g + x * 0, x)[0].item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("name", AT_INFINITY)
def test_nan_goes_through(name):
    assert math.isnan(getattr(mg, name)(np.array([math.nan])).item())


SMALL = {  # name: (what is computed, its exact value)
    "expm1": (lambda: mg.expm1(np.array(1e-12)), math.expm1(1e-12)),
    "log1p": (lambda: mg.log1p(np.array(1e-12)), math.log1p(1e-12)),
    "sigmoid": (lambda: mg.sigmoid(np.array(-40.0)), math.exp(-40)),
    "softplus": (lambda: mg.softplus(np.array(-40.0)), math.exp(-40)),
    "log_sigmoid": (lambda: mg.log_sigmoid(np.array(40.0)), -math.exp(-40)),
    "slope of sigmoid": (lambda: slope(mg.sigmoid, -40.0), math.exp(-40)),
    "var of large numbers": (lambda: mg.var(np.array([1e8, 1e8 + 1])), 0.25),
}


def slope(op, value):
    x = mg.Tensor(np.array([value]), requires_grad=True)
    return mg.grad(op(x), x)[0]


@pytest.mark.parametrize(("compute", "exact"), SMALL.values(), ids=SMALL)
def test_small_results_keep_their_digits(compute, exact):
    assert compute().item() == pytest.approx(exact, rel=1e-12)


@both_dtypes
@pytest.mark.parametrize("v", FAR)
def test_softmax_is_stable_in_each_row_by_itself(v, dtype):
    x = mg.Tensor(np.array([[v, v], [0, 1], [v, -v]], dtype), requires_grad=True)
    y, z, total = mg.softmax(x), mg.log_softmax(x), mg.logsumexp(x, axis=1)
    p, above = 1 / (1 + math.e), v > 0
    np.testing.assert_allclose(y.numpy(), [[0.5, 0.5], [p, 1 - p], [above, not above]], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(z.numpy()[2], [min(2 * v, 0), min(-2 * v, 0)], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(z.numpy()[:2], np.log(y.numpy()[:2]), rtol=1e-5)
    np.testing.assert_allclose(total.numpy(), [v + np.log(2), np.log(1 + math.e), abs(v)], rtol=1e-6)
    for out in (y, z):
        (g,) = mg.grad(out[:, 0].sum(), x)
        assert np.isfinite(g.numpy()).all()
        np.testing.assert_allclose(g.numpy().sum(1), 0, atol=1000 * np.finfo(dtype).eps)
    np.testing.assert_allclose(mg.grad(total.sum(), x)[0].numpy(), y.numpy(), atol=1000 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("dtype", "value"), [("float16", 6e4), ("float32", 1e6), ("float64", 1e17)])
def test_the_gradient_of_logsumexp_does_not_go_by_the_digits_that_large_numbers_lose(dtype, value):
    x = mg.Tensor(np.full(4, value, dtype), requires_grad=True)
    np.testing.assert_allclose(mg.grad(mg.logsumexp(x), x)[0].numpy(), 0.25, rtol=1e-3)


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
