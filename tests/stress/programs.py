"""Random programs over ops of all kinds, and what each must satisfy.

A program is a list of instructions; each makes one value, from earlier ones. It runs twice: in minigan, and in NumPy, which
knows nothing of gradients. The values must agree; the gradients must be the slopes of the NumPy program along a random
direction, and the second derivatives the slopes of the gradients. What is cut off (detach, no_grad, copies of results) is a
constant to both.
"""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

import minigan as mg
from minigan import Tensor
from tests.contracts.ops import OPS as ENTRIES

LARGEST, MOST_ELEMENTS = 20.0, 48  # bounds on the values


@dataclass(frozen=True)
class Step:
    """One instruction: `op` of the values number `args`, with options; a leaf has its kind and its array among them."""

    op: str
    args: tuple[int, ...] = ()
    options: dict = field(default_factory=dict)


Program = Sequence[Step]  # what is differentiated is the last value


@dataclass(frozen=True)
class Op:
    """An op in both worlds, smooth everywhere: in minigan, in NumPy, and how its options are drawn."""

    mg: Callable
    np: Callable
    count: int = 1
    draw: Callable = lambda rng, *xs: {}
    cut: bool = False  # whether its result is a constant


# --- what ops draw as options -------------------------------------------------------------------------------------------


def _one(rng, x):
    return {"axis": int(rng.integers(-x.ndim, x.ndim))}  # ValueError where there is none


def _axis(rng, x):
    kind, keepdims = rng.integers(4), {"keepdims": bool(rng.integers(2))}
    if not x.ndim or kind == 0:
        return {"axis": None, **keepdims}
    some = tuple(int(i) for i in rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)])
    return ({"axis": some} if kind == 1 else _one(rng, x)) | keepdims


def _index(rng, x):
    """An index of every kind."""
    n = len(x)
    kinds = [
        lambda: slice(None, None, -1),
        lambda: slice(int(rng.integers(0, n + 1)), None, int(rng.integers(1, 3))),
        lambda: int(rng.integers(-n, n)),
        lambda: rng.integers(-n, n, rng.integers(1, 4)).tolist(),
        lambda: (Ellipsis, rng.integers(0, x.shape[-1], 3).tolist()),
        lambda: (None, Ellipsis, int(rng.integers(x.shape[-1]))),
        lambda: rng.random(x.shape) < 0.6,
        lambda: (slice(None), None, ...),
        lambda: tuple(rng.integers(0, m, 3).tolist() for m in x.shape),
    ]
    return {"index": kinds[rng.integers(len(kinds))]()}


def choice(**options):
    """Each option is one of a list."""
    return lambda rng, *xs: {name: values[rng.integers(len(values))] for name, values in options.items()}


# --- custom ops ---------------------------------------------------------------------------------------------------------


def custom(forward, derivative):
    return Op(lambda x: mg.record("custom", forward(x.data), (x, lambda g, y: derivative(g, y, x))), forward)


CUSTOM = {
    "shares": custom(lambda a: a, lambda g, y, x: g),
    "flat": custom(lambda a: a.reshape(-1), lambda g, y, x: g.reshape(x.shape)),
    "reversed": custom(lambda a: a[..., ::-1], lambda g, y, x: g[..., ::-1]),
    "again": custom(lambda a: a, lambda g, y, x: mg.record("again", g.data, (g, lambda h, y: h))),
    "own exp": custom(np.exp, lambda g, y, x: g * y),
    "twice": Op(lambda x: mg.record("twice", x.data * 2, (x, lambda g, y: g), (x, lambda g, y: g)), lambda x: 2 * x),
    "own sum": Op(lambda a, b: mg.record("own", a.data + b.data, (a, lambda g, y: g), (b, lambda g, y: g)), np.add, 2),
}

# --- all ops ------------------------------------------------------------------------------------------------------------


def known(name, draw=Op.draw, count=1):
    """An op of the registry."""
    return Op(ENTRIES[name].call, ENTRIES[name].twin, count, draw)


def several(names, *more):
    return {name: known(name, *more) for name in names.split()}


def both(f, *more, **named):
    """Python's operators, which are the same in both worlds."""
    return Op(f, f, *more, **named)


MIXED = [0.7, np.float64(1.1), np.float32(0.5), 2, True]  # numbers of every kind that users mix with tensors
OPS: dict[str, Op] = {
    **several("exp expm1 square sin cos tanh negative sigmoid softplus log_sigmoid"),
    "add": both(lambda a, b: a + b, 2),
    "subtract": both(lambda a, b: a - b, 2),
    "multiply": both(lambda a, b: a * b, 2),
    "matmul": both(lambda a, b: a @ b, 2),
    "self product": both(lambda a: a * a + a),
    "number left": both(lambda x, c: (c + x) * c - c / (2.5 + x * x), 1, choice(c=MIXED)),
    "where": known("where", lambda rng, a, b: {"condition": rng.random(a.shape) < 0.5}, count=2),
    **several("sum mean var prod logsumexp", _axis),
    **several("softmax log_softmax cumsum flip", _one),
    "reshape": known("reshape", choice(ndim=[0, 1, 2])),
    "transpose": known("transpose", lambda rng, x: {"axes": tuple(rng.permutation(x.ndim).tolist())}),
    "broadcast_to": known(
        "broadcast_to", lambda rng, x: {"shape": (int(rng.integers(1, 4)), *[3 if n == 1 else n for n in x.shape])}
    ),
    "concatenate": known("concatenate", lambda rng, a, b: _one(rng, a), count=2),
    "split": known("split", lambda rng, x: {"by": (sorted(rng.integers(0, x.size + 1, 2).tolist()), _one(rng, x)["axis"])}),
    "pad": known("pad", lambda rng, x: {"widths": rng.integers(0, 2, (x.ndim, 2)).tolist(), "value": 0.5}),
    "getitem": known("getitem", _index),
    "take": known("take", lambda rng, x: {"indices": rng.integers(-1, 1, 3).tolist()} | _one(rng, x)),
    "detach": Op(Tensor.detach, lambda x: x, cut=True),
    "no_grad": Op(mg.no_grad()(lambda x: mg.tanh(x) * x), lambda x: np.tanh(x) * x, cut=True),
    "enable_grad": Op(mg.no_grad()(mg.enable_grad()(lambda x: mg.tanh(x) * x)), lambda x: np.tanh(x) * x),
    **CUSTOM,
}  # fmt: skip

# --- making a program ---------------------------------------------------------------------------------------------------

SHAPES = [(), (1,), (3,), (2, 3), (3, 3), (3, 1), (1, 4), (4, 2), (2, 1, 3), (2, 2, 4)]
SHAPES += [(1, 2, 4, 4), (2, 1, 2, 3), (1, 2, 3, 3)]
LEAVES = ["trained"] * 5 + ["constant", "frozen", "view"]
NAMES = sorted(OPS)
WEIGHTS = np.array([0.3 if OPS[name].cut else 1.0 for name in NAMES])
WEIGHTS /= WEIGHTS.sum()


def make_program(seeds: Sequence[int]) -> Program:
    """An instruction for each seed, and the leaves that it needs."""
    steps, values = [], []
    rng = np.random.default_rng(seeds[0])
    _add_leaf(rng, SHAPES[rng.integers(len(SHAPES))], steps, values, "trained")
    for rng in map(np.random.default_rng, seeds):
        if rng.integers(5) == 0:
            _add_leaf(rng, SHAPES[rng.integers(len(SHAPES))], steps, values)
        for _ in range(30):
            before = len(steps)
            try:
                _add(rng, NAMES[rng.choice(len(NAMES), p=WEIGHTS)], steps, values)
                break
            except (ValueError, IndexError, TypeError):  # it does not fit here; another
                del steps[before:], values[before:]
    return steps


def _add_leaf(rng, shape, steps, values, kind=None) -> None:
    x = rng.uniform(-2, 2, shape).round(3)
    values.append(np.where(np.abs(x) < 0.05, 0.3, x))
    steps.append(Step("leaf", (), {"kind": kind or LEAVES[rng.integers(len(LEAVES))], "array": values[-1]}))


def _add(rng, name: str, steps: list, values: list) -> None:
    op = OPS[name]
    args = [len(values) - 1 - int(rng.integers(0, len(values), 2).min()) for _ in range(op.count)]  # new ones more often
    xs = [values[i] for i in args]
    options = op.draw(rng, *xs[: op.count])
    with np.errstate(all="ignore"):
        value = np.asarray(op.np(*xs, **options), np.float64)
        if not 0 < value.size <= MOST_ELEMENTS or not np.all(np.abs(value) < LARGEST):
            raise ValueError("too large, or nan")
    steps.append(Step(name, tuple(args), options))
    values.append(value)


# --- running it ---------------------------------------------------------------------------------------------------------


def numpy_run(program: Program, given: dict[int, np.ndarray] | None = None) -> tuple[list, dict]:
    """All values, in NumPy. `given` holds leaves and constants; without it they are filled in, and returned."""
    known, values = ({} if given is None else given), []
    for i, step in enumerate(program):
        if i not in known and step.op == "leaf":
            known[i] = step.options["array"]
        value = known[i] if i in known else OPS[step.op].np(*[values[j] for j in step.args], **step.options)
        values.append(np.asarray(value, np.float64))
        if step.op != "leaf" and OPS[step.op].cut:
            known[i] = values[-1]
    return values, known


def make_leaf(kind: str, array: np.ndarray) -> Tensor:
    if kind == "view":  # not contiguous
        array = np.stack([array, 0 * array], axis=-1)[..., 0]
    t = Tensor(array if kind == "view" else array.copy(), requires_grad=kind != "constant")
    if kind == "frozen":
        t.requires_grad = False
    return t


def minigan_run(program: Program, given: dict, fixed: bool = False) -> list[Tensor]:
    """All values, in minigan. `fixed`: constants are the given ones too."""
    values: list[Tensor] = []
    for i, step in enumerate(program):
        if step.op == "leaf":
            values.append(make_leaf(step.options["kind"], given[i]))
        elif fixed and i in given:
            values.append(Tensor(given[i]))
        else:
            values.append(OPS[step.op].mg(*[values[j] for j in step.args], **step.options))
    return values


def trained(program: Program, values: list) -> dict[int, Tensor]:
    """The leaves that the last value's gradient is asked for, by number."""
    return {i: values[i] for i, s in enumerate(program) if s.op == "leaf" and values[i].requires_grad}


def gradients(program: Program, values: list, weights: np.ndarray, **options) -> dict[int, Tensor]:
    leaves = trained(program, values)
    return dict(zip(leaves, mg.grad(values[-1], list(leaves.values()), gradient=weights, **options), strict=True))


def along(grads: dict, v: dict) -> tuple[float, float]:
    """<gradient, v>, and the scale of its rounding errors."""
    terms = [g.numpy().astype("float64") * v[i] for i, g in grads.items()]
    return sum(t.sum() for t in terms), 1.0 + sum(np.abs(t).sum() for t in terms)


def assert_close(found, expected, tolerance, what):
    expected = np.asarray(expected, np.float64)
    atol = tolerance * (1.0 + np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=what)


def assert_slope(slope, h, found, tolerance, what):
    """The slope by central differences with one of these steps is what was found."""
    slopes = []
    for step in h:
        slopes.append((slope(step) - slope(-step)) / (2 * step))
        if abs(slopes[-1] - found) <= tolerance:
            return
    raise AssertionError(f"{what}: along a random direction it is {found}, the slopes are {slopes}")


def check(program: Program) -> None:
    """Run the program, and raise AssertionError where it does not hold."""
    rng = np.random.default_rng(7)
    expected, given = numpy_run(program)
    values = minigan_run(program, given)
    for step, t, value in zip(program, values, expected, strict=True):
        assert (t.shape, t.dtype) == (value.shape, "float64"), step
        assert_close(t.numpy(), value, 1e-9, f"the value of {step}")
    if not values[-1].requires_grad or values[-1].is_leaf:
        return
    weights = rng.uniform(0.5, 1.5, values[-1].shape) * rng.choice([-1, 1], values[-1].shape)
    grads = gradients(program, values, weights)
    assert {i: (g.shape, g.dtype) for i, g in grads.items()} == {i: (given[i].shape, "float64") for i in grads}
    u, v = ({i: rng.standard_normal(given[i].shape) for i in grads} for _ in range(2))
    moved = lambda h: given | {i: given[i] + h * v[i] for i in grads}  # noqa: E731
    found, scale = along(grads, v)
    steps, tolerance = (1e-6, 1e-5, 1e-7, 1e-4), 1e-6 * scale
    assert_slope(lambda h: np.sum(weights * numpy_run(program, moved(h))[0][-1]), steps, found, tolerance, "gradient")
    first = gradients(program, values, weights, create_graph=True)
    s = sum((g * u[i]).sum() for i, g in first.items())
    second = mg.grad(s, list(trained(program, values).values()))
    found, scale = along(dict(zip(grads, second, strict=True)), v)
    slope = lambda h: along(gradients(program, minigan_run(program, moved(h), fixed=True), weights), u)[0]  # noqa: E731
    assert_slope(slope, (1e-5, 1e-4, 1e-6, 1e-3), found, 1e-6 * scale, "second derivative")
    del first, s, second
    alive = [weakref.ref(t) for t in values]
    del t, values
    if left := [ref() for ref in alive if ref() is not None]:
        gc.collect()
        raise AssertionError(f"{len(left)} tensors outlive their program: {left}")
