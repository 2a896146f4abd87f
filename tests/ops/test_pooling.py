"""Pooling and upsampling: against loops over the windows, ties and borders included."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.testing import assert_gradients

POOLS = [mg.max_pool2d, mg.avg_pool2d]


def windows(shape, kernel, stride, padding):
    """(place in y, the slices of x) of every window that lies inside the padded image."""
    (N, C, H, W), (kh, kw), (sh, sw), (ph, pw) = shape, kernel, stride, padding
    tops, lefts = range(-ph, H + ph - kh + 1, sh), range(-pw, W + pw - kw + 1, sw)
    for n, c, (p, h), (q, w) in itertools.product(range(N), range(C), enumerate(tops), enumerate(lefts)):
        yield (n, c, p, q), (n, c, slice(max(h, 0), h + kh), slice(max(w, 0), w + kw))


def pool_by_loops(name, x, kernel, stride, padding, g=None):
    """The result {place: value}, and the gradient for x where g arrives: to the maxima in equal parts, or to all pixels."""
    y, dx = {}, np.zeros(x.shape)
    for place, inside in windows(x.shape, kernel, stride, padding):
        pixels = x[inside]
        share = (pixels == pixels.max()) / np.sum(pixels == pixels.max())
        share = share if name == "max_pool2d" else np.full(pixels.shape, 1 / (kernel[0] * kernel[1]))
        y[place] = np.sum(pixels * share)
        dx[inside] += share * (g[place] if g is not None else 0)
    return y, dx


@st.composite
def problems(draw):
    """x with many ties, kernel, stride (smaller and larger than the kernel), padding."""
    kernel, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 4)) for k, p in zip(kernel, padding, strict=True)]
    shape = (draw(st.sampled_from([2, 1, 0])), draw(st.integers(1, 2)), *size)
    x = np.random.default_rng(draw(st.integers(0, 2**16))).integers(-4, 0, shape).astype("float64")
    orders = [x, np.asfortranarray(x), np.ascontiguousarray(x[..., ::-1])[..., ::-1]]
    return draw(st.sampled_from(orders)), kernel, stride, padding


@pytest.mark.parametrize("op", POOLS)
@given(problem=problems())
def test_values_and_gradients_are_those_of_the_loops_with_ties_shared_equally(op, problem):
    x, *options = problem
    t = mg.Tensor(x, requires_grad=True)
    y = op(t, *options)
    g = np.random.default_rng(1).standard_normal(y.shape)
    expected, dx = pool_by_loops(op.__name__, x, *options, g)
    assert y.size == len(expected)
    np.testing.assert_allclose(y.numpy().ravel(), list(expected.values()), rtol=1e-12)
    np.testing.assert_allclose(mg.grad(y, t, gradient=g)[0].numpy(), dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", POOLS)
def test_the_stride_defaults_to_the_kernel_size(op):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    assert op(x, (2, 3)).shape == (2, 3, 3, 2)
    np.testing.assert_array_equal(op(x, (2, 3)).numpy(), op(x, [2, 3], (2, 3)).numpy())
    np.testing.assert_array_equal(op(x, 2).numpy(), op(x, (2, 2), 2, 0).numpy())


def test_what_the_stride_leaves_over_is_in_no_window():
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    np.testing.assert_array_equal(mg.max_pool2d(x, 2).numpy(), [[[[6, 8], [16, 18]]]])
    np.testing.assert_array_equal(mg.avg_pool2d(x, 2).numpy(), [[[[3, 5], [13, 15]]]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_the_border_is_never_the_largest(dtype):
    y = mg.max_pool2d(np.full((1, 1, 3, 3), -5, dtype), 2, padding=1).numpy()
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -5))


def test_the_average_counts_padded_zeros():
    np.testing.assert_array_equal(mg.avg_pool2d(np.full((1, 1, 2, 2), 4.0), 2, padding=1).numpy(), np.ones((1, 1, 2, 2)))


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize("options", [(2,), (3, 1), ((2, 3), (1, 2), 1), ((1, 2), (3, 1)), (1,)], ids=str)
def test_pools_are_differentiable_twice(op, options):
    x = np.random.default_rng(0).permutation(24).reshape(1, 2, 4, 3) / 10 - 1.0
    assert_gradients(lambda x: op(x, *options) ** 2, x)


def test_upsample_doubles_by_default_and_average_pooling_undoes_it():
    x = np.random.default_rng(0).standard_normal((1, 2, 2, 3))
    y = mg.upsample2d(x)
    assert y.shape == (1, 2, 4, 6)
    np.testing.assert_allclose(mg.avg_pool2d(y, 2).numpy(), x)
