"""Type checkers see real types in a user's script: no error, and no Any where there is a type."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "users_script.py"
ROOT = SCRIPT.parents[2]
TENSOR, ARRAY = "minigan.engine.tensor.Tensor", "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]"
EXPECTED = {
    **dict.fromkeys(["x", "y", "z", "first", "out", "loss"], TENSOR),
    "net": "minigan.nn.module.Sequential",
    "adam": "minigan.optim.rules.Adam",
    "game": "minigan.games.gan.GAN",
    "numbers": "minigan.games.figures.Figures",
    "loss_of_d": "float",
    "gradient": f"{TENSOR} | None",
    "shape": "tuple[int, ...]",
    "parameters": f"list[{TENSOR}]",
    "checked": "bool",
    **dict.fromkeys(["points", "adversarial", "values"], ARRAY),
}


@pytest.mark.slow
def test_a_users_script_has_types(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.read_text(encoding="utf-8") + "".join(f"reveal_type({name})\n" for name in EXPECTED), "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(script)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert ": error:" not in shown, shown
    types = [t.replace("builtins.", "") for t in re.findall(r'Revealed type is "(.*)"', shown)]
    assert dict(zip(EXPECTED, types, strict=True)) == EXPECTED


def test_the_users_script_runs():
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
