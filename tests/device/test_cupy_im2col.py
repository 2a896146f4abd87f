"""The windows of images: one kernel on a device, against loops."""

import itertools

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigan import backend
from minigan.backend import cupy_im2col

SMALL = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def by_loops(x, shape, start, stride, gap):
    y = np.zeros(shape, x.dtype)
    for n, p, q, i, j, c in itertools.product(*map(range, shape)):
        h, w = p * stride[0] + i * gap[0] - start[0], q * stride[1] + j * gap[1] - start[1]
        if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
            y[n, p, q, i, j, c] = x[n, c, h, w]
    return y


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@SMALL
@given(
    images=st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    counts=pairs,
    kernel=pairs,
    start=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    stride=pairs,
    gap=pairs,
    dtype=st.sampled_from(["float32", "float64"]),
    channels_last=st.booleans(),
)
def test_every_window_outside_of_the_image_too(device, images, counts, kernel, start, stride, gap, dtype, channels_last):
    n, c, _, _ = images
    x, shape = np.random.default_rng(0).standard_normal(images).astype(dtype), (n, *counts, *kernel, c)
    with backend.using("cupy"):
        there = backend.asarray(x)
        if channels_last:
            there = backend.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
        found = backend.xp().empty(shape[::-1], dtype).T if channels_last else backend.xp().empty(shape, dtype)
        cupy_im2col.im2col(there, found, start, stride, gap)
    np.testing.assert_array_equal(backend.to_numpy(found), by_loops(x, shape, start, stride, gap))
