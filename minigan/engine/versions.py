"""Versions: a backward pass refuses values that changed after the forward pass.

A derivative reads its inputs' arrays during the backward pass. By then something may have written into them: an optimizer that
steps too early, `clip_weights`, `load_state_dict`. Each of them raises the tensor's version, a count of changes in place. An op
stores the versions of its inputs and its output. The backward pass compares them, and raises RuntimeError if they differ.

A version belongs to memory: all tensors in the same memory share one list, [count]. Examples are a view and its input; w and
`w.detach()`; w and the constant that an op makes of the array `w.numpy()`; two views of one array, even if they do not overlap.

Some changes are not seen:
- The user writes into an array, or batch norm into its running statistics, or `load_state_dict` into a buffer.
- Two arrays share memory, but have no common base (`a.base`), such as two `np.frombuffer` of one buffer.
- The user makes a parameter of an op's result, `Tensor(y.data)`, and an optimizer steps. (With `y.numpy()` the change is seen.)
"""

import weakref
from collections.abc import Sequence
from functools import partial
from sys import getrefcount
from typing import Any

from minigan.backend import Array, owner, writable
from minigan.engine.errors import describe

# the version of each memory, by the id of the array that owns it, while that array lives
_known: dict[int, tuple[weakref.ref[Any], list[int]]] = {}


def version_of_memory(array: Array, new: list[int] | None = None) -> list[int]:
    """The version of this array's memory: the known one, or else `new` (None: [0]), which is then known."""
    array = owner(array)
    key = id(array)
    if (found := _known.get(key)) is None:
        found = (weakref.ref(array, partial(_forget, _known, key)), new or [0])
        found = _known.setdefault(key, found)  # another thread may have been first
    return found[1]


def _forget(known: dict[int, Any], key: int, _: Any) -> None:
    """The array is gone. (`known` is an argument, for at the end of the program module names may be gone too.)"""
    known.pop(key)


def version_of_result(data: Array, inputs: Sequence[tuple[Any, Any]]) -> list[int]:
    """The version of an op's result: a new one, or its input's if it is a view (a reshape, a slice)."""
    base = data.base
    try:
        for x, _ in inputs:
            if data is x._data or (base is not None and (base is x._data or base is x._data.base)):
                version: list[int] = x._version
                return version
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError("record: expected pairs (input, derivative), of a Tensor and a function derivative(g, y)") from error
    found = None if base is None else _known.get(id(owner(data)))
    return found[1] if found else [0]


def is_for_one_leaf(g: Any, start: int, taken: set[int]) -> bool:
    """Whether `.grad` can be g itself, not a copy: this backward pass (which began at `start`) made g for one leaf alone.

    It may be a view of all of an array that nobody else holds, as a convolution's weight gradient is.
    """
    array, base = g._data, g._data.base
    if base is None:
        alone = getrefcount(array) <= 3
    else:
        owns = type(base) is type(array) and base.base is None  # not so for np.frombuffer
        whole = owns and base.nbytes == array.nbytes and writable(array) is array
        alone = whole and getrefcount(base) <= 3 and getrefcount(array) <= 3
    new = g._order > start and alone and id(g) not in taken
    taken.add(id(g))
    return new


def refusal(x: Any, version: int, y: Any) -> RuntimeError:
    """The error for y's op, which used x at this version: it names the one of x and y that changed, and the remedy."""
    tensor, then, role = (x, version, "an input") if x._version[0] != version else (y, y._version_when_made, "the output")
    return RuntimeError(
        f"backward through {y._op}: {describe(tensor)}, {role} of {y._op}, was changed in place after the "
        f"forward pass (version {then}, now {tensor._version[0]}): an optimizer's step, clip_weights, "
        "load_state_dict or an assignment to .data came too early. Run the forward pass again first, or let it use a copy"
    )
