"""Samples of a game that somebody else trained, from a file that `mg.save` wrote: python -m demos sample FILE --y 7

The file may come from anyone: nothing in it is executed (see minigan/saving/files.py), and the memory is limited.
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

import minigan as mg
from demos.catalogue import refuse
from demos.kit import pictures, style
from demos.kit.runner.options import path_option, positive_number, seed_number
from minigan import nn
from minigan.games import Conditional

ROOM = 2**32  # bytes: a hostile file's networks could need any amount for one sample


def main(argv: Sequence[str]) -> None:
    """Load the game, draw, write the picture. Ends with one line if the file is none of a game."""
    options = argparse.ArgumentParser(prog="python -m demos sample", description=__doc__.splitlines()[0])
    options.add_argument("file", type=path_option, help="a file that mg.save(game, path) wrote")
    options.add_argument("--y", type=int, help="the class, of a game with classes (default: all, in turn)")
    options.add_argument("--n", type=positive_number, default=20, help="the number of samples (default: 20)")
    options.add_argument("--seed", type=seed_number, help="of the noise (default: another at each call)")
    options.add_argument("--out", type=path_option, default=Path("sample.png"), help="the picture (default: sample.png)")
    args = options.parse_args(argv)
    args.out = args.out if args.out.suffix else args.out.with_suffix(".png")
    limit_memory()
    try:
        game = mg.load(args.file)
        y = args.y
        if y is None and isinstance(game.G, Conditional):
            y = np.arange(args.n) % game.G.classes
        G = next((average.module for average in game.parts(nn.MovingAverage).values() if average.trained is game.G), None)
        samples = game.sample(args.n, y, rng=np.random.default_rng(args.seed), G=G)
        draw(samples, args.out)
    except (ValueError, TypeError) as error:
        refuse(str(error))
    except MemoryError:
        refuse(f"{args.file}: its networks need more than {ROOM >> 30} GB for {args.n} samples")
    except OSError as error:
        refuse(f"{error.filename or args.file}: {error.strerror}")
    print(f"{args.out}: {args.n} samples of a {type(game).__name__}")


def limit_memory() -> None:
    """Have a MemoryError beyond ROOM, where the system can limit a process."""
    with suppress(ImportError):  # Windows
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (ROOM if most < 0 else min(ROOM, most), most))


def draw(samples: np.ndarray, path: Path) -> None:
    """Points (n, 2), or images (n, 1, H, W) in [0, 1] or, of a tanh, in [-1, 1]."""
    if not (samples.ndim == 2 and samples.shape[1] == 2) and not (samples.ndim == 4 and samples.shape[1] == 1):
        raise ValueError(f"the samples have shape {samples.shape}; only points (n, 2) and images (n, 1, H, W) can be drawn")
    if not np.isfinite(samples).all():
        raise ValueError("the samples are not finite numbers")
    figure, axes = style.slide(height=style.HEIGHT if samples.ndim == 2 else 1.4 * -(-len(samples) // 10))
    if samples.ndim == 2:
        axes.plot(*samples.T, "o", color=style.FAKE, markersize=4)
        axes.set(aspect="equal")
    else:
        columns = min(len(samples), 10)
        images = (samples + 1) / 2 if samples.min() < 0 else samples
        empty = np.zeros((-len(images) % columns, *images.shape[1:]), images.dtype)
        axes.imshow(pictures.sheet(np.concatenate([images, empty]), columns), cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
    figure.savefig(path)
