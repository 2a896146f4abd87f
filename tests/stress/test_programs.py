"""Random programs (see `programs`): a hundred by default, 60,000 and many threads with -m stress."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stress.programs import check, make_program

SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=14)


@pytest.fixture(autouse=True)
def _no_collector():
    """What outlives its program is found at once, or not at all."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.mark.parametrize("part", [pytest.param(i, marks=pytest.mark.stress if i else pytest.mark.slow) for i in range(60)])
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS.map(make_program))
def test_random_programs_are_right(part, program):
    check(program)


# --- threads ------------------------------------------------------------------------------------------------------------


def work_in_threads(start, each):
    """In four threads at once."""
    barrier = threading.Barrier(4)

    def work(k):
        barrier.wait()
        for seed in range(start + k * each, start + (k + 1) * each):
            check(make_program(np.random.default_rng(seed).integers(0, 2**32, 8)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_threads_do_not_disturb_one_another():
    work_in_threads(0, 10)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(1, 41))
def test_many_threads_do_not_disturb_one_another(seed):
    work_in_threads(1000 * seed, 50)
