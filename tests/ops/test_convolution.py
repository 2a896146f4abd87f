"""Convolution chunk by chunk and by threads, and the borders of pools. Their values and gradients: `contracts/ops.py`."""

import numpy as np
import pytest

import minigan as mg
from minigan.backend import threads
from minigan.ops import convolution


@pytest.mark.parametrize(("part_bytes", "chunks"), [(1, 6), (2 * 32, 3), (1 << 20, 1)])
def test_a_chunk_has_as_many_images_as_its_bytes_allow(part_bytes, chunks, monkeypatch):
    monkeypatch.setattr(convolution, "CHUNK", part_bytes)
    found = convolution._chunks(np.zeros((6, 1, 2, 2)), 4)  # four numbers, 32 bytes, for each image
    assert [i for chunk in found for i in range(6)[chunk]] == list(range(6))
    assert len(found) == chunks


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("part_bytes", [1, 500])
def test_the_weights_gradient_is_the_sum_over_all_chunks(count, part_bytes, monkeypatch):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, 2, 4, 3)), mg.Tensor(rng.standard_normal((3, 2, 2, 2)), requires_grad=True)
    whole = mg.grad(mg.square(mg.conv2d(x, w)).sum(), w)[0].numpy()
    monkeypatch.setattr(threads, "COUNT", count)
    monkeypatch.setattr(convolution, "CHUNK", part_bytes)
    monkeypatch.setattr(convolution, "SUMS", 2)
    np.testing.assert_allclose(mg.grad(mg.square(mg.conv2d(x, w)).sum(), w)[0].numpy(), whole, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_the_border_is_never_the_largest(dtype):
    y = mg.max_pool2d(np.full((1, 1, 3, 3), -5, dtype), 2, padding=1).numpy()
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -5))
