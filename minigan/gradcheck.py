"""Checks derivatives against finite differences: of the engine's ops, and of the user's own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.games.game import Game
from minigan.gradcheck_game import module_as_function, player_as_function, players
from minigan.modes import no_grad
from minigan.nn import Module
from minigan.tensor import Tensor, grad

MOST_ELEMENTS = 200  # an input with more is probed along random directions instead of element by element
DIRECTIONS = 20
FEW_DIRECTIONS = 3
LARGE = 1e-4 * np.finfo(np.float64).max
EXACT = (1e-11, 1e-11)  # rtol and atol of the complex step
QUIET = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}  # infinities and nans are judged: no need to warn of them
ORDINALS = {1: "first", 2: "second", 3: "third"}


class GradcheckError(AssertionError):
    """The derivative that an op returns is not the derivative of what it computes."""


def gradcheck(
    fn: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    eps: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    complex_step: bool = False,
    kinks: bool = False,
) -> bool:
    """Is minigan's gradient of `fn` the gradient of `fn`? Returns True, or raises `GradcheckError` that says where not.

    `fn(*inputs)` returns a Tensor (or a tuple of them), which is projected on random numbers u to a scalar L = sum(u fn): u is
    the gradient that arrives at the output. L's gradient is compared with the central difference
    (L(x + eps) - L(x - eps)) / (2 eps), for each element of each input (or, for an input of more than 200 elements, along 20
    random directions). At order 2 the same is done for the gradient, as a function of the inputs and of u; and the gradient
    that can be differentiated again is compared with the one that cannot.

    Args:
        fn: also a `nn.Module`, as a function of its inputs and its parameters (which are called by their names), or a game:
            `gradcheck(game, minibatch)` checks the first derivative of every loss of one step, for every parameter of the
            player whose loss it is, with a hundredth of eps. Both are checked on copies, in float64.
        inputs: float64 arrays or Tensors; integer and boolean ones are passed on as constants.
        order: how often to differentiate.
        eps, rtol, atol: the step, and the difference allowed, atol + rtol |numeric| + the rounding error of the difference.
            The step's error in float64 is around 1e-10; rtol is far from it on one side and far from a factor of 1.001 on the
            other.
        complex_step: check the first derivative also against Im L(x + 1e-20 i) / 1e-20, which subtracts nothing and is exact
            to rounding (rtol and atol are then 1e-11). For functions that are analytic and computed by analytic ops only: not
            abs, max, relu, sigmoid and what else compares numbers. A function that does not qualify fails.
        kinks: where the slopes below and above x differ (relu, abs and clip at their kinks, maximum and max_pool2d at ties),
            accept a gradient that lies between them, and one that lies between along common directions of all inputs. A kink
            of more than two pieces, as of a sort at three equal numbers, is judged by the two along each axis.
            Otherwise a kink is an error, which names both slopes.

    Raises TypeError for float32 inputs (their rounding errors exceed the differences), for no floating input, and for a `fn`
    that returns no Tensor; ValueError for a `fn` that is random.
    """
    checks.whole("gradcheck", "order", order)
    checks.number("gradcheck", "eps", eps, above=0)
    for name, value in (("rtol", rtol), ("atol", atol)):
        checks.number("gradcheck", name, value, least=0)
    tolerance = _Tolerance(eps, rtol, atol, complex_step, kinks)
    with np.errstate(**QUIET):
        for comparison in _comparisons_of_all(fn, inputs, order, tolerance):
            comparison.judge()
    return True


def gradcheck_report(fn: Callable[..., Any], *inputs: Any, order: int = 2, eps: float = 1e-5) -> str:
    """How accurate each gradient is: `gradcheck`'s comparisons as the rows of a table. Nothing is an error here.

    The largest difference is relative to the largest slope. The method is the complex step (exact to rounding) where it agrees
    with the central difference, that is, where `fn` is analytic; else the central difference. At kinks, the slopes below and
    above are listed beside the subgradient that was returned.
    """
    rows = [f"{'derivative':10}  {'by':30}  {'difference':10}  {'method':14}  verdict"]
    with np.errstate(**QUIET):
        for comparison in _comparisons_of_all(fn, inputs, order, _Tolerance(eps, 1e-5, 1e-7, False, True)):
            rows += comparison.rows()
    return "\n".join(rows)


# --- what is compared ---------------------------------------------------------------------------------------------------


def _comparisons_of_all(fn: Any, inputs: tuple, order: int, tolerance: "_Tolerance") -> Iterator["_Comparison"]:
    """Every gradient to be judged."""
    if isinstance(fn, Game):
        tolerance = replace(
            tolerance, eps=tolerance.eps / 100
        )  # a step of 1e-5 carries one of thousands of ReLUs over its kink
    for function, most in _functions(fn, inputs):
        function.check_repeatable()
        yield from _comparisons(function, 1 if isinstance(fn, Game) else order, tolerance, most)


def _functions(fn: Any, inputs: tuple) -> Iterator[tuple["_Function", int]]:
    """What is to be checked, and from how many elements on along directions: of a game, each player."""
    rng = np.random.default_rng(0)
    if isinstance(fn, Game):
        if len(inputs) != 1:
            raise TypeError(f"gradcheck: a game takes one minibatch, gradcheck(game, minibatch); got {len(inputs)}")
        for player in players(fn):
            losses, values, names, parts = player_as_function(fn, *inputs, player)
            yield _Function(losses, values, rng, 1, names, parts), FEW_DIRECTIONS
        return
    arrays = [_checked(i, x) for i, x in enumerate(inputs)]
    names = [f"input {i}" for i in range(len(arrays))]
    if isinstance(fn, Module):
        fn, values, own = module_as_function(fn, len(arrays))
        arrays, names = arrays + values, names + own
    yield _Function(fn, arrays, rng, 1, names), MOST_ELEMENTS


@dataclass(frozen=True)
class _Tolerance:
    """How the slopes are measured, and what is accepted: see `gradcheck`."""

    eps: float
    rtol: float
    atol: float
    complex_step: bool
    kinks: bool


class _Function:
    """A function, the point at which it is differentiated, and the random gradients u that arrive at its outputs.

    `names` are those of its inputs, `parts` those of its outputs, for messages; order 1 is the user's function itself, order 2
    its gradient.
    """

    def __init__(self, fn: Callable, arrays: list, rng: np.random.Generator, order: int = 1, names=None, parts=None):
        self.fn, self.arrays, self.rng, self.order = fn, arrays, rng, order
        self.arriving = len(arrays)  # where, among the inputs, the arriving gradients begin
        self.names = names or [f"input {i}" for i in range(len(arrays))]
        self.floats = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
        if not self.floats:
            raise TypeError("gradcheck: needs a floating input")
        outputs = self.call(arrays)
        self.parts = parts or ([""] if len(outputs) == 1 else [f"output {k}" for k in range(len(outputs))])
        self.u = [rng.standard_normal(y.shape) for y in outputs]
        self.outputs = outputs

    def check_repeatable(self) -> None:
        """Raise ValueError where fn draws random numbers."""
        again = self.call(self.arrays)
        if any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(self.outputs, again, strict=True)):
            raise ValueError("gradcheck: fn returns different values for the same inputs; fix the random numbers it draws")

    def call(self, arrays: list) -> list[np.ndarray]:
        """The outputs, as arrays."""
        return [y.numpy() for y in _outputs(self.fn(*_as_inputs(arrays)))]

    def weighted(self, i: int, x: np.ndarray) -> np.ndarray:
        """The terms of L = sum(u fn) with x in place of input i, as one vector."""
        outputs = self.call([*self.arrays[:i], x, *self.arrays[i + 1 :]])
        return np.concatenate([(u * y).ravel() for u, y in zip(self.u, outputs, strict=True)])

    def gradients(self, create_graph: bool = False) -> list[np.ndarray]:
        """dL / dx for each floating input x, as minigan computes it."""
        inputs = _as_inputs(self.arrays)
        return [g.numpy() for g in _gradients(self.fn, inputs, self.u, create_graph)]

    def gradient(self) -> "_Function":
        """The gradient as a function to be checked itself: of the inputs and of the arriving gradients u."""
        n = len(self.arrays)

        def gradient(*inputs):
            return tuple(_gradients(self.fn, inputs[:n], inputs[n:], create_graph=True))

        names = [*self.names, *[f"the arriving gradient{part and ' of '}{part}" for part in self.parts]]
        parts = [f"the gradient for {self.names[i]}" for i in self.floats]
        function = _Function(gradient, [*self.arrays, *self.u], self.rng, self.order + 1, names, parts)
        function.arriving = n
        return function

    def of_part(self, k: int) -> "_Function":
        """The same function, but for all outputs except one."""
        part = _Function(lambda *x: _outputs(self.fn(*x))[k], self.arrays, self.rng, self.order, self.names, [self.parts[k]])
        part.u = [self.u[k]]
        return part


def _comparisons(function: _Function, order: int, tolerance: _Tolerance, most: int = MOST_ELEMENTS) -> Iterator["_Comparison"]:
    """Each gradient beside the slopes; and then the same for the gradient as a function."""
    gradients = function.gradients()
    for i, g in zip(function.floats, gradients, strict=True):
        linear = i >= function.arriving  # a few directions show every mistake in a linear map
        yield _Comparison(function, i, g, tolerance, FEW_DIRECTIONS if linear else most)
    if tolerance.kinks and function.order == 1:
        yield _Together(function, -1, gradients, tolerance)
    if order > 1:
        _compare_with_recorded(function, gradients, tolerance)
        yield from _comparisons(function.gradient(), order - 1, replace(tolerance, complex_step=False))


@dataclass
class _Comparison:
    """The gradient for input i beside the slopes of L, element by element or along directions v."""

    function: _Function
    i: int
    gradient: Any
    tolerance: _Tolerance
    most: int = MOST_ELEMENTS

    @property
    def x(self) -> np.ndarray:
        return self.function.arrays[self.i]

    @cached_property
    def place(self) -> str:
        """What v stands for: one element (which has an index), or a random direction."""
        return "index" if self.x.size <= self.most else "direction"

    @cached_property
    def directions(self) -> np.ndarray:
        if self.place == "index":
            return np.eye(self.x.size).reshape(self.x.size, *self.x.shape)
        return self.function.rng.standard_normal((min(DIRECTIONS, self.most), *self.x.shape))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape if self.place == "index" else (len(self.directions),)

    @cached_property
    def analytic(self) -> np.ndarray:
        """The slopes that the gradient claims."""
        return self.gradient if self.place == "index" else np.array([np.sum(self.gradient * v) for v in self.directions])

    def at(self, step: float, v: np.ndarray) -> np.ndarray:
        """The terms of L at x + step v."""
        return self.function.weighted(self.i, self.x + step * v)

    @cached_property
    def numeric(self) -> np.ndarray:
        """The slopes by central difference: their error falls with eps^2."""
        eps = self.tolerance.eps
        above, below = self.ends
        change = _difference(above, below)
        size = np.sum(np.abs(above), axis=1, where=change != 0)
        self.rounding = (4 * np.finfo(above.dtype).eps / eps * size).reshape(self.shape)
        return (change.sum(axis=1) / (2 * eps)).reshape(self.shape)

    @cached_property
    def ends(self) -> np.ndarray:
        """The terms of L at x + eps v and at x - eps v, for every v; where they overflow, in extended precision."""
        if not len(self.directions):
            return np.zeros((2, 0, 0))
        steps = (self.tolerance.eps, -self.tolerance.eps)
        ends = np.array([[self.at(step, v) for v in self.directions] for step in steps])
        if not np.isfinite(ends).all() and backend.name() == "numpy":
            with suppress(TypeError, ValueError):  # raised by an op that does not know extended precision
                return np.array([[self.at(np.longdouble(step), v) for v in self.directions] for step in steps])
        return ends

    @cached_property
    def unknown(self) -> np.ndarray:
        """Where there is no slope to compare with: at an infinity."""
        infinite = any([np.isinf(x).any() for x in self.function.arrays])
        return (~np.isfinite(self.ends) if infinite else np.isinf(self.ends)).any(axis=(0, 2)).reshape(self.shape)

    @cached_property
    def complex_slopes(self) -> np.ndarray:
        """The slopes by complex step: for an analytic L, L(x + i h v) = L(x) + i h L'(x) v + O(h^2)."""
        h = 1e-20
        with no_grad():  # ops refuse to record a complex result
            return np.array([np.sum(np.imag(self.at(1j * h, v))) / h for v in self.directions]).reshape(self.shape)

    @cached_property
    def wrong(self) -> np.ndarray:
        """Where the gradient is not the slope."""
        allowed = self.tolerance.atol + self.tolerance.rtol * np.abs(self.numeric) + self.rounding
        wrong = np.array(~(np.abs(self.analytic - self.numeric) <= allowed))  # also where one of them is nan
        wrong &= ~(self.unknown | (self.analytic == self.numeric.astype(np.float64)))  # both may be too large for float64
        wrong &= ~(np.isinf(self.analytic) & (np.sign(self.analytic) * self.numeric > LARGE))  # or a number on the way was
        if self.tolerance.kinks:
            for at in [at for at in np.ndindex(self.shape) if wrong[at]]:
                wrong[at] = not self.kink(at).holds(self.analytic[at])
        return wrong

    def kink(self, at: tuple) -> "_Kink":
        """The slopes just below and just above x, along the v that belongs to this place."""
        v, eps = self.directions.reshape(self.shape + self.x.shape)[at], self.tolerance.eps
        return _Kink(self.slopes_beside(eps, v), self.slopes_beside(eps / 8, v), self.numeric[at])

    def slopes_beside(self, eps: float, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each term of L, the slopes a little below x and a little above it."""
        below = _difference(self.at(-eps, v), self.at(-2 * eps, v)) / eps
        above = _difference(self.at(2 * eps, v), self.at(eps, v)) / eps
        return below, above

    # --- what is said about it -------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Raise GradcheckError where the gradient is wrong."""
        g = self.gradient
        if g.shape != self.x.shape or g.dtype != self.x.dtype:
            raise GradcheckError(f"{self.head}the gradient is {g.dtype} {g.shape}, not {self.x.dtype} {self.x.shape}")
        if self.wrong.any():
            if len(self.function.parts) > 1:
                self.find_part()
            if self.most < self.x.size <= MOST_ELEMENTS:
                replace(self, most=MOST_ELEMENTS).judge()
            raise GradcheckError(self.message())
        if self.tolerance.complex_step and not _close(self.analytic, self.complex_slopes, *EXACT):
            self.numeric, self.rounding = self.complex_slopes, 0.0
            self.wrong = ~(np.abs(self.analytic - self.numeric) <= EXACT[1] + EXACT[0] * np.abs(self.numeric))
            raise GradcheckError(self.message())

    def find_part(self) -> None:
        """Raise GradcheckError for the one output, of several, whose gradient is wrong."""
        place = self.function.floats.index(self.i)
        for k in range(len(self.function.parts)):
            part = self.function.of_part(k)
            replace(self, function=part, gradient=part.gradients()[place]).judge()

    @property
    def head(self) -> str:
        order, (part, *others) = self.function.order, self.function.parts
        of = f" (of {part})" if part and not others else ""
        return f"gradcheck: {ORDINALS.get(order, f'{order}th')} derivative{of}: {self.function.names[self.i]}, "

    def message(self) -> str:
        analytic, numeric = self.analytic, self.numeric
        distance = np.nan_to_num(np.abs(analytic - numeric), nan=np.inf)
        at = np.unravel_index(np.argmax(np.where(self.wrong, distance, -1)), self.shape)
        index = tuple(int(k) for k in at)
        u = ", ".join(np.array2string(u, precision=4, threshold=8, edgeitems=2).replace("\n", "") for u in self.function.u)
        return (
            f"{self.head}{self.place} {index}: analytic {analytic[at]:.10g}, numeric {numeric[at]:.10g} "
            f"({int(self.wrong.sum())} of {self.wrong.size} differ){self.diagnosis(at)}; the arriving gradient: {u}"
        )

    def diagnosis(self, at: tuple) -> str:
        """What the two have to do with each other, if it is something simple."""
        analytic, numeric = self.analytic, self.numeric
        if not np.isfinite(analytic).all():
            return "; the analytic gradient is not finite"
        kink = self.kink(at)
        if kink.is_one:
            advice = (
                "lies between: pass kinks=True to accept it, or move x away" if kink.holds(analytic[at]) else "lies outside"
            )
            return f"; x is at a kink, with {kink}; the analytic slope {advice}"
        scale = 1e-6 * np.max(np.abs(numeric))
        if np.max(np.abs(analytic)) <= 100 * scale:
            if self.function.order == 1:
                return "; the analytic gradient is zero: is an input missing from record()?"
            return "; the analytic one is zero: does the derivative compute with arrays, x.data, where it should with Tensors?"
        if _close(analytic, -numeric, 1e-4, scale):
            return "; they differ by the sign"
        factor = np.sum(analytic * numeric) / max(np.sum(numeric * numeric), 1e-300)
        if _close(analytic, factor * numeric, 1e-4, scale):
            return f"; they differ by the factor {factor:.6g}"
        if analytic.ndim > 1 and _close(analytic, np.swapaxes(numeric, -1, -2), 1e-4, scale):
            return "; one is the other's transpose"
        return ""

    def rows(self) -> list[str]:
        """The lines of the report."""
        numeric, method = self.numeric, "central"
        if self.function.order == 1 and self.is_analytic():
            numeric, method = self.complex_slopes, "complex step"
        kinks = {at: kink for at in np.ndindex(self.shape) if (kink := self.kink(at)).is_one}
        smooth = np.array([at not in kinks for at in np.ndindex(self.shape)], bool).reshape(self.shape)
        scale = max(np.max(np.abs(numeric), initial=0.0), 1e-300)
        error = np.max(np.abs(self.analytic - numeric), initial=0.0, where=smooth) / scale
        name, order = self.function.names[self.i], ORDINALS.get(self.function.order, str(self.function.order))
        verdict = f"wrong at {int(self.wrong.sum())} of {self.wrong.size}" if self.wrong.any() else "ok"
        notes = [f"  {self.place} {at}: {kink}, takes {self.analytic[at]:.6g}" for at, kink in kinks.items()]
        return [f"{order:10}  {name:30}  {error:<10.1e}  {method:14}  {verdict}", *notes]

    def is_analytic(self) -> bool:
        """Does the complex step agree with the central difference?"""
        try:
            return _close(self.complex_slopes, self.numeric, self.tolerance.rtol, self.tolerance.atol)
        except (TypeError, ValueError, RuntimeWarning):
            return False


class _Together(_Comparison):
    """The gradients for all inputs beside the slopes along common directions v of all: 1 everywhere, and random ones.

    At a tie each of maximum's two gradients may be anything from 0 to 1, but together they must be 1.
    """

    place = "direction"

    @property
    def head(self) -> str:
        return "gradcheck: first derivative: all inputs together, "

    @cached_property
    def x(self) -> np.ndarray:
        return np.concatenate([self.function.arrays[i].ravel() for i in self.function.floats])

    @cached_property
    def directions(self) -> np.ndarray:
        return np.concatenate([np.ones((1, self.x.size)), self.function.rng.standard_normal((2, self.x.size))])

    @cached_property
    def analytic(self) -> np.ndarray:
        return self.directions @ np.concatenate([g.ravel() for g in self.gradient])

    @cached_property
    def wrong(self) -> np.ndarray:
        """Where the gradients do not add up to the slope: by more than a thousandth of what is added."""
        added = np.abs(self.directions) @ np.concatenate([np.abs(g).ravel() for g in self.gradient])
        wrong = np.abs(self.analytic - self.numeric) > 1e-6 + 1e-3 * added + self.rounding
        wrong &= np.isfinite(added) & ~self.unknown
        for (k,) in np.argwhere(wrong):
            near = np.sum(self.slopes_beside(self.tolerance.eps / 8, self.directions[k])) / 2
            steep = abs(near - self.numeric[k]) > 0.1 * abs(self.analytic[k] - self.numeric[k])  # the step is too large
            wrong[k] = not steep and not self.kink((k,)).holds(self.analytic[k])
        return wrong

    def at(self, step: float, v: np.ndarray) -> np.ndarray:
        arrays, ends = list(self.function.arrays), np.cumsum([self.function.arrays[i].size for i in self.function.floats])
        for i, part in zip(self.function.floats, np.split(self.x + step * v, ends[:-1]), strict=True):
            arrays[i] = part.reshape(arrays[i].shape)
        return np.concatenate([(u * y).ravel() for u, y in zip(self.function.u, self.function.call(arrays), strict=True)])

    def judge(self) -> None:
        if self.wrong.any():
            raise GradcheckError(self.message())

    def rows(self) -> list[str]:
        return []


def slope_is_right(fn: Callable, arrays: Sequence[np.ndarray]) -> bool:
    """Is the slope along one random direction of all inputs right? Also True where it cannot be measured."""
    function = _Function(fn, list(arrays), np.random.default_rng(2))
    together = _Together(function, -1, function.gradients(), _Tolerance(1e-5, 1e-5, 1e-7, False, True))
    together.directions = function.rng.standard_normal((1, together.x.size))
    return not np.isfinite(together.numeric).all() or not together.wrong.any()


class _Kink:
    """Is there a kink, or a jump, at a point or close to it, or only curvature?

    `far` and `near` are pairs, of each term of L the slope below and the slope above the point: near ones are those of pieces
    an eighth as far away. `central` is L's central difference.
    """

    def __init__(self, far: tuple, near: tuple, central: float):
        self.below, self.above = (side.sum() for side in far)
        low, high = (np.array([limit(*sides).sum() for sides in (far, near)]) for limit in (np.minimum, np.maximum))
        gap, slack = high - low, 1e-3 * (1e-3 + np.abs(low) + np.abs(high))  # one-sided differences are not as accurate
        bent = gap[0] > slack[0] and gap[1] > gap[0] / 2  # curvature would leave an eighth of the gap
        jumps = (central < low - gap - slack) | (central > high + gap + slack)
        self.is_one = bool(bent or jumps.any())
        self.low, self.high, self.slack = low.min(), high.max(), slack.max()

    def holds(self, slope: float) -> bool:
        """Is there a kink, and does the slope lie between those of its sides?"""
        return self.is_one and bool(self.low - self.slack <= slope <= self.high + self.slack)

    def __str__(self) -> str:
        return f"slope {self.below:.6g} below and {self.above:.6g} above"


def _compare_with_recorded(function: _Function, plain: list, tolerance: _Tolerance) -> None:
    """An op may compute its gradient in another way where the gradient is to be differentiated again: both must agree."""
    for i, g, other in zip(function.floats, plain, function.gradients(create_graph=True), strict=True):
        if not _close(other, g, tolerance.rtol, tolerance.atol):
            worst = np.nanmax(np.abs(other - g))
            name = function.names[i]
            raise GradcheckError(f"gradcheck: {name}: with create_graph=True the gradient is another one, by up to {worst:.4g}")


# --- calling the function -----------------------------------------------------------------------------------------------


def _gradients(fn: Callable, inputs: Sequence[Tensor], u: Sequence, create_graph: bool = False) -> list[Tensor]:
    """dL / dx, L = sum(u fn), for each floating input x."""
    wanted = [t for t in inputs if t.requires_grad]
    total = None
    for y, arriving in zip(_outputs(fn(*inputs)), u, strict=True):
        found = grad(y, wanted, gradient=arriving, create_graph=create_graph)
        total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
    return list(total)


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b; 0 where both are the same infinity."""
    return np.where(a == b, 0.0, a - b)


def _close(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)


def _checked(i: int, x: Any) -> np.ndarray:
    array = x.numpy() if isinstance(x, Tensor) else backend.to_numpy(x)
    if array.dtype.kind == "f" and array.dtype != np.float64:
        raise TypeError(f"gradcheck: input {i} is {array.dtype}: its rounding errors would drown the differences; pass float64")
    return array


def _as_inputs(arrays: list) -> list[Tensor]:
    return [Tensor(backend.asarray(a), requires_grad=a.dtype.kind == "f") for a in arrays]


def _outputs(result: Any) -> tuple[Tensor, ...]:
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: fn returned a {type(y).__name__}; expected a Tensor")
    return outputs
