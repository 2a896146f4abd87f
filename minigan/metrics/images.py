"""The quality of images in numbers: classes as a "judge" sees them, a small classifier, and distances to real images.

Images are (n, 1, 28, 28), grey, or (n, 3, 32, 32), in colour, with pixels in [0, 1]; classes are 0 ... 9. The judge is trained
on the data that the samples imitate.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from minigan import backend, data, losses, nn, optim
from minigan.backend import random_numbers, threads
from minigan.data.npz_files import DamagedFile, read_npz, write_npz
from minigan.engine.modes import enable_grad, no_grad
from minigan.engine.tensor import Tensor
from minigan.metrics.points import kl_to_uniform, numbers
from minigan.ops import softmax
from minigan.ops.operands import labels_below

SHAPES = ((1, 28, 28), (3, 32, 32))  # of an image
CLASSES = 10
FEATURES = 64  # of the judge
CONFIDENT = 0.9  # a probability above this counts as confident
NEAREST = 1000  # samples, at most, whose nearest training image is searched

_VERSION = 1  # of the judge's layers and training: a change invalidates the judges in the cache
_STEPS, _SIZE, _LR = 3000, 64, 3e-3  # of the judge's training: minibatches, images in each, Adam's first learning rate
_LIMIT = 2**20  # bytes of a judge in the cache: it takes less than half of that
CHUNK = 500  # images that go through the judge at a time, to keep the temporary arrays small
NEIGHBOUR_CHUNK = 200  # samples compared with all training images at a time: 48 MB for MNIST
_SLACK = 1e-6  # the distance from [0, 1] that rounding may give a pixel

Progress = Callable[[Iterable[Any]], Iterable[Any]]


class Judge(nn.Module):
    """A small convolutional classifier: images (N, *shape) in [0, 1] -> logits (N, 10).

    `rng` draws the initial weights; minigan's default generator if None. `shape`: of an image, (1, 28, 28) or (3, 32, 32).
    `train_judge` and `judge` make trained ones.
    """

    def __init__(self, rng: np.random.Generator | None = None, shape: tuple[int, ...] = SHAPES[0]):
        if shape not in SHAPES:
            raise ValueError(f"Judge: shape is {shape!r}; expected one of {SHAPES}")
        self.shape = shape
        self.body = nn.Sequential(
            nn.Conv2d(shape[0], 16, 5, stride=2, padding=2, rng=rng),  # 14 x 14, or 16 x 16
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, rng=rng),  # 7 x 7, or 8 x 8
            nn.ReLU(),
            nn.Flatten(),
            nn.Dense(32 * (shape[1] // 4) ** 2, FEATURES, rng=rng),
            nn.ReLU(),
        )
        self.head = nn.Dense(FEATURES, CLASSES, rng=rng)

    def features(self, x: Any) -> Tensor:
        """The features of images: (N, 64), none negative."""
        return self.body(x)

    def forward(self, x: Any) -> Tensor:
        return self.head(self.features(x))


# --- training, and the cache ------------------------------------------------------------------------------------------


def train_judge(
    x: np.ndarray, y: np.ndarray, steps: int = _STEPS, rng: np.random.Generator | None = None, progress: Progress = iter
) -> Judge:
    """A judge trained on images x (n, C, H, W) in [0, 1] and their labels y (n,): about 98.8 % right on MNIST's test set.

    Args:
        steps: minibatches of 64; 3,000 take about 20 seconds.
        rng: draws the initial weights and the minibatches. None: a generator of seed 0, so that the same data always give
            the same judge. minigan's default generator is not used, so that a game draws the same with and without a judge.
        progress: wraps the iterable of the steps, as `tqdm.tqdm` does.

    Raises ValueError or TypeError for images and labels of the wrong kind, and for steps < 1.
    """
    x, y = _training_data("train_judge", x, y, steps)
    rng = random_numbers.generator(np.random.default_rng(0) if rng is None else rng)
    judge = Judge(rng, x.shape[1:])  # made before the minibatches, which own `rng` from then on
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
    x: np.ndarray, y: np.ndarray, steps: int = _STEPS, root: str | os.PathLike[str] | None = None, progress: Progress = iter
) -> Judge:
    """The judge of `train_judge(x, y, steps)`, from the cache; or else it is trained and cached.

    `root` is the cache's folder; None: ~/.cache/minigan/judges. A file's name is a hash of the data, the number of steps and
    the judge's version. A damaged file is replaced; in a cache that cannot be written the judge is trained each time; both
    give a RuntimeWarning. Raises as `train_judge`.
    """
    x, y = _training_data("judge", x, y, steps)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache) / "minigan" / "judges" if root is None else Path(root).expanduser()
    file = folder / f"{_fingerprint(x, y, steps)}.npz"
    trained = _load(file, x.shape[1:])
    if trained is None:
        trained = train_judge(x, y, steps, progress=progress)
        _store(trained, file)
    return trained


def _fingerprint(x: np.ndarray, y: np.ndarray, steps: int) -> str:
    """SHA-256 of everything that determines the trained judge."""
    digest = hashlib.sha256(f"judge {_VERSION}, {steps} steps".encode())
    for array in (x, y):
        digest.update(f", {array.dtype.str} {array.shape}: ".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _load(file: Path, shape: tuple[int, ...]) -> Judge | None:
    """The judge in the file; None without a file, and with a warning for a damaged one."""
    judge = Judge(np.random.default_rng(0), shape)  # these weights are overwritten
    expected = {name: (array.dtype, array.shape) for name, array in judge.state_dict().items()}
    try:
        state = read_npz(file, _LIMIT)
        if {name: (array.dtype, array.shape) for name, array in state.items()} != expected:
            raise DamagedFile(f"{file}: contains other arrays than a judge's")
        if not all(np.isfinite(array).all() for array in state.values()):
            raise DamagedFile(f"{file}: has weights that are nan or infinite")
    except DamagedFile as error:
        warnings.warn(f"judge: {error}; it is trained again", RuntimeWarning, stacklevel=3)
        return None
    except OSError:
        return None
    judge.load_state_dict(state)
    return judge.eval()


def _store(judge: Judge, file: Path) -> None:
    """Write the judge, completely or not at all. Training takes seconds, so a failure to write gives only a warning."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_npz(file, judge.state_dict())
    except OSError as error:
        warnings.warn(f"judge: it is not cached: {error}", RuntimeWarning, stacklevel=3)


# --- the metrics ------------------------------------------------------------------------------------------------------


class Quality(TypedDict):
    """The dict that `image_quality` returns: with labels, also the accuracies."""

    accuracy: NotRequired[float]
    worst_class: NotRequired[float]
    class_accuracy: NotRequired[list[float | None]]
    confident: float
    classes: int
    shares: list[float]
    kl: float
    frechet: float
    nearest: float


def image_quality(samples: np.ndarray, judge: Judge, train: np.ndarray, labels: np.ndarray | None = None) -> Quality:
    """The quality of samples (n, C, H, W), compared with training images `train` (m, C, H, W), as the judge sees them.

    Every metric has a blind spot, and none means much alone. Compare them with those of n held-out real images, drawn at
    random (MNIST's first 5,000 test images are harder than its last).

    With `labels` (n,), the classes that G was asked for:

    - `accuracy`: the share of samples in which the judge sees the class asked for; `class_accuracy`: the same for each class
      (a list of 10, None for a class never asked for); `worst_class`: the lowest of these. A generator with a single good
      image of each class scores 1; so does one whose images fool the judge and do not look like digits.

    And always:

    - `confident`: the share of samples with a class of probability above 0.9. Blind to variety; and a classifier can be
      confident on images unlike any that it was trained on.
    - `shares`: the share of the samples in each class (a list of 10); `classes`: how many classes have at least 1 %; `kl`:
      KL(shares || uniform) in nats: 0 is balanced, log(10) = 2.3 a single class. Blind to variety within a class, and to
      quality: the judge puts noise into some class. Real data need not be quite uniform (MNIST's kl is 0.002).
    - `frechet`: `frechet_distance` between the judge's features of the samples and of training images, min(n, m) of them.
      It measures both quality and variety, but only by the features' mean and covariance. It falls as n grows, so compare
      equal n; its unit depends on the judge, so compare under one judge. Copies of the training images score best of all.
    - `nearest`: the median of `nearest_distances` over at most 1,000 of the samples, to all m training images. Far below that
      of held-out images, G has memorised; near 0, it copies. A shifted copy goes unnoticed, and blurred or faint samples are
      nearer than sharp ones.

    The judge is put into eval mode and gets 500 images at a time, which limits memory. The choice of training images and
    samples depends on n and m alone. Raises ValueError or TypeError for images of another shape or outside [0, 1], fewer than
    2 of them, and labels that are not n integers from 0 to 9.
    """
    if not isinstance(judge, Judge):
        raise TypeError(f"image_quality: judge is a {type(judge).__name__}; expected a Judge, as from metrics.judge(x, y)")
    samples = _images("image_quality", "samples", samples, judge.shape, least=2)
    train = _images("image_quality", "train", train, judge.shape, least=2)
    asked = None if labels is None else _labels("image_quality", "labels", labels, len(samples))
    features = _features(judge, samples)
    with no_grad():
        probabilities = softmax(judge.head(features), axis=1).numpy()
    classes = probabilities.argmax(axis=1)
    counts = np.bincount(classes, minlength=CLASSES)
    quality: Quality = {
        "confident": float((probabilities.max(axis=1) > CONFIDENT).mean()),
        "classes": int((100 * counts >= len(classes)).sum()),
        "shares": (counts / len(classes)).tolist(),
        "kl": kl_to_uniform(counts),
        "frechet": frechet_distance(features, _features(judge, _some(train, len(samples)))),
        "nearest": float(np.median(nearest_distances(_some(samples, NEAREST), train))),
    }
    if asked is None:
        return quality
    right = classes == asked
    each = [float(right[asked == c].mean()) if (asked == c).any() else None for c in range(CLASSES)]
    worst = min(share for share in each if share is not None)
    return {"accuracy": float(right.mean()), "worst_class": worst, "class_accuracy": each, **quality}


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) between Gaussians fitted to features a (n, d) and b (m, d).

    With Inception's features it is the FID (Heusel et al. 2017, equation 6). The matrix root's trace is computed as that of
    (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric; all in float64. At least 0, in squared units of the features. Raises
    ValueError for other shapes, fewer than 2 rows, and values that are not finite.
    """
    a, b = _feature_rows("a", a), _feature_rows("b", b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"frechet_distance: a {a.shape} and b {b.shape} have different numbers of features")
    with threads.one_blas_thread:  # the last bits depend on the number
        cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
        values, vectors = np.linalg.eigh(cov_a)
        root_a = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T  # rounding makes eigenvalues of 0 negative
        squares = np.linalg.eigvalsh(root_a @ cov_b @ root_a)
    shared = np.sqrt(np.maximum(squares, 0)).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    return max(0.0, float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * shared))


def inception_score(probabilities: np.ndarray) -> float:
    """exp(mean over x of KL(p(y|x) || p(y))), of a classifier's probabilities p(y|x) for samples x: (n, k), p(y) their mean.

    (Salimans et al. 2016, section 4, with Inception as the classifier and the mean over ten parts of the samples.) From 1, if
    the classifier says the same of all samples, to k, if it is sure of each and finds all classes equally often. Blind to
    variety within a class, and to the data: a sampler with one clear image of each class scores k, real data less. Raises
    ValueError for another shape, and for rows that are not probabilities, which sum to 1.
    """
    p = numbers("inception_score", "probabilities", probabilities)
    if p.ndim != 2 or not p.size:
        raise ValueError(f"inception_score: probabilities has shape {p.shape}; expected (n, k)")
    if not ((p >= 0).all() and np.allclose(p.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("inception_score: a row of probabilities has negative or NaN values, or its sum is not 1; use softmax")
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / p.mean(axis=0)), 0)  # 0 log 0 = 0
    return float(np.exp(max(0.0, terms.sum(axis=1).mean())))  # rounding can dip below 0


def nearest_distances(samples: np.ndarray, train: np.ndarray) -> NDArray[np.float64]:
    """Each sample's Euclidean distance, over all its pixels, to the nearest training image: (n,) float64.

    samples (n, C, H, W), train (m, C, H, W). A copy has distance 0. Raises ValueError or TypeError as `image_quality`.
    """
    samples = _images("nearest_distances", "samples", samples)
    train = _images("nearest_distances", "train", train, samples.shape[1:]).reshape(len(train), -1)
    samples = samples.reshape(len(samples), -1)
    half_squares = np.einsum("ij,ij->i", train, train) / 2
    distances = np.empty(len(samples))
    for start in range(0, len(samples), NEIGHBOUR_CHUNK):
        chunk = slice(start, start + NEIGHBOUR_CHUNK)
        products = threads.matmul(samples[chunk], train.T)
        nearest = (half_squares - products).argmin(axis=1)  # (|s - t|^2 - |s|^2) / 2: the same order
        # That sum loses the digits of a small distance, so the smallest distance is computed from the difference.
        distances[chunk] = np.linalg.norm(samples[chunk].astype(np.float64) - train[nearest], axis=1)
    return distances


@no_grad()
def _features(judge: Judge, x: np.ndarray) -> np.ndarray:
    """The judge's features (n, 64) of images, in eval mode."""
    judge.eval()
    return np.concatenate([backend.to_numpy(judge.features(x[i : i + CHUNK]).data) for i in range(0, len(x), CHUNK)])


def _some(x: np.ndarray, n: int) -> np.ndarray:
    """At most n of the images: always the same choice, but a random one, since the data may be sorted by class."""
    return x if len(x) <= n else x[np.random.default_rng(0).choice(len(x), n, replace=False)]


# --- checks -----------------------------------------------------------------------------------------------------------


def _training_data(name: str, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, C, H, W) float32 and labels (n,) int64."""
    if not isinstance(steps, Integral) or steps < 1:
        raise ValueError(f"{name}: steps is {steps!r}; expected a whole number of at least 1")
    x = _images(name, "x", x)
    return x, _labels(name, "y", y, len(x))


def _images(name: str, argument: str, x: np.ndarray, shape: tuple[int, ...] | None = None, least: int = 1) -> np.ndarray:
    """The images as (n, *shape) float32, n >= least, contiguous; None: any of SHAPES."""
    x = backend.to_numpy(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name}: {argument} has dtype {x.dtype}; expected images of numbers in [0, 1]")
    shapes = SHAPES if shape is None else (shape,)
    if x.shape[1:] not in shapes:
        expected = " or ".join(f"(n, {', '.join(map(str, one))})" for one in shapes)
        raise ValueError(f"{name}: {argument} has shape {x.shape}; expected {expected}: use reshape")
    if len(x) < least:
        raise ValueError(f"{name}: {argument} has shape {x.shape}; expected at least {least} images")
    low, high = x.min(), x.max()
    if np.isnan(low):
        raise ValueError(f"{name}: {argument} has NaN values: leave those images out, or find out where they come from")
    if low < -_SLACK or high > 1 + _SLACK:
        remedy = "divide by 255" if x.dtype.kind in "iu" else "convert a Tanh's output by (x + 1) / 2"
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
    x = numbers("frechet_distance", argument, x)
    if x.ndim != 2 or len(x) < 2 or not x.shape[1]:
        raise ValueError(f"frechet_distance: {argument} has shape {x.shape}; expected (n, d), with n of at least 2")
    if not np.isfinite(x).all():
        raise ValueError(f"frechet_distance: {argument} has NaN or infinite values: leave those rows out")
    return x
