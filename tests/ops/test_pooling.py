"""Pooling: against loops over the windows, ties and borders included."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg

POOLS = [mg.max_pool2d, mg.avg_pool2d]


def windows(shape, kernel, stride, padding):
    """(place in y, the slices of x) of every window that lies inside the padded image."""
    (N, C, H, W), (kh, kw), (sh, sw), (ph, pw) = shape, kernel, stride or kernel, padding
    tops, lefts = range(-ph, H + ph - kh + 1, sh), range(-pw, W + pw - kw + 1, sw)
    for n, c, (p, h), (q, w) in itertools.product(range(N), range(C), enumerate(tops), enumerate(lefts)):
        yield (n, c, p, q), (n, c, slice(max(h, 0), h + kh), slice(max(w, 0), w + kw))


def pool_by_loops(op, x, kernel, stride, padding, g):
    """The result {place: value}, and the gradient for x where g arrives: to the maxima in equal parts, or to all pixels."""
    y, dx = {}, np.zeros(x.shape)
    for place, inside in windows(x.shape, kernel, stride, padding):
        pixels = x[inside]
        largest = pixels == pixels.max()
        share = largest / largest.sum() if op is mg.max_pool2d else np.full(pixels.shape, 1 / (kernel[0] * kernel[1]))
        y[place] = np.sum(pixels * share)
        dx[inside] += share * g[place]
    return y, dx


@st.composite
def problems(draw):
    """x with many ties, kernel, stride (the kernel's, smaller or larger), padding."""
    kernel, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 4)) for k, p in zip(kernel, padding, strict=True)]
    shape = (draw(st.sampled_from([2, 1, 0])), draw(st.integers(1, 2)), *size)
    x = np.random.default_rng(draw(st.integers(0, 2**16))).integers(-4, 0, shape).astype("float64")
    return x, kernel, draw(st.sampled_from([None, stride, stride])), padding


@pytest.mark.parametrize("op", POOLS)
@given(problem=problems())
def test_values_and_gradients_are_those_of_the_loops_with_ties_shared_equally(op, problem):
    x, *options = problem
    t = mg.Tensor(x, requires_grad=True)
    y = op(t, *options)
    g = np.random.default_rng(1).standard_normal(y.shape)
    expected, dx = pool_by_loops(op, x, *options, g)
    assert y.size == len(expected)
    np.testing.assert_allclose(y.numpy().ravel(), list(expected.values()), rtol=1e-12)
    np.testing.assert_allclose(mg.grad(y, t, gradient=g)[0].numpy(), dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_the_border_is_never_the_largest(dtype):
    y = mg.max_pool2d(np.full((1, 1, 3, 3), -5, dtype), 2, padding=1).numpy()
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -5))


def test_upsample_doubles_by_default_and_average_pooling_undoes_it():
    x = np.random.default_rng(0).standard_normal((1, 2, 2, 3))
    np.testing.assert_allclose(mg.avg_pool2d(mg.upsample2d(x), 2).numpy(), x)
