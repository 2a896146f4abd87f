"""What the tests of optimizers share: one of each rule, a parameter, and a step along given gradients."""

import numpy as np
import pytest

from minigan import Tensor, optim

RULES = {
    "sgd": lambda params, **options: optim.SGD(params, **{"lr": 0.1, **options}),
    "momentum": lambda params, **options: optim.SGD(params, **{"lr": 0.1, "momentum": 0.9, **options}),
    "rmsprop": lambda params, **options: optim.RMSProp(params, **{"lr": 0.1, **options}),
    "omd": lambda params, **options: optim.OMD(params, **{"lr": 0.1, **options}),
    "omd, average": lambda params, **options: optim.OMD(params, **{"lr": 0.1, "predictor": 3, **options}),
    "omd, decay": lambda params, **options: optim.OMD(params, **{"lr": 0.1, "predictor": 0.6, **options}),
    "adam": lambda params, **options: optim.Adam(params, **{"lr": 0.1, **options}),
    "optimistic adam": lambda params, **options: optim.OptimisticAdam(params, **{"lr": 0.1, **options}),
}
every_rule = pytest.mark.parametrize("make", RULES.values(), ids=RULES)


def parameter(value=(1.0, -2.0, 3.0), dtype="float64"):
    return Tensor(np.array(value, dtype), requires_grad=True, name="theta")


def step(optimizer, *gradients):
    """One step along the given gradients, one for each parameter."""
    for p, g in zip(optimizer.params, gradients, strict=True):
        p.grad = None if g is None else Tensor(np.array(g, p.dtype))
    optimizer.step()
