"""The common parts of all attacks: the gradient of a loss with respect to the input, and checks of arguments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import Array
from minigan.engine.array_protocol import as_array
from minigan.engine.modes import enable_grad
from minigan.engine.tensor import Tensor, grad
from minigan.nn import Module, eval_mode
from minigan.ops.operands import can_check_values

Model = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Any], Tensor]
Clip = tuple[float, float] | None


def input_gradient(model: Model, x: Array, y: Any, loss: Loss) -> Array:
    """d loss(model(x), y) / dx, of x's shape. The gradients of the model's parameters are not computed and do not change.

    The loss may be a mean over the batch: the divisor does not change the gradient's sign.
    """
    if not callable(loss):
        raise TypeError(f"loss is a {type(loss).__name__}; expected a function (outputs, y) -> scalar")
    leaf = Tensor(x, requires_grad=True)
    with enable_grad():
        (g,) = grad(loss(model(leaf), y), leaf)
    return g.data


@contextmanager
def attacking(model: Model) -> Iterator[None]:
    """The model in eval mode for a block, if it is a Module: dropout would make its gradient noisy."""
    if not callable(model):
        raise TypeError(f"the model is a {type(model).__name__}; expected a Module, or a function of x")
    if isinstance(model, Module):
        with eval_mode(model):
            yield
    else:
        yield


def checked(attack: str, x: Any, y: Any, epsilon: float, clip: Clip) -> Array:
    """x as an array. Raises TypeError or ValueError for arguments that do not fit."""
    array: Array = x.data if isinstance(x, Tensor) else as_array(x)
    if array.dtype.kind != "f":
        raise TypeError(f"{attack}: x is {array.dtype}; expected floats, such as pixels / 255")
    checks.number(attack, "epsilon", epsilon, least=0)
    try:
        labels, inputs = (y.shape if hasattr(y, "shape") else np.shape(y))[:1], array.shape[:1]
    except ValueError as error:
        raise ValueError(f"{attack}: y is not an array of labels: {error}") from error
    if labels and labels != inputs:
        raise ValueError(f"{attack}: y has {len(y)} labels for {inputs[0] if inputs else 'no'} inputs; expected one for each")
    if clip is not None:
        low, high = checks.interval(attack, "clip", clip, otherwise=", or None")
        if can_check_values(array) and array.size and not (array.min() >= low and array.max() <= high):
            limits = f"from {float(array.min()):.4g} to {float(array.max()):.4g}"
            raise ValueError(f"{attack}: x has values {limits}, outside clip={clip}; pass the range of x")
    return array


def clipped(x: Array, clip: Clip) -> Array:
    """x inside the range, if there is one, in x's dtype."""
    return x if clip is None else x.clip(*clip).astype(x.dtype, copy=False)


def one_each(x: Any, labels: Any) -> Array:
    """The labels as an array. A single label is repeated for each input."""
    labels = labels.data if isinstance(labels, Tensor) else backend.asarray(labels)
    return labels if labels.ndim else backend.of(labels).full(len(x), labels)
