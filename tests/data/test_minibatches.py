"""The minibatch stream: what an epoch holds. Seeds and saved positions are in `tests/contracts/test_data.py`."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minigan import data


@given(st.integers(1, 20), st.data(), st.integers(0, 1000))
def test_an_epoch_holds_every_sample_once_except_those_that_are_left_over_and_all_arrays_the_same(length, drawn, seed):
    size, x = drawn.draw(st.integers(1, length)), np.arange(length, dtype="float32")
    stream = data.batches(x, -x, size=size, rng=np.random.default_rng(seed))
    for _ in range(3):
        epoch = list(itertools.islice(stream, length // size))
        assert {(len(a), a.dtype.name) for a, _ in epoch} == {(size, "float32")}
        assert all((a == -b).all() for a, b in epoch)
        assert len(np.unique([a for a, _ in epoch])) == length // size * size


def test_each_epoch_has_another_order_so_that_no_sample_is_left_out_for_ever():
    stream = data.batches(np.arange(10), size=4, rng=np.random.default_rng(0))
    epochs = [np.concatenate([next(stream), next(stream)]).tolist() for _ in range(20)]
    assert len(set(map(tuple, epochs))) == 20
    assert len(np.unique(epochs)) == 10


def test_a_position_is_that_of_the_data_in_any_memory_order():
    x = np.arange(12.0).reshape(6, 2)
    stream, other = data.batches(x, size=2), data.batches(np.asfortranarray(x), size=2)
    other.load_state_dict(stream.state_dict())
    np.testing.assert_array_equal(next(other), next(stream))
