"""The smallest change that makes a classifier see another class. Szegedy et al. 2014, "Intriguing properties".

Section 4.1 minimises c |r| + loss(x + r, target) over r with x + r in the box, and finds the best c by a line search. The
larger c, the smaller r: the best is the largest c that still succeeds (the paper writes "minimum").
"""

from typing import Any, NamedTuple

from minigan import backend, checks
from minigan.attacks.gradient import Clip, Model, attacking, checked, clipped, one_each
from minigan.backend import Array
from minigan.engine.modes import enable_grad
from minigan.engine.tensor import Tensor, grad
from minigan.losses import cross_entropy
from minigan.ops import square
from minigan.ops import sum as total
from minigan.optim import Adam, LinearDecay


class Minimal(NamedTuple):
    """The result of `minimal_perturbation`: the inputs x + r, and whether the model sees the target in each."""

    adversarial: Array
    succeeded: Array


def minimal_perturbation(
    model: Model,
    x: Any,
    target: Any,
    clip: Clip = (0.0, 1.0),
    c: tuple[float, float] = (1e-3, 1e3),
    searches: int = 10,
    steps: int = 100,
    lr: float = 0.02,
) -> Minimal:
    """The x + r of least |r|_2 that the model puts into the class `target`: c |r|^2 + cross-entropy, by Adam, for the best c.

    Args:
        model: a Module (in eval mode during the attack) or a function, from x (N, ...) to logits (N, C).
        x: floats (N, ...). target: N classes, or one for all. clip: the box, which is the pixels' range, or None.
        c: the interval (low, high) of each input's best c: every search halves it, in log c.
        searches: how many. steps, lr: of Adam in each search; lr, in x's unit, falls linearly to 0.

    Returns new arrays: x + r, of x's shape and dtype, and succeeded (N,); where no r was found, x itself. r is 0 where the
    model sees the target already. The model's parameters, their gradients and flags do not change. Raises ValueError for x
    outside `clip`, a number of targets other than N, searches or steps below 1, and c that is not 0 < low <= high.
    """
    x = checked("minimal_perturbation", x, target, 0.0, clip)
    target = one_each(x, target)
    checks.counts("minimal_perturbation", searches=searches, steps=steps)
    c = checks.interval("minimal_perturbation", "c", c, above=0)
    search = _Search(model, x, target, clip)
    low, high = (backend.of(x).full(len(x), end, x.dtype) for end in c)
    with attacking(model):
        for _ in range(searches):
            middle = (low * high) ** 0.5
            found = search.minimise(middle, steps, lr)
            low, high = backend.of(x).where(found, middle, low), backend.of(x).where(found, high, middle)
    return Minimal(search.best, search.distance < float("inf"))


class _Search:
    """The nearest inputs so far that the model puts into the target class."""

    def __init__(self, model: Model, x: Array, target: Array, clip: Clip):
        self.model, self.x, self.target, self.clip = model, x, target, clip
        self.best = x.copy()
        self.distance = backend.of(x).full(len(x), float("inf"))

    def minimise(self, c: Array, steps: int, lr: float) -> Array:
        """Minimise by Adam from x, for these c (N,). Returns whether each input ends in the target class."""
        a = Tensor(self.x.copy(), requires_grad=True)
        optimizer = Adam([a], lr)
        decay = LinearDecay(optimizer, steps)
        for _ in range(steps):
            a.grad, _ = self._gradient(a, c)
            optimizer.step()
            decay.step()
            a.data = clipped(a.data, self.clip)
        return self._gradient(a, c)[1]

    def _gradient(self, a: Tensor, c: Array) -> tuple[Tensor, Array]:
        """d (c |a - x|^2 + loss) / da, for each input on its own; and whether the model sees the target in a."""
        with enable_grad():
            squares = total(square(a - self.x).reshape(len(a), -1), axis=1)
            logits = self.model(a)
            loss = total(squares * c) + len(a) * cross_entropy(logits, self.target)
        met = logits.data.argmax(axis=1) == self.target
        nearer = met & (squares.data < self.distance)
        self.best[nearer], self.distance[nearer] = a.data[nearer], squares.data[nearer]
        return grad(loss, a)[0], met
