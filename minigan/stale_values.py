"""The refusal of stale values: no backward pass over numbers that are no longer those of the forward pass.

A derivative reads its inputs' arrays when the walk calls it, and by then somebody may have written into them: an optimizer that
steps too early, `clip_weights`, `load_state_dict`. Each of them raises the tensor's version, a count of changes in place. An op
notes the versions of its inputs and of its output; the walk compares, and refuses where they differ.
"""

from collections.abc import Sequence
from typing import Any

from minigan.backend import Array
from minigan.messages import describe


def version_of(data: Array, inputs: Sequence[tuple[Any, Any]]) -> list[int]:
    """The version of an op's result: new, or that of the input whose memory it shows.

    A view (a reshape, a slice) and its input are changed together, so they share one list.
    """
    base = data.base
    try:
        for x, _ in inputs:
            if data is x._data or (base is not None and (base is x._data or base is x._data.base)):
                return x._version
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError("record: expected pairs (input, derivative), of a Tensor and a function derivative(g, y)") from error
    return [0]


def refusal(x: Any, version: int, y: Any) -> RuntimeError:
    """The error for y's op, which used x when its version was this: which of x and y has changed since, and what to do."""
    tensor, then, role = (x, version, "an input") if x._version[0] != version else (y, y._version_when_made, "the output")
    return RuntimeError(
        f"backward through {y._op}: {describe(tensor)}, {role} of {y._op}, was changed in place after the "
        f"forward pass (version {then}, now {tensor._version[0]}): an optimizer's step, clip_weights, "
        "load_state_dict or an assignment to .data came too early. Run the forward pass again first"
    )
