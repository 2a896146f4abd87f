"""Every demo notices a fault: made-up measurements, and the bounds of the demo that they break.

The rows are in `<chapter>/faults.py`: `FAULTS[demo] = [(measure, arguments, settings, broken), ...]`.
"""

from importlib import import_module

import pytest

from demos.catalogue import CHAPTERS
from tests.demos.experiments import broken, judged

TABLES = {chapter: import_module(f"tests.demos.{chapter}.faults").FAULTS for chapter in CHAPTERS}
ROWS = [(name, *row) for table in TABLES.values() for name, rows in table.items() for row in rows]


@pytest.mark.parametrize(("name", "measure", "arguments", "settings", "fails"), ROWS)
def test_a_fault_breaks_these_bounds_and_no_other(name, measure, arguments, settings, fails):
    assert broken(judged(measure, *arguments, **settings)) == fails
