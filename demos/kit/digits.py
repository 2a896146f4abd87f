"""What the demos on digit images share: the data, the training, the judge's figures, and the pictures at the end."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from demos.kit import pictures
from demos.kit.claim import Claim
from demos.kit.progress import progress
from demos.kit.run import Run, add_data_options, common_options
from demos.kit.training import adams, train
from minigan import Tensor, backend, data, metrics, nn, no_grad
from minigan.games import GAN, ConditionalGAN, Game

DATA = ("mnist", "glyphs")
SAMPLES = 5_000


def options(description: str) -> argparse.ArgumentParser:
    """The options of the demos of claims about digits: those of all, and --data, --data-dir."""
    found = common_options(description)
    add_data_options(found, DATA, quick_data="glyphs")
    return found


def dense_players(z: int, width: int) -> tuple[nn.Sequential, nn.Sequential]:
    """G and D for images of 28 x 28 pixels from -1 to 1, of dense layers alone."""
    w = width
    G = nn.Sequential(
        nn.Dense(z, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 784), nn.Tanh(),
        nn.Reshape(1, 28, 28),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Flatten(),
        nn.Dense(784, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1),
    )  # fmt: skip
    return G, D


def train_generator(x: np.ndarray, settings: Any) -> nn.Module:
    """G of the dense players, trained on images x in [0, 1]; `settings` has steps, z, width, batch, lr and r1."""
    G, D = dense_players(settings.z, settings.width)
    game = GAN(G, D, data.noise(settings.z), *adams(G, D, settings.lr, settings.lr), r1=settings.r1)
    train(game, data.batches(2 * x - 1, size=settings.batch), settings.steps, "training a generator")
    return G.eval()


def in_pixels(G: nn.Module) -> Callable[[Tensor], Tensor]:
    """G with images in [0, 1] instead of tanh's [-1, 1]."""
    return lambda z: (G(z) + 1.0) / 2.0


def draw(G: Callable[[Tensor], Tensor], z: np.ndarray) -> np.ndarray:
    """G's images of the noise z (n, d), as NumPy arrays."""
    with no_grad():
        return G(Tensor(z.astype(np.float32))).numpy()


def load(args, n: int | None = None) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Images (m, 1, 28, 28) in [0, 1] to learn from, their classes (m,), and n others (None: SAMPLES) with theirs."""
    n = SAMPLES if n is None else n
    try:
        if args.data == "mnist":
            others, classes = data.mnist("test", root=args.data_dir)
            some = np.random.default_rng(0).permutation(len(others))[:n]  # the second half is easier to read
            return *data.mnist(root=args.data_dir), (others[some], classes[some])
    except data.DataError as error:
        raise SystemExit(f"{error}") from None
    x, y = data.glyphs(3_000 if args.quick else 60_000)
    return x, y, data.glyphs(300 if args.quick else n)


def play(claim: Claim, game: Game, panels=pictures.DISCRIMINATOR_PANELS) -> dict[str, dict]:
    """Train the game, whose networks see pixels from -1 to 1, and show what G has learnt; a conditional one class by class.

    Returns the judge's figures of G's samples, "samples", and of unseen "real_images"; they are among the claim's.
    """
    args = claim.args
    x, y, others = load(args)
    conditional = isinstance(game, ConditionalGAN)
    columns = 10 if conditional else 8
    fixed = game.prior(8 * columns, rng=backend.spawn())

    def sample(n, asked_for=None, z=None):
        return (game.sample(n, asked_for, z) + 1) / 2  # tanh's [-1, 1] to pixels in [0, 1]

    def classes(n):
        return np.arange(n) % 10 if conditional else None

    batches = data.batches(2 * x - 1, y, size=claim.settings["batch"])
    run = Run(claim, game, batches, x, lambda: {"samples": sample(len(fixed), classes(len(fixed)), fixed)})
    run.train()

    labels = classes(SAMPLES)
    samples = sample(SAMPLES, labels)
    found = quality(args, x, y, others, samples, labels)
    claim.metrics |= found
    run.write(samples=samples, **({"labels": labels} if conditional else {}))
    row = found["samples"]
    title = f"{row['confident']:.0%} of the samples are clear digits, of {row['classes']} classes"
    if conditional:
        asked = f"{row['accuracy']:.0%} of the samples show the class asked for; of the worst class, {row['worst_class']:.0%}"
        sheets = by_class(x, y), by_class(samples, labels)
        claim.show(pictures.images(*sheets, labels=[str(c) for c in range(10)]), "samples", asked)
    else:
        claim.show(pictures.images(x[:144], samples[:144]), "samples", title)
    claim.show(pictures.images_over_time(run.snapshots, 2 * columns), "over_time", f"After {run.steps:,} iterations, {title}")
    pictures.images_animation(args.out / "animation.gif", run.snapshots, columns)
    claim.show(pictures.interpolations(*ways(sample, fixed, conditional)), "interpolation", "G on the ways between two z")
    claim.show(pictures.curves(run.history, panels), "curves", "The two players over the training")
    report(args, found)
    return found


def by_class(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The first 12 images of each class, class after class."""
    return np.concatenate([images[labels == c][:12] for c in range(10)])


def ways(sample, z: np.ndarray, conditional: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images on the ways from one z to another, (8, 12, 1, 28, 28) each: on straight lines, and on great circles.

    Of a conditional game: between the same two z, for eight classes.
    """
    ends = [(z[0], z[1]) if conditional else (z[2 * i], z[2 * i + 1]) for i in range(8)]
    return tuple(
        np.stack([sample(12, i if conditional else None, way(a, b, 12)) for i, (a, b) in enumerate(ends)])
        for way in (data.lerp, data.slerp)
    )


def quality(args, x, y, others, samples, labels) -> dict[str, dict]:
    """The judge's figures of the samples, and of real images that neither G nor the judge has seen."""
    if args.quick:
        judge = metrics.train_judge(x, y, steps=60)
    else:
        judge = metrics.judge(x, y, progress=lambda steps: progress(steps, desc="training a judge"))
    return {
        "samples": metrics.image_quality(samples, judge, x, labels),
        "real_images": metrics.image_quality(others[0], judge, x, others[1]),
    }


def report(args, found: dict[str, dict]) -> None:
    """What there is to look at, and the figures."""
    print(f"""
Results are in {args.out}/
  samples.png        the data and G's samples side by side
  interpolation.png  G on the ways between two z: does a digit turn into another by way of digits?
  over_time.png      how the samples came to be; animation.gif, the same, moving
  curves.png         the two players' figures over the training
  history.csv, summary.json, samples.npz, checkpoint.npz   the figures behind them

                       confident  classes  KL to uniform  Frechet distance  nearest training image""")
    for name, row in (("G's samples", found["samples"]), ("unseen real images", found["real_images"])):
        print(
            f"{name:>20}  {row['confident']:10.1%}{row['classes']:9}{row['kl']:15.4f}{row['frechet']:18.2f}"
            f"{row['nearest']:24.2f}"
        )
    print(f"\nof unseen real images, the judge puts {found['real_images']['accuracy']:.1%} into the right class;")
    if "accuracy" in found["samples"]:
        row = found["samples"]
        print(f"of G's samples, {row['accuracy']:.1%} into the class asked for; of the worst class, {row['worst_class']:.1%}")
