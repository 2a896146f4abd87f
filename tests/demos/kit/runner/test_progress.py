"""Bars on a terminal, and lines elsewhere."""

import io
import sys

import pytest

from demos.kit.runner import progress as module
from demos.kit.runner.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves; the next line is due at once."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module._lines, "last", now[0] - module.EVERY)
    return now


def test_what_is_no_terminal_gets_a_line_from_time_to_time_and_no_carriage_returns(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    bar = progress(total=1000, desc="seed 0")
    for _ in range(4):
        for _ in range(50):
            bar.update(5)
            bar.refresh()
        clock[0] += module.EVERY
    bar.close()
    lines = sys.stderr.getvalue().splitlines()
    assert 3 <= len(lines) <= 5
    assert all(line.startswith("seed 0:") for line in lines)
    assert "\r" not in sys.stderr.getvalue()


def test_many_short_bars_make_no_more_lines_than_one(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    for i in range(100):
        assert list(progress(range(3), desc=f"seed {i}")) == [0, 1, 2]
    assert len(sys.stderr.getvalue().splitlines()) == 1


def test_a_terminal_gets_a_bar_that_is_drawn_over(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(progress(range(3), desc="seed 0")) == [0, 1, 2]
    assert terminal.getvalue().startswith("\rseed 0:   0%|")
    assert "100%" in terminal.getvalue()
