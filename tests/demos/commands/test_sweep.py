"""`python -m demos sweep`: what it plays, its table, and sweeps that are resumed, fail, or are killed."""

import csv
import json
import re
import sys
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass
from types import SimpleNamespace

import pytest

from demos.commands import sweep
from demos.commands.sweep import Cell
from demos.kit import settings, style
from demos.kit.comparing import NOTHING
from demos.kit.loops import check_finite
from demos.kit.runner import executors
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import assignment, parser
from tests.demos.running import coarse_pictures, summary_of

# --- a demo that takes no time, and an executor of this process ---------------------------------------------------------


@dataclass
class Settings:
    """Of the stand-in."""

    rate: float = 1.0
    n: int = 1
    betas: tuple[float, float] = (0.5, 0.9)
    word: str = "so"
    clip: float | None = None
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
def swept(monkeypatch, tmp_path):
    """Sweeps a stand-in, in the same folder every time, which is returned. `swept.played`: its runs so far.

    Its score is the rate plus a tenth of the seed. rate=99: a nan; 98: an error; 97: its score is a nan.
    """

    def main(argv):
        args = start(parser("a stand-in"), argv, "stand_in", Settings())
        mine = settings.settings_of(args, Settings())
        claim = open_claim(args, asdict(mine))
        call.played.append((mine.rate, mine.n, args.seed))
        if mine.rate == 99:
            check_finite({"loss": float("nan")})
        if mine.rate == 98:
            raise ValueError("of such a rate\nnothing comes")
        claim.note("plain", args.seed)
        claim.at_least("score", float("nan") if mine.rate == 97 else mine.rate + args.seed / 10, 2)
        claim.at_most("errors", mine.n, 3)
        claim.finish()

    def call(assignments, *options, seeds=1):
        sets = [part for each in assignments.split() for part in ("--set", each)]
        sweep.main(["stand_in", "--out", str(tmp_path / "out"), "--seeds", str(seeds), *sets, *options])
        return tmp_path / "out"

    call.played = []
    name = "demos.the_game.stand_in"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(__name__=name, Settings=Settings, main=main))
    monkeypatch.setattr(sweep, "module_of", lambda _: sys.modules[name])
    monkeypatch.setattr(style, "drawing", True)
    with executors.on(Here()), coarse_pictures():
        yield call


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
    ("assignments", "grid"),  # or what is said
    [
        (["rate= 1e-3,0.01", "n=1,1_0", "rate=2"], {"rate": ["0.001", "0.01", "2.0"], "n": ["1", "10"]}),
        (["clip=None,0.1", "word=a=b,c/d, e"], {"clip": ["None", "0.1"], "word": ["a=b", "c/d", " e"]}),
        (["ratte=1"], "--set ratte=1: there is no such setting; the settings are rate, n, betas, word, clip, lr"),
        (["lr=0.1,-1"], "--set lr=0.1,-1: '-1': expected a number, such as 0.01, at least 0"),
        (["betas=0,0.9", "betas=0.0,.9"], "--set betas=0.0,.9: 0.0,0.9 is given twice"),
    ],
)
def test_values_are_split_at_commas_unless_they_have_commas_of_their_own_and_wrong_ones_are_refused(assignments, grid, capsys):
    parsed, options = [assignment(each) for each in assignments], sweep.Options(prog="sweep")
    if isinstance(grid, dict):
        assert sweep.grid_of(options, Settings, parsed) == grid
        return
    with pytest.raises(SystemExit, match=r"^2$"):
        sweep.grid_of(options, Settings, parsed)
    assert grid in capsys.readouterr().err


def test_each_run_has_its_values_its_seed_the_other_options_and_a_row(swept):
    out = swept("n=2,1 rate=1 word=x/y", "--steps", "7", "--seed=3", seeds=2)
    assert swept.played == [(1.0, 2, 3), (1.0, 1, 3), (1.0, 2, 4), (1.0, 1, 4)]  # what is wrong with a value shows early
    assert json.loads((out / "sweep.json").read_text()) == {"demo": "stand_in", "options": ["--steps", "7"]}
    found = summary_of(out / "n=2_rate=1.0_word=x-y_seed=4")  # whatever the order of the settings
    assert found["settings"].items() >= {"n": 2, "word": "x/y", "seed": 4}.items()
    rows = rows_of(out)
    assert list(rows[0]) == ["n", "rate", "word", "seed", "seconds", "plain", "score", "errors"]
    numbers = [tuple(float(row[name]) for name in ("n", "seed", "plain", "score", "errors")) for row in rows]
    assert numbers == [(2, 3, 3, 1.3, 2), (2, 4, 4, 1.4, 2), (1, 3, 3, 1.3, 1), (1, 4, 4, 1.4, 1)]
    assert not list(out.glob("*/process.txt"))


# --- again --------------------------------------------------------------------------------------------------------------


def test_more_values_more_seeds_and_another_figure_play_only_what_is_missing(swept):
    out = swept("rate=1,2 n=1")
    assert table_of(out)[0] == "score (at least 2)"
    before = states_of(out)
    swept.played.clear()
    swept("n=1 rate=2,1,3", "--resume", seeds=2)  # in another order
    assert swept.played == [(3.0, 1, 0), (2.0, 1, 1), (1.0, 1, 1), (3.0, 1, 1)]
    assert states_of(out).items() >= before.items()
    assert (len(rows_of(out)), len(table_of(out))) == (6, 2 + 3)
    for figure, head in (("errors", "errors (at most 3)"), ("plain", "plain")):
        swept("rate=1,2 n=1", "--figure", figure, "--resume")
        assert table_of(out)[0] == head
    with pytest.raises(SystemExit, match=r"^--figure x: there is no such metric; the metrics are: plain; score; errors$"):
        swept("rate=1,2 n=1", "--figure", "x", "--resume")
    assert len(swept.played) == 4
    with pytest.raises(SystemExit):  # of other options
        swept("rate=1,2 n=1", "--steps", "9", "--resume")


def test_a_fresh_start_moves_an_earlier_sweep_aside_and_nothing_beside_it(swept):
    out = swept("n=1,2")
    before = states_of(out)
    (out / "gan").mkdir()
    (out / "gan" / "summary.json").write_text("another's")
    swept("n=1")
    assert swept.played[2:] == [(1.0, 1, 0)]
    assert states_of(out / "earlier" / "1") == before
    assert states_of(out).keys() == {"n=1_seed=0", "gan"}


# --- runs that fail -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "why"), [("99", "nan or an infinity in loss"), ("98", "ValueError: of such a rate nothing comes\n")]
)
def test_a_run_that_fails_is_named_and_the_others_are_played(swept, tmp_path, capsys, rate, why):
    out, names = tmp_path / "out", [f"rate={rate}.0_seed={seed}" for seed in (0, 1)]
    failed = re.escape(f"2 of 4 runs failed: see {out}/NAME/output.txt of {', '.join(names)}")
    with pytest.raises(SystemExit, match=f"^{failed}$"):  # a message: the exit status is 1
        swept(f"rate={rate},1", seeds=2)
    err = capsys.readouterr().err
    assert all(re.search(rf"^{name}: .*{why}", err, re.M) for name in names)
    assert "Traceback" not in err
    assert table_of(out)[2].split() == [f"{rate}.0", "0", "(2", "failed)", "nan", "-"]
    assert table_of(out)[3].split() == ["1.0", "2", "1.05", "0.4147", "to", "1.685", "best"]  # 12.706 * 0.05 on each side
    assert [row["rate"] for row in rows_of(out)] == ["1.0", "1.0"]
    assert ("Traceback" in (out / names[1] / "output.txt").read_text()) == (rate == "98")


def test_a_figure_that_is_no_number_is_that_of_a_failed_run_and_where_all_fail_it_says_where_to_look(swept):
    out = swept("rate=97,1")
    assert table_of(out)[2].split() == ["97.0", "0", "(1", "failed)", "nan", "-"]
    assert [row["score"] for row in rows_of(out)] == ["", "1.0"]
    assert sweep.mean_of([1.0, None, 3.0]) == 2  # of a seed's runs
    with pytest.raises(SystemExit, match=rf"^no run finished with metrics: see output.txt .*{out}$"):
        swept("rate=99")


# --- the table ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("better", "verdicts", "best", "title"),
    [
        ("higher", ["worse", NOTHING, "best", ""], ("2",), " is best at lr=2"),
        ("lower", ["best", "worse", "worse", ""], ("0",), " is best at lr=0"),
        (None, ["", "", "", ""], None, ""),
    ],
)
def test_each_setting_is_compared_with_the_best(better, verdicts, best, title):
    values = [1.0, 1.1, 1.2], [4.0, 5.0, 6.1], [5.0, 5.2, 6.0], []
    cells = {(str(i),): Cell(some) for i, some in enumerate(values)}
    assert sweep.set_verdicts(cells, better) == best
    assert [cell.verdict for cell in cells.values()] == verdicts
    assert sweep.in_words({"lr": []}, cells, best) == title
    cells.pop(("0",))
    assert sweep.in_words({"lr": []}, cells, sweep.set_verdicts(cells, "higher")) == f": {NOTHING} from the best mean, at lr=2"


@pytest.mark.parametrize(
    ("expected", "bound"),
    [
        ("at least 0.9", ("higher", 0.9)),
        ("at most -1e-05", ("lower", -1e-5)),
        ("at most 0: V falls at every step", ("lower", 0.0)),
        ("at most half of that with 10", None),
    ],
)
def test_a_bound_is_a_number_that_stands_alone(expected, bound):
    assert sweep.bound_of(expected) == bound
