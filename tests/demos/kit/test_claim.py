"""What the demos of single claims have in common: their frame, and how they are written."""

import ast
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from demos.__main__ import FOLDER, chapter_of, names
from demos.kit import claim
from demos.kit.run import common_options, start

FILES = {name: FOLDER / chapter_of(name) / f"{name}.py" for name in names()}
CLAIMS = [name for name, file in FILES.items() if "from demos.kit.claim import" in file.read_text("utf-8")]
every_claim = pytest.mark.parametrize("name", CLAIMS)


def finished(tmp_path, *figures, argv=()):
    """A claim with these figures, at its end."""
    args = start(common_options("a claim"), ["--out", str(tmp_path), *argv], "some_claim")
    found = claim.Claim(args, {"width": 3})
    for figure in figures:
        found.note(*figure)
    found.finish(plt.figure(), "some_claim")
    return json.loads((tmp_path / "summary.json").read_text())


def test_the_summary_has_every_figure_what_was_expected_and_whether_it_holds(tmp_path):
    summary = finished(tmp_path, ("a", 1, "1", True), ("b", 2.5, "below 2", False), ("c", 3.0), ("d", 4.0, "about 4"))
    assert set(summary) == {"settings", "metrics", "expected", "holds", "versions", "seconds"}
    assert summary["settings"] == {"width": 3, "seed": 0, "backend": "numpy"}
    assert summary["metrics"] == {"a": 1.0, "b": 2.5, "c": 3.0, "d": 4.0}
    assert summary["expected"] == {"a": "1", "b": "below 2", "d": "about 4"}
    assert summary["holds"] == {"a": True, "b": False}


def test_figures_are_printed_beside_what_was_expected_and_a_broken_claim_stands_out(tmp_path, capsys):
    finished(tmp_path, ("right", 1.0, "at most 2", True), ("wrong", 3.0, "at most 2", False), ("said", 5.0))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"right +1  at most 2", next(line for line in lines if line.startswith("right")))
    assert re.fullmatch(r"wrong +3  at most 2   <-- does not hold", next(line for line in lines if line.startswith("wrong")))
    assert re.fullmatch(r"said +5", next(line for line in lines if line.startswith("said")))
    assert f"Results are in {tmp_path}/: some_claim.png, summary.json, checkpoint.npz" in lines


def test_the_picture_has_the_claims_name_and_is_let_go(tmp_path):
    finished(tmp_path, ("a", 1.0))
    assert (tmp_path / "some_claim.png").stat().st_size > 0
    assert not plt.get_fignums()


def test_the_options_are_those_of_all_demos(tmp_path):
    assert finished(tmp_path, ("a", 1.0), argv=["--seed", "5", "--quick"])["settings"]["seed"] == 5


# --- how they are written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - {"ladder"}))  # which is about the engine itself
def test_a_claim_tells_the_slides_sentence_in_its_docstring(name):
    first, slide, *rest = ast.get_docstring(ast.parse(FILES[name].read_text("utf-8"))).split("\n\n")
    assert first.endswith(".")
    assert "\n" not in first
    assert re.fullmatch(r'Slide: ".+" .*\(.+\)\.?', " ".join(slide.split()))
    assert rest


@pytest.mark.parametrize("name", names())
def test_a_demo_has_tests_of_its_own(name):
    assert (Path(__file__).parents[1] / chapter_of(name) / f"test_{name}.py").is_file()
