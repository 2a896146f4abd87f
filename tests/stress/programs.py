"""Random programs over all ops and layers, and what each must satisfy.

A program is a list of instructions; each makes one value, from earlier ones. It runs twice: in minigan, and in NumPy, which
knows nothing of gradients. The values must agree; and the gradients, of order 1 and 2, must be the slopes of the NumPy program
along random directions. What is cut off (detach, no_grad, copies of results) is a constant to both.
"""

import copy
import gc
import itertools
import math
import pickle
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import minigan as mg
from minigan import losses, nn, optim

LARGEST, MOST_ELEMENTS, KINK = 20.0, 48, 2e-3  # bounds on the values; the least distance to a kink


@dataclass(frozen=True)
class Step:
    """One instruction: `op` of the values number `args`, with options; a leaf has its array among them."""

    op: str
    args: tuple[int, ...] = ()
    options: tuple = ()


@dataclass(frozen=True)
class Program:
    """The instructions; what is differentiated is the last value. `events` happen between forward and backward pass."""

    steps: tuple[Step, ...]
    event: str = ""
    dtype: str = "float64"
    seed: int = 0

    def __str__(self) -> str:
        given = _numpy_run(self)[1]
        lines = []
        for i, step in enumerate(self.steps):
            if step.op == "leaf":
                lines.append(f"  v{i} = leaf {given[i].shape} {step.options[0]} {given[i].tolist()}")
            else:
                lines.append(f"  v{i} = {step.op}({', '.join(f'v{j}' for j in step.args)}) {step.options or ''}")
        return "\n".join([f"program of seed {self.seed}, {self.dtype}, event {self.event or 'none'}:", *lines])


@dataclass(frozen=True)
class Op:
    """An op in both worlds: in minigan, in NumPy, how it draws its options, and how far its arguments are from a kink."""

    mg: Callable
    np: Callable
    count: int = 1
    draw: Callable = lambda rng, *xs: ()
    kink: Callable = lambda *xs: math.inf
    order: int = 2  # up to which order its derivative is one
    cut: bool = False  # whether its result is a constant
    leaves: Callable | None = None  # shapes of the parameters that are made for it, after its first argument


# --- NumPy's side -------------------------------------------------------------------------------------------------------


def _sigma(x):
    return 1 / (1 + np.exp(-x))


def _lse(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _conv(x, w, b=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    x = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    oh, ow = ((x.shape[2 + i] - d * (w.shape[2 + i] - 1) - 1) // s + 1 for i, (s, d) in enumerate(((sh, dh), (sw, dw))))
    if min(oh, ow) < 1:
        raise ValueError("no window")
    y = np.zeros((len(x), len(w), oh, ow))
    for i, j in itertools.product(range(w.shape[2]), range(w.shape[3])):
        y += np.einsum("nchw,oc->nohw", x[:, :, i * dh : i * dh + sh * oh : sh, j * dw : j * dw + sw * ow : sw], w[:, :, i, j])
    return y if b is None else y + b[:, None, None]


def _conv_transpose(x, w, b=None, stride=(1, 1), padding=(0, 0), extra=(0, 0)):
    (sh, sw), (ph, pw), (n, _, h, width) = stride, padding, x.shape
    size = ((h - 1) * sh + w.shape[2] + extra[0], (width - 1) * sw + w.shape[3] + extra[1])
    y = np.zeros((n, w.shape[1], *size))
    for i, j in itertools.product(range(w.shape[2]), range(w.shape[3])):
        y[:, :, i : i + sh * (h - 1) + 1 : sh, j : j + sw * (width - 1) + 1 : sw] += np.einsum(
            "nchw,co->nohw", x, w[:, :, i, j]
        )
    y = y[:, :, ph : size[0] - ph, pw : size[1] - pw]
    if 0 in y.shape:
        raise ValueError("nothing left")
    return y if b is None else y + b[:, None, None]


def _windows(x, kernel, stride, padding, border):
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    x = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)], constant_values=border)
    return np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (2, 3))[:, :, ::sh, ::sw].reshape(*x.shape[:2], -1, kh * kw)


def _pooled(x, kernel, stride, padding, how, border):
    oh, ow = ((x.shape[2 + i] + 2 * padding[i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
    return how(_windows(x, kernel, stride, padding, border), axis=-1).reshape(*x.shape[:2], oh, ow)


def _normalised(x, w, b, axes, shape):
    centred = x - x.mean(axes, keepdims=True)
    return w.reshape(shape) * centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 1e-5) + b.reshape(shape)


def _batch_norm(x, w, b):
    return _normalised(x, w, b, (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2)))


def _mask(seed, shape, p):
    return (np.random.default_rng(seed).random(shape, dtype="float32") >= p) / (1 - p)


def _gap(x, axis=None):
    """The distance between the largest and the next, where they are different numbers."""
    x = x.reshape(-1, 1) if axis is None else np.moveaxis(x, axis, 0)
    return np.min(np.diff(np.sort(x, axis=0)[-2:], axis=0)) if len(x) > 1 else math.inf


def _least(x):
    return np.min(np.abs(x), initial=math.inf)


def _penalty_slope(w, x):
    return (1 - np.tanh(x @ w) ** 2) @ w.T


# --- what ops draw as options -------------------------------------------------------------------------------------------


def _axis(rng, x, *_):
    """(axis, keepdims): None, an integer or a tuple."""
    kind = rng.integers(4)
    if kind == 0 or not x.ndim:
        return None, bool(rng.integers(2))
    if kind == 1 and x.ndim > 1:
        return tuple(int(i) for i in rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)]), bool(rng.integers(2))
    return int(rng.integers(-x.ndim, x.ndim)), bool(rng.integers(2))


def _one_axis(rng, x, *_):
    return (int(rng.integers(-x.ndim, x.ndim)),)  # ValueError where there is none


def _new_shape(rng, x):
    factors = [n for n in (2, 3, 5) for _ in range(6) if x.size and x.size % n == 0]
    if not x.size or not factors or rng.integers(3) == 0:
        return ((-1,),)
    n = int(rng.choice(factors))
    return ((n, -1),) if rng.integers(2) else ((1, -1, n),)


def _index(rng, x):
    """An index of every kind."""
    if not x.ndim:
        return ((None, Ellipsis),) if rng.integers(2) else ((),)
    n = len(x)
    kinds = [
        lambda: slice(None, None, -1),
        lambda: slice(int(rng.integers(0, n + 1)), None, int(rng.integers(1, 3))),
        lambda: int(rng.integers(-n, n)),
        lambda: [int(i) for i in rng.integers(-n, n, rng.integers(1, 4))],
        lambda: (Ellipsis, [int(i) for i in rng.integers(0, x.shape[-1], 3)]),
        lambda: (None, Ellipsis, int(rng.integers(x.shape[-1]))),
        lambda: (rng.random(x.shape) < 0.6).tolist(),
        lambda: (slice(None), None, ...),
        lambda: tuple([[int(i) for i in rng.integers(0, m, 3)] for m in x.shape]),
    ]
    return (kinds[rng.integers(len(kinds))](),) if x.size else (Ellipsis,)


def _np_index(index):
    if isinstance(index, tuple):
        return tuple(_np_index(i) for i in index)
    return np.asarray(index) if isinstance(index, list) else index


def _pair(rng, low, high):
    return (int(rng.integers(low, high)), int(rng.integers(low, high)))


def _conv_options(rng, x, *_):
    return _pair(rng, 1, 3), _pair(rng, 0, 2), _pair(rng, 1, 3)


def _transpose_options(rng, x, *_):
    stride = _pair(rng, 1, 3)
    return stride, _pair(rng, 0, 2), tuple(int(rng.integers(0, s)) for s in stride)


def _pool_options(rng, x):
    kernel = _pair(rng, 1, 4)
    return kernel, _pair(rng, 1, 3), tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)


def _number(rng, *_):
    """A number of every kind that users mix with tensors."""
    value = round(float(rng.uniform(0.3, 2.0)), 2)
    return ([value, np.float64(value), np.float32(0.5), 2, True][rng.integers(5)],)


def _labels(rng, n, classes):
    return [int(i) for i in rng.integers(0, classes, n)]


def _seed(rng, *_):
    return (int(rng.integers(1000)),)


def _seeded(seed, call):
    mg.seed(seed)
    return call()


# --- custom ops ---------------------------------------------------------------------------------------------------------

fresh = {"on": False}  # whether the derivatives below return new memory: what they are compared with


def _odd(forward, derivative):
    """An op of the user's own whose derivative returns what it finds lying about: no slope, but it must be handled right."""

    def op(x):
        def returned(g, y):
            result = derivative(g, y, x)
            return mg.Tensor(result.data.copy()) if fresh["on"] else result

        return mg.record("odd", forward(x.data), (x, returned))

    return op


KEPT: dict[tuple, mg.Tensor] = {}


def _kept(shape, dtype):
    return KEPT.setdefault((shape, str(dtype)), mg.Tensor(np.full(shape, 0.5, dtype)))


def _again(g, y=None):
    return mg.record("again", g.data, (g, lambda h, y: h))


CUSTOM = {
    "custom shares": Op(lambda x: mg.record("shares", x.data, (x, lambda g, y: g)), lambda x: x),
    "custom copies": Op(lambda x: mg.record("copies", x.data * 1, (x, lambda g, y: g)), lambda x: x),
    "custom flat": Op(lambda x: mg.record("flat", x.data.reshape(-1), (x, lambda g, y: g.reshape(x.shape))), np.ravel),
    "custom reverse": Op(
        lambda x: mg.record("reverse", x.data[..., ::-1], (x, lambda g, y: g[..., ::-1])), lambda x: x[..., ::-1]
    ),
    "custom again": Op(lambda x: mg.record("again", x.data * 1, (x, _again)), lambda x: x),
    "custom again shared": Op(lambda x: mg.record("again", x.data, (x, _again)), lambda x: x),
    "custom twice": Op(lambda x: mg.record("twice", x.data * 2, (x, lambda g, y: g), (x, lambda g, y: g)), lambda x: 2 * x),
    "custom exp": Op(lambda x: mg.record("own exp", np.exp(x.data), (x, lambda g, y: g * y)), np.exp),
    "custom sum": Op(lambda a, b: mg.record("own sum", a.data + b.data, (a, lambda g, y: g), (b, lambda g, y: g)), np.add, 2),
}
ODD = {
    "odd y.detach()": lambda g, y, x: y.detach(),
    "odd y": lambda g, y, x: y,
    "odd x": lambda g, y, x: x,
    "odd x.detach()": lambda g, y, x: x.detach(),
    "odd g.detach()": lambda g, y, x: g.detach(),
    "odd Tensor(g.data)": lambda g, y, x: mg.Tensor(g.data),
    "odd view of y": lambda g, y, x: mg.Tensor(y.data[...]),
    "odd recorded y": lambda g, y, x: _again(y),
    "odd recorded x": lambda g, y, x: _again(x),
    "odd recorded view": lambda g, y, x: mg.record("view", y.data[...], (y, lambda h, y: h)),
    "odd kept": lambda g, y, x: _kept(x.shape, x.dtype),
    "odd recorded kept": lambda g, y, x: _again(_kept(x.shape, x.dtype)),
}
CUSTOM |= {name: Op(_odd(lambda a: a * 1.0, d), lambda x: x * 1.0, order=0) for name, d in ODD.items()}
CUSTOM |= {f"{name}, shared": Op(_odd(lambda a: a, d), lambda x: x, order=0) for name, d in ODD.items()}

# --- all ops ------------------------------------------------------------------------------------------------------------


def _unary(name, f, kink=lambda x: math.inf, positive=False):
    """An op of one argument; `positive`: only used where all numbers are above 0.1."""
    return Op(getattr(mg, name), f, kink=(lambda x: np.min(x, initial=math.inf) - 0.1) if positive else kink)


def _reduction(name, f, kink=lambda x, axis, keepdims: math.inf):
    def in_numpy(x, axis, keepdims):
        return f(x, axis=axis, keepdims=keepdims)

    return Op(lambda x, axis, keepdims: getattr(mg, name)(x, axis=axis, keepdims=keepdims), in_numpy, 1, _axis, kink)


def _tie(x, axis, keepdims):
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(i % x.ndim for i in axes)
    rest = [i for i in range(x.ndim) if i not in axes]
    return _gap(x.transpose(*axes, *rest).reshape(-1, *[x.shape[i] for i in rest]), 0) if x.ndim else math.inf


def _layer(make, np_f, leaves, draw=lambda rng, *xs: (), **more):
    """A layer whose parameters are values of the program; some go through a copy, whose output must be the same."""

    def run(x, *rest):
        params, options = [r for r in rest if isinstance(r, mg.Tensor)], [r for r in rest if not isinstance(r, mg.Tensor)]
        *options, via = options
        layer = make(*params, *options)
        layer.weight, layer.bias = params[0], params[1] if len(params) > 1 else getattr(layer, "bias", None)
        y = layer(x)
        if via:
            _check_copy(layer, x.detach(), y, via)
        return y

    return Op(
        run,
        lambda *all_: np_f(*all_[:-1]),
        leaves=leaves,
        draw=lambda rng, *xs: (*draw(rng, *xs), ["", "", "", "deepcopy", "pickle", "copy"][rng.integers(6)]),
        **more,
    )


def copied(value, via):
    return {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda v: pickle.loads(pickle.dumps(v))}[via](value)


def _check_copy(layer, x, y, via):
    other = copied(layer, via)
    assert [(n, p.shape, p.requires_grad) for n, p in other.named_parameters()] == [
        (n, p.shape, p.requires_grad) for n, p in layer.named_parameters()
    ], f"the {via} of {layer!r} has other parameters"
    if not isinstance(layer, nn.Dropout):
        np.testing.assert_allclose(other(x).numpy(), y.numpy(), rtol=1e-9 if y.dtype == np.float64 else 1e-3, atol=1e-6)


def _embedding(weight, labels):
    layer = nn.Embedding(*weight.shape)
    layer.weight = weight
    return layer(labels)


def _penalty(w, real, fake, seed):
    critic = lambda x: mg.tanh(x @ w).sum(axis=1)  # noqa: E731
    real, fake = (mg.Tensor(np.array(x), dtype=w.dtype) for x in (real, fake))
    return losses.gradient_penalty(critic, real, fake, rng=np.random.default_rng(seed))


def _np_penalty(w, real, fake, seed):
    real, fake = np.array(real), np.array(fake)
    u = np.random.default_rng(seed).random((len(real), 1))
    g = _penalty_slope(w, fake + u * (real - fake))
    return np.mean((np.sqrt((g**2).sum(1)) - 1) ** 2)


def _penalty_options(rng, w):
    points = rng.normal(0, 1, (2, 3, w.shape[0])).round(2)
    return (*points.tolist(), int(rng.integers(1000)))


def _squared_slope(w, x):
    x = mg.Tensor(np.array(x), dtype=w.dtype, requires_grad=True)
    return losses.squared_gradient_norm(mg.tanh(x @ w).sum(axis=1, keepdims=True), x)


def _dropout_layer(x, seed):
    layer = nn.Dropout(0.4)
    return _seeded(seed, lambda: layer(x))


def _eval_norm(x, w, b):
    layer = (nn.BatchNorm2d if x.ndim == 4 else nn.BatchNorm1d)(x.shape[1]).eval()
    layer.weight, layer.bias = w, b
    layer.running_mean, layer.running_var = (np.full(x.shape[1], v, x.dtype) for v in (0.25, 2.0))
    return layer(x)


def _np_eval_norm(x, w, b):
    shape = (1, -1, *[1] * (x.ndim - 2))
    return (x - 0.25) / np.sqrt(2.0 + 1e-5) * w.reshape(shape) + b.reshape(shape)


EINSUMS = {
    1: ["i->", "i->i"],
    2: ["ij->ji", "ij->i", "ij->", "ii->i", "ii->", "ij->j"],
    3: ["ijk->kij", "ijk->j", "iji->j", "ijj->i"],
    4: ["ijkl->lj", "ijkl->kjil"],
}
PAIRS = [
    "i,i->",
    "i,j->ij",
    "ij,jk->ik",
    "ij,ij->i",
    "ij,k->k",
    "ij,j->i",
    "ijk,ikl->ijl",
    "ij,kj->ik",
    "ij,ij->",
    "i,jk->",
    "ii,i->i",
]


def _einsum_options(rng, *xs):
    choices = EINSUMS.get(xs[0].ndim, ["->"]) if len(xs) == 1 else PAIRS
    return (choices[rng.integers(len(choices))],)


def _fits(*arguments):
    """Whether each letter has one size: NumPy's einsum also broadcasts sizes of 1."""
    *xs, subscripts = arguments
    terms = subscripts.partition("->")[0].split(",")
    sizes = {(letter, n) for term, x in zip(terms, xs, strict=True) for letter, n in zip(term, x.shape, strict=True)}
    return math.inf if len(sizes) == len(dict(sizes)) else 0.0


def _condition(rng, a, *_):
    return (np.asarray(rng.random(a.shape) < 0.5).tolist(),)


OPS: dict[str, Op] = {
    "exp": _unary("exp", np.exp),
    "expm1": _unary("expm1", np.expm1),
    "log": _unary("log", np.log, positive=True),
    "log1p": _unary("log1p", np.log1p, positive=True),
    "sqrt": _unary("sqrt", np.sqrt, positive=True),
    "square": _unary("square", np.square),
    "abs": _unary("abs", np.abs, _least),
    "sign": _unary("sign", np.sign, _least),
    "sin": _unary("sin", np.sin),
    "cos": _unary("cos", np.cos),
    "tanh": _unary("tanh", np.tanh),
    "negative": _unary("negative", np.negative),
    "relu": _unary("relu", lambda x: np.maximum(x, 0), _least),
    "leaky_relu": Op(
        lambda x, s: mg.leaky_relu(x, s),
        lambda x, s: np.where(x > 0, x, s * x),
        1,
        lambda rng, x: (0.3,),
        lambda x, s: _least(x),
    ),
    "elu": Op(
        lambda x, a: mg.elu(x, a),
        lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
        1,
        lambda rng, x: (float(rng.choice([0.5, 1.0, 2.0])),),
        lambda x, a: _least(x),
    ),
    "sigmoid": _unary("sigmoid", _sigma),
    "softplus": _unary("softplus", lambda x: np.logaddexp(0, x)),
    "log_sigmoid": _unary("log_sigmoid", lambda x: -np.logaddexp(0, -x)),
    "softmax": Op(mg.softmax, lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True), 1, _one_axis),
    "log_softmax": Op(mg.log_softmax, lambda x, axis: x - _lse(x, axis, True), 1, _one_axis),
    "dropout": Op(
        lambda x, s: mg.dropout(x, 0.3, rng=np.random.default_rng(s)), lambda x, s: x * _mask(s, x.shape, 0.3), 1, _seed
    ),
    "clip": Op(
        mg.clip,
        np.clip,
        1,
        lambda rng, x: [(-0.5, 0.7), (None, 0.4), (-0.3, None)][rng.integers(3)],
        lambda x, low, high: min(_least(x - b) for b in (low, high) if b is not None),
    ),
    # two arguments
    "add": Op(lambda a, b: a + b, np.add, 2),
    "subtract": Op(lambda a, b: a - b, np.subtract, 2),
    "multiply": Op(lambda a, b: a * b, np.multiply, 2),
    "divide": Op(lambda a, b: a / b, np.divide, 2, kink=lambda a, b: _least(b) - 0.2),
    "power": Op(mg.power, np.power, 2, kink=lambda a, b: np.min(a, initial=9.0) - 0.1),
    "maximum": Op(mg.maximum, np.maximum, 2, kink=lambda a, b: _least(a - b)),
    "minimum": Op(mg.minimum, np.minimum, 2, kink=lambda a, b: _least(a - b)),
    "matmul": Op(mg.matmul, np.matmul, 2),
    "gram": Op(lambda a: a @ a.T, lambda a: a @ a.T),
    "self product": Op(lambda a: a * a + a, lambda a: a * a + a),
    "number left": Op(lambda x, c: (c + x) * c - c / (2.5 + x * x), lambda x, c: (c + x) * c - c / (2.5 + x * x), 1, _number),
    "number right": Op(lambda x, c: (x - c) / c + x * c, lambda x, c: (x - c) / c + x * c, 1, _number),
    "number power": Op(lambda x, c: c ** (x / 4.0), lambda x, c: c ** (x / 4.0), 1, lambda rng, x: (1.7,)),
    "integer power": Op(
        lambda x, p: x**p,
        lambda x, p: x**p,
        1,
        lambda rng, x: ([0, 1, 2, 3, 2.0, 3.0][rng.integers(6)],),
        lambda x, p: math.inf,
    ),
    "inverse power": Op(
        lambda x, p: x**p, lambda x, p: x**p, 1, lambda rng, x: ([-1, -2, -1.0][rng.integers(3)],), lambda x, p: _least(x) - 0.3
    ),
    "where": Op(lambda a, b, c: mg.where(np.array(c), a, b), lambda a, b, c: np.where(c, a, b), 2, _condition),
    "where compared": Op(
        lambda a, b: mg.where(a > b, a * 2.0, b), lambda a, b: np.where(a > b, a * 2, b), 2, kink=lambda a, b: _least(a - b)
    ),
    "guarded sqrt": Op(
        lambda x: mg.sqrt(mg.where(x > 0.1, x, 1.0)), lambda x: np.sqrt(np.where(x > 0.1, x, 1)), kink=lambda x: _least(x - 0.1)
    ),
    "einsum": Op(lambda x, s: mg.einsum(s, x), lambda x, s: np.einsum(s, x), 1, _einsum_options, _fits),
    "einsum of two": Op(lambda a, b, s: mg.einsum(s, a, b), lambda a, b, s: np.einsum(s, a, b), 2, _einsum_options, _fits),
    # reductions
    "sum": _reduction("sum", np.sum),
    "mean": _reduction("mean", np.mean),
    "var": _reduction("var", np.var),
    "var, ddof 1": Op(
        lambda x, i: mg.var(x, i, 1),
        lambda x, i: np.square(x - x.mean(i, keepdims=True)).sum(i) / np.float64(x.shape[i] - 1),
        1,
        _one_axis,
    ),
    "prod": _reduction("prod", np.prod),
    "max": _reduction("max", np.max, _tie),
    "min": _reduction("min", np.min, lambda x, axis, keepdims: _tie(-x, axis, keepdims)),
    "norm": _reduction(
        "norm",
        lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
        lambda x, axis, keepdims: np.min(np.sum(x * x, axis=axis), initial=math.inf) - 0.04,
    ),
    "logsumexp": _reduction("logsumexp", _lse),
    "cumsum": Op(mg.cumsum, np.cumsum, 1, lambda rng, x: (None,) if rng.integers(2) else _one_axis(rng, x)),
    # shapes
    "reshape": Op(lambda x, s: x.reshape(s), lambda x, s: x.reshape(s), 1, _new_shape),
    "transpose": Op(
        lambda x, o: x.transpose(*o) if o else x.T,
        lambda x, o: x.transpose(o) if o else x.T,
        1,
        lambda rng, x: (tuple(int(i) for i in rng.permutation(x.ndim)) if rng.integers(2) else (),),
    ),
    "moveaxis": Op(mg.moveaxis, np.moveaxis, 1, lambda rng, x: (*_one_axis(rng, x), *_one_axis(rng, x))),
    "broadcast_to": Op(
        mg.broadcast_to, np.broadcast_to, 1, lambda rng, x: ((int(rng.integers(1, 4)), *[3 if n == 1 else n for n in x.shape]),)
    ),
    "concatenate": Op(lambda a, b, i: mg.concatenate([a, b, a], i), lambda a, b, i: np.concatenate([a, b, a], i), 2, _one_axis),
    "stack": Op(lambda a, b, i: mg.stack([a, b], i), lambda a, b, i: np.stack([a, b], i), 2, _one_axis),
    "split": Op(
        lambda x, cuts, i, k: mg.split(x, list(cuts), i)[k],
        lambda x, cuts, i, k: np.split(x, cuts, i)[k],
        1,
        lambda rng, x: (sorted(int(c) for c in rng.integers(0, x.size + 1, 2)), *_one_axis(rng, x), int(rng.integers(3))),
    ),
    "squeeze": Op(mg.squeeze, np.squeeze),
    "expand_dims": Op(mg.expand_dims, np.expand_dims, 1, lambda rng, x: (int(rng.integers(-x.ndim - 1, x.ndim + 1)),)),
    "pad": Op(
        mg.pad,
        lambda x, w, v: np.pad(x, w, constant_values=v),
        1,
        lambda rng, x: ([_pair(rng, 0, 2) for _ in range(x.ndim)], 0.5),
    ),
    "flip": Op(mg.flip, np.flip, 1, lambda rng, x: (_axis(rng, x)[0],)),
    "getitem": Op(lambda x, i: x[i], lambda x, i: x[_np_index(i)], 1, _index),
    "take": Op(
        lambda x, i, axis: mg.take(x, i, axis),
        lambda x, i, axis: np.take(x, i, axis),
        1,
        lambda rng, x: ([int(i) for i in rng.integers(-1, 1, (3,))], None if rng.integers(2) else _one_axis(rng, x)[0]),
    ),
    "one_hot": Op(
        lambda x, labels: x[:, None] * mg.one_hot(labels, 3, dtype=x.dtype),
        lambda x, labels: x[:, None] * np.eye(3)[labels],
        1,
        lambda rng, x: (_labels(rng, len(x), 3),),
    ),
    "same dtype, same place": Op(lambda x: mg.ops.copy(x.astype(x.dtype).to("numpy")), lambda x: x),
    # images
    "upsample2d": Op(
        lambda x, s: nn.Upsample(s)(x),
        lambda x, s: x.repeat(s[0], 2).repeat(s[1], 3),
        1,
        lambda rng, x: (_pair(rng, 1, 3),),
        lambda x, s: math.inf if x.ndim == 4 else 0.0,
    ),
    "max_pool2d": Op(
        lambda x, *o: nn.MaxPool2d(*o)(x),
        lambda x, k, s, p: _pooled(x, k, s, p, np.max, -np.inf),
        1,
        _pool_options,
        lambda x, k, s, p: _gap(_windows(x, k, s, p, -99.0), -1),
    ),
    "avg_pool2d": Op(lambda x, *o: nn.AvgPool2d(*o)(x), lambda x, k, s, p: _pooled(x, k, s, p, np.mean, 0.0), 1, _pool_options),
    "conv2d": Op(
        lambda x, w, s, p, d: mg.conv2d(x, w, None, s, p, d),
        lambda x, w, s, p, d: _conv(x, w, None, s, p, d),
        draw=_conv_options,
        leaves=lambda rng, x: [(int(rng.integers(1, 4)), x.shape[1], *_pair(rng, 1, 4))],
    ),
    "conv_transpose2d": Op(
        lambda x, w, b, *o: mg.conv_transpose2d(x, w, b, *o),
        _conv_transpose,
        draw=_transpose_options,
        leaves=lambda rng, x: [(x.shape[1], n := int(rng.integers(1, 7)), *_pair(rng, 1, 4)), (n,)],
    ),
    # layers
    "Dense": _layer(
        lambda w, b: nn.Dense(*w.shape),
        lambda x, w, b: x @ w + b,
        lambda rng, x: [(x.shape[-1], n := int(rng.integers(1, 5))), (n,)],
    ),
    "Dense without bias": _layer(
        lambda w: nn.Dense(*w.shape, bias=False), lambda x, w: x @ w, lambda rng, x: [(x.shape[-1], int(rng.integers(1, 5)))]
    ),
    "Conv2d": _layer(
        lambda w, b, s, p: nn.Conv2d(w.shape[1], w.shape[0], w.shape[2:], s, p),
        _conv,
        lambda rng, x: [(n := int(rng.integers(1, 4)), x.shape[1], *_pair(rng, 1, 4)), (n,)],
        lambda rng, *xs: (_pair(rng, 1, 3), _pair(rng, 0, 2)),
    ),
    "ConvTranspose2d": _layer(
        lambda w, b, s, p, e: nn.ConvTranspose2d(*w.shape[:2], w.shape[2:], s, p, e),
        _conv_transpose,
        lambda rng, x: [(x.shape[1], n := int(rng.integers(1, 7)), *_pair(rng, 1, 4)), (n,)],
        _transpose_options,
    ),
    "BatchNorm1d": _layer(
        lambda w, b: nn.BatchNorm1d(len(w)),
        _batch_norm,
        lambda rng, x: [(x.shape[1],), (x.shape[1],)],
        kink=lambda x, *_: _spread_out(x, (2, 3)),
    ),
    "BatchNorm2d": _layer(
        lambda w, b: nn.BatchNorm2d(len(w)),
        _batch_norm,
        lambda rng, x: [(x.shape[1],), (x.shape[1],)],
        kink=lambda x, *_: _spread_out(x, (4,)),
    ),
    "BatchNorm in eval mode": Op(
        _eval_norm,
        _np_eval_norm,
        leaves=lambda rng, x: [(x.shape[1],), (x.shape[1],)],
        kink=lambda x, *_: math.inf if 2 <= x.ndim <= 4 else 0.0,
    ),
    "LayerNorm": _layer(
        lambda w, b: nn.LayerNorm(w.shape),
        lambda x, w, b: _normalised(x, w, b, tuple(range(-w.ndim, 0)), w.shape),
        lambda rng, x: [x.shape[-(k := int(rng.integers(1, x.ndim + 1))) :], x.shape[-k:]],
        kink=lambda x, w, b, *_: np.min(x.var(tuple(range(-w.ndim, 0))), initial=math.inf) - 0.02,
    ),
    "Embedding": Op(
        _embedding,
        lambda w, labels: w[np.array(labels)],
        1,
        lambda rng, w: (_labels(rng, 4, len(w)),),
        lambda w, _: math.inf if w.ndim == 2 else 0.0,
    ),
    "Dropout": Op(_dropout_layer, lambda x, s: x * _mask(s, x.shape, 0.4), 1, _seed),
    "Flatten": Op(lambda x: nn.Flatten()(x), lambda x: x.reshape(len(x), -1)),
    "Reshape": Op(lambda x: nn.Reshape(1, -1)(x), lambda x: x.reshape(len(x), 1, -1)),
    "activations": Op(
        lambda x: nn.Sequential(nn.Tanh(), nn.LeakyReLU(0.1), nn.ELU(), nn.Softplus(), nn.Sigmoid(), nn.Softmax())(x),
        lambda x: (lambda t: np.exp(t) / np.exp(t).sum(-1, keepdims=True))(
            _sigma(np.logaddexp(0, (lambda u: np.where(u > 0, u, np.expm1(u)))(np.where(x > 0, np.tanh(x), 0.1 * np.tanh(x)))))
        ),
        kink=lambda x: _least(x) if x.ndim else 0.0,
    ),
    # losses
    "log_loss": Op(
        lambda v, y: losses.log_loss(mg.sigmoid(v), y),
        lambda v, y: np.mean(np.logaddexp(0, v) - y * v),
        1,
        lambda rng, v: ([0.0, 1.0, 0.3][rng.integers(3)],),
        lambda v, y: 10.0 - np.max(np.abs(v), initial=0),
    ),
    "log_loss_with_logits": Op(
        losses.log_loss_with_logits,
        lambda v, y: np.mean(np.logaddexp(0, v) - y * v),
        1,
        lambda rng, v: ([0, 1.0, 0.3][rng.integers(3)],),
    ),
    "cross_entropy": Op(
        losses.cross_entropy,
        lambda x, y: -np.mean((x - _lse(x, 1, True))[np.arange(len(x)), y]),
        1,
        lambda rng, x: (_labels(rng, len(x), x.shape[1]),),
        lambda x, y: math.inf if x.ndim == 2 else 0.0,
    ),
    "mse": Op(losses.mse, lambda a, b: np.mean((a - b) ** 2), 2, kink=lambda a, b: math.inf if a.shape == b.shape else 0.0),
    "l1": Op(losses.l1, lambda a, b: np.mean(np.abs(a - b)), 2, kink=lambda a, b: _least(a - b) if a.shape == b.shape else 0.0),
    "discriminator_loss": Op(
        losses.discriminator_loss, lambda a, b: np.mean(np.logaddexp(0, -a)) + np.mean(np.logaddexp(0, b)), 2
    ),
    "generator_loss": Op(
        losses.generator_loss,
        lambda v, s: -np.mean(np.logaddexp(0, v)) if s else np.mean(np.logaddexp(0, -v)),
        1,
        lambda rng, v: (bool(rng.integers(2)),),
    ),
    "critic_loss": Op(losses.critic_loss, lambda a, b: np.mean(b) - np.mean(a), 2),
    "gradient_penalty": Op(_penalty, _np_penalty, 1, _penalty_options, lambda w, *_: math.inf if w.ndim == 2 else 0.0),
    "squared_gradient_norm": Op(
        _squared_slope,
        lambda w, x: np.mean((_penalty_slope(w, np.array(x)) ** 2).sum(1)),
        1,
        lambda rng, w: (rng.normal(0, 1, (3, w.shape[0])).round(2).tolist(),),
        lambda w, _: math.inf if w.ndim == 2 else 0.0,
    ),
    # what cuts
    "detach": Op(mg.Tensor.detach, lambda x: x, cut=True),
    "no_grad": Op(mg.no_grad()(lambda x: mg.tanh(x) * x), lambda x: np.tanh(x) * x, cut=True),
    "enable_grad": Op(mg.no_grad()(mg.enable_grad()(lambda x: mg.tanh(x) * x)), lambda x: np.tanh(x) * x),
    "no_grad, after enable_grad": Op(lambda x: _after_an_inner_block(x), lambda x: np.sin(x) * x, cut=True),
    "copied result": Op(
        lambda x, via: copied((x * 1.0).detach(), via),
        lambda x, via: x,
        1,
        lambda rng, x: (["copy", "deepcopy", "pickle"][rng.integers(3)],),
        cut=True,
    ),
}
OPS |= CUSTOM


def _after_an_inner_block(x):
    with mg.no_grad():
        with mg.enable_grad():
            mg.exp(x)
        return mg.sin(x) * x


def _spread_out(x, ndims):
    """How far the channels' variances are from 0; nothing fits where there are other numbers of axes."""
    return np.min(x.var((0, *range(2, x.ndim))), initial=math.inf) - 0.02 if x.ndim in ndims else 0.0


# --- making a program ---------------------------------------------------------------------------------------------------

SHAPES = [
    (),
    (1,),
    (3,),
    (4,),
    (2, 3),
    (3, 3),
    (3, 1),
    (1, 4),
    (4, 2),
    (2, 1, 3),
    (2, 3, 2),
    (2, 2, 4),
    (1, 2, 4, 4),
    (2, 1, 3, 5),
    (2, 2, 3, 3),
    (1, 5, 2, 3),
]
LEAVES = ["trained", "trained", "trained", "trained", "trained", "constant", "frozen", "view"]
EVENTS = [*[""] * 10, "assign", "step", "clip", "load", "freeze", "twice", "train", "assign"]
NAMES = sorted(OPS)
WEIGHTS = np.array([0.15 if OPS[name].order == 0 else 0.3 if OPS[name].cut else 1.0 for name in NAMES])
WEIGHTS /= WEIGHTS.sum()


def draw_program(seed: int, first: np.ndarray | None = None) -> Program:
    """The program of a seed: 2 to 14 instructions besides the leaves. `first`: the first leaf's values."""
    rng = np.random.default_rng(seed)
    steps: list[Step] = []
    values: list[np.ndarray] = []

    def leaf(shape, kind=None):
        array = rng.uniform(-2, 2, shape).round(3)
        array = np.where(np.abs(array) < 0.05, 0.3, array)
        steps.append(Step("leaf", (), (kind or LEAVES[rng.integers(len(LEAVES))], np.asarray(array))))
        values.append(np.asarray(array))

    leaf(SHAPES[rng.integers(len(SHAPES))], "trained")
    if first is not None:
        steps[0], values[0] = Step("leaf", (), ("trained", first)), first
    for _ in range(rng.integers(0, 3)):
        leaf(SHAPES[rng.integers(len(SHAPES))])
    wanted, tries = int(rng.integers(2, 15)), 0
    while wanted and tries < 200:
        tries += 1
        name = NAMES[rng.choice(len(NAMES), p=WEIGHTS)]
        before = len(steps)
        try:
            _append(rng, name, steps, values, leaf)
            wanted -= 1
        except (ValueError, IndexError, TypeError):  # it does not fit here; another
            del steps[before:], values[before:]
    event = EVENTS[rng.integers(len(EVENTS))]
    dtype = "float32" if rng.integers(8) == 0 else "float64"
    return Program(tuple(steps), event, dtype, seed)


def _append(rng, name: str, steps: list, values: list, leaf: Callable) -> None:
    op = OPS[name]
    newest = lambda: int(len(values) - 1 - min(rng.integers(0, len(values)), rng.integers(0, len(values))))  # noqa: E731
    args = tuple(newest() for _ in range(op.count))
    for shape in op.leaves(rng, values[args[0]]) if op.leaves else ():
        if rng.integers(3) == 0 and (fitting := [i for i, v in enumerate(values) if v.shape == tuple(shape)]):
            args += (int(rng.choice(fitting)),)
        else:
            leaf(tuple(shape))
            args += (len(values) - 1,)
    options = op.draw(rng, *[values[i] for i in args])
    with np.errstate(all="ignore"):
        value = np.asarray(op.np(*[values[i] for i in args], *options), np.float64)
        if value.size > MOST_ELEMENTS or not value.size or not np.all(np.abs(value) < LARGEST):
            raise ValueError("too large, or nan")
        if not op.kink(*[values[i] for i in args], *options) > KINK:
            raise ValueError("too near to a kink")
    steps.append(Step(name, args, options))
    values.append(value)


# --- running it ---------------------------------------------------------------------------------------------------------


def _numpy_run(program: Program, given: dict[int, np.ndarray] | None = None) -> tuple[np.ndarray, dict, list]:
    """The last value, in NumPy. `given` holds leaves and constants; without it they are filled in, and returned."""
    known, values = ({} if given is None else given), []
    for i, step in enumerate(program.steps):
        if i in known:
            values.append(known[i])
        elif step.op == "leaf":
            known[i] = np.asarray(step.options[1].astype(program.dtype), np.float64)
            values.append(known[i])
        else:
            op = OPS[step.op]
            values.append(np.asarray(op.np(*[values[j] for j in step.args], *step.options), np.float64))
            if op.cut:
                known[i] = values[-1]
    return values[-1], known, values


def _make_leaf(kind: str, array: np.ndarray) -> mg.Tensor:
    if kind == "view":  # not contiguous
        wide = np.zeros((*array.shape, 2), array.dtype)
        wide[..., 0] = array
        array = wide[..., 0]
    t = mg.Tensor(array.copy() if kind != "view" else array, requires_grad=kind != "constant", name="leaf")
    if kind == "frozen":
        t.requires_grad = False
    return t


def _minigan_run(program: Program, given: dict, leaves: dict[int, mg.Tensor] | None = None) -> list[mg.Tensor]:
    """All values, in minigan; leaves may be tensors from before."""
    values: list[mg.Tensor] = []
    for i, step in enumerate(program.steps):
        if step.op == "leaf":
            values.append(leaves[i] if leaves else _make_leaf(step.options[0], given[i].astype(program.dtype)))
        else:
            values.append(OPS[step.op].mg(*[values[j] for j in step.args], *step.options))
    return values


def _trained(program: Program, values: list) -> dict[int, mg.Tensor]:
    """The leaves that the last value's gradient is asked for, by number."""
    return {i: values[i] for i, s in enumerate(program.steps) if s.op == "leaf" and values[i].requires_grad}


class WrongError(AssertionError):
    """What a program must satisfy, it does not."""


def _close(found, expected, rtol, scale, what):
    error = np.max(np.abs(np.asarray(found) - expected), initial=0.0)
    if not error <= rtol * (scale + np.max(np.abs(expected), initial=0.0)):
        raise WrongError(f"{what}: {np.asarray(found).tolist()}, expected {np.asarray(expected).tolist()}")


def check(program: Program) -> str:
    """Run the program, and raise AssertionError where it does not hold. Returns what kind of check it was."""
    rng = np.random.default_rng([program.seed, 7])
    _, given, expected = _numpy_run(program)
    exact = program.dtype == "float64"
    values = _minigan_run(program, given)
    for i, (t, value) in enumerate(zip(values, expected, strict=True)):
        if t.shape != value.shape or t.dtype != program.dtype:
            raise WrongError(f"v{i} = {program.steps[i].op}: {t.dtype} {t.shape}, expected {program.dtype} {value.shape}")
        _close(t.numpy(), value, 1e-9 if exact else 1e-3, 1.0, f"the value of v{i} = {program.steps[i].op}")
    leaves = _trained(program, values)
    out = values[-1]
    if not out.requires_grad or out.is_leaf:
        return "constant"
    weights = rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1, 1], out.shape)
    found = mg.grad(out, list(leaves.values()), gradient=weights)
    for g, leaf in zip(found, leaves.values(), strict=True):
        if g.shape != leaf.shape or g.dtype != leaf.dtype:
            raise WrongError(f"gradient {g.dtype} {g.shape} for a leaf {leaf.dtype} {leaf.shape}")
    grads = {i: g.numpy().astype(np.float64) for i, g in zip(leaves, found, strict=True)}
    _check_backward(program, values, leaves, weights, grads)
    order = min(OPS[s.op].order if s.op != "leaf" else 2 for s in program.steps)
    if order:
        _check_slopes(program, given, leaves, weights, grads, rng, exact)
        if exact:
            _check_second_order(program, given, values, leaves, weights, rng)
    else:
        _check_fresh(program, given, weights, grads)
    del found, g, leaf, out, t
    _check_event(program, given, values, leaves, weights, grads, rng, order)
    if program.event not in ("assign", "step", "clip", "load"):  # a refusal's traceback keeps its frames
        _check_freed(values, leaves)
    return program.event or ("odd" if not order else "slopes")


def _check_backward(program, values, leaves, weights, grads) -> None:
    """`.backward()` leaves the same gradients, each in memory of its own; a second time they add up."""
    out, seed = values[-1], mg.Tensor(weights.astype(program.dtype))
    out.backward(seed)
    arrays = [t.data for t in values] + [seed.data, weights] + [t.data for t in KEPT.values()]
    reached = [leaf for leaf in leaves.values() if leaf.grad is not None]
    for i, leaf in leaves.items():
        if leaf.grad is None:
            if np.any(grads[i]):
                raise WrongError(f"backward: v{i} has no gradient")
            continue
        if leaf.grad.dtype != leaf.dtype or leaf.grad.shape != leaf.shape:
            raise WrongError(f"backward: v{i} got {leaf.grad.dtype} {leaf.grad.shape}")
        _close(leaf.grad.numpy(), grads[i], 1e-12 if program.dtype == "float64" else 1e-5, 1.0, f"backward for v{i}")
        others = arrays + [other.grad.data for other in reached if other is not leaf]
        for other in others:
            if np.may_share_memory(leaf.grad.data, other) and np.shares_memory(leaf.grad.data, other):
                raise WrongError(f"backward: the gradient of v{i} shares memory")
        if not leaf.grad.data.flags.writeable:
            raise WrongError(f"backward: the gradient of v{i} cannot be written to")
    out.backward(seed)
    for i, leaf in leaves.items():
        if leaf.grad is not None:
            _close(leaf.grad.numpy(), 2 * grads[i], 1e-12 if program.dtype == "float64" else 1e-5, 1.0, f"backward twice, v{i}")
            leaf.grad = None


def _moved(given: dict, leaves: dict, *moves: tuple[dict, float]) -> dict:
    return {i: a + sum(h * v[i] for v, h in moves) if i in leaves else a for i, a in given.items()}


def _check_slopes(program, given, leaves, weights, grads, rng, exact: bool) -> None:
    """<gradient, v> is the slope along v."""
    v = {i: rng.standard_normal(given[i].shape) for i in leaves}
    along = sum(float(np.sum(grads[i] * v[i])) for i in leaves)
    scale = 1.0 + sum(float(np.sum(np.abs(grads[i] * v[i]))) for i in leaves)
    slopes = []
    for h in (1e-6, 1e-5, 1e-7, 1e-4):
        up, down = (np.sum(weights * _numpy_run(program, _moved(given, leaves, (v, s)))[0]) for s in (h, -h))
        slopes.append((up - down) / (2 * h))
        if abs(slopes[-1] - along) <= (1e-6 if exact else 3e-3) * scale:
            return
    raise WrongError(f"gradient: along a random direction it is {along}, the slopes are {slopes}")


def _check_second_order(program, given, values, leaves, weights, rng) -> None:
    """With s = <gradient, u>: <grad s, v> is the mixed second difference along u and v."""
    u, v = ({i: rng.standard_normal(given[i].shape) for i in leaves} for _ in range(2))
    first = mg.grad(values[-1], list(leaves.values()), gradient=weights, create_graph=True)
    s = sum([(g * u[i]).sum() for i, g in zip(leaves, first, strict=True)], start=0.0)
    second = mg.grad(s, list(leaves.values()))
    along = sum(float(np.sum(g.numpy() * v[i])) for i, g in zip(leaves, second, strict=True))
    scale = 1.0 + sum(float(np.sum(np.abs(g.numpy() * v[i]))) for i, g in zip(leaves, second, strict=True))
    differences = []
    for h in (1e-4, 3e-4, 3e-5, 1e-3):
        corners = [
            (a, b, np.sum(weights * _numpy_run(program, _moved(given, leaves, (u, a * h), (v, b * h)))[0]))
            for a, b in itertools.product((1, -1), repeat=2)
        ]
        differences.append(sum(a * b * L for a, b, L in corners) / (4 * h * h))
        if abs(differences[-1] - along) <= 2e-5 * scale + 1e-5 * np.sum(np.abs(weights)) * 0.1:
            return
    # the differences lose digits: the slope of the gradient itself (which has been checked) decides
    for h in (1e-5, 1e-4, 1e-6, 1e-3):
        ends = []
        for sign in (h, -h):
            moved = _moved(given, leaves, (v, sign))
            at = _minigan_run(program_with(program, moved), moved)
            g = mg.grad(at[-1], list(_trained(program, at).values()), gradient=weights)
            ends.append(sum(float(np.sum(x.numpy() * u[i])) for i, x in zip(leaves, g, strict=True)))
        differences.append((ends[0] - ends[1]) / (2 * h))
        if not any(OPS[s.op].cut for s in program.steps if s.op != "leaf") and abs(differences[-1] - along) <= 1e-6 * scale:
            return
    raise WrongError(f"second derivative: along two random directions it is {along}, differences are {differences}")


def program_with(program: Program, given: dict) -> Program:
    """The same program from other leaves."""
    steps = [Step("leaf", (), (s.options[0], given[i])) if s.op == "leaf" else s for i, s in enumerate(program.steps)]
    return replace(program, steps=tuple(steps))


def _check_fresh(program, given, weights, grads) -> None:
    """Derivatives that return what lies about: the same gradients as when they return copies of it."""
    fresh["on"] = True
    try:
        values = _minigan_run(program, given)
        leaves = _trained(program, values)
        found = mg.grad(values[-1], list(leaves.values()), gradient=weights)
    finally:
        fresh["on"] = False
    for i, g in zip(leaves, found, strict=True):
        _close(g.numpy(), grads[i], 1e-12 if program.dtype == "float64" else 1e-5, 1.0, f"odd derivatives, v{i}")


def _check_event(program, given, values, leaves, weights, grads, rng, order) -> None:
    """A change after the forward pass: the backward pass is refused, or right. Then the program is run again."""
    if not program.event or not leaves:
        return
    chosen = list(leaves)[rng.integers(len(leaves))]
    leaf, before = leaves[chosen], {i: t.numpy().copy() for i, t in leaves.items()}
    match program.event:
        case "assign":
            leaf.data = leaf.data * 0.9
        case "step":
            leaf.grad = mg.Tensor(np.ones(leaf.shape, leaf.dtype))
            rule = [optim.SGD, optim.Adam, optim.RMSProp, optim.OMD, optim.OptimisticAdam][rng.integers(5)]
            rule([leaf], lr=0.01).step()
            leaf.grad = None
        case "clip":
            optim.clip_weights([leaf], 0.75)
        case "load":
            layer = nn.Sequential()
            layer.w = leaf
            layer.load_state_dict({"w": np.array(leaf.numpy() * 0.9)})
        case "freeze":
            leaf.requires_grad = False
        case "train":
            return _check_training(program, given, values, leaves, weights)
    kept = {i: t.grad for i, t in leaves.items()}
    try:
        values[-1].backward(weights.astype(program.dtype))
    except RuntimeError as error:
        if "changed in place" not in str(error) or program.event == "freeze":
            raise
        if any(t.grad is not kept[i] for i, t in leaves.items()):
            raise WrongError("a refused backward pass has left gradients") from error
    else:
        for i, t in leaves.items():
            if program.event == "freeze" and i == chosen:
                if t.grad is not None:
                    raise WrongError(f"v{i} was frozen after the forward pass and got a gradient")
            elif t.grad is not None:
                _close(
                    t.grad.numpy(),
                    grads[i],
                    1e-12 if program.dtype == "float64" else 1e-5,
                    1.0,
                    f"{program.event}: stale gradient of v{i}",
                )
            t.grad = None
    if program.event in ("assign", "step", "clip", "load"):
        for i, t in leaves.items():
            if i != chosen and not np.array_equal(t.numpy(), before[i]):
                raise WrongError(f"{program.event} on v{chosen} has changed v{i}")
        if order:
            _check_again(program, given, values, leaves, weights, rng)


def _check_again(program, given, values, leaves, weights, rng) -> None:
    """The same leaves, with their new values, run forward and back once more."""
    moved = {i: values[i].numpy().astype(np.float64).copy() for i, s in enumerate(program.steps) if s.op == "leaf"}
    with np.errstate(all="ignore"):
        if any(
            s.op != "leaf" and not OPS[s.op].kink(*[all_[j] for j in s.args], *s.options) > 1e-3
            for all_ in [_numpy_run(program, dict(moved))[2]]
            for s in program.steps
        ):
            return  # the change has led to a kink
        _, known, expected = _numpy_run(program, dict(moved))
    if not np.all([np.all(np.abs(v) < 50) for v in expected]):
        return
    again = _minigan_run(program, known, {i: values[i] for i in moved})
    found = mg.grad(again[-1], list(leaves.values()), gradient=weights)
    grads = {i: g.numpy().astype(np.float64) for i, g in zip(leaves, found, strict=True)}
    _check_slopes(program, known, leaves, weights, grads, rng, program.dtype == "float64")


def _check_training(program, given, values, leaves, weights) -> None:
    """Two steps of an optimizer over all leaves, the graph made anew each time: no step is refused."""
    optimizer = optim.Adam(list(leaves.values()), lr=1e-4)
    for _ in range(2):
        again = _minigan_run(program, given, {i: values[i] for i, s in enumerate(program.steps) if s.op == "leaf"})
        optimizer.zero_grad()
        again[-1].backward(weights.astype(program.dtype))
        optimizer.step()
    optimizer.zero_grad()


def _check_freed(values: list, leaves: dict) -> None:
    """Nothing is kept alive once nobody holds it: not by the graph, not by a cycle."""
    alive = [weakref.ref(t) for t in values]
    values.clear()
    leaves.clear()
    if left := [ref() for ref in alive if ref() is not None]:
        gc.collect()
        raise WrongError(
            f"{len(left)} tensors outlive their program, {sum(r() is not None for r in alive)} of them held: {left[0]!r}"
        )


# --- shrinking ----------------------------------------------------------------------------------------------------------


def failure(program: Program) -> str | None:
    """What is wrong with the program, in one line, if anything is."""
    try:
        check(program)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def shrunk(program: Program) -> Program:
    """The program without the instructions (and the event) that it does not need to fail in the same way."""
    kind = failure(program).partition(":")[0]
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(program):
            try:
                if (failure(candidate) or "").partition(":")[0] == kind:
                    program, smaller = candidate, True
                    break
            except Exception:
                continue
    return program


def _smaller(program: Program):
    if program.event:
        yield replace(program, event="")
    for last in range(1, len(program.steps)):
        yield replace(program, steps=program.steps[:last])
    for i, step in enumerate(program.steps):
        for instead in [None, *step.args]:
            yield from _without(program, i, instead)


def _without(program: Program, i: int, instead: int | None):
    """Without instruction i: its users take the value number `instead`, or go too."""
    number, steps = {}, []
    for j, step in enumerate(program.steps):
        if j == i:
            if instead is not None:
                number[j] = number[instead]
        elif all(k in number for k in step.args):
            number[j] = len(steps)
            steps.append(replace(step, args=tuple(number[k] for k in step.args)))
    if steps:
        yield replace(program, steps=tuple(steps))
