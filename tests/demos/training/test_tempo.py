"""The grid of k and l, at equal cost in each cell."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from demos.training import tempo as demo
from minigan.games import GAN
from tests.demos.experiments import broken, judged

GOOD, BAD = (8.0, 0.8, 0.6), (1.5, 0.1, 0.6)  # modes, share within 3 std, D's accuracy


@pytest.mark.parametrize(
    ("cells", "misses"),
    [
        ({}, []),
        ({(2, 2): (5.0, 0.8, 0.6)}, ["k >= l: modes, worst cell"]),
        ({(1, 2): (3.5, 0.1, 0.6)}, ["l > k: modes, best cell"]),
        ({(5, 1): (8.0, 0.8, 0.5)}, ["k >= l: D's accuracy, least"]),
        ({(5, 1): (8.0, 0.8, 0.8)}, ["k >= l: D's accuracy, most"]),
        ({(1, 2): (1.5, 0.8, 0.6)}, ["share within 3 std: k = 2, l = 1 beside k = 1, l = 2"]),
    ],
)
def test_the_claim_is_about_the_cells_where_d_keeps_up_and_where_it_does_not(cells, misses):
    found = {}
    for k, l in product((1, 2, 5), repeat=2):
        modes, share, accuracy = cells.get((k, l), GOOD if k >= l else BAD)
        figures = {"modes_1pct": modes, "accuracy": accuracy, "kl": 0.0, "swing": 0.0, "first_accuracy": 0.0}
        found[k, l] = [figures | {"high_quality": share + noise} for noise in (-0.01, 0.0, 0.01)]
    assert broken(judged(demo.measure, found)) == set(misses)


@pytest.mark.slow
def test_a_generator_that_runs_ahead_leaves_out_modes_and_swings():
    settings = replace(demo.QUICK, cost=720, lr=2.5e-3, moments=16)
    ahead, behind = (demo.summary(demo.play(cell, 0, settings)) for cell in ((1, 2), (2, 1)))
    assert behind["modes_1pct"] >= ahead["modes_1pct"] + 2
    assert behind["kl"] < 0.5 < ahead["kl"]
    assert behind["swing"] < ahead["swing"]


@pytest.mark.parametrize(("k", "l"), [(1, 1), (2, 1), (1, 2), (5, 2)])
def test_every_cell_costs_the_same(k, l, monkeypatch):
    taken, descend = [], GAN.descend
    monkeypatch.setattr(GAN, "descend", lambda game, rule, loss: taken.append(rule is game.opt_D) or descend(game, rule, loss))
    seen = demo.play((k, l), 0, replace(demo.QUICK, cost=42, moments=3))
    assert sum(taken) == 42 // (k + l) * k
    assert len(taken) == seen[-1]["cost"] == 42
    assert not any(s.cost % (k + l) for s in (demo.Settings(), demo.QUICK) for k in s.counts for l in s.counts)


def test_the_summary_is_over_the_last_quarter():
    still = {"modes_1pct": 8, "high_quality": 0.5, "kl": 0.0, "accuracy": 0.6, "mean": np.zeros(2)}
    first = {"modes_1pct": 1, "high_quality": 0.1, "kl": 2.0, "accuracy": 0.9, "mean": np.array([3.0, 4.0])}
    expected = {"modes_1pct": 8, "high_quality": 0.5, "kl": 0, "accuracy": 0.6, "swing": 0, "first_accuracy": 0.9}
    assert demo.summary([first] * 6 + [still] * 2) == pytest.approx(expected)
    assert demo.summary([still] * 6 + [first] * 2)["swing"] == pytest.approx(5)
