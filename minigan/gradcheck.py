"""Checks derivatives against finite differences: of the engine's ops, and of the user's own."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.tensor import Tensor, grad

MOST_ELEMENTS = 200  # an input with more is probed along random directions instead of element by element
DIRECTIONS = 20


class GradcheckError(AssertionError):
    """The derivative that an op returns is not the derivative of what it computes."""


def gradcheck(
    fn: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    eps: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    complex_step: bool = False,
) -> bool:
    """Is minigan's gradient of `fn` the gradient of `fn`? Returns True, or raises `GradcheckError` that says where not.

    `fn(*inputs)` returns a Tensor (or a tuple of them), which is projected on random numbers u to a scalar L = sum(u fn). Its
    gradient is compared with the central difference (L(x + eps) - L(x - eps)) / (2 eps), for each element of each input (or,
    for an input of more than 200 elements, along 20 random directions). At order 2 the same is done for the gradient, as a
    function of the inputs and of u; and the gradient that can be differentiated again is compared with the one that cannot.

    Args:
        inputs: float64 arrays or Tensors; integer and boolean ones are passed on as constants. Keep them away from kinks.
        order: how often to differentiate.
        eps, rtol, atol: the step, and the difference allowed, atol + rtol |numeric|. The step's error in float64 is
            around 1e-10; rtol is far from it on one side and far from a factor of 1.001 on the other.
        complex_step: check the first derivative with Im L(x + 1e-20 i) / 1e-20 instead, which subtracts nothing and is exact
            to rounding (rtol and atol are then 1e-11). For functions that are analytic and computed by analytic ops only: not
            abs, max, relu, sigmoid and what else compares numbers. A function that does not qualify fails; none passes
            wrongly.

    Raises TypeError for float32 inputs (their rounding errors exceed the differences), for no floating input, and for a `fn`
    that returns no Tensor; ValueError for a `fn` that is random.
    """
    checks.whole("gradcheck", "order", order)
    checks.number("gradcheck", "eps", eps, above=0)
    for name, value in (("rtol", rtol), ("atol", atol)):
        checks.number("gradcheck", name, value, least=0)
    arrays = [_checked(i, x) for i, x in enumerate(inputs)]
    if not any(a.dtype.kind == "f" for a in arrays):
        raise TypeError("gradcheck: needs a floating input")
    rng = np.random.default_rng(0)
    outputs = _call(fn, arrays)
    if any(not np.array_equal(a.numpy(), b.numpy(), equal_nan=True) for a, b in zip(outputs, _call(fn, arrays), strict=True)):
        raise ValueError("gradcheck: fn returns different values for the same inputs; fix the random numbers it draws")
    projections = [rng.standard_normal(y.shape) for y in outputs]
    if complex_step:
        _compare(fn, arrays, projections, rng, _complex_slope, (1e-11, 1e-11))
    else:
        _compare(fn, arrays, projections, rng, partial(_central_slope, eps=eps), (rtol, atol))
    if order > 1:
        _compare_with_recorded(fn, arrays, projections, (rtol, atol))
        gradcheck(_gradient_of(fn, len(arrays)), *arrays, *projections, order=order - 1, eps=eps, rtol=rtol, atol=atol)
    return True


def _compare(
    fn: Callable, arrays: list, projections: list, rng: np.random.Generator, slope: Callable, tolerance: tuple
) -> None:
    """Compare the gradient for each floating input with the slopes of L = sum(u fn)."""
    tensors = _as_inputs(arrays)
    analytic = _gradients(fn, tensors, projections)
    for i, x in enumerate(arrays):
        if x.dtype.kind != "f":
            continue

        def scalar(moved, i=i):
            outputs = _call(fn, [*arrays[:i], moved, *arrays[i + 1 :]])
            return sum(np.sum(u * y.numpy()) for u, y in zip(projections, outputs, strict=True))

        g = analytic[i].numpy()
        if g.shape != x.shape or g.dtype != x.dtype:
            raise GradcheckError(f"gradcheck: the gradient for input {i} is {g.dtype} {g.shape}, not {x.dtype} {x.shape}")
        if x.size > MOST_ELEMENTS:
            directions = [rng.standard_normal(x.shape) for _ in range(DIRECTIONS)]
            along = np.array([np.sum(g * v) for v in directions])
            _judge(i, along, np.array([slope(scalar, x, v) for v in directions]), tolerance, "direction")
        else:
            basis = np.eye(x.size).reshape(x.size, *x.shape)
            numeric = np.array([slope(scalar, x, v) for v in basis]).reshape(x.shape)
            _judge(i, g, numeric, tolerance, "index")


def _central_slope(scalar: Callable, x: np.ndarray, v: np.ndarray, eps: float) -> float:
    """The slope at x along v, by central difference: its error falls with eps^2."""
    return (scalar(x + eps * v) - scalar(x - eps * v)) / (2 * eps)


def _complex_slope(scalar: Callable, x: np.ndarray, v: np.ndarray) -> float:
    """The slope at x along v: for an analytic L, L(x + i h v) = L(x) + i h L'(x) v + O(h^2)."""
    return np.imag(scalar(x + 1e-20j * v)) / 1e-20


def _compare_with_recorded(fn: Callable, arrays: list, projections: list, tolerance: tuple) -> None:
    """An op may compute its gradient in another way where the gradient is to be differentiated again: both must agree."""
    plain, recorded = [_gradients(fn, _as_inputs(arrays), projections, create_graph) for create_graph in (False, True)]
    for i, (g, other) in enumerate(zip(plain, recorded, strict=True)):
        if g is not None and not np.allclose(other.numpy(), g.numpy(), *tolerance, equal_nan=True):
            worst = np.nanmax(np.abs(other.numpy() - g.numpy()))
            raise GradcheckError(
                f"gradcheck: input {i}: with create_graph=True the gradient is another one, by up to {worst:.4g}"
            )


def _gradients(fn: Callable, tensors: list, projections: Sequence, create_graph: bool = False) -> list[Tensor | None]:
    """dL / dx, L = sum(u fn), for each floating input x; None for the others."""
    outputs = _outputs(fn(*tensors))
    L = sum([(u * y).sum() for u, y in zip(projections, outputs, strict=True)], start=0.0)
    wanted = [t for t in tensors if t.requires_grad]
    found = iter(grad(L, wanted, create_graph=create_graph))
    return [next(found) if t.requires_grad else None for t in tensors]


def _gradient_of(fn: Callable, n: int) -> Callable:
    """The gradient of fn as a function to be checked itself: of fn's n inputs and the projections u."""

    def gradient(*inputs):
        return tuple(g for g in _gradients(fn, inputs[:n], inputs[n:], create_graph=True) if g is not None)

    return gradient


def _judge(i: int, analytic: np.ndarray, numeric: np.ndarray, tolerance: tuple, place: str) -> None:
    rtol, atol = tolerance
    wrong = ~(np.abs(analytic - numeric) <= atol + rtol * np.abs(numeric))  # also where one of them is nan
    if not wrong.any():
        return
    at = np.unravel_index(np.argmax(np.where(wrong, np.nan_to_num(np.abs(analytic - numeric), nan=np.inf), -1)), wrong.shape)
    index = tuple(int(k) for k in at)
    raise GradcheckError(
        f"gradcheck: input {i}, {place} {index}: analytic {analytic[at]:.10g}, numeric {numeric[at]:.10g} "
        f"({int(wrong.sum())} of {wrong.size} differ){_diagnosis(analytic, numeric)}"
    )


def _diagnosis(analytic: np.ndarray, numeric: np.ndarray) -> str:
    """What the two have to do with each other, if it is something simple."""

    def close(a, b):
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-6)

    if not np.isfinite(analytic).all():
        return "; the analytic gradient is not finite"
    if close(analytic, np.zeros_like(numeric)):
        return "; the analytic gradient is zero: is an input missing from record()?"
    if close(analytic, -numeric):
        return "; they differ by the sign"
    factor = np.sum(analytic * numeric) / max(np.sum(numeric * numeric), 1e-300)
    if close(analytic, factor * numeric):
        return f"; they differ by the factor {factor:.6g}"
    if analytic.ndim > 1 and close(analytic, np.swapaxes(numeric, -1, -2)):
        return "; one is the other's transpose"
    return ""


def _checked(i: int, x: Any) -> np.ndarray:
    array = x.numpy() if isinstance(x, Tensor) else backend.to_numpy(x)
    if array.dtype.kind == "f" and array.dtype != np.float64:
        raise TypeError(f"gradcheck: input {i} is {array.dtype}: its rounding errors would drown the differences; pass float64")
    return array


def _as_inputs(arrays: list) -> list[Tensor]:
    return [Tensor(backend.asarray(a), requires_grad=a.dtype.kind == "f") for a in arrays]


def _call(fn: Callable, arrays: list) -> tuple[Tensor, ...]:
    return _outputs(fn(*_as_inputs(arrays)))


def _outputs(result: Any) -> tuple[Tensor, ...]:
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: fn returned a {type(y).__name__}; expected a Tensor")
    return outputs
