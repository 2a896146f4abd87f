"""Where arrays live: choosing a backend, what is said where there is no CuPy, the environment, and arrays themselves."""

import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import minigan as mg
from minigan import backend


@pytest.fixture
def stand_in(monkeypatch):
    """A module that answers to the name cupy and computes: numpy itself."""
    monkeypatch.setitem(sys.modules, "cupy", np)
    return np


def python(code, **environment):
    """Run the code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


# --- choosing -----------------------------------------------------------------------------------------------------------


def test_numpy_is_the_start():
    assert (backend.name(), backend.xp()) == ("numpy", np)


def test_using_chooses_for_the_block_only(stand_in):
    with backend.using("cupy"):
        assert backend.name() == "cupy"
        assert backend.xp() is stand_in
    assert backend.name() == "numpy"


def test_using_nests(stand_in):
    with backend.using("cupy"):
        with backend.using("numpy"):
            assert backend.name() == "numpy"
        assert backend.name() == "cupy"


def test_using_restores_after_an_exception(stand_in):
    with pytest.raises(ZeroDivisionError), backend.using("cupy"):
        raise ZeroDivisionError
    assert (backend.name(), backend.xp()) == ("numpy", np)


def test_use_lasts(stand_in):
    backend.use("cupy")
    try:
        assert backend.name() == "cupy"
    finally:
        backend.use("numpy")
    assert backend.name() == "numpy"


def test_a_new_thread_starts_with_what_use_chose_and_chooses_for_itself(stand_in):
    seen = []

    def work():
        seen.append(backend.name())
        with backend.using("numpy"):
            seen.append(backend.name())

    backend.use("cupy")
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == ["cupy", "numpy"]
        assert backend.name() == "cupy"
    finally:
        backend.use("numpy")


@pytest.mark.parametrize("choose", [backend.use, lambda name: backend.using(name).__enter__()], ids=["use", "using"])
def test_an_unknown_backend_is_refused_and_changes_nothing(choose):
    with pytest.raises(backend.BackendError, match="unknown backend 'jax': choose 'numpy' or 'cupy'"):
        choose("jax")
    assert backend.name() == "numpy"


# --- cupy that cannot work ----------------------------------------------------------------------------------------------


def test_a_missing_cupy_is_reported_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(backend.BackendError, match=r"cannot be imported.*pip install 'minigan\[cuda12\]'"):
        backend.use("cupy")
    assert backend.name() == "numpy"


def test_a_cupy_without_a_driver_is_reported_at_once(monkeypatch):
    fake = types.ModuleType("cupy")

    def zeros(*shape):
        raise RuntimeError("cudaErrorInsufficientDriver")

    fake.zeros = zeros
    monkeypatch.setitem(sys.modules, "cupy", fake)
    with pytest.raises(backend.BackendError, match=r"installed but cannot compute .*InsufficientDriver.*NVIDIA GPU"):
        backend.use("cupy")
    assert backend.name() == "numpy"


def test_using_a_missing_cupy_leaves_the_backend_as_it_was(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(backend.BackendError), backend.using("cupy"):
        pass
    assert (backend.name(), backend.xp()) == ("numpy", np)


# --- the environment ----------------------------------------------------------------------------------------------------


PRINT_NAME = "import sys, types; {setup}; from minigan import backend; print(backend.name())"


@pytest.mark.parametrize("value", ["numpy", ""])
def test_the_environment_variable_may_name_numpy_or_be_empty(value):
    result = python(PRINT_NAME.format(setup="0"), MINIGAN_BACKEND=value)
    assert (result.stdout.strip(), result.stderr) == ("numpy", "")


def test_the_environment_variable_sets_the_start_value():
    result = python(PRINT_NAME.format(setup="import numpy; sys.modules['cupy'] = numpy"), MINIGAN_BACKEND="cupy")
    assert (result.stdout.strip(), result.stderr) == ("cupy", "")


def test_the_environment_variable_of_a_missing_cupy_is_an_error_with_the_remedy():
    result = python(PRINT_NAME.format(setup="sys.modules['cupy'] = None"), MINIGAN_BACKEND="cupy")
    assert result.returncode == 1
    assert "BackendError: cupy cannot be imported" in result.stderr
    assert "minigan[cuda12]" in result.stderr


def test_importing_minigan_needs_numpy_alone_and_leaves_cupy_be():
    code = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"matplotlib", "tqdm", "scipy", "hypothesis", "pytest", "PIL", "cupy"}:
            raise AssertionError(f"imports {name}")

sys.meta_path.insert(0, Block())
import minigan as mg
mg.Tensor([1.0, 2.0], requires_grad=True).sum().backward()
print(sorted({"cupy", "matplotlib", "scipy"} & set(sys.modules)))
"""
    result = python(code)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


# --- arrays -------------------------------------------------------------------------------------------------------------


def test_to_numpy_of_a_numpy_array_is_the_array_itself():
    a = np.ones(3)
    assert backend.to_numpy(a) is a
    assert backend.move(a, "numpy") is a


def test_copy_to_numpy_has_memory_of_its_own():
    a = np.ones(3)
    assert not np.shares_memory(backend.copy_to_numpy(a), a)


def test_writable_copies_only_what_cannot_be_written_to():
    a, view = np.ones(3), np.broadcast_to(1.0, 3)
    assert backend.writable(a) is a
    assert backend.writable(view).flags.writeable


@pytest.mark.parametrize("value", [1.0, [1.0], np.float64(1.0), mg.Tensor([1.0]), None])
def test_numbers_lists_and_tensors_are_no_arrays(value):
    assert not backend.is_array(value)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, 3, float("inf"), float("nan"), True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_is_the_number_in_the_dtype(value, dtype):
    c = backend.constant(value, dtype, np.ones(2))
    assert (c.shape, c.dtype) == ((), dtype)
    np.testing.assert_array_equal(c, dtype(value))
    assert np.signbit(c) == np.signbit(value)


def test_numpy_has_no_memory_pool():
    assert backend.memory() == {"used": 0, "held": 0}


def test_add_at_adds_for_every_repetition():
    a = np.zeros(3)
    backend.add_at(a, np.array([0, 2, 2]), np.array([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(a, [1.0, 0.0, 110.0])


def test_synchronize_has_nothing_to_do_under_numpy():
    assert backend.synchronize() is None
