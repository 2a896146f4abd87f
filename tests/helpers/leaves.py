"""What many tests begin with, and what they watch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from minigan import Tensor


def leaf(values=(1.0, -2.0, 3.0), **options):
    """A tensor of float64 that requires a gradient."""
    return Tensor(np.array(values, dtype=options.pop("dtype", "float64")), requires_grad=True, **options)


def calls(run: Callable[[], object]) -> int:
    """How many functions Python calls in it, built-in ones too: what it costs, on a busy machine as on an idle one."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counted


@contextmanager
def dtypes_of_new_tensors() -> Iterator[list]:
    """A list to which every tensor that arises in the block appends its dtype."""
    seen, hold = [], Tensor._hold

    def watched(self, array, *rest):
        seen.append(array.dtype)
        return hold(self, array, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "_hold", watched)
        yield seen
