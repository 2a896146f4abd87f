"""`python -m demos`: one demo by its name, wrong names, help; and terminals that know ASCII alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demos import catalogue
from demos.__main__ import main
from tests.demos.running import ROOT

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
NAMES = catalogue.names()


def python(*arguments, **environment):
    """What a Python says in the demos' folder; its exit status is 0, or the test fails."""
    command, environment = [sys.executable, *arguments], {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- one of them --------------------------------------------------------------------------------------------------------


def test_a_demo_runs_by_its_name_and_gets_the_options(monkeypatch):
    calls = []
    monkeypatch.setattr("demos.the_game.gan.main", calls.append)
    main(["gan", "--quick", "--seed", "3"])
    assert calls == [["--quick", "--seed", "3"]]


FIND = """
import importlib.util, sys
sys.orig_argv = {!r}
import demos
from demos import catalogue
for name in catalogue.names():
    spec = importlib.util.find_spec(f"demos.{{name}}")
    print(spec and spec.origin)
"""


@pytest.mark.parametrize(
    "command", ["-m demos.gan", "-m mpi4py.futures -m demos.gan", "-c spawn_main() --multiprocessing-fork"]
)
def test_a_command_and_its_processes_find_each_demo_by_its_short_name(command):
    said = python("-S", "-c", FIND.format(["python", *command.split()]))
    assert [Path(line) for line in said.splitlines()] == [catalogue.file_of(name) for name in NAMES]


def test_all_other_programs_have_one_module_of_each_demo():
    assert set(python("-S", "-c", FIND.format(["python", "-m", "pytest"])).split()) == {"None"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("gann", "there is no demo 'gann'; did you mean gan, wgan or cgan?"),
        ("boltzman", "there is no demo 'boltzman'; did you mean boltzmann?"),
        ("xyz", "there is no demo 'xyz'; python -m demos lists them"),
        ("--quick", "there is no demo '--quick'; python -m demos lists them"),
    ],
)
def test_a_wrong_name_is_answered_with_the_closest_ones(wrong, said, capsys):
    with pytest.raises(SystemExit) as end:
        main([wrong, "--quick"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("command", ["names", "readme", "-h", "--help"])
def test_a_command_without_options_says_that_it_takes_none(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "gan", "--quick"])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"python -m demos {command} takes no arguments; got gan --quick\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_explains_the_commands(option, capsys):
    main([option])
    said = capsys.readouterr().out
    for words in ("python -m demos NAME [options]", "python -m demos all [options]", "python -m demos names", "complete -W"):
        assert words in said


# --- where the terminal knows ASCII alone, or Python has been told to keep no docstrings ---------------------------------


ALL_HELP = """
from contextlib import suppress
from demos.__main__ import main
from demos.catalogue import names
for name in names():
    with suppress(SystemExit):
        main([name, "--help"])
"""


@pytest.mark.slow
def test_every_help_shows_in_ascii_with_question_marks_for_other_letters():
    said = python("-c", ALL_HELP, **ASCII)
    assert said.count("usage: python -m demos ") == len(NAMES)
    assert 'Slide: "Mode collapse ? G generates realistic data' in said


@pytest.mark.parametrize("options", [(), ("--help",), ("names",)])
def test_the_list_shows_in_ascii(options):
    said = python("-S", "-m", "demos", *options, PYTHONIOENCODING="utf-8")
    assert python("-S", "-m", "demos", *options, **ASCII) == re.sub(r"[^\x00-\x7f]", "?", said)


@pytest.mark.slow
def test_a_run_ends_well_in_ascii_in_a_folder_whose_name_is_no_text(tmp_path):
    out = os.fsencode(tmp_path) + b"/r\xe9sultats \xc3\xa9"
    said = python("-m", "demos", "detach", "--quick", "--out", out, **ASCII)
    assert "Results are in" in said
    assert os.path.isfile(out + b"/summary.json")


def test_help_needs_no_docstrings():
    said = python("-S", "-OO", "-m", "demos", "--help")
    assert said == python("-S", "-m", "demos", "--help")


@pytest.mark.slow
def test_demos_run_without_docstrings(tmp_path):
    said = python("-OO", "-c", ALL_HELP)
    assert said.count("usage: python -m demos ") == len(NAMES)
    assert "None" not in said.replace("=None", "")  # a setting's value may be
    for name in ("detach", "gan"):
        assert "Results are in" in python("-OO", "-m", "demos", name, "--quick", "--out", tmp_path / name)
    assert python("-OO", "-c", "from minigan import nn; print(nn.BatchNorm1d.__doc__)") == "None\n"
