"""What the demos of single claims have in common: their frame, and how they are written."""

import ast
import importlib
import json
import math
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import demos
from demos.catalogue import chapter_of, file_of, names
from demos.kit.comparing import HELPS, HURTS, NOTHING, compare
from demos.kit.runner import results
from demos.kit.runner.checkpoint import running
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import common_options

FILES = {name: file_of(name) for name in names()}


def begun(tmp_path, *argv, steps=None):
    options = common_options("a claim")
    if steps:
        options.add_argument("--steps", type=int)
    args = start(options, ["--out", str(tmp_path), *argv], "some_claim")
    claim = open_claim(args, {"width": 3, **({"steps": steps} if steps else {})})
    claim.finding = "some_claim: {a}"
    return claim


def finished(tmp_path, *figures, argv=(), fails=""):
    """A claim with these figures, at its end."""
    found = begun(tmp_path, *argv)
    found.finding = "a is {a}"
    for figure in figures:
        found.note(*figure)
    found.show(plt.figure(), "some_claim", "what was found")
    if fails:
        with pytest.raises(SystemExit, match=f"^some_claim: does not hold: {fails}$"):
            found.finish()
    else:
        found.finish()
    return json.loads((tmp_path / "summary.json").read_text())


def test_the_summary_has_every_figure_what_was_expected_and_whether_it_holds(tmp_path):
    figures = ("a", 1, "1", True), ("b", 2.5, "below 2", False), ("c", 3.0), ("d", 4.0, "about 4")
    summary = finished(tmp_path, *figures, fails="b")
    keys = {"demo", "settings", "metrics", "expected", "holds", "pictures", "found", "versions", "seconds", "cpu_seconds"}
    assert set(summary) == keys
    assert summary["settings"] == {"width": 3, "seed": 0, "backend": "numpy"}
    assert summary["metrics"] == {"a": 1.0, "b": 2.5, "c": 3.0, "d": 4.0}
    assert summary["expected"] == {"a": "1", "b": "below 2", "d": "about 4"}
    assert summary["holds"] == {"a": True, "b": False}
    assert summary["pictures"] == {"some_claim": "what was found"}
    assert summary["found"] == "a is 1"


def test_figures_are_printed_beside_what_was_expected_and_a_broken_claim_stands_out(tmp_path, capsys):
    finished(tmp_path, ("a", 1.0, "at most 2", True), ("wrong", 3.0, "at most 2", False), ("said", 5.0), fails="wrong")
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"a +1  at most 2", next(line for line in lines if line.startswith("a ")))
    assert re.fullmatch(r"wrong +3  at most 2   <-- does not hold", next(line for line in lines if line.startswith("wrong")))
    assert re.fullmatch(r"said +5", next(line for line in lines if line.startswith("said")))
    assert f"Results are in {tmp_path}/: some_claim.png, summary.json, checkpoint.npz" in lines


def test_the_exit_status_of_a_bound_that_does_not_hold_is_1(tmp_path):
    with pytest.raises(SystemExit) as end:
        finished(tmp_path, ("a", 1.0, "2", False))
    assert isinstance(end.value.code, str)  # a message: Python exits with 1


@pytest.mark.parametrize(
    ("bound", "arguments", "words", "right", "wrong"),
    [
        ("at_most", (2.0,), "at most 2", (2.0, -5.0), (2.001, math.nan, math.inf)),
        ("at_least", (2.0,), "at least 2", (2.0, math.inf), (1.999, math.nan)),
        ("between", (1.0, 2.0), "from 1 to 2", (1.0, 2.0), (0.99, 2.01, math.nan)),
    ],
)
def test_a_bound_is_said_and_judged_by_the_same_number(tmp_path, bound, arguments, words, right, wrong):
    found = begun(tmp_path)
    for i, value in enumerate([*right, *wrong]):
        getattr(found, bound)(str(i), value, *arguments)
    assert set(found.expected.values()) == {words}
    assert list(found.holds.values()) == [True] * len(right) + [False] * len(wrong)


def test_a_comparison_is_noted_with_its_interval_and_judged_by_its_words(tmp_path):
    found, helps, nothing = begun(tmp_path), compare([1, 1.1, 0.9], [3, 3.1, 2.9]), compare([1, 2, 3], [1, 2, 3.1])
    found.compare("a", helps, {HELPS})
    found.compare("b", nothing, {HELPS})
    found.compare("c", nothing, {HELPS, NOTHING})
    found.compare("d", nothing)
    assert found.holds == {"a": True, "b": False, "c": True}
    assert found.metrics["a"] == pytest.approx(-2)
    assert found.metrics["a low"] < -2 < found.metrics["a high"] < 0
    assert found.expected["a"].endswith("helps (expected: helps)")
    assert found.expected["d"].endswith("no difference beyond chance")


def test_of_a_nan_no_comparison_holds(tmp_path):
    found = begun(tmp_path)
    found.compare("a", compare([math.nan, 1, 2], [1, 2, 3]), {HURTS, NOTHING})
    assert found.holds == {"a": False}


def test_a_verdict_is_not_replaced_by_another_figure_of_the_same_name(tmp_path):
    found = begun(tmp_path)
    found.note("a", 3.0, "reported")
    found.at_most("a", 3.0, 2.0)  # what was only reported may be judged
    for value, bound in ((3.0, 4.0), (1.0, 2.0)):
        with pytest.raises(ValueError, match="there is already a metric 'a'"):
            found.at_most("a", value, bound)
    found.note("nan", math.nan, "reported")
    found.at_most("nan", math.nan, 2.0)
    assert not found.holds.pop("nan")
    assert math.isnan(found.metrics.pop("nan"))
    found.note("b", 3.0)
    with pytest.raises(ValueError, match="there is already a metric 'b'"):
        found.note("b", 4.0)
    assert (found.metrics, found.holds) == ({"a": 3.0, "b": 3.0}, {"a": False})


def test_a_quick_run_judges_only_what_it_can_show_and_says_so(tmp_path):
    found = begun(tmp_path, "--quick")
    found.at_most("a", 5.0, 2.0)
    found.at_most("b", 5.0, 2.0, quick=True)
    assert not found.judged
    assert found.holds == {"b": False}
    assert found.expected == {"a": "at most 2: not judged by a quick run", "b": "at most 2"}
    with pytest.raises(ValueError, match="there is already a metric 'a'"):  # as in a full run
        found.at_most("a", 5.0, 6.0)


def test_fewer_steps_than_the_settings_are_not_judged_either(tmp_path):
    found = begun(tmp_path, "--steps", "9", steps=10)
    assert found.settings["steps"] == 9
    assert found.schedule == 10
    found.at_most("a", 5.0, 2.0)
    assert found.expected == {"a": "at most 2: not judged by a short run"}
    assert begun(tmp_path, "--steps", "11", steps=10).judged


def test_a_picture_says_what_was_found_and_one_of_a_quick_run_that_it_claims_nothing(tmp_path):
    for argv, title, words in (
        ((), "what was found", []),
        (["--quick"], "QUICK RUN: too short to conclude from", ["QUICK RUN"]),
    ):
        figure = plt.figure()
        begun(tmp_path, *argv).show(figure, "some_claim", "what was found")
        assert figure.get_suptitle() == title
        assert [text.get_text() for text in figure.texts if text.get_text() != title] == words


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_come_in_the_format_that_was_asked_for_and_are_let_go(tmp_path, ending):
    before = plt.get_fignums()
    finished(tmp_path, ("a", 1.0), argv=["--format", ending])
    assert (tmp_path / f"some_claim.{ending}").stat().st_size > 0
    assert (tmp_path / "some_claim.png").stat().st_size > 0  # for the page of all
    assert plt.get_fignums() == before


# --- what a demo says of its figures -----------------------------------------------------------------------------------------

DEMO = """
from dataclasses import dataclass
from demos.kit.experiment import demo
from demos.kit.runner.options import common_options

@dataclass
class Settings:
    n: int = 1

def options(about):
    options = common_options(about)
    options.add_argument("--less", action="store_true")
    return options

@demo(Settings(), {}, options=options)
def main(claim, s):
    claim.note("plain", 1.0)
    if not claim.args.less:
        claim.note("score", 2.0)

VERDICT = "True: so"
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Runs a demo of one's own, with these words, and returns its summary, if it has one."""
    (tmp_path / "own" / "some").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr("demos.catalogue.FOLDER", tmp_path / "own")
    monkeypatch.setattr("demos.catalogue.CHAPTERS", {"some": (), "other": ()})
    monkeypatch.setattr("demos.__path__", [*demos.__path__, str(tmp_path / "own")])

    def call(words, *options):
        (tmp_path / "own" / "some" / "mine.py").write_text(DEMO + words)
        try:
            importlib.import_module("demos.some.mine").main(["--out", str(tmp_path / "out"), *options])
        finally:
            running.close()
            del sys.modules["demos.some.mine"]
        return json.loads((tmp_path / "out" / "summary.json").read_text())

    return call


@pytest.mark.parametrize("options", [(), ("--quick",), ("--seed", "3")])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "it needs VERDICT and FINDING: its result in words (see demos/kit/words.py)"),
        ("FINDING = ''", "it needs VERDICT and FINDING: its result in words (see demos/kit/words.py)"),
        ("FINDING = '{score|no}'", "{score|no}: unknown format 'no'; demos/kit/words.py has a table"),
    ],
)
def test_a_demo_without_words_for_its_numbers_is_refused_before_it_trains(mine, words, says, options, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        mine(words, *options)
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(f"mine.py: {says}\n")
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_misspelt_name_is_seen_before_the_training(mine, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "quick" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "quick" / "mine" / "summary.json").write_text('{"metrics": {"plain": 1, "score": 2}}')
    with pytest.raises(SystemExit) as end:
        mine("FINDING = '{scoer}'")
    assert end.value.code == 2
    says = "mine.py: there is no metric 'scoer'; did you mean 'score'? (if it is new, run it with --quick first)\n"
    assert capsys.readouterr().err.endswith(says)
    assert mine("FINDING = '{score}'")["found"] == "2"


def test_of_two_demos_with_one_name_none_speaks_for_the_other(mine, tmp_path, capsys):
    (tmp_path / "own" / "other").mkdir()
    (tmp_path / "own" / "other" / "mine.py").write_text(DEMO)
    with pytest.raises(SystemExit) as end:
        mine("FINDING = '{score}'")
    assert end.value.code == 2
    assert capsys.readouterr().err == "demos/some/mine.py and demos/other/mine.py have the same name: rename one\n"


@pytest.mark.parametrize("options", [("--quick",), ()])
def test_words_that_fail_are_seen_in_a_quick_run_and_take_no_results_with_them(mine, options, tmp_path):
    says = "mine: FINDING: there is no metric 'scoer'; did you mean 'score'?"
    with pytest.raises(SystemExit, match=f"^{re.escape(says)}$"):
        mine("FINDING = '{scoer}'", *options)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["metrics"], "found" in summary) == ({"plain": 1.0, "score": 2.0}, False)


def test_by_other_options_metrics_may_be_missing_and_words_too(mine):
    words = "FINDING = 'a score of {score}'"
    assert mine(words)["found"] == "a score of 2"
    assert "found" not in mine(words, "--quick")
    assert "found" not in mine(words, "--less")


def test_the_options_are_those_of_all_demos(tmp_path):
    assert finished(tmp_path, ("a", 1.0), argv=["--seed", "5", "--quick"])["settings"]["seed"] == 5


# --- what is recorded ---------------------------------------------------------------------------------------------------


def test_a_recorded_run_can_be_read_and_a_digit_changed_by_hand_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    summary = finished(tmp_path, ("a", 1.5), argv=["--record"])
    words = {"found", "pictures"}  # of the code as it was then; they follow from the figures
    assert results.recorded("some_claim") == {key: value for key, value in summary.items() if key not in words}
    assert words < set(summary)
    path = tmp_path / "results" / "some_claim.json"
    path.write_text(path.read_text().replace("1.5", "1.6"))
    with pytest.raises(ValueError, match=r"was changed by hand: python -m demos some_claim --record writes it again"):
        results.recorded("some_claim")
    with pytest.raises(ValueError, match=r"other\.json is missing: python -m demos other --record writes it"):
        results.recorded("other")


@pytest.mark.parametrize("options", [["--quick"], ["--seed", "3"], ["--quick", "--seed", "3"]])
def test_only_a_full_run_by_the_default_options_is_recorded(tmp_path, capsys, options):
    with pytest.raises(SystemExit):
        begun(tmp_path, "--record", *options)
    said = capsys.readouterr().err
    assert "--record: only for a full run with the default options, without" in said
    assert all(option in said for option in options if option.startswith("--"))


# --- how they are written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(names()) - {"ladder", "speed", "engines"}))  # which are about the engine itself
def test_a_claim_tells_the_slides_sentence_in_its_docstring(name):
    first, *rest = ast.get_docstring(ast.parse(FILES[name].read_text("utf-8"))).split("\n\n")
    assert first.endswith(".")
    assert "\n" not in first
    (slide,) = [paragraph for paragraph in rest if paragraph.startswith("Slide: ")]
    assert re.fullmatch(r'Slide: ".+" .*\(.+\)\.?', " ".join(slide.split()))
    assert len(rest) > 1


@pytest.mark.parametrize("name", names())
def test_a_demo_has_tests_of_its_own(name):
    assert (Path(__file__).parents[1] / chapter_of(name) / f"test_{name}.py").is_file()
