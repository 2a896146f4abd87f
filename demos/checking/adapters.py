"""Each engine's way back: what `minigan.gradcheck.lift.lift` wants besides the function.

An adapter returns (vjp, array, numpy): vjp(f)(g, *xs) are the gradients of sum(g f(*xs)), and the others make the engine's
array of a NumPy one, and a NumPy array of the engine's. Its engine is imported when it is called. MyGrad differentiates once,
the others as often as one likes. JAX is to be told beforehand that float64 is wanted.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Adapter = tuple[Callable, Callable, Callable]


def minigan() -> Adapter:
    """An op of minigan's needs no adapter; by this one it is treated like the others."""
    from minigan import Tensor, grad
    from minigan.engine.modes import enable_grad

    @enable_grad()  # also where a walk over the lifted function asks, which records nothing
    def recorded(f: Callable, g: Tensor, *xs: Tensor) -> tuple[Tensor, ...]:
        return grad((g * f(*xs)).sum(), xs, create_graph=True)

    def vjp(f: Callable) -> Callable:
        return partial(recorded, f)

    return vjp, lambda a: Tensor(a, requires_grad=True), lambda t: t.detach().numpy()


def autograd() -> Adapter:
    from autograd import grad
    from autograd import numpy as anp

    def vjp(f: Callable) -> Callable:
        return lambda g, *xs: [grad(lambda *ys: anp.sum(g * f(*ys)), i)(*xs) for i in range(len(xs))]

    return vjp, np.asarray, np.asarray


def jax() -> Adapter:
    import jax

    return lambda f: lambda g, *xs: jax.vjp(f, *xs)[1](g), jax.numpy.asarray, np.asarray


def torch() -> Adapter:
    import torch

    def vjp(f: Callable) -> Callable:
        return lambda g, *xs: torch.func.vjp(f, *xs)[1](g)

    return vjp, lambda a: torch.tensor(a.copy()), lambda t: t.numpy(force=True)


def mygrad() -> Adapter:
    import mygrad

    def vjp(f: Callable) -> Callable:
        def gradients(g: Any, *xs: Any) -> list[np.ndarray]:
            f(*xs).backward(g)
            return [np.zeros_like(x) if x.grad is None else x.grad for x in xs]

        return gradients

    return vjp, mygrad.tensor, np.asarray


def tinygrad() -> Adapter:
    from tinygrad import Device, Tensor

    def vjp(f: Callable) -> Callable:
        return lambda g, *xs: f(*xs).gradient(*xs, gradient=g)

    def array(a: np.ndarray) -> Tensor:
        return Tensor(a.reshape(-1)).reshape(a.shape)  # of a 0-d array it makes a constant, and equal constants are one

    return vjp, array, lambda t: t.clone(Device.DEFAULT).numpy()  # a constant is on no device until it is cloned
