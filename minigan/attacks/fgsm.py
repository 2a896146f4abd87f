"""The fast gradient sign method: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples"."""

from typing import Any

from minigan import checks
from minigan.attacks.gradient import Clip, Loss, Model, attacking, checked, clipped, input_gradient
from minigan.backend import Array
from minigan.losses import cross_entropy
from minigan.ops import sign


def fgsm(
    model: Model,
    x: Any,
    y: Any,
    epsilon: float,
    loss: Loss = cross_entropy,
    clip: Clip = (0.0, 1.0),
    targeted: bool = False,
) -> Array:
    """x' = clip(x + epsilon sign(grad_x loss(model(x), y))).

    If the loss were linear in x, no other change of at most epsilon in each pixel would raise it more.

    Args:
        model: a Module (in eval mode during the attack) or a function, from a batch x (N, ...) to outputs.
        x: floats (N, ...). y: the true labels. targeted: y are the labels that the model should see, and the step goes down.
        epsilon: the largest change of a pixel, in x's unit, at least 0.
        loss: a function (outputs, y) -> scalar. clip: the pixels' range, or None.

    Returns a new array of x's shape and dtype. The model's parameters, their gradients and flags do not change.
    Raises ValueError for an epsilon below 0 or infinite, x outside `clip`, and a number of labels other than N.
    """
    x = checked("fgsm", x, y, epsilon, clip)
    targeted = checks.flag("fgsm", "targeted", targeted)
    with attacking(model):
        g = input_gradient(model, x, y, loss)
    eta = (-epsilon if targeted else epsilon) * sign(g).data
    return clipped(x + eta.astype(x.dtype), clip)
