"""Hostile arguments: every public function is called with what nobody should pass, and must say so, or be right.

A call takes arguments that are fine, and puts something hostile in place of one or more. What may come of it: a result, or one
of the documented exceptions with a message; within a second and 500 MB, without a warning, and nothing written to what was
passed. 400 calls by default; 120,000 with -m stress.
"""

import contextlib
import decimal
import fractions
import inspect
import itertools
import linecache
import random
import signal
import sys
import threading
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import attacks, backend, data, games, losses, metrics, nn, optim
from minigan.backend import random_numbers
from minigan.engine.tensor import Tensor

DOCUMENTED = (ValueError, TypeError, IndexError, RuntimeError)
SECONDS, MEGABYTES = 60.0, 500
HERE = str(Path(mg.__file__).parent)

# --- what nobody should pass --------------------------------------------------------------------------------------------


class Liar:
    """It says that it is an array."""

    shape, dtype, ndim, size = (2, 3), np.dtype("float32"), 2, 6

    def __len__(self):
        return 2


class Floaty:
    """A number, but neither of Python's nor of NumPy's."""

    def __float__(self):
        return 0.5

    def __index__(self):
        return 2


class Arrayish:
    """What offers its values to NumPy."""

    def __array__(self, dtype=None, copy=None):
        return np.ones((2, 3), dtype)


class Refusing:
    """What offers its values, and then refuses."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError("no")


def _cyclic():
    x = [1.0]
    x.append(x)
    return x


def _cyclic_dict():
    x = {"G": {}}
    x["D"] = x
    return x


def _deep(n=60):
    return 1.0 if not n else [_deep(n - 1)]


def _read_only(*shape):
    a = np.ones(shape)
    a.flags.writeable = False
    return a


def _graph():
    return mg.exp(Tensor(np.ones((2, 3)), requires_grad=True))


NUMBERS = [
    0,
    1,
    -1,
    2,
    3,
    -7,
    100,
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.5,
    2.0,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e300,
    -1e300,
    1e-300,
    5e-324,
    1j,
    True,
    False,
    np.float64("nan"),
    np.float64(0.5),
    np.float32(0.5),
    np.float16(2),
    np.longdouble(2),
    np.int64(3),
    np.int8(-1),
    np.uint8(200),
    np.bool_(True),
    np.complex64(1j),
]
HUGE = [2**31, 2**31 - 1, 2**40, 2**62, 2**63, 2**64, 10**30, -(2**63), 10**6, 10**9, np.int64(2**62), np.uint64(2**64 - 1)]
OTHERS = {
    "None": lambda: None,
    "text": lambda: random.choice(["", "xy", "0.1", "rows", "float32", "cupy", "numpy", "ij,jk", "\x00", "nan", "é" * 50]),
    "bytes": lambda: b"1.5",
    "decimal": lambda: decimal.Decimal("0.5"),
    "fraction": lambda: fractions.Fraction(1, 2),
    "datetime": lambda: np.datetime64("2020-01-01"),
    "timedelta": lambda: np.timedelta64(3, "D"),
    "empty list": list,
    "empty tuple": tuple,
    "list of lists": lambda: [[1.0, 2.0], [3.0, 4.0]],
    "list of texts": lambda: ["a", "b"],
    "list with None": lambda: [1.0, None],
    "ragged list": lambda: [[1.0], [1.0, 2.0]],
    "cyclic list": _cyclic,
    "deep list": _deep,
    "list of huge": lambda: [2**63, 10**30],
    "list of tensors": lambda: [Tensor(1.0), Tensor([2.0])],
    "list of arrays": lambda: [np.ones(2), np.ones((2, 2))],
    "dict": lambda: {"a": 1.0},
    "cyclic dict": _cyclic_dict,
    "set": lambda: {1, 2},
    "range": lambda: range(3),
    "generator": lambda: (float(i) for i in range(3)),
    "iterator of arrays": lambda: iter([np.ones((4, 2))]),
    "pair": lambda: (0, 1),
    "pair of numbers": lambda: (2.5, -1.0),
    "pair of None": lambda: (None, None),
    "three": lambda: (1, 1, 1),
    "slice": lambda: slice(None, None, 0),
    "ellipsis": lambda: ...,
    "function": lambda: lambda *args: None,
    "function of one": lambda: lambda x: x,
    "class": lambda: nn.Dense,
    "module": lambda: np,
    "object": object,
    "liar": Liar,
    "floaty": Floaty,
    "arrayish": Arrayish,
    "refusing": Refusing,
    "exception": lambda: ValueError("x"),
    "generator of numbers": lambda: np.random.default_rng(0),
    "RandomState": lambda: np.random.RandomState(0),
    "random.Random": lambda: random.Random(0),
    "bit generator": lambda: np.random.PCG64(0),
    "dtype": lambda: np.dtype("float32"),
    "layer": lambda: nn.Dense(2, 3),
    "activation": nn.ReLU,
    "optimizer": lambda: optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.1),
    "thread lock": threading.Lock,
    "path": lambda: Path("/nowhere/at/all"),
}
ARRAYS = {
    "float64": lambda: np.linspace(-1, 1, 6).reshape(2, 3),
    "float32": lambda: np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "float16": lambda: np.ones((2, 3), np.float16),
    "longdouble": lambda: np.ones((2, 3), np.longdouble),
    "int64": lambda: np.arange(6).reshape(2, 3),
    "int8": lambda: np.arange(-3, 3, dtype=np.int8),
    "uint8": lambda: np.arange(250, 256, dtype=np.uint8).reshape(2, 3),
    "uint64": lambda: np.full(3, 2**64 - 1, np.uint64),
    "bool": lambda: np.array([True, False, True]),
    "complex": lambda: np.ones((2, 3)) * 1j,
    "object": lambda: np.array([1.0, None], object),
    "object numbers": lambda: np.array([[1.0, 2, 3], [4, 5, 6]], object),
    "text": lambda: np.array(["a", "b"]),
    "bytes": lambda: np.array([b"a", b"b"]),
    "datetimes": lambda: np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"),
    "timedeltas": lambda: np.array([1, 2], "timedelta64[s]"),
    "structured": lambda: np.zeros(3, [("x", "f4"), ("y", "f4")]),
    "record": lambda: np.rec.array([(1.0, 2)], dtype=[("x", "f4"), ("y", "i4")]),
    "masked": lambda: np.ma.masked_array([[1.0, 2, 3], [4, 5, 6]], mask=[[0, 1, 0], [0, 0, 0]]),
    "matrix": lambda: np.ones((2, 3)).view(np.matrix),
    "nan": lambda: np.full((2, 3), np.nan),
    "infinite": lambda: np.array([[np.inf, -np.inf, 1.0], [0.0, 1.0, 2.0]]),
    "huge values": lambda: np.full((2, 3), 1e308),
    "subnormal": lambda: np.full((2, 3), 5e-324),
    "empty": lambda: np.zeros(0),
    "empty rows": lambda: np.zeros((0, 3)),
    "empty columns": lambda: np.zeros((2, 0)),
    "empty integers": lambda: np.zeros(0, np.int64),
    "empty images": lambda: np.zeros((0, 1, 28, 28), np.float32),
    "scalar": lambda: np.array(0.5),
    "scalar integer": lambda: np.array(3),
    "one": lambda: np.ones(1),
    "vector": lambda: np.ones(3),
    "long vector": lambda: np.ones(10_000),
    "matrix 3 x 3": lambda: np.eye(3),
    "images": lambda: np.ones((2, 3, 4, 4)),
    "many axes": lambda: np.ones((1,) * 32),
    "strided": lambda: np.ones((4, 6))[::2, ::2],
    "reversed": lambda: np.ones((2, 3))[::-1, ::-1],
    "read-only": lambda: _read_only(2, 3),
    "broadcast": lambda: np.broadcast_to(1.0, (2, 3)),
    "byte-swapped": lambda: np.ones((2, 3), ">f8"),
    "byte-swapped integers": lambda: np.arange(3, dtype=">i4"),
    "unaligned": lambda: np.frombuffer(b"\0" * 49, np.uint8)[1:].view(np.float64),
    "fortran": lambda: np.asfortranarray(np.ones((2, 3))),
}
TENSORS = {
    "tensor": lambda: Tensor(np.ones((2, 3), np.float32)),
    "leaf": lambda: Tensor(np.ones((2, 3)), requires_grad=True),
    "result": _graph,
    "tensor of integers": lambda: Tensor(np.arange(3)),
    "tensor of booleans": lambda: Tensor([True, False]),
    "scalar tensor": lambda: Tensor(0.5),
    "empty tensor": lambda: Tensor(np.zeros((0, 3), np.float32)),
    "nan tensor": lambda: Tensor([float("nan")] * 3, requires_grad=True),
    "float16 tensor": lambda: Tensor(np.ones(3, np.float16), requires_grad=True),
}


def hostile(rng: np.random.Generator, role: str = "") -> tuple[str, object]:
    """(what it is, something that should not be passed). The role "count" means: no huge number, which might just take long."""
    kind = rng.integers(10)
    if kind < 2:
        value = NUMBERS[rng.integers(len(NUMBERS))]
        if role == "count" and 7 < abs(value) < 1e9:
            value = 7
        return f"number {value!r}", value
    if kind < 3:
        value = 0 if role == "count" else HUGE[rng.integers(len(HUGE))]
        return f"huge {value!r}", value
    pool = OTHERS if kind < 6 else ARRAYS if kind < 9 else TENSORS
    name = sorted(pool)[rng.integers(len(pool))]
    return name if pool is not ARRAYS else f"array, {name}", pool[name]()


def spoilt(rng: np.random.Generator, state: object) -> tuple[str, object]:
    """A copy of a state dict with one entry, at any depth, changed, lost or added."""
    if not isinstance(state, dict) or not state or rng.integers(12) == 0:
        what, value = hostile(rng)
        return f"state {what}", value
    key = list(state)[rng.integers(len(state))]
    match rng.integers(8):
        case 0:
            return f"state without {key}", {k: v for k, v in state.items() if k != key}
        case 1:
            return "state with more", state | {"more": 1.0}
        case 2:
            return "state with a number as key", state | {0: 1.0}
        case _:
            what, value = spoilt(rng, state[key])
            return f"{key}: {what}".replace("state ", ""), state | {key: value}


# --- the public names, with arguments that are fine -----------------------------------------------------------------------


def x(*shape, low=-1.0, high=1.0, dtype="float32", grad=True):
    """A tensor of random numbers."""
    return lambda: Tensor(np.random.default_rng(0).uniform(low, high, shape).astype(dtype), requires_grad=grad)


def a(*shape, low=-1.0, high=1.0, dtype="float32"):
    return lambda: np.random.default_rng(0).uniform(low, high, shape).astype(dtype)


def const(value):
    return lambda: value


def rng():
    return np.random.default_rng(0)


def labels(n, classes=3):
    return lambda: np.arange(n) % classes


class Target:
    """A public function, makers of its arguments, and what is special: `count` arguments, a `state`, names for messages."""

    def __init__(self, call, *makers, counts=(), states=(), names=(), errors=(), writes=False, weight=1, reference=None):
        self.call, self.makers, self.counts, self.states, self.names = call, makers, counts, states, names
        self.errors, self.writes, self.weight, self.reference = (*DOCUMENTED, *errors), writes, weight, reference


def _parts():
    return [np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)]


def _classifier():
    return nn.Sequential(nn.Flatten(), nn.Dense(16, 3, rng=rng()))


def _images():
    return np.random.default_rng(0).random((4, 1, 4, 4), dtype=np.float32)


def _digits(n=4):
    return lambda: np.random.default_rng(0).random((n, 1, 28, 28), dtype=np.float32)


def _players(width=1, extra=0):
    G, D = nn.Sequential(nn.Dense(3 + extra, 2, rng=rng())), nn.Sequential(nn.Dense(2 + extra, width, rng=rng()))
    return (games.Conditional(G, 3), games.Conditional(D, 3)) if extra else (G, D)


def _game(kind, **options):
    G, D = _players(2 if kind is games.BEGAN else 1, 3 if kind is games.ConditionalGAN else 0)
    return kind(G, D, data.noise(3), optim.Adam(G.parameters()), optim.SGD(D.parameters(), 0.1, momentum=0.5), **options)


def _make_game(kind):
    def make(G, D, prior, rule_G, rule_D, *options):
        opt = [
            r(m.parameters() if isinstance(m, nn.Module) and m.parameters() else [x(2)()], 0.1) if r is optim.SGD else r
            for r, m in ((rule_G, G), (rule_D, D))
        ]
        return kind(G, D, prior, *opt, *options)

    return make


def _set(name):
    return lambda t, value: setattr(t, name, value)


def _sum_of(kind):
    return lambda batch: _game(kind).step(iter([batch] * 9))


def _gradcheck(v, order, eps, rtol, atol):
    return mg.gradcheck(lambda t: mg.tanh(t).sum(), v, order=order, eps=eps, rtol=rtol, atol=atol)


def _record(name, array, pair):
    y = mg.record(name, array, pair)
    return y.sum().backward() if y.requires_grad else y


def _optimized(rule, value):
    p = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    p.grad = value
    optim_ = rule([p], lr=0.1)
    optim_.step()


_SIGMOID = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
UNARY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "square": np.square,
    "abs": np.abs,
    "sign": np.sign,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "negative": np.negative,
    "relu": lambda v: np.maximum(v, 0),
    "sigmoid": _SIGMOID,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "softplus": lambda v: np.logaddexp(0, v),
    "log_sigmoid": lambda v: -np.logaddexp(0, -v),
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "matmul": None,
}
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod, "norm": None, "logsumexp": None}


def _targets() -> dict[str, Target]:
    t: dict[str, Target] = {}
    for name, f in UNARY.items():
        t[name] = Target(getattr(mg, name), x(2, 3, low=0.2), reference=f)
    for name, f in BINARY.items():
        square = (3, 3) if name == "matmul" else (2, 3)
        t[name] = Target(getattr(mg, name), x(*square, low=0.2), x(*square, low=0.2), reference=f)
    for name, f in REDUCTIONS.items():
        how = f and (lambda v, axis, keepdims, f=f: f(v, axis=axis, keepdims=keepdims))
        t[name] = Target(getattr(mg, name), x(2, 3), const(1), const(False), counts=(2,), reference=how)
    t |= {
        "var": Target(mg.var, x(2, 3), const(1), const(0), const(False), counts=(3,)),
        "leaky_relu": Target(mg.leaky_relu, x(2, 3), const(0.2)),
        "elu": Target(mg.elu, x(2, 3), const(1.0)),
        "softmax": Target(mg.softmax, x(2, 3), const(1)),
        "log_softmax": Target(mg.log_softmax, x(2, 3), const(1)),
        "dropout": Target(mg.dropout, x(2, 3), const(0.5), rng),
        "clip": Target(mg.clip, x(2, 3), const(-0.5), const(0.5)),
        "where": Target(mg.where, const([[True], [False]]), x(2, 3), x(2, 3)),
        "cumsum": Target(mg.cumsum, x(2, 3), const(1), reference=lambda v, axis: np.cumsum(v, axis)),
        "einsum": Target(mg.einsum, const("ij,jk->ik"), x(2, 3), x(3, 2)),
        "reshape": Target(mg.reshape, x(2, 3), const((3, 2)), reference=lambda v, shape: np.reshape(v, shape)),
        "reshape, sizes": Target(mg.reshape, x(2, 3), const(3), const(2), names=("reshape",)),
        "transpose": Target(mg.transpose, x(2, 3), const((1, 0))),
        "transpose, axes": Target(mg.transpose, x(2, 3), const(1), const(0), names=("transpose",)),
        "moveaxis": Target(mg.moveaxis, x(2, 3), const(0), const(1)),
        "broadcast_to": Target(mg.broadcast_to, x(2, 3), const((4, 2, 3))),
        "concatenate": Target(mg.concatenate, _parts, const(0)),
        "stack": Target(mg.stack, _parts, const(0)),
        "concatenate of two": Target(lambda p, q: mg.concatenate([p, q]), x(2, 3), x(2, 3), names=("concatenate",)),
        "split": Target(mg.split, x(2, 4), const(2), const(1), counts=(1,)),
        "squeeze": Target(mg.squeeze, x(2, 1), const(1)),
        "expand_dims": Target(mg.expand_dims, x(2, 3), const(1)),
        "pad": Target(mg.pad, x(2, 3), const([(0, 1), (1, 0)]), const(0.0)),
        "flip": Target(mg.flip, x(2, 3), const(1)),
        "getitem": Target(mg.getitem, x(2, 3), const((0, slice(None)))),
        "take": Target(mg.take, x(2, 3), const([0, 1]), const(1)),
        "one_hot": Target(mg.one_hot, labels(4), const(3), const("float32"), counts=()),
        "conv2d": Target(mg.conv2d, x(2, 2, 5, 5), x(3, 2, 3, 3), x(3), const(1), const(1), const(1), weight=2),
        "conv_transpose2d": Target(
            mg.conv_transpose2d, x(2, 2, 3, 3), x(2, 3, 3, 3), x(3), const(2), const(1), const(1), weight=2
        ),
        "max_pool2d": Target(mg.max_pool2d, x(2, 2, 4, 4), const(2), const(2), const(0)),
        "avg_pool2d": Target(mg.avg_pool2d, x(2, 2, 4, 4), const(2), const(2), const(0)),
        "upsample2d": Target(mg.upsample2d, x(2, 2, 4, 4), const(2)),
        # Tensor
        "Tensor": Target(Tensor, a(2, 3), const(True), const("float64"), const("name"), weight=3),
        "backward": Target(lambda v, g, c: mg.exp(v).backward(g, c), x(2, 3), a(2, 3), const(False)),
        "grad": Target(lambda v, g, c: mg.grad(mg.exp(v), v, g, c), x(2, 3), a(2, 3), const(False)),
        "grad, inputs": Target(mg.grad, lambda: _graph().sum(), lambda: [Tensor([1.0], requires_grad=True)], names=("grad",)),
        "record": Target(  # on the hot path: it looks at nothing before it must
            _record, const("op"), a(2, 3), lambda: (x(2, 3)(), lambda g, y: g), errors=(AttributeError, OverflowError)
        ),
        "record, derivative": Target(
            lambda v: mg.record("own", np.ones((2, 3)), (x(2, 3)(), lambda g, y: v)).sum().backward(),
            x(2, 3),
            names=("own", "record"),
        ),
        "astype": Target(lambda dtype: x(2, 3)().astype(dtype), const("float64")),
        "to": Target(lambda where: x(2, 3)().to(where), const("numpy"), names=("to", "backend")),
        "detach": Target(lambda v: v.detach() if isinstance(v, Tensor) else None, x(2, 3)),
        "item": Target(lambda v: Tensor(v).item(), a(1), names=("item", "Tensor")),
        ".data": Target(lambda v: _set("data")(x(2, 3)(), v), a(2, 3), names=("data", "Tensor")),
        ".grad": Target(lambda v: _set("grad")(x(2, 3)(), v), x(2, 3), names=("grad",)),
        ".requires_grad": Target(lambda v: _set("requires_grad")(x(2, 3)(), v), const(True), names=("requires_grad",)),
        "+": Target(lambda v: x(2, 3)() + v, x(2, 3), names=("add", "unsupported operand")),
        "- on the right": Target(lambda v: v - x(2, 3)(), a(2, 3), names=("subtract", "unsupported operand")),
        "**": Target(lambda v: x(2, 3, low=0.2)() ** v, const(2), names=("power",)),
        "** on the right": Target(lambda v: v ** x(2, 3)(), const(2), names=("power",)),
        "@": Target(lambda v: v @ x(3, 3)(), a(2, 3), names=("matmul",)),
        "==": Target(lambda v: x(2, 3)() == v, a(2, 3), names=("equal",)),
        "in": Target(lambda v: v in x(2, 3)(), const(1.0), names=("equal",)),
        "[]": Target(lambda v: x(2, 3)()[v], const(1), names=("getitem",), weight=2),
        "[,]": Target(lambda v, w: x(2, 3)()[v, w], const(1), const(0), names=("getitem",)),
        "gradcheck": Target(
            _gradcheck,
            a(2, dtype="float64"),
            const(1),
            const(1e-5),
            const(1e-5),
            const(1e-7),
            counts=(1,),
            errors=(mg.GradcheckError,),
        ),
        "seed": Target(mg.seed, const(0)),
        "no_grad": Target(lambda f: mg.no_grad()(f), const(len)),
        # layers
        "Dense": Target(
            lambda n, m, b, i, r: nn.Dense(n, m, b, i, r)(np.ones((2, n), np.float32)),
            const(3),
            const(2),
            const(True),
            const(nn.init.he_normal),
            rng,
        ),
        "Conv2d": Target(
            nn.Conv2d, const(2), const(3), const(3), const(1), const(0), const(True), const(nn.init.he_normal), rng
        ),
        "ConvTranspose2d": Target(
            nn.ConvTranspose2d,
            const(2),
            const(3),
            const(3),
            const(2),
            const(1),
            const(1),
            const(True),
            const(nn.init.he_normal),
            rng,
        ),
        "Conv2d, forward": Target(
            lambda s, p: nn.Conv2d(2, 3, 3, s, p, rng=rng())(np.ones((1, 2, 5, 5), np.float32)),
            const(1),
            const(0),
            names=("conv2d",),
        ),
        "BatchNorm1d": Target(nn.BatchNorm1d, const(3), const(0.1), const(1e-5)),
        "BatchNorm2d": Target(
            lambda *o: nn.BatchNorm2d(*o)(np.ones((2, 3, 4, 4), np.float32)), const(3), const(0.1), const(1e-5)
        ),
        "LayerNorm": Target(nn.LayerNorm, const(3), const(1e-5)),
        "MinibatchDiscrimination": Target(
            lambda a, b, c, i, r: nn.MinibatchDiscrimination(a, b, c, i, r)(np.ones((2, a), np.float32)),
            const(3),
            const(2),
            const(2),
            const(nn.init.he_normal),
            rng,
        ),
        "Dropout": Target(lambda p: nn.Dropout(p)(x(2, 3)()), const(0.5)),
        "Embedding": Target(nn.Embedding, const(3), const(2), rng),
        "Embedding, labels": Target(lambda v: nn.Embedding(3, 2)(v), labels(4), names=("Embedding",)),
        "LeakyReLU": Target(lambda s: nn.LeakyReLU(s)(x(2, 3)()), const(0.2), names=("leaky_relu", "LeakyReLU")),
        "ELU": Target(lambda s: nn.ELU(s)(x(2, 3)()), const(1.0), names=("elu",)),
        "MaxPool2d": Target(
            lambda k, s, p: nn.MaxPool2d(k, s, p)(x(1, 1, 4, 4)()), const(2), const(2), const(0), names=("max_pool2d",)
        ),
        "AvgPool2d": Target(
            lambda k, s, p: nn.AvgPool2d(k, s, p)(x(1, 1, 4, 4)()), const(2), const(2), const(0), names=("avg_pool2d",)
        ),
        "Upsample": Target(lambda s: nn.Upsample(s)(x(1, 1, 4, 4)()), const(2), names=("upsample2d",)),
        "Reshape": Target(lambda *s: nn.Reshape(*s)(x(2, 6)()), const(3), const(2), names=("reshape",)),
        "Sequential": Target(lambda p, q: nn.Sequential(p, q)(x(2, 3)()), nn.ReLU, nn.Tanh),
        "Sequential[]": Target(
            lambda i: nn.Sequential(nn.ReLU(), nn.Tanh())[i], const(0), names=("Sequential", "list indices", "list index")
        ),
        "load_state_dict": Target(
            lambda s: nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3)).load_state_dict(s),
            lambda: nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3)).state_dict(),
            states=(0,),
            weight=3,
        ),
        "requires_grad_": Target(lambda f: nn.Dense(2, 3).requires_grad_(f), const(False), names=("requires_grad",)),
        "Module.to": Target(lambda n: nn.Dense(2, 3).to(n), const("numpy"), names=("to", "backend")),
        "train": Target(lambda m: nn.Dropout(0.5).train(m)(x(2, 3)()), const(True)),
        "init.normal": Target(
            lambda s, m, shape: nn.init.normal(s, m)(shape, rng()), const(0.02), const(0.0), const((2, 3)), names=("init",)
        ),
        "init.uniform": Target(lambda b, shape: nn.init.uniform(b)(shape, rng()), const(0.02), const((2, 3)), names=("init",)),
        "init.he_normal": Target(nn.init.he_normal, const((2, 3)), rng, names=("init",)),
        "init.xavier_uniform": Target(nn.init.xavier_uniform, const((2, 3)), rng, names=("init",)),
        # losses
        "log_loss": Target(losses.log_loss, x(4, low=0.1, high=0.9), a(4, low=0.0)),
        "log_loss_with_logits": Target(losses.log_loss_with_logits, x(4), a(4, low=0.0)),
        "cross_entropy": Target(losses.cross_entropy, x(4, 3), labels(4), weight=2),
        "mse": Target(losses.mse, x(2, 3), x(2, 3)),
        "l1": Target(losses.l1, x(2, 3), x(2, 3)),
        "discriminator_loss": Target(losses.discriminator_loss, x(4, 1), x(4, 1), names=("mean",)),
        "generator_loss": Target(losses.generator_loss, x(4, 1), const(False), names=("mean",)),
        "feature_matching_loss": Target(losses.feature_matching_loss, x(4, 3), x(4, 3), names=("mean",)),
        "critic_loss": Target(losses.critic_loss, x(4, 1), x(4, 1), names=("mean",)),
        "gradient_penalty": Target(losses.gradient_penalty, lambda: nn.Dense(3, 1), a(4, 3), a(4, 3), rng),
        "squared_gradient_norm": Target(losses.squared_gradient_norm, lambda: _graph(), x(2, 3)),
        # optimizers
        "SGD": Target(optim.SGD, lambda: [x(2, 3)()], const(0.1), const(0.5)),
        "RMSProp": Target(optim.RMSProp, lambda: [x(2, 3)()], const(0.1), const(0.9), const(1e-8)),
        "Adam": Target(optim.Adam, lambda: [x(2, 3)()], const(0.1), const((0.5, 0.9)), const(1e-8)),
        "OMD": Target(optim.OMD, lambda: [x(2, 3)()], const(0.1), const(0.5)),
        "OptimisticAdam": Target(optim.OptimisticAdam, lambda: [x(2, 3)()], const(0.1), const((0.5, 0.9)), const(1e-8)),
        "lr": Target(lambda v: _set("lr")(optim.SGD([x(2, 3)()], 0.1), v), const(0.2)),
        "step": Target(lambda g: _optimized(optim.Adam, g), x(2, 3), names=("grad",), writes=True),
        "optimizer.load_state_dict": Target(
            lambda s: optim.Adam([x(2, 3)()]).load_state_dict(s),
            lambda: _stepped().state_dict(),
            states=(0,),
            names=("load_state_dict", "Adam"),
            weight=3,
        ),
        "LinearDecay": Target(
            lambda optimizers, steps: optim.LinearDecay(optimizers, steps).step(),
            lambda: optim.SGD([x(2, 3)()], 0.1),
            const(10),
        ),
        "LinearDecay.load_state_dict": Target(
            lambda s: optim.LinearDecay(optim.SGD([x(2, 3)()], 0.1), 9).load_state_dict(s),
            lambda: optim.LinearDecay(optim.SGD([x(2, 3)()], 0.1), 9).state_dict(),
            states=(0,),
            names=("load_state_dict", "LinearDecay"),
        ),
        "clip_weights": Target(optim.clip_weights, lambda: [x(2, 3)()], const(0.1), writes=True),
        # data, metrics, backend
        "ring": Target(data.ring, const(10), const(8), const(2.0), const(0.02), rng, counts=(0, 1)),
        "grid": Target(data.grid, const(10), const(3), const(2.0), const(0.02), rng, counts=(0, 1)),
        "ring_centres": Target(data.ring_centres, const(8), const(2.0), counts=(0,)),
        "grid_centres": Target(data.grid_centres, const(3), const(2.0), counts=(0,)),
        "noise": Target(data.noise, const(3), const("normal"), rng),
        "noise, m": Target(lambda m: data.noise(3)(m), const(4), counts=(0,), names=("noise", "prior")),
        "noise, rng": Target(lambda r: data.noise(3)(4, rng=r), rng, names=("noise", "prior")),
        "lerp": Target(data.lerp, a(3), a(3), const(5), counts=(2,)),
        "slerp": Target(data.slerp, a(3), a(3, low=0.1), const(5), counts=(2,)),
        "batches": Target(lambda p, q, size, r: next(data.batches(p, q, size=size, rng=r)), a(5, 2), labels(5), const(2), rng),
        "batches.load_state_dict": Target(
            lambda s: next(_loaded(data.batches(np.ones(5), size=2), s)),
            lambda: data.batches(np.ones(5), size=2).state_dict(),
            states=(0,),
            names=("saved position", "state", "load_state_dict"),
        ),
        "glyphs": Target(data.glyphs, const(2), rng, counts=(0,)),
        "mnist": Target(lambda split, root: data.mnist(split, root, download=False), const("train"), const("/nowhere")),
        "mode_coverage": Target(metrics.mode_coverage, a(20, 2), a(4, 2), const(0.1)),
        "wasserstein1": Target(metrics.wasserstein1, a(5, 2), a(5, 2)),
        "frechet_distance": Target(metrics.frechet_distance, a(9, 3), a(8, 3)),
        "nearest_distances": Target(metrics.nearest_distances, _digits(), _digits(), names=("image",)),
        "image_quality": Target(metrics.image_quality, _digits(), lambda: _judge(), _digits(5), labels(4)),
        "train_judge": Target(metrics.train_judge, _digits(), labels(4), const(1), rng, counts=(2,)),
        "backend.use": Target(backend.use, const("numpy"), const(None)),
        "backend.using": Target(lambda n: backend.using(n).__enter__(), const("numpy"), names=("backend",)),
        "to_numpy": Target(backend.to_numpy, a(2, 3)),
        "generator": Target(random_numbers.generator, rng),
        # attacks
        "fgsm": Target(
            attacks.fgsm,
            _classifier,
            _images,
            labels(4),
            const(0.1),
            const(losses.cross_entropy),
            const((0.0, 1.0)),
            const(False),
            weight=2,
        ),
        "pgd": Target(
            attacks.pgd,
            _classifier,
            _images,
            labels(4),
            const(0.1),
            const(losses.cross_entropy),
            const((0.0, 1.0)),
            const(False),
            const(0.05),
            const(2),
            rng,
            counts=(8,),
            weight=2,
        ),
        "minimal_perturbation": Target(
            attacks.minimal_perturbation,
            _classifier,
            _images,
            labels(4),
            const((0.0, 1.0)),
            const((1e-3, 1e3)),
            const(2),
            const(2),
            const(0.02),
            counts=(5, 6),
        ),
        "apply_patch": Target(attacks.apply_patch, _images, a(1, 2, 2, low=0.0), const(0.2), rng, const(10.0)),
        "adversarial_patch": Target(
            attacks.adversarial_patch,
            _classifier,
            _images,
            const(1),
            const(0.2),
            const(2),
            const(0.05),
            const(2),
            const(10.0),
            const(2),
            const((0.0, 1.0)),
            rng,
            counts=(4, 6, 8),
        ),
        "patch_success": Target(
            attacks.patch_success, _classifier, _images, labels(4), a(1, 2, 2, low=0.0), const(1), const(0.2), rng, const(10.0)
        ),
        "project": Target(
            attacks.project,
            lambda: nn.Dense(3, 2),
            a(4, 2),
            lambda: data.noise(3),
            const(2),
            const(0.1),
            const(2),
            rng,
            const(0.1),
            counts=(3, 5),
        ),
        "overpowered": Target(
            attacks.overpowered,
            lambda: nn.Dense(2, 3),
            lambda: nn.Dense(3, 2),
            lambda: data.noise(3),
            const(2),
            const(0.5),
            const(2),
            const(0.05),
            const(0.1),
            rng,
            counts=(3, 5),
        ),
        "disagreement": Target(attacks.disagreement, x(4, 3), x(4, 3)),
        "rubbish": Target(attacks.rubbish, const((2, 1, 4, 4)), const("normal"), rng, counts=(0,)),
        "fooled": Target(attacks.fooled, _classifier, _images, const(0.5)),
        "fooling_images": Target(
            attacks.fooling_images, _classifier, _images, const(1), const(2), const(0.02), const((0.0, 1.0)), counts=(3,)
        ),
        "adversarial_loss": Target(
            attacks.adversarial_loss,
            _classifier,
            _images,
            labels(4),
            const(0.1),
            const(0.5),
            const(losses.cross_entropy),
            const((0.0, 1.0)),
            names=("fgsm",),
        ),
        # games
        "Conditional": Target(games.Conditional, lambda: nn.Dense(5, 2), const(3)),
        "Conditional, forward": Target(
            lambda v, y: games.Conditional(nn.Dense(5, 2), 3)(v, y),
            x(4, 2),
            labels(4),
            names=("one_hot", "concatenate", "Dense", "Conditional"),
        ),
        "dcgan_generator": Target(games.dcgan_generator, const(3), const(2), rng, counts=(0, 1), names=("Dense", "dcgan")),
        "dcgan_discriminator": Target(
            games.dcgan_discriminator, const(1), const(2), rng, counts=(0, 1), names=("Conv2d", "dcgan")
        ),
    }
    options = {
        games.GAN: (const(1), const(1), const(False), const(0.1)),
        games.WGAN: (const(2), const(0.01)),
        games.WGANGP: (const(2), const(10.0)),
        games.ConditionalGAN: (const(1), const(1)),
        games.BEGAN: (const(0.5), const(0.001)),
    }
    for kind, extra in options.items():
        name, conditional = kind.__name__, kind is games.ConditionalGAN
        pair = (2 if kind is games.BEGAN else 1, 3 if conditional else 0)
        t[name] = Target(
            _make_game(kind),
            lambda p=pair: _players(*p)[0],
            lambda p=pair: _players(*p)[1],
            lambda: data.noise(3),
            const(optim.SGD),
            const(optim.SGD),
            *extra,
            counts=(5, 6),
        )
        batch = (lambda: (np.ones((4, 2), np.float32), np.arange(4) % 3)) if conditional else a(4, 2)
        t[f"{name}.step"] = Target(_sum_of(kind), batch, names=("step", "Dense", "mean", "l1"), weight=2)
        t[f"{name}.step, batches"] = Target(
            lambda b, k=kind: _game(k).step(b), lambda b=batch: itertools.repeat(b()), names=("step",)
        )
        t[f"{name}.sample"] = Target(
            lambda n, y, z, r, k=kind: _game(k).sample(n, y, z, r),
            const(4),
            labels(4) if conditional else const(None),
            a(4, 3),
            rng,
            counts=(0,),
            names=("sample", "Dense"),
        )
        t[f"{name}.prior"] = Target(
            lambda z, k=kind, b=batch: _with_prior(_game(k), z).step(iter([b() for _ in range(9)])),
            a(4, 3),
            names=("prior", "Dense"),
        )
        t[f"{name}.load_state_dict"] = Target(
            lambda s, k=kind: _game(k).load_state_dict(s),
            lambda k=kind: _game(k).state_dict(),
            states=(0,),
            names=("load_state_dict", "state"),
            weight=2,
        )
    return t


def _with_prior(game, z):
    game.prior = lambda m: z
    return game


def _loaded(stream, state):
    stream.load_state_dict(state)
    return stream


def _judge():
    judge = metrics.Judge(rng())
    return judge


def _stepped():
    p = x(2, 3)()
    p.grad = Tensor(np.ones((2, 3), np.float32))
    optimizer = optim.Adam([p])
    optimizer.step()
    return optimizer


TARGETS = _targets()
NAMES = sorted(TARGETS)
WEIGHTS = np.array([TARGETS[name].weight for name in NAMES], float)
WEIGHTS /= WEIGHTS.sum()

# --- the calls ------------------------------------------------------------------------------------------------------------


class Hang(BaseException):
    """The call was stopped."""


def _stop(signum, frame):
    raise Hang(f"still running after {SECONDS} seconds")


@contextlib.contextmanager
def limited():
    """Warnings are errors, floating-point ones aside; no call may hang, or take 500 MB (Linux)."""
    resource = None
    if sys.platform == "linux":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEGABYTES * 2**20, hard))
    before = signal.signal(signal.SIGALRM, _stop)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "invalid value encountered in matmul")
            yield
    finally:
        signal.signal(signal.SIGALRM, before)
        if resource:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def drawn(seed: int) -> tuple[str, list[str], list]:
    """The target of a seed, what is passed in words, and the arguments."""
    rng = np.random.default_rng(seed)
    random.seed(seed)
    name = NAMES[rng.choice(len(NAMES), p=WEIGHTS)]
    target = TARGETS[name]
    args = [make() for make in target.makers]
    count = 1 if rng.random() < 0.7 else int(rng.integers(1, len(args) + 1))
    words = ["fine"] * len(args)
    for i in rng.permutation(len(args))[:count]:
        if i in target.states:
            words[i], args[i] = spoilt(rng, args[i])
        else:
            words[i], args[i] = hostile(rng, "count" if i in target.counts else "")
    return name, words, args


def outcome(seed: int) -> tuple[str, str]:
    """(kind, what happened): "result", "refused", "unnamed" (the message is NumPy's or Python's own), or what must not be."""
    name, _, args = drawn(seed)
    target, before = TARGETS[name], [v.copy() if type(v) is np.ndarray else None for v in args]
    mg.seed(0)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        result = target.call(*args)
        if isinstance(result, Tensor) and result.requires_grad and not result.is_leaf and result.size:
            result.sum().backward()
        kind, what = "result", ""
    except MemoryError as error:  # NumPy's, which says for what; a network of 4 TiB has no other error
        kind, what = ("refused" if "Unable to allocate" in str(error) else "MemoryError"), str(error)
    except target.errors as error:
        kind, what = _refusal(name, target, error)
    except (Exception, Hang) as error:
        kind, what = type(error).__name__, str(error)[:150]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    if not target.writes:
        for value, copy in zip(args, before, strict=True):
            if copy is not None and value.tobytes() != copy.tobytes() and value.dtype.kind != "O":
                kind, what = "written", "an argument has been written to"
    if kind == "result" and target.reference and (wrong := _compare(target, args, result)):
        kind, what = "wrong", wrong
    backend.use("numpy")
    return kind, what


def _refusal(name: str, target: Target, error: Exception) -> tuple[str, str]:
    """Does the message name the function, or one of its parameters?"""
    text = str(error)
    if isinstance(error, Warning) or type(error) in (RecursionError, UnicodeError) or isinstance(error, RecursionError):
        return type(error).__name__, text[:150]
    if not text.strip("'\" "):
        return "empty message", type(error).__name__
    own = [name.split(",")[0].rpartition(".")[2], *target.names]
    with contextlib.suppress(TypeError, ValueError):
        own += [p for p in inspect.signature(target.call).parameters if len(p) > 3]
    named = _minigans_own(error) or any(word.lower() in text.lower() for word in own)
    return ("refused" if named else "unnamed"), f"{type(error).__name__}: {text[:150]}"


def _minigans_own(error: Exception) -> bool:
    """Is it minigan that has raised it, with words of its own (and not NumPy or Python, somewhere inside)?"""
    tb = error.__traceback__
    while tb.tb_next:
        tb = tb.tb_next
    file = tb.tb_frame.f_code.co_filename
    return file.startswith(HERE) and linecache.getline(file, tb.tb_lineno).strip().startswith("raise")


def _compare(target: Target, args: list, result: object) -> str:
    """A result for floats and integers of ordinary size must be NumPy's."""
    try:
        plain = [v.numpy() if isinstance(v, Tensor) else v for v in args]
        if any(isinstance(v, np.ndarray) and (v.dtype.kind not in "fiub" or isinstance(v, np.ma.MaskedArray)) for v in plain):
            return ""
        plain = [v.astype(np.float64) if isinstance(v, np.ndarray) and v.dtype.kind in "fiub" else v for v in plain]
        expected = np.asarray(target.reference(*plain))
    except Exception:  # NumPy refuses more than minigan does
        return ""
    if expected.shape != result.shape:
        return f"shape {result.shape}, NumPy's {expected.shape}"
    inputs = [v.dtype for v in args if isinstance(v, Tensor | np.ndarray)]
    others = [v for v in args if isinstance(v, int | float | np.generic) and not 1e-6 < abs(v) < 1e6]
    if (
        not inputs
        or others
        or not all(d.kind == "f" and d.itemsize >= 4 for d in inputs)
        or result.dtype.kind != "f"
        or expected.dtype.kind != "f"
    ):
        return ""
    with np.errstate(all="ignore"):
        close = np.isclose(result.numpy().astype(np.float64), expected, rtol=1e-3, atol=1e-4, equal_nan=True)
        close |= np.abs(expected) > 1e30  # infinite in float32
    return "" if close.all() else f"{result.numpy().ravel()[:3]}, NumPy's {expected.ravel()[:3]}"


def tally(seeds) -> tuple[Counter, dict]:
    """How the calls of these seeds end, and those that must not end so: (function, kind, argument) -> (seed, message)."""
    kinds, bad = Counter(), defaultdict(list)
    with limited():
        for seed in seeds:
            kind, what = outcome(seed)
            kinds[kind] += 1
            if kind not in ("result", "refused"):
                name, words, _ = drawn(seed)
                bad[name, kind].append((seed, [w for w in words if w != "fine"], what))
    return kinds, bad


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """What is loaded or started once is there before memory is limited."""
    data.glyphs(1)
    metrics.wasserstein1(np.ones((2, 2)), np.ones((2, 2)))
    for target in TARGETS.values():
        with contextlib.suppress(Exception):
            target.call(*[make() for make in target.makers])


def assert_none(bad: dict) -> None:
    lines = [f"{name}: {kind}: {len(calls)}: {calls[0]}" for (name, kind), calls in sorted(bad.items()) if kind != "unnamed"]
    assert not lines, "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_arguments_that_are_fine_are_taken(name):
    target = TARGETS[name]
    with contextlib.suppress(data.DataError):
        target.call(*[make() for make in target.makers])


@pytest.mark.slow
def test_hostile_arguments_are_refused_or_right():
    assert_none(tally(range(200))[1])


@pytest.mark.stress
@pytest.mark.parametrize("start", range(1000, 121_000, 4000))
def test_many_hostile_arguments_are_refused_or_right(start):
    assert_none(tally(range(start, start + 4000))[1])
