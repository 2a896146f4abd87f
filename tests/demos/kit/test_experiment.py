"""An experiment as an object: played in one call, without the command line."""

import sys
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pytest

from demos.kit.experiment import demo
from demos.kit.runner.checkpoint import running
from tests.demos.running import coarse_pictures, summary_of


@dataclass
class Settings:
    steps: int = 40
    counts: tuple[int, ...] = (1, 2)
    lr: float = 0.1


@demo(Settings(), {"steps": 4})
def main(claim, s):
    claim.at_most("steps", s.steps, 30, quick=True)
    claim.note("seed", claim.args.seed)
    claim.note("counts", sum(s.counts))
    claim.show(plt.figure(), "empty", "Nothing")
    if s.lr == 2:
        raise ZeroDivisionError
    if s.lr == 1:
        claim.args.checkpoint.check_finite({"loss": float("nan")})


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with coarse_pictures():
        yield


def test_a_play_returns_the_claim_and_leaves_the_files_of_the_command(tmp_path):
    claim = main.play(steps=20, counts=[5, 6], seed=3, out="mine")
    assert claim.metrics == {"steps": 20, "seed": 3, "counts": 11}
    assert claim.holds == {"steps": True}
    main(["--set", "steps=20", "--set", "counts=5,6", "--seed", "3", "--out", "command"])
    files = [{path.name for path in (tmp_path / folder).iterdir()} for folder in ("mine", "command")]
    assert files[0] == files[1] == {"checkpoint.npz", "empty.png", "index.html", "summary.json"}
    for part in ("settings", "metrics", "expected", "holds", "pictures"):
        assert summary_of(tmp_path / "mine")[part] == summary_of(tmp_path / "command")[part]


def test_an_expectation_that_fails_ends_no_program():
    assert main.play(quick=True).metrics["steps"] == 4
    assert main.play().holds == {"steps": False}
    with pytest.raises(SystemExit, match=r"^test_experiment: does not hold: steps$"):
        main([])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stesp": 3}, "stesp=3: there is no such setting; did you mean steps"),
        ({"steps": 0.5}, r"steps=0.5: expected a whole number from 1 on, such as 100; now it is steps=40"),
    ],
)
def test_wrong_fields_are_refused_before_the_run(fields, message, tmp_path):
    with pytest.raises(ValueError, match=rf"^{message}"):
        main.play(**fields)
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_end_raises_what_the_command_prints():
    with pytest.raises(RuntimeError, match=r"^the run: after 0 .* there is a nan or an infinity in loss; "):
        main.play(lr=1)
    with pytest.raises(RuntimeError, match="see the line above"):
        main.play("--wrong")
    assert running.checkpoint is None


def test_an_error_of_the_experiment_leaves_the_folder_free():
    with pytest.raises(ZeroDivisionError):
        main.play(lr=2, out="mine")
    assert running.checkpoint is None
    assert main.play("--seed=3", out="mine").metrics["seed"] == 3


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_a_damaged_summary_of_a_quick_run_is_no_obstacle(text, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "FINDING", "{steps}", raising=False)
    (tmp_path / "runs" / "quick" / "test_experiment").mkdir(parents=True)
    (tmp_path / "runs" / "quick" / "test_experiment" / "summary.json").write_text(text)
    assert main.play(steps=20).metrics["steps"] == 20


@pytest.mark.parametrize("words", [None, 3, ("{steps}",), "{steps"])
def test_words_that_are_no_template_are_refused_in_one_line(words, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[__name__], "FINDING", words, raising=False)
    with pytest.raises(RuntimeError, match="see the line above"):
        main.play(quick=True)
    assert capsys.readouterr().err.startswith("test_experiment.py: ")


def test_a_finding_that_cannot_be_filled_in_is_refused_before_the_run(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[__name__], "FINDING", "{steps|zz}", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["--quick"])
    assert end.value.code == 2
    assert "test_experiment.py: {steps|zz}: unknown format 'zz'" in capsys.readouterr().err


def test_an_experiment_in_a_cell_is_played_in_one_process(monkeypatch, tmp_path):
    monkeypatch.setattr(main, "in_file", False)  # other processes cannot import it
    assert main.play(quick=True, out="cell").args.checkpoint.jobs == 1
    assert main.play("--jobs=2", out="file").args.checkpoint.jobs == 1
