"""Two players as one dynamical system: their joint field v, its Jacobian J, the matrix of a step, and the turns of a path."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np

import minigan as mg
from minigan import Tensor, losses, optim
from minigan.games import GAN


@dataclass(frozen=True)
class Rule:
    """x <- x + eta (a v + b m), and m <- c m + d v, for a player's part of the field v and its memory m."""

    make: Callable[..., optim.Optimizer]
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


def parameters(game: GAN) -> list[Tensor]:
    """G's, then D's."""
    return [*game.G.parameters(), *game.D.parameters()]


def flat(tensors: Iterable[Tensor]) -> np.ndarray:
    """All elements in one row."""
    return np.concatenate([t.numpy().ravel() for t in tensors])


def put(game: GAN, values: np.ndarray) -> GAN:
    """The game with these parameters."""
    for p in parameters(game):
        p.data, values = values[: p.size].reshape(p.shape).copy(), values[p.size :]
    return game


def remember(game: GAN, m: np.ndarray) -> GAN:
    """The game with these memories, of v: the optimizers' are of gradients, which have the other sign."""
    for optimizer in (game.opt_G, game.opt_D):
        for p, state in zip(optimizer.params, optimizer.state, strict=True):
            state |= {slot: -m[: p.size].reshape(p.shape) for slot in optimizer.slots}
            m = m[p.size :]
    return game


def field(game: GAN, x: np.ndarray) -> Tensor:
    """v, (n,): minus the gradients of both players' losses, as in `GAN.step`."""
    real = Tensor(x, requires_grad=True)
    of_real, of_fake = game.D(real), game.D(game.G(game.noise(len(x))))
    loss_D = game.loss.discriminator(of_real, of_fake)
    if game.r1:
        loss_D = loss_D + (game.r1 / 2) * losses.squared_gradient_norm(of_real, real)
    gradients = mg.grad(game.loss.generator(of_fake), game.G.parameters(), create_graph=True)
    gradients += mg.grad(loss_D, game.D.parameters(), create_graph=True)
    return -mg.concatenate([g.reshape(-1) for g in gradients])


def jacobian(game: GAN, x: np.ndarray) -> np.ndarray:
    """J, (n, n): row i is the gradient of v_i."""
    v = field(game, x)
    return np.array([flat(mg.grad(v[i], parameters(game))) for i in range(v.size)])


def deviation(game: GAN, x: np.ndarray, h: float = 1e-5) -> float:
    """The largest difference between J and central differences of v, relative to J's largest element."""
    J = jacobian(game, x)
    at = flat(parameters(game))
    moved = [[field(put(game, at + way), x).numpy() for way in (h * e, -h * e)] for e in np.eye(len(at))]
    put(game, at)
    differences = np.array([(up - down) / (2 * h) for up, down in moved]).T
    return float(np.abs(J - differences).max() / np.abs(J).max())


def step_matrix(J: np.ndarray, of_G: int, eta: float, rule: Rule, in_turn: bool) -> np.ndarray:
    """(2 n, 2 n): a step's effect on the distance from the solution and on the memory. G has the first `of_G` parameters."""
    one, G = np.eye(len(J)), np.arange(len(J)) < of_G

    def move(these: np.ndarray) -> np.ndarray:
        P = np.diag(these.astype(float))  # only these parameters move
        return np.block([[one + eta * rule.a * P @ J, eta * rule.b * P], [rule.d * P @ J, one + (rule.c - 1) * P]])

    return move(G) @ move(~G) if in_turn else move(G | ~G)


def walk(game: GAN, x: np.ndarray, in_turn: bool, steps: int) -> np.ndarray:
    """(steps + 1, n): the parameters, while the players step in turn, by `GAN.step`, or at once."""
    path = [flat(parameters(game))]
    for _ in range(steps):
        if in_turn:
            game.step(repeat(x))
        else:
            v = field(game, x).numpy()
            for p in parameters(game):
                p.grad, v = Tensor(-v[: p.size].reshape(p.shape)), v[p.size :]
            game.opt_G.step()
            game.opt_D.step()
        path.append(flat(parameters(game)))
    return np.array(path)


def turning(path: np.ndarray) -> complex:
    """r, by least squares: a pair r, r* moves the point by steps d with d_(t+2) = (r + r*) d_(t+1) - r r* d_t."""
    d = np.diff(path, axis=0)
    (p, q), *_ = np.linalg.lstsq(np.stack([d[1:-1].ravel(), d[:-2].ravel()], axis=1), d[2:].ravel())
    return max(np.roots([1.0, -p, -q]), key=np.imag)


def a_turn(r: complex) -> tuple[float, float]:
    """(its steps, its factor of the distance)"""
    period = 2 * np.pi / max(abs(np.angle(r)), 1e-9)
    return float(period), float(np.exp(np.clip(period * np.log(abs(r)), -700, 700)))  # |r| ** period might overflow
