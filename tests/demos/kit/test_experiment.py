"""An experiment as an object: played in one call, without the command line."""

from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType

import matplotlib.pyplot as plt
import pytest

from demos.kit.experiment import Demo, demo, over_kinds, over_seeds
from demos.kit.runner.checkpoint import running
from tests.demos.running import summary_of

pytestmark = pytest.mark.usefixtures("empty_folder")


@dataclass
class Settings:
    steps: int = 40
    counts: tuple[int, ...] = (1, 2)
    lr: float = 0.1
    seeds: int = 2


@demo(Settings(), {"steps": 4})
def main(claim, s):
    claim.at_most("steps", s.steps, 30, quick=True)
    claim.note("counts", sum(s.counts))
    claim.show(plt.figure(), "empty", "Nothing")
    if s.lr == 2:
        raise ZeroDivisionError("no number")
    if s.lr == 1:
        claim.args.checkpoint.check_finite({"loss": float("nan")})


def played(*arguments):
    return arguments


def test_a_play_returns_the_claim_and_leaves_the_files_of_the_command(tmp_path):
    claim = main.play(steps=20, counts=[5, 6], seed=3, out="mine")
    assert claim.metrics == {"steps": 20, "counts": 11}
    assert claim.holds == {"steps": True}
    main(["--set", "steps=20", "--set", "counts=5,6", "--seed", "3", "--out", "command"])
    files = [{path.name for path in (tmp_path / folder).iterdir()} for folder in ("mine", "command")]
    assert files[0] == files[1] == {"checkpoint.npz", "empty.png", "index.html", "summary.json"}
    for part in ("settings", "metrics", "expected", "holds", "pictures"):
        assert summary_of(tmp_path / "mine")[part] == summary_of(tmp_path / "command")[part]


def test_an_experiment_in_a_notebooks_cell_uses_one_process_and_is_named_by_its_call():
    in_cell = FunctionType(main.experiment.__code__.replace(co_filename="a cell"), globals())
    run = demo(Settings(), {"steps": 4})(in_cell).play(out="mine").args.checkpoint
    assert (run.jobs, run.command) == (1, "main.play --seed=0 --out=mine --jobs=1 --resume")


def test_seeds_and_kinds_are_played_from_the_first_seed_on():
    claim = main.play(seed=3, out="mine")
    assert over_seeds(claim, played, Settings(), "x", steps=1) == [(3, Settings(), "x"), (4, Settings(), "x")]
    found = over_kinds(claim, played, "ab", {"a": 2, "b": 1}, "x", steps=1)
    assert found == {"a": [("a", 3, "x"), ("a", 4, "x")], "b": [("b", 3, "x")]}


def test_an_expectation_that_fails_ends_no_program_of_ones_own():
    assert main.play(quick=True).metrics["steps"] == 4
    assert main.play().holds == {"steps": False}
    with pytest.raises(SystemExit, match=r"^test_experiment: does not hold: steps$"):
        main([])


@pytest.mark.parametrize(
    ("error", "options", "fields", "message"),
    [
        (ValueError, (), {"stesp": 3}, r"^stesp=3: there is no such setting; did you mean steps"),
        (ValueError, (), {"steps": 0.5}, r"^steps=0.5: expected a whole number from 1 on, such as 100; now it is steps=40"),
        (RuntimeError, (), {"lr": 1}, r"^the run: after 0 .* there is a nan or an infinity in loss; "),
        (RuntimeError, ("--wrong",), {}, "see the line above"),
        (ZeroDivisionError, (), {"lr": 2}, "no number"),
    ],
)
def test_a_run_that_cannot_end_raises_what_the_command_prints_and_leaves_the_folder_free(error, options, fields, message):
    with pytest.raises(error, match=message):
        main.play(*options, out="mine", **fields)
    assert running.checkpoint is None
    assert main.play(out="mine").metrics["counts"] == 3


# --- what it says of its figures ----------------------------------------------------------------------------------------


@pytest.fixture
def words(monkeypatch, tmp_path):
    """Makes this experiment one of the demos, with these words and a quick run before it."""

    def put(finding, summary='{"metrics": {"steps": 4, "counts": 3}}'):
        monkeypatch.setattr(Demo, "is_ours", lambda self: True)
        monkeypatch.setitem(globals(), "FINDING", finding)
        monkeypatch.setitem(globals(), "VERDICT", "True: so")
        (tmp_path / "runs" / "quick" / "test_experiment").mkdir(parents=True)
        (tmp_path / "runs" / "quick" / "test_experiment" / "summary.json").write_text(summary)

    return put


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        ("", "it needs VERDICT and FINDING: its result in words (see demos/kit/words.py)"),
        ("{steps|no}", "{steps|no}: unknown format 'no'; demos/kit/words.py has a table"),
        ("{step}", "there is no metric 'step'; did you mean 'steps'? (if it is new, run it with --quick first)"),
    ],
)
def test_wrong_words_are_refused_in_one_line_before_a_demo_trains(finding, says, words, tmp_path, capsys):
    words(finding)
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--out", "out"])
    assert capsys.readouterr().err == f"test_experiment.py: {says}\n"
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize("summary", ["", "{", "{}"])  # a damaged one of an earlier quick run is no obstacle
@pytest.mark.parametrize("options", [["--quick"], []])
def test_words_that_fail_are_seen_in_a_quick_run_and_take_no_results_with_them(words, options, summary, tmp_path):
    words("{step}", summary)
    with pytest.raises(SystemExit, match=r"^test_experiment: FINDING: there is no metric 'step'; did you mean 'steps'\?$"):
        main(["--out", "out", *options])
    found = summary_of(tmp_path / "out")
    assert (found["metrics"]["counts"], "found" in found) == (3, False)


def test_only_a_full_run_by_the_default_settings_has_a_finding(words, tmp_path):
    words("{counts} of it")
    for options, finding in (([], "3 of it"), (["--seed=1"], "3 of it"), (["--quick"], None), (["--set", "lr=0.2"], None)):
        with suppress(SystemExit):  # a bound does not hold
            main(["--out", "out", *options])
        assert summary_of(tmp_path / "out").get("found") == finding
