"""The GAN's demo: mixtures and digits."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.the_game import gan
from minigan import data
from tests.demos.running import (
    OTHERS,
    PICTURES,
    assert_moves,
    assert_samples,
    assert_shows_something,
    run,
    samples_of,
    snapshots_of,
    summary_of,
)

SMALL = ("--quick", "--steps")


def test_the_settings_are_those_of_the_data_at_the_top_of_the_demo(quick):
    settings = summary_of(quick("gan").out)["settings"]
    expected = asdict(gan.SETTINGS["ring"]) | {"steps": gan.QUICK["ring"], "width": 64}
    assert {name: settings[name] for name in expected} == expected | {"betas": list(expected["betas"])}


def test_a_perfect_sampler_covers_the_modes_of_the_ring(quick):
    metrics = summary_of(quick("gan").out)["metrics"]
    assert metrics["samples"].keys() == metrics["perfect_sampler"].keys() == {"modes", "modes_1pct", "high_quality", "kl"}
    assert metrics["perfect_sampler"]["modes_1pct"] == 8
    assert metrics["perfect_sampler"]["high_quality"] == pytest.approx(0.989, abs=0.005)


def test_a_quick_run_brings_the_samples_to_the_ring(quick):
    radii = np.linalg.norm(samples_of(quick("gan").out)["samples"], axis=1)
    assert np.median(np.abs(radii - 2)) < 0.5


def test_the_snapshots_keep_the_samples_of_one_noise_and_ds_opinion(quick):
    found = snapshots_of(quick("gan").out)
    moments = len(found["step"])
    assert moments > 5
    assert found["samples"].shape == (moments, 1000, 2)
    assert found["D"].shape == (moments, 60, 60)
    assert 0 < found["D"].min() < found["D"].max() < 1


@pytest.mark.slow
def test_the_grid_has_25_modes_and_is_drawn_like_the_ring(tmp_path):
    out = run("gan", tmp_path, *SMALL, "4", "--data", "grid")
    assert {path.name for path in out.iterdir()} == PICTURES["gan"] | OTHERS
    assert summary_of(out)["metrics"]["perfect_sampler"]["modes_1pct"] == 25
    assert samples_of(out)["samples"].shape == (10_000, 2)


def test_the_grids_networks_see_a_smaller_world_but_the_samples_have_the_datas_units(tmp_path, small, monkeypatch):
    seen = []
    monkeypatch.setattr(data, "batches", lambda x, size, make=data.batches: seen.append(x) or make(x, size=size))
    scaled = snapshots_of(run("gan", tmp_path / "scaled", *SMALL, "1", "--data", "grid"))
    monkeypatch.setitem(gan.SETTINGS, "grid", replace(gan.SETTINGS["grid"], scale=1.0))
    plain = snapshots_of(run("gan", tmp_path / "plain", *SMALL, "1", "--data", "grid"))
    np.testing.assert_allclose(2 * seen[0], seen[1], rtol=1e-6)
    assert seen[0].dtype == np.float32
    np.testing.assert_allclose(scaled["samples"][0], 2 * plain["samples"][0], rtol=1e-5)


def test_gs_first_samples_lie_wide_enough_to_reach_every_mode(tmp_path, small, monkeypatch):
    wide = snapshots_of(run("gan", tmp_path / "wide", *SMALL, "1"))["samples"][0]
    monkeypatch.setitem(gan.SETTINGS, "ring", replace(gan.SETTINGS["ring"], spread=1.0))
    usual = snapshots_of(run("gan", tmp_path / "usual", *SMALL, "1"))["samples"][0]
    np.testing.assert_allclose(wide.std(axis=0), 4 * usual.std(axis=0), rtol=1e-3)


SAMPLED = {"modes_1pct": 8, "high_quality": 0.95, "kl": 0.001}


@pytest.mark.parametrize(
    ("spoilt", "accuracy", "fails"),
    [
        ({}, 0.5, []),
        ({"modes_1pct": 7}, 0.5, ["modes with 1 % of the samples"]),
        ({"high_quality": 0.8}, 0.5, ["share within 3 std"]),
        ({"kl": 0.1}, 0.5, ["KL over modes"]),
        ({}, 0.65, ["accuracy of D at the end"]),
    ],
)
def test_all_modes_evenly_and_near_and_a_d_that_guesses_is_what_is_expected(spoilt, accuracy, fails, tmp_path):
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "gan"), {})
    gan.measure(claim, SAMPLED | spoilt, SAMPLED, 8, accuracy)
    assert [name for name, holds in claim.holds.items() if not holds] == fails


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "glyphs", "mnist"])
def test_a_whole_quick_run_on_other_data(name, tmp_path, mnist_folder):
    out = run(
        "gan", tmp_path / "out", "--quick", "--data", name, *(["--data-dir", str(mnist_folder)] if name == "mnist" else [])
    )
    images = name != "grid"
    pictures = PICTURES["gan"] | ({"interpolation.png"} if images else set())
    assert {path.name for path in out.iterdir()} == pictures | OTHERS
    assert summary_of(out)["settings"]["steps"] == gan.QUICK[name]
    assert_samples(samples_of(out)["samples"], images)
    for picture in pictures:
        assert_shows_something(out / picture)
    assert_moves(out / "animation.gif")


@pytest.mark.slow
def test_a_g_that_does_not_train_fails(tmp_path, no_pictures, monkeypatch):
    make = gan.make_game
    monkeypatch.setattr(gan, "make_game", lambda settings, G, D: make(replace(settings, l=1, lr=1e-9), G, D))
    monkeypatch.setitem(gan.SETTINGS, "ring", replace(gan.SETTINGS["ring"], steps=300))
    with pytest.raises(SystemExit, match=r"^gan: does not hold: .*share within 3 std"):
        run("gan", tmp_path)
