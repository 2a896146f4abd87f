"""The registry of ops: one entry each, with its twin in NumPy."""

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigan as mg
from minigan.ops.linear import affine
from minigan.ops.normalisation import batch_norm
from minigan.testing import arrays, axes, broadcastable, shapes
from tests.contracts.registry import Entry, calls

CONSTANT = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "one_hot"]  # no gradient flows
OF_LAYERS = ["affine", "batch_norm"]  # ops that only layers use
SMALL = {"max_dims": 2, "max_side": 3}
ROWS = shapes(min_dims=1, max_dims=2, min_side=1, max_side=3) | st.just((2, 3))
INFINITE = {"low": -np.inf, "high": np.inf}


def normal(*shape, seed=0):
    """Numbers of both signs, none closer than 0.1 to 0."""
    x = np.random.default_rng(seed).standard_normal(shape)
    return x + 0.1 * np.sign(x)


def positive(*shape, seed=0):
    return 0.3 + np.abs(normal(*shape, seed=seed))


def cases(*functions, inputs=lambda: [normal(2, 3)]):
    return [(function, inputs) for function in functions]


def one(*args, **options):
    """A single array, as a group."""
    return arrays(*args, **options).map(lambda x: (x,))


def varied(some, options):
    """Arrays from `some`, one or a tuple of them, and options that depend on them."""
    return some.flatmap(lambda drawn: calls(st.just(drawn), **options(drawn)))


# --- families of ops ----------------------------------------------------------------------------------------------------


def points(call, *rows):
    """The documented derivatives at special points: rows (x, d sum / dx), or (another function, x, d sum / dx)."""
    return [row if callable(row[0]) else (call, *row) for row in rows]


def unary(call, twin, special=None, options=None, at=(), **bounds):
    """An op of one array. `special`: bounds of the special numbers, which are infinite unless it says otherwise."""
    draws = calls(arrays(shapes(**SMALL), **bounds), **(options or {}))
    fixed = cases(call, inputs=lambda: [positive(2, 3) if "low" in bounds else normal(2, 3)])
    return Entry(call, twin, draws, fixed, one(shapes(**SMALL), special=True, **(special or {})), points(call, *at))


def pairs(call, twin, special=None, change=lambda x: x, at=(), **bounds):
    """An op of two arrays: equal shapes, both broadcast, a scalar, nothing. `change` is applied to each drawn pair."""
    some = [((2, 3), (2, 3)), ((3, 1), (2, 1, 4)), ((), (2, 3)), ((0, 2), (1,))]
    fixed = [(call, lambda a=a, b=b: [normal(*a), positive(*b, seed=1)]) for a, b in some]
    of_pairs = None if special is None else broadcastable(special=True, **special)
    return Entry(call, twin, calls(broadcastable(**bounds).map(change)), fixed, of_pairs, points(call, *at))


def reduction(call, twin, empty=False, more=(), at=(), **bounds):
    """A reduction over every kind of axis. `empty`: it has a value where there is nothing to reduce."""

    some = arrays(shapes(min_side=0 if empty else 1, max_dims=3, max_side=3), low=-2, high=2, **bounds)
    draws = varied(some, lambda x: {"axis": axes(x.ndim), "keepdims": [False, True]})
    fixed = cases(
        call, lambda x: call(x, axis=1), lambda x: call(x, axis=(0, -1), keepdims=True), lambda x: call(x, axis=()), *more,
        inputs=lambda: [normal(2, 3, 2)],
    )  # fmt: skip
    fixed += cases(call, inputs=lambda: [normal()])
    fixed += cases(lambda x: call(x, axis=-1), inputs=lambda: [normal(0, 2)]) if empty else []
    tiny = lambda x: (np.where(np.abs(x) < 1e-20, 0.0, x),)  # noqa: E731 (whose squares would round to 0)
    rows = arrays(ROWS, special=True).map(tiny) if call is mg.norm else one(ROWS, special=True)
    return Entry(call, twin, draws, fixed, rows, points(call, *at))


def along(call, twin, none=False, min_side=0, special=None, fixed=(), at=()):
    """An op along one axis (`none`: or all of them)."""

    some = arrays(shapes(min_dims=0 if none else 1, min_side=min_side, max_side=3))
    draws = varied(some, lambda x: {"axis": [*[None] * none, *range(-x.ndim, x.ndim)]})
    return Entry(call, twin, draws, cases(call, *fixed), special, points(call, *at))


@st.composite
def transposed(draw):
    x = draw(arrays(shapes(max_side=3)))
    order = draw(st.permutations([draw(st.sampled_from([i, i - x.ndim])) for i in range(x.ndim)]))
    return (x,), {"axes": draw(st.sampled_from([None, tuple(order)]))}


@st.composite
def stretched(draw):
    x = draw(arrays(shapes(**SMALL)))
    longer = draw(st.lists(st.integers(0, 3), max_size=3 - x.ndim))
    return (x,), {"shape": (*longer, *[draw(st.integers(1, 3)) if n == 1 else n for n in x.shape])}


SIZES = {"a": 2, "i": 2, "j": 3, "k": 2, "z": 0}


@st.composite
def summed(draw):
    terms = draw(st.lists(st.text("aijkz", max_size=3), min_size=1, max_size=3))
    letters = sorted(set("".join(terms)))
    out = draw(st.none() | st.permutations(letters).flatmap(lambda p: st.integers(0, len(p)).map(lambda n: p[:n])))
    subscripts = ",".join(terms) + ("" if out is None else "->" + "".join(out))
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal([SIZES[letter] for letter in term]) for term in terms), {"subscripts": subscripts}


def rounded(group):
    return tuple(np.round(x) for x in group)


def at_least(x, least=0.3):
    """x without numbers next to 0, whose powers are steep."""
    return np.where(np.abs(x) < least, 0.5, x)


def normalised(x, weight, bias, axes, eps=1e-5, statistics=None):
    """weight x^ + bias, with x^ normalised over these axes."""
    mean, var = statistics or (x.mean(axes, keepdims=True), x.var(axes, keepdims=True))
    per_channel = (-1, *[1] * (x.ndim - 2)) if 0 in axes else weight.shape
    return weight.reshape(per_channel) * (x - mean) / np.sqrt(var + eps) + bias.reshape(per_channel)


def batch(*shape):
    """The images, weights and biases of a batch norm."""
    return normal(*shape), positive(shape[1], seed=1), normal(shape[1], seed=2)


# --- images -------------------------------------------------------------------------------------------------------------


def taps(x, kernel, stride, padding, dilation=(1, 1), border=0.0):
    """For each place in the window: the pixels at this place of all windows that fit."""
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    x = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)], constant_values=border)
    h, w = (n - d * (k - 1) for n, k, d in zip(x.shape[2:], kernel, dilation, strict=True))
    return [x[:, :, i * dh : i * dh + h : sh, j * dw : j * dw + w : sw] for i, j in np.ndindex(*kernel)]


def convolved(x, w, stride, padding, dilation=(1, 1)):
    kernels = np.moveaxis(w, (2, 3), (0, 1)).reshape(-1, *w.shape[:2])
    pairs = zip(taps(x, w.shape[2:], stride, padding, dilation), kernels, strict=True)
    return sum(np.einsum("nchw,oc->nohw", tap, kernel) for tap, kernel in pairs)


def painted(x, w, stride, padding, output_padding=(0, 0)):
    """Every pixel adds its kernel to a large canvas, of which the padding is cut off."""
    (N, _, H, W), (_, O, KH, KW) = x.shape, w.shape
    (sh, sw), (ph, pw), (eh, ew) = stride, padding, output_padding
    canvas = np.zeros((N, O, (H - 1) * sh + KH + eh, (W - 1) * sw + KW + ew), np.result_type(x, w))
    for h, v in np.ndindex(H, W):
        canvas[:, :, h * sh : h * sh + KH, v * sw : v * sw + KW] += np.einsum("nc,coij->noij", x[:, :, h, v], w)
    return canvas[:, :, ph : canvas.shape[2] - ph, pw : canvas.shape[3] - pw]


def two(draw, low, high):
    return draw(st.tuples(st.integers(low, high), st.integers(low, high)))


@st.composite
def convolutions(draw, transposed=False):
    """x, weight and options: the kernel fits at least once; few channels, and many."""
    kernel, stride, padding, dilation = two(draw, 1, 3), two(draw, 1, 3), two(draw, 0, 2), two(draw, 1, 3)
    N, C, O = (draw(st.sampled_from(sizes)) for sizes in ([2, 5, 1, 0], [1, 2, 5], [1, 3, 5]))
    if transposed:
        options = {"stride": stride, "padding": padding, "output_padding": tuple(draw(st.integers(0, s - 1)) for s in stride)}
        least = [-(-2 * p // s) + 1 for p, s in zip(padding, stride, strict=True)]
        w = normal(C, O, *kernel, seed=1)
    else:
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
        w = normal(O, C, *kernel, seed=1)
    return (normal(N, C, *[n + draw(st.integers(0, 2)) for n in least]), w), options


@st.composite
def pools(draw):
    """x, kernel, stride (the kernel's, smaller or larger), padding."""
    kernel, stride = two(draw, 1, 3), two(draw, 1, 3)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 3)) for k, p in zip(kernel, padding, strict=True)]
    x = normal(draw(st.sampled_from([2, 1, 0])), draw(st.integers(1, 2)), *size, seed=draw(st.integers(0, 99)))
    return (x,), {"kernel": kernel, "stride": draw(st.sampled_from([None, stride])), "padding": padding}


def largest(x, kernel, stride, padding):
    return np.max(taps(x, kernel, stride or kernel, padding, border=-INF), axis=0)


def around_a_large_mean():
    """A batch norm in float32 of numbers whose mean is rounded: the function, x, and the gradient by the formula."""
    x, g = 2.0**20 + np.array([[0, 1], [1, 3], [5, 2], [7, 9], [1, 4]]), normal(5, 2)
    std = np.sqrt(x.var(0) + 0.1)
    x_hat = (x - x.mean(0)) / std
    weight, bias = np.ones(2, "float32"), np.zeros(2, "float32")
    y = lambda x: batch_norm(x.astype("float32"), weight, bias, 0.1)[0].astype("float64") * g  # noqa: E731
    return y, x, (g - g.mean(0) - x_hat * (g * x_hat).mean(0)) / std


def gradient(y, x):
    """d sum(y) / dx, to be differentiated again: a check of order 2 then reaches order 3."""
    return mg.grad(y.sum(), x, create_graph=True)[0]


INF = math.inf
CLIPPED = [-2, -1, -0.5, 0.5, 1, 2]
BOUNDS = [(-1, 1), (None, 1), (-1, None), (None, None), (-1.0, np.float64(1)), (np.float32(-1), np.array(1.0, "float32"))]
NUMBERS = [-2, -1, 0, 1, 2, 3, 2.0, -1.0, 0.0, np.float64(2), np.int64(2)]
KINK = {"away_from": (0,)}
WIDTHS, WHOLE = st.tuples(st.integers(0, 2), st.integers(0, 2)), {"result_shape": hnp.array_shapes(max_dims=2, max_side=3)}
JOINED = shapes(min_dims=1, max_side=2).flatmap(
    lambda shape: calls(st.tuples(arrays(shape), arrays(shape)), axis=st.integers(-len(shape), len(shape) - 1))
)
DRAWN = np.random.default_rng(0).random(8, dtype="float32")
SPLITS = [(2, 0), (1, -1), (3, 1), ([1], 0), ([0, 2, 2], 1), ([], 0), ((1, 9), 0), ([-1], 0)]


def labels():
    """Integers from 0 to 4 of any shape, in an option: they are no floats."""
    return calls(st.just(()), labels=arrays(shapes(max_dims=2), low=0, high=4).map(lambda x: x.astype(int)))


# --- the ops ------------------------------------------------------------------------------------------------------------

OPS: dict[str, Entry] = {
    "exp": unary(mg.exp, np.exp),
    "expm1": unary(mg.expm1, np.expm1),
    "sin": unary(mg.sin, np.sin),
    "cos": unary(mg.cos, np.cos),
    "square": unary(mg.square, np.square),
    "negative": unary(mg.negative, np.negative),
    "log": unary(mg.log, np.log, {"low": 0.5}, at=[([0, 4], [INF, 0.25])], low=0.3),
    "log1p": unary(mg.log1p, np.log1p, {"low": -0.5}, low=-0.7),
    "sqrt": unary(mg.sqrt, np.sqrt, {"low": 0.5, "high": np.inf}, at=[([0, 4], [INF, 0.25])], low=0.3),
    "tanh": unary(mg.tanh, np.tanh, INFINITE),
    "sigmoid": unary(mg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), INFINITE),
    "softplus": unary(mg.softplus, lambda x: np.log(1 + np.exp(x)), INFINITE),
    "log_sigmoid": unary(mg.log_sigmoid, lambda x: -np.log(1 + np.exp(-x)), INFINITE),
    "abs": unary(mg.abs, np.abs, INFINITE, at=[([-2, 0, 3], [-1, 0, 1])], **KINK),
    "sign": unary(mg.sign, np.sign, at=[([-2, 0, 3], [0, 0, 0])], **KINK),
    "relu": unary(mg.relu, lambda x: np.maximum(x, 0), INFINITE, at=[([-1, 0, 1], [0, 0, 1])], **KINK),
    "leaky_relu": unary(
        mg.leaky_relu, lambda x, slope: np.where(x > 0, x, slope * x), INFINITE, {"slope": [0.2, 0, np.float64(0.5)]},
        at=[([-1, 0, 1], [0.2, 0.2, 1]), (lambda x: mg.leaky_relu(x, 0), [-1, 0, 1], [0, 0, 1])], **KINK,
    ),
    "elu": unary(
        mg.elu, lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), None, {"alpha": [1.0, np.float64(0.5), 3]},
        at=[([0], [1]), *[(lambda x, a=a: mg.elu(x, a), [-1, 0, 0.5], [a / math.e, min(a, 1), 1]) for a in (0.5, 1.5, 2.5)]],
        **KINK,
    ),
    "clip": Entry(
        lambda x, bounds=(-1, 1): mg.clip(x, *bounds),
        lambda x, bounds: x if bounds == (None, None) else np.clip(x, *bounds),  # NumPy 2.0 cannot clip without a bound
        calls(arrays(shapes(**SMALL), away_from=(-1, 1)), bounds=BOUNDS), cases(lambda x: mg.clip(x, -0.5, 0.7)),
        one(special=True),
        [
            (lambda x: mg.clip(x, -1, 1), CLIPPED, [0, 0, 1, 1, 0, 0]),
            (lambda x: mg.clip(x, -1), CLIPPED, [0, 0, 1, 1, 1, 1]),
            (lambda x: mg.clip(x, None, 1), CLIPPED, [1, 1, 1, 1, 0, 0]),
            (lambda x: mg.clip(x, np.float32([-1, 0]), [0, 1]), [[-2, 0.5], [-0.5, 0]], [[0, 1], [1, 0]]),
        ],
    ),
    "add": pairs(mg.add, np.add, {}),
    "subtract": pairs(mg.subtract, np.subtract, {}),
    "multiply": pairs(mg.multiply, np.multiply, {}),
    "divide": pairs(mg.divide, np.divide, {"low": 0.5}, low=0.5),
    "maximum": pairs(
        mg.maximum, np.maximum, {}, lambda pair: (pair[0], -pair[1]), low=0.1, high=1,
        at=[
            (lambda x: mg.maximum(x, 3), [2, 3, 4], [0, 0.5, 1]),
            (lambda x: mg.maximum(np.float64(3), x), [2, 3, 4], [0, 0.5, 1]), (lambda x: mg.maximum(x, x), [2], [1]),
        ],
    ),
    "minimum": pairs(
        mg.minimum, np.minimum, {}, lambda pair: (-pair[0], pair[1]), low=0.1, high=1,
        at=[(lambda x: mg.minimum(x, 3.0), [2, 3, 4], [1, 0.5, 0]), (lambda x: mg.minimum(3, x), [2, 3, 4], [1, 0.5, 0])],
    ),
    "power": Entry(
        mg.power, lambda x, p: np.power(x, p),
        calls(broadcastable(low=0.3, high=2))
        | calls(arrays(shapes(**SMALL), low=-2, high=2).map(at_least), p=NUMBERS)
        | calls(st.just((np.array([0.5, 2.0, 3.0]), np.array([0.0, 1.0, 2.0])))),
        [
            *cases(mg.power, inputs=lambda: [positive(2, 1), normal(3)]),
            *cases(mg.power, inputs=lambda: [positive(3), np.array([0.0, 1.0, 2.0])]),
            *cases(*[lambda x, p=p: mg.power(x, p) for p in (-2, -1, 0, 1, 2, 3)]),
            *cases(lambda x: mg.power(x, 0.5), inputs=lambda: [positive(2, 3)]), *cases(lambda x: 2.0**x),
        ],
        st.tuples(arrays(special=True).filter(np.size), st.sampled_from([0, 1, 2, 3])),
        [
            *[(lambda x, p=p: mg.power(x, p), [0, 2], [0, 0]) for p in (0, 0.0, np.zeros(1))],
            *[(lambda x, p=p: mg.power(x, p), [0, -2], [1, 1]) for p in (1, 1.0, np.ones(1))],
            *[(lambda x, p=p: mg.power(x, p), [0, 3], [0, 6]) for p in (2, 2.0, np.full(1, 2.0))],
            *[(lambda x, p=p: mg.power(x, p), [0, 4], [INF, 0.25]) for p in (0.5, np.full(1, 0.5))],
            *[(lambda x, p=p: gradient(gradient(x**p, x), x), [0], [6 * (p == 3)]) for p in (0, 1, 2, 3, 3.0)],
            (lambda p: mg.power(2.0, p), [0, 1], [math.log(2), 2 * math.log(2)]),
            (lambda p: mg.power(0.0, p), [0, 2], [0, 0]),
            (lambda p: mg.power(-2.0, p), [2], [math.nan]),  # it has no derivative
        ],
    ),
    "where": Entry(
        lambda a, b, condition: mg.where(condition, a, b), lambda a, b, condition: np.where(condition, a, b),
        broadcastable(3).map(lambda group: (group[1:], {"condition": group[0] > 0})),
        cases(lambda a, b: mg.where([[True], [False]], a, b), inputs=lambda: [normal(2, 3), normal(3, seed=1)]),
    ),
    **{name: pairs(getattr(mg, name), getattr(np, name), None, rounded, low=0, high=1) for name in CONSTANT[:-1]},
    # reductions
    "sum": reduction(mg.sum, np.sum, empty=True),
    "prod": reduction(
        mg.prod, np.prod, empty=True,
        at=[([2, -3, 0.5], [-1.5, 1, -6]), ([0, -3, 0.5], [-1.5, 0, 0]), ([0, 0, 0.5], [0, 0, 0])],
    ),
    "norm": reduction(
        mg.norm, lambda x, **on: np.sqrt(np.sum(x * x, **on)), empty=True, away_from=(0,),
        at=[
            (lambda x: mg.norm(x, axis=1), [[0, 0], [3, 4]], [[0, 0], [0.6, 0.8]]),
            (lambda x: gradient(mg.norm(x), x), [0, 0], [0, 0]),
        ],
    ),
    "mean": reduction(mg.mean, np.mean),
    "var": reduction(mg.var, np.var, more=[lambda x: mg.var(x, axis=1, ddof=1)], at=[([3, 3, 3, 3], [0, 0, 0, 0])]),
    "std": reduction(
        mg.std, np.std, more=[lambda x: mg.std(x, axis=1, ddof=1)], distinct=True,
        at=[
            ([0.1, 0.1, 0.1], [0, 0, 0]), (lambda x: gradient(mg.std(x), x), [0.1, 0.1, 0.1], [0, 0, 0]),
            (lambda x: mg.std(x, ddof=1), [0, 2], [-(0.5**0.5), 0.5**0.5]),
        ],
    ),
    "max": reduction(
        mg.max, np.max, distinct=True,
        at=[
            (lambda x: mg.max(x, axis=1), [[2, 2, 1, 2], [3, 1, 1, 1]], [[1 / 3, 1 / 3, 0, 1 / 3], [1, 0, 0, 0]]),
            ([[1, 1, 1], [1, 1, 1]], np.full((2, 3), 1 / 6)),
        ],
    ),
    "min": reduction(
        mg.min, np.min, distinct=True, at=[(lambda x: mg.min(x, axis=0), [[1, 1], [1, 2]], [[0.5, 1], [0.5, 0]])]
    ),
    "logsumexp": reduction(
        mg.logsumexp, lambda x, **on: np.log(np.sum(np.exp(x), **on)), at=[([-INF, 0], [0, 1]), ([-1000, 1000], [0, 1])]
    ),
    "softmax": along(
        mg.softmax, lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True), fixed=[lambda x: mg.softmax(x, axis=0)],
        min_side=1, special=one(ROWS, special=True),
    ),
    "log_softmax": along(
        mg.log_softmax, lambda x, axis: x - np.log(np.exp(x).sum(axis, keepdims=True)),
        fixed=[lambda x: mg.log_softmax(x, axis=0)], min_side=1, special=one(ROWS, special=True),
    ),
    "cumsum": along(
        mg.cumsum, np.cumsum, none=True, fixed=[lambda x: mg.cumsum(x, 0), lambda x: mg.cumsum(x, -1)],
        special=one(ROWS, special=True),
    ),
    # shapes
    "reshape": Entry(
        lambda x, ndim: mg.reshape(x, *[1] * ndim, -1), lambda x, ndim: x.reshape(*[1] * ndim, -1),
        calls(arrays(shapes(max_side=3)), ndim=[0, 1, 2]), cases(lambda x: mg.reshape(x, 3, -1)),
    ),
    "transpose": Entry(
        lambda x, axes: mg.transpose(x, axes), np.transpose, transposed(),
        [*cases(mg.transpose), *cases(lambda x: mg.transpose(x, 1, 2, 0), inputs=lambda: [normal(2, 3, 2)])],
    ),
    "moveaxis": Entry(
        mg.moveaxis, np.moveaxis,
        varied(
            arrays(shapes(min_dims=1, max_side=3)),
            lambda x: dict.fromkeys(("source", "destination"), st.integers(-x.ndim, x.ndim - 1)),
        ),
        cases(lambda x: mg.moveaxis(x, 0, -1), inputs=lambda: [normal(2, 3, 2)]),
    ),
    "broadcast_to": Entry(
        mg.broadcast_to, np.broadcast_to, stretched(),
        cases(lambda x: mg.broadcast_to(x, (4, 2, 3)), inputs=lambda: [normal(2, 1)]),
    ),
    "expand_dims": Entry(
        mg.expand_dims, np.expand_dims, calls(arrays(shapes(**SMALL)), axis=[0, -1, (0, -1), (0, 1), ()]),
        cases(lambda x: mg.expand_dims(x, (0, -1))),
    ),
    "squeeze": Entry(
        lambda x, axis=None: mg.squeeze(x, axis), lambda x, axis: np.squeeze(x, axis),
        calls(arrays(st.sampled_from([(1, 2, 1), (1, 1), (1, 0, 1), (1, 3, 1)])), axis=[None, 0, -1, (0, -1), ()]),
        cases(mg.squeeze, inputs=lambda: [normal(1, 2, 1)]),
    ),
    "flip": along(mg.flip, np.flip, none=True, fixed=[lambda x: mg.flip(x, -1)]),
    "pad": Entry(
        mg.pad, lambda x, widths, value: np.pad(x, widths, constant_values=value) if x.ndim else x,
        varied(arrays(shapes(**SMALL)), lambda x: {"widths": st.just(1) | st.tuples(*[WIDTHS] * x.ndim), "value": [0.0, 1.5]}),
        cases(lambda x: mg.pad(x, [(1, 0), (0, 2)], value=3.0)),
    ),
    "concatenate": Entry(
        lambda a, b, axis: mg.concatenate([a, b, a], axis), lambda a, b, axis: np.concatenate([a, b, a], axis), JOINED,
        cases(lambda a, b: mg.concatenate([a, b, a], axis=-1), inputs=lambda: [normal(2, 1), normal(2, 2)]),
    ),
    "stack": Entry(
        lambda a, b, axis: mg.stack([a, b, a], axis), lambda a, b, axis: np.stack([a, b, a], axis),
        JOINED | st.just(((np.array(1.0), np.array(2.0)), {"axis": 0})),
        cases(lambda a, b: mg.stack([a, b, a], axis=-1), inputs=lambda: [normal(2, 1), normal(2, 1, seed=1)]),
    ),
    "split": Entry(
        lambda x, by: mg.concatenate([(i + 1.0) * part for i, part in enumerate(mg.split(x, *by))], by[1]),
        lambda x, by: np.concatenate([(i + 1) * part for i, part in enumerate(np.split(x, *by))], by[1]),
        calls(arrays((4, 3)), by=SPLITS),
        cases(lambda x: tuple(mg.split(x, [1, 1, 3], axis=-1)), inputs=lambda: [normal(2, 4)]),
    ),
    "take": Entry(
        mg.take, lambda x, indices, axis: np.asarray(np.take(x, indices, axis)),
        calls(
            arrays((2, 3)), indices=[0, -1, [0, 0, 1], (1, 1), np.array([[0, 1], [1, 1]]), np.int64(1), np.array(1)],
            axis=[None, 0, 1, -1],
        ),
        cases(lambda x: mg.take(x, (1, 1, 0, -1), axis=1)),
    ),
    "getitem": Entry(
        mg.getitem, lambda x, index: np.asarray(x[index]),
        varied(
            arrays(shapes(min_dims=1, min_side=1, max_side=3)),
            lambda x: {"index": hnp.basic_indices(x.shape, allow_newaxis=True) | hnp.integer_array_indices(x.shape, **WHOLE)},
        ),
        [
            *cases(lambda x: x[[0, 0, 1], ::-1], lambda x: x[None, ..., 1], lambda x: x[x > 0]),
            *cases(lambda x: gradient(x[[0, 0, 1]] ** 3, x)),  # the derivative's own derivatives
        ],
    ),
    "one_hot": Entry(lambda labels: mg.one_hot(labels, 5, "float64"), lambda labels: np.eye(5)[labels], labels()),
    # products
    "matmul": Entry(
        mg.matmul, np.matmul,
        hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=2).flatmap(
            lambda group: calls(st.tuples(*map(arrays, group.input_shapes)))
        ),
        [
            (mg.matmul, lambda a=a, b=b: [normal(*a), normal(*b, seed=1)])
            for a, b in [((2, 3), (3, 4)), ((3,), (3,)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((2, 1, 1, 3), (2, 3, 2))]
        ],
    ),
    "einsum": Entry(
        lambda *xs, subscripts: mg.einsum(subscripts, *xs), lambda *xs, subscripts: np.asarray(np.einsum(subscripts, *xs)),
        summed(),
        [
            (lambda a, b: mg.einsum("ij,jk->ik", a, b), lambda: [normal(2, 3), normal(3, 2, seed=1)]),
            (lambda a: mg.einsum("iji->j", a), lambda: [normal(2, 3, 2)]),
            (lambda a, b, c: mg.einsum("ij,k,jl->i", a, b, c), lambda: [normal(2, 2), normal(3, seed=1), normal(2, 1, seed=2)]),
        ],
    ),
    "affine": Entry(
        affine, lambda x, w, b: x @ w + b,
        st.integers(0, 3).map(lambda n: ((normal(n, 3), normal(3, 2, seed=1), normal(2, seed=2)), {})),
        cases(affine, inputs=lambda: [normal(3, 3), normal(3, 2, seed=1), normal(2, seed=2)]),
    ),
    # images
    "batch_norm": Entry(
        lambda x, w, b: batch_norm(x, w, b, 0.1)[0],
        lambda x, w, b: normalised(x, w, b, tuple(i for i in range(x.ndim) if i != 1), 0.1),
        st.sampled_from([(4, 3), (4, 1), (3, 2, 3), (1, 3, 2), (3, 2, 1), (2, 1, 2, 3), (2, 2, 1, 3), (1, 2, 3, 2)]).map(
            lambda shape: (batch(*shape), {})
        ),
        [
            *cases(lambda x, w, b: batch_norm(x, w, b, 0.1)[0], inputs=lambda: batch(4, 3)),
            *cases(lambda x, w, b: batch_norm(x, w, b, 0.1)[0] ** 2, inputs=lambda: batch(2, 2, 1, 3)),
        ],
        points=[around_a_large_mean()],
    ),
    "conv2d": Entry(
        lambda x, w, **options: mg.conv2d(x, w, None, **options), convolved, convolutions(),
        [
            (mg.conv2d, lambda: [normal(8, 1, 1, 1), normal(1, 1, 1, 1, seed=1)]),  # two by two
            (lambda x, w: mg.conv2d(x, w, None, 2, 1), lambda: [normal(1, 1, 3, 4), normal(1, 1, 2, 3, seed=1)]),
            (mg.conv2d, lambda: [normal(2, 2, 2, 3), normal(2, 2, 1, 2, seed=1), normal(2, seed=2)]),
            (lambda x, w: gradient(mg.conv2d(x, w) ** 3, w), lambda: [normal(1, 1, 2, 3), normal(1, 1, 1, 2, seed=1)]),
        ],
    ),
    "conv_transpose2d": Entry(
        lambda x, w, **options: mg.conv_transpose2d(x, w, None, **options), painted, convolutions(transposed=True),
        [
            (lambda x, w: mg.conv_transpose2d(x, w, None, 2, 1, 1), lambda: [normal(1, 1, 2, 3), normal(1, 2, 3, 2, seed=1)]),
            (mg.conv_transpose2d, lambda: [normal(2, 2, 2, 1), normal(2, 2, 1, 2, seed=1), normal(2, seed=2)]),
        ],
    ),
    "max_pool2d": Entry(
        lambda x, kernel=2, stride=1, padding=0: mg.max_pool2d(x, kernel, stride, padding), largest, pools(),
        [
            (lambda x: mg.max_pool2d(x, (3, 2), (2, 1), 1), lambda: [normal(1, 2, 4, 3)]),
            (lambda x: mg.max_pool2d(x, 2), lambda: [normal(1, 2, 4, 6)]),  # every place in the window is the largest once
        ],
        one((1, 1, 3, 3), special=True),
        [
            (lambda x: mg.max_pool2d(x, 2), [[[[1, 2], [3, 0]]]], [[[[0, 0], [1, 0]]]]),
            (lambda x: mg.max_pool2d(x, 2), [[[[3, 1], [3, 0]]]], [[[[0.5, 0], [0.5, 0]]]]),
            (lambda x: mg.max_pool2d(x, 2), [[[[2, 2], [2, 2]]]], np.full((1, 1, 2, 2), 0.25)),
        ],
    ),
    "avg_pool2d": Entry(
        lambda x, kernel, stride, padding: mg.avg_pool2d(x, kernel, stride, padding),
        lambda x, kernel, stride, padding: np.mean(taps(x, kernel, stride or kernel, padding), axis=0), pools(),
        [(lambda x: mg.avg_pool2d(x, (3, 2), (2, 1), 1), lambda: [normal(1, 2, 4, 3)])],
    ),
    "upsample2d": Entry(
        mg.upsample2d, lambda x, scale: x.repeat(scale[0], axis=2).repeat(scale[1], axis=3),
        calls(arrays(st.sampled_from([(1, 2, 2, 1), (0, 1, 2, 2), (2, 1, 1, 2)])), scale=[(1, 2), (2, 3), (3, 1)]),
        [(lambda x: mg.upsample2d(x, (2, 3)), lambda: [normal(1, 2, 2, 1)])],
    ),
    "dropout": Entry(
        lambda x, p=0.4: mg.dropout(x, p, rng=np.random.default_rng(0)), lambda x, p: np.where(p <= DRAWN, x / (1 - p), 0),
        calls(arrays((8,)), p=[0, 0.5, np.float64(0.25), float(DRAWN[3])]),  # what was drawn as p is kept
        cases(lambda x: mg.dropout(x, 0.4, rng=np.random.default_rng(0))),
    ),
}  # fmt: skip
CASES = [(name, fn, inputs) for name, entry in OPS.items() if name not in CONSTANT for fn, inputs in entry.cases]
