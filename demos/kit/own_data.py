"""Your own data, --data PATH, or colour images, --data scenes and --data cifar10, and a game on them: nothing is judged.

    points.npy, points.npz, points.csv     (n, 2); in a .csv, the first line may be names
    images.npy, images.npz                 (n, H, W) or (n, C, H, W), C 1 or 3: uint8, or floats from 0 to 1
    a folder                               of pictures, or with a subfolder of pictures for each class (see data.images)

An .npz has the data as x, or as its only array, and may have their classes (n,) as y or labels. An .npy is not read as a whole:
each minibatch is, so it may be larger than the memory.
"""

import argparse
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demos.kit import pictures
from demos.kit.claim import Claim
from demos.kit.run import Run
from demos.kit.runner.options import COLOUR, NAMES, OWN, SIDES, add_data_options, common_options, own_options
from minigan import data, metrics
from minigan.backend import random_numbers
from minigan.data import cifar10_files, scene_images
from minigan.games import ConditionalGAN, Game

LIMIT = 2**31  # bytes of an .npz or .csv, at most: they are read as a whole
SAMPLES, CHUNK = 1_000, 100  # images that are drawn at the end; at a time
COMPARED = 1_000  # points or images, at most, whose distances are measured
SHOWN = 10  # classes in a picture, at most
NOT_JUDGED = "reported: not judged"
NEAREST = "distance to the nearest image of the data"
NEAREST_OTHER = f"{NEAREST}, from another one"
NEAR = f"Median {NEAREST}: {{{NEAREST}|.2f}}; from another one: {{{NEAREST_OTHER}|.2f}} (not judged)"
APART = (
    "Exact Wasserstein distance to your data: {exact distance|.3f}; between two parts of the data: "
    "{exact distance, two parts of the data|.3f} (not judged)"
)


@dataclass(eq=False)
class OwnData:
    """Points (n, 2), or images (n, C, H, W) as they are stored; their classes (n,), or None, and the names of the classes."""

    x: np.ndarray
    y: np.ndarray | None = None
    names: list[str] = field(default_factory=list)
    side: int = 28  # that images get

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image that a game sees."""
        return self.x.shape[1], self.side, self.side

    def images(self, which: Any) -> np.ndarray:
        """These images, (m, C, side, side) float32 in [0, 1]."""
        return resized(self.x[which], self.side)


def options(description: str) -> argparse.ArgumentParser:
    """The common options and --data PATH, for an experiment of your own."""
    parser = common_options(description)
    add_data_options(parser, (), own="points or images")
    return parser


def given(args: argparse.Namespace) -> bool:
    """Whether --data is a path, or names colour images."""
    return isinstance(args.data, str) and (args.data in COLOUR or args.data not in NAMES)


def points(args: argparse.Namespace) -> np.ndarray:
    """The points of --data PATH, (n, 2) float32, shuffled, and moved and scaled to [-2, 2]; see `restored`."""
    x, middle, scale = _fitted(args)
    return np.random.default_rng(0).permutation((x - middle) / scale).astype(np.float32)


def restored(args: argparse.Namespace, x: np.ndarray) -> np.ndarray:
    """Points in the units of the data."""
    _, middle, scale = _fitted(args)
    return x * scale + middle


def _fitted(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, float]:
    own = _of(args)
    if own.x.ndim != 2:
        raise SystemExit(f"--data {args.data}: has images; expected points (n, 2)")
    if own_options(args):
        raise SystemExit(f"--data {args.data}: has points; --size and --augment are for images")
    low, high = own.x.min(axis=0), own.x.max(axis=0)
    return own.x, (low + high) / 2, max(float((high - low).max()) / 4, 1e-12)


def images(args: argparse.Namespace, classes: bool = False) -> OwnData:
    """The images of --data PATH. `classes`: whether they must have classes."""
    own = _of(args)
    if own.x.ndim != 4:
        raise SystemExit(f"--data {args.data}: has points; expected images")
    if classes and own.y is None:
        raise SystemExit(f"--data {args.data}: has no classes; expected a folder with a subfolder for each, or an .npz with y")
    return own


def has_points(args: argparse.Namespace) -> bool:
    """Whether --data is a path to points, not images."""
    return given(args) and _of(args).x.ndim == 2


def _of(args: argparse.Namespace) -> OwnData:
    """The data of --data, read once. Ends the program with one line if they cannot be read."""
    if not hasattr(args, "own_data"):
        try:
            args.own_data = in_colour(args) if args.data in COLOUR else read(args.data, getattr(args, "size", None))
        except (data.DataError, ImportError) as error:
            raise SystemExit(f"--data: {error}") from None
    return args.own_data


def in_colour(args: argparse.Namespace) -> OwnData:
    """The training images of --data scenes or --data cifar10, with the names of their classes."""
    from demos.kit import digits  # here: points need no classifier of digits

    x, y, _ = digits.load(args)
    return OwnData(x, y, list(scene_images.SHAPES if args.data == "scenes" else cifar10_files.CLASSES), x.shape[2])


# --- reading --------------------------------------------------------------------------------------------------------------


def read(path: str, size: int | None = None) -> OwnData:
    """The data in a file or folder. `size`: of images; None: as they are, or 28. Raises DataError if it cannot be read."""
    file = Path(path)
    if file.is_dir():
        x, y, names = data.images(file, size or 28)
        return OwnData(x, y, names, size or 28)
    readers = {".npy": lambda file: (np.load(file, mmap_mode="r", allow_pickle=False), None), ".npz": _npz, ".csv": _csv}
    if not file.is_file() or file.suffix.lower() not in readers:
        raise data.DataError(f"{path}: expected {OWN}")
    try:
        x, labels = readers[file.suffix.lower()](file)
        if not isinstance(x, np.ndarray) or not isinstance(labels, np.ndarray | None):
            raise ValueError("has something other than arrays")
        x = _checked(x)
        own = OwnData(x, side=size or (x.shape[2] if x.ndim == 4 and x.shape[2] == x.shape[3] in SIDES else 28))
        if labels is not None:
            own.y, own.names = _classes(labels, len(x))
        return own
    except (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        # MemoryError: of a header that lies; RuntimeError: of an archive with a password
        raise data.DataError(f"{path}: {' '.join(str(error).split())}") from None


def _npz(file: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Its data, and their classes if it has them."""
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > LIMIT:
            raise ValueError(f"takes more than {LIMIT >> 30} GiB; save x with np.save: an .npy is not read as a whole")
    with np.load(file, allow_pickle=False) as arrays:
        labels = [name for name in ("y", "labels") if name in arrays]
        others = [name for name in arrays if name not in labels]
        if len(labels) > 1 or not others or (len(others) > 1 and "x" not in others):
            raise ValueError(f"has the arrays {', '.join(arrays)}; expected x, and y for classes")
        return arrays["x" if "x" in others else others[0]], arrays[labels[0]] if labels else None


def _csv(file: Path) -> tuple[np.ndarray, None]:
    if file.stat().st_size > LIMIT:
        raise ValueError(f"has more than {LIMIT >> 30} GiB")
    with file.open(encoding="utf-8-sig") as opened:
        names = any(letter.isalpha() and letter not in "eE" for letter in opened.readline(10_000))
    x = np.loadtxt(file, delimiter=",", ndmin=2, skiprows=int(names), encoding="utf-8-sig")
    if x.shape[1] != 2:
        raise ValueError(f"has {x.shape[1]} columns; expected two, the coordinates of points")
    return x, None


def _checked(x: np.ndarray) -> np.ndarray:
    """Points (n, 2), or images (n, C, H, W). Raises ValueError for anything else."""
    pixels = x.ndim in (3, 4) and min(x.shape) > 0 and (x.ndim == 3 or x.shape[1] in (1, 3))
    if not (pixels or (x.ndim == 2 and x.shape[1] == 2)) or len(x) < 2 or x.dtype.kind not in "fiu":
        what = f"is {x.dtype} {x.shape}"
        raise ValueError(f"{what}; expected numbers: points (n, 2), or images (n, H, W) or (n, C, H, W) with C 1 or 3")
    rows = max(1, 2**24 // x[0].nbytes)
    parts = [x[i : i + rows] for i in range(0, len(x), rows)]  # of a mapped file, about 16 MB each
    low, high = np.min([part.min() for part in parts]), np.max([part.max() for part in parts])  # nan if one of them is
    if not np.isfinite([low, high]).all():
        raise ValueError("has a nan or an infinity")
    if not pixels:
        return np.asarray(x, np.float64)
    if not 0 <= low <= high <= (1 if x.dtype.kind == "f" else 255):
        raise ValueError(f"has {x.dtype} pixels from {low:g} to {high:g}; expected integers up to 255, or floats from 0 to 1")
    return x[:, None] if x.ndim == 3 else x


def _classes(labels: np.ndarray, n: int) -> tuple[np.ndarray, list[str]]:
    """The classes 0, 1, ... and their names."""
    if labels.shape != (n,) or labels.dtype.kind not in "iuU":
        raise ValueError(f"has labels {labels.dtype} {labels.shape} for {n} samples; expected whole numbers or texts ({n},)")
    names, y = np.unique(labels, return_inverse=True)
    return y.astype(np.int64), [str(name) for name in names]


def resized(x: np.ndarray, side: int) -> np.ndarray:
    """Images as they are stored, as (n, C, side, side) float32 in [0, 1]."""
    x = np.asarray(x, np.float32) / np.float32(1 if x.dtype.kind == "f" else 255)
    if x.shape[2:] == (side, side):
        return x
    from PIL import Image, ImageOps  # here: matplotlib has brought it

    planes = (
        ImageOps.fit(Image.fromarray(plane), (side, side), Image.Resampling.BILINEAR) for plane in x.reshape(-1, *x.shape[2:])
    )
    return np.stack([np.asarray(plane) for plane in planes]).reshape(*x.shape[:2], side, side)


# --- a game on images -----------------------------------------------------------------------------------------------------


class Minibatches(Iterator):
    """Minibatches of the images, with pixels from -1 to 1, and of their classes. Changed at random as `augment` says."""

    def __init__(self, own: OwnData, size: int, augment: tuple[str, ...]):
        arrays = [own.x] if own.y is None else [own.x, own.y]
        self.own, self.augment = own, augment
        self.batches, self.rng = data.batches(*arrays, size=min(size, len(own.x))), random_numbers.spawn()

    def __next__(self) -> Any:
        batch = next(self.batches)
        x = resized(batch if self.own.y is None else batch[0], self.own.side)
        if "flips" in self.augment:
            flipped = self.rng.random(len(x)) < 0.5
            x[flipped] = x[flipped, :, :, ::-1]
        if "shifts" in self.augment:  # by an eighth of the side, at most; the edge is repeated
            reach = self.own.side // 8
            wide = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
            for i, (down, right) in enumerate(self.rng.integers(2 * reach + 1, size=(len(x), 2))):
                x[i] = wide[i, :, down : down + self.own.side, right : right + self.own.side]
        return 2 * x - 1 if self.own.y is None else (2 * x - 1, batch[1])

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches.state_dict(), "rng": random_numbers.generator_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.batches.load_state_dict(state["batches"])
        random_numbers.set_generator_state(self.rng, state["rng"])


def play(claim: Claim, own: OwnData, game: Game) -> None:
    """Train the game, whose networks see pixels from -1 to 1, and draw G's samples; of a conditional game, class by class."""
    from demos.kit import digits  # here: points need no classifier of digits

    kinds = len(own.names) if isinstance(game, ConditionalGAN) else 0
    shown = min(SHOWN, kinds)
    columns = shown * max(1, 12 // shown) if kinds else 8  # in each, one class
    fixed = game.prior(8 * columns, rng=random_numbers.spawn())

    def classes(n: int) -> np.ndarray | None:
        return np.arange(n) % kinds if kinds else None

    def snapshot() -> dict[str, np.ndarray]:
        labels = np.arange(len(fixed)) % shown if kinds else None
        return {"samples": digits.pixels(game, len(fixed), labels, fixed)}

    batches = Minibatches(own, claim.settings["batch"], claim.args.augment or ())
    run = Run(claim, game, batches, own.images(slice(COMPARED)), snapshot)
    run.train()
    labels = classes(SAMPLES)
    parts = [slice(i, i + CHUNK) for i in range(0, SAMPLES, CHUNK)]
    samples = np.concatenate([digits.pixels(game, CHUNK, labels[part] if kinds else None) for part in parts])
    measure(claim, own, samples)
    run.write(samples=samples, **({"labels": labels} if kinds else {}))
    near = claim.words(NEAR)
    claim.show(_sheets(own, samples, labels), "samples", near)
    claim.show(
        pictures.images_over_time(run.snapshots, columns if kinds else 16),
        "over_time",
        f"After {run.steps:,} iterations. {near}",
    )
    pictures.images_animation(claim.args.out / "animation.gif", run.snapshots, columns)
    claim.show(pictures.curves(run.history), "curves", "The losses, and D's guesses (not judged)")
    print(f"{pictures.MOVING}\nNothing is judged")


def _sheets(own: OwnData, samples: np.ndarray, labels: np.ndarray | None) -> Any:
    """Data and samples, side by side; a row for each of the first classes."""
    if labels is None:
        n = min(144, len(own.x))
        return pictures.images(own.images(slice(n)), samples[:n], columns=min(12, n))
    rows = range(min(SHOWN, len(own.names)))
    real, fake = (np.concatenate([np.resize(np.flatnonzero(y == c), 12) for c in rows]) for y in (own.y, labels))
    return pictures.images(own.images(real), samples[fake], labels=own.names[:SHOWN])


def measure(claim: Claim, own: OwnData, samples: np.ndarray) -> None:
    """How near the samples are to images of the data, and how near those are to each other. A copy has distance 0."""
    real = own.images(np.sort(np.random.default_rng(0).permutation(len(own.x))[:COMPARED])).reshape(-1, samples[0].size)
    fake = samples.reshape(len(samples), -1)

    def distances(a: np.ndarray) -> np.ndarray:
        squared = (a**2).sum(axis=1)[:, None] + (real**2).sum(axis=1) - 2 * a @ real.T
        return np.sqrt(np.maximum(squared, 0))

    among = distances(real)
    np.fill_diagonal(among, np.inf)
    claim.note(NEAREST, np.median(distances(fake).min(axis=1)), f"{NOT_JUDGED} (a copy has 0)")
    claim.note(NEAREST_OTHER, np.median(among.min(axis=1)), NOT_JUDGED)


def measure_points(claim: Claim, x: np.ndarray, samples: np.ndarray) -> str:
    """The exact distance of as many samples as points, and that of two parts of the data. Returns both in words."""
    n = min(COMPARED, len(x) // 2)
    claim.note("exact distance", metrics.wasserstein1(samples[:n], x[:n]), NOT_JUDGED)
    claim.note("exact distance, two parts of the data", metrics.wasserstein1(x[n : 2 * n], x[:n]), NOT_JUDGED)
    return claim.words(APART)
