"""The GAN's demo: how its networks see the data, and faults that break the claim. Whole runs of it are in demos/commands."""

from dataclasses import replace

import numpy as np
import pytest

from demos.the_game import gan as demo
from minigan import data
from tests.demos.experiments import broken
from tests.demos.running import PICTURES, assert_samples, run, samples_of, snapshots_of, summary_of

SMALL = ("--quick", "--steps", "1")


@pytest.mark.parametrize(("name", "setting", "without", "factor"), [("grid", "scale", 1.0, 2), ("ring", "spread", 1.0, 4)])
def test_the_grid_is_scaled_for_the_networks_and_gs_first_samples_lie_wide(
    tmp_path, small, monkeypatch, name, setting, without, factor
):
    seen = []
    monkeypatch.setattr(data, "batches", lambda x, size, make=data.batches: seen.append(x) or make(x, size=size))
    usual = snapshots_of(run("gan", tmp_path / "usual", *SMALL, "--data", name))["samples"][0]
    monkeypatch.setitem(demo.SETTINGS, name, replace(demo.SETTINGS[name], **{setting: without}))
    plain = snapshots_of(run("gan", tmp_path / "plain", *SMALL, "--data", name))["samples"][0]
    np.testing.assert_allclose(usual.std(axis=0), factor * plain.std(axis=0), rtol=1e-3)
    np.testing.assert_allclose(seen[1], (factor if setting == "scale" else 1) * seen[0], rtol=1e-6)
    assert seen[0].dtype == np.float32


SAMPLED = {"modes_1pct": 8, "high_quality": 0.95, "kl": 0.001}


@pytest.mark.parametrize(
    ("spoilt", "accuracy", "fails"),
    [
        ({}, 0.5, set()),
        ({"modes_1pct": 7}, 0.5, {"modes with 1 % of the samples"}),
        ({"high_quality": 0.8}, 0.5, {"share within 3 std"}),
        ({"kl": 0.1}, 0.5, {"KL over modes"}),
        ({}, 0.65, {"accuracy of D at the end"}),
    ],
)
def test_all_modes_evenly_and_near_and_a_d_that_guesses_is_what_is_expected(spoilt, accuracy, fails, claim):
    demo.measure(claim, SAMPLED | spoilt, SAMPLED, 8, accuracy)
    assert broken(claim) == fails


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "glyphs", "mnist"])
def test_a_whole_quick_run_on_other_data(name, tmp_path, mnist_folder):
    folder = ["--data-dir", str(mnist_folder)] if name == "mnist" else []
    out = run("gan", tmp_path / "out", "--quick", "--data", name, *folder)
    images = name != "grid"
    assert {path.name for path in out.glob("*.png")} == PICTURES["gan"] | ({"interpolation.png"} if images else set())
    assert summary_of(out)["settings"]["steps"] == demo.QUICK[name]
    assert_samples(samples_of(out)["samples"], images)
