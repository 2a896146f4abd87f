"""Settings from a page become code only where they are names and numbers that there are. The scripts: test_panel.py."""

import numpy as np
import pytest

from demos.lab.code import DATA, Settings
from demos.lab.panel import Panel

DRAWN = ((0.5, 0.25), (-1.0, 1.0), (0.125, -0.5))
NAN = float("nan")
NUMBERS = [("seed", "0); import os"), ("seed", "0"), ("seed", -1), ("seed", 1.5), ("seed", True), ("lr_D", NAN)]
NUMBERS += [("lr_D", float("inf")), ("lr_G", None), ("k", 0), ("width", 10**9)]
CHOICES = [("data", "os"), ("data", ["ring"]), ("data", "drawn"), ("game", "__import__('os')"), ("optimizer", {})]
POINTS = [[], [[0, 0, 0]], [["0", 0]], [[2.1, 0]], [[NAN, 0]], [[True, 0]], [[0, 0]] * 3001, "[[0, 0]]"]
OTHERS = [("__class__", 1), ("of", 1), ("shown", 1)]
ASKED = [{name: value} for name, value in [*NUMBERS, *CHOICES, *OTHERS, *(("points", points) for points in POINTS)]]


@pytest.mark.parametrize("asked", [*ASKED, "ring", None], ids=lambda asked: repr(asked)[:40])
def test_what_is_no_setting_is_refused(asked):
    with pytest.raises(ValueError, match=r"expected|choose|there is no|draw some|names with values"):
        Settings().of(asked)


def test_a_new_game_brings_its_papers_settings_except_those_that_are_asked_for():
    new = Settings(k=2).of({"game": "WGAN", "lr_D": 0.1})
    assert (new.optimizer, new.k, new.lr_D, new.lr_G) == ("RMSProp", 5, 0.1, 5e-5)
    assert (new.of({"game": "hinge"}).optimizer, new.of({"k": 2}).lr_G) == ("Adam", 5e-5)


@pytest.mark.parametrize("name", DATA)
def test_all_data_are_on_the_plane(name):
    x = Panel(Settings(data=name, width=4, batch=8, points=DRAWN)).objects["x"]
    assert (x.shape, x.dtype) == ((4000, 2), np.float32)
    assert 0.8 < np.abs(x).max() < 1.4
