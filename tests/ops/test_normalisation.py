"""Batch norm as one op: narrow floats and large means. Its formula: `contracts/ops.py`."""

import numpy as np

from minigan.ops.normalisation import batch_norm

EPS = 1e-5


def test_sums_too_large_for_float16_are_none():
    x = np.random.default_rng(0).normal(20.0, 1.0, (32, 2, 16, 16)).astype("float16")
    y, mean, var = batch_norm(x, np.ones(2, "float16"), np.zeros(2, "float16"), EPS)
    np.testing.assert_allclose([mean, var], [[20.0] * 2, [1.0] * 2], atol=0.1)
    assert np.isfinite(y.data).all()


def test_around_a_large_mean_the_result_is_centred_to_the_last_digits():
    x = (1000.0 + np.random.default_rng(0).normal(size=(64, 2, 8, 8))).astype("float32")
    y, mean, var = batch_norm(x, np.ones(2, "float32"), np.zeros(2, "float32"), EPS)
    np.testing.assert_allclose(y.data.mean((0, 2, 3), dtype="float64"), 0.0, atol=2e-7)
    np.testing.assert_allclose(mean, x.mean((0, 2, 3), dtype="float64"), rtol=1e-7)
    np.testing.assert_allclose(var, x.var((0, 2, 3), dtype="float64"), rtol=1e-3)


def test_rounding_leaves_no_variance_below_0():
    x = np.tile(np.linspace(1e6, 1e7, 300, dtype="float32"), (2861, 1))  # constant channels, whose means are rounded
    y, _, var = batch_norm(x, np.ones(300, "float32"), np.zeros(300, "float32"), EPS)
    assert (var >= 0).all()
    assert np.isfinite(y.data).all()
