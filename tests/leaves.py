"""What many tests begin with, and what they watch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from minigan import Tensor


def leaf(values=(1.0, -2.0, 3.0), **options):
    """A tensor of float64 that requires a gradient."""
    return Tensor(np.array(values, dtype=options.pop("dtype", "float64")), requires_grad=True, **options)


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
