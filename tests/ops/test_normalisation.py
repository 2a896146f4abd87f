"""Batch norm as one op is, to rounding, its plain form, and so are its gradients of both orders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.ops import normalisation
from minigan.ops.normalisation import _normalised, _per_channel, batch_norm

EPS = 1e-5


def arguments(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    arrays = rng.normal(1.0, 2.0, shape), rng.normal(1.0, 0.5, shape[1]), rng.normal(0.0, 1.0, shape[1])
    return [mg.Tensor(a.astype(dtype), requires_grad=True) for a in arrays]


def gradients(function, inputs, g):
    y = function(*inputs, EPS)
    y = y[0] if isinstance(y, tuple) else y
    return y, mg.grad(y, inputs, gradient=g)


def plain_batch_norm(x, weight, bias, eps):
    """The same, composed of ops."""
    return _per_channel(weight, x) * _normalised(x, eps)[0] + _per_channel(bias, x)


@given(st.integers(2, 5), st.integers(1, 4), st.lists(st.integers(1, 4), max_size=2), st.integers(0, 99))
def test_value_and_gradients_are_those_of_the_plain_form(n, c, sides, seed):
    inputs = arguments((n, c, *sides), seed=seed)
    g = np.random.default_rng(seed + 1).normal(size=inputs[0].shape)
    (y, fast), (z, plain) = gradients(batch_norm, inputs, g), gradients(plain_batch_norm, inputs, g)
    np.testing.assert_allclose(y.data, z.data, atol=1e-9)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a.data, b.data, atol=1e-6, rtol=1e-6)  # a variance near 0 is divided by, three times


SHAPES = [(4, 3), (4, 1), (3, 2, 3), (5, 1, 3), (3, 2, 1), (2, 3, 2, 2), (2, 1, 2, 3), (3, 2, 1, 1), (1, 2, 3, 2), (2, 2, 1, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_with_any_number_of_axes_channels_and_pixels_it_is_the_formula_and_differentiable_twice(shape):
    x, w, b = arguments(shape)
    axes, per_channel = tuple(i for i in range(len(shape)) if i != 1), (1, -1, *[1] * (len(shape) - 2))
    mean, var = x.data.mean(axes), x.data.var(axes)
    y, found_mean, found_var = batch_norm(x, w, b, EPS)
    x_hat = (x.data - mean.reshape(per_channel)) / np.sqrt(var.reshape(per_channel) + EPS)
    np.testing.assert_allclose(y.data, w.data.reshape(per_channel) * x_hat + b.data.reshape(per_channel), atol=1e-10)
    np.testing.assert_allclose(found_mean, mean)
    np.testing.assert_allclose(found_var, var)
    assert mg.gradcheck(lambda x, w, b: batch_norm(x, w, b, EPS)[0], x, w, b, order=2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", ["channels last", "Fortran", "every other", "read-only"])
def test_the_layout_of_image_and_gradient_makes_no_difference_to_gradients(shape, layout):
    def laid_out(a):
        if layout == "channels last":
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
        if layout == "every other":
            return np.repeat(a, 2, axis=-1)[..., ::2]
        a = np.asfortranarray(a)
        a.flags.writeable = layout != "read-only"
        return a

    x, w, b = arguments(shape)
    g = np.random.default_rng(1).normal(size=shape)
    y, expected = gradients(batch_norm, [x, w, b], g)
    other = mg.Tensor(laid_out(x.data.copy()), requires_grad=True)
    z, found = gradients(batch_norm, [other, w, b], laid_out(g.copy()))
    np.testing.assert_allclose(z.data, y.data, atol=1e-12)
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.data, e.data, atol=1e-9)
    np.testing.assert_array_equal(other.data, x.data)  # which nobody has written to


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_narrow_floats_come_out_as_they_went_in(shape, dtype):
    inputs = arguments(shape, dtype)
    y, found = gradients(batch_norm, inputs, np.ones(shape, dtype))
    assert {y.dtype, *(g.dtype for g in found)} == {np.dtype(dtype)}
    exact = batch_norm(*[mg.Tensor(t.data.astype("float64")) for t in inputs], EPS)[0]
    np.testing.assert_allclose(y.data, exact.data, atol=1e-2, rtol=1e-2)


def test_sums_too_large_for_float16_are_none():
    x = np.random.default_rng(0).normal(20.0, 1.0, (32, 2, 16, 16)).astype("float16")
    y, mean, var = batch_norm(x, np.ones(2, "float16"), np.zeros(2, "float16"), EPS)
    np.testing.assert_allclose(mean, 20.0, atol=0.1)
    np.testing.assert_allclose(var, 1.0, atol=0.1)
    assert np.isfinite(y.data).all()


def test_around_a_large_mean_the_result_is_centred_to_the_last_digits():
    x = (1000.0 + np.random.default_rng(0).normal(size=(64, 2, 8, 8))).astype("float32")
    y, mean, var = batch_norm(x, np.ones(2, "float32"), np.zeros(2, "float32"), EPS)
    np.testing.assert_allclose(y.data.mean((0, 2, 3), dtype="float64"), 0.0, atol=2e-7)
    np.testing.assert_allclose(mean, x.mean((0, 2, 3), dtype="float64"), rtol=1e-7)
    np.testing.assert_allclose(var, x.var((0, 2, 3), dtype="float64"), rtol=1e-3)


def test_around_a_large_mean_the_gradients_are_right():
    """The mean is rounded: what x - mean has still of it, here 0.2 to 0.8, has to be allowed for in each of them."""
    rng = np.random.default_rng(0)
    x, w, b = (1e6 + rng.normal(size=(3000, 3))).astype("float32"), np.ones(3, "float32"), np.zeros(3, "float32")
    g = (2.0 + (x - x.astype("float64").mean(0)) + rng.normal(size=x.shape)).astype("float32")
    inputs = [mg.Tensor(a, requires_grad=True) for a in (x, w, b)]
    exact = [mg.Tensor(a.astype("float64"), requires_grad=True) for a in (x, w, b)]
    _, found = gradients(batch_norm, inputs, g)
    _, expected = gradients(plain_batch_norm, exact, g.astype("float64"))
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.data, e.data, rtol=1e-3, atol=1e-3)
    _, _, var = batch_norm(*inputs, EPS)
    np.testing.assert_allclose(var, x.var(0, dtype="float64"), rtol=1e-3)


def test_rounding_leaves_no_variance_below_0():
    x = np.tile(np.linspace(1e6, 1e7, 300, dtype="float32"), (2861, 1))  # constant channels, whose means are rounded
    y, _, var = batch_norm(x, np.ones(300, "float32"), np.zeros(300, "float32"), EPS)
    assert (var >= 0).all()
    assert np.isfinite(y.data).all()


@pytest.mark.parametrize("inputs", [[0, 1, 2], [1, 2], [2], [0], [2, 0]])
@pytest.mark.parametrize("write", ["into the array", "another array"])
def test_the_same_gradient_with_other_values_is_another_gradient(inputs, write):
    """What the three derivatives share is computed anew for each walk."""
    leaves = arguments((4, 3))
    y, wanted = batch_norm(*leaves, EPS)[0], [leaves[i] for i in inputs]
    g = mg.Tensor(np.random.default_rng(1).normal(size=(4, 3)))
    before = mg.grad(y, wanted, gradient=g)
    if write == "into the array":
        g.data[...] *= 3.0
    else:
        g.data = 3.0 * g.data
    for a, b in zip(mg.grad(y, wanted, gradient=g), before, strict=True):
        np.testing.assert_allclose(a.data, 3.0 * b.data, rtol=1e-12)


def test_the_three_derivatives_share_their_sums(monkeypatch):
    leaves, counts = arguments((4, 3)), []
    y, sums = batch_norm(*leaves, EPS)[0], normalisation._sums
    monkeypatch.setattr(normalisation, "_sums", lambda *arrays: counts.append(len(arrays)) or sums(*arrays))
    mg.grad(y.sum(), leaves)
    assert counts == [1, 2]
