"""A gradient next to the slopes that are measured: which of them agree, and what to say of those that do not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from minigan.gradcheck.function import Function, Gradients
from minigan.gradcheck.kinks import Kink
from minigan.gradcheck.slopes import Slope, difference, measure, rounding

MOST_ELEMENTS = 200  # an input with more is probed along random directions instead of element by element
DIRECTIONS = 20
FEW_DIRECTIONS = 3
LARGE = 1e-4 * np.finfo(np.float64).max
USEFUL = 1e-3  # a slope whose error is larger than this share of it tells nothing
ORDINALS = {1: "first", 2: "second", 3: "third"}


class GradcheckError(AssertionError):
    """The derivative that an op returns is not the derivative of what it computes, or nobody can tell."""


@dataclass(frozen=True)
class Tolerance:
    """How the slopes are measured, and what is accepted: see `gradcheck`."""

    eps: float
    rtol: float
    atol: float
    kinks: bool
    fixed: bool  # whether eps is the only step


@dataclass
class Comparison:
    """The gradient for input i next to the slopes of L, element by element or along directions v.

    At first glance every slope is a central difference with one step, which is quick. Where that does not agree, a second look
    measures the slope by steps of all sizes, in extended precision if fn knows it.
    """

    function: Function
    i: int
    gradient: np.ndarray
    tolerance: Tolerance
    most: int = MOST_ELEMENTS

    @cached_property
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

    @cached_property
    def sizes(self) -> np.ndarray:
        """The size of x where it moves."""
        x = np.where(np.isfinite(self.x), np.abs(self.x), 0.0).astype(np.float64)
        return x if self.place == "index" else np.full(self.shape, x.max(initial=0.0))

    def along(self, v: np.ndarray) -> Callable[[float], np.ndarray]:
        """The terms of L at x + step v, as a function of the step."""
        return lambda step: self.function.terms({self.i: self.x + step * v})

    def at(self, place: tuple) -> Callable[[float], np.ndarray]:
        """The same for the v that belongs to this place."""
        return self.along(self.directions.reshape(self.shape + self.x.shape)[place])

    # --- the first glance --------------------------------------------------------------------------------------------------

    @cached_property
    def steps(self) -> np.ndarray:
        """eps, and more where x + eps would lose eps's digits."""
        return self.tolerance.eps * (1 if self.tolerance.fixed else np.maximum(1, self.sizes / 1000)) * np.ones(self.shape)

    @cached_property
    def ends(self) -> np.ndarray:
        """The terms of L at x + eps v and at x - eps v, for every v."""
        if not len(self.directions):
            return np.zeros((2, 0, 0))
        pairs = list(zip(self.steps.ravel(), map(self.along, self.directions), strict=True))
        return np.array([[terms(sign * step) for step, terms in pairs] for sign in (1, -1)])

    @cached_property
    def changes(self) -> np.ndarray:
        return difference(*self.ends)

    @cached_property
    def numeric(self) -> np.ndarray:
        """The slopes by central difference."""
        return np.asarray(self.changes.sum(axis=1).reshape(self.shape) / (2 * self.steps))

    @cached_property
    def error(self) -> np.ndarray:
        """The rounding errors of the slopes."""
        sizes = np.sum(np.abs(self.ends[0]), axis=1, where=self.changes != 0).reshape(self.shape)
        return np.asarray(np.where(self.numeric != 0, rounding(sizes, self.ends.dtype), 0) / (2 * self.steps))

    def relative(self, claimed: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """The differences that are allowed between slopes of this size."""
        return self.tolerance.rtol * np.maximum(np.abs(claimed), np.abs(measured))

    @cached_property
    def unknown(self) -> np.ndarray:
        """Where there is no slope: next to an infinity."""
        infinite = any([np.isinf(x).any() for x in self.function.arrays])
        return infinite & (~np.isfinite(self.ends)).any(axis=(0, 2)).reshape(self.shape)

    @cached_property
    def suspect(self) -> np.ndarray:
        """Where the gradient does not agree with the slope at first glance, or nothing can be seen for rounding errors."""
        a, n = self.analytic, self.numeric
        visible = self.error
        if not self.tolerance.fixed:  # behind larger errors anything could hide
            visible = np.minimum(visible, USEFUL * np.maximum(np.abs(a), np.abs(n)))
        agree = np.isfinite(a) & (np.abs(a - n) <= self.tolerance.atol + self.relative(a, n) + visible)
        blind = (np.isinf(self.ends[0]).any(axis=1) & ~self.changes.any(axis=1)).reshape(self.shape)
        return np.asarray(~self.unknown & (blind | ~agree))

    # --- the second look ---------------------------------------------------------------------------------------------------

    @cached_property
    def extended(self) -> "Comparison | None":
        """The same comparison in extended precision."""
        return self.of(self.function.extended) if self.function.extended else None

    def of(self, function: Function) -> "Comparison":
        """The same comparison for a function of the same inputs."""
        other = replace(self, function=function, gradient=function.gradients[self.i])
        other.directions = self.directions
        return other

    def units(self, place: tuple) -> list[float]:
        """The lengths over which L may change: about 1, or about x's size."""
        size = float(self.sizes[place])
        return [1.0] if size == 0 or 1e-3 <= size <= 1e3 else [1.0, size]

    def complaint(self, place: tuple) -> str | None:
        """What is wrong with the gradient at a suspect place; None if, at second look, it is right."""
        if self.tolerance.fixed:
            return self.diagnosis(place, Kink(self.at(place), self.tolerance.eps))
        slopes: list[Slope] = []
        inner = self.inner_sizes(place)
        for precise in filter(None, (self.extended, self)):
            found = [slope for unit in self.units(place) if (slope := measure(precise.at(place), unit, inner))]
            for slope in found:
                if precise.agrees(place, slope):
                    self.numeric[place], self.error[place] = slope.value, slope.error
                    return self.lost_digits(precise, place)
            slopes += found
            if any(precise.sees(place, slope) for slope in found):
                break
        if not slopes:
            return "; nothing could be compared: fn is infinite or nan around x"
        best = min(slopes, key=lambda slope: slope.error + slope.hidden)
        self.numeric[place], self.error[place] = best.value, best.error + best.hidden
        kink = Kink(self.at(place), min(best.step, self.steps[place]))
        if self.tolerance.kinks and kink.holds(self.analytic[place]):
            return None
        if abs(self.analytic[place] - best.value) <= best.error + best.hidden:
            return "; the check cannot tell: the numeric slope's error is too large"
        if best.value == 0 < best.steepest:
            return "; fn is flat near x and moves farther away: is it computed in a lower precision?"
        return self.diagnosis(place, kink)

    def inner_sizes(self, place: tuple) -> np.ndarray:
        """How large the numbers are of which each term is computed as a small difference: its rounding error tells."""
        if self.extended is None:
            return np.array(self.function.inner_size)
        pairs = [(self.at(place)(step), self.extended.at(place)(step)) for step in (self.steps[place], -self.steps[place])]
        errors = np.max([np.abs(rough - exact) for rough, exact in pairs], axis=0)
        return np.maximum(np.where(np.isfinite(errors), errors, 0.0) / np.finfo(np.float64).eps, self.function.inner_size)

    def sees(self, place: tuple, slope: Slope) -> bool:
        """Is the slope known well enough to judge the gradient?"""
        a, n = self.moving(place, slope), slope.value
        rest, own = abs(self.analytic[place] - a), self.own_rounding(place)
        largest = np.max(np.abs(self.analytic), where=np.isfinite(self.analytic), initial=slope.steepest)
        small = max(USEFUL * max(abs(a), abs(n), rest), 1e-6 * largest)
        moving = a == n or slope.error <= max(small, own * slope.size)
        return bool(moving and (rest == 0 or slope.hidden <= max(small, own * self.function.size)))

    def agrees(self, place: tuple, slope: Slope) -> bool:
        """Is the gradient the slope, as far as that is known, and is it known well enough?"""
        a, n = self.analytic[place], slope.value
        if not np.isfinite(a):  # too large for float64, or a number on the way was
            return bool(np.isinf(a) and np.sign(a) * n > LARGE)
        a, own = self.moving(place, slope), self.own_rounding(place)
        near = abs(a - n) <= self.tolerance.atol + self.relative(a, n) + slope.error + own * slope.size
        rest = abs(self.analytic[place] - a) <= slope.hidden + own * self.function.size
        return bool(near and rest and self.sees(place, slope))

    def moving(self, place: tuple, slope: Slope) -> float:
        """The slope that the gradient claims for the terms that move. The others' slope is hidden by their rounding errors."""
        if slope.moving.all():
            return self.analytic[place]
        return self.of(self.function.moving(slope.moving)).analytic[place]

    def own_rounding(self, place: tuple) -> float:
        """How far rounding may take a right formula, such as 1 - y^2 where y is nearly 1, per size of the terms."""
        return 1000 * np.finfo(self.x.dtype).eps / max(self.sizes[place] / 1000, 1)

    def lost_digits(self, extended: "Comparison", place: tuple) -> str | None:
        """A complaint if the gradient differs by more than rounding from what its formula gives in extended precision."""
        a, exact = self.analytic[place], extended.analytic[place]
        lost = 1e-9 * self.function.size / min(self.sizes[place] or 1, 1) + np.finfo(np.float64).tiny
        if abs(a - exact) <= self.tolerance.atol + self.relative(a, exact) + lost:
            return None
        g, g_exact = (c.gradient if self.place == "direction" else c.analytic[place] for c in (self, extended))
        too_large = np.isinf(g) & (np.sign(g) * g_exact > LARGE)
        if too_large.any() and (too_large | np.isfinite(g)).all():
            return None
        finite = "" if np.isfinite(a) else "; the analytic gradient is not finite"
        return f"{finite}; in extended precision the same formula gives {exact:.10g}"

    # --- what is said about it ---------------------------------------------------------------------------------------------

    def judge(self) -> int:
        """Raise GradcheckError where the gradient is wrong; return how many slopes were compared."""
        g = self.gradient
        if g.shape != self.x.shape or g.dtype != self.x.dtype:
            raise GradcheckError(f"{self.head}the gradient is {g.dtype} {g.shape}, not {self.x.dtype} {self.x.shape}")
        distance = np.nan_to_num(np.abs(self.analytic - self.numeric), nan=np.inf)
        for place in sorted(map(tuple, np.argwhere(self.suspect)), key=lambda place: -distance[place]):
            if (complaint := self.complaint(place)) is None:
                self.suspect[place] = False
                continue
            self.function.check_repeatable()
            if len(self.function.parts) > 1:
                self.find_part()
            if self.most < self.x.size <= MOST_ELEMENTS:
                replace(self, most=MOST_ELEMENTS).judge()
            raise GradcheckError(self.message(place, complaint))
        return self.unknown.size - np.count_nonzero(self.unknown)

    def find_part(self) -> None:
        """Raise GradcheckError for the one output, of several, whose gradient is wrong."""
        for k in range(len(self.function.parts)):
            part = self.function.part(k)
            replace(self, function=part, gradient=part.gradients[self.i]).judge()

    @property
    def head(self) -> str:
        order, (part, *others) = self.function.order, self.function.parts
        of = f" (of {part})" if part and not others else ""
        return f"gradcheck: {ORDINALS.get(order, f'{order}th')} derivative{of}: {self.function.names[self.i]}, "

    def message(self, place: tuple, complaint: str) -> str:
        u = ", ".join(np.array2string(u, precision=4, threshold=8, edgeitems=2).replace("\n", "") for u in self.function.u)
        return (
            f"{self.head}{self.place} {tuple(map(int, place))}: analytic {self.analytic[place]:.10g}, "
            f"numeric {self.numeric[place]:.10g} +- {self.error[place]:.1g} ({np.count_nonzero(self.suspect)} of "
            f"{self.suspect.size} differ){complaint}; the arriving gradient: {u}"
        )

    def diagnosis(self, place: tuple, kink: Kink) -> str:
        """What gradient and slope have to do with each other, if it is something simple."""
        a, n = self.analytic, self.numeric
        if not np.isfinite(a).all():
            return "; the analytic gradient is not finite"
        if kink.is_one:
            advice = "lies between: pass kinks=True to accept it, or move x away" if kink.holds(a[place]) else "lies outside"
            return f"; x is at a kink, with {kink}; the analytic slope {advice}"
        largest = np.max(np.abs(n), initial=0.0, where=np.isfinite(n)) or 1.0
        a, n = a / largest, n / largest
        if np.max(np.abs(a)) <= 1e-4:
            if self.function.order == 1:
                return "; the analytic gradient is zero: is an input missing from record()?"
            return "; the analytic one is zero: does the derivative compute with arrays, x.data, where it should with Tensors?"
        if a.ndim > 1 and close(a, np.swapaxes(n, -1, -2), 1e-4, 1e-6):
            return "; one is the other's transpose"
        factor = np.sum(a * n) / (np.sum(n * n) or 1.0)
        if not close(a, factor * n, 1e-4, 1e-6) or close(factor, 1.0, 1e-4, 0.0):
            return ""
        return "; they differ by the sign" if close(factor, -1.0, 1e-4, 0.0) else f"; they differ by the factor {factor:.6g}"

    def rows(self) -> list[str]:
        """The lines of the report."""
        complaints = {place: self.complaint(place) for place in map(tuple, np.argwhere(self.suspect))}
        wrong = [place for place, complaint in complaints.items() if complaint]
        kinks = {place: kink for place in np.ndindex(self.shape) if (kink := Kink(self.at(place), self.steps[place])).is_one}
        slopes = {place: self.best_slope(place) for place in np.ndindex(self.shape) if place not in kinks}
        largest = max([abs(slope.value) for slope in slopes.values()], default=0.0) or 1.0
        apart = max([abs(self.analytic[place] - slope.value) for place, slope in slopes.items()], default=0.0) / largest
        error = max([slope.error for slope in slopes.values()], default=0.0) / largest
        name, order = self.function.names[self.i], ORDINALS.get(self.function.order, str(self.function.order))
        verdict = f"wrong at {len(wrong)} of {self.suspect.size}" if wrong else "ok"
        notes = [f"  {self.place} {place}: {kink}, takes {self.analytic[place]:.6g}" for place, kink in kinks.items()]
        return [f"{order:10}  {name:30}  {apart:<10.1e}  {error:<10.1e}  {verdict}", *notes]

    def best_slope(self, place: tuple) -> Slope:
        """The slope that is known best."""
        inner = self.inner_sizes(place)
        found = [measure((self.extended or self).at(place), unit, inner) for unit in self.units(place)]
        return min(filter(None, found), key=lambda slope: slope.error, default=Slope(*[np.nan] * 7))


class Together(Comparison):
    """The gradients for all inputs next to the slopes along common directions v of all: 1 everywhere, and random ones.

    At a tie each of maximum's two gradients may be anything from 0 to 1, but together they must be 1: to a thousandth of what
    is added.
    """

    place = "direction"

    def __init__(self, function: Function, gradients: Gradients, tolerance: Tolerance, directions: np.ndarray | None = None):
        joined = np.concatenate([gradients[i].ravel() for i in function.floats])
        super().__init__(function, -1, joined, tolerance)
        if directions is None:
            directions = np.concatenate([np.ones((1, joined.size)), function.rng.standard_normal((2, joined.size))])
        self.directions = directions

    @property
    def head(self) -> str:
        return "gradcheck: first derivative: all inputs together, "

    @cached_property
    def x(self) -> np.ndarray:
        return np.concatenate([self.function.arrays[i].ravel() for i in self.function.floats])

    def of(self, function: Function) -> Comparison:
        return Together(function, function.gradients, self.tolerance, self.directions)

    def relative(self, claimed: np.ndarray, measured: np.ndarray) -> np.ndarray:
        return 1e-3 * np.max(np.abs(self.directions) @ np.abs(self.gradient))

    def along(self, v: np.ndarray) -> Callable[[float], np.ndarray]:
        arrays = [self.function.arrays[i] for i in self.function.floats]
        places = np.cumsum([x.size for x in arrays])[:-1]

        def terms(step: float) -> np.ndarray:
            parts = np.split(self.x + step * v, places)
            moved = {i: part.reshape(x.shape) for i, part, x in zip(self.function.floats, parts, arrays, strict=True)}
            return self.function.terms(moved)

        return terms

    def judge(self) -> int:
        """Raise GradcheckError if the gradients do not add up to the slopes."""
        for place in map(tuple, np.argwhere(self.suspect & np.isfinite(self.analytic))):
            complaint = self.complaint(place)
            if complaint is not None and "check cannot tell" not in complaint and "nothing could be compared" not in complaint:
                raise GradcheckError(self.message(place, complaint))
        return 0

    def rows(self) -> list[str]:
        return []


def close(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> bool:
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
