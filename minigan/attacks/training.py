"""Adversarial training: the model learns from its own adversarial examples (Goodfellow et al. 2015, section 6)."""

from typing import Any

from minigan import checks
from minigan.attacks.fgsm import fgsm
from minigan.attacks.gradient import Clip, Loss, Model
from minigan.engine.tensor import Tensor
from minigan.losses import cross_entropy


def adversarial_loss(
    model: Model,
    x: Any,
    y: Any,
    epsilon: float,
    alpha: float = 0.5,
    loss: Loss = cross_entropy,
    clip: Clip = (0.0, 1.0),
) -> Tensor:
    """alpha loss(model(x), y) + (1 - alpha) loss(model(x'), y), with x' = fgsm(x) against the present model.

    x' is a constant: no gradient flows through the sign. It is computed in eval mode, and both terms in the model's own mode.
    Arguments as for `fgsm`; alpha in [0, 1], the paper's 1/2. Raises as `fgsm`, and ValueError for other alpha.
    """
    alpha = checks.number("adversarial_loss", "alpha", alpha, least=0, most=1)
    adversarial = fgsm(model, x, y, epsilon, loss, clip)
    x = x.detach() if isinstance(x, Tensor) else Tensor(x)
    return alpha * loss(model(x), y) + (1.0 - alpha) * loss(model(Tensor(adversarial)), y)
