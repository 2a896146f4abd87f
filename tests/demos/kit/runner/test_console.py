"""Commands whose output is closed or not read to the end, that lack a package, or that Ctrl-C ends early."""

import os
import shlex
import subprocess
import sys

import pytest

from tests.helpers.programs import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="for a POSIX shell")


def shell(command):
    """What a shell's command line says in the clone, as (status, stdout, stderr); $python is this one."""
    line = f"python={shlex.quote(sys.executable)}; {command}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("end", ["| head -1", "<&- >&- 2>&-"])
def test_a_list_that_nobody_reads_to_its_end_is_no_error(end):
    status, said, err = shell(f"$python -S -m demos {end}")
    assert (status, err) == (0, "")
    assert said.count("\n") == 1 or not end.endswith("| head -1")


def test_a_letter_that_the_terminal_lacks_and_ctrl_c_while_packages_are_imported_are_no_traceback():
    program = """'import sys; sys.argv[0] = "-m"; import demos; print("\u03b8"); raise KeyboardInterrupt'"""
    assert shell(f"PYTHONIOENCODING=ascii $python -c {program}") == (130, "?\n", "stopped\n")


@pytest.mark.parametrize("command", ["gan", "all"])
def test_without_any_package_each_command_says_so_on_one_line(command):
    status, said, err = shell(f"$python -E -S -m demos {command}")
    assert (status, said) == (1, "")
    assert "pip install -e '.[demos]'" in err
    assert err.count("\n") == 1
