"""Where the tests of this folder compute: on CuPy's stand-in and, marked `gpu`, on CuPy itself."""

import importlib.util
import sys
from pathlib import Path

import pytest

from minigan import backend

STAND_IN = Path(__file__).parents[1] / "stand_in" / "cupy.py"


@pytest.fixture(scope="session")
def stand_in_module():
    """The stand-in, not yet in CuPy's place."""
    spec = importlib.util.spec_from_file_location("cupy", STAND_IN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stand_in(stand_in_module, monkeypatch):
    """The stand-in in CuPy's place, its counts at 0. The backend is NumPy still."""
    monkeypatch.setitem(sys.modules, "cupy", stand_in_module)
    stand_in_module.transfers.clear()
    return stand_in_module


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request):
    """The array module of a device, which `backend.using("cupy")` finds."""
    if request.param == "stand-in":
        return request.getfixturevalue("stand_in")
    try:
        with backend.using("cupy"):
            return backend.xp()
    except backend.BackendError as error:
        pytest.skip(str(error))
