"""What the demos' tests share: the demos, starting them, and reading what they leave."""

import csv
import json
from contextlib import contextmanager

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from demos.architectures import began, cgan, dcgan
from demos.kit.runner.codec import read_checkpoint
from demos.the_game import gan
from demos.wasserstein import wgan

DEMOS = {"gan": gan, "wgan": wgan, "cgan": cgan, "dcgan": dcgan, "began": began}
POINTS = ("gan", "wgan")  # what they draw with --quick; the others draw images
MAIN = 'def main(argv=None):\n    print("runs")\n'  # of a demo that tests write


def run(name, out, *options):
    """Run a demo in this process, and return its folder."""
    DEMOS[name].main(["--out", str(out), *options])
    return out


@contextmanager
def coarse_pictures():
    """Pictures are coarse, not laid out, and drawn once, not twice: layout and resolution take most of a picture's time."""

    def save(figure, path, savefig=Figure.savefig, **options):
        if "format" in options:  # a frame of an animation
            return savefig(figure, path, **options)
        figure.set_layout_engine("none")
        figure.set_dpi(60)
        FigureCanvasAgg(figure).print_png(path)

    with pytest.MonkeyPatch.context() as m:
        m.setattr(Figure, "savefig", save)
        yield


# --- what a run leaves --------------------------------------------------------------------------------------------------


def samples_of(out, file="samples.npz"):
    with np.load(out / file) as arrays:
        return dict(arrays)


def training_of(out):
    """What the checkpoint of a run has of its training: "game", "batches", "history", "snapshots" (without the last), ..."""
    return read_checkpoint(out / "checkpoint.npz")[1]["training"]


def snapshots_of(out):
    """name -> the snapshots' arrays, one after another."""
    snapshots = training_of(out)["snapshots"]
    return {name: np.stack([snapshot[name] for snapshot in snapshots]) for name in snapshots[0]}


def summary_of(out):
    def no_constant(name):
        raise AssertionError(f"summary.json has {name}, which is not JSON")

    return json.loads((out / "summary.json").read_text(), parse_constant=no_constant)


def history_of(out):
    with open(out / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def column(out, name):
    return np.array([float(row[name]) for row in history_of(out)])


def assert_same_end(a, b):
    """Two runs ended alike: samples, figures, and all that a checkpoint holds, bit for bit."""
    for file in ("samples.npz", "checkpoint.npz"):
        np.testing.assert_equal(samples_of(a, file), samples_of(b, file))
    assert history_of(a) == history_of(b)
    for part in ("settings", "metrics"):
        assert summary_of(a)[part] == summary_of(b)[part]


def assert_shows_something(path):
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels @ np.array([1 << 16, 1 << 8, 1]))) > 50  # colours
