"""The adversarial patch: one small image that makes a model see the target class in any scene. Brown et al. 2017.

It is trained on random transformations of itself: the expectation over transformations of Athalye et al. 2018.
"""

from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.attacks.gradient import Model, attacking, checked, clipped
from minigan.backend import Array, random_numbers
from minigan.engine.modes import enable_grad, no_grad
from minigan.engine.tensor import Tensor, grad
from minigan.losses import cross_entropy
from minigan.ops import take, where
from minigan.ops.operands import integers, operand
from minigan.optim import Adam, LinearDecay

Share = float | tuple[float, float]
CHUNK = 1000  # images that go through the model at a time


def apply_patch(
    x: Any, patch: Any, share: Share, rng: np.random.Generator | None = None, angle: float = 22.5
) -> tuple[Tensor, Array]:
    """Paste the patch into every image, at a random place and angle, without cutting it. Returns the images and the places.

    Args:
        x: images (N, C, H, W), floats. patch: (C, P, P), a Tensor or an array; sampled bilinearly, and differentiable.
        share: the patch's share of an image's area; (low, high): each image's own, drawn uniformly between the two.
        rng: draws places, angles and shares; minigan's default generator if None. angle: the largest rotation, in degrees.

    Returns a Tensor of x's shape and dtype, and the places, booleans (N, H, W): pixels outside are x's, to the last bit.
    Raises ValueError for shapes that do not fit, angles outside [0, 180] and a share too large for the turned patch to fit.
    """
    x = checked("apply_patch", x, None, 0.0, None)
    patch = patch if isinstance(patch, Tensor) else Tensor(patch, dtype=x.dtype)
    if x.ndim != 4 or patch.ndim != 3 or patch.shape != (x.shape[1], patch.shape[2], patch.shape[2]):
        raise ValueError(f"apply_patch: x {x.shape}, patch {patch.shape}; expected (N, C, H, W) and (C, P, P)")
    v, u, inside = _places(x.shape, share, random_numbers.generator(rng), angle)
    values = _bilinear(patch, *(c * patch.shape[-1] for c in (v, u)))
    place = backend.xp().asarray(inside)
    return where(place[:, None], values, Tensor(x)).astype(x.dtype), place


def _places(
    shape: tuple[int, ...], share: Share, rng: np.random.Generator, angle: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pixel's coordinates in the patch's frame, from 0 to 1 inside the patch, and whether it is inside: 3 (N, H, W)."""
    n, _, height, width = shape
    low, high = _interval(share)
    angle = checks.number("apply_patch", "angle", angle, least=0, most=180)
    side = np.sqrt(rng.uniform(low, high, n) * height * width)[:, None, None]
    turn = np.radians(rng.uniform(-angle, angle, n))[:, None, None]
    reach = side / 2 * (np.abs(np.cos(turn)) + np.abs(np.sin(turn)))  # of the turned square, from its centre
    widest = np.cos(np.radians(min(angle, 45)) - np.pi / 4) * np.sqrt(2 * high * height * width)
    if widest > min(height, width):
        raise ValueError(f"apply_patch: share {share} does not fit into {height} x {width} pixels, turned by {angle} degrees")
    dy, dx = (
        np.arange(size).reshape(pixels) + 0.5 - (reach + rng.random((n, 1, 1)) * (size - 2 * reach))
        for size, pixels in ((height, (1, -1, 1)), (width, (1, 1, -1)))
    )
    v = (np.cos(turn) * dy - np.sin(turn) * dx) / side + 0.5
    u = (np.sin(turn) * dy + np.cos(turn) * dx) / side + 0.5
    return v, u, (v >= 0) & (v < 1) & (u >= 0) & (u < 1)


def _interval(share: Share) -> tuple[float, float]:
    """The smallest and the largest share; a single number is both."""
    if isinstance(share, tuple | list):
        return checks.interval("apply_patch", "share", share, above=0)
    share = checks.number("apply_patch", "share", share, above=0)
    return share, share


def _bilinear(patch: Tensor, v: np.ndarray, u: np.ndarray) -> Tensor:
    """The patch (C, P, P) at these places (N, H, W), in units of its pixels (centres at 1/2, 3/2, ...): (N, C, H, W)."""
    channels, size, _ = patch.shape
    channel = size * size * np.arange(channels).reshape(-1, 1, 1)
    values = Tensor(0.0, dtype=patch.dtype)
    for row, vertical in _neighbours(v, size):
        for column, horizontal in _neighbours(u, size):
            index = (row * size + column)[:, None] + channel
            weight = Tensor((vertical * horizontal)[:, None], dtype=patch.dtype)
            values = values + weight * take(patch, backend.xp().asarray(index))
    return values


def _neighbours(c: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two pixels next to each coordinate, and their weights; beyond the outermost centres, the outermost pixels."""
    c = (c - 0.5).clip(0, size - 1)
    before = np.floor(c).astype(np.int64)
    return [(before, 1 - (c - before)), ((before + 1).clip(0, size - 1), c - before)]


# --- training and success -----------------------------------------------------------------------------------------------


def adversarial_patch(
    model: Model,
    x: Any,
    target: int,
    share: Share,
    steps: int = 500,
    lr: float = 0.05,
    batch: int = 64,
    angle: float = 22.5,
    size: int | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
    rng: np.random.Generator | None = None,
) -> Array:
    """One patch for all images: it minimises E cross_entropy(model(apply_patch(x, patch)), target), over x, place, size, angle.

    Args:
        model: a Module (in eval mode meanwhile) or a function, from images (N, C, H, W) to logits.
        x: the images to train on. target: the class that the model should see. share, angle: as for `apply_patch`.
        steps, lr: of Adam; lr falls linearly to 0. batch: the images of a step, drawn at random as their transformations are.
        size: P, the patch's side in pixels; if None, its largest side in an image.
        clip: the pixels' range, in which the start is uniform. rng: draws everything; minigan's default generator if None.

    Returns an array (C, P, P) of x's dtype. The model's parameters, their gradients and flags do not change. Raises as
    `apply_patch`, and ValueError for no images, x outside `clip`, and steps, batch or size below 1.
    """
    if clip is None:
        raise ValueError("adversarial_patch: clip is None; expected (low, high), between which the patch starts")
    x, rng = checked("adversarial_patch", x, None, 0.0, clip), random_numbers.generator(rng)
    if x.ndim != 4 or not len(x):
        raise ValueError(f"adversarial_patch: x has shape {x.shape}; expected images (N, C, H, W), at least one")
    size = int(np.ceil(np.sqrt(_interval(share)[1] * x.shape[2] * x.shape[3]))) if size is None else size
    checks.counts("adversarial_patch", steps=steps, batch=batch, size=size)
    checks.whole("adversarial_patch", "target", target, least=0)
    start = rng.uniform(*clip, (x.shape[1], size, size))
    patch = Tensor(backend.xp().asarray(start, dtype=x.dtype), requires_grad=True)
    optimizer = Adam([patch], lr)
    decay = LinearDecay(optimizer, steps)
    with attacking(model), enable_grad():
        for _ in range(steps):
            pasted, _ = apply_patch(x[rng.integers(len(x), size=batch)], patch, share, rng, angle)
            (patch.grad,) = grad(cross_entropy(model(pasted), np.full(batch, target)), patch)
            optimizer.step()
            decay.step()
            patch.data = clipped(patch.data, clip)
    return patch.data


def patch_success(
    model: Model,
    x: Any,
    y: Any,
    patch: Any,
    target: int,
    share: Share,
    rng: np.random.Generator | None = None,
    angle: float = 22.5,
) -> float:
    """Of the images x (N, C, H, W) whose labels y (N,) are not `target`, the share in which a patch makes the model see it.

    The other arguments are `apply_patch`'s. nan if all labels are `target`. Raises as `apply_patch`, and ValueError for a
    number of labels other than N.
    """
    x, rng = checked("patch_success", x, y, 0.0, None), random_numbers.generator(rng)
    y, target = backend.asarray(integers("patch_success", y)), checks.whole("patch_success", "target", target, least=0)
    if y.shape != x.shape[:1]:
        raise ValueError(f"patch_success: x {x.shape}, y {y.shape}; expected (N, C, H, W) and (N,)")
    x = x[y != target]
    taken = 0
    with no_grad(), attacking(model):
        for start in range(0, len(x), CHUNK):
            pasted, _ = apply_patch(x[start : start + CHUNK], patch, share, rng, angle)
            taken += int((operand("patch_success", model(pasted)).data.argmax(axis=1) == target).sum())
    return taken / len(x) if len(x) else float("nan")
