"""Where arrays live: choosing a backend, what is said where there is no CuPy, the environment, arrays, fused formulas."""

import contextlib
import os
import sys
import threading
import types

import numpy as np
import pytest

import minigan as mg
from demos.__main__ import main
from minigan import backend
from tests.helpers.programs import python


@pytest.fixture
def stand_in(monkeypatch):
    """A module that answers to the name cupy and computes: numpy itself."""
    monkeypatch.setitem(sys.modules, "cupy", np)
    return np


def test_a_choice_holds_for_the_block_or_for_good_and_each_thread_has_its_own(stand_in):
    seen = []

    def work():
        seen.append(backend.name())
        with contextlib.suppress(ZeroDivisionError), backend.using("numpy"):
            seen.append(backend.name())
            raise ZeroDivisionError
        seen.append(backend.xp())

    backend.use("cupy")
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert (seen, backend.name()) == (["cupy", "numpy", stand_in], "cupy")
    finally:
        backend.use("numpy")
    assert (backend.name(), backend.xp()) == ("numpy", np)


CHOICES = [backend.use, lambda name, **options: backend.using(name, **options).__enter__()]


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize(
    ("name", "noise", "says"),
    [("jax", None, "unknown backend 'jax': choose 'numpy' or 'cupy'")]
    + [(name, noise, "choose None or 'numpy'") for name, noise in (("numpy", "cupy"), ("cupy", "jax"), ("numpy", 3))],
)
def test_an_unknown_backend_is_refused_and_changes_nothing(choose, name, noise, says, stand_in):
    with pytest.raises(backend.BackendError, match=says):
        choose(name, noise=noise)
    assert backend.name() == backend.noise_name() == "numpy"


LIBRARIES = "NVIDIA's NVRTC and cuBLAS: pip install 'minigan[cuda12]' (or 'minigan[cuda13]'); before CuPy 14, a CUDA toolkit"
MISSING = {  # by what is not there: where CuPy (14.2 or 13.6) notices it, what it raises, and what is to be installed
    "CuPy": ("import", "ModuleNotFoundError", "No module named 'cupy'", "CuPy: pip install 'minigan[cuda12]'"),
    "GPU": ("zeros", "CUDARuntimeError", "cudaErrorNoDevice: no CUDA-capable device", "an NVIDIA GPU and NVIDIA's driver"),
    "NVRTC": ("add", "CompileException", 'cupy/carray.cuh(57): cannot open "cuda_fp16.h"\n  #include ...\n', LIBRARIES),
    "cuBLAS": ("matmul", "ImportError", "libcublas.so.12: cannot open shared object file", LIBRARIES),
}
FAKE = """
class CUDARuntimeError(RuntimeError): pass
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


@pytest.mark.parametrize("choose", CHOICES)
def test_what_is_missing_is_said_at_once_with_what_to_install(missing, choose):
    with pytest.raises(backend.BackendError) as error:
        choose("cupy")
    assert_said(str(error.value), missing)
    assert (error.value.__cause__, error.value.__suppress_context__) == (None, True)  # CuPy's own traceback is not shown
    assert (backend.name(), backend.xp()) == ("numpy", np)


@pytest.mark.parametrize("missing", ["NVRTC"], indirect=True)
def test_what_is_missing_is_said_on_one_line_where_the_environment_or_a_demo_asks_for_cupy(missing, tmp_path, capsys):
    result = python("-c", "import minigan", MINIGAN_BACKEND="cupy")
    *lines, last = result.stderr.strip().split("\n")
    assert (result.returncode, lines.count("Traceback (most recent call last):")) == (1, 1)
    assert last.startswith("minigan.backend.BackendError: MINIGAN_BACKEND=cupy: the cupy backend needs")
    assert_said(last, missing)
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


NEEDS_NUMPY_ALONE = """
import sys, numpy

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"matplotlib", "tqdm", "scipy", "hypothesis", "pytest", "PIL", "cupy"}:
            raise AssertionError(f"imports {name}")

sys.meta_path.insert(0, Block())
import contextlib
import os
if os.environ["MINIGAN_BACKEND"]:
    sys.modules["cupy"] = numpy
import minigan as mg
mg.Tensor([1.0, 2.0], requires_grad=True).sum().backward()
print(mg.backend.name())
"""
UNKNOWN = "minigan.backend.BackendError: MINIGAN_BACKEND=jax: unknown backend 'jax': choose 'numpy' or 'cupy'"


@pytest.mark.parametrize(("value", "name", "error"), [("", "numpy", ""), ("cupy", "cupy", ""), ("jax", "", UNKNOWN)])
def test_the_environment_variable_sets_the_start_value_and_an_import_needs_numpy_alone(value, name, error):
    result = python("-W", "error", "-c", NEEDS_NUMPY_ALONE, MINIGAN_BACKEND=value)
    assert (result.stdout.strip(), result.stderr.strip().split("\n")[-1]) == (name, error)


def test_numpys_arrays_are_copied_only_where_that_is_asked_for_or_needed():
    a = np.ones(3)
    assert backend.to_numpy(a) is backend.move(a, "numpy") is backend.writable(a) is a
    assert not np.shares_memory(backend.copy_to_numpy(a), a)
    assert backend.writable(np.broadcast_to(1.0, 3)).flags.writeable
    assert not any(backend.is_array(value) for value in (1.0, [1.0], np.float64(1.0), mg.Tensor([1.0]), None))


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, 3, float("inf"), float("nan"), True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_is_the_number_in_the_dtype(value, dtype):
    c = backend.constant(value, dtype, np.ones(2))
    assert (c.shape, c.dtype, np.signbit(c)) == ((), dtype, np.signbit(value))
    np.testing.assert_array_equal(c, dtype(value))


def test_under_numpy_a_fused_formula_also_takes_the_scalars_that_numpy_makes_of_arrays():
    found = backend.fused(lambda x, factor: factor * x)(2 * np.array(1.5, np.float32), 2.0)
    assert (found, found.dtype) == (6.0, np.float32)
