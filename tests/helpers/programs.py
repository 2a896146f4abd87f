"""Python in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(*arguments, cwd=ROOT, timeout=300, **environment):
    """A Python with these arguments and variables, when it has ended: its returncode, its stdout and its stderr."""
    command, variables = [sys.executable, *map(str, arguments)], os.environ | environment
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=timeout, check=False)
