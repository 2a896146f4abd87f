"""What all demos have in common: the files they leave, `--resume`, Ctrl-C, and their options."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from demos.kit import run as kit
from demos.kit.runner.codec import read_checkpoint
from minigan.games import GAN
from tests.demos import running
from tests.demos.running import DEMOS, POINTS, assert_same_end, history_of, run, samples_of, summary_of, training_of

GAMES = [
    ("gan", ""),
    ("dcgan", ""),
    ("gan", "--data grid --set loss=least-squares"),
    ("gan", "--data glyphs --set loss=hinge"),
]
GAMES += [
    pytest.param(name, options, marks=pytest.mark.slow)
    for name, options in (("cgan", ""), ("began", ""), ("wgan", ""), ("wgan", "--game wgan-gp --optimizer optimistic-adam"))
]
QUICK = ("--quick", "--steps")

# --- what a run leaves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name if name == "gan" else pytest.param(name, marks=pytest.mark.slow) for name in DEMOS])
def test_a_quick_run_leaves_finite_figures_beside_those_of_real_data_without_a_warning(name, quick):
    """By default, of one; the others train and draw by the same code."""
    done = quick(name)
    summary, points = summary_of(done.out), done.name in POINTS
    assert not re.search("Warning|Traceback", done.err)
    settings, states = read_checkpoint(done.out / "checkpoint.npz")
    assert settings == summary["settings"] | {"quick": True, "demo": done.name}
    assert states["training"]["t"] == settings["steps"]
    metrics = summary["metrics"]
    for name in [name for name in metrics if name.endswith((" low", " high")) and metrics[name] is None]:
        del metrics[name]  # of one seed, or of equal ones: infinite
    assert "null" not in json.dumps(metrics)  # all others are finite
    figure, least = ("high_quality", 0.98) if points else ("confident", 0.4)
    assert least < metrics["perfect_sampler" if points else "real_images"][figure] < 1
    history = history_of(done.out)
    assert metrics["last_step"] == pytest.approx({name: float(value) for name, value in history[-1].items()})
    steps = [int(row["step"]) for row in history]
    assert steps == sorted(set(steps))
    assert (steps[-1], len(steps) >= min(settings["steps"], 100)) == (settings["steps"], True)
    samples = samples_of(done.out)["samples"]
    assert (samples.shape, samples.dtype) == ((10_000, 2) if points else (5000, 1, 28, 28), np.float32)
    assert 0.1 < np.ptp(samples) < 100


# --- the same again, and on from where it stopped -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), GAMES)
def test_the_seed_decides_and_a_resumed_run_ends_like_one_without_a_break(name, options, tmp_path, small, monkeypatch):
    monkeypatch.setattr(kit, "QUICK_SNAPSHOTS", 1)  # a shorter run takes them more often, but for the first
    whole = run(name, tmp_path / "whole", *options.split(), *QUICK, "8")
    assert training_of(whole)["game"].get("average", {"t": 8})["t"] == 8  # averages follow each iteration
    parts = run(name, tmp_path / "parts", *options.split(), *QUICK, "3")
    assert len(history_of(parts)) == 3
    run(name, parts, *options.split(), *QUICK, "8", "--resume")
    assert_same_end(parts, whole)
    again = run(name, tmp_path / "again", *options.split(), *QUICK, "8", "--resume", str(whole / "checkpoint.npz"))
    assert_same_end(again, whole)
    other = run(name, tmp_path / "other", *options.split(), *QUICK, "8", "--seed", "6")
    assert not np.array_equal(samples_of(other)["samples"], samples_of(whole)["samples"])


def test_a_checkpoint_of_an_older_version_is_resumed_to_the_same_end(tmp_path, small):
    """The file was written by the code of November 2026, as Ctrl-C stopped it after 4 of 20 iterations."""
    options = "--quick", "--steps", "20", "--set", "width=8", "--set", "batch=32", "--set", "lr=0.002"
    old = Path(__file__).parents[1] / "data" / "gan_stopped_after_4_of_20.npz"
    assert read_checkpoint(old)[1]["training"]["t"] == 4
    whole = run("gan", tmp_path / "whole", *options)
    resumed = run("gan", tmp_path / "resumed", *options, "--resume", str(old))
    for name in history_of(whole)[0]:  # of another computer
        np.testing.assert_allclose(running.column(resumed, name), running.column(whole, name), rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(samples_of(resumed)["samples"], samples_of(whole)["samples"], rtol=1e-3, atol=1e-4)


def test_a_nan_among_the_figures_ends_the_run(tmp_path, small, monkeypatch):
    monkeypatch.setattr(GAN, "step", lambda *_, step=GAN.step: dict(step(*_)) | {"loss_G": np.nan})
    with pytest.raises(SystemExit, match=r"^training: after 0 of 3 iterations, there is a nan or an infinity in loss_G"):
        run("gan", tmp_path, *QUICK, "3")
