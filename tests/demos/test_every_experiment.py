"""What holds for every demo: a small run leaves its results; its seed decides; it learns nothing from held-out digits."""

import copy
import re

import numpy as np
import pytest

import minigan as mg
from demos.__main__ import main
from demos.catalogue import names
from demos.kit.runner import results
from minigan import data
from minigan.games import Game
from tests.demos.experiments import ROWS, smallest_run
from tests.demos.running import DEMOS, assert_shows_something, coarse_pictures, summary_of

GAMES = DEMOS.keys()  # whole runs of which are repeated and resumed in kit
SHORT = {"saddle", "detach", "ladder", "convergence", "tempo", "pretraining", "ali", "fair", "cycle"}  # the others are slow
MEASURING = {"engines", "speed"}  # they play no game
FILES = {"summary.json", "checkpoint.npz"}
OTHERS = {"history.csv", "samples.npz", "animation.gif", "engines.html"}  # of some demos
BOUND = re.compile(r"at (?:most|least) [-\d.e+]+|from [-\d.e+]+ to [-\d.e+]+")
OWN = {  # bounds that a quick run has of its own: by its settings, or as it measures them
    "optimal_discriminator": r"\w+_(sup|mean)_error", "collapse": "collapse, seeds that miss a mode",
    "autoencoder": r".*: remedy's error over its own, worst seed", "vae": "elbo",
    "boltzmann": r".*: error over the mean image's, worst seed", "began": "classes with a low gamma",
    "referee": r".*: (Frechet distance|Inception score)",
}  # fmt: skip


@pytest.fixture
def images():
    """x, 80 dark images of classes y with a black border, and 40 bright ones, which are held out, with their classes."""
    rng = np.random.default_rng(0)
    x, others = (rng.uniform(*levels, (n, 1, 28, 28)).astype(np.float32) for levels, n in (((0, 0.4), 80), ((0.6, 1), 40)))
    x[:, :, :3] = 0
    y, classes = (rng.permutation(np.arange(n) % 10) for n in (80, 40))
    return x, y, (others, classes)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in SHORT)) for name in ROWS])
def test_the_seed_decides_and_what_is_held_out_is_measured_but_not_learnt_and_a_resumed_run_plays_nothing(
    name, images, tmp_path, monkeypatch
):
    x, y, (others, _) = images
    runs = [smallest_run(name, tmp_path / str(i), images, seed) for i, seed in enumerate("557")]
    (one, learnt), (again, _), (other, learnt_by_other) = runs
    np.testing.assert_equal(one, again)
    assert one != other or not all(map(np.array_equal, learnt, learnt_by_other))
    held_out = 1 - others, np.where(np.arange(40) < 20, np.arange(40) % 10, 0)
    if ROWS[name].held_out:
        changed, learnt_again = smallest_run(name, tmp_path / "changed", (x, y, held_out), "5")
        assert learnt
        assert len(learnt) == len(learnt_again)
        assert all(map(np.array_equal, learnt, learnt_again))
        assert [key for key in ROWS[name].held_out if one[key] == changed[key]] == []
    monkeypatch.setattr(data.minibatches.Batches, "__next__", None)
    monkeypatch.setattr(Game, "step", None)
    resumed, _ = smallest_run(name, tmp_path / "on", images, "5", "--resume", str(tmp_path / "0" / "checkpoint.npz"))
    np.testing.assert_equal(resumed, one)


@pytest.mark.parametrize("name", [name if name == "saddle" else pytest.param(name, marks=pytest.mark.slow) for name in names()])
def test_a_quick_run_leaves_its_metrics_its_pictures_its_files_and_the_recorded_bounds(name, tmp_path):
    with coarse_pictures():
        main([name, "--quick", "--out", str(tmp_path)])
    summary = summary_of(tmp_path)
    assert summary["holds"].keys() <= summary["metrics"].keys()
    pictures = {f"{picture}.png" for picture in summary["pictures"]}
    assert {path.name for path in tmp_path.iterdir()} - OTHERS == pictures | FILES
    for picture in pictures:
        assert_shows_something(tmp_path / picture)
    mine, recorded = bounds(summary), bounds(results.recorded(name))
    both = [key for key in mine.keys() & recorded.keys() if not re.fullmatch(OWN.get(name, ""), key)]
    assert {key: mine[key] for key in both} == {key: recorded[key] for key in both}


def bounds(summary):
    """Each figure's bound that is a number of the code, not one that the run has measured."""
    expected = {name: words.split(": not judged")[0] for name, words in summary["expected"].items()}
    return {name: words for name, words in expected.items() if BOUND.fullmatch(words)}


@pytest.mark.parametrize(("name", "game"), [(name, game) for name, row in ROWS.items() for game in row.games])
def test_a_demos_own_game_goes_on_from_its_state_bit_for_bit(name, game):
    def made():
        mg.seed(0)
        return ROWS[name].games[game]()

    one, batches = made()
    for _ in range(3):
        one.step(batches)
    state = copy.deepcopy([one.state_dict(), batches.state_dict()])
    expected = [one.step(batches) for _ in range(3)]
    other, batches = made()
    other.load_state_dict(state[0])
    batches.load_state_dict(state[1])
    assert [other.step(batches) for _ in range(3)] == expected
    for mine, its in zip(other.G.state_dict().values(), one.G.state_dict().values(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_every_demo_has_a_row():
    assert ROWS.keys() | GAMES | MEASURING == set(names())
