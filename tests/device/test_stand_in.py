"""The stand-in refuses what CuPy refuses; and a call of the wrong module in an op, a layer or a game does not get past it."""

import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, losses, nn
from tests.games import players

A = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def a(stand_in):
    """An array of the device."""
    return stand_in.asarray(A)


# --- what it refuses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "do",
    [
        lambda a: np.asarray(a),
        lambda a: np.array([a, a]),
        lambda a: np.exp(a),
        lambda a: np.add(a, 1),
        lambda a: np.sum(a),
        lambda a: np.concatenate([a, a]),
        lambda a: np.where(a, 1, 0),
        lambda a: a + A,
        lambda a: A + a,
        lambda a: A @ a.T,
        lambda a: a.__iadd__(A),
        lambda a: a.__setitem__(0, A[0]),
        lambda a: backend.of(a).maximum(a, A),
        lambda a: backend.of(a).concatenate([a, A]),
        lambda a: backend.of(a).where(a > 0, A, a),
        lambda a: backend.of(a).full((2,), A[0, :1]),
    ],
)
def test_numpys_functions_and_arrays_and_the_devices_do_not_meet(a, do):
    with pytest.raises(TypeError):
        do(a)


@pytest.mark.parametrize("data", [["a"], [None], np.array([object()]), "abc", np.array(["a"])])
def test_there_are_no_objects_and_no_strings(stand_in, data):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        stand_in.asarray(data)


@pytest.mark.parametrize("name", ["vectorize", "nditer", "errstate", "random", "float128", "shares_memory", "save"])
def test_names_that_are_not_in_the_list_are_missing(stand_in, name):
    assert not hasattr(stand_in, name)


@pytest.mark.parametrize("reduce", [lambda a: a.sum(), lambda a: a.max(), lambda a: a[0, 0], lambda a: a.mean((0, 1))])
def test_results_without_axes_are_arrays(stand_in, a, reduce):
    found = reduce(a)
    assert type(found) is stand_in.ndarray
    assert found.shape == ()


def test_views_know_their_base_and_copies_have_none(a):
    assert a[0].base is a.T.base is a.reshape(3, 2)[1:].base is a[0, 1].base is a
    assert a.copy().base is (a + 1).base is a[[0, 1]].base is None


@pytest.mark.parametrize(
    ("do", "to_host", "to_device"),
    [
        (lambda a: a.get(), 1, 0),
        (lambda a: a.sum().item(), 1, 0),
        (lambda a: float(a.sum()), 1, 0),
        (lambda a: int(a.sum()), 1, 0),
        (lambda a: bool(a.sum() > 0), 1, 0),
        (lambda a: repr(a), 1, 0),
        (lambda a: a.tolist(), 1, 0),
        (lambda a: a[a > 2], 1, 0),
        (lambda a: a.__setitem__(a > 2, a[a > 2]), 2, 0),
        (lambda a: a.__setitem__(a > 2, 0), 0, 0),
        (lambda a: backend.of(a).asarray(A), 0, 1),
        (lambda a: backend.of(a).asarray(1.5), 0, 1),
        (lambda a: a[[0, 1]], 0, 1),
        (lambda a: backend.of(a).asarray(a), 0, 0),
        (lambda a: backend.of(a).full((), 1.5), 0, 0),
        (lambda a: (a * 2 + a.sum()).reshape(-1)[1:], 0, 0),
    ],
)
def test_transfers_are_counted(stand_in, a, do, to_host, to_device):
    stand_in.transfers.clear()
    do(a)
    assert (stand_in.transfers["to_host"], stand_in.transfers["to_device"]) == (to_host, to_device)


def test_new_memory_holds_nothing_that_one_could_rely_on(stand_in):
    assert (stand_in.empty((3,)) == 123).all()


def test_all_its_names_are_cupys_where_cupy_is_installed():
    """In another process, since loading CuPy here would take its name; no GPU is needed to look."""
    try:
        importlib.metadata.distribution(next(d for d in ("cupy-cuda12x", "cupy-cuda13x", "cupy") if _installed(d)))
    except StopIteration:
        pytest.skip("CuPy is not installed")
    code = """
import importlib.util, sys
import cupy
spec = importlib.util.spec_from_file_location("stand_in", sys.argv[1])
stand_in = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stand_in)
public = lambda thing: {name for name in vars(thing) if not name.startswith("_")}
own = {"transfers", "operator", "Counter", "SimpleNamespace"}
print(sorted(name for name in public(stand_in) - own if not hasattr(cupy, name)))
print(sorted(name for name in public(stand_in.ndarray) if not hasattr(cupy.ndarray, name)))
"""
    from tests.device.conftest import STAND_IN

    found = subprocess.run([sys.executable, "-c", code, str(STAND_IN)], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[:2] == ["[]", "[]"]


def _installed(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# --- planted mistakes -----------------------------------------------------------------------------------------------------


def test_numpy_in_an_ops_forward_pass_is_caught(stand_in):
    def planted(x):
        return mg.record("planted", np.exp(x.data), (x, lambda g, y: g * y))

    with backend.using("cupy"), pytest.raises(TypeError, match=r"numpy\.exp was called on an array of the device"):
        planted(Tensor(A))


def test_numpy_in_an_ops_derivative_is_caught(stand_in):
    def planted(x):
        return mg.record("planted", x.data * 2, (x, lambda g, y: Tensor(np.multiply(g.data, 2))))

    with backend.using("cupy"), pytest.raises(TypeError, match=r"numpy\.multiply was called on an array of the device"):
        planted(Tensor(A, requires_grad=True)).sum().backward()


def test_numpy_in_a_layer_is_caught(stand_in):
    class Planted(nn.Dense):
        def forward(self, x):
            return super().forward(x) + np.ones(2, np.float32) * np.maximum(x.data, 0).mean()

    with backend.using("cupy"), pytest.raises(TypeError, match=r"numpy\.maximum was called on an array of the device"):
        Planted(3, 2)(Tensor(A, dtype="float32"))


def test_a_buffer_of_numpys_in_a_layer_is_caught(stand_in):
    class Planted(nn.BatchNorm1d):
        def forward(self, x):
            self.running_mean = np.zeros(3, np.float32)
            return super().forward(x)

    with backend.using("cupy"), pytest.raises(TypeError):
        Planted(3)(Tensor(A, dtype="float32"))


def test_numpy_in_a_game_is_caught(stand_in):
    with backend.using("cupy"):
        game, batches = players.make("gan"), players.stream("gan")
        descend = game.descend
        game.descend = lambda rule, loss: descend(rule, loss * np.tanh(loss.data))
        with pytest.raises(TypeError, match=r"numpy\.tanh was called on an array of the device"):
            game.step(batches)


def test_a_wait_in_a_game_is_counted(stand_in):
    with backend.using("cupy"):
        game, batches, seen = players.make("gan"), players.stream("gan"), []
        descend = game.descend
        game.descend = lambda rule, loss: (seen.append(float(loss)), descend(rule, loss))
        stand_in.transfers.clear()
        game.step(batches)
    assert stand_in.transfers["to_host"] == 2


def test_a_constant_copied_in_a_loss_is_counted(stand_in):
    with backend.using("cupy"):
        v = Tensor(A, requires_grad=True)
        stand_in.transfers.clear()
        losses.generator_loss(v + Tensor(1.0)).backward()
    assert stand_in.transfers == {"to_device": 1}
