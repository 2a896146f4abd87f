"""What holds for every demo's experiment: its seed decides, and it learns nothing from the digits that are held out."""

import numpy as np
import pytest

from demos.catalogue import names
from tests.demos.experiments import ROWS, module_of, smallest_run

CHAPTERS = "demos.gradients", "demos.the_game", "demos.the_slides", "demos.generative_models"
GAMES = {"gan"}  # whole runs of which are repeated and resumed in kit/runner


@pytest.fixture
def images(two_sets):
    return two_sets.x, two_sets.y, (two_sets.others, two_sets.classes)


def assert_same(one, other):
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("name", ROWS)
def test_the_seed_decides_and_what_is_held_out_is_measured_but_not_learnt(name, images, tmp_path):
    x, y, (others, _) = images
    runs = [smallest_run(name, tmp_path / str(i), images, seed) for i, seed in enumerate("557")]
    (one, learnt), (again, _), (other, learnt_by_other) = runs
    np.testing.assert_equal(one, again)
    assert one != other or not all(map(np.array_equal, learnt, learnt_by_other))
    held_out = 1 - others, np.where(np.arange(40) < 20, np.arange(40) % 10, 0)
    if ROWS[name].held_out:
        changed, learnt_again = smallest_run(name, tmp_path / "changed", (x, y, held_out), "5")
        assert learnt
        assert_same(learnt, learnt_again)
        assert [key for key in ROWS[name].held_out if one[key] == changed[key]] == []


def test_every_experiment_has_a_row():
    assert ROWS.keys() == {name for name in names() if module_of(name).__name__.startswith(CHAPTERS)} - GAMES
