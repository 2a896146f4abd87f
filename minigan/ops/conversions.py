"""Conversions: the same values in another dtype, on another backend, or in new memory. Gradients are converted back."""

from typing import Any

import numpy

from minigan import backend
from minigan.engine.tensor import Tensor, record


def astype(x: Tensor, dtype: Any) -> Tensor:
    """The tensor in another dtype (itself if it has that dtype). Gradients flow between floating dtypes."""
    if dtype is None:
        raise TypeError("astype: dtype is None; name one, such as 'float32'")
    try:
        if x.dtype == dtype:
            return x
        if numpy.dtype(dtype).kind not in "fiub":
            raise TypeError("tensors have real numbers or booleans")
        data = x.data.astype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"astype: dtype is {dtype!r}; expected one such as 'float32' ({error})") from error
    return record("astype", data, (x, lambda g, y: g)) if data.dtype.kind == "f" else Tensor._of(data)


def to(x: Tensor, name: str) -> Tensor:
    """The tensor on the backend "numpy" or "cupy" (itself if it is there). Gradients are moved back."""
    here = x.xp.__name__
    if not isinstance(name, str):
        raise TypeError(f"to: the backend is {name!r}; expected 'numpy' or 'cupy'")
    if name == here:
        return x
    return record("to", backend.move(x.data, name), (x, lambda g, y: g.to(here)))


def copy(x: Tensor) -> Tensor:
    """The same values in new memory."""
    return record("copy", x.data.copy(), (x, lambda g, y: g))
