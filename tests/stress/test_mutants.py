"""The tests notice most of a hundred mistakes that are planted in the code, one at a time."""

import json

import pytest

from tests.helpers.programs import python

pytestmark = pytest.mark.stress
SHARE = 0.68  # of 600 mutants of seed 0, 80 % were killed; a hundred differ by 4 %, and the weakest draw by three times that


def test_most_of_100_mutants_are_killed(tmp_path):
    pytest.importorskip("coverage")
    python("-m", "tests.mutants", "record", timeout=None)
    python("-m", "tests.mutants", "run", "--count", 100, "--seed", 1, "--out", tmp_path / "rows", timeout=None)
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    survivors = [row for row in rows if not row["verdict"].startswith("killed")]
    assert len(survivors) <= (1 - SHARE) * len(rows), survivors
