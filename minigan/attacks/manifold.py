"""The robust manifold defence: classify not x, but the nearest image that a generator can make. Ilyas et al. 2017.

A generator's range is a manifold near the data; a small adversarial change leads off it, and projecting onto it undoes the
change. (Algorithm "Invert and Classify"; Defense-GAN, Samangouei et al. 2018, is the same with several starts.)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigan import backend, checks, random_numbers
from minigan.attacks.gradient import Model, attacking, checked
from minigan.backend import Array
from minigan.data.priors import Noise
from minigan.modes import enable_grad
from minigan.ops import square
from minigan.ops import sum as total
from minigan.optim import Adam, LinearDecay
from minigan.tensor import Tensor, grad

Prior = Callable[[int], Any]


class Projection(NamedTuple):
    """What `project` finds: the images G(z) (N, ...), their z (N, d), and the squared distances |G(z) - x|^2 (N,)."""

    images: Array
    z: Array
    distance: Array


def project(
    G: Model,
    x: Any,
    prior: Prior,
    steps: int = 200,
    lr: float = 0.1,
    restarts: int = 10,
    rng: np.random.Generator | None = None,
) -> Projection:
    """min over z of |G(z) - x|^2, by Adam on z from several starts, of which each image keeps the best.

    Args:
        G: a Module (in eval mode meanwhile) or a function, from noise (N, d) to images of x's shape.
        x: floats (N, ...), in the range of G's images. prior: a function m -> (m, d) noise, as `data.noise(64)`: the starts.
        steps, lr: of Adam; lr falls linearly to 0. restarts: starts for each image.
        rng: draws the starts, if the prior is minigan's; if None, the prior's own stream does.

    The starts of all images are one batch, N restarts noise vectors. Returns a `Projection`; nothing of G is changed. Raises
    ValueError for steps or restarts below 1, and where G's images do not have x's shape.
    """
    x = checked("project", x, None, 0.0, None)
    steps, restarts = checks.whole("project", "steps", steps), checks.whole("project", "restarts", restarts)
    if not callable(prior):
        raise TypeError(f"project: prior is {prior!r:.60}; expected a function m -> array, such as data.noise(64)")
    several = backend.of(x).repeat(x, restarts, axis=0)
    own_stream = rng is None or not isinstance(prior, Noise)
    start = prior(len(several)) if own_stream else prior(len(several), rng=random_numbers.generator(rng))
    z = Tensor(backend.asarray(start, dtype=x.dtype).copy(), requires_grad=True)
    with attacking(G):
        _descend(G, several, z, steps, lr)
        images, distance = _distances(G, several, z.detach())
    best = distance.data.reshape(len(x), restarts).argmin(axis=1) + restarts * backend.of(x).arange(len(x))
    return Projection(images.data[best], z.data[best], distance.data[best])


def _descend(G: Model, x: Array, z: Tensor, steps: int, lr: float) -> None:
    """Adam's steps down sum |G(z) - x|^2, each z on its own."""
    optimizer = Adam([z], lr)
    decay = LinearDecay(optimizer, steps)
    for _ in range(steps):
        with enable_grad():
            _, distance = _distances(G, x, z)
            loss = total(distance)
        (z.grad,) = grad(loss, z)
        optimizer.step()
        decay.step()


def _distances(G: Model, x: Array, z: Tensor) -> tuple[Tensor, Tensor]:
    """G(z), and |G(z) - x|^2 of each image."""
    images = G(z)
    if not isinstance(images, Tensor) or images.shape != x.shape:
        found = images.shape[1:] if isinstance(images, Tensor) else f"of {type(images).__name__}"
        raise ValueError(f"project: G makes images {found}; expected those of x, {x.shape[1:]}")
    return images, total(square(images - x).reshape(len(x), -1), axis=1)
