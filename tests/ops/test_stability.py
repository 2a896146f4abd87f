"""Next to 0 and among large numbers no digits are lost. Far from 0: `contracts/test_gradients.py`, at special points."""

import math

import numpy as np
import pytest

import minigan as mg
from tests.helpers.leaves import leaf


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "sigmoid", "softplus", "log_sigmoid", "tanh", "sign"])
def test_nan_goes_through(name):
    assert math.isnan(getattr(mg, name)(np.array([math.nan])).item())


SMALL = {  # name: (what is computed, its exact value)
    "expm1": (lambda: mg.expm1(np.array(1e-12)), math.expm1(1e-12)),
    "log1p": (lambda: mg.log1p(np.array(1e-12)), math.log1p(1e-12)),
    "sigmoid": (lambda: mg.sigmoid(np.array(-40.0)), math.exp(-40)),
    "softplus": (lambda: mg.softplus(np.array(-40.0)), math.exp(-40)),
    "log_sigmoid": (lambda: mg.log_sigmoid(np.array(40.0)), -math.exp(-40)),
    "slope of sigmoid": (lambda: mg.grad(mg.sigmoid(x := leaf(-40.0)), x)[0], math.exp(-40)),
    "std of large numbers": (lambda: mg.std(np.array([1e8, 1e8 + 1])), 0.5),
    "var of large numbers": (lambda: mg.var(np.array([1e8, 1e8 + 1])), 0.25),
}


@pytest.mark.parametrize(("compute", "exact"), SMALL.values(), ids=SMALL)
def test_small_results_keep_their_digits(compute, exact):
    assert compute().item() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(("dtype", "value"), [("float16", 6e4), ("float32", 1e6), ("float64", 1e17)])
def test_the_gradient_of_logsumexp_does_not_go_by_the_digits_that_large_numbers_lose(dtype, value):
    x = leaf(np.full(4, value), dtype=dtype)
    np.testing.assert_allclose(mg.grad(mg.logsumexp(x), x)[0].numpy(), 0.25, rtol=1e-3)


def spectral(weight):
    layer = mg.nn.SpectralNorm(mg.nn.Dense(2, 2, bias=False), 50)
    layer.layer.weight = weight.reshape(2, 2)
    return layer


HALF = {  # name: (the op, x: a sum on the way is too large for float16, or too small, and the result is not)
    "norm": (mg.norm, [300.0, 400.0]),
    "norm of small numbers": (lambda x: mg.norm(x, axis=0, keepdims=True), [3e-5, 4e-5]),
    "var": (mg.var, [300.0, -300.0] * 50 + [0.0] * 400),
    "std": (mg.std, [6000.0, -6000.0] * 200),
    "sum": (lambda x: mg.sum(mg.stack([x, x], axis=1), axis=0)[0], [60_000.0, 60_000.0, -60_000.0, -59_000.0]),
    "mean": (mg.mean, [60_000.0] * 4),
    "avg_pool2d": (lambda x: mg.avg_pool2d(x.reshape(1, 1, 2, 2), 2).reshape(()), [60_000.0] * 4),
    "LayerNorm": (lambda x: mg.nn.LayerNorm(4)(x).astype("float16")[0], [400.0, -400.0, 400.0, 100.0]),
    "SpectralNorm": (lambda x: spectral(x)(mg.Tensor(np.ones((1, 2)), dtype=x.dtype))[0, 0], [300.0, 400.0, 100.0, 300.0]),
    "GroupNorm": (lambda x: mg.nn.GroupNorm(1, 4)(x[None]).astype("float16")[0, 0], [400.0, -400.0, 400.0, 100.0]),
}


@pytest.mark.parametrize(("op", "values"), HALF.values(), ids=HALF)
def test_what_fits_float16_is_right_though_a_sum_on_the_way_does_not(op, values):
    x, exact_x = (leaf(np.float16(values), dtype=dtype) for dtype in ("float16", "float64"))
    y, exact = op(x), op(exact_x)
    g, exact_g = mg.grad(y, x)[0], mg.grad(exact, exact_x)[0].numpy()
    assert (y.dtype, g.dtype) == (np.float16, np.float16)
    np.testing.assert_allclose(y.numpy(), exact.numpy(), rtol=2e-3)
    np.testing.assert_allclose(g.numpy(), exact_g, rtol=2e-3, atol=1e-3 * np.abs(exact_g).max())
