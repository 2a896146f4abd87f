"""The texts of `tensor`'s errors. Each function makes an exception; `tensor` tests the condition and raises it."""

from typing import Any


def describe(t: Any) -> str:
    """A Tensor, as errors name it."""
    return f"tensor {t.name!r} of shape {t.shape}" if t.name else f"a tensor of shape {t.shape}"


# --- record, backward, grad ---------------------------------------------------------------------------------------------


def not_differentiable(op: str, data: Any) -> Exception:
    """The result is complex, or `record` was not given pairs (input, derivative)."""
    if data.dtype.kind == "c":
        return TypeError(f"{op}: the result is {data.dtype}; only real numbers have gradients")
    return TypeError(f"record: {op}: expected pairs (input, derivative), with a function derivative(g, y)")


def copied_history(t: Any) -> Exception:
    """`copy` and `pickle` cannot copy the graph. Without it, the copy would silently be a constant."""
    return RuntimeError(f"copy: {describe(t)} is the result of {t._op}, and its history is not copied: copy its .detach()")


def no_graph(output: Any) -> Exception:
    """`backward` has nowhere to go."""
    return RuntimeError(
        f"backward: {describe(output)} has no graph: no op made it from a tensor that requires a gradient "
        "(or it was made under no_grad, or detached)"
    )


def input_without_gradient(position: int, x: Any) -> Exception:
    """`grad` got an input that has no gradient."""
    what = describe(x) if hasattr(x, "requires_grad") else f"a {type(x).__name__}"
    return ValueError(f"grad: input {position} is {what} that requires no gradient: set requires_grad before the ops")


def not_a_tensor(caller: str, output: Any) -> Exception:
    """The output is not a Tensor."""
    return TypeError(f"{caller}: the output is a {type(output).__name__}; expected a Tensor")


def not_a_scalar(caller: str, output: Any) -> Exception:
    """Without `gradient=`, the output must be a single number."""
    return RuntimeError(
        f"{caller}: {describe(output)} is not a scalar: pass gradient=, an array of its shape, or reduce it first "
        "(.sum(), .mean())"
    )


def unfit_gradient(caller: str, output: Any, g: Any) -> Exception:
    """`gradient=` has another shape than the output, an integer dtype, or another backend."""
    if g.shape != output.shape:
        return ValueError(f"{caller}: gradient has shape {g.shape}, but {describe(output)} needs its own shape")
    if g.dtype.kind != "f":
        return TypeError(f"{caller}: gradient is {g.dtype}; pass a floating dtype")
    where = f"gradient on {g.xp.__name__}, output on {output.xp.__name__}"
    return TypeError(f"{caller}: gradient and output are on different backends: {where}; move one with .to()")


# --- the backward pass --------------------------------------------------------------------------------------------------


def derivative_returned(g: Any, x: Any, y: Any) -> Exception:
    """A derivative of y's op did not return a Tensor whose shape can be summed to that of its input x."""
    found = f"has shape {g.shape}" if hasattr(g, "requires_grad") else f"is a {type(g).__name__}, not a Tensor"
    return RuntimeError(f"{y._op}: the derivative for an input of shape {x.shape} {found}")
