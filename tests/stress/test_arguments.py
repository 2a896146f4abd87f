"""Hostile arguments: every public function with what nobody should pass. It must refuse it in words, or compute.

The functions and their parameters are found by introspection; `FINE` has an argument that fits, by a parameter's name. One of
them, or more, is replaced by something hostile. What may come of it: a result, or one of the documented exceptions with a
message; within a minute and 500 MB, without a warning, and nothing written to what was passed.
"""

import contextlib
import decimal
import fractions
import inspect
import random
import signal
import sys
import threading
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, attacks, backend, data, games, losses, metrics, nn, ops, optim
from tests.contracts.games import GAMES, make, stream
from tests.helpers.ranks import Comm

DOCUMENTED = (ValueError, TypeError, IndexError, RuntimeError, mg.GradcheckError, data.DataError)
SECONDS, MEGABYTES = 60.0, 500

# --- what nobody should pass --------------------------------------------------------------------------------------------


LIAR = type("Liar", (), {"shape": (2, 3), "dtype": np.dtype("f4"), "ndim": 2, "size": 6, "__len__": lambda self: 2})
FLOATY = type("Floaty", (), {"__float__": lambda self: 0.5, "__index__": lambda self: 2})
ARRAYISH = type("Arrayish", (), {"__array__": lambda self, dtype=None, copy=None: np.ones((2, 3), dtype)})
REFUSING = type("Refusing", (), {"__array__": lambda self, dtype=None, copy=None: float("no")})


def _cyclic(x):
    x.append(x) if isinstance(x, list) else x.update(D=x)
    return x


def _deep(n=60):
    return 1.0 if not n else [_deep(n - 1)]


def _rule():
    return optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.1)


def leaf(*shape, dtype="float32"):
    return Tensor(np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape).astype(dtype), requires_grad=True)


INF, NAN = float("inf"), float("nan")
NUMBERS = [0, 1, -1, 2, 3, -7, 0.0, -0.0, 0.5, -0.5, 1.5, 2.0, NAN, INF, -INF, 1e300, -1e300, 1e-300, 5e-324, 1j, True, False]
NUMBERS += [np.float64(NAN), np.float32(0.5), np.float16(2), np.longdouble(2), np.int64(3), np.int8(-1), np.uint8(200)]
NUMBERS += [np.bool_(True), np.complex64(1j), decimal.Decimal("0.5"), fractions.Fraction(1, 2)]
HUGE = [2**31, 2**31 - 1, 2**62, 2**63, 2**64, 10**30, -(2**63), 10**6, 10**9, np.int64(2**62), np.uint64(2**64 - 1)]
TEXTS = ["", "xy", "0.1", "rows", "float32", "cupy", "numpy", "ij,jk", "\x00", "nan", "é" * 50, b"1.5"]
OTHERS = [
    *[lambda: None, list, tuple, object, lambda: {"a": 1.0}, lambda: {1, 2}, lambda: range(3), lambda: ..., lambda: (0, 1)],
    *[lambda: [[1.0, 2.0], [3.0, 4.0]], lambda: ["a", "b"], lambda: [1.0, None], lambda: [[1.0], [1.0, 2.0]], _deep],
    *[lambda: _cyclic([1.0]), lambda: _cyclic({"G": {}}), lambda: [2**63, 10**30], lambda: [Tensor(1.0), Tensor([2.0])],
      lambda: [np.ones(2), np.ones((2, 2))], lambda: (float(i) for i in range(3)), lambda: iter([np.ones((4, 2))])],
    *[lambda: (2.5, -1.0), lambda: (None, None), lambda: (1, 1, 1), lambda: slice(None, None, 0), lambda: lambda *args: None],
    *[lambda: lambda x: x, lambda: nn.Dense, lambda: np, LIAR, FLOATY, ARRAYISH, REFUSING],
    *[lambda: ValueError("x"), lambda: np.random.default_rng(0), lambda: np.random.RandomState(0), random.Random],
    *[lambda: np.dtype("float32"), lambda: nn.Dense(2, 3), nn.ReLU, _rule, threading.Lock, lambda: Path("/nowhere/at/all")],
    *[lambda: np.datetime64("2020-01-01"), lambda: np.timedelta64(3, "D")],
]  # fmt: skip
DTYPES = ["f8", "f4", "f2", "longdouble", "i8", "i1", "u1", "u8", "?", "c16", "O", ">f8", ">i4", "S3", "U3", "M8[D]", "m8[s]"]
SHAPES = [(0,), (0, 3), (2, 0), (), (1,), (3,), (3, 3), (2, 3, 4, 4), (0, 1, 28, 28), (1,) * 32, (10_000,)]
ARRAYS = [
    *[lambda dtype=dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES],
    *[lambda shape=shape: np.ones(shape) for shape in SHAPES],
    *[lambda value=value: np.full((2, 3), value) for value in (NAN, INF, -INF, 1e308, 5e-324)],
    *[lambda: np.zeros(0, int), lambda: np.zeros(3, [("x", "f4")]), lambda: np.ones((2, 3)).view(np.matrix)],
    *[
        lambda: np.ma.masked_array([[1.0, 2, 3]], mask=[[0, 1, 0]]),
        lambda: np.ones((4, 6))[::2, ::-2],
        lambda: np.array([1, None]),
    ],
    *[lambda: np.broadcast_to(1.0, (2, 3)), lambda: np.ones((3, 2)).T, lambda: np.frombuffer(b"\0" * 49, "u1")[1:].view("f8")],
    *[lambda: leaf(2, 3), lambda: mg.exp(leaf(2, 3)), lambda: Tensor(np.arange(3)), lambda: Tensor([True, False])],
    *[lambda: Tensor(0.5), lambda: Tensor(np.zeros((0, 3))), lambda: Tensor([NAN] * 3), lambda: leaf(3, dtype="f2")],
]
KINDS = [NUMBERS, NUMBERS, HUGE, TEXTS, OTHERS, OTHERS, OTHERS, ARRAYS, ARRAYS, ARRAYS]


def hostile(rng, name=""):
    """Something that should not be passed. No huge number for a `COUNT`, which might just take long."""
    pool = KINDS[rng.integers(len(KINDS))]
    value = pool[rng.integers(len(pool))]
    if pool is OTHERS or pool is ARRAYS:
        return value()
    return 0 if name in COUNTS and pool is HUGE else value


# --- the public names, with arguments that are fine -----------------------------------------------------------------------


def classifier():
    return nn.Sequential(nn.Flatten(), nn.Dense(16, 3))


def images(n=4, size=4):
    return np.random.default_rng(0).random((n, 1, size, size), dtype=np.float32)


def rows(d=3):
    return lambda: np.random.default_rng(d).random((4, d), dtype=np.float32)


def const(value):
    return lambda: value


def each(names, value):
    return {name: value for name in names.split()}


def own(call, **arguments):
    """An entry for a method or an operator: a function, and a maker for each of its parameters."""
    return call, arguments


COUNTS = {"steps", "restarts", "searches", "n", "m", "modes", "side", "batch", "epochs", "order", "sections", "ddof", "sizes"}
COUNTS |= {"n_critic", "k", "l", "hidden", "channels", "d", "predictor", "keepdims", "iterations"}
FAST = {"steps", "restarts", "searches", "batch", "epochs", "rng", "order"}  # given although they have a default
FINE = {  # by a parameter's name
    **each("n steps classes kernels dims restarts searches batch m", const(2)),
    **each("in_channels out_channels in_features out_features kernel_size size d", const(2)),
    **each("axis source target channels groups sections epochs order", const(1)),
    **each("destination indices index", const(0)),
    **each("lr c bound std eta epsilon share p limit", const(0.1)),
    **each("x a b real fake real_logits fake_logits f_real f_fake", lambda: leaf(4, 3)),
    **each("logits others v code samples centres data value array like", lambda: leaf(4, 3)),
    **each("labels y", lambda: np.arange(4) % 3),
    **each("critic network encoder decoder module layer", lambda: nn.Dense(3, 3)),
    **each("model classifier", classifier),
    **each("parts arrays", lambda: [rows()(), rows()()]),
    **each("optimizer optimizers opt_G opt_D opt_Q", lambda: optim.Adam(nn.Dense(2, 2).parameters())),
    "axes": const((1, 0)), "shape": const((2, 3)), "widths": const(1), "subscripts": const("ij->j"), "name": const("numpy"),
    "dtype": const("float32"), "condition": const([[True], [False]] * 2), "weight": lambda: leaf(2, 1, 3, 3),
    "params": lambda: [leaf(2, 3)], "rng": lambda: np.random.default_rng(0), "prior": lambda: data.noise(2), "comm": Comm,
    "batches": lambda: stream("gan"), "G": lambda: nn.Dense(2, 2), "D": lambda: nn.Dense(2, 1), "Q": lambda: nn.Dense(2, 2),
    "patch": lambda: np.ones((1, 2, 2), np.float32), "fn": const(mg.tanh), "features": lambda: nn.Dense(2, 2),
    "figures": lambda: {"a": leaf(1)}, "judge": lambda: metrics.Judge(), "train": lambda: images(5, 28),
    "initialiser": const(nn.init.he_normal), "output": lambda: mg.exp(leaf(4, 3)).sum(),
}  # fmt: skip
VARIADIC = {  # by parameter and function: its values
    ("inputs", "gradcheck"): lambda: (rows()().astype("f8"),), ("inputs", "gradcheck_report"): lambda: (np.ones(2),),
    ("operands", "einsum"): lambda: (leaf(4, 3),), ("arrays", "batches"): lambda: (rows()(), np.arange(4)),
    ("layers", "Sequential"): lambda: (nn.ReLU(), nn.Tanh()), ("shape", "Reshape"): const((3, -1)),
    ("axes", "transpose"): const((1, 0)), ("shape", "reshape"): const((3, 4)),
}  # fmt: skip
OWN = {  # by function: what differs from FINE
    **each("conv2d conv_transpose2d", {"x": lambda: leaf(2, 1, 5, 5), "weight": lambda: leaf(1, 1, 3, 3)}),
    **each("max_pool2d avg_pool2d upsample2d", {"x": lambda: leaf(2, 2, 4, 4)}),
    **each("fgsm pgd minimal_perturbation adversarial_patch patch_success apply_patch", {"x": images}),
    **each("adversarial_loss fooled fooling_images", {"x": images}),
    **each("image_quality nearest_distances", {"samples": lambda: images(4, 28)}),
    "minimal_perturbation": {"x": images, "target": lambda: np.ones(4, int)}, "train_judge": {"x": lambda: images(4, 28)},
    "mnist": {"root": const("/nowhere"), "download": const(False)},
    "matmul": {"a": lambda: leaf(3, 3), "b": lambda: leaf(3, 3)}, "squeeze": {"axis": const(None)},
    "cross_entropy": {"logits": lambda: leaf(4, 3)}, "log_loss_with_logits": {"y": rows()},
    "log_loss": {"p": rows(), "y": rows()},
    "grad": {"inputs": lambda: [leaf(4, 3)]}, "squared_gradient_norm": {"x": lambda: leaf(4, 3)},
    **each("lerp slerp", {"a": lambda: np.ones(3), "b": lambda: np.arange(3.0)}),
    "wasserstein1": {"a": rows(2), "b": rows(2)}, "frechet_distance": {"a": rows(2), "b": rows(2)},
    "mode_coverage": {"samples": rows(2), "centres": rows(2)}, "record": {"name": const("op"), "data": rows()},
    "project": {"x": rows(2)}, "overpowered": {"classifier": lambda: nn.Dense(2, 3)},
    "one_hot": {"classes": const(3)}, "broadcast_to": {"shape": const((2, 4, 3))}, "Tensor": {"data": rows()},
    "rubbish": {"shape": const((2, 1, 4, 4))}, "Conditional": {"network": lambda: nn.Dense(5, 2)},
}  # fmt: skip
EXCEPT = each("judge eval_mode debug no_grad enable_grad trace profile Trace Game Optimizer Module", "nothing to spoil")
MODULES = [ops, mg, nn, nn.init, losses, optim, data, metrics, games, attacks]


def _public():
    """name -> (function, {parameter: a maker of its argument})"""
    found = {}
    for module in MODULES:
        for name in getattr(module, "__all__", None) or [n for n, f in vars(module).items() if inspect.isfunction(f)]:
            call = getattr(module, name)
            ours = hasattr(module, "__all__") or call.__module__ == module.__name__
            of_a_game = isinstance(call, type) and issubclass(call, games.Game)
            if callable(call) and ours and not of_a_game and name[0] != "_" and name not in EXCEPT:
                with contextlib.suppress(ValueError, TypeError):  # exceptions and types
                    found[name] = call, _arguments(name, inspect.signature(call))
    return found


def _arguments(name, signature):
    makers = {}
    for parameter in signature.parameters.values():
        key = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            makers[key] = VARIADIC.get((key, name), tuple)
        elif parameter.kind is not parameter.VAR_KEYWORD:
            needed = parameter.default is parameter.empty or key in FAST
            makers[key] = OWN.get(name, {}).get(key) or (FINE.get(key) if needed else None) or const(parameter.default)
    return makers


def _game(name):
    """A game's class, with the players and settings of one of the kind."""
    played = make(name)
    return type(played), {key: const(getattr(played, key, played.D)) for key in inspect.signature(type(played)).parameters}


def _set(name, thing):
    return lambda value: setattr(thing(), name, value)


CALLS = {
    **_public(),
    **{f"game {name}": _game(name) for name in GAMES},
    "data": own(_set("data", lambda: leaf(4, 3)), value=rows()),
    "grad of a leaf": own(_set("grad", lambda: leaf(2)), value=lambda: leaf(2)),
    "requires_grad": own(_set("requires_grad", lambda: leaf(2)), value=const(True)),
    "use": own(backend.use, name=const("numpy"), noise=const(None)), "to_numpy": own(backend.to_numpy, array=rows()),
    "lr": own(_set("lr", _rule), value=const(0.1)),
    "backward": own(lambda g, keep: mg.exp(leaf(4, 3)).backward(g, keep), g=rows(), keep=const(True)),
    "derivative": own(lambda v: mg.record("own", np.ones(2), (leaf(2), lambda g, y: v)).sum().backward(), v=lambda: leaf(2)),
    "+": own(lambda v: leaf(4, 3) + v, v=rows()), "r-": own(lambda v: v - leaf(4, 3), v=rows()),
    "**": own(lambda v: leaf(2, 3) ** v, v=const(2)), "@": own(lambda v: v @ leaf(3, 3), v=rows()),
    "==": own(lambda v: leaf(4, 3) == v, v=rows()), "in": own(lambda v: v in leaf(2, 3), v=const(0.5)),
    "[]": own(lambda i: leaf(2, 3)[i], i=const(0)), "[,]": own(lambda i, j: leaf(2, 3)[i, j], i=const(0), j=const(1)),
    "astype": own(lambda dtype: leaf(2).astype(dtype), dtype=const("f8")),
    "to": own(lambda where: leaf(2).to(where), where=const("numpy")),
    "step of a rule": own(lambda g: (setattr(p := leaf(2), "grad", g), optim.Adam([p]).step()), g=lambda: leaf(2)),
    "step of a game": own(lambda batch: make("gan").step(iter([batch] * 9)), batch=rows(2)),
    "sample": own(lambda n, y, z: make("gan").sample(n, y, z), n=const(2), y=const(None), z=const(None)),
    "forward": own(lambda x: nn.Dense(3, 2)(x), x=rows()),
    "layer[]": own(lambda i: classifier()[i], i=const(0)),
}  # fmt: skip
NAMES = sorted(CALLS)


def called(name, arguments):
    """The call; and, of what it returns, the backward pass."""
    call, makers = CALLS[name]
    positional, named = [], {}
    kinds = {key: p.kind for key, p in inspect.signature(call).parameters.items()}
    for key in makers:
        kind, value = kinds[key], arguments[key]
        if kind is inspect.Parameter.VAR_POSITIONAL:
            positional += value if isinstance(value, tuple) else [value]
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            named[key] = value
        else:
            positional.append(value)
    result = call(*positional, **named)
    if isinstance(result, Tensor) and result.requires_grad and not result.is_leaf and result.size:
        result.sum().backward()


# --- the calls ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def limited():
    """Warnings are errors, floating-point ones aside; no call may hang, or take 500 MB (Linux)."""

    def stop(signum, frame):
        raise KeyboardInterrupt(f"still running after {SECONDS} seconds")

    before, limits = signal.signal(signal.SIGALRM, stop), None
    if sys.platform == "linux":
        import resource

        limits = resource.getrlimit(resource.RLIMIT_AS)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MEGABYTES * 2**20, limits[1]))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "invalid value encountered in matmul")
            yield
    finally:
        signal.signal(signal.SIGALRM, before)
        if limits:
            resource.setrlimit(resource.RLIMIT_AS, limits)


def outcome(seed):
    """(what is called, with what; what must not be, or nothing)"""
    rng = np.random.default_rng(seed)
    name = NAMES[rng.integers(len(NAMES))]
    arguments = {key: make() for key, make in CALLS[name][1].items()}
    count = 1 if rng.random() < 0.7 or len(arguments) < 2 else int(rng.integers(1, len(arguments)))
    for key in rng.permutation(list(arguments))[:count]:
        arguments[key] = hostile(rng, key)
    before = [(v, v.copy()) for v in arguments.values() if type(v) is np.ndarray and v.dtype.kind != "O"]
    mg.seed(0)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    wrong = ""
    try:
        called(name, arguments)
    except MemoryError as error:  # NumPy's, which says for what; a network of 4 TiB has no other error
        wrong = "" if "Unable to allocate" in str(error) else repr(error)
    except DOCUMENTED as error:
        undocumented = isinstance(error, Warning | RecursionError | UnicodeError) or not str(error).strip("'\" ")
        wrong = repr(error)[:150] if undocumented else ""
    except (Exception, KeyboardInterrupt) as error:
        wrong = repr(error)[:150]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    if any(value.tobytes() != copy.tobytes() for value, copy in before):
        wrong = "an argument has been written to"
    backend.use("numpy")
    return name, wrong


def assert_refused_or_right(seeds):
    bad = defaultdict(list)
    with limited():
        for seed in seeds:
            name, wrong = outcome(seed)
            if wrong:
                bad[name].append((seed, wrong))
    assert not bad, "\n".join(f"{name}: {len(calls)}: {calls[0]}" for name, calls in bad.items())


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """Arguments that are fine are taken; and what is loaded or started once is there before memory is limited."""
    for name in NAMES:
        with contextlib.suppress(data.DataError):
            called(name, {key: make() for key, make in CALLS[name][1].items()})


@pytest.mark.slow
def test_hostile_arguments_are_refused_or_right():
    assert_refused_or_right(range(200))


@pytest.mark.stress
@pytest.mark.parametrize("start", range(1000, 121_000, 4000))
def test_many_hostile_arguments_are_refused_or_right(start):
    assert_refused_or_right(range(start, start + 4000))
