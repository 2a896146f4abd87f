"""The demo of the patch: its figures, its scenes, and the patches that it compares."""

import numpy as np
import pytest

from demos.adversarial_examples import patch
from demos.kit import digits as kit_digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import data
from tests.demos.running import smaller_run, summary_of


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setattr(data, "glyphs", lambda n, make=data.glyphs: make(min(n, 300)))
        out = smaller_run(
            patch, tmp_path_factory.mktemp("patch"), classifier_steps=20, patch_steps=3, held_out=50, judge_steps=10
        )
    assert (out / "patch.png").is_file()
    return summary_of(out)


def test_the_figures_are_rates(summary):
    found = summary["metrics"]
    assert all(0 <= value <= 1 for value in found.values())
    assert {"success_at_10_percent", "random_at_10_percent"} == set(summary["holds"])
    assert found["success_at_10_percent"] == found["trained_at_0.1"]
    mean = np.mean([found[f"target_{t}_at_10_percent"] for t in range(2)])
    assert found["success_at_10_percent"] == pytest.approx(mean)
    assert summary["holds"]["success_at_10_percent"] == (mean >= 0.7)
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


@pytest.mark.parametrize(("trained", "random"), [(0.71, 0.14), (0.69, 0.14), (0.71, 0.16)])
def test_the_claim_is_about_the_mean_over_the_targets_at_a_tenth_of_the_area(tmp_path, trained, random):
    settings = patch.Settings(shares=(0.02, 0.1, 0.2))
    args = start(kit_digits.options(""), ["--quick", "--out", str(tmp_path)], "patch")
    claim = Claim(args, {})
    rates = {"trained": trained, "random": random, "digit": 0.3, "large": 0.1}
    rates = {name: np.array([[0.0, rate - 0.1, 1.0], [0.0, rate + 0.1, 1.0]]) for name, rate in rates.items()}
    patch.measure(claim, rates, settings)
    assert claim.holds == {"success_at_10_percent": trained > 0.7, "random_at_10_percent": random < 0.15}
    assert claim.metrics["target_1_at_10_percent"] == pytest.approx(trained + 0.1)
