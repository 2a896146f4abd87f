"""The attacks: how to call each on a model, images x and labels y. A new attack is one row of ATTACKS."""

import numpy as np

from minigan import attacks, nn

EPSILON, STEP, RANGE = np.float64(0.1), np.float64(0.03), (np.float64(0), np.float64(1))  # numbers that could widen float32
PATCH = np.full((1, 3, 3), 0.5)


def rng():
    return np.random.default_rng(3)


def prior(x):
    source = rng()
    return lambda m: source.random((m, 36)).astype(x.dtype)


def generator(classifier):
    """A classifier of images 6 x 6 as a generator, of four logits from 36 numbers."""
    if isinstance(classifier, nn.Module):
        return nn.Sequential(nn.Reshape(1, 6, 6), classifier)
    return lambda z: classifier(z.reshape(-1, 1, 6, 6))


def pairs(classifier, G, x):
    return attacks.overpowered(classifier, G, prior(x), 3, 0.5, steps=3)


ATTACKS = {  # name, and a comma before what is special: (model, x, y) -> an array, a Tensor, a number, or a tuple of arrays
    "fgsm": lambda model, x, y: attacks.fgsm(model, x, y, EPSILON, clip=RANGE),
    "fgsm, targeted": lambda model, x, y: attacks.fgsm(model, x, y, EPSILON, targeted=True, clip=None),
    "pgd": lambda model, x, y: attacks.pgd(model, x, y, EPSILON, clip=RANGE, step=STEP, steps=3),
    "pgd, random start": lambda model, x, y: attacks.pgd(model, x, y, 0.1, steps=3, rng=rng()),
    "minimal_perturbation": lambda model, x, y: attacks.minimal_perturbation(model, x, y, searches=2, steps=5, lr=0.3),
    "fooling_images": lambda model, x, y: attacks.fooling_images(model, x, y, step=STEP),
    "fooled": lambda model, x, y: attacks.fooled(model, x, 0.4),
    "adversarial_patch": lambda model, x, y: attacks.adversarial_patch(model, x, 1, 0.2, steps=3, batch=4, rng=rng()),
    "patch_success": lambda model, x, y: attacks.patch_success(model, x, y, PATCH, 1, 0.2, rng=rng()),
    "adversarial_loss": lambda model, x, y: attacks.adversarial_loss(model, x, y, 0.1),
    "project": lambda G, x, y: attacks.project(generator(G), x[:, 0, 0, :4], prior(x), steps=3, restarts=2),
    "overpowered": lambda classifier, x, y: pairs(classifier, lambda z: z.reshape(-1, 1, 6, 6), x),
    "overpowered, G": lambda G, x, y: pairs(lambda v: v, generator(G), x),
}
MODELS_STAY = [name for name in ATTACKS if name != "adversarial_loss"]  # which trains: in the model's own mode
OF_IMAGES = ["fgsm", "fgsm, targeted", "pgd", "minimal_perturbation", "fooling_images"]  # each image by itself
FROM_NOISE = ["project", "overpowered", "overpowered, G"]  # their rows take of x no more than the dtype, or four pixels
NO_MODEL = {"apply_patch", "disagreement", "rubbish"}  # what the package exports besides attacks


def arrays(found):
    """All arrays that an attack returns."""
    found = found if isinstance(found, tuple) else (found,)
    return [np.asarray(v.data if hasattr(v, "requires_grad") else v) for v in found]
