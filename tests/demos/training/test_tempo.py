"""The grid of k and l, at equal cost in each cell."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.training import tempo as demo
from tests.demos.running import assert_shows_something, smaller_run, summary_of

REST = ("kl", "swing", "first_accuracy")


def test_a_run_has_every_cells_figures(tmp_path):
    out = smaller_run(demo, tmp_path, cost=24, moments=4)
    names = {name.split(":")[0] for name in summary_of(out)["metrics"]}
    assert names >= {"k >= l", "l > k", "share within 3 std", *(f"k = {k}, l = {l}" for k in (1, 2) for l in (1, 2))}
    assert {path.name for path in out.iterdir()} == {"tempo.png", "tempo_curves.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "tempo.png")


GOOD, BAD = (8.0, 0.8, 0.6), (1.5, 0.1, 0.6)  # modes, share within 3 std, D's accuracy


def measured(out, **cells):
    """The figures of three seeds; `cells`: k2l1=(modes, share, accuracy), ..."""
    found = {}
    for k, l in product((1, 2, 5), repeat=2):
        modes, share, accuracy = cells.get(f"k{k}l{l}", GOOD if k >= l else BAD)
        figures = {"modes_1pct": modes, "accuracy": accuracy, **dict.fromkeys(REST, 0.0)}
        found[k, l] = [figures | {"high_quality": share + noise} for noise in (-0.01, 0.0, 0.01)]
    claim = Claim(start(common_options(""), ["--out", str(out)], "tempo"), {})
    demo.measure(claim, found)
    return claim


@pytest.mark.parametrize(
    ("cells", "fails"),
    [
        ({}, []),
        ({"k2l2": (5.0, 0.8, 0.6)}, ["k >= l: modes, worst cell"]),
        ({"k1l2": (3.5, 0.1, 0.6)}, ["l > k: modes, best cell"]),
        ({"k5l1": (8.0, 0.8, 0.5)}, ["k >= l: D's accuracy, least"]),
        ({"k5l1": (8.0, 0.8, 0.8)}, ["k >= l: D's accuracy, most"]),
        ({"k1l2": (1.5, 0.8, 0.6)}, ["share within 3 std: k = 2, l = 1 beside k = 1, l = 2"]),
    ],
)
def test_the_claim_is_about_the_cells_where_d_keeps_up_and_where_it_does_not(tmp_path, cells, fails):
    holds = measured(tmp_path, **cells).holds
    assert [name for name, held in holds.items() if not held] == fails
    assert len(holds) == 7


@pytest.mark.slow
def test_a_generator_that_runs_ahead_leaves_out_modes_and_swings():
    settings = replace(demo.QUICK, cost=720, lr=2.5e-3, moments=16)
    ahead, behind = (demo.summary(demo.play(cell, 0, settings)) for cell in ((1, 2), (2, 1)))
    assert behind["modes_1pct"] >= ahead["modes_1pct"] + 2
    assert behind["kl"] < 0.5 < ahead["kl"]
    assert behind["swing"] < ahead["swing"]


@pytest.mark.parametrize(("k", "l"), [(1, 1), (2, 1), (1, 2), (5, 2)])
def test_every_cell_costs_the_same(k, l, monkeypatch):
    taken = {"D": 0, "G": 0}
    step = demo.optim.Adam.step

    def counted(self):
        taken["D" if self.params[-1].shape == (1,) else "G"] += 1
        return step(self)

    monkeypatch.setattr(demo.optim.Adam, "step", counted)
    seen = demo.play((k, l), 0, replace(demo.QUICK, cost=42, moments=3))
    assert taken == {"D": 42 // (k + l) * k, "G": 42 // (k + l) * l}
    assert sum(taken.values()) == seen[-1]["cost"] == 42


@pytest.mark.parametrize("settings", [demo.Settings(), demo.QUICK])
def test_the_cost_can_be_spent_in_every_cell(settings):
    assert not any(settings.cost % (k + l) for k in settings.counts for l in settings.counts)


def test_the_summary_is_over_the_last_quarter():
    still = {"modes_1pct": 8, "high_quality": 0.5, "kl": 0.0, "accuracy": 0.6, "mean": np.zeros(2)}
    first = {"modes_1pct": 1, "high_quality": 0.1, "kl": 2.0, "accuracy": 0.9, "mean": np.array([3.0, 4.0])}
    found = demo.summary([first] * 6 + [still] * 2)
    expected = {"modes_1pct": 8, "high_quality": 0.5, "kl": 0, "accuracy": 0.6, "swing": 0, "first_accuracy": 0.9}
    assert found == pytest.approx(expected)
    assert demo.summary([still] * 6 + [first] * 2)["swing"] == pytest.approx(5)
