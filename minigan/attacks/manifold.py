"""The robust manifold defence: classify not x, but the nearest image that a generator can make. Ilyas et al. 2017.

A generator's range is a manifold near the data. A small adversarial change leads off it, and the projection onto it undoes the
change. (Algorithm "Invert and Classify"; Defense-GAN, Samangouei et al. 2018, is the same with several starts.) An attacker can
still make changes within the range: the paper's "overpowered attack". Its remedy is training on the pairs that this finds.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigan import backend, checks
from minigan.attacks.gradient import Model, attacking, checked
from minigan.backend import Array, random_numbers
from minigan.data.priors import Noise
from minigan.engine.modes import enable_grad
from minigan.engine.tensor import Tensor, grad
from minigan.ops import exp, log_softmax, square
from minigan.ops import sum as total
from minigan.optim import Adam, LinearDecay

Prior = Callable[[int], Any]

BETAS = (0.5, 0.9)  # of Adam on pairs: they circle a saddle point, and a long memory of gradients keeps them circling

# --- onto the range -----------------------------------------------------------------------------------------------------


class Projection(NamedTuple):
    """The result of `project`: the images G(z) (N, ...), their z (N, d), and the squared distances |G(z) - x|^2 (N,)."""

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
    weight: float = 0.0,
) -> Projection:
    """min over z of |G(z) - x|^2 + weight |z|^2, by Adam on z from several starts, of which each image keeps the best.

    Args:
        G: a Module (in eval mode meanwhile) or a function, from noise (N, d) to images of x's shape.
        x: floats (N, ...), in the range of G's images. prior: draws the starts, a function m -> (m, d) like `data.noise(64)`.
        steps, lr: of Adam; lr falls linearly to 0. restarts: starts for each image.
        rng: draws the starts instead of the prior's own stream, if the prior is minigan's.
        weight: of |z|^2, which measures how unlikely z is as normal noise: far from 0, G's images are unlike the data.

    The starts of all images are one batch of N * restarts noise vectors. Returns a `Projection`; G is not changed. Raises
    ValueError for steps or restarts below 1, a weight below 0, and images of G in another shape than x's.
    """
    x = checked("project", x, None, 0.0, None)
    steps, restarts = checks.whole("project", "steps", steps), checks.whole("project", "restarts", restarts)
    weight = checks.number("project", "weight", weight, least=0)
    if not callable(prior):
        raise TypeError(f"project: prior is {prior!r:.60}; expected a function m -> array, such as data.noise(64)")
    several = backend.of(x).repeat(x, restarts, axis=0)
    z = Tensor(backend.asarray(_draw(prior, len(several), rng), dtype=x.dtype).copy(), requires_grad=True)
    with attacking(G):
        _descend(G, several, z, steps, lr, weight)
        images, distance = _distances(G, several, z.detach())
    height = distance.data + weight * (z.data**2).sum(axis=1)
    best = height.reshape(len(x), restarts).argmin(axis=1) + restarts * backend.of(x).arange(len(x))
    return Projection(images.data[best], z.data[best], distance.data[best])


def _descend(G: Model, x: Array, z: Tensor, steps: int, lr: float, weight: float) -> None:
    """Minimise |G(z) - x|^2 + weight |z|^2 by Adam, each z on its own."""
    optimizer = Adam([z], lr)
    decay = LinearDecay(optimizer, steps)
    for _ in range(steps):
        with enable_grad():
            _, distance = _distances(G, x, z)
            loss = total(distance) + weight * total(square(z))
        (z.grad,) = grad(loss, z)
        optimizer.step()
        decay.step()


def _distances(G: Model, x: Array, z: Tensor) -> tuple[Tensor, Tensor]:
    """G(z), and |G(z) - x|^2 of each image."""
    images = G(z)
    if not isinstance(images, Tensor) or images.shape != x.shape:
        made = f"images {images.shape[1:]}" if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise ValueError(f"project: G returns {made}; expected images of x's shape, {x.shape[1:]}")
    return images, total(square(images - x).reshape(len(x), -1), axis=1)


def _draw(prior: Prior, m: int, rng: np.random.Generator | None) -> Any:
    """m noise vectors."""
    if isinstance(prior, Noise) and rng is not None:
        return prior(m, rng=random_numbers.generator(rng))
    return prior(m)


# --- within the range ---------------------------------------------------------------------------------------------------


class Pairs(NamedTuple):
    """The result of `overpowered`: images G(z), G(z') (n, ...), their z (n, d), |G(z) - G(z')| and the `disagreement` (n,)."""

    images: Array
    others: Array
    z: Array
    other_z: Array
    distance: Array
    disagreement: Array


def overpowered(
    classifier: Model,
    G: Model,
    prior: Prior,
    n: int,
    eta: float,
    steps: int = 200,
    lr: float = 0.1,
    rate: float = 0.03,
    rng: np.random.Generator | None = None,
) -> Pairs:
    """max over z, z' with |G(z) - G(z')|_2 <= eta of L(C(G(z)), C(G(z'))): two similar images of G, of different classes.

    By gradient steps on the Lagrangian of each pair, in turn:
        z, z' ascend L(C(G(z)), C(G(z'))) - lambda (|G(z) - G(z')|^2 / eta^2 - 1) by Adam;
        lambda <- max(0, lambda + rate (|G(z) - G(z')|^2 / eta^2 - 1)).
    L is `disagreement`. Each pair keeps the step with the largest L of all steps with |G(z) - G(z')|_2 <= eta.

    Args:
        classifier, G: Modules (in eval mode meanwhile) or functions, from images to logits, and from noise (n, d) to images.
        prior: a function m -> (m, d) noise like `data.noise(64)`, which draws each z and z' independently. (From z' = z, both
            would have the same gradient, and stay equal.)
        n: pairs. eta: the largest distance in image space, above 0. steps, lr: of Adam. rng: as for `project`.

    Returns `Pairs`; the networks are not changed. A pair that was never near enough is returned as z' = z, with L = 0.
    Raises ValueError for n or steps below 1, for eta not above 0 and for a rate below 0.
    """
    n, steps = checks.whole("overpowered", "n", n), checks.whole("overpowered", "steps", steps)
    eta, rate = checks.number("overpowered", "eta", eta, above=0), checks.number("overpowered", "rate", rate, least=0)
    z, other = (Tensor(backend.asarray(_draw(prior, n, rng)).copy(), requires_grad=True) for _ in range(2))
    optimizer, multiplier = Adam([z, other], lr, BETAS), backend.of(z.data).ones(n, z.dtype)
    decay = LinearDecay(optimizer, steps)
    best: Pairs | None = None
    with attacking(classifier), attacking(G), enable_grad():
        for _ in range(steps):
            images, others = G(z), G(other)
            L = disagreement(classifier(images), classifier(others))
            excess = total(square(images - others).reshape(n, -1), axis=1) / eta**2 - 1.0
            now = Pairs(images.data, others.data, z.data.copy(), other.data.copy(), eta * (excess.data + 1) ** 0.5, L.data)
            best = _better(best or _twins(now), now, eta)
            g = grad(total(L - Tensor(multiplier) * excess), [z, other])
            z.grad, other.grad = -g[0], -g[1]  # Adam descends
            optimizer.step()
            decay.step()
            multiplier = (multiplier + rate * excess.data).clip(0)
    return best  # type: ignore[return-value] # None only without steps


def disagreement(logits: Tensor, others: Tensor) -> Tensor:
    """sum over the classes of (p - p') (log p - log p') for p, p' = softmax(logits), softmax(others), each (n, classes): (n,).

    The sum of both Kullback-Leibler divergences: 0 if and only if p = p'. (The paper's cross-entropies add both entropies:
    they are large for a classifier that gives the same unsure answer twice.)
    """
    log_p, log_q = log_softmax(logits, axis=1), log_softmax(others, axis=1)
    return total((exp(log_p) - exp(log_q)) * (log_p - log_q), axis=1)


def _twins(pairs: Pairs) -> Pairs:
    """The first image of each pair, twice."""
    nothing = 0 * pairs.distance
    return Pairs(pairs.images, pairs.images, pairs.z, pairs.z, nothing, nothing)


def _better(best: Pairs, now: Pairs, eta: float) -> Pairs:
    """The present pairs where they are near enough and disagree more, else the best so far."""
    take = (now.distance <= eta) & (now.disagreement > best.disagreement)
    where = backend.of(take).where
    return Pairs(*(where(take.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(now, best, strict=True)))
