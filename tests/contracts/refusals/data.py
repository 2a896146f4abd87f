"""What the data refuse. Numbers out of bounds are in `tests/contracts/test_numbers.py`."""

import numpy as np

from minigan import data
from tests.contracts.refusals import each
from tests.helpers.ranks import Comm

X = np.arange(12.0).reshape(6, 2)
EAST, AHEAD = np.array([1.0, 0.0, 0.0]), np.array([0.3, -1.1, 2.7])
ENDS = [(np.ones(3), np.ones(4)), (np.ones(1), np.ones(4)), (np.ones((2, 3)), np.ones((2, 3))), (np.ones((1, 3)), np.ones(3))]


def position(other):
    """A position in X, by twos, is loaded into another stream."""
    other.load_state_dict(data.batches(X, size=2).state_dict())


def damaged(**parts):
    stream = data.batches(X, size=2)
    stream.load_state_dict(stream.state_dict() | parts)


REFUSED = [
    (lambda: data.noise(2, "gauss"), ValueError, "'gauss'.*'normal', 'uniform', 'sphere'"),
    (lambda: data.lerp(1j * EAST, EAST, 3), TypeError, "lerp: a is complex128"),
    (lambda: data.noise(3)(2, rng=5), TypeError, "rng is 5; expected a generator"),
    (lambda: data.mnist("valid"), ValueError, "'valid': choose 'train' or 'test'"),
    (lambda: data.batches(X, np.arange(5), size=2), ValueError, r"\[6, 5\]"),
    (lambda: data.batches(size=2), ValueError, "at least one array"),
    (lambda: data.batches(np.float32(3), size=1), ValueError, "no axis"),
    (lambda: data.batches(np.array([{}, {}]), size=1), TypeError, "Python objects"),
    (lambda: position(data.batches(X, size=3)), ValueError, "size is 3 here, and was 2"),
    *each([X + 1, np.where(X == 7, 7.5, X), X.astype("f4"), X.reshape(6, 2, 1)], ValueError, r"checksum is \d+ here, and was",
          lambda other: position(data.batches(other, size=2))),
    (lambda: data.share(data.batches(X, size=2), Comm()).check_state_dict(data.batches(X + 1, size=2).state_dict(), "batches"),
     ValueError, r"^load_state_dict: batches\.checksum is"),
    *each([-2, 8], ValueError, "cursor is VALUE; expected a whole number, from 0 to 6", lambda cursor: damaged(cursor=cursor)),
    (lambda: damaged(cursor=3), ValueError, "cursor is 3; expected a multiple of the batch size, 2"),
    (lambda: damaged(rng="{}"), ValueError, "rng is not a state of numpy's PCG64"),
    (lambda: next(data.share(data.batches(X, size=6), Comm(0, 4))), ValueError, "6 rows; expected a multiple of 4, the ranks"),
    (lambda: data.share(X, Comm()), TypeError, "^share: batches is a ndarray; expected an iterator"),
    (lambda: data.share(data.batches(X, size=6), 4), TypeError, "^share: comm is 4; expected a communicator of mpi4py"),
    *each(ENDS, ValueError, "lerp: a .*, b .*; expected two vectors of", lambda ends: data.lerp(*ends, 5)),
    *each([(EAST, 0 * EAST), (0 * EAST, EAST)], ValueError, "slerp: a or b is 0, which has no direction",
          lambda ends: data.slerp(*ends, 5)),
    *each([("f4", -1), ("f8", -4)], ValueError, "slerp: .* opposite directions",
          lambda way: data.slerp(AHEAD.astype(way[0]), way[1] * AHEAD.astype(way[0]), 5)),
]  # fmt: skip
