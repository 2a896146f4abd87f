"""Adversarial examples: inputs changed a little so that a model errs. All work on any Module, or function from x to outputs."""

from minigan.attacks.fgsm import fgsm
from minigan.attacks.pgd import pgd
from minigan.attacks.training import adversarial_loss

__all__ = ["adversarial_loss", "fgsm", "pgd"]
