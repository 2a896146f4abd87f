"""Adversarial examples: small changes of inputs that make a model err. A model is a Module, or a function from x to outputs."""

from minigan.attacks.fgsm import fgsm
from minigan.attacks.manifold import disagreement, overpowered, project
from minigan.attacks.minimal import minimal_perturbation
from minigan.attacks.patch import adversarial_patch, apply_patch, patch_success
from minigan.attacks.pgd import pgd
from minigan.attacks.rubbish import fooled, fooling_images, rubbish
from minigan.attacks.training import adversarial_loss

__all__ = [
    "adversarial_loss",
    "adversarial_patch",
    "apply_patch",
    "disagreement",
    "fgsm",
    "fooled",
    "fooling_images",
    "minimal_perturbation",
    "overpowered",
    "patch_success",
    "pgd",
    "project",
    "rubbish",
]
