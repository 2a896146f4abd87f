"""Another engine's function as a function of Tensors, so that minigan's tests of gradients can test that engine."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan import backend
from minigan.engine.tensor import Tensor, record
from minigan.gradcheck.verdict import GradcheckError

EngineFunction = Callable[..., Any]  # from another engine's arrays to one of its arrays
Vjp = Callable[[EngineFunction], Callable[..., Sequence[Any]]]  # f -> ((g, *xs) -> the gradients of sum(g f(*xs)))


def lift(
    f: EngineFunction,
    vjp: Vjp,
    array: Callable[[NDArray[Any]], Any] = np.asarray,
    numpy: Callable[[Any], NDArray[Any]] = np.asarray,
) -> Callable[..., Tensor]:
    """Another engine's `f` as a function of Tensors: for `gradcheck` and `assert_gradients`, to any order that `vjp` supports.

    Args:
        f: takes floating arrays of the engine, and returns one. Constants (an axis, an index) are bound: `lambda x: ...`.
        vjp: the engine's backward pass: `vjp(f)(g, *xs)` are the gradients of sum(g f(*xs)), one for each of xs. For the
            gradient of a gradient it is called with its own result, `lambda g, *xs: vjp(f)(g, *xs)[i]`.
        array: converts a NumPy array to the engine's. numpy: converts back.

    A gradient whose shape or dtype is not its input's raises `GradcheckError`: the backward pass would sum or cast it silently.

    Example, for JAX: lift(jnp.tanh, lambda f: lambda g, *xs: jax.vjp(f, *xs)[1](g))
    """

    def lifted(*inputs: Any) -> Tensor:
        xs = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
        y = backend.asarray(numpy(f(*[array(x.numpy()) for x in xs])))
        return record(getattr(f, "__name__", "lifted"), y, *[(x, derivative(i, xs)) for i, x in enumerate(xs)])

    def derivative(i: int, xs: list[Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        gradient = lift(lambda g, *values: vjp(f)(g, *values)[i], vjp, array, numpy)

        def checked(g: Tensor, y: Tensor) -> Tensor:
            g_x, x = gradient(g, *xs), xs[i]
            if g_x.shape != x.shape or g_x.dtype != x.dtype:
                raise GradcheckError(f"lift: the gradient for input {i} is {g_x.dtype} {g_x.shape}, not {x.dtype} {x.shape}")
            return g_x

        return checked

    return lifted
