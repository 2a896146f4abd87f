"""What all tests share: Hypothesis profiles, and a fixture that gives every test the same start."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

import minigan as mg
from tests.helpers.browser import Browser, executable
from tests.helpers.ranks import mpiexec  # noqa: F401 (a fixture of tests with several ranks)

_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, **_PATIENT)
settings.register_profile("ci", max_examples=25, derandomize=True, **_PATIENT)
settings.register_profile("intense", max_examples=1500, **_PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_collection_finish():
    """What has been collected stays to the end, so the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser for all tests of pages; they are skipped where there is none."""
    if not executable():
        pytest.skip("no chromium")
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _fresh_start():
    """Every test starts from seed 0, and gives the backend back as it was."""
    with mg.backend.using(mg.backend.name()):
        mg.seed(0)
        yield
