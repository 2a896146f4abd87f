"""`python -m demos sweep`: what it plays, its table and picture, and sweeps that are stopped, or of which a process dies."""

import csv
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from argparse import Namespace
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass, is_dataclass
from operator import attrgetter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t as student

from demos import catalogue
from demos.commands import sweep
from demos.commands.sweep import Cell
from demos.kit import settings, style
from demos.kit.comparing import NOTHING
from demos.kit.loops import check_finite
from demos.kit.runner import executors, opening, results
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import assignment, parser
from minigan import Tensor, optim
from tests.demos.running import ROOT, assert_shows_something, coarse_pictures, summary_of

# --- a demo that takes no time, and an executor of this process ---------------------------------------------------------


@dataclass
class Settings:
    """Of the stand-in."""

    rate: float = 1.0
    n: int = 1
    betas: tuple[float, float] = (0.5, 0.9)
    word: str = "so"
    clip: float | None = None
    on: bool = True
    lr: float = 0.1


class Here(Executor):
    """Its calls are made at once, in this process, one after the other."""

    def submit(self, function, /, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        style.drawing = True
        return future


@pytest.fixture
def stand_in(monkeypatch):
    """`python -m demos stand_in`: a score that is the rate plus a tenth of the seed, n errors. The runs that it has played.

    rate=99: its run breaks off at a nan; rate=98: by an error; rate=97: its score is no number; rate=96: it refuses that;
    rate=95: minigan does.
    """
    played = []

    def main(argv):
        args = start(parser("a stand-in"), argv, "stand_in", Settings())
        mine = settings.settings_of(args, Settings())
        claim = open_claim(args, asdict(mine))
        played.append((mine, args.seed))
        if mine.rate == 99:
            check_finite({"loss": float("nan")})
        if mine.rate == 98:
            raise ValueError("of such a rate\nnothing comes")
        if mine.rate == 96:
            print("stand_in: not by this rate", file=sys.stderr)
            raise SystemExit(2)
        if mine.rate == 95:
            optim.SGD([Tensor([0.0], requires_grad=True)], 0.1, momentum=mine.rate)
        claim.note("plain", args.seed)
        claim.at_least("score", float("nan") if mine.rate == 97 else mine.rate + args.seed / 10, 2)
        claim.at_most("errors", mine.n, 3)
        claim.finish()

    name = "demos.the_game.stand_in"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(__name__=name, Settings=Settings, main=main))
    monkeypatch.setattr(sweep, "module_of", lambda _: sys.modules[name])
    monkeypatch.setattr(style, "drawing", True)
    with executors.on(Here()), coarse_pictures():
        yield played


@pytest.fixture
def swept(stand_in, tmp_path):
    """Sweeps the stand-in with these options, in the same folder every time; returns the folder."""

    def call(*options, seeds=1):
        sweep.main(["stand_in", "--out", str(tmp_path / "out"), "--seeds", str(seeds), *options])
        return tmp_path / "out"

    call.played = stand_in
    return call


def sets(*assignments):
    return [part for each in assignments for part in ("--set", each)]


def grid_of(*assignments):
    parsed = [assignment(each) for each in assignments]
    return sweep.grid_of(sweep.Options(prog="sweep"), Settings, parsed)


def rows_of(out):
    with open(out / "sweep.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_of(out):
    return (out / "table.txt").read_text(encoding="utf-8").splitlines()


def states_of(out):
    """Of each run, when its summary was written, and what is in it."""
    return {path.parent.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("*/summary.json")}


# --- what to play -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignments", "grid"),
    [
        (["rate=1e-3,0.01,2"], {"rate": ["0.001", "0.01", "2.0"]}),
        (["rate=1", "n=1,1_0", "rate=2"], {"rate": ["1.0", "2.0"], "n": ["1", "10"]}),
        (["betas=0,0.9", "betas=0.5,0.9"], {"betas": ["0.0,0.9", "0.5,0.9"]}),
        (["clip=None,0.1"], {"clip": ["None", "0.1"]}),
        (["on=false,True"], {"on": ["False", "True"]}),
        (["word=a=b,c/d, e"], {"word": ["a=b", "c/d", " e"]}),
        (["rate= 1, 2"], {"rate": ["1.0", "2.0"]}),
    ],
)
def test_values_are_split_at_commas_unless_they_have_commas_of_their_own(assignments, grid):
    assert grid_of(*assignments) == grid


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["ratte=1"], "--set ratte=1: there is no such setting; the settings are rate, n, betas, word, clip, on, lr"),
        (["rate=1,fast"], "--set rate=1,fast: 'fast': expected a number, such as 0.01"),
        (["rate="], "--set rate=: '': expected a number"),
        (["rate=1,,2"], "--set rate=1,,2: '': expected a number"),
        (["rate=nan"], "'nan': expected a number"),
        (["lr=0.1,-1"], "--set lr=0.1,-1: '-1': expected a number, such as 0.01, at least 0"),
        (["betas=2,3"], "'2,3': expected 2 values with ',' between, each a number, such as 0.01, at least 0 and below 1"),
        (["n=0"], "'0': expected a whole number from 1 on"),
        (["betas=0.5"], "'0.5': expected 2 values with ',' between"),
        (["betas=0,0.9,0.5,0.9"], "'0,0.9,0.5,0.9': expected 2 values with ',' between"),
        (["on=1"], "'1': expected true or false"),
        (["rate=1e-3,0.001"], "--set rate=1e-3,0.001: 0.001 is given twice"),
        (["betas=0,0.9", "betas=0.0,.9"], "--set betas=0.0,.9: 0.0,0.9 is given twice"),
    ],
)
def test_a_wrong_set_is_refused_with_what_was_expected(assignments, said, capsys):
    with pytest.raises(SystemExit) as end:
        grid_of(*assignments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["gann", "--set", "lr=1"], "there is no demo 'gann'; did you mean gan, wgan or cgan?"),
        (["gan"], "the following arguments are required: --set"),
        (["gan", "--set", "lr"], "argument --set: 'lr' is not NAME=VALUE"),
        (["gan", "--set", "lr=1", "--seeds", "0"], "argument --seeds: "),
        (["gan", "--set", "lr=1", "--seed=-1"], "argument --seed: "),
        (["gan", "--set", "lr=1", "--jobs", "0"], "argument --jobs: "),
        (["gan", "--set", "lr=1", "--out", __file__], "--out"),
    ],
)
def test_wrong_options_are_refused_at_once(options, said, capsys):
    with pytest.raises(SystemExit) as end:
        sweep.main(options)
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_demo_without_settings_is_refused(stand_in, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "module_of", lambda name: SimpleNamespace(__file__="mine.py"))
    with pytest.raises(SystemExit) as end:
        sweep.main(["mine", "--set", "lr=1"])
    assert end.value.code == 2
    assert "mine.py has no dataclass Settings, which --set needs" in capsys.readouterr().err


def test_dotted_names_are_settings_too():
    module = importlib.import_module("demos.wasserstein.learning_curves")
    options = sweep.Options(prog="sweep")
    assert sweep.grid_of(options, module.Settings, [("curves.lr_critic", "1e-3,1e-4")]) == {
        "curves.lr_critic": ["0.001", "0.0001"]
    }


@pytest.mark.parametrize("name", catalogue.names())
def test_every_demo_has_a_class_of_settings_which_can_all_be_swept(name, monkeypatch):
    module = sweep.module_of(name)
    assert is_dataclass(module.Settings)
    seen = []

    def add_settings(options, settings):
        seen.append(settings)
        raise SystemExit

    monkeypatch.setattr(opening, "add_settings", add_settings)
    with pytest.raises(SystemExit):
        module.main([])
    for name in settings.kinds(module.Settings):  # --set takes each of them
        text = settings.written(attrgetter(name)(seen[0]))
        assert sweep.grid_of(sweep.Options(), module.Settings, [(name, text)])[name]


def test_a_runs_name_does_not_depend_on_the_order_of_the_settings_and_is_that_of_one_folder():
    assert sweep.name_of({"b": [], "a": []}, ("1", "x/y"), 3) == sweep.name_of({"a": [], "b": []}, ("x/y", "1"), 3)
    assert sweep.name_of({"b": [], "a": []}, ("1", "x/y"), 3) == "a=x-y_b=1_seed=3"


def test_each_run_has_its_values_its_seed_and_the_other_options(swept):
    out = swept(*sets("rate=1,2", "betas=0,0.9"), "--steps", "7", "--seed=3", seeds=2)
    assert [(mine.rate, mine.betas, seed) for mine, seed in swept.played] == [  # what is wrong with a value shows early
        (rate, (0.0, 0.9), seed) for seed in (3, 4) for rate in (1.0, 2.0)
    ]
    assert json.loads((out / "sweep.json").read_text()) == {"demo": "stand_in", "options": ["--steps", "7"]}
    found = summary_of(out / "betas=0.0,0.9_rate=2.0_seed=4")
    assert found["settings"]["rate"] == 2.0
    assert found["settings"]["seed"] == 4
    assert not list(out.glob("*/process.txt"))


# --- again ----------------------------------------------------------------------------------------------------------------


def test_more_values_and_more_seeds_play_those_that_are_missing(swept):
    out = swept(*sets("rate=1,2", "n=1"))
    before = states_of(out)
    swept.played.clear()
    swept(*sets("n=1", "rate=2,1,3"), "--resume", seeds=2)  # in another order
    assert [(mine.rate, seed) for mine, seed in swept.played] == [(3.0, 0), (2.0, 1), (1.0, 1), (3.0, 1)]
    assert {name: state for name, state in states_of(out).items() if name in before} == before
    assert len(rows_of(out)) == 6
    assert len(table_of(out)) == 2 + 3


def test_another_figure_repeats_no_run(swept, capsys):
    out = swept(*sets("n=1,2"), seeds=2)
    assert table_of(out)[0] == "score (at least 2)"
    assert "Other metrics with a bound, for --resume --figure NAME: errors\n" in capsys.readouterr().out
    before = states_of(out)
    swept.played.clear()
    swept(*sets("n=1,2"), "--figure", "errors", "--resume", seeds=2)
    assert table_of(out)[0] == "errors (at most 3)"
    swept(*sets("n=1,2"), "--figure", "plain", "--resume", seeds=2)  # it has no bound
    assert table_of(out)[0] == "plain"
    assert "against the best" in table_of(out)[1]
    assert swept.played == []
    assert states_of(out) == before
    with pytest.raises(SystemExit, match=r"^--figure x: there is no such metric; the metrics are: plain; score; errors$"):
        swept(*sets("n=1,2"), "--figure", "x", "--resume", seeds=2)


def test_resumed_with_other_options_it_is_refused_and_says_which(swept, capsys):
    out = swept(*sets("n=1"), "--steps", "7")
    with pytest.raises(SystemExit) as end:
        swept(*sets("n=1"), "--quick", "--resume")
    assert end.value.code == 2
    said = f"--resume: the runs in {out} are of stand_in --steps 7, not of stand_in --quick"
    assert said in capsys.readouterr().err
    swept(*sets("n=1"), "--steps", "7", "--resume")  # the folder has been let go


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_fresh_start_moves_an_earlier_sweep_aside_and_nothing_beside_it(swept, capsys):
    out = swept(*sets("n=1,2"))
    before = files_of(out)
    assert {"sweep.json", "sweep.csv", "sweep.png", "table.txt", "n=2_seed=0/summary.json"} <= before.keys()
    (out / "gan").mkdir()
    (out / "gan" / "summary.json").write_text("another's")
    swept.played.clear()
    swept(*sets("n=1"))
    assert [(mine.n, seed) for mine, seed in swept.played] == [(1, 0)]
    assert files_of(out / "earlier" / "1") == before
    assert not (out / "n=2_seed=0").exists()
    assert files_of(out / "gan") == {"summary.json": b"another's"}
    assert f"the results of an earlier sweep in {out} are now in {out}/earlier/1\n" in capsys.readouterr().err


def test_quick_sweeps_have_a_folder_of_their_own_that_holds_the_last_one(stand_in, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "show", lambda *arguments: None)
    for options in (["--quick"], [], ["--quick"], []):
        sweep.main(["stand_in", *sets("n=1"), "--seeds", "1", *options])
    folders = {str(file.parent.relative_to(tmp_path / "runs")) for file in tmp_path.rglob("sweep.json")}
    assert folders == {"sweep_stand_in", "sweep_stand_in/earlier/1", "quick/sweep_stand_in"}


def test_the_folder_is_one_sweeps_at_a_time(swept, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    lock = results.open_folder(tmp_path / "out")
    if lock is None:
        pytest.skip("this file system has no locks")
    try:
        with pytest.raises(SystemExit):
            swept(*sets("n=1"))
    finally:
        os.close(lock)
    assert "another run is writing to it" in capsys.readouterr().err
    assert swept.played == []


# --- runs that fail -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "why"), [("99", "nan or an infinity in loss"), ("98", "ValueError: of such a rate nothing comes\n")]
)
def test_a_run_that_fails_is_named_and_the_others_are_played(swept, tmp_path, capsys, rate, why):
    out = tmp_path / "out"
    failed = re.escape(f"2 of 4 runs failed: see {out}/NAME/output.txt of rate={rate}.0_seed=0, rate={rate}.0_seed=1")
    with pytest.raises(SystemExit, match=f"^{failed}$"):  # a message: the exit status is 1
        swept(*sets(f"rate={rate},1"), seeds=2)
    err = capsys.readouterr().err
    for seed in (0, 1):
        line = next(line for line in err.splitlines(keepends=True) if line.startswith(f"rate={rate}.0_seed={seed}: "))
        assert why in line
    assert "Traceback" not in err
    assert table_of(out)[2].split() == [f"{rate}.0", "0", "(2", "failed)", "nan", "-"]
    assert table_of(out)[3].split() == ["1.0", "2", "1.05", "0.4147", "to", "1.685", "best"]  # 12.706 * 0.05 on each side
    assert [row["rate"] for row in rows_of(out)] == ["1.0", "1.0"]
    said = (out / f"rate={rate}.0_seed=1" / "output.txt").read_text()
    assert ("Traceback" in said) == (rate == "98")


def test_a_figure_that_is_no_number_is_that_of_a_failed_run_and_the_figure_is_still_compared(swept):
    out = swept(*sets("rate=97,1"))
    assert table_of(out)[0] == "score (at least 2)"
    assert table_of(out)[2].split() == ["97.0", "0", "(1", "failed)", "nan", "-"]
    assert [row["score"] for row in rows_of(out)] == ["", "1.0"]


def test_where_all_runs_fail_it_says_where_to_look(swept, tmp_path):
    with pytest.raises(SystemExit, match=rf"^no run finished with metrics: see output.txt .*{tmp_path / 'out'}$"):
        swept(*sets("rate=99"))


@pytest.mark.parametrize(
    ("rate", "options", "said"),
    [
        ("96,1", [], "stand_in: not by this rate"),
        ("1,95", [], "--set rate=95.0: SGD: momentum is 95.0; expected 0 <= momentum < 1"),
        ("1", ["--wrong"], "python -m demos stand_in: unrecognized arguments: --wrong (--help lists the options)"),
    ],
)
def test_what_the_demo_or_minigan_refuses_ends_the_sweep_with_its_words(swept, rate, options, said, capsys):
    with pytest.raises(SystemExit) as end:
        swept(*sets(f"rate={rate}"), *options, seeds=3)
    assert end.value.code == 2
    assert capsys.readouterr().err == f"{said}\n"


# --- the table ------------------------------------------------------------------------------------------------------------


def cells_of(*values, failed=0):
    return {(str(i),): Cell([*some, *[None] * failed]) for i, some in enumerate(values)}


def test_a_cell_has_the_mean_and_students_interval():
    cell = Cell([1.0, None, 2.0, 4.0])
    margin = student.ppf(0.975, 2) * np.sqrt(7 / 3) / np.sqrt(3)
    assert (cell.mean, cell.low, cell.high) == pytest.approx((7 / 3, 7 / 3 - margin, 7 / 3 + margin))
    assert (Cell([1.0]).low, Cell([1.0]).high) == (-np.inf, np.inf)
    assert np.isnan(Cell([None] * 3).mean)


@pytest.mark.parametrize(
    ("better", "verdicts"),
    [("higher", ["worse", NOTHING, "best", ""]), ("lower", ["best", "worse", "worse", ""]), (None, ["", "", "", ""])],
)
def test_each_setting_is_compared_with_the_best(better, verdicts):
    cells = cells_of([1.0, 1.1, 1.2], [4.0, 5.0, 6.1], [5.0, 5.2, 6.0], [])
    best = sweep.set_verdicts(cells, better)
    assert [cell.verdict for cell in cells.values()] == verdicts
    assert best == {"higher": ("2",), "lower": ("0",), None: None}[better]


def test_the_title_says_best_only_where_something_is_worse():
    clear, even = cells_of([1.0, 1.1], [9.0, 9.1]), cells_of([1.0, 3.0], [1.1, 3.1])
    assert sweep.in_words({"lr": []}, clear, sweep.set_verdicts(clear, "higher")) == " is best at lr=1"
    assert sweep.in_words({"lr": []}, even, sweep.set_verdicts(even, "higher")) == f": {NOTHING} from the best mean, at lr=1"
    assert sweep.in_words({"lr": []}, clear, sweep.set_verdicts(clear, None)) == ""
    alone = cells_of([1.0])
    assert sweep.in_words({"lr": []}, alone, sweep.set_verdicts(alone, "lower")) == ""


def test_the_tables_lines():
    cells = {("0.1", "1"): Cell([1.0, 2.0], verdict="worse"), ("10.0", "2"): Cell([5.0, None, None], verdict="best")}
    assert sweep.table({"lr": [], "k": []}, cells, "score", "at least 2") == (
        "score (at least 2)\n"
        "  lr  k          runs  mean    95 % interval  against the best\n"
        " 0.1  1             2   1.5  -4.853 to 7.853             worse\n"
        "10.0  2  1 (2 failed)     5                -              best\n"
    )


@pytest.mark.parametrize(
    ("expected", "bound"),
    [
        ("at least 0.9", ("higher", 0.9)),
        ("at most 1e-05", ("lower", 1e-5)),
        ("at most -2", ("lower", -2.0)),
        ("at most 0: V falls at every step", ("lower", 0.0)),
        ("at most 2, less than at each smaller size", ("lower", 2.0)),
        ("at most half of that with 10", None),
        ("at most 3 times as many", None),
        ("from 0.4 to 0.6", None),
        ("reported: at most 3", None),
        ("", None),
    ],
)
def test_a_bound_is_a_number_that_stands_alone(expected, bound):
    assert sweep.bound_of(expected) == bound


def test_the_csv_has_all_figures_of_all_runs(swept):
    out = swept(*sets("rate=1", "n=1,2"), seeds=2)
    rows = rows_of(out)
    assert list(rows[0]) == ["rate", "n", "seed", "seconds", "plain", "score", "errors"]
    found = [tuple(float(row[name]) for name in ("n", "seed", "plain", "score", "errors")) for row in rows]
    assert found == [(1, 0, 0, 1, 1), (1, 1, 1, 1.1, 1), (2, 0, 0, 1, 2), (2, 1, 1, 1.1, 2)]
    assert all(float(row["seconds"]) >= 0 for row in rows)


# --- the picture ----------------------------------------------------------------------------------------------------------

GRID = {"lr": ["0.1", "0.2"], "k": ["1", "2", "5"], "on": ["True", "False"]}


def of(names):
    """A grid of these settings, and a cell for each of its points; its values tell the point."""
    grid = {name: GRID[name] for name in names}
    points = list(sweep.itertools.product(*grid.values()))
    return grid, {point: Cell([i * 10.0, i * 10.0 + 2]) for i, point in enumerate(points)}


def means_of(grid, i, cells):
    return [(label, [cell.mean for cell in line]) for label, line in sweep.lines_of(grid, cells, i)]


def test_of_one_setting_there_is_one_line():
    grid, cells = of(["k"])
    assert means_of(grid, 0, cells) == [("", [1, 11, 21])]


def test_of_two_settings_there_is_a_line_for_each_value_of_the_other():
    grid, cells = of(["lr", "k"])
    assert means_of(grid, 0, cells) == [("1", [1, 31]), ("2", [11, 41]), ("5", [21, 51])]
    assert means_of(grid, 1, cells) == [("0.1", [1, 11, 21]), ("0.2", [31, 41, 51])]


def test_of_three_settings_a_line_is_of_each_seeds_mean():
    grid, cells = of(["lr", "k", "on"])
    assert means_of(grid, 0, cells) == [("", [26, 86])]
    assert means_of(grid, 1, cells) == [("", [36, 56, 76])]
    assert means_of(grid, 2, cells) == [("", [51, 61])]
    assert sweep.lines_of(grid, cells, 2)[0][1][0].by_seed == [50, 52]
    next(iter(cells.values())).by_seed[1] = None  # a run that broke off: of its seed, the others count
    assert sweep.lines_of(grid, cells, 0)[0][1][0].by_seed == [25, 32]


@pytest.mark.parametrize("names", [["k"], ["lr", "k"], ["lr", "k", "on"]])
def test_the_picture_has_a_panel_for_each_setting_with_its_values_the_bound_and_the_legend_outside(names):
    grid, cells = of(names)
    figure = sweep.picture(grid, cells, "score", "at least 3")
    figure.draw_without_rendering()
    assert [axes.get_xlabel() for axes in figure.axes] == names
    for axes, name in zip(figure.axes, names, strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == grid[name]
        assert any(np.all(np.asarray(line.get_ydata()) == 3) for line in axes.lines)
        assert (axes.get_legend() is not None) == (len(names) == 2)
        if legend := axes.get_legend():
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())
            assert legend.get_window_extent().y1 <= figure.bbox.height
    dots = "seeds, means" if len(names) == 3 else "seeds"
    assert figure.axes[0].get_ylabel() == f"score\n(bars: 95 % intervals; dots: {dots}; dotted: at least 3)"
    sweep.style.plt.close(figure)


def test_a_figures_long_name_has_lines_that_fit_beside_the_panel():
    grid, cells = of(["k"])
    figure = sweep.picture(
        grid, cells, "rank correlation of the estimate with the exact distance, after a tenth of the training", ""
    )
    figure.draw_without_rendering()
    label = figure.axes[0].yaxis.label.get_window_extent()
    assert label.y0 >= 0
    assert label.y1 <= figure.bbox.height
    sweep.style.plt.close(figure)


def test_the_picture_of_a_setting_of_which_no_run_has_ended(tmp_path):
    grid, cells = {"lr": ["1", "2"]}, {("1",): Cell([None] * 2), ("2",): Cell([1.0, 2.0])}
    sweep.style.save(sweep.picture(grid, cells, "score", ""), tmp_path / "a.png", ["png"])
    assert_shows_something(tmp_path / "a.png")


def test_the_picture_is_stamped_where_the_runs_are_short(tmp_path, monkeypatch):
    found = {(("1",), 0): {"seconds": 1.0, "metrics": {"a": 1.0}, "expected": {"a": "at least 3: not judged by a quick run"}}}
    said = []
    monkeypatch.setattr(style, "stamp", lambda figure, words: said.append(words))
    monkeypatch.setattr(style, "title", lambda figure, words: said.append(words))
    with coarse_pictures():
        sweep.show(Namespace(out=tmp_path, figure=None, demo="gan", seeds=1), {"k": ["1"]}, [("1",)], found)
    assert said == ["gan, 1 seed a setting: a", "QUICK RUNS"]
    assert table_of(tmp_path)[0] == "a (at least 3)"
    assert_shows_something(tmp_path / "sweep.png")


# --- processes that die ---------------------------------------------------------------------------------------------------

SETS = sets("lr=1e-3,2e-3", "k=1,2")


def begun(out, *options):
    """A sweep of four quick runs, two at a time, in a process of its own."""
    command = [sys.executable, "-m", "demos", "sweep", "gan", "--quick", *SETS, "--seeds=1", "--jobs=2", "--out", str(out)]
    one_thread = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = {**os.environ, **one_thread}
    return subprocess.Popen(
        [*command, *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process):
    """What it has said. The pipes close with the last process that holds them: the sweep's own ones are gone, too."""
    said, err = process.communicate(timeout=120)
    return said, err


def figures_of(out):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows_of(out)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "whole"
    process = begun(out)
    _, err = ended(process)
    assert process.returncode == 0, err
    return SimpleNamespace(figures=figures_of(out), table=(out / "table.txt").read_bytes())


def at_work(out, process, seconds=60):
    """The runs that have begun and not ended, with their processes, once there are two."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        texts = {file.parent.name: file.read_text() for file in out.glob("*/process.txt")}
        found = {name: int(text.split()[0]) for name, text in texts.items() if text}
        if len(found) == 2 and all((out / name / "output.txt").exists() for name in found):
            return found
        time.sleep(0.02)
    raise AssertionError("no two runs were played at the same time")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_run_whose_process_dies_is_named_and_repeated(tmp_path, undisturbed, name):
    process = begun(tmp_path)
    victim, pid = sorted(at_work(tmp_path, process).items())[0]
    time.sleep(0.5)
    os.kill(pid, getattr(signal, name))
    _, err = ended(process)
    assert process.returncode == 0, err
    assert f"process {pid}, exit status {-getattr(signal, name)}, was killed" in err
    assert victim in err
    assert err.count("its call is repeated") == 1
    assert "leaked" not in err
    assert figures_of(tmp_path) == undisturbed.figures
    assert (tmp_path / "table.txt").read_bytes() == undisturbed.table


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_sweep_that_is_stopped_leaves_no_process_and_goes_on_where_it_was(tmp_path, undisturbed, name):
    process = begun(tmp_path)
    until = time.monotonic() + 60
    while not states_of(tmp_path) and time.monotonic() < until:
        time.sleep(0.02)
    at_work(tmp_path, process)
    before = states_of(tmp_path)
    process.send_signal(getattr(signal, name))
    _, err = ended(process)
    assert process.returncode != 0
    if name != "SIGKILL":
        assert err.splitlines()[-1].startswith("stopped; to continue: python -m demos sweep gan --quick --set lr=1e-3,2e-3")
        assert "Traceback" not in err
        assert "leaked" not in err
    assert 1 <= len(before) < 4
    resumed = begun(tmp_path, "--resume")
    _, err = ended(resumed)
    assert resumed.returncode == 0, err
    after = states_of(tmp_path)
    assert {name: after[name] for name in before} == before
    assert figures_of(tmp_path) == undisturbed.figures
    assert (tmp_path / "table.txt").read_bytes() == undisturbed.table
