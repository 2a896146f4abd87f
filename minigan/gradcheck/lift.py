"""Another engine's function as a function of Tensors, so that minigan's tests of gradients can test that engine."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigan import backend
from minigan.engine.tensor import Tensor, record
from minigan.gradcheck.comparison import GradcheckError

Vjp = Callable[[Callable[..., Any]], Callable[..., Sequence[Any]]]  # f -> ((g, *xs) -> the gradients of sum(g f(*xs)))


def lift(f: Callable[..., Any], vjp: Vjp, array: Callable = np.asarray, numpy: Callable = np.asarray) -> Callable[..., Tensor]:
    """`f`, of another engine, as a function of Tensors: for `gradcheck` and `assert_gradients`, to any order that `vjp` knows.

    Args:
        f: takes floating arrays of the engine's, and returns one. Constants (an axis, an index) are bound: `lambda x: ...`.
        vjp: the engine's way back: `vjp(f)(g, *xs)` are the gradients of sum(g f(*xs)), one for each of xs. For the gradient
            of a gradient it is called with its own result, `lambda g, *xs: vjp(f)(g, *xs)[i]`.
        array: makes the engine's array of a NumPy one. numpy: the other way round.

    A gradient in another shape or dtype than its input's raises `GradcheckError`: the walk would sum or cast it in silence.

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
