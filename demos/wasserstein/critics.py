"""Fakes at a known distance; the distance that a trained D, or critic, finds; and the critic's own shape."""

from collections.abc import Callable

import numpy as np

from demos.kit.line import jensen_shannon
from minigan import Tensor, backend, data, grad, metrics, nn, no_grad, norm
from minigan.games.game import Game
from minigan.losses import discriminator_loss

SAMPLES = 4096  # new ones, to measure with
Real = Callable[[int], np.ndarray]


class Shift(nn.Module):
    """G(z) = z + (theta, 0), as in Example 1 of Arjovsky et al. 2017; here G does not learn, its learning rate is 0."""

    def __init__(self, theta: float):
        self.theta = Tensor([theta, 0.0], requires_grad=True)

    def forward(self, z: Tensor) -> Tensor:
        return z + self.theta


def line(n: int) -> np.ndarray:
    """(n, 2) points (0, y), with y uniform in [-1, 1]."""
    return np.concatenate([np.zeros((n, 1), np.float32), backend.to_numpy(data.noise(1, "uniform")(n))], axis=1)


def blurred_ring(n: int) -> np.ndarray:
    """The ring, and standard normal noise on top: fakes that a critic has to tell from the ring itself."""
    return data.ring(n) + backend.to_numpy(data.noise(2)(n))


def exact_distances(theta: float, n: int = 400, bins: int = 41) -> tuple[float, float]:
    """(JSD by its definition, W1) of two parallel lines, theta in [-1, 1] apart; n even points stand for each."""
    y = np.linspace(-1, 1, n)
    lines = [np.stack([np.full(n, x), y], axis=1) for x in (0.0, theta)]
    p, q = (np.histogram2d(*points.T, bins=bins, range=[(-1.025, 1.025), (-1, 1)])[0].ravel() / n for points in lines)
    return jensen_shannon(p, q), metrics.wasserstein1(*lines)


def jsd_by_discriminator(game: Game, real: Real) -> float:
    """log 2 + (E log D(x) + E log(1 - D(G(z)))) / 2: JSD, if no D is better."""
    with no_grad():
        loss = discriminator_loss(*_judged(game, real))
    return float(np.log(2)) - loss.item() / 2


def gap(game: Game, real: Real) -> float:
    """E f(x) - E f(G(z)): the critic's estimate of the distance."""
    with no_grad():
        f_real, f_fake = _judged(game, real)
    return float(f_real.numpy().mean() - f_fake.numpy().mean())


def _judged(game: Game, real: Real) -> tuple[Tensor, Tensor]:
    fake = game.sample(SAMPLES, z=game.prior(SAMPLES))
    return game.D(Tensor(real(SAMPLES))), game.D(Tensor(fake))


def slope(game: Game, real: Real) -> float:
    """E |grad f| on the ways from real samples to fakes, where the gradient penalty looks at it."""
    u = backend.to_numpy(data.noise(1, "uniform")(SAMPLES)) / 2 + 0.5
    fake = game.sample(SAMPLES, z=game.prior(SAMPLES))
    between = Tensor(u * real(SAMPLES) + (1 - u) * fake, requires_grad=True)
    (g,) = grad(game.D(between).sum(), between)
    return float(norm(g, axis=1).numpy().mean())


def share_at_the_bounds(game: Game) -> float:
    """The share of the critic's weights that are within 1 % as large as the largest."""
    weights = np.concatenate([np.abs(p.numpy()).ravel() for p in game.D.parameters()])
    return float((weights >= 0.99 * weights.max()).mean())


def peaks(game: Game, modes: int = 8, between: int = 90) -> int:
    """The number of the ring's modes where the critic, on the way round the ring, has a peak (less than 1/4 of a way off)."""
    circle = data.ring_centres(modes * between).astype(np.float32)
    with no_grad():
        f = game.D(Tensor(circle)).numpy()[:, 0]
    at = np.flatnonzero((f > np.roll(f, 1)) & (f >= np.roll(f, -1)))
    nearest = np.round(at / between)
    return len(set(nearest[np.abs(at / between - nearest) < 0.25] % modes))


def surface(game: Game, reach: float, side: int = 80) -> np.ndarray:
    """(side, side) values of the critic on a square around 0, from the lower left."""
    line = np.linspace(-reach, reach, side, dtype=np.float32)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    with no_grad():
        return game.D(Tensor(places)).numpy().reshape(side, side)
