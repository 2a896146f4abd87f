"""The registry of update rules: how one is made, its defaults, and its steps in NumPy, the averages written out."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from minigan import optim


def averages(gradients, decay):
    """(1 - decay) (g_t + decay g_(t-1) + decay^2 g_(t-2) + ...) of each step."""
    steps = range(len(gradients))
    return np.array([(1 - decay) * sum(decay ** (t - s) * gradients[s] for s in range(t + 1)) for t in steps])


def adam(gradients, betas, eps, weight_decay=0.0):
    """Adam's directions, the averages corrected. The decay does not enter them."""
    t = np.arange(1, len(gradients) + 1).reshape(-1, *[1] * (gradients.ndim - 1))
    m, v = (averages(g, beta) / (1 - beta**t) for g, beta in zip((gradients, gradients**2), betas, strict=True))
    return m / (np.sqrt(v) + eps)


def optimistic(directions, predictions):
    """d_t + M_(t+1) - M_t, with M_1 = 0."""
    return directions + np.diff(predictions, axis=0, prepend=0 * predictions[:1])


def omd(gradients, predictor):
    if predictor == "last":
        return optimistic(gradients, gradients)
    if predictor < 1:
        return optimistic(gradients, averages(gradients, predictor))
    last = [gradients[max(0, t - predictor) : t].sum(axis=0) for t in range(1, len(gradients) + 1)]
    return optimistic(gradients, np.array(last) / predictor)


def extragradient(gradients):
    """g to look ahead; then from the start along g', which makes the step g' - g."""
    directions = gradients.copy()
    directions[1::2] -= gradients[:-1:2]
    return directions


@dataclass(frozen=True)
class Rule:
    """`twin`: (gradients, **settings) -> d_t; the step is -lr d_t, and Adam's decay. `cases`: further options to compare."""

    kind: type[optim.Optimizer]
    twin: Callable
    options: dict = field(default_factory=dict)
    defaults: dict = field(default_factory=dict)
    cases: list[dict] = field(default_factory=list)

    def make(self, params, **options):
        return self.kind(params, **{"lr": 0.1, **self.options, **options})


ADAM, OTHER_ADAM = {"betas": (0.9, 0.999), "eps": 1e-8}, [{"betas": (0.5, 0.9), "eps": 1e-3}, {"betas": (0.0, 0.9)}]
RULES = {
    "sgd": Rule(optim.SGD, lambda g, momentum: g, defaults={"momentum": 0}),
    "momentum": Rule(
        optim.SGD, lambda g, momentum: averages(g, momentum) / (1 - momentum), {"momentum": 0.9}, cases=[{"momentum": 0.5}]
    ),
    "rmsprop": Rule(
        optim.RMSProp,
        lambda g, alpha, eps: g / (np.sqrt(averages(g**2, alpha)) + eps),
        defaults={"alpha": 0.99, "eps": 1e-8},
        cases=[{"alpha": 0.8, "eps": 1e-2}],
    ),
    "omd": Rule(optim.OMD, omd, defaults={"predictor": "last"}),
    "omd, average": Rule(optim.OMD, omd, {"predictor": 3}, cases=[{"predictor": 1}]),
    "omd, decay": Rule(optim.OMD, omd, {"predictor": 0.6}),
    "extragradient": Rule(optim.Extragradient, extragradient),
    "adam": Rule(optim.Adam, adam, defaults=ADAM, cases=OTHER_ADAM),
    "adam, weight decay": Rule(optim.Adam, adam, {"weight_decay": 0.5}),
    "optimistic adam": Rule(optim.OptimisticAdam, lambda *g, **o: optimistic(*[adam(*g, **o)] * 2), {}, ADAM, OTHER_ADAM),
}
every_rule = pytest.mark.parametrize("make", [rule.make for rule in RULES.values()], ids=RULES)
