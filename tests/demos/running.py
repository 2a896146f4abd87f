"""What the demos' tests share: the demos, starting them, and reading what they leave."""

import csv
import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

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
QUICK = ("gan", "wgan")  # whose --quick runs are in the default run; the others train and draw by the same code
ROOT = Path(gan.__file__).parents[2]
MAIN = 'def main(argv=None):\n    print("runs")\n'  # of a demo that tests write

PICTURES = {name: {"samples.png", "over_time.png", "curves.png"} for name in DEMOS}
PICTURES["wgan"] |= {"distance.png"}
for _name in ("cgan", "dcgan", "began"):
    PICTURES[_name] |= {"interpolation.png"}
PICTURES["dcgan"] |= {"shortcomings.png"}
PICTURES["began"] |= {"blind_spot.png"}
OTHERS = {"animation.gif", "history.csv", "summary.json", "samples.npz", "checkpoint.npz"}

FIGURES = {name: ["loss_D", "loss_G", "D_real", "D_fake", "D_accuracy"] for name in DEMOS}  # columns of the history
FIGURES["wgan"] = ["loss_D", "loss_G", "w_estimate"]
FIGURES["began"] = ["loss_D", "loss_G", "L_x", "ratio", "k", "M"]


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


def smaller_run(demo, out, **changes):
    """Run a claim's demo in this process by settings that are smaller still than those of --quick, and return its folder."""
    with pytest.MonkeyPatch.context() as m, coarse_pictures():
        m.setattr(demo.main, "quick", replace(demo.main.chosen(quick=True), **changes))
        demo.main(["--quick", "--out", str(out)])
    return out


def broken_claims(demo, out):
    """What a quick run of a claim's demo has not found as expected."""
    demo.main(["--quick", "--out", str(out)])
    return [name for name, holds in summary_of(out)["holds"].items() if not holds]


def refused(name, capsys, *options):
    """What the demo says as it refuses its options: by exit code 2, and without a traceback."""
    with pytest.raises(SystemExit) as end:
        DEMOS[name].main(list(options))
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


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


def numbers(figures):
    """All numbers in nested dicts and lists."""
    if isinstance(figures, dict | list):
        return [n for part in (figures.values() if isinstance(figures, dict) else figures) for n in numbers(part)]
    return [figures]


def assert_same_end(a, b):
    """Two runs ended alike: samples, figures, and all that a checkpoint holds, bit for bit."""
    for file in ("samples.npz", "checkpoint.npz"):
        np.testing.assert_equal(samples_of(a, file), samples_of(b, file))
    assert history_of(a) == history_of(b)
    for part in ("settings", "metrics"):
        assert summary_of(a)[part] == summary_of(b)[part]


def assert_samples(samples, images):
    """The contract's samples: 10,000 points in the plane, or 5,000 images in [0, 1]; not all alike."""
    assert samples.dtype == np.float32
    assert samples.shape == ((5000, 1, 28, 28) if images else (10_000, 2))
    assert np.isfinite(samples).all()
    assert samples.std(axis=0).max() > 1e-3
    assert not images or 0 <= samples.min() < samples.max() - 0.1 <= 0.9


def assert_shows_something(path):
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels @ np.array([1 << 16, 1 << 8, 1]))) > 50  # colours
