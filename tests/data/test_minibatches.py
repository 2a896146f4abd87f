"""The minibatch stream: what an epoch holds, and that its position can be saved and restored bit-exactly."""

import itertools
import tracemalloc

import numpy as np
import pytest

from minigan import data
from minigan.backend import random_numbers


def take(stream, count):
    return list(itertools.islice(stream, count))


def test_an_epoch_holds_every_sample_once_and_the_next_another_order():
    stream = data.batches(np.arange(12), size=4, rng=np.random.default_rng(0))
    first, second = np.concatenate(take(stream, 3)), np.concatenate(take(stream, 3))
    np.testing.assert_array_equal(np.sort(first), np.arange(12))
    np.testing.assert_array_equal(np.sort(second), np.arange(12))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, np.arange(12))


def test_the_incomplete_batch_at_an_epochs_end_is_dropped():
    stream = data.batches(np.arange(10), size=4, rng=np.random.default_rng(0))
    for _ in range(20):
        epoch = np.concatenate(take(stream, 2))
        assert len(np.unique(epoch)) == 8


def test_every_sample_comes_up_in_the_long_run_although_some_are_dropped():
    stream = data.batches(np.arange(10), size=4, rng=np.random.default_rng(0))
    assert len(np.unique(np.concatenate(take(stream, 40)))) == 10


def test_one_array_gives_arrays_of_its_dtype():
    x = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
    batch = next(data.batches(x, size=5))
    assert isinstance(batch, np.ndarray)
    assert batch.shape == (5, 2, 2)
    assert batch.dtype == np.float32


def test_several_arrays_give_tuples_of_the_same_samples():
    x = np.arange(20.0)
    for a, b, c in take(data.batches(x, 2 * x, -x, size=3), 15):
        np.testing.assert_array_equal(b, 2 * a)
        np.testing.assert_array_equal(c, -a)


def test_a_batch_as_large_as_the_data_is_allowed():
    np.testing.assert_array_equal(np.sort(next(data.batches(np.arange(5), size=5))), np.arange(5))


def test_changing_a_batch_leaves_the_data_alone():
    x = np.arange(4)
    next(data.batches(x, size=4))[:] = -1
    np.testing.assert_array_equal(x, np.arange(4))


@pytest.mark.parametrize("taken", [0, 1, 2, 3, 4, 7])  # an epoch has 3 batches: its start, inside it, and its end
def test_a_restored_stream_continues_bit_exactly(taken):
    x = np.arange(11)
    stream = data.batches(x, size=3, rng=np.random.default_rng(1))
    take(stream, taken)
    state = stream.state_dict()
    expected = take(stream, 10)
    other = data.batches(x, size=3, rng=np.random.default_rng(2))
    take(other, 2)
    other.load_state_dict(state)
    np.testing.assert_array_equal(take(other, 10), expected)


def test_a_state_is_flat_and_does_not_change_as_the_stream_goes_on():
    stream = data.batches(np.arange(6), size=2)
    state = stream.state_dict()
    before = dict(state)
    take(stream, 5)
    assert state == before
    assert all(isinstance(key, str) and isinstance(value, int | str) for key, value in state.items())


X = np.arange(12.0).reshape(6, 2)
OTHERS = {  # (a stream that cannot go on from a position in X, by twos, and what it says)
    "length": (lambda: data.batches(np.arange(14.0).reshape(7, 2), size=2), "length is 7 here, and was 6"),
    "size": (lambda: data.batches(X, size=3), "size is 3 here, and was 2"),
    "values": (lambda: data.batches(X + 1, size=2), r"checksum is \d+ here, and was \d+"),
    "one value": (lambda: data.batches(np.where(X == 7, 7.5, X), size=2), "checksum is"),
    "dtype": (lambda: data.batches(X.astype(np.float32), size=2), "checksum is"),
    "shape": (lambda: data.batches(X.reshape(6, 2, 1), size=2), "checksum is"),
    "one array more": (lambda: data.batches(X, X, size=2), "checksum is"),
}


@pytest.mark.parametrize(("other", "says"), OTHERS.values(), ids=OTHERS)
def test_a_position_in_other_data_is_refused(other, says):
    state, other = data.batches(X, size=2).state_dict(), other()
    before = other.state_dict()
    with pytest.raises(ValueError, match=rf"^load_state_dict: {says}.* where the state was saved$"):
        other.load_state_dict(state)
    assert other.state_dict() == before


@pytest.mark.parametrize("same", [X.copy(), np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X[::-1].copy()[::-1]])
def test_the_memory_order_of_the_data_does_not_matter(same):
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


DAMAGE = {
    "rng gone": (lambda s: s.pop("rng"), r"missing \['rng'\]"),
    "one more": (lambda s: s.update(more=1), r"unexpected \['more'\]"),
    "rng": (lambda s: s.update(rng="{}"), "rng is not a state of numpy's PCG64"),
    "rng as number": (lambda s: s.update(rng=3), "rng is 3; expected text"),
    "negative": (lambda s: s.update(cursor=-2), "cursor is -2; expected a whole number, from 0 to 6"),
    "too far": (lambda s: s.update(cursor=8), "cursor is 8; expected"),
    "between two": (lambda s: s.update(cursor=3), "cursor is 3; expected a multiple of the batch size, 2"),
    "a float": (lambda s: s.update(cursor=2.0), "cursor is 2.0; expected a whole number"),
    "text": (lambda s: s.update(cursor="2"), "cursor is '2'; expected a whole number"),
    "a list": (lambda s: s.update(length=[6]), r"length is 6 here, and was \[6\]"),
    "an array": (lambda s: s.update(size=np.array([2, 2])), "size is 2 here, and was"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_position_is_refused_and_the_stream_stays_where_it_is(damage, says):
    stream = data.batches(X, size=2)
    take(stream, 2)
    state, before = stream.state_dict(), stream.state_dict()
    damage(state)
    with pytest.raises(ValueError, match=f"^load_state_dict: .*{says}"):
        stream.load_state_dict(state)
    assert stream.state_dict() == before


def test_the_seed_of_minigan_decides_even_if_others_draw_in_between():
    random_numbers.seed(5)
    stream = data.batches(np.arange(50), size=50)
    data.ring(7)
    first = take(stream, 2)
    random_numbers.seed(5)
    np.testing.assert_array_equal(take(data.batches(np.arange(50), size=50), 2), first)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match=r"size is 7; .*from 1 to 6"):
        data.batches(np.arange(6), size=7)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="size is 0"):
        data.batches(np.arange(6), size=0)


def test_arrays_of_different_lengths_are_refused_with_their_lengths():
    with pytest.raises(ValueError, match=r"\[6, 5\]"):
        data.batches(np.arange(6), np.arange(5), size=2)


def test_no_array_and_arrays_without_an_axis_are_refused():
    with pytest.raises(ValueError, match="at least one array"):
        data.batches(size=2)
    with pytest.raises(ValueError, match="no axis"):
        data.batches(np.float32(3), size=1)


def test_repr_shows_the_size_the_arrays_and_the_place_in_the_epoch():
    stream = data.batches(np.zeros((10_000, 2), np.float32), np.arange(10_000), size=64)
    take(stream, 12)
    assert repr(stream) == "Batches of 64 out of 10,000: float32 (64, 2), int64 (64,); 12 of 156 drawn in this epoch"
    take(stream, 144)
    assert repr(stream).endswith("; 156 of 156 drawn in this epoch")
    next(stream)
    assert repr(stream).endswith("; 1 of 156 drawn in this epoch")
