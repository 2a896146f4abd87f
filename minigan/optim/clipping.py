"""Clips of weights and of gradients: WGAN's, and the one against exploding gradients."""

from collections.abc import Iterable

import numpy as np

from minigan import checks
from minigan.engine.tensor import Tensor
from minigan.optim.optimizer import checked_parameters


def clip_weights(params: Iterable[Tensor], c: float) -> None:
    """Clip every element of the parameters to [-c, c], in place: this keeps WGAN's critic Lipschitz. NaN stays NaN.

    Raises ValueError unless c > 0, and ValueError or TypeError for anything but parameters.
    """
    c = checks.number("clip_weights", "c", c, above=0)
    for p in checked_parameters("clip_weights", params):
        w = p.writable()
        p.xp.clip(w, -c, c, out=w)
        p.changed_in_place()


def clip_gradient_norm(params: Iterable[Tensor], limit: float) -> Tensor:
    """Shorten the gradients to the length `limit`, if together they are longer (Pascanu et al. 2013, Algorithm 1).

    g <- g min(1, limit / |g|), where g is all parameters' gradients as one vector. Returns |g| before that: a Tensor of shape
    (), float32 or wider. Call it between `backward` and `step`. Each parameter gets a new gradient, since the old one may be in
    memory that others read. A parameter without a gradient stays without one. No value is read, so a GPU is not waited for. A
    nan in one gradient makes all of them nan.

    Raises ValueError unless limit > 0, and ValueError or TypeError for anything but parameters.
    """
    limit = checks.number("clip_gradient_norm", "limit", limit, above=0)
    params = checked_parameters("clip_gradient_norm", params)
    xp, dtype = params[0].xp, np.result_type("float32", *[p.dtype for p in params])
    grads = [(p, p.grad.data) for p in params if p.grad is not None]
    squares = [xp.square(g.astype("float64")).sum() for _, g in grads]  # float32 overflows from 1e19 on
    norm = xp.sqrt(sum(squares, start=xp.zeros((), "float64")))
    scale = (limit / xp.maximum(norm, limit)).astype(dtype)
    for p, g in grads:
        p.grad = Tensor._of(xp.asarray(scale * g))  # NumPy's product of shape () is a scalar
    return Tensor._of(xp.asarray(norm.astype(dtype)))
