"""The grid of k and l after a quick run, at equal cost in each cell."""

from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

from demos.training import tempo as demo
from tests.demos.running import assert_shows_something, summary_of


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tempo")
    demo.main(["--quick", "--out", str(folder)])
    return folder


def test_the_claim_holds(out):
    summary = summary_of(out)
    assert len(summary["holds"]) == 4
    assert all(summary["holds"].values()), summary["holds"]
    assert {path.name for path in out.iterdir()} == {"tempo.png", "summary.json"}
    assert_shows_something(out / "tempo.png")


def test_a_generator_that_runs_ahead_leaves_out_modes_and_swings(out):
    found = summary_of(out)["metrics"]
    assert found["k = 2, l = 1: modes_1pct"] >= found["k = 1, l = 2: modes_1pct"] + 2
    assert found["k = 2, l = 1: kl"] < 0.5 < found["k = 1, l = 2: kl"]
    assert found["k = 2, l = 1: swing"] < found["k = 1, l = 2: swing"]


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
