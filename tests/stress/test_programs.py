"""Random programs (see `programs`): a hundred by default, 60,000 and many threads with -m stress."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigan as mg
from tests.stress import programs
from tests.stress.programs import check, make_program

SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=14)
PROGRAMS = st.builds(make_program, SEEDS, st.sampled_from(["float64"] * 7 + ["float32"]))


def examples(count):
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _no_collector():
    """What outlives its program is found at once, or not at all."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.mark.slow
@examples(150)
@given(PROGRAMS)
def test_random_programs_are_right(program):
    check(program)


@pytest.mark.stress
@pytest.mark.parametrize("part", range(60))
@examples(1000)
@given(PROGRAMS)
def test_many_random_programs_are_right(part, program):
    check(program)


# --- threads ------------------------------------------------------------------------------------------------------------


def in_threads(work, count=4):
    """work(k) in as many threads at once."""
    barrier = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda k: (barrier.wait(), work(k)), range(count)))


def drawn(seeds, first=None):
    """A program for each seed."""
    return [make_program(np.random.default_rng(seed).integers(0, 2**32, 8), first=first) for seed in seeds]


def threads_of_their_own(start, each):
    in_threads(lambda k: [check(p) for p in drawn(range(start + k * each, start + (k + 1) * each))])


def threads_that_share_a_leaf(seed, passes):
    """Each thread's program begins with the same tensor, whose gradient must be the sum of all."""
    first = np.random.default_rng(seed).uniform(0.3, 1.5, (3, 3)).round(3)
    shared, expected, todo = mg.Tensor(first.copy(), requires_grad=True), np.zeros((3, 3)), []
    for program in drawn(range(1000 * seed, 1000 * seed + 40), first):
        known = programs.numpy_run(program)[1]
        values = programs.minigan_run(program, known)
        if len(todo) < 4 and values[-1].requires_grad and not values[-1].is_leaf:
            expected += passes * mg.grad(values[-1].sum(), values[0])[0].numpy()
            todo.append((program, known))

    def work(k):
        for _ in range(passes):
            programs.minigan_run(*todo[k], {0: shared})[-1].sum().backward()

    in_threads(work, len(todo))
    np.testing.assert_allclose(shared.grad.numpy(), expected, rtol=1e-9, atol=1e-9)


def test_threads_do_not_disturb_one_another():
    threads_of_their_own(0, 10)
    threads_that_share_a_leaf(0, 20)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(1, 41))
def test_many_threads_do_not_disturb_one_another(seed):
    threads_of_their_own(1000 * seed, 50)
    threads_that_share_a_leaf(seed, 50)
