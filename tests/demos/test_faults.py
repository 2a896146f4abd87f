"""Every demo notices a fault: made-up measurements of a full run, and the bounds of the demo that they break.

The rows are in `<chapter>/faults.py`: (measure, settings, arguments inside all bounds, others that break all bounds, ...).
"""

from importlib import import_module
from pathlib import Path

import pytest

from tests.demos.experiments import broken, judged

CHAPTERS = [file.parent.name for file in sorted(Path(__file__).parent.glob("*/faults.py"))]
ROWS = [row for chapter in CHAPTERS for row in import_module(f"tests.demos.{chapter}.faults").FAULTS]


@pytest.mark.parametrize(("measure", "settings", "inside", "outside"), [(*row[:3], row[3:]) for row in ROWS])
def test_what_is_inside_breaks_no_bound_and_of_what_is_outside_each_breaks_some_and_together_all(
    measure, settings, inside, outside
):
    sound, found = judged(measure, *inside, **settings), [broken(judged(measure, *faulty, **settings)) for faulty in outside]
    assert broken(sound) == set()
    assert all(found)
    assert set().union(*found) == sound.holds.keys()
