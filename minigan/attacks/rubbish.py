"""Rubbish about which a classifier is sure: noise, plain or pushed towards a class.

Goodfellow, Shlens and Szegedy 2015, section 8 ("rubbish class examples"); Nguyen, Yosinski and Clune 2015, "Deep Neural
Networks are Easily Fooled". Such an image is of no class: any confident answer is an error.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.attacks.gradient import Clip, Model, attacking, checked, clipped, input_gradient, one_each
from minigan.backend import Array, random_numbers
from minigan.engine.modes import no_grad
from minigan.losses import cross_entropy
from minigan.ops import sign, softmax

KINDS = ("normal", "uniform")
CHUNK = 1000  # images that go through the model at a time


def rubbish(shape: Sequence[int], kind: str = "normal", rng: np.random.Generator | None = None) -> Array:
    """Images of this shape (N, ...), float32: every pixel from N(0, 1), as in the paper, or "uniform" on [0, 1].

    `rng` draws them; minigan's default generator if None. Raises ValueError for another kind.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"rubbish: kind is {kind!r}; choose one of {', '.join(map(repr, KINDS))}")
    if not isinstance(shape, tuple | list):
        raise TypeError(f"rubbish: shape is {shape!r}; expected sizes, such as (100, 1, 28, 28)")
    sizes = tuple(checks.whole("rubbish", "a size", n, least=0) for n in shape)
    rng = random_numbers.generator(rng)
    draw = rng.standard_normal if kind == "normal" else rng.random
    return backend.xp().asarray(draw(sizes, dtype=np.float32))


def fooled(model: Model, x: Any, p: float = 0.5) -> float:
    """The share of the images x (N, ...) in which the model sees some class with a probability above p: the paper's error.

    The model is a Module (in eval mode meanwhile) or a function, from x to logits (N, C). Raises ValueError for no images and
    for p outside [0, 1].
    """
    x, sure = checked("fooled", x, None, 0.0, None), 0
    checks.number("fooled", "p", p, least=0, most=1)
    if not (x.ndim and len(x)):
        raise ValueError(f"fooled: x has shape {x.shape}; expected (N, ...), at least one image")
    with no_grad(), attacking(model):
        for start in range(0, len(x), CHUNK):
            sure += int((softmax(model(x[start : start + CHUNK]), axis=1).data.max(axis=1) > p).sum())
    return sure / len(x)


def fooling_images(model: Model, x: Any, target: Any, steps: int = 20, step: float = 0.02, clip: Clip = (0.0, 1.0)) -> Array:
    """Rubbish pushed towards a class: x <- clip(x + step sign(grad log p(target | x))), `steps` times, at any distance.

    Args:
        model: a Module (in eval mode during the attack) or a function, from x (N, ...) to logits (N, C).
        x: the start, such as `rubbish((100, 1, 28, 28), "uniform")`. target: N classes, or one for all.
        clip: the pixels' range, or None (for normal noise).

    Returns a new array of x's shape and dtype. The model's parameters, their gradients and flags do not change. Raises
    TypeError unless x holds floats, ValueError for steps below 1, a step below 0, and as `fgsm`.
    """
    images = checked("fooling_images", x, target, 0.0, clip)
    target = one_each(images, target)
    checks.whole("fooling_images", "steps", steps)
    checks.number("fooling_images", "step", step, least=0)
    with attacking(model):
        for _ in range(steps):
            g = input_gradient(model, images, target, cross_entropy)
            images = clipped(images - (step * sign(g).data).astype(images.dtype), clip)
    return images
