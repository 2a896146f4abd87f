"""Where arrays live: choosing a backend, what is said where there is no CuPy, the environment, and arrays themselves."""

import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import minigan as mg
from demos.__main__ import main
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


def test_using_chooses_for_the_block_only_nests_and_restores_after_an_exception(stand_in):
    assert (backend.name(), backend.xp()) == ("numpy", np)

    def fail():
        with backend.using("cupy"):
            with backend.using("numpy"):
                assert backend.name() == "numpy"
            assert (backend.name(), backend.xp()) == ("cupy", stand_in)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (backend.name(), backend.xp()) == ("numpy", np)


def test_use_lasts_and_a_new_thread_starts_with_it_and_chooses_for_itself(stand_in):
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
    assert backend.name() == "numpy"


@pytest.mark.parametrize("choose", [backend.use, lambda name: backend.using(name).__enter__()], ids=["use", "using"])
def test_an_unknown_backend_is_refused_and_changes_nothing(choose):
    with pytest.raises(backend.BackendError, match="unknown backend 'jax': choose 'numpy' or 'cupy'"):
        choose("jax")
    assert backend.name() == "numpy"


# --- cupy that cannot work ----------------------------------------------------------------------------------------------


def not_found(library):
    return f'Failure finding "{library}": No such file: {library}, No such file: {library}\n'


LIBRARIES = "NVIDIA's NVRTC and cuBLAS: pip install 'minigan[cuda12]' (or 'minigan[cuda13]'); before CuPy 14, a CUDA toolkit"
DRIVER = "an NVIDIA GPU and NVIDIA's driver"
FILE = "cannot open shared object file: No such file or directory"
MISSING = {  # by what is not there: where CuPy (14.2 or 13.6) notices it, what it raises, and what is to be installed
    "CuPy": ("import", "ModuleNotFoundError", "No module named 'cupy'", "CuPy: pip install 'minigan[cuda12]'"),
    "driver": ("zeros", "CUDARuntimeError", "cudaErrorInsufficientDriver: CUDA driver version is insufficient", DRIVER),
    "GPU": ("zeros", "CUDARuntimeError", "cudaErrorNoDevice: no CUDA-capable device is detected", DRIVER),
    "NVRTC 14": ("add", "DynamicLibNotFoundError", not_found("libnvrtc.so.13 or libnvrtc.so.12"), LIBRARIES),
    "NVRTC 13": ("add", "RuntimeError", f"CuPy failed to load libnvrtc.so.12: OSError: libnvrtc.so.12: {FILE}", LIBRARIES),
    "headers 13": ("add", "CompileException", 'cupy/carray.cuh(57): cannot open "cuda_fp16.h"\n  #include ...\n', LIBRARIES),
    "cuBLAS 14": ("matmul", "ImportError", not_found("libcublasLt.so.13 or libcublasLt.so.12"), LIBRARIES),
    "cuBLAS 13": ("matmul", "ImportError", f"libcublas.so.12: {FILE}", LIBRARIES),
}
FAKE = """
class CUDARuntimeError(RuntimeError): pass
class DynamicLibNotFoundError(RuntimeError): pass
class CompileException(Exception): pass

tried = []

def fails_at(place):
    tried.append(place)
    if place == {place!r}:
        raise {error}({text!r}) from OSError("deep within")

class ndarray:
    def __add__(self, other): return fails_at("add") or self
    def __matmul__(self, other): return fails_at("matmul") or self
    def __getitem__(self, index): return 0.0

def zeros(shape, dtype): return fails_at("zeros") or ndarray()

fails_at("import")
"""


@pytest.fixture(params=MISSING)
def missing(request, tmp_path, monkeypatch):
    """A CuPy that lacks something, to be imported here or by PYTHONPATH; and what is to be said: what is missing, and why."""
    place, error, text, needs = MISSING[request.param]
    (tmp_path / "cupy.py").write_text(FAKE.format(place=place, error=error, text=text))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setitem(sys.modules, "cupy", None)  # to be as it was after the test
    del sys.modules["cupy"]
    return needs, " ".join(text.split())


def assert_said(message, missing):
    needs, why = missing
    assert f"the cupy backend needs {needs}" in message
    assert message.endswith(f"({why})")
    assert "\n" not in message


@pytest.mark.parametrize("choose", [backend.use, lambda name: backend.using(name).__enter__()], ids=["use", "using"])
def test_what_is_missing_is_said_at_once_with_what_to_install(missing, choose):
    with pytest.raises(backend.BackendError) as error:
        choose("cupy")
    assert_said(str(error.value), missing)
    assert (error.value.__cause__, error.value.__suppress_context__) == (None, True)  # CuPy's own traceback is not shown
    assert (backend.name(), backend.xp()) == ("numpy", np)


@pytest.mark.parametrize("missing", ["headers 13"], indirect=True)
def test_what_is_missing_is_said_where_the_environment_asks_for_cupy(missing):
    result = python("import minigan", MINIGAN_BACKEND="cupy")
    *lines, last = result.stderr.strip().split("\n")
    assert (result.returncode, lines.count("Traceback (most recent call last):")) == (1, 1)
    assert last.startswith("minigan.backend.BackendError: MINIGAN_BACKEND=cupy: the cupy backend needs")
    assert_said(last, missing)


@pytest.mark.parametrize("missing", ["headers 13"], indirect=True)
def test_what_is_missing_is_said_on_one_line_where_a_demo_is_asked_for_cupy(missing, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["gan", "--backend", "cupy", "--quick", "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err.startswith("python -m demos gan: --backend cupy: the cupy backend needs")
    assert_said(said.err.removesuffix("\n"), missing)
    assert not (tmp_path / "out").exists()


def test_cupy_is_tried_once(monkeypatch):
    fake = types.ModuleType("cupy")
    exec(FAKE.format(place="nowhere", error="Exception", text=""), vars(fake))
    monkeypatch.setitem(sys.modules, "cupy", fake)
    for _ in range(2):
        with backend.using("cupy"):
            assert backend.xp() is fake
    assert fake.tried == ["import", "zeros", "add", "matmul"]


# --- the environment ----------------------------------------------------------------------------------------------------


FAKE_CUPY = "import sys, numpy; sys.modules['cupy'] = numpy; from minigan import backend; print(backend.name())"
UNKNOWN = "minigan.backend.BackendError: MINIGAN_BACKEND=jax: unknown backend 'jax': choose 'numpy' or 'cupy'"


@pytest.mark.parametrize(("value", "name", "error"), [("", "numpy", ""), ("cupy", "cupy", ""), ("jax", "", UNKNOWN)])
def test_the_environment_variable_sets_the_start_value(value, name, error):
    result = python(FAKE_CUPY, MINIGAN_BACKEND=value)
    assert (result.stdout.strip(), result.stderr.strip().split("\n")[-1]) == (name, error)


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


def test_numpys_arrays_are_copied_only_where_that_is_asked_for_or_needed():
    a = np.ones(3)
    assert backend.to_numpy(a) is backend.move(a, "numpy") is backend.writable(a) is a
    assert not np.shares_memory(backend.copy_to_numpy(a), a)
    assert backend.writable(np.broadcast_to(1.0, 3)).flags.writeable


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


# --- one formula, one kernel --------------------------------------------------------------------------------------------------


@backend.fused
def moved(x, g, rate):
    """x moved against g, in place, and how far it has moved."""
    x -= rate * g
    return rate * g


@backend.fused
def product(x, factor):
    return factor * x


def test_under_numpy_a_fused_formula_is_the_formula():
    x, g = np.ones(3), np.arange(3.0)
    assert moved(x, g, 0.5).tolist() == [0.0, 0.5, 1.0]
    assert x.tolist() == [1.0, 0.5, 0.0]
    assert moved.__doc__.startswith("x moved against g")


def test_numpys_scalars_are_numpys():
    """NumPy makes them of arrays of shape (): 2 * g, which a user's rule hands on to the rule that it is made of."""
    found = product(2 * np.array(1.5, np.float32), 2.0)
    assert (found, found.dtype) == (6.0, np.float32)


def test_under_cupy_it_is_one_kernel_that_is_made_once_and_gets_numbers_of_its_arrays_dtype(monkeypatch):
    made, got = [], []

    def fuse(formula):
        made.append(formula)
        return lambda *args: got.append([type(a) for a in args])

    cupy = types.ModuleType("cupy")
    cupy.fuse = fuse
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    x = types.SimpleNamespace(dtype=np.dtype("float16"))
    for rate in (0.5, 1):
        moved(x, x, rate)
    assert [formula.__name__ for formula in made] == ["moved"]
    assert [kinds[2] for kinds in got] == [np.float16, np.float16]
