"""Proposition 2: the table's steps against the formulas; snapshots of the networks; and faults that break the claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm, wasserstein_distance

from demos.the_game import convergence as demo
from tests.demos.experiments import broken

SMALL = replace(demo.Settings(), steps=20, batch=32, width=16, table_steps=3)


def test_a_step_of_the_table_goes_down_the_gradient_of_the_best_ds_value():
    x = np.linspace(-4, 4, 50)
    p, theta = (norm.pdf(x, -1.5, 0.5) + norm.pdf(x, 1.5, 0.5)), np.random.default_rng(5).standard_normal(50)
    p /= p.sum()

    def highest_value(theta):  # max over D
        q = softmax(theta)
        return np.sum(p * np.log(p / (p + q)) + q * np.log(q / (p + q)))

    nudges = 1e-6 * np.eye(50)
    slope = np.array([(highest_value(theta + d) - highest_value(theta - d)) / 2e-6 for d in nudges])
    table = demo.descend_table(SMALL, 5)
    assert table["value"][0] == pytest.approx(highest_value(theta), rel=1e-12)
    for i, now in enumerate((theta, theta - SMALL.table_lr * slope)):
        assert table["TV"][i] == pytest.approx(np.abs(softmax(now) - p).sum() / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "fails"),
    [
        ({"table_steps": 800}, set()),
        ({"table_steps": 50}, {"table_TV", "table_value_above_-log4"}),
        ({"table_steps": 50, "table_lr": 200.0}, {"table_TV", "table_value_above_-log4", "table_largest_rise"}),
    ],
)
def test_the_table_has_to_fall_to_minus_log_4_at_every_step(claim, settings, fails):
    demo.measure_tables(claim, [demo.descend_table(replace(SMALL, **settings), 0)])
    assert broken(claim) == fails


def test_a_snapshot_shows_the_game_as_it_is():
    found = demo.play(3, SMALL)[-1]
    assert found["step"] == 20
    assert found["p_g"].sum() * 0.08 == pytest.approx(1, abs=0.02)
    samples = np.repeat(demo.X, np.round(found["p_g"] * 1000).astype(int))  # from the histogram, as a check of W1
    real = np.concatenate([norm.ppf((np.arange(5000) + 0.5) / 5000, mean, 0.5) for mean in (-1.5, 1.5)])
    assert found["W1"] * real.std() == pytest.approx(wasserstein_distance(samples, real), abs=0.08)
    assert (np.diff(found["lines"][::5]) != 0).all()  # of z in order: no noise
    assert np.abs(np.diff(np.sign(np.diff(found["lines"])))).sum() <= 8
    assert -np.log(4) - 0.2 < found["value"] < 0


END = {"value": -np.log(4), "JSD": 0.01, "W1": 0.05, "D": np.full(100, 0.5)}


@pytest.mark.parametrize(
    ("worse", "fails"),
    [
        ({}, set()),
        ({"value": -np.log(4) - 0.06}, {"value_from_-log4"}),
        ({"JSD": 0.03}, {"best_D_value_above_-log4"}),
        ({"W1": 0.11}, {"W1_in_std"}),
        ({"D": np.where(np.abs(demo.X - 1.5) < 0.1, 0.7, 0.5)}, {"D_from_half"}),
        ({"D": np.where(np.abs(demo.X) > 3.5, 0.9, 0.5)}, set()),  # where there are no data
    ],
)
def test_the_worst_seed_decides(claim, worse, fails):
    demo.measure_runs(claim, [[END], [END | worse], [END]], demo.Settings())
    assert broken(claim) == fails
