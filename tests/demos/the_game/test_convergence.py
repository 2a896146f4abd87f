"""Proposition 2: the table converges, at every step; the networks are on their way after a short run."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm, wasserstein_distance

from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.the_game import convergence as demo
from tests.demos.running import assert_moves, assert_shows_something, broken_claims, smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run
QUICK = replace(demo.Settings(), **demo.QUICK)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    small = {"steps": 60, "snapshots": 3, "batch": 64, "lr": (2e-3, 5e-3), "table_steps": 800}
    return smaller_run(demo, tmp_path_factory.mktemp("convergence"), **small)


@pytest.mark.parametrize(("lr", "holds"), [((0.0, 3e-3), False), ((1e-3, 3e-3), True)], ids=["G stands still", "G learns"])
def test_samples_must_come_to_the_data(tmp_path, lr, holds):
    settings = replace(demo.Settings(), steps=600, lr=lr, snapshots=1, w1=0.3)
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "convergence"), {})
    demo.measure_runs(claim, [demo.play(1000, settings)], settings)
    assert claim.holds["W1_in_std"] == holds


def density(x):
    return (norm.pdf(x, -1.5, 0.5) + norm.pdf(x, 1.5, 0.5)) / 2


def test_the_claim_holds(out):
    holds = summary_of(out)["holds"]
    table = {"table_TV", "table_value_above_-log4", "table_largest_rise"}
    assert holds == dict.fromkeys(table, True)  # the networks are on their way
    assert {path.name for path in out.iterdir()} == {
        "convergence.png",
        "values.png",
        "animation.gif",
        "summary.json",
        "checkpoint.npz",
    }
    assert_shows_something(out / "convergence.png")
    assert_moves(out / "animation.gif")


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


def test_the_best_d_has_at_least_the_value_of_the_trained_one(out):
    found = summary_of(out)["metrics"]
    assert found["best_D_value_above_-log4"] > found["value_from_-log4"] - 0.02  # V comes from samples
    assert found["best_D_value_above_-log4"] > 0.02


def test_the_tables_value_is_that_of_the_best_d():
    x = np.linspace(-4, 4, 50)
    p, start = density(x) / density(x).sum(), softmax(np.random.default_rng(5).standard_normal(50))
    best = p / (p + start)
    table = demo.descend_table(replace(QUICK, table_steps=3), 5)
    assert table["value"][0] == pytest.approx(np.sum(p * np.log(best) + start * np.log(1 - best)), rel=1e-12)
    assert table["TV"][0] == pytest.approx(np.abs(start - p).sum() / 2, rel=1e-12)


def test_one_step_of_the_table_goes_down_the_gradient_of_the_jensen_shannon_divergence():
    x = np.linspace(-4, 4, 50)
    p, theta = density(x) / density(x).sum(), np.random.default_rng(5).standard_normal(50)

    def highest_value(theta):  # max over D, of which the proposition takes the gradient
        q = softmax(theta)
        return np.sum(p * np.log(p / (p + q)) + q * np.log(q / (p + q)))

    nudges = 1e-6 * np.eye(50)
    slope = np.array([(highest_value(theta + d) - highest_value(theta - d)) / 2e-6 for d in nudges])
    after = softmax(theta - QUICK.table_lr * slope)
    table = demo.descend_table(replace(QUICK, table_steps=2), 5)
    assert table["TV"][1] == pytest.approx(np.abs(after - p).sum() / 2, rel=1e-6)


def test_too_long_a_step_of_the_table_does_not_only_fall():
    table = demo.descend_table(replace(QUICK, table_lr=200.0, table_steps=50), 0)
    assert np.diff(table["value"]).max() > 0


def test_before_the_training_v_is_near_minus_log_4_too_but_the_best_ds_is_not():
    first = demo.play(3, replace(QUICK, steps=1))[0]
    assert abs(first["value"] + np.log(4)) < 0.2
    assert np.abs(first["D"] - 0.5).max() < 0.25
    assert 2 * first["JSD"] > 1.0
    assert first["W1"] > 0.5


def test_a_snapshot_shows_the_game_as_it_is():
    seen = demo.play(3, replace(QUICK, steps=20))[-1]
    assert seen["step"] == 20
    assert seen["p_g"].sum() * 0.08 == pytest.approx(1, abs=0.02)
    assert seen["D"].shape == seen["p_g"].shape == demo.X.shape
    assert np.all((seen["D"] > 0) & (seen["D"] < 1))
    samples = np.repeat(demo.X, np.round(seen["p_g"] * 1000).astype(int))  # from the histogram, as a check of W1
    real = np.concatenate([norm.ppf((np.arange(5000) + 0.5) / 5000, mean, 0.5) for mean in (-1.5, 1.5)])
    assert seen["W1"] * real.std() == pytest.approx(wasserstein_distance(samples, real), abs=0.08)
