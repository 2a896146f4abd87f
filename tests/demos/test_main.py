"""`python -m demos`: one demo by its name, wrong names, help; and terminals that know ASCII alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demos import catalogue
from tests.demos.running import ROOT

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def python(*arguments, **environment):
    """What a Python says in the demos' folder; its exit status is 0, or the test fails."""
    command, environment = [sys.executable, *arguments], {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr
    return done.stdout


FIND = """
import importlib.util, sys
sys.orig_argv = {!r}
from demos import catalogue
for name in catalogue.names():
    spec = importlib.util.find_spec(f"demos.{{name}}")
    print(spec and spec.origin)
"""


@pytest.mark.parametrize("command", ["-m demos.gan", "-c spawn_main() --multiprocessing-fork", "-m pytest"])
def test_a_command_and_its_processes_find_each_demo_by_its_short_name_and_other_programs_do_not(command):
    found = python("-S", "-c", FIND.format(["python", *command.split()])).splitlines()
    files = ["None" if "pytest" in command else str(catalogue.file_of(name)) for name in catalogue.names()]
    assert [str(Path(line)) for line in found] == files


@pytest.mark.parametrize("options", [(), ("--help",)])
def test_the_list_needs_no_packages_shows_in_ascii_and_needs_no_docstrings(options):
    """-E -S: without site-packages."""
    said = python("-E", "-S", "-X", "utf8", "-m", "demos", *options)
    assert "limit_cycles" in said or "python -m demos NAME [options]" in said
    assert python("-S", "-m", "demos", *options, **ASCII) == re.sub(r"[^\x00-\x7f]", "?", said)
    assert python("-S", "-OO", "-X", "utf8", "-m", "demos", *options) == said
