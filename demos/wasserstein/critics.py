"""Fakes at a known distance; the distance that a trained D or critic finds; the shape of the critic."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import maximum_filter

from demos.kit.line import jensen_shannon
from minigan import Tensor, backend, data, grad, metrics, nn, no_grad, norm
from minigan.games.game import Game
from minigan.losses import discriminator_loss

SAMPLES = 4096  # new samples for each measurement
Real = Callable[[int], np.ndarray]


class Shift(nn.Module):
    """G(z) = z + (theta, 0), as in Example 1 of Arjovsky et al. 2017; here G does not learn (learning rate 0)."""

    def __init__(self, theta: float):
        self.theta = Tensor([theta, 0.0], requires_grad=True)

    def forward(self, z: Tensor) -> Tensor:
        return z + self.theta


def line(n: int) -> np.ndarray:
    """(n, 2) points (0, y), with y uniform in [-1, 1]."""
    return np.concatenate([np.zeros((n, 1), np.float32), backend.to_numpy(data.noise(1, "uniform")(n))], axis=1)


def blurred_ring(n: int) -> np.ndarray:
    """The ring plus standard normal noise: fakes that a critic has to tell from the ring itself."""
    return data.ring(n) + backend.to_numpy(data.noise(2)(n))


def exact_distances(theta: float, n: int = 400, bins: int = 41) -> tuple[float, float]:
    """(JSD by its definition, W1) of two parallel lines, theta in [-1, 1] apart; each is n even points."""
    y = np.linspace(-1, 1, n)
    lines = [np.stack([np.full(n, x), y], axis=1) for x in (0.0, theta)]
    p, q = (np.histogram2d(*points.T, bins=bins, range=[(-1.025, 1.025), (-1, 1)])[0].ravel() / n for points in lines)
    return jensen_shannon(p, q), metrics.wasserstein1(*lines)


def jsd_by_discriminator(game: Game, real: Real) -> float:
    """log 2 + (E log D(x) + E log(1 - D(G(z)))) / 2: the JSD if D is the best."""
    loss = discriminator_loss(*_judged(game, real))
    return float(np.log(2)) - loss.item() / 2


def gap(game: Game, real: Real) -> float:
    """E f(x) - E f(G(z)): the critic's estimate of the distance."""
    f_real, f_fake = _judged(game, real)
    return float(f_real.numpy().mean() - f_fake.numpy().mean())


def _judged(game: Game, real: Real) -> tuple[Tensor, Tensor]:
    fake = game.sample(SAMPLES, z=game.prior(SAMPLES))
    with no_grad():
        return game.D(Tensor(real(SAMPLES))), game.D(Tensor(fake))


def slope(game: Game, real: Real) -> float:
    """E |grad f| on the lines from real samples to fakes, where the gradient penalty measures it."""
    u = backend.to_numpy(data.noise(1, "uniform")(SAMPLES)) / 2 + 0.5
    fake = game.sample(SAMPLES, z=game.prior(SAMPLES))
    between = Tensor(u * real(SAMPLES) + (1 - u) * fake, requires_grad=True)
    (g,) = grad(game.D(between).sum(), between)
    return float(norm(g, axis=1).numpy().mean())


def share_at_the_bounds(game: Game) -> float:
    """The share of the critic's weights that are within 1 % of the largest, in absolute value."""
    weights = np.concatenate([np.abs(p.numpy()).ravel() for p in game.D.parameters()])
    return float((weights >= 0.99 * weights.max()).mean())


def summits(surface: np.ndarray, reach: float) -> np.ndarray:
    """(n, 2): the places where a surface over the square [-reach, reach]^2 is higher than at all eight neighbours."""
    eight = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
    rows, columns = np.nonzero((surface > maximum_filter(surface, footprint=eight))[1:-1, 1:-1])
    line = np.linspace(-reach, reach, len(surface))
    return np.stack([line[columns + 1], line[rows + 1]], axis=1)


def modes_at(places: np.ndarray, modes: int = 8) -> int:
    """The number of the ring's modes with one of the places (n, 2) nearer than a quarter of the way to the next mode."""
    centres = data.ring_centres(modes)
    near = np.linalg.norm(centres[0] - centres[1]) / 4
    return int((np.linalg.norm(centres[:, None] - places[None], axis=2) < near).any(axis=1).sum())


def highest(surface: np.ndarray, reach: float) -> np.ndarray:
    """(2,): the place of the largest value."""
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    line = np.linspace(-reach, reach, len(surface))
    return np.array([line[column], line[row]])


def surface(game: Game, reach: float, side: int = 121) -> np.ndarray:
    """(side, side) values of the critic on a square around 0, from the lower left."""
    line = np.linspace(-reach, reach, side, dtype=np.float32)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    with no_grad():
        return game.D(Tensor(places)).numpy().reshape(side, side)
