"""How good images of digits are, in numbers: the opinion of a "judge", a small classifier, and distances to real images.

Images are (n, 1, 28, 28), in [0, 1]; classes are 0 ... 9. The judge is trained on the data that the samples imitate.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from minigan import backend, data, losses, nn, optim
from minigan.backend import random_numbers
from minigan.data.npz_files import DamagedFile, read_npz, write_npz
from minigan.engine.modes import enable_grad, no_grad
from minigan.engine.tensor import Tensor
from minigan.metrics.points import kl_to_uniform
from minigan.ops import softmax
from minigan.ops.operands import labels_below

CLASSES = 10
FEATURES = 64  # of the judge
CONFIDENT = 0.9  # a probability above this counts as confident
NEAREST = 1000  # samples, at most, whose nearest training image is looked for

_VERSION = 1  # of the judge's layers and training: another number, and judges in the cache are trained anew
_STEPS, _SIZE, _LR = 3000, 64, 3e-3  # of the judge's training: minibatches, images in each, Adam's first learning rate
_LIMIT = 2**20  # bytes of a judge in the cache: it takes less than half of that
CHUNK = 500  # images that go through the judge at a time, to keep the temporary arrays small
NEIGHBOUR_CHUNK = 200  # samples compared with all training images at a time: 48 MB for MNIST
_SLACK = 1e-6  # by how much rounding may take a pixel out of [0, 1]

Progress = Callable[[Iterable], Iterable]


class Judge(nn.Module):
    """A small convolutional classifier of digits: images (N, 1, 28, 28) in [0, 1] -> logits (N, 10).

    `rng` draws the initial weights; minigan's default generator if None. `train_judge` and `judge` make trained ones.
    """

    def __init__(self, rng: np.random.Generator | None = None):
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2, rng=rng),  # 14 x 14
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, rng=rng),  # 7 x 7
            nn.ReLU(),
            nn.Flatten(),
            nn.Dense(32 * 7 * 7, FEATURES, rng=rng),
            nn.ReLU(),
        )
        self.head = nn.Dense(FEATURES, CLASSES, rng=rng)

    def features(self, x: Any) -> Tensor:
        """What the judge sees in the images: (N, 64), none of it negative."""
        return self.body(x)

    def forward(self, x: Any) -> Tensor:
        return self.head(self.features(x))


# --- training, and the cache ------------------------------------------------------------------------------------------


def train_judge(
    x: np.ndarray, y: np.ndarray, steps: int = _STEPS, rng: np.random.Generator | None = None, progress: Progress = iter
) -> Judge:
    """A judge trained on images x (n, 1, 28, 28) in [0, 1] and their labels y (n,): some 98.8 % right on MNIST's test set.

    Args:
        steps: minibatches of 64; 3,000 take about 20 seconds.
        rng: draws the initial weights and the minibatches. None: a generator of seed 0, so that the same data always give
            the same judge. minigan's default generator is never drawn from: a game beside it runs on as if alone.
        progress: wraps the iterable of the steps, as `tqdm.tqdm` does.

    Raises ValueError or TypeError for images and labels of the wrong kind, and for steps < 1.
    """
    x, y = _training_data("train_judge", x, y, steps)
    rng = random_numbers.generator(np.random.default_rng(0) if rng is None else rng)
    judge = Judge(rng=rng)  # it is made before the minibatches, which own `rng` from then on
    minibatches = data.batches(x, y, size=min(_SIZE, len(x)), rng=rng)
    optimizer = optim.Adam(judge.parameters(), lr=_LR)
    decay = optim.LinearDecay(optimizer, steps)
    with enable_grad():  # the caller may be evaluating, under no_grad
        for _ in progress(range(steps)):
            images, labels = next(minibatches)
            optimizer.zero_grad()
            losses.cross_entropy(judge(images), labels).backward()
            optimizer.step()
            decay.step()
    return judge.eval()


def judge(
    x: np.ndarray, y: np.ndarray, steps: int = _STEPS, root: str | os.PathLike | None = None, progress: Progress = iter
) -> Judge:
    """The judge that `train_judge(x, y, steps)` trains, from the cache if it was trained before, and into it if not.

    `root` is the cache's folder; None: ~/.cache/minigan/judges. A file's name says which data, number of steps and kind of
    judge it belongs to. One that is damaged is replaced, and without a cache that can be written the judge is trained each
    time: a RuntimeWarning says so.
    Raises what `train_judge` does.
    """
    x, y = _training_data("judge", x, y, steps)
    file = _cache(root) / f"{_fingerprint(x, y, steps)}.npz"
    found = _load(file)
    if found is None:
        found = train_judge(x, y, steps, progress=progress)
        _store(found, file)
    return found


def _cache(root: str | os.PathLike | None) -> Path:
    if root is not None:
        return Path(root).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigan" / "judges"


def _fingerprint(x: np.ndarray, y: np.ndarray, steps: int) -> str:
    """SHA-256 of all that decides what the judge becomes."""
    digest = hashlib.sha256(f"judge {_VERSION}, {steps} steps".encode())
    for array in (x, y):
        digest.update(f", {array.dtype.str} {array.shape}: ".encode())
        digest.update(array)
    return digest.hexdigest()


def _load(file: Path) -> Judge | None:
    """The judge in the file; None where there is none, and with a warning where it is damaged."""
    found = Judge(rng=np.random.default_rng(0))  # these weights are overwritten
    expected = {name: (array.dtype, array.shape) for name, array in found.state_dict().items()}
    try:
        state = read_npz(file, _LIMIT)
        if {name: (array.dtype, array.shape) for name, array in state.items()} != expected:
            raise DamagedFile(f"{file}: holds the arrays of something else")
        if not all(np.isfinite(array).all() for array in state.values()):
            raise DamagedFile(f"{file}: has weights that are nan or infinite")
    except DamagedFile as error:
        warnings.warn(f"judge: {error}; it is trained anew", RuntimeWarning, stacklevel=3)
        return None
    except OSError:
        return None
    found.load_state_dict(state)
    return found.eval()


def _store(judge: Judge, file: Path) -> None:
    """Write the judge, whole or not at all; training takes seconds, so a cache that cannot be written costs only a warning."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_npz(file, judge.state_dict())
    except OSError as error:
        warnings.warn(f"judge: it is not kept for the next time: {error}", RuntimeWarning, stacklevel=3)


# --- the figures ------------------------------------------------------------------------------------------------------


def image_quality(
    samples: np.ndarray, judge: Judge, train: np.ndarray, labels: np.ndarray | None = None
) -> dict[str, float | int | list]:
    """How good samples (n, 1, 28, 28) are, beside training images `train` (m, 1, 28, 28), in the eyes of the judge.

    Every figure has a blind spot, and none means much alone: compare the row of as many held-out real images, drawn at
    random (MNIST's first 5,000 test images are harder than its last).

    With `labels` (n,), the classes that the samples were asked for:

    - `accuracy`: the share that the judge puts into the class asked for; `class_accuracy`: the same for each class (a list
      of 10, None for a class never asked for); `worst_class`: the lowest of these. A generator that knows a single good image
      of each class gets 1, and so does one that the judge takes for a digit without it looking like one.

    And always:

    - `confident`: the share to which the judge gives a class with probability above 0.9. Blind to variety; and a classifier
      can be sure of itself on images like none that it was trained on.
    - `shares`: the share of the samples in each class (a list of 10); `classes`: how many classes have at least 1 %; `kl`:
      KL(shares || uniform) in nats: 0 is balanced, log(10) = 2.3 a single class. Blind to what happens inside a class, and to
      quality: noise, too, is put into some class. Real data need not be quite uniform (MNIST's kl is 0.002).
    - `frechet`: `frechet_distance` between the judge's features of the samples and of training images, min(n, m) of them.
      Sees both quality and variety, but only the features' mean and covariance; falls as n grows, so compare equal n; its unit
      is this judge's, so compare under the same judge only. Copies of the training images score best of all.
    - `nearest`: the median of `nearest_distances` over at most 1,000 of the samples, to all m training images. Far below the
      figure of held-out images, it says that G has memorised; near 0, that it copies. A shifted copy goes unnoticed, and
      blurred or faint samples lie nearer than sharp ones.

    Memory stays small: images go through the judge, which is put into eval mode, 500 at a time. Which training images
    and samples are drawn depends on n and m alone. Raises ValueError or TypeError for images of another shape or outside
    [0, 1], fewer than 2 of them, and labels that are not n integers from 0 to 9.
    """
    if not isinstance(judge, Judge):
        raise TypeError(f"image_quality: judge is a {type(judge).__name__}; expected a Judge, as from metrics.judge(x, y)")
    samples = _images("image_quality", "samples", samples, least=2)
    train = _images("image_quality", "train", train, least=2)
    asked = None if labels is None else _labels("image_quality", "labels", labels, len(samples))
    features = _features(judge, samples)
    probabilities = _probabilities(judge, features)
    classes = probabilities.argmax(axis=1)
    return {
        **({} if asked is None else _obedience(classes, asked)),
        "confident": float((probabilities.max(axis=1) > CONFIDENT).mean()),
        **_balance(classes),
        "frechet": frechet_distance(features, _features(judge, _some(train, len(samples)))),
        "nearest": float(np.median(nearest_distances(_some(samples, NEAREST), train))),
    }


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) between Gaussians fitted to features a (n, d) and b (m, d).

    With Inception's features it is the FID (Heusel et al. 2017, equation 6). The matrix root's trace is computed as that of
    (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric; all in float64. At least 0, in squared units of the features. Raises
    ValueError for other shapes, fewer than 2 rows, and values that are not finite.
    """
    a, b = _feature_rows("a", a), _feature_rows("b", b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"frechet_distance: a {a.shape} and b {b.shape} have different numbers of features")
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root_a = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T  # rounding takes eigenvalues of 0 below it
    squares = np.linalg.eigvalsh(root_a @ cov_b @ root_a)
    shared = np.sqrt(np.maximum(squares, 0)).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    return max(0.0, float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * shared))


def nearest_distances(samples: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Each sample's Euclidean distance, over its 784 pixels, to the nearest training image: (n,) float64.

    samples (n, 1, 28, 28), train (m, 1, 28, 28). A copy has distance 0. Raises ValueError or TypeError as `image_quality`.
    """
    samples = _images("nearest_distances", "samples", samples).reshape(-1, 28 * 28)
    train = _images("nearest_distances", "train", train).reshape(-1, 28 * 28)
    half_squares = np.einsum("ij,ij->i", train, train) / 2
    distances = np.empty(len(samples))
    for start in range(0, len(samples), NEIGHBOUR_CHUNK):
        chunk = slice(start, start + NEIGHBOUR_CHUNK)
        nearest = (half_squares - samples[chunk] @ train.T).argmin(axis=1)  # (|s - t|^2 - |s|^2) / 2: the same order
        # That sum has lost the digits of a small distance, so the winner's is computed from the difference.
        distances[chunk] = np.linalg.norm(samples[chunk].astype(np.float64) - train[nearest], axis=1)
    return distances


def _obedience(classes: np.ndarray, asked: np.ndarray) -> dict[str, float | list]:
    """How often the class that the judge sees is the one asked for."""
    right = classes == asked
    each = [float(right[asked == c].mean()) if (asked == c).any() else None for c in range(CLASSES)]
    worst = min(share for share in each if share is not None)
    return {"accuracy": float(right.mean()), "worst_class": worst, "class_accuracy": each}


def _balance(classes: np.ndarray) -> dict[str, float | int | list]:
    """How the samples spread over the classes."""
    counts = np.bincount(classes, minlength=CLASSES)
    return {
        "classes": int((100 * counts >= len(classes)).sum()),
        "shares": (counts / len(classes)).tolist(),
        "kl": kl_to_uniform(counts),
    }


@no_grad()
def _features(judge: Judge, x: np.ndarray) -> np.ndarray:
    """The judge's features (n, 64) of images, in eval mode."""
    judge.eval()
    return np.concatenate([backend.to_numpy(judge.features(x[i : i + CHUNK]).data) for i in range(0, len(x), CHUNK)])


@no_grad()
def _probabilities(judge: Judge, features: np.ndarray) -> np.ndarray:
    """The judge's probabilities (n, 10) of the classes, given its features."""
    return backend.to_numpy(softmax(judge.head(features), axis=1).data)


def _some(x: np.ndarray, n: int) -> np.ndarray:
    """At most n of the images: a random choice, since the data may be sorted by class, but always the same one."""
    return x if len(x) <= n else x[np.random.default_rng(0).choice(len(x), n, replace=False)]


# --- what is refused --------------------------------------------------------------------------------------------------


def _training_data(name: str, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 1, 28, 28) float32 and labels (n,) int64."""
    if not isinstance(steps, Integral) or steps < 1:
        raise ValueError(f"{name}: steps is {steps!r}; expected a whole number of at least 1")
    x = _images(name, "x", x)
    return x, _labels(name, "y", y, len(x))


def _images(name: str, argument: str, x: np.ndarray, least: int = 1) -> np.ndarray:
    """The images as (n, 1, 28, 28) float32, n >= least, contiguous."""
    x = backend.to_numpy(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name}: {argument} has dtype {x.dtype}; expected images of numbers in [0, 1]")
    if x.shape[1:] != (1, 28, 28):
        raise ValueError(f"{name}: {argument} has shape {x.shape}; expected (n, 1, 28, 28): use reshape(-1, 1, 28, 28)")
    if len(x) < least:
        raise ValueError(f"{name}: {argument} has shape {x.shape}; expected at least {least} images")
    low, high = x.min(), x.max()
    if np.isnan(low):
        raise ValueError(f"{name}: {argument} has NaN values: leave those images out, or find out where they come from")
    if low < -_SLACK or high > 1 + _SLACK:
        remedy = "divide by 255" if x.dtype.kind in "iu" else "a Tanh's output becomes such images by (x + 1) / 2"
        raise ValueError(f"{name}: {argument} has values from {low} to {high}; expected [0, 1]: {remedy}")
    return np.ascontiguousarray(x, np.float32)


def _labels(name: str, argument: str, y: np.ndarray, n: int) -> np.ndarray:
    """The classes of n images as (n,) int64."""
    y = backend.to_numpy(labels_below(name, y, CLASSES))
    if y.shape != (n,):
        raise ValueError(f"{name}: {argument} has shape {y.shape}; expected ({n},), one label for each image")
    return np.ascontiguousarray(y, np.int64)


def _feature_rows(argument: str, x: np.ndarray) -> np.ndarray:
    """The features as (n, d) float64, n >= 2."""
    x = backend.to_numpy(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"frechet_distance: {argument} is {x.dtype}; expected numbers")
    x = x.astype(np.float64)
    if x.ndim != 2 or len(x) < 2 or not x.shape[1]:
        raise ValueError(f"frechet_distance: {argument} has shape {x.shape}; expected (n, d), with n of at least 2")
    if not np.isfinite(x).all():
        raise ValueError(f"frechet_distance: {argument} has NaN or infinite values: leave those rows out")
    return x
