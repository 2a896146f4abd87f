"""What the errors of `tensor` say. Each function makes the exception; `tensor` tests the condition, and raises it."""

from typing import Any


def describe(t: Any) -> str:
    """A Tensor, as errors name it."""
    return f"tensor {t.name!r} of shape {t.shape}" if t.name else f"a tensor of shape {t.shape}"


# --- record, backward, grad ---------------------------------------------------------------------------------------------


def not_a_derivative(op: str) -> Exception:
    """`record` got something else than pairs (input, derivative)."""
    return TypeError(f"record: {op}: expected pairs (input, derivative), with a function derivative(g, y)")


def copied_history(t: Any) -> Exception:
    """`copy` and `pickle` cannot take the graph along, and without it a copy would silently be a constant."""
    return RuntimeError(f"copy: {describe(t)} is the result of {t._op}, and its history is not copied: copy its .detach()")


def no_graph(output: Any) -> Exception:
    """`backward` has nowhere to go."""
    return RuntimeError(
        f"backward: {describe(output)} has no graph: no op made it from a tensor that requires a gradient "
        "(or it was made under no_grad, or detached)"
    )


def input_without_gradient(position: int, x: Any) -> Exception:
    """`grad` is asked for the gradient of something that has none."""
    what = describe(x) if hasattr(x, "requires_grad") else f"a {type(x).__name__}"
    return ValueError(f"grad: input {position} is {what} that requires no gradient: set requires_grad before the ops")


def not_a_tensor(caller: str, output: Any) -> Exception:
    """The output is no Tensor."""
    return TypeError(f"{caller}: the output is a {type(output).__name__}; expected a Tensor")


def not_a_scalar(caller: str, output: Any) -> Exception:
    """Without `gradient=`, the output has to be a single number."""
    return RuntimeError(
        f"{caller}: {describe(output)} is not a scalar: pass gradient=, an array of its shape, or reduce it first "
        "(.sum(), .mean())"
    )


def unfit_gradient(caller: str, output: Any, g: Any) -> Exception:
    """`gradient=` has not the output's shape, is not made of floats, or lives elsewhere."""
    if g.shape != output.shape:
        return ValueError(f"{caller}: gradient has shape {g.shape}, but {describe(output)} needs its own shape")
    if g.dtype.kind != "f":
        return TypeError(f"{caller}: gradient is {g.dtype}; pass a floating dtype")
    where = f"gradient on {g.xp.__name__}, output on {output.xp.__name__}"
    return TypeError(f"{caller}: gradient and output live on different backends: {where}; move one with .to()")


# --- the walk -----------------------------------------------------------------------------------------------------------


def derivative_returned(g: Any, x: Any, y: Any) -> Exception:
    """A derivative of y's op has not returned a Tensor whose shape can be summed to that of its input x."""
    found = f"has shape {g.shape}" if hasattr(g, "requires_grad") else f"is a {type(g).__name__}, not a Tensor"
    return RuntimeError(f"{y._op}: the derivative for an input of shape {x.shape} {found}")
