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


def assert_scripts_are_the_runs(panels, folder):
    """The saved programs end with the panels' parameters, in a process of their own, which imports nothing of demos.lab."""
    for i, panel in enumerate(panels):
        (folder / f"run{i}.py").write_text(f"{panel.script()}\n{END}\n")
    main = f"""import runpy, sys
for i in range({len(panels)}):
    sys.argv[1:] = [f"end{{i}}.npz"]
    runpy.run_path(f"run{{i}}.py")
assert not [name for name in sys.modules if name.startswith("demos")]"""
    subprocess.run([sys.executable, "-c", main], check=True, cwd=folder, env={"PYTHONPATH": str(ROOT)})
    for i, panel in enumerate(panels):
        for mine, theirs in zip(parameters(panel), np.load(folder / f"end{i}.npz").values(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "asked",
    [
        {"seed": "0); import os"},
        {"seed": "0"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"lr_D": float("nan")},
        {"lr_D": float("inf")},
        {"lr_G": None},
        {"k": 0},
        {"width": 10**9},
        {"data": "os"},
        {"data": ["ring"]},
        {"data": "drawn"},
        {"game": "__import__('os')"},
        {"optimizer": {}},
        {"noise": "normal', rng=None) or print('"},
        {"points": []},
        {"points": [[0, 0, 0]]},
        {"points": [["0", 0]]},
        {"points": [[3, 0]]},
        {"points": [[2.1, 0]]},
        {"points": [[float("nan"), 0]]},
        {"points": [[True, 0]]},
        {"points": [[0.0, 0.0]] * 3001},
        {"points": "[[0, 0]]"},
        {"__class__": 1},
        {"of": 1},
        {"shown": 1},
        "ring",
        None,
    ],
    ids=repr,
)
def test_what_is_no_setting_is_refused(asked):
    with pytest.raises(ValueError, match=r"expected|choose|there is no|draw some|names with values"):
        Settings().of(asked)


def test_numbers_become_those_of_the_settings_kind():
    s = Settings().of({"lr_D": 1, "k": 2.0})
    assert (s.lr_D, type(s.lr_D), s.k, type(s.k)) == (1.0, float, 2, int)


def test_a_script_of_every_game_is_the_run_to_the_last_bit(tmp_path):
    panels = [Panel(Settings(game=name, width=8, batch=16)) for name in GAMES]
    for panel in panels:
        for asked in ({"lr_D": 0.01}, {"batch": 8, "data": "spiral"}, {"optimizer": "RMSProp"}, {"k": 2, "lr_G": 0.02}):
            for _ in range(3):
                panel.iterate()
            panel.change(asked)
        panel.iterate()
    assert_scripts_are_the_runs(panels, tmp_path)


def test_a_script_knows_what_was_drawn_undone_and_changed_before_the_start(tmp_path):
    panel = Panel(Settings(width=8, batch=16))
    panel.change({"points": DRAWN, "data": "drawn"})
    for _ in range(14):
        panel.iterate()
    panel.change({"optimizer": "OMD"})
    for _ in range(5):
        panel.iterate()
    for _ in range(7):  # five iterations, the change, and one iteration more
        panel.undo()
    assert panel.iteration == 13
    assert panel.settings.optimizer == "Adam"  # it was chosen after the iteration that was undone
    panel.change({"game": "WGAN-GP"})
    panel.substep()
    panel.iterate()
    assert "OMD" not in panel.script()
    assert_scripts_are_the_runs([panel], tmp_path)


@pytest.mark.parametrize("name", [*DATA, *RULES])
def test_all_data_lie_on_the_table_and_all_rules_step(name):
    panel = Panel(Settings(width=4, batch=8, points=tuple(map(tuple, DRAWN))))
    panel.change({"data" if name in DATA else "optimizer": name})
    panel.iterate()
    x = panel.objects["x"]
    assert (x.shape, x.dtype) == ((4000, 2), np.float32)
    assert 0.8 < np.abs(x).max() < 1.4


def test_nothing_changes_where_nothing_is_asked_for():
    assert code.change(Settings(), Settings()) == ""
    assert code.change(Settings(), Settings(points=((0.0, 0.0),))) == ""  # drawn, and not used yet
