"""Several threads: the same bits on any number of them, every task once, and BLAS's own number put back."""

import os
import runpy
import threading

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import minigan as mg
from minigan.backend import threads
from minigan.ops import convolution
from minigan.optim import blocks
from tests.games import players
from tests.helpers.programs import python

NUMBERS = [(1, 1), (2, 8), (3, 2), (8, 1)]  # of minigan's threads, and of BLAS's
BLAS = threads.one_blas_thread
needs_blas = pytest.mark.skipif(not BLAS.blas, reason="this NumPy's BLAS has no known function that sets its threads")


def assert_same_bits(work):
    """work() returns equal arrays on any number of threads."""
    found, had = [], BLAS.get()
    for own, blas in NUMBERS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "COUNT", own)
            BLAS.set(blas)
            try:
                found.append([array.tobytes() for array in work()])
                assert BLAS.get() == blas or not BLAS.blas
            finally:
                BLAS.set(had)
    assert all(each == found[0] for each in found)


side = st.integers(1, 300)


@given(side, side, side, st.sampled_from(["float32", "float64"]), st.booleans())
@example(64, 784, 256, "float32", False)  # two pieces of columns
@example(784, 64, 256, "float32", True)  # two pieces of rows
@example(65, 64, 64, "float32", False)  # the first product that BLAS's own threads would share
@example(326, 8, 402, "float64", False)  # whose bits depend on the number of BLAS's threads
@example(77, 83, 188, "float64", True)
@example(1, 128, 128, "float32", False)
@example(300, 1, 300, "float32", False)
def test_a_product_is_right_and_has_the_same_bits(n, k, m, dtype, transposed):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
    a = np.asfortranarray(a) if transposed else a
    assert_same_bits(lambda: [threads.matmul(a, b)])
    np.testing.assert_allclose(threads.matmul(a, b), np.einsum("nk,km->nm", a, b), rtol=1e-3, atol=1e-3)


def test_a_number_that_is_broadcast_to_a_column_is_multiplied_by_blas_as_its_copy_is():
    a, column = np.random.default_rng(0).standard_normal((128, 64), np.float32), np.broadcast_to(np.float32(1 / 3), (64, 1))
    assert threads.matmul(a, column).tobytes() == threads.matmul(a, column.copy()).tobytes()


@pytest.mark.parametrize("name", [*players.RULES, "r1"])
def test_a_game_has_the_same_bits(name, monkeypatch):
    least = {threads: {"SMALL": 8, "SMALL_VECTOR": 8, "SHARED": 64, "PIECE": 64}, blocks: {"CHUNK": 16, "SMALL": 8}}
    for where, limit, value in [(convolution, "CHUNK", 64), *((m, *item) for m in least for item in least[m].items())]:
        monkeypatch.setattr(where, limit, value)  # threads share small work too

    def play():
        mg.seed(0)
        game = players.make("gan", r1=1.0) if name == "r1" else players.make(name)
        batches = players.minibatches("gan" if name == "r1" else name)
        for _ in range(3):
            game.step(batches)
        return [value for network in players.networks(game).values() for value in players.values(network)]

    assert_same_bits(play)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_task_is_done_once_whoever_takes_it_and_an_error_reaches_the_caller(count, monkeypatch):
    monkeypatch.setattr(threads, "COUNT", count)
    assert threads.over(range(7), lambda i: 2 * i) == [2 * i for i in range(7)]
    assert threads.over([], print) == []
    for wrong in range(3):
        done = []

        def work(i, done=done, wrong=wrong):
            done.append(i)
            if i == wrong:
                raise KeyError(i)

        with pytest.raises(KeyError, match=str(wrong)):
            threads.over(range(3), work)
        assert BLAS.inside == 0
        if count > 1:
            assert sorted(done) == [0, 1, 2]


def test_two_threads_work_side_by_side_with_numpys_settings_and_one_that_is_held_up_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(threads, "COUNT", 2)
    together = threading.Barrier(2)  # which nobody passes alone
    with np.errstate(divide="call"):
        found = threads.over(range(2), lambda i: (together.wait(60), threading.current_thread().name, np.geterr()["divide"]))
    assert sorted(name == threading.current_thread().name for _, name, _ in found) == [False, True]
    assert {divide for *_, divide in found} == {"call"}
    held = threading.Event()
    threads._helpers(1).put(lambda: held.wait(60))  # the only other thread
    for _ in range(3):
        assert threads.over(range(4), lambda i: threading.current_thread().name) == [threading.current_thread().name] * 4
    assert threads._helpers(1).qsize() <= 1
    held.set()


@needs_blas
def test_blas_has_one_thread_inside_and_as_many_as_before_outside_also_for_two_at_once():
    had = BLAS.get()
    BLAS.set(3)
    try:
        with BLAS:
            with BLAS:
                assert BLAS.get() == 1
            assert BLAS.get() == 1
        assert BLAS.get() == 3
        with pytest.raises(ZeroDivisionError), BLAS:
            _ = 1 / 0
        assert BLAS.get() == 3
    finally:
        BLAS.set(had)


@needs_blas
@pytest.mark.parametrize(("value", "count"), [("3", 3), (" 2 ", 2), ("1024", 1024), ("", threads._cores())])
def test_the_number_of_threads_is_the_environments_or_that_of_the_cores(value, count, monkeypatch):
    monkeypatch.setenv("MINIGAN_THREADS", value)
    found = runpy.run_path(threads.__file__)
    assert found["COUNT"] == count
    assert found["WHY"].startswith(f"{count} thread")


@needs_blas
@pytest.mark.parametrize("value", ["x", "0", "-1", "1e9", "2.0", "1000000000", "²", "9" * 5000])
def test_a_number_of_threads_that_cannot_be_is_named_with_its_variable(value, monkeypatch):
    monkeypatch.setenv("MINIGAN_THREADS", value)
    with pytest.raises(ValueError, match=f"^MINIGAN_THREADS is '{value[:40]}'; expected a whole number from 1 to 1024"):
        runpy.run_path(threads.__file__)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_the_cores_are_those_of_the_affinity_and_of_the_containers_quota(files, cores, monkeypatch, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "CGROUP", tmp_path)
    assert threads._cores() == cores


def test_without_a_known_blas_there_is_one_thread(monkeypatch):
    monkeypatch.setattr(BLAS, "blas", "")
    assert threads._count()[0] == 1


FORKED = """
import os, threading, time
import numpy as np
import minigan as mg
from minigan.backend import threads

def hold():
    with threads.adding_gradients:
        held.set()
        time.sleep(0.3)

assert threads.over(range(4), abs) == [0, 1, 2, 3]
held = threading.Event()
threading.Thread(target=hold).start()
held.wait()
if os.fork() == 0:
    x = mg.Tensor(np.ones(2), requires_grad=True)
    (x * 2.0).sum().backward()
    os._exit(int(x.grad.numpy().sum()) if threads.over(range(4), abs) == [0, 1, 2, 3] else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_that_is_forked_while_another_thread_adds_gradients_has_threads_of_its_own_and_is_not_stuck():
    done = python("-W", "ignore", "-c", FORKED, MINIGAN_THREADS="2")
    assert done.stdout == "4\n", done.stderr
