"""Settings from a page become code only where they are names and numbers that there are; a script is the run."""

import subprocess
import sys

import numpy as np
import pytest

from demos.lab import code
from demos.lab.code import DATA, GAMES, RULES, Settings
from demos.lab.panel import Panel
from tests.demos.running import ROOT

DRAWN = [[0.5, 0.25], [-1.0, 1.0], [0.125, -0.5]]
END = "import sys; np.savez(sys.argv[1], *[p.numpy() for p in (*game.G.parameters(), *game.D.parameters())])"


def parameters(panel):
    game = panel.objects["game"]
    return [p.numpy().copy() for p in (*game.G.parameters(), *game.D.parameters())]


NUMBERS = [("seed", "0); import os"), ("seed", "0"), ("seed", -1), ("seed", 1.5), ("seed", True), ("lr_D", float("nan"))]
NUMBERS += [("lr_D", float("inf")), ("lr_G", None), ("k", 0), ("width", 10**9)]
CHOICES = [("data", "os"), ("data", ["ring"]), ("data", "drawn"), ("game", "__import__('os')"), ("optimizer", {})]
POINTS = [[], [[0, 0, 0]], [["0", 0]], [[3, 0]], [[2.1, 0]], [[float("nan"), 0]], [[True, 0]], [[0, 0]] * 3001, "[[0, 0]]"]
OTHERS = [("__class__", 1), ("of", 1), ("shown", 1)]
ASKED = [{name: value} for name, value in [*NUMBERS, *CHOICES, *OTHERS, *(("points", points) for points in POINTS)]]


@pytest.mark.parametrize("asked", [*ASKED, "ring", None], ids=lambda asked: repr(asked)[:40])
def test_what_is_no_setting_is_refused(asked):
    with pytest.raises(ValueError, match=r"expected|choose|there is no|draw some|names with values"):
        Settings().of(asked)


def test_numbers_become_those_of_the_settings_kind_and_where_nothing_is_asked_for_nothing_changes():
    s = Settings().of({"lr_D": 1, "k": 2.0})
    assert (s.lr_D, type(s.lr_D), s.k, type(s.k)) == (1.0, float, 2, int)
    assert code.change(s, s) == ""
    assert code.change(Settings(), Settings(points=((0.0, 0.0),))) == ""  # drawn, and not used yet


def test_a_script_of_every_game_is_the_run_to_the_last_bit(tmp_path):
    """In a process of its own, which imports nothing of demos.lab: with changes, data that were drawn, and what was undone."""
    panels = [Panel(Settings(game=name, width=8, batch=16)) for name in GAMES]
    for panel in panels:
        for asked in ({"lr_D": 0.01}, {"batch": 8, "data": "spiral"}, {"optimizer": "RMSProp"}, {"k": 2, "lr_G": 0.02}):
            for _ in range(3):
                panel.iterate()
            panel.change(asked)
        panel.iterate()
    panel = Panel(Settings(width=8, batch=16))
    panel.change({"points": DRAWN, "data": "drawn"})
    for _ in range(14):
        panel.iterate()
    panel.change({"optimizer": "OMD"})
    panel.iterate()
    for _ in range(3):  # the iteration, the change, and one iteration more
        panel.undo()
    assert (panel.iteration, panel.settings.optimizer) == (13, "Adam")
    panel.change({"game": "WGAN-GP"})
    panel.substep()
    panel.iterate()
    assert "OMD" not in panel.script()
    panels.append(panel)
    for i, panel in enumerate(panels):
        (tmp_path / f"run{i}.py").write_text(f"{panel.script()}\n{END}\n")
    main = f"""import runpy, sys
for i in range({len(panels)}):
    sys.argv[1:] = [f"end{{i}}.npz"]
    runpy.run_path(f"run{{i}}.py")
assert not [name for name in sys.modules if name.startswith("demos")]"""
    subprocess.run([sys.executable, "-c", main], check=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    for i, panel in enumerate(panels):
        np.testing.assert_equal(parameters(panel), [*np.load(tmp_path / f"end{i}.npz").values()])


@pytest.mark.parametrize("name", [*DATA, *RULES])
def test_all_data_are_on_the_plane_and_all_rules_step(name):
    panel = Panel(Settings(width=4, batch=8, points=tuple(map(tuple, DRAWN))))
    panel.change({"data" if name in DATA else "optimizer": name})
    panel.iterate()
    x = panel.objects["x"]
    assert (x.shape, x.dtype) == ((4000, 2), np.float32)
    assert 0.8 < np.abs(x).max() < 1.4
