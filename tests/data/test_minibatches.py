"""The minibatch stream: what an epoch holds. Seeds and saved positions are in `tests/contracts/test_data.py`."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import data

X = np.arange(12.0).reshape(6, 2)


def take(stream, count):
    return list(itertools.islice(stream, count))


@given(st.integers(1, 20), st.data(), st.integers(0, 1000))
def test_an_epoch_holds_every_sample_once_except_those_that_are_left_over(length, drawn, seed):
    size = drawn.draw(st.integers(1, length))
    stream = data.batches(np.arange(length), size=size, rng=np.random.default_rng(seed))
    for _ in range(3):
        epoch = take(stream, length // size)
        assert {len(batch) for batch in epoch} == {size}
        assert len(np.unique(epoch)) == length // size * size


def test_each_epoch_has_another_order_so_that_no_sample_is_left_out_for_ever():
    stream = data.batches(np.arange(10), size=4, rng=np.random.default_rng(0))
    epochs = [np.concatenate(take(stream, 2)).tolist() for _ in range(20)]
    assert len(set(map(tuple, epochs))) == 20
    assert len(np.unique(epochs)) == 10


def test_a_batch_is_a_copy_in_the_datas_dtype():
    x = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
    batch = next(data.batches(x, size=6))
    assert (type(batch), batch.shape, batch.dtype) == (np.ndarray, (6, 2, 2), np.float32)
    batch[:] = -1
    np.testing.assert_array_equal(x.ravel(), np.arange(24))


def test_several_arrays_give_tuples_of_the_same_samples():
    x = np.arange(20.0)
    for a, b, c in take(data.batches(x, 2 * x, -x, size=3), 15):
        np.testing.assert_array_equal(b, 2 * a)
        np.testing.assert_array_equal(c, -a)


@pytest.mark.parametrize("same", [X.copy(), np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X[::-1].copy()[::-1]])
def test_the_memory_order_of_the_data_does_not_matter_to_a_position(same):
    state = data.batches(X, size=2).state_dict()
    stream = data.batches(same, size=2)
    stream.load_state_dict(state)
    assert stream.state_dict() == state


def test_the_checksum_takes_little_memory_and_is_computed_once():
    x = np.zeros((40, 100_000), np.float32).T  # 16 MB, in an order that has to be copied
    stream = data.batches(x, size=2)
    tracemalloc.start()
    try:
        stream.state_dict()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 6e6
    x[0] = 1  # unseen: the checksum is kept
    stream.load_state_dict(stream.state_dict())


@pytest.mark.parametrize(("drawn", "shown"), [(0, 0), (12, 12), (156, 156), (157, 1)])
def test_repr_shows_the_size_the_arrays_and_the_place_in_the_epoch(drawn, shown):
    stream = data.batches(np.zeros((10_000, 2), np.float32), np.arange(10_000), size=64)
    take(stream, drawn)
    assert repr(stream) == f"Batches of 64 out of 10,000: float32 (64, 2), int64 (64,); {shown} of 156 drawn in this epoch"
