"""Pieces of a range, each in a thread: all of it once, in order, and what happens around them."""

import os
import runpy
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.backend import threads


@given(st.integers(0, 50), st.integers(1, 5), st.integers(1, 60))
def test_the_pieces_are_the_range_once_and_in_order(n, count, least):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "COUNT", count)
        pieces = threads.over(n, lambda start, stop: (start, stop), least)
    assert [i for piece in pieces for i in range(*piece)] == list(range(n))
    assert len(pieces) == max(1, min(count, n // least))
    lengths = [stop - start for start, stop in pieces]
    assert len(pieces) == 1 or min(lengths) >= least
    assert max(lengths) - min(lengths) <= 1


def test_the_first_piece_is_the_callers_and_the_others_run_beside_it_with_numpys_error_settings(monkeypatch):
    monkeypatch.setattr(threads, "COUNT", 2)
    together = threading.Barrier(2)  # which nobody passes alone

    def work(start, stop):
        together.wait(60)
        return threading.current_thread().name, np.geterr()

    with np.errstate(over="ignore", divide="call"):
        (first, here), (second, there) = threads.over(2, work)
    assert first == threading.current_thread().name
    assert second.startswith("minigan")
    assert here == there
    assert (there["over"], there["divide"]) == ("ignore", "call")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("where", [0, 1])
def test_an_exception_in_any_piece_reaches_the_caller(where, count, monkeypatch):
    monkeypatch.setattr(threads, "COUNT", count)

    def work(start, stop):
        if where in range(start, stop):
            raise KeyError(where)

    with pytest.raises(KeyError):
        threads.over(2, work)
    assert threads.over(2, lambda start, stop: stop)[-1] == 2  # and the next call is none the worse


NO_NUMBERS = dict.fromkeys(["x", "0", "-1", "1e9", "2.0", "1000000000", "²", "9" * 5000])


@pytest.mark.parametrize(("value", "count"), [("3", 3), ("", 1), ("  ", 1), (" 2 ", 2), ("1024", 1024), *NO_NUMBERS.items()])
def test_the_number_of_threads_is_the_environments_or_named_with_its_variable(value, count, monkeypatch):
    monkeypatch.setenv("MINIGAN_THREADS", value)
    if count:
        assert runpy.run_path(threads.__file__)["COUNT"] == count
    else:
        with pytest.raises(ValueError, match=f"^MINIGAN_THREADS is '{value[:40]}'; expected a whole number from 1 to 1024"):
            runpy.run_path(threads.__file__)


FORKED = """
import os, threading, time
import numpy as np
import minigan as mg
from minigan.backend import threads

def hold():
    with threads.adding_gradients:
        held.set()
        time.sleep(0.3)

numbers = lambda start, stop: list(range(start, stop))
assert threads.over(4, numbers) == [[0, 1], [2, 3]]
held = threading.Event()
threading.Thread(target=hold).start()
held.wait()
if os.fork() == 0:
    x = mg.Tensor(np.ones(2), requires_grad=True)
    (x * 2.0).sum().backward()
    os._exit(int(x.grad.numpy().sum()) if threads.over(4, numbers) == [[0, 1], [2, 3]] else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_that_is_forked_while_another_thread_adds_gradients_has_threads_of_its_own_and_is_not_stuck():
    command, environment = [sys.executable, "-W", "ignore", "-c", FORKED], os.environ | {"MINIGAN_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "4\n", done.stderr
