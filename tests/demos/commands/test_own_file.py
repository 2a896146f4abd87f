"""A user's own experiment: written by `new`, run by its path, resumed bit for bit, swept; and files that are refused."""

import json
import sys

import pytest

from demos.__main__ import main
from demos.commands.own_file import TEMPLATE, module_of_file
from tests.helpers.programs import ROOT, python

OWN = TEMPLATE.read_text("utf-8")


def demos(folder, *options):
    done = python("-m", "demos", *options, cwd=folder, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_new_experiment_runs(tmp_path):
    assert "mine.py is written" in demos(tmp_path, "new", "mine")
    demos(tmp_path, "mine.py", "--quick", "--seeds", "2")
    out = tmp_path / "runs" / "quick" / "mine"
    found = json.loads((out / "summary.json").read_text("utf-8"))
    assert found["settings"]["seeds"] == 2
    assert (out / "index.html").read_text("utf-8").count('src="data:image/png;base64,') == len(found["pictures"]) == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent", None, "there is no file absent.py"),
        ("broken", "def (", "broken.py cannot be read: line 1"),
        ("empty", "x = 1\n", "declares no experiment: put @demo"),
        ("files/json", "x = 1\n", "has the name of another module"),
        ("a file", OWN, "'a file' is not a name for a Python module"),
        ("mine", OWN, "--record: only for the demos"),
        ("no_instance", OWN.replace("@demo(Settings(),", "@demo(Settings,"), "expected an instance of a dataclass"),
        ("no_field", OWN.replace('{"steps"', '{"stesp"'), "demo: quick has stesp, which Settings has not"),
    ],
)
def test_other_files_are_refused_in_one_line(name, text, message, here, capsys):
    (here / "files").mkdir()
    if text is not None:
        (here / f"{name}.py").write_text(text, "utf-8")
    with pytest.raises(SystemExit, match=r"^2$"):
        main([f"{name}.py", "--record"])
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_file_that_has_changed_is_read_again(here):
    for text in ("of one", "of another"):
        (here / "changing.py").write_text(f"{OWN}TEXT = {text!r}\n", "utf-8")
        assert text == module_of_file("changing.py").TEXT
