"""`python -m demos`: a command finds each demo by its short name, and needs no packages for their list."""

from pathlib import Path

import pytest

from demos import catalogue
from tests.helpers.programs import python

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
    found = python("-S", "-c", FIND.format(["python", *command.split()])).stdout.splitlines()
    files = ["None" if "pytest" in command else str(catalogue.file_of(name)) for name in catalogue.names()]
    assert [str(Path(line)) for line in found] == files
