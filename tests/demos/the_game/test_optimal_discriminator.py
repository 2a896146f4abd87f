"""Proposition 1: what the demo compares with is what SciPy computes, and a short run finds it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm

from demos.kit.line import Mixture, jensen_shannon
from demos.the_game import optimal_discriminator as demo
from minigan import losses
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

SMALL = {"steps": 300, "batch": 128, "lr": 5e-3, "pairs": 10}
QUICK = replace(demo.Settings(), **demo.QUICK | SMALL)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return smaller_run(demo, tmp_path_factory.mktemp("optimal_discriminator"), **SMALL)


def test_a_d_that_takes_real_for_fake_ends_the_run(tmp_path, monkeypatch):
    right = losses.discriminator_loss
    monkeypatch.setattr(losses, "discriminator_loss", lambda real, fake: right(fake, real))
    with pytest.raises(SystemExit, match="gaussians_sup_error"):
        smaller_run(demo, tmp_path, **SMALL | {"steps": 30})


def density(case, player):
    """The exact density of p_data (0) or p_g (1), by SciPy."""
    m = demo.CASES[case][player]
    return lambda x: sum(w * norm.pdf(x, mean, std) for w, mean, std in zip(m.weights, m.means, m.stds, strict=True))


def test_the_claim_holds(out):
    summary = summary_of(out)
    bounds = ("sup_error", "mean_error", "value_error", "value_above_the_highest")
    errors = {f"{case}_{bound}" for case in demo.CASES for bound in bounds}
    assert summary["holds"] == {name: True for name in ("scalar_error", *errors)}
    assert {path.name for path in out.iterdir()} == {"optimal_discriminator.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "optimal_discriminator.png")


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


@pytest.mark.parametrize("case", demo.CASES)
def test_the_value_reached_is_that_of_the_definition_of_jsd(case, out):
    p, q = density(case, 0), density(case, 1)

    def to_the_middle(x):
        m = (p(x) + q(x)) / 2
        return (p(x) * np.log(p(x) / m) + q(x) * np.log(q(x) / m)) / 2

    highest = -np.log(4) + 2 * quad(to_the_middle, -6, 6, limit=200)[0]
    assert demo.optimum(*demo.CASES[case])[1] == pytest.approx(highest, abs=1e-6)
    assert highest - 0.01 < summary_of(out)["metrics"][f"{case}_value"] <= highest + 1e-6  # no D can exceed it


@pytest.mark.parametrize("case", demo.CASES)
def test_d_star_is_the_share_of_real_samples_among_all_at_x(case):
    p, q = density(case, 0), density(case, 1)
    best, highest = demo.optimum(*demo.CASES[case])
    np.testing.assert_allclose(best, p(demo.X) / (p(demo.X) + q(demo.X)), rtol=1e-10)
    v = np.log(p(demo.X) / q(demo.X))  # the logit of D*
    assert demo.value(v, *demo.CASES[case]) == pytest.approx(highest, abs=1e-6)  # the tails beyond X
    for other in (v + 0.1, v - 0.1, 1.1 * v, 0.9 * v, np.zeros_like(v), v + np.sin(demo.X)):
        assert demo.value(other, *demo.CASES[case]) < highest


def test_a_trained_d_is_d_star_and_an_untrained_one_is_not():
    x, star = demo.X, norm.pdf(demo.X) / (norm.pdf(demo.X) + norm.pdf(demo.X, 1.5, 0.7))
    populated = norm.pdf(x) + norm.pdf(x, 1.5, 0.7) > 0.05
    trained, untrained = (demo.train(1, "gaussians", replace(QUICK, steps=steps))["D"] for steps in (QUICK.steps, 1))
    assert np.abs(trained - star)[populated].max() < QUICK.sup
    assert np.abs(untrained - star)[populated].max() > 0.3


def test_the_scalar_function_is_ascended_to_its_maximum():
    assert demo.scalar_error(QUICK, 7) <= 1e-8
    assert demo.scalar_error(replace(QUICK, ascents=10), 7) > 1e-8


def test_a_mixtures_samples_have_its_density():
    m = Mixture((0.3, 0.7), (-1.0, 2.0), (0.6, 0.8))
    x = m.draw(200_000, np.random.default_rng(0))
    assert x.shape == (200_000, 1)
    assert x.dtype == np.float32
    assert quad(m.density, -10, 10)[0] == pytest.approx(1)
    for low, high in ((-2, -1), (-1, 0.5), (0.5, 2), (2, 3)):
        assert np.mean((low < x) & (x < high)) == pytest.approx(quad(m.density, low, high)[0], abs=0.005)


def test_the_divergence_is_0_between_equals_and_log_2_between_strangers():
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.25, 0.75])
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(p, q) == pytest.approx(np.log(2))
    assert jensen_shannon(p, (p + q) / 2) == jensen_shannon((p + q) / 2, p) > 0


def test_jsd_is_scipys():
    p, q = np.random.default_rng(0).dirichlet(np.ones(20), size=2)
    p[3] = 0
    p /= p.sum()
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-12)
