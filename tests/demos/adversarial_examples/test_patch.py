"""The demo of the patch: its figures, its scenes, and the patches that it compares."""

import sys

import numpy as np
import pytest

from demos.adversarial_examples import patch
from minigan import data
from tests.demos.experiments import broken, judged
from tests.demos.running import smaller_run, summary_of


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setattr(data, "glyphs", lambda n, make=data.glyphs: make(min(n, 300)))
        out = smaller_run(
            patch, tmp_path_factory.mktemp("patch"), classifier_steps=60, patch_steps=20, held_out=50, judge_steps=10
        )
    return summary_of(out)


def test_the_figures_are_rates(summary):
    found = summary["metrics"]
    shares = [found[f"{name}_at_{share}"] for name in (*patch.NAMES, "large") for share in ("0.02", "0.1", "0.2")]
    assert all(0 <= value <= 1 for value in shares)
    assert set(summary["holds"]) == {"success above random"}
    assert found["success_at_10_percent"] == found["trained_at_0.1"]
    mean = np.mean([found[f"target_{t}_at_10_percent"] for t in range(2)])
    assert found["success_at_10_percent"] == pytest.approx(mean)
    assert summary["settings"]["data"] == "glyphs"


@pytest.fixture(scope="module")
def digits():
    return data.glyphs(300)


def test_a_scene_is_the_digit_at_half_its_size_somewhere(digits):
    x, _ = digits
    scenes = patch.scatter(x, np.random.default_rng(0))
    assert scenes.shape == x.shape
    small = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(scenes.max(axis=(1, 2, 3)), 1, rtol=1e-6)
    ink = small.sum(axis=(1, 2)) / small.max(axis=(1, 2))
    np.testing.assert_allclose(scenes.sum(axis=(1, 2, 3)), ink, rtol=1e-5)
    centres = [np.argwhere(scene[0] > 0).mean(axis=0) for scene in scenes]
    assert np.std(centres, axis=0).min() > 3


def test_the_digit_that_is_compared_is_cut_out_whole(digits):
    x, y = digits
    scenes = patch.scatter(x, np.random.default_rng(0))
    settings = patch.Settings(patch_steps=1)
    model = patch.classifier(scenes, y, patch.Settings(classifier_steps=1), np.random.default_rng(0))
    for target in (1, 4):
        found = patch.trained(model, scenes, y, target, settings, np.random.default_rng(0))
        assert found["random"].shape == found["trained"].shape
        assert found["digit"].shape[1] == found["digit"].shape[2] <= 14
        assert found["digit"].sum() == pytest.approx(scenes[y == target][0].sum(), rel=1e-6)


def runs(trained=0.8, random=0.1, digit=0.3, large=0.1, right=0.95):
    """Possible results of two seeds with two targets each, at three sizes."""
    rates = {"trained": trained, "random": random, "digit": digit, "large": large}

    def of(target):
        return {name: [0.0, rate + (0.02 * target if name == "trained" else 0.0), 1.0] for name, rate in rates.items()}

    return [
        {"targets": [t, t + 2], "right": r, "rates": {name: [of(t)[name], of(t + 2)[name]] for name in rates}}
        for t, r in ((0, 0.96), (1, right))
    ]


def measured(runs):
    return judged(patch.measure, runs, patch.Settings(shares=(0.02, 0.1, 0.2)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"right": 0.8}, ["accuracy_on_scenes, worst seed"]),
        ({"trained": 0.45, "digit": 0.1}, ["success_at_10_percent", "success / random"]),
        ({"random": 0.16}, ["random_at_10_percent"]),
        ({"digit": 0.9}, ["trained - digit, over the targets"]),
        ({"large": 0.6}, ["large / success"]),
    ],
)
def test_the_bounds(wrong, said):
    assert broken(measured(runs(**wrong))) == set(said)


def test_each_target_is_counted_once_whichever_seed_had_it():
    claim = measured(runs())
    assert [claim.metrics[f"target_{t}_at_10_percent"] for t in range(4)] == pytest.approx([0.8, 0.82, 0.84, 0.86])
    assert claim.metrics["success_at_10_percent"] == pytest.approx(0.83)


@pytest.mark.slow
def test_a_patch_that_is_trained_away_from_the_target_ends_the_run(tmp_path, monkeypatch):
    losses = sys.modules["minigan.attacks.patch"]
    right = losses.cross_entropy
    monkeypatch.setattr(losses, "cross_entropy", lambda *arguments: -right(*arguments))
    monkeypatch.setattr(data, "glyphs", lambda n, make=data.glyphs: make(min(n, 600)))
    with pytest.raises(SystemExit, match="success above random"):
        smaller_run(patch, tmp_path, judge_steps=5, targets=1)
