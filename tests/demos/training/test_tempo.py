"""The grid of k and l, at equal cost in each cell."""

from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

from demos.kit.claim import Claim
from demos.kit.run import common_options, start
from demos.training import tempo as demo
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

REST = ("high_quality", "kl", "swing", "first_accuracy")


def test_a_run_has_every_cells_figures(tmp_path):
    out = smaller_run(demo, tmp_path, cost=24, moments=4)
    summary = summary_of(out)
    assert len(summary["holds"]) == 4
    assert {name.split(":")[0] for name in summary["metrics"]} == {
        "k >= l", "l > k", *(f"k = {k}, l = {l}" for k in (1, 2) for l in (1, 2))
    }  # fmt: skip
    assert {path.name for path in out.iterdir()} == {"tempo.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "tempo.png")


def test_the_claim_is_about_the_cells_where_d_keeps_up_and_where_it_does_not(tmp_path):
    """Six modes at least where k >= l, three at most where not; D's accuracy between 0.5 and 0.75."""
    claims = []
    for change in ({}, {(2, 2): 4.0}, {(1, 2): 3.5}):
        modes = {(1, 1): 6.5, (2, 1): 8.0, (2, 2): 7.0, (1, 2): 2.0} | change
        found = {cell: [{"modes_1pct": n, "accuracy": 0.6, **dict.fromkeys(REST, 0.0)}] for cell, n in modes.items()}
        claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "tempo"), {"least_modes": 6, "most_accuracy": 0.75})
        demo.report(claim, found)
        claims.append(list(claim.holds.values()))
    assert claims == [[True] * 4, [False, True, True, True], [True, False, True, True]]


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


def test_a_generator_that_runs_ahead_leaves_out_modes_and_swings():
    settings = replace(demo.QUICK, cost=720, lr=2.5e-3, batch=64, moments=16)
    ahead, behind = (demo.summary(demo.train(settings, 0, k, l, tqdm(disable=True))) for k, l in ((1, 2), (2, 1)))
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
    seen = demo.train(replace(demo.QUICK, cost=42, moments=3), 0, k, l, tqdm(disable=True))
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
