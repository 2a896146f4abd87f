"""Convolution part by part and in several threads, and the borders of pools. Their values and gradients: `contracts/ops.py`."""

import threading

import numpy as np
import pytest

import minigan as mg
from minigan.backend import threads
from minigan.ops import convolution


@pytest.mark.parametrize(
    ("count", "part_bytes", "parts"), [(1, 1, 6), (1, 1 << 20, 1), (1, 2 * 32, 3), (2, 1, 6), (3, 2 * 32, 3)]
)
def test_a_part_has_as_many_images_as_its_bytes_allow(count, part_bytes, parts, monkeypatch):
    seen = []
    monkeypatch.setattr(threads, "COUNT", count)
    monkeypatch.setattr(convolution, "CHUNK", part_bytes)
    convolution._chunk_by_chunk(seen.append, np.zeros((6, 1, 2, 2)), 4)  # four numbers, 32 bytes, for each image
    assert sorted(i for part in seen for i in range(6)[part]) == list(range(6))
    assert len(seen) == parts


def test_two_threads_work_side_by_side(monkeypatch):
    together, passed = threading.Barrier(2), []  # which nobody passes alone
    monkeypatch.setattr(threads, "COUNT", 2)
    monkeypatch.setattr(convolution, "CHUNK", 1)
    convolution._chunk_by_chunk(lambda part: passed.append(together.wait(10)), np.zeros((2, 1)), 1)
    assert sorted(passed) == [0, 1]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("part_bytes", [1, 500])
def test_the_weights_gradient_is_the_sum_over_all_parts(count, part_bytes, monkeypatch):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, 2, 4, 3)), mg.Tensor(rng.standard_normal((3, 2, 2, 2)), requires_grad=True)
    whole = mg.grad(mg.square(mg.conv2d(x, w)).sum(), w)[0].numpy()
    monkeypatch.setattr(threads, "COUNT", count)
    monkeypatch.setattr(convolution, "CHUNK", part_bytes)
    np.testing.assert_allclose(mg.grad(mg.square(mg.conv2d(x, w)).sum(), w)[0].numpy(), whole, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_the_border_is_never_the_largest(dtype):
    y = mg.max_pool2d(np.full((1, 1, 3, 3), -5, dtype), 2, padding=1).numpy()
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -5))
