"""For tests of ops, the engine's and the user's own: Hypothesis strategies for arrays, and `assert_gradients`.

Needs hypothesis: pip install 'minigan[tests]'. An example of use stands in the README.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan.gradcheck import gradcheck
from minigan.tensor import Tensor, grad


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> st.SearchStrategy:
    """Shapes of arrays, () and sizes of 0 included unless excluded."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


@st.composite
def axes(draw, ndim: int):
    """What a reduction takes as `axis` for an array of `ndim` axes: None, (), an integer or a tuple, negative ones included."""
    if draw(st.booleans()) or not ndim:
        return draw(st.sampled_from([None, (), *range(-ndim, ndim)]))
    return draw(hnp.valid_tuple_axes(ndim))


@st.composite
def arrays(
    draw, shape: Any = None, low: float = -3.0, high: float = 3.0, away_from: Sequence[float] = (), distinct: bool = False
):
    """float64 arrays with values in [low, high], in any memory order: contiguous, transposed, reversed or strided.

    Args:
        shape: a shape or a strategy for one; `shapes()` if None.
        away_from: kinks to which no value comes closer than 0.01.
        distinct: no two values closer than 0.01, for ops with ties.
    """
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else draw(shapes()) if shape is None else shape
    size = int(np.prod(shape))
    values = np.array(draw(st.lists(_numbers(low, high, away_from), min_size=size, max_size=size)), dtype=np.float64)
    if distinct and size:
        ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        values = low + (high - low) * (ranks + 0.5) / size  # their order, evenly spaced
        for kink in away_from:
            values = values + np.where(np.abs(values - kink) < 0.01, 0.02, 0.0)
    return draw(_in_some_memory_order(values.reshape(shape)))


def _numbers(low: float, high: float, away_from: Sequence[float]) -> st.SearchStrategy:
    numbers = st.floats(_inward(low, high), _inward(high, low), allow_nan=False, allow_subnormal=False, width=32)
    return numbers.filter(lambda x: all(abs(x - kink) >= 0.01 for kink in away_from))


def _inward(bound: float, other: float) -> float:
    """The float32 number nearest to the bound, on the side of the other bound."""
    near = np.float32(bound)
    return float(near if min(bound, other) <= near <= max(bound, other) else np.nextafter(near, np.float32(other)))


@st.composite
def _in_some_memory_order(draw, array: np.ndarray) -> np.ndarray:
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
def broadcastable(draw, count: int = 2, **options: Any) -> tuple[np.ndarray, ...]:
    """`count` arrays whose shapes broadcast with one another: sizes of 1, missing axes, () and sizes of 0 included."""
    common = tuple(draw(st.sampled_from([2, 3, 2, 3, 1, 0])) for _ in range(draw(st.sampled_from([2, 1, 3, 2, 0]))))
    kept = [common[draw(st.sampled_from([0, 0, *range(len(common) + 1)])) :] for _ in range(count)]
    return tuple(draw(arrays(tuple(draw(st.sampled_from([n, 1])) for n in shape), **options)) for shape in kept)


def assert_gradients(fn: Callable[..., Tensor], *inputs: Any, order: int = 2, **tolerances: float) -> None:
    """Everything that minigan promises of an op: checked for `fn(*inputs)`, float64 arrays (others are constants).

    Its gradients up to `order` (see `gradcheck`); float32 in, float32 out and float32 gradients, close to the float64 ones;
    and that neither the inputs nor the arriving gradient are written to. Raises AssertionError.
    """
    exact, single = [_forward_and_back(fn, inputs, dtype) for dtype in (np.float64, np.float32)]
    gradcheck(fn, *inputs, order=order, **tolerances)
    for one, other in zip(exact, single, strict=True):
        if other.dtype != np.float32:  # no assert statement, which `python -O` would leave out
            raise AssertionError(f"float32 in, but {other.dtype} out")
        scale = 1.0 + np.max(np.abs(one), initial=0.0)
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4 * scale, err_msg="float32 differs from float64")


def _forward_and_back(fn: Callable, inputs: Sequence, dtype: Any) -> list[np.ndarray]:
    """The output and the gradients, in a dtype; checks that nothing was written to."""
    tensors = [Tensor(_cast(x, dtype), requires_grad=_cast(x, dtype).dtype.kind == "f") for x in inputs]
    before = [t.numpy().copy() for t in tensors]
    y = fn(*tensors)
    seed = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    kept = seed.copy()
    gradients = grad(y, [t for t in tensors if t.requires_grad], gradient=seed)
    np.testing.assert_array_equal(seed, kept, err_msg="the arriving gradient was written to")
    for t, values in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(t.numpy(), values, err_msg="an input was written to")
    return [y.numpy(), *(g.numpy() for g in gradients)]


def _cast(x: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(x)
    return array.astype(dtype) if array.dtype.kind == "f" else array
