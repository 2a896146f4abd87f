import csv
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import demos.__main__ as listing
from demos import gan
from demos.kit import run as kit
from minigan import backend

ROOT = Path(gan.__file__).parents[1]
PICTURES = ("samples.png", "over_time.png", "curves.png")
FILES = {*PICTURES, "animation.gif", "history.csv", "summary.json", "samples.npz", "checkpoint.npz"}


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """The results of one quick run on the ring, from the command line."""
    out = tmp_path_factory.mktemp("ring")
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # busy machines: far quicker
    command = [sys.executable, "-m", "demos.gan", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **one_thread}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return out


@pytest.fixture
def digits(tmp_path):
    """A folder with 300 random images in MNIST's format."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    images, labels = rng.integers(256, size=(300, 28, 28), dtype=np.uint8), rng.integers(10, size=300, dtype=np.uint8)
    for name, array in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (folder / name).write_bytes(header + array.tobytes())
    return folder


@pytest.fixture
def small(monkeypatch):
    """Small minibatches, few snapshots and no pictures, for runs that are only compared by their numbers."""
    monkeypatch.setitem(gan.SETTINGS, "ring", replace(gan.SETTINGS["ring"], batch=32))
    monkeypatch.setattr(kit, "SNAPSHOTS", 4)
    for name in ("points", "points_over_time", "points_animation", "curves"):
        monkeypatch.setattr(gan.pictures, name, lambda *arguments: None)


def run(out, *options):
    gan.main(["--out", str(out), *options])
    return out


def samples_of(out):
    with np.load(out / "samples.npz") as file:
        return {name: file[name] for name in file.files}


def summary_of(out):
    return json.loads((out / "summary.json").read_text())


def history_of(out):
    with open(out / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_pictures(out):
    """Every PNG shows something, and the GIF moves."""
    image = pytest.importorskip("PIL.Image")
    for name in PICTURES:
        with image.open(out / name) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert min(pixels.shape[:2]) > 200
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    with image.open(out / "animation.gif") as animation:
        assert animation.n_frames > 3
        first = np.asarray(animation.convert("RGB"))
        animation.seek(animation.n_frames - 1)
        assert not np.array_equal(np.asarray(animation.convert("RGB")), first)


def assert_images(out):
    samples = samples_of(out)["samples"]
    assert (samples.shape, samples.dtype) == ((5000, 1, 28, 28), np.float32)
    assert samples.min() >= 0
    assert samples.max() <= 1
    assert samples.std(axis=0).max() > 1e-3  # not one and the same image


# --- what a run leaves --------------------------------------------------------------------------------------------------


def test_a_run_writes_its_files(ring):
    assert {path.name for path in ring.iterdir()} == FILES


def test_the_summary_has_settings_metrics_versions_and_seconds(ring):
    summary = summary_of(ring)
    assert set(summary) == {"settings", "metrics", "versions", "seconds"}
    expected = {"data": "ring", "steps": gan.QUICK["ring"], "seed": 0, "backend": "numpy", "z": 2, "width": 64}
    assert expected.items() <= summary["settings"].items()
    assert {"minigan", "numpy", "python", "matplotlib"} <= set(summary["versions"])
    assert summary["seconds"] > 0


def test_the_metrics_stand_beside_those_of_a_perfect_sampler(ring):
    metrics = summary_of(ring)["metrics"]
    assert metrics["samples"].keys() == metrics["perfect_sampler"].keys() == {"modes", "modes_1pct", "high_quality", "kl"}
    assert metrics["perfect_sampler"]["modes_1pct"] == 8
    assert metrics["perfect_sampler"]["high_quality"] == pytest.approx(0.989, abs=0.005)
    assert 0 <= metrics["samples"]["high_quality"] <= 1


def test_the_history_has_one_row_of_finite_figures_for_each_moment(ring):
    history = history_of(ring)
    assert list(history[0]) == ["step", "loss_D", "loss_G", "D_real", "D_fake", "D_accuracy"]
    steps = [int(row["step"]) for row in history]
    assert steps == sorted(set(steps))
    assert steps[-1] == gan.QUICK["ring"]
    assert len(steps) >= 50
    assert all(np.isfinite(float(v)) for row in history for v in row.values())
    assert all(0 <= float(row[name]) <= 1 for row in history for name in ("D_real", "D_fake", "D_accuracy"))


def test_the_samples_are_10000_points_in_the_datas_units(ring):
    samples = samples_of(ring)
    assert list(samples) == ["samples"]
    assert (samples["samples"].shape, samples["samples"].dtype) == ((10_000, 2), np.float32)
    assert np.isfinite(samples["samples"]).all()
    assert 0.1 < samples["samples"].std() < 10
    assert np.abs(samples["samples"]).max() < 100


def test_the_pictures_show_something_and_the_animation_moves(ring):
    assert_pictures(ring)


def test_the_grid_has_25_modes(tmp_path):
    out = run(tmp_path, "--quick", "--data", "grid", "--steps", "4")
    assert {path.name for path in out.iterdir()} == FILES
    assert summary_of(out)["metrics"]["perfect_sampler"]["modes_1pct"] == 25
    assert samples_of(out)["samples"].shape == (10_000, 2)


def test_digits_come_from_the_folder_that_is_named(tmp_path, digits):
    out = run(tmp_path / "out", "--quick", "--data", "mnist", "--data-dir", str(digits), "--steps", "4")
    assert {path.name for path in out.iterdir()} == FILES
    assert summary_of(out)["settings"]["data"] == "mnist"
    assert_images(out)
    assert_pictures(out)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "glyphs", "mnist"])
def test_a_whole_quick_run(name, tmp_path, digits):
    out = run(tmp_path / "out", "--quick", "--data", name, *(["--data-dir", str(digits)] if name == "mnist" else []))
    assert summary_of(out)["settings"]["steps"] == gan.QUICK[name]
    assert_pictures(out)
    if name == "grid":
        assert samples_of(out)["samples"].shape == (10_000, 2)
    else:
        assert_images(out)


# --- the same again, and on from where it stopped -----------------------------------------------------------------------

SMALL = ("--quick", "--steps")


def test_the_same_seed_gives_the_same_samples_bit_for_bit(tmp_path, small):
    a, b, c = (
        samples_of(run(tmp_path / name, *SMALL, "20", "--seed", seed))["samples"]
        for name, seed in (("a", "5"), ("b", "5"), ("c", "6"))
    )
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_resumed_run_ends_like_one_without_a_break(tmp_path, small):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(whole, *SMALL, "120")
    run(parts, *SMALL, "60")
    run(parts, *SMALL, "120", "--resume")
    np.testing.assert_array_equal(samples_of(parts)["samples"], samples_of(whole)["samples"])
    assert history_of(parts) == history_of(whole)
    assert summary_of(parts)["settings"] == summary_of(whole)["settings"]
    assert summary_of(parts)["metrics"] == summary_of(whole)["metrics"]
    with np.load(parts / "checkpoint.npz") as a, np.load(whole / "checkpoint.npz") as b:
        assert set(a.files) == set(b.files)
        for name in a.files:
            if not name.startswith("snapshots/"):  # a shorter run takes them more often
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_checkpoint_may_be_named(tmp_path, small):
    first = run(tmp_path / "first", *SMALL, "10")
    second = run(tmp_path / "second", *SMALL, "12", "--resume", str(first / "checkpoint.npz"))
    assert [row["step"] for row in history_of(second)] == [str(t) for t in range(1, 13)]


def test_a_run_that_is_stopped_leaves_a_checkpoint_to_resume_from(tmp_path, small, monkeypatch):
    whole = run(tmp_path / "whole", *SMALL, "12")
    step, played = gan.GAN.step, []

    def interrupted(self, batches):
        played.append(1)
        if len(played) == 7:
            signal.raise_signal(signal.SIGINT)  # in the middle of an iteration, which is finished all the same
        return step(self, batches)

    with monkeypatch.context() as m:
        m.setattr(gan.GAN, "step", interrupted)
        with pytest.raises(SystemExit, match="stopped after 7 of 12 iterations; the same command with --resume goes on"):
            run(tmp_path / "parts", *SMALL, "12")
    parts = run(tmp_path / "parts", *SMALL, "12", "--resume")
    np.testing.assert_array_equal(samples_of(parts)["samples"], samples_of(whole)["samples"])


# --- options ------------------------------------------------------------------------------------------------------------


def refused(capsys, *options):
    """What the demo says as it refuses its options, by exit code 2."""
    with pytest.raises(SystemExit) as end:
        gan.main(list(options))
    assert end.value.code == 2
    return capsys.readouterr().err


def test_resuming_without_a_checkpoint_is_one_line_not_a_traceback(tmp_path, capsys):
    message = refused(capsys, "--out", str(tmp_path / "new"), "--resume")
    assert "--resume: there is no checkpoint" in message
    assert "Traceback" not in message
    assert not (tmp_path / "new").exists()


def test_a_missing_cupy_ends_the_demo_with_the_remedy(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    message = refused(capsys, "--out", str(tmp_path / "new"), "--backend", "cupy")
    assert "pip install 'minigan[cuda12]'" in message
    assert backend.name() == "numpy"


@pytest.mark.parametrize("options", [("--steps", "0"), ("--steps", "-3"), ("--data", "cifar"), ("--backend", "torch")])
def test_wrong_options_are_refused(options, capsys):
    assert options[0] in refused(capsys, *options)


def test_help_explains_the_options(capsys):
    with pytest.raises(SystemExit) as end:
        gan.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    for option in ("--steps", "--seed", "--backend", "--out", "--quick", "--resume", "--data", "--data-dir"):
        assert option in text


def test_a_run_says_where_its_results_are_and_how_good_they_are(tmp_path, capsys, small):
    out = run(tmp_path / "here", *SMALL, "3")
    text = capsys.readouterr().out
    assert f"Results are in {out}/" in text
    assert re.search(r"perfect sampler: 8 modes touched, 8 with at least 1 % of the samples, 9\d\.\d% within 3 std", text)


def test_the_list_of_demos_has_every_one_with_what_it_shows(capsys):
    listing.main()
    lines = capsys.readouterr().out
    assert re.search(r"^  gan +The generative adversarial network: G learns", lines, re.MULTILINE)
    assert "kit" not in lines


def test_a_checkpoint_of_other_data_is_refused_in_one_line(tmp_path, small):
    out = run(tmp_path / "ring", *SMALL, "3")
    with pytest.raises(SystemExit, match="comes from a run with other settings"):
        gan.main([*SMALL, "5", "--data", "grid", "--out", str(tmp_path / "grid"), "--resume", str(out / "checkpoint.npz")])


@pytest.mark.slow
def test_the_ring_is_learned_with_default_settings(tmp_path):
    run(tmp_path, "--seed", "1")
    found = json.loads((tmp_path / "summary.json").read_text())["metrics"]["samples"]
    assert found["modes_1pct"] == 8
    assert found["high_quality"] >= 0.95
    assert found["kl"] <= 0.02
