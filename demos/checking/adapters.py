"""Each engine's backward pass, as `minigan.gradcheck.lift.lift` needs it.

An adapter returns (vjp, array, numpy): vjp(f)(g, *xs) are the gradients of sum(g f(*xs)); array converts a NumPy array to the
engine's, numpy converts back. The call of an adapter imports its engine. MyGrad differentiates once, the others any number of
times. JAX must be set to float64 beforehand.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Adapter = tuple[Callable, Callable, Callable]


def minigan() -> Adapter:
    """minigan's ops need no adapter; with this one they are tested like the others."""
    from minigan import Tensor, grad
    from minigan.engine.modes import enable_grad

    @enable_grad()  # also during the backward pass of a lifted function, which records nothing
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
        return Tensor(a.reshape(-1)).reshape(a.shape)  # a 0-d array would become a constant, and equal constants are one

    return vjp, array, lambda t: t.clone(Device.DEFAULT).numpy()  # a constant is on no device until it is cloned
