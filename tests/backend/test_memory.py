"""The settings of malloc: changed where there are any, unless the user says no; and nobody hears of it."""

import ctypes
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from minigan.backend import memory


def answers(monkeypatch, *results):
    """A C library whose mallopt gives these answers, one after another; returns the list of calls."""
    monkeypatch.delenv("MINIGAN_KEEP_MEMORY", raising=False)
    calls, left = [], iter(results)

    def mallopt(setting, value):
        calls.append((setting, value))
        return next(left)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    return calls


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or sys.maxsize < 2**32, reason="no 64-bit glibc")
def test_glibc_takes_the_settings(monkeypatch, capfd):
    monkeypatch.delenv("MINIGAN_KEEP_MEMORY", raising=False)
    assert memory.keep() is True
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("results", [(1, 1), (0, 1), (1, 0), (0, 0)])
def test_both_thresholds_are_set_and_a_refused_setting_is_said(results, monkeypatch):
    calls = answers(monkeypatch, *results)
    assert memory.keep() is (results == (1, 1))
    assert results != (1, 1) or sorted(calls) == [(-3, 32 * 2**20), (-1, 2**30)]  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


@pytest.mark.parametrize(("value", "kept"), [("0", False), ("1", True), ("", True)])
def test_the_user_can_say_no(value, kept, monkeypatch):
    calls = answers(monkeypatch, 1, 1)
    monkeypatch.setenv("MINIGAN_KEEP_MEMORY", value)
    assert memory.keep() is kept
    assert bool(calls) is kept


@pytest.mark.parametrize("error", [OSError, AttributeError, TypeError, None])  # no library, Windows; no mallopt
def test_elsewhere_nothing_happens(error, monkeypatch, capfd):
    def none(name):
        if error:
            raise error

    monkeypatch.delenv("MINIGAN_KEEP_MEMORY", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", none)
    assert memory.keep() is False
    assert capfd.readouterr() == ("", "")


def test_importing_minigan_leaves_the_process_alone():
    program = """
import ctypes
looked, real = [], ctypes.CDLL
def watched(name, *args, **options):
    looked.append(name)
    return real(name, *args, **options)
import numpy, subprocess, concurrent.futures
ctypes.CDLL = watched
import minigan
assert None not in looked, looked
minigan.memory.keep()
assert None in looked, looked
"""
    environment = {key: value for key, value in os.environ.items() if key != "MINIGAN_KEEP_MEMORY"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
