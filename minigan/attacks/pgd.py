"""Projected gradient descent: FGSM in many small steps (Kurakin et al. 2017; Madry et al. 2018, section 2.1)."""

from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.attacks.gradient import Clip, Loss, Model, attacking, checked, clipped, input_gradient
from minigan.backend import Array, random_numbers
from minigan.losses import cross_entropy
from minigan.ops import sign


def pgd(
    model: Model,
    x: Any,
    y: Any,
    epsilon: float,
    loss: Loss = cross_entropy,
    clip: Clip = (0.0, 1.0),
    targeted: bool = False,
    step: float | None = None,
    steps: int = 10,
    rng: np.random.Generator | None = None,
) -> Array:
    """x' <- clip(project(x' + step sign(grad loss(model(x'), y)))), `steps` times; the projection is onto |x' - x| <= epsilon.

    Args:
        model, x, y, epsilon, loss, clip, targeted: as for `fgsm`.
        step: the change of a pixel in one step; 2.5 epsilon / steps if None.
        rng: draws the start uniformly from the allowed inputs; if None, the start is x.

    Returns and raises as `fgsm`; also ValueError for steps below 1 and a step below 0.
    """
    x = checked("pgd", x, y, epsilon, clip)
    steps = checks.whole("pgd", "steps", steps)
    step = 2.5 * epsilon / steps if step is None else checks.number("pgd", "step", step, least=0)
    low, high = clipped(x - x.dtype.type(epsilon), clip), clipped(x + x.dtype.type(epsilon), clip)
    start = 0.0 if rng is None else epsilon * backend.xp().asarray(random_numbers.generator(rng).uniform(-1, 1, x.shape))
    adversarial: Array = (x + start).clip(low, high).astype(x.dtype)
    with attacking(model):
        for _ in range(steps):
            g = input_gradient(model, adversarial, y, loss)
            eta = (-step if targeted else step) * sign(g).data
            adversarial = (adversarial + eta).clip(low, high).astype(x.dtype)
    return adversarial
