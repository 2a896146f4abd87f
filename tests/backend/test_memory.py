"""The settings of malloc: changed where there are any, unless the user says no; and nobody hears of it."""

import ctypes
import platform
import sys
from types import SimpleNamespace

import pytest

from minigan.backend import memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or sys.maxsize < 2**32, reason="no 64-bit glibc")
def test_glibc_takes_the_settings(monkeypatch, capfd):
    monkeypatch.delenv("MINIGAN_KEEP_MEMORY", raising=False)
    assert memory.keep.__wrapped__() is True
    assert capfd.readouterr() == ("", "")


BOTH = [(-3, 32 * 2**20), (-1, 2**30)]  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


@pytest.mark.parametrize(
    ("value", "answers", "kept"),
    [("1", [1, 1], True), ("", [1, 1], True), ("", [0, 1], False), ("", [1, 0], False), ("0", [1, 1], False)]
    + [("", error, False) for error in (OSError, AttributeError, TypeError)],  # no library, Windows
)
def test_both_thresholds_are_set_where_there_are_any_unless_the_user_says_no(value, answers, kept, monkeypatch, capfd):
    calls = []

    def load(name):
        if not isinstance(answers, list):
            raise answers
        return SimpleNamespace(mallopt=lambda *setting: calls.append(setting) or answers[len(calls) - 1])

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setenv("MINIGAN_KEEP_MEMORY", value)
    assert memory.keep.__wrapped__() is kept
    assert not kept or sorted(calls) == BOTH
    assert value != "0" or not calls
    assert capfd.readouterr() == ("", "")
