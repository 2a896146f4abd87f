"""Demos with one word changed: --backend cupy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "cgan", "fgsm", "boltzmann"])
def test_a_demo_computes_on_the_device(name, tmp_path):
    command = [sys.executable, "-m", "demos", name, "--quick", "--backend", "cupy", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "stand_in")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads((tmp_path / "summary.json").read_text())["settings"]["backend"] == "cupy"
    assert list(tmp_path.glob("*.png"))
