"""Demos with one word changed: --backend cupy."""

import json

import pytest

from tests.helpers.programs import ROOT, python


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "cgan", "fgsm", "boltzmann"])
def test_a_demo_computes_on_the_device(name, tmp_path):
    command = "-m", "demos", name, "--quick", "--backend", "cupy", "--out", tmp_path
    ended = python(*command, PYTHONPATH=str(ROOT / "tests" / "stand_in"))
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads((tmp_path / "summary.json").read_text())["settings"]["backend"] == "cupy"
    assert list(tmp_path.glob("*.png"))
