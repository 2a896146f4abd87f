"""--guess: which number is asked for, in which words; what is read, kept, compared and refused."""

import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from demos.__main__ import main
from demos.catalogue import module_of, names
from demos.gradients import saddle
from demos.kit.runner import guess, results
from demos.kit.words import FIELD, say
from tests.demos.running import summary_of

pytestmark = pytest.mark.usefixtures("empty_folder")
ASKED = "data 0: eigenvalue - at (0, 0)"  # of saddle: -2 m


def at_the_terminal(monkeypatch, *answers):
    """What is typed; an EOFError is Ctrl-D."""
    typed = iter(answers)

    def type_next(prompt):
        if (answer := next(typed)) == "Ctrl-D":
            raise EOFError
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", type_next)


def play(*options):
    with suppress(SystemExit):  # in so few steps it need not arrive
        saddle.main(["--quick", "--set=steps=3", "--out", "out", *options])
    return summary_of(Path("out"))


@pytest.mark.parametrize("name", names())
def test_every_demo_asks_for_a_number_of_its_finding_and_fills_no_number_in(name):
    record, finding = results.recorded(name), module_of(name).FINDING
    metric, words, _ = guess.question(finding, record["holds"])
    assert float(say(f"{{{metric}|.9g}}", record["metrics"])) > -1e9
    parts = re.split(r"____|[.]{3}", words)
    assert len(parts) > 1
    assert all(part.strip() in FIELD.sub("|", finding) for part in parts)


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        ("At least {a|>} of 8, {b} of 9.", ("a", "At least ____ of 8", False)),
        ("From {a} on. Of them, {b|>%} (of 1,024) are.", ("b", "Of them, ____", True)),
        ("It {b|higher}: {a ÷ c|.1f} times, not {c}", ("a ÷ c", "It ...: ____ times", False)),
    ],
)
def test_the_first_number_with_a_bound_is_asked_for_in_the_words_up_to_the_end_of_its_clause(finding, expected):
    assert guess.question(finding, {expected[0]}) == guess.question(finding, {"b"} & {expected[0]}) == expected


def test_a_person_is_asked_until_it_is_a_number_and_a_resumed_run_asks_nobody(monkeypatch, capsys):
    at_the_terminal(monkeypatch, "two", "-1.5")
    expected = {"metric": ASKED, "names": [], "guesses": [-1.5]}
    summary = play("--guess")
    assert summary["guess"] == expected
    before, after = capsys.readouterr().out.split("expected a number")
    value = f"{summary['metrics'][ASKED]:.4g}"
    assert "Does the loss have a saddle point?" in before
    assert value not in before
    assert f"guess: -1.5   bound: {summary['expected'][ASKED]}   measured: {value}" in after
    for options in ((), ("--guess",)):
        assert play("--resume", *options)["guess"] == expected


def test_a_classs_guesses_are_read_compared_and_drawn_but_not_recorded(monkeypatch, tmp_path, capsys):
    (tmp_path / "class.csv").write_text("\ufeffname,guess\nAnn,-1\n\nBob , -3e0\n")
    summary = play("--guess", "class.csv")
    assert summary["guess"] == {"metric": ASKED, "names": ["Ann", "Bob"], "guesses": [-1.0, -3.0]}
    assert "guess: median -2, from -3 to -1   bound" in capsys.readouterr().out
    assert (tmp_path / "out" / "guesses.png").stat().st_size > 1000
    monkeypatch.setattr(results, "FOLDER", tmp_path / "records")
    results.record("saddle", summary)
    assert "guess" not in results.recorded("saddle")


@pytest.mark.parametrize(
    ("text", "share", "value"), [("0.9", True, 0.9), ("90 %", True, 0.9), ("90", True, 0.9), ("6 %", False, 6)]
)
def test_a_share_may_be_a_percentage(text, share, value):
    assert guess.number(text, share) == value


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        (None, 2, "--guess asks on a terminal, and here is none"),
        ("Ctrl-D", 130, "no guess: nothing was run"),
        ("Ann,1\nBob", 2, "--guess class.csv: line 2 is not name,guess with a number"),
        ("Ann,inf", 2, "--guess class.csv: line 1 is not"),
        ("name,guess\n", 2, "--guess class.csv: line 1 is not"),
        ("", 2, "--guess none.csv: No such file or directory"),
    ],
)
def test_without_a_guess_the_program_ends_with_one_line(text, status, line, monkeypatch, tmp_path, capsys):
    (tmp_path / "class.csv").write_text(text or "")
    if text == "Ctrl-D":
        at_the_terminal(monkeypatch, text)
    file = {None: [], "Ctrl-D": [], "": ["none.csv"]}.get(text, ["class.csv"])
    with pytest.raises(SystemExit) as end:
        main(["saddle", "--quick", "--out", "out", "--guess", *file])
    assert end.value.code == status
    assert capsys.readouterr().err.strip().startswith(line)
    assert not (tmp_path / "out" / "summary.json").exists()


def test_without_a_record_there_is_nothing_to_guess(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert "guess" not in play("--guess")
    assert capsys.readouterr().err.startswith("--guess: there is nothing to guess")
