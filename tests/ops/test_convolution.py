"""Convolution and its transpose, against loops. Their derivatives of higher order: `contracts/ops.py`."""

import itertools
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.backend import threads
from minigan.ops import convolution


def counts(size, kernel, stride, padding, dilation):
    """How many windows fit along each axis."""
    each = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple(len(range(0, n + 2 * p - d * (k - 1), s)) for n, k, s, p, d in each)


def products(x_shape, w_shape, stride, padding, dilation):
    """The places in x, weight and y of every product that a convolution forms."""
    (N, C, H, W), (O, _, KH, KW) = x_shape, w_shape
    OH, OW = counts((H, W), (KH, KW), stride, padding, dilation)
    for n, o, p, q, c, i, j in itertools.product(*map(range, (N, O, OH, OW, C, KH, KW))):
        h, w = p * stride[0] + i * dilation[0] - padding[0], q * stride[1] + j * dilation[1] - padding[1]
        if 0 <= h < H and 0 <= w < W:
            yield (n, c, h, w), (o, c, i, j), (n, o, p, q)


def conv_by_loops(x, weight, *options):
    y = np.zeros((len(x), len(weight), *counts(x.shape[2:], weight.shape[2:], *options)))
    for X, W, Y in products(x.shape, weight.shape, *options):
        y[Y] += x[X] * weight[W]
    return y


def conv_gradients_by_loops(x, weight, g, *options):
    dx, dw = np.zeros(x.shape), np.zeros(weight.shape)
    for X, W, Y in products(x.shape, weight.shape, *options):
        dx[X] += g[Y] * weight[W]
        dw[W] += g[Y] * x[X]
    return dx, dw


def paint_by_loops(x, weight, stride, padding, extra):
    """The transposed convolution: every pixel adds its kernel to a large canvas, of which the padding is cut off."""
    (N, C, H, W), (_, O, KH, KW) = x.shape, weight.shape
    (sh, sw), (ph, pw), (eh, ew) = stride, padding, extra
    canvas = np.zeros((N, O, (H - 1) * sh + KH + eh, (W - 1) * sw + KW + ew))
    for n, c, h, w in itertools.product(*map(range, (N, C, H, W))):
        canvas[n, :, h * sh : h * sh + KH, w * sw : w * sw + KW] += x[n, c, h, w] * weight[c]
    return canvas[:, :, ph : canvas.shape[2] - ph, pw : canvas.shape[3] - pw]


def both(draw, low, high):
    return draw(st.tuples(st.integers(low, high), st.integers(low, high)))


@st.composite
def problems(draw):
    """x (N, C, H, W), weight (O, C, KH, KW), (stride, padding, dilation): the kernel fits at least once."""
    kernel, stride, padding, dilation = both(draw, 1, 3), both(draw, 1, 3), both(draw, 0, 2), both(draw, 1, 3)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    size = [n + draw(st.integers(0, 4)) for n in least]
    N, C, O = (draw(st.sampled_from(sizes)) for sizes in ([2, 5, 1, 0], [1, 2, 5], [1, 3, 5]))  # few channels, and many
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return rng.standard_normal((N, C, *size)), rng.standard_normal((O, C, *kernel)), (stride, padding, dilation)


PARTS = st.sampled_from([(1, convolution.CHUNK), (1, 1), (2, 1), (3, 1), (1, 500), (2, 2000)])  # threads, bytes of a part


@contextmanager
def in_parts(count, part_bytes=1):
    """Parts of `part_bytes` or one image, in `count` threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "COUNT", count)
        patch.setattr(convolution, "CHUNK", part_bytes)
        yield


def assert_close(y, expected):
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=2 * settings().max_examples)
@given(problems(), PARTS)
def test_conv2d_and_its_gradients_are_those_of_the_loops(problem, parts):
    x, weight, options = problem
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(weight, requires_grad=True)]
    expected = conv_by_loops(x, weight, *options)
    g = np.random.default_rng(1).standard_normal(expected.shape)
    with in_parts(*parts):
        y = mg.conv2d(*leaves, None, *options)
        found = mg.grad(y, leaves, gradient=g)
    for got, wanted in zip((y, *found), (expected, *conv_gradients_by_loops(x, weight, g, *options)), strict=True):
        assert_close(got, wanted)


@settings(max_examples=2 * settings().max_examples)
@given(problems(), PARTS, st.data())
def test_conv_transpose2d_and_its_gradients_are_those_of_the_loops(problem, parts, data):
    x, weight, (stride, padding, _) = problem
    weight = weight.swapaxes(0, 1)  # (C, O, KH, KW)
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    expected = paint_by_loops(x, weight, stride, padding, extra)
    if 0 in expected.shape[2:]:
        return
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(weight, requires_grad=True)]
    g = np.random.default_rng(1).standard_normal(expected.shape)
    with in_parts(*parts):
        y = mg.conv_transpose2d(*leaves, None, stride, padding, extra)
        dx, dw = mg.grad(y, leaves, gradient=g)
    assert_close(y, expected)
    assert_close(dx, conv_by_loops(g, weight, stride, padding, (1, 1)))
    assert_close(dw, conv_gradients_by_loops(g, weight, x, stride, padding, (1, 1))[1])


@pytest.mark.parametrize(
    ("count", "part_bytes", "parts"), [(1, 1, 6), (1, 1 << 20, 1), (1, 2 * 32, 3), (2, 1, 6), (3, 2 * 32, 3)]
)
def test_a_part_has_as_many_images_as_its_bytes_allow(count, part_bytes, parts):
    seen = []
    with in_parts(count, part_bytes):
        convolution._chunk_by_chunk(seen.append, np.zeros((6, 1, 2, 2)), 4)  # four numbers, 32 bytes, for each image
    assert sorted(i for part in seen for i in range(6)[part]) == list(range(6))
    assert len(seen) == parts


def test_two_threads_work_side_by_side():
    together, passed = threading.Barrier(2), []  # which nobody passes alone
    with in_parts(2):
        convolution._chunk_by_chunk(lambda part: passed.append(together.wait(10)), np.zeros((2, 1)), 1)
    assert sorted(passed) == [0, 1]
