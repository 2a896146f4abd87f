"""For tests of ops, the engine's and the user's own: Hypothesis strategies for arrays, and `assert_gradients`.

Needs hypothesis: pip install 'minigan[tests]'. minigan/gradcheck/README.md has an example.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from minigan import backend
from minigan.engine.modes import Watcher, watching
from minigan.engine.tensor import Tensor, grad
from minigan.gradcheck.check import gradcheck, slope_is_right
from minigan.gradcheck.lift import lift
from minigan.gradcheck.verdict import GradcheckError

__all__ = ["arrays", "assert_gradients", "axes", "broadcastable", "lift", "shapes"]

Floats = NDArray[np.float64]
Arrays = Sequence[np.ndarray]


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of arrays. By default () and sizes of 0 are among them."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


_UNUSUAL_SHAPES = st.sampled_from([(9,), (2, 7), (0, 3), (2, 1, 3, 2), (2, 0, 1, 2), (1, 1, 2, 1, 2)])


@st.composite
def axes(draw: st.DrawFn, ndim: int) -> int | tuple[int, ...] | None:
    """A reduction's `axis` for an array of `ndim` axes: None, (), an integer or a tuple of them, negative ones included."""
    if draw(st.booleans()) or not ndim:
        single: int | tuple[int, ...] | None = draw(st.sampled_from([None, (), *range(-ndim, ndim)]))
        return single
    return draw(hnp.valid_tuple_axes(ndim))


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: int | tuple[int, ...] | st.SearchStrategy[Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    away_from: Sequence[float] = (),
    distinct: bool = False,
    special: bool = False,
) -> Floats:
    """float64 arrays with values in [low, high], in any memory order: contiguous, transposed, reversed or strided.

    Args:
        shape: a shape or a strategy for one; `shapes()` if None.
        low, high: -3 and 3 if None.
        away_from: kinks; no value is closer than 0.01 to one.
        distinct: no two values are closer than 0.01, for ops with ties.
        special: most of the values are 0, -0, 1, -1, tiny (1e-30), large (20: a sigmoid saturates) or huge (1000: its
            exponential overflows; twice, for a tie; 3000), in turn, so that 16 elements hold them all. They ignore a bound
            that is None; an infinite bound is one of them. At kinks and ties, `assert_gradients` needs kinks=True.
    """
    if shape is None:
        usual = shapes(min_side=1, max_dims=2) | st.just((4, 4)) if special else shapes() | st.just((2, 3))
        shape = draw(st.sampled_from([*[usual] * 9, _UNUSUAL_SHAPES]))
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    size = int(np.prod(shape))
    numbers = _numbers(*_bounds(low, high), (*away_from, 0.0, 1.0, -1.0) if special else away_from)
    values = np.array(draw(st.lists(numbers, min_size=size, max_size=size)), dtype=np.float64)
    if special and size:
        special_numbers = _special(low, high, away_from)
        turn = np.resize(np.roll(special_numbers, -draw(st.integers(0, len(special_numbers) - 1))), size)
        values = np.where(np.isnan(turn), values, turn)
    if distinct and size:
        least, most = _bounds(low, high)
        ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        values = least + (most - least) * (ranks + 0.5) / size  # in the same order, evenly spaced
        for kink in away_from:
            values = values + np.where(np.abs(values - kink) < 0.01, 0.02, 0.0)
    return draw(_in_some_memory_order(values.reshape(shape)))


def _bounds(low: float | None, high: float | None) -> tuple[float, float]:
    """The bounds of numbers that are not special."""
    low = -3.0 if low is None or np.isinf(low) else low
    high = 3.0 if high is None or np.isinf(high) else high
    return (low, high) if low <= high else (low, low + 3.0) if low > 0 else (high - 3.0, high)


def _special(low: float | None, high: float | None, away_from: Sequence[float]) -> list[float]:
    """The special numbers within the bounds, the bounds themselves, and nan in the place of ordinary numbers."""
    least, most = -np.inf if low is None else low, np.inf if high is None else high
    numbers = [0.0, np.nan, 1000.0, 1000.0, -0.0, 20.0, 1.0, np.nan, 1e-30]
    numbers += [-1000.0, -1000.0, -20.0, -1.0, -1e-30, 3000.0, -3000.0]
    edges = [bound for bound in (low, high) if bound is not None]
    apart = [x for x in [*numbers, *edges] if not any(abs(x - kink) < 0.01 for kink in away_from)]
    return [x for x in apart if np.isnan(x) or least <= x <= most]


def _numbers(low: float, high: float, away_from: Sequence[float]) -> st.SearchStrategy[float]:
    numbers = st.floats(_inward(low, high), _inward(high, low), allow_nan=False, allow_subnormal=False, width=32)
    return numbers.filter(lambda x: all(abs(x - kink) >= 0.01 for kink in away_from))


def _inward(bound: float, other: float) -> float:
    """The float32 number nearest to the bound, on the side of the other bound."""
    near = np.float32(bound)
    return float(near if min(bound, other) <= near <= max(bound, other) else np.nextafter(near, np.float32(other)))


@st.composite
def _in_some_memory_order(draw: st.DrawFn, array: Floats) -> Floats:
    """The same values and shape behind other strides."""
    order = draw(st.sampled_from(["C", "F", "reversed", "strided"])) if array.ndim else "C"
    if order == "F":
        return np.asfortranarray(array)
    if order == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    if order == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]))
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


@st.composite
def broadcastable(draw: st.DrawFn, /, count: int = 2, **options: Any) -> tuple[Floats, ...]:
    """`count` arrays whose shapes broadcast with one another; `options` are those of `arrays`.

    One of them (or none) is stretched: half of the time it is a scalar, (), else it lacks the leading axis, and each of its
    other axes may have size 1. In the others any axis but the leading one may have size 1. Sizes of 0 are included.
    """
    ndim = draw(st.sampled_from([0, 2, 3, 2, 1, 2, 3, 2, 2, 2, 4]))
    sides = [2, 3, 2, 3, 2, 3, 5] if ndim < 3 else [2, 3] if ndim == 3 else [1, 2]
    common = tuple(draw(st.sampled_from(sides)) for _ in range(ndim))
    if ndim and draw(st.sampled_from([*[False] * 15, True])):
        common = (0, *common[1:])
    stretched, scalar = draw(st.integers(0, count)), draw(st.booleans())
    group = []
    for i in range(count):
        rest = tuple(draw(st.sampled_from([n, 1] if i == stretched else [n, n, 1])) for n in common[1:])
        shape = (*common[:1], *rest) if i != stretched else () if scalar else rest
        group.append(draw(arrays(shape, **options)))
    if options.get("special") and draw(st.booleans()):
        group = [np.resize(group[0], x.shape) for x in group]  # equal arguments
    return tuple(group)


# --- the requirements of an op -----------------------------------------------------------------------------------------


def assert_gradients(fn: Callable[..., Tensor], *inputs: Any, order: int = 2, **options: Any) -> None:
    """Check all requirements of an op `fn` at these inputs, float64 arrays (others are constants). Raises AssertionError.

    - Its gradients are right up to `order`; `options` are those of `gradcheck` (kinks=True for inputs at kinks and ties).
    - float32 in gives float32 out and float32 from every derivative, and gradients close to the float64 ones.
    - Value and gradient are those of extended precision, without an overflow on the way.
    - Where inputs broadcast, the gradients are right for each of them as a scalar, without the leading axis, and with a last
      axis of size 1.
    - The gradients are the same for inputs and arriving gradients in every memory order, read-only or broadcast, and where
      the op is used again before the backward pass.
    - Nothing writes to the inputs, the output or the arriving gradient.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        overflows: list[str] = []
        with np.errstate(over="call", call=lambda kind, flag: overflows.append(kind)):
            exact = _forward_and_back(fn, inputs, np.float64)
        sizes = np.maximum(_sizes(exact, inputs), _sizes(_forward_and_back(fn, _moved(inputs), np.float64), inputs))
        watcher = _DtypeWatcher()
        with watching(watcher):
            single = _forward_and_back(fn, inputs, np.float32)
        nearest = _nearest_float32(inputs)
        same = all(np.array_equal(x, near, equal_nan=True) for x, near in zip(inputs, nearest, strict=True))
        if not any(x.size and np.isinf(x).all() for x in map(np.asarray, inputs)):  # where there are no slopes
            gradcheck(fn, *inputs, order=order, **options)
        _check_float32(exact if same else _forward_and_back(fn, nearest, np.float64), single, sizes, watcher)
        if max(np.ndim(x) for x in inputs):
            _check_memory_orders(fn, inputs, exact, sizes)
        _check_broadcasting(fn, inputs, exact[0].shape)
        _check_extended(fn, inputs, exact, sizes, bool(overflows))


def _forward_and_back(
    fn: Callable[..., Tensor], inputs: Sequence[Any], dtype: Any, arrange: Callable[[np.ndarray], np.ndarray] = np.array
) -> list[np.ndarray]:
    """The output and the gradients, in a dtype and a memory order. Checks that nothing was written to."""
    tensors = _tensors([arrange(_cast(x, dtype)) for x in inputs])
    before = [t.numpy().copy() for t in tensors]
    y = fn(*tensors)
    if not isinstance(y, Tensor):
        raise TypeError(f"assert_gradients: fn returned a {type(y).__name__}; expected one Tensor")
    seed = arrange(np.random.default_rng(1).standard_normal(y.shape).astype(dtype))
    output, kept = y.numpy().copy(), seed.copy()
    if arrange is not np.array:
        with suppress(Exception):  # a wrong op keeps what its backward pass needs in one place for all calls
            fn(*_tensors([np.flip(values) for values in before]))
    gradients = grad(y, [t for t in tensors if t.requires_grad], gradient=seed)
    _assert_close(seed, kept, 0, 0, "the arriving gradient was written to")
    _assert_close(y.numpy(), output, 0, 0, "the output was written to")
    for i, (t, values) in enumerate(zip(tensors, before, strict=True)):
        _assert_close(t.numpy(), values, 0, 0, f"an input was written to: input {i}")
    return [y.numpy(), *(g.numpy() for g in gradients)]


def _sizes(results: Arrays, inputs: Sequence[Any]) -> list[float]:
    """The scale of rounding errors: of the output and each gradient, or of the numbers whose differences they are."""
    lengths = [_largest(x) for x in map(np.asarray, inputs) if x.dtype.kind == "f"]
    gradients = [_largest(g) for g in results[1:]]
    y = _largest(results[0]) + max([g * x for g, x in zip(gradients, lengths, strict=True)], default=0.0)
    return [y, *[g + 0.01 * y / max(x / 1000, 1.0) for g, x in zip(gradients, lengths, strict=True)]]


def _moved(inputs: Sequence[Any]) -> list[np.ndarray]:
    """Inputs a little away from these, at which a result or a gradient may be 0 by chance."""
    rng, arrays = np.random.default_rng(2), [np.asarray(x) for x in inputs]
    return [x * (1 + 1e-2 * rng.standard_normal(x.shape)) if x.dtype.kind == "f" else x for x in arrays]


def _nearest_float32(inputs: Sequence[Any]) -> list[np.ndarray]:
    """The inputs rounded to float32, which may change the result of a right op. Numbers too large for float32 stay."""
    near = [_cast(_cast(x, np.float32), np.float64) for x in inputs]
    return [np.where(np.isfinite(a), a, x) if a.dtype.kind == "f" else a for a, x in zip(near, inputs, strict=True)]


def _tensors(arrays: Arrays) -> list[Tensor]:
    """Floats require a gradient."""
    return [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]


def _cast(x: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(x)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _assert_close(actual: np.ndarray, expected: np.ndarray, rtol: float, atol: float, message: str) -> None:
    if not np.array_equal(actual, expected):  # equality is usual, and quicker to test than by NumPy's assertion
        try:
            np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)
        except AssertionError as error:
            raise AssertionError(f"assert_gradients: {message}{error}") from None


def _names(results: Arrays) -> list[str]:
    return ["the output", *[f"the gradient for floating input {i}" for i in range(len(results) - 1)]]


# --- dtypes -------------------------------------------------------------------------------------------------------------


class _DtypeWatcher(Watcher):
    """Records the derivatives that return a wider dtype than their op's, which the backward pass casts back."""

    def __init__(self) -> None:
        self.leaks: list[str] = []

    def derivative(self, call: Callable[[Any, Any], Any], g: Any, y: Any, x: Any) -> Any:
        g_x = call(g, y)
        if isinstance(g_x, Tensor) and g_x.dtype.itemsize > max(x.dtype.itemsize, y.dtype.itemsize):
            position = [a is x for a, _, _ in y._edges].index(True)
            self.leaks.append(f"{y._op}: float32 in, but the derivative for input {position} returns {g_x.dtype}")
        return g_x


def _check_float32(exact: Arrays, single: Arrays, sizes: Floats, watcher: _DtypeWatcher) -> None:
    """float32 in gives float32 out, and the float64 results within float32's accuracy."""
    limits = np.finfo(np.float32)
    for name, one, other, size in zip(_names(exact), exact, single, sizes, strict=True):
        if other.dtype != np.float32:  # no assert statement, which `python -O` would leave out
            raise AssertionError(f"float32 in, but {other.dtype} out: {name}")
        if watcher.leaks:
            raise AssertionError(watcher.leaks[0])
        if max(sizes) < limits.max:  # larger results do not exist in float32
            message = f"float32 differs from float64: {name}"
            _assert_close(other, _or_too_large(one, other), 1e-3, float(1e-4 * size + limits.tiny), message)


def _or_too_large(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """`expected` in the other's dtype; but an infinity is accepted near the dtype's largest number, where steps overflow."""
    near = np.isinf(actual) & (np.sign(actual) * expected > 1e-4 * np.finfo(actual.dtype).max)
    return np.where(near, actual, expected.astype(actual.dtype))


def _largest(x: np.ndarray) -> float:
    """The largest finite magnitude."""
    return float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x)))


def _check_extended(fn: Callable[..., Tensor], inputs: Sequence[Any], exact: Arrays, sizes: Floats, overflowed: bool) -> None:
    """Value and gradient are those of the same formula in extended precision, rounded; no overflow on the way to them.

    Where an exponential overflows, or a difference of nearly equal numbers loses its digits, a finite difference of the
    same formula may not show it. An op that does not support extended precision is not checked.
    """
    if backend.name() != "numpy":
        return
    try:
        extended = [y.astype(np.float64) for y in _forward_and_back(fn, inputs, np.longdouble)]
    except (TypeError, ValueError, RuntimeError):
        return
    for name, one, other, size in zip(_names(exact), exact, extended, sizes, strict=True):
        message = f"float64 differs from extended precision: {name}"
        _assert_close(one, _or_too_large(other, one), 1e-6, 1e-9 * size, message)
    if overflowed and all(np.isfinite(y).all() for y in extended):
        raise AssertionError("an overflow on the way to a finite result: in float64 a number is too large for its exponential")


# --- memory orders ------------------------------------------------------------------------------------------------------


def _check_memory_orders(fn: Callable[..., Tensor], inputs: Sequence[Any], exact: Arrays, sizes: Floats) -> None:
    """The gradients do not depend on the memory order of inputs and arriving gradients, nor on whether it is read-only."""
    orders = {"in Fortran order and read-only": _fortran_order, "backwards in memory, every other place": _backwards}
    for order, arrange in orders.items():
        _compare_orders(order, exact, _forward_and_back(fn, inputs, np.float64, arrange), sizes)
    tensors = _tensors([_cast(x, np.float64) for x in inputs])
    y, wanted = fn(*tensors), [t for t in tensors if t.requires_grad]
    one = np.broadcast_to(np.float64(0.7), y.shape)
    full, stretched = [[y.numpy(), *(g.numpy() for g in grad(y, wanted, gradient=seed))] for seed in (np.array(one), one)]
    _compare_orders("broadcast, all strides 0", full, stretched, sizes)


def _compare_orders(order: str, expected: Arrays, results: Arrays, sizes: Floats) -> None:
    for name, one, other, size in zip(_names(expected), expected, results, sizes, strict=True):
        message = f"{name} differs with inputs and arriving gradient {order}, or after another call of fn"
        _assert_close(other, one, 1e-9, 1e-12 * size, message)


def _fortran_order(array: np.ndarray) -> np.ndarray:
    array = np.array(array, order="F")
    array.flags.writeable = False
    return array


def _backwards(array: np.ndarray) -> np.ndarray:
    wide = np.zeros([2 * n for n in array.shape], array.dtype)
    every_other: tuple[Any, ...] = (..., *[slice(None, None, -2)] * array.ndim)
    view: np.ndarray = wide[every_other]
    view[...] = array
    return view


# --- broadcasting -------------------------------------------------------------------------------------------------------


def _check_broadcasting(fn: Callable[..., Tensor], inputs: Sequence[Any], shape: tuple[int, ...]) -> None:
    """If the inputs broadcast with one another, stretch each in turn, in every way, and check the slope along one direction.

    The strategies cannot do this: 50 examples of Hypothesis may well miss one way for one input. Where fn raises, or
    stretching leads out of its domain, there is nothing to check.
    """
    arrays = [_cast(x, np.float64) for x in inputs]
    floats = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
    try:
        broadcasts = np.broadcast_shapes(*[x.shape for x in arrays]) == shape
    except ValueError:
        return
    if len(floats) < 2 or not broadcasts or (shape and max(shape) == 1) or 0 in shape:
        return  # (where all sizes are 1, a matrix product looks like a product)
    full = [np.array(np.broadcast_to(x, (2, *shape))) if i in floats else x for i, x in enumerate(arrays)]
    for i in floats:
        for narrow in [full[i][(0,) * full[i].ndim], *([full[i][0, ..., :1]] if shape else [])]:
            _check_stretched(fn, i, [*full[:i], np.array(narrow), *full[i + 1 :]], full[i].shape)


def _check_stretched(fn: Callable[..., Tensor], i: int, arrays: list[np.ndarray], shape: tuple[int, ...]) -> None:
    try:
        y, same = [fn(*map(Tensor, a)).numpy() for a in (arrays, np.broadcast_arrays(*arrays))]
        right = y.shape != shape or not np.allclose(y, same, equal_nan=True) or slope_is_right(fn, arrays)
    except (TypeError, ValueError, IndexError):
        return
    if not right:
        where = f"input {i} of shape {arrays[i].shape} stretched to {shape}"
        try:
            gradcheck(fn, *arrays, order=1, kinks=True)
        except GradcheckError as error:
            raise GradcheckError(f"{error}; {where}") from None
        raise GradcheckError(f"the gradients are wrong for {where}")
