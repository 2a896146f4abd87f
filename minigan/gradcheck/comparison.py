"""A gradient next to the slopes that are measured, and which of the two agree at first glance."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from minigan.gradcheck.function import Function, Gradients
from minigan.gradcheck.slopes import Terms, difference, rounding

MOST_ELEMENTS = 200  # an input with more is probed along random directions instead of element by element
DIRECTIONS = 20
FEW_DIRECTIONS = 3
USEFUL = 1e-3  # a slope whose error is larger than this share of it decides nothing
HIDDEN = 2e-3  # of a slope next to it: mistakes of 1 % would soon be within rtol
TINY = np.finfo(np.float64).tiny

Index = tuple[int, ...]  # of one slope in the array of them


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

    At first glance every slope is a central difference with one step, which is quick. Where that does not agree,
    `verdict` measures the slope by steps of all sizes, in extended precision if fn supports it.
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
    def probe(self) -> str:
        """Each v is one element ("index"), or a random direction ("direction")."""
        return "index" if self.x.size <= self.most else "direction"

    @cached_property
    def directions(self) -> np.ndarray:
        if self.probe == "index":
            return np.eye(self.x.size).reshape(self.x.size, *self.x.shape)
        return self.function.rng.standard_normal((min(DIRECTIONS, self.most), *self.x.shape))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the arrays of slopes."""
        return self.x.shape if self.probe == "index" else (len(self.directions),)

    @cached_property
    def analytic(self) -> np.ndarray:
        """The slopes according to the gradient."""
        return self.gradient if self.probe == "index" else np.array([np.sum(self.gradient * v) for v in self.directions])

    @cached_property
    def sizes(self) -> np.ndarray:
        """The size of x where it moves."""
        x = np.where(np.isfinite(self.x), np.abs(self.x), 0.0).astype(np.float64)
        return np.asarray(x) if self.probe == "index" else np.full(self.shape, x.max(initial=0.0))

    def along(self, v: np.ndarray) -> Terms:
        """The terms of L at x + step v, as a function of the step."""
        return lambda step: self.function.terms({self.i: self.x + step * v})

    def at(self, index: Index) -> Terms:
        """The same for the v of this slope."""
        return self.along(self.directions.reshape(self.shape + self.x.shape)[index])

    # --- the first glance --------------------------------------------------------------------------------------------------

    @cached_property
    def steps(self) -> np.ndarray:
        """eps, and more where x + eps would lose eps's digits."""
        return np.asarray(
            self.tolerance.eps * (1 if self.tolerance.fixed else np.maximum(1, self.sizes / 1000)) * np.ones(self.shape)
        )

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

    def relative(self, analytic: np.ndarray | float, numeric: np.ndarray | float) -> np.ndarray:
        """The differences that are allowed between slopes of this size."""
        return np.asarray(self.tolerance.rtol * np.maximum(np.abs(analytic), np.abs(numeric)))

    @cached_property
    def unknown(self) -> np.ndarray:
        """Where there is no slope: next to an infinity."""
        infinite = any([np.isinf(x).any() for x in self.function.arrays])
        return np.asarray(infinite & (~np.isfinite(self.ends)).any(axis=(0, 2)).reshape(self.shape))

    @cached_property
    def suspect(self) -> np.ndarray:
        """Where the gradient does not agree with the slope at first glance, or rounding errors hide both."""
        a, n = self.analytic, self.numeric
        visible = self.error
        if not self.tolerance.fixed:  # behind larger errors anything could hide
            visible = np.minimum(visible, USEFUL * np.maximum(np.abs(a), np.abs(n)))
        agree = np.isfinite(a) & (np.abs(a - n) <= self.tolerance.atol + self.relative(a, n) + visible)
        blind = (np.isinf(self.ends[0]).any(axis=1) & ~self.changes.any(axis=1)).reshape(self.shape)
        flat = (a == 0) & (n == 0) & ~self.unknown
        return np.asarray(~self.unknown & (blind | ~agree | (flat & self.moves_after_all(flat))))

    def moves_after_all(self, flat: np.ndarray) -> bool:
        """Does L move, in extended precision, where every slope seems to be 0?"""
        if self.probe == "direction" or not flat.any() or self.tolerance.fixed or not self.extended:
            return False
        terms = self.extended.along(np.where(flat, self.steps * self.function.rng.choice([-1.0, 1.0], flat.shape), 0.0))
        ends = terms(1.0), terms(-1.0)
        return bool((np.abs(difference(*ends)) > rounding(np.abs(ends[0]), ends[0].dtype)).any())

    @cached_property
    def last_digits(self) -> np.ndarray:
        """How far the gradient moves when the last digits of float64 inputs change: no gradient in float64 is known better."""
        function, rng = self.function, np.random.default_rng(4)
        moved = [np.zeros(self.shape)]
        for _ in range(3):
            arrays = list(function.arrays)
            for i in function.floats:
                arrays[i] = arrays[i] * (1 + 8 * np.finfo(np.float64).eps * rng.standard_normal(arrays[i].shape))
            moved.append(np.abs(self.of(function.at(arrays)).analytic - self.analytic))
        return np.asarray(np.max(moved, axis=0))

    # --- terms that others hide -----------------------------------------------------------------------------------------

    def weights(self) -> np.ndarray | None:
        """Factors that make the terms of L equally steep; None if none is so flat that the others would hide its mistakes."""
        if not np.isfinite(self.ends).all():
            return None
        steep = np.abs(self.changes)
        shares = np.max(steep / (steep.max(axis=1, keepdims=True, initial=0.0) + TINY), axis=0, initial=0.0)
        if not ((shares > 0) & (shares < HIDDEN)).any():
            return None
        if self.extended:
            noise = np.max(np.abs(self.changes - self.extended.changes), axis=0)
        else:
            noise = rounding(np.max(np.abs(self.ends), axis=(0, 1)) + self.function.inner_size, self.ends.dtype)
        steepest = np.max(steep / (2 * self.steps.reshape(-1, 1)), axis=0)
        known = (noise <= 1e-3 * np.max(steep, axis=0)) & (steepest > 0)
        if not known.any():
            return None
        return np.where(known, np.min(steepest, where=known, initial=np.inf) / np.where(known, steepest, 1.0), 0.0)

    # --- the same for other functions ---------------------------------------------------------------------------------------

    @cached_property
    def extended(self) -> "Comparison | None":
        """The same comparison in extended precision."""
        return self.of(self.function.extended) if self.function.extended else None

    def of(self, function: Function) -> "Comparison":
        """The same comparison for a function of the same inputs."""
        other = replace(self, function=function, gradient=function.gradients[self.i])
        other.directions = self.directions
        return other


class Together(Comparison):
    """The gradients for all inputs next to the slopes along common directions v of all: 1 everywhere, and random ones.

    At a tie each of maximum's two gradients may be anything from 0 to 1, but together they must be 1: to a thousandth of the
    sum of their sizes.
    """

    def __init__(self, function: Function, gradients: Gradients, tolerance: Tolerance, directions: np.ndarray | None = None):
        joined = np.concatenate([gradients[i].ravel() for i in function.floats])
        super().__init__(function, -1, joined, tolerance)
        if directions is None:
            directions = np.concatenate([np.ones((1, joined.size)), function.rng.standard_normal((2, joined.size))])
        self.probe, self.directions = "direction", directions
        self.rounding = 0.0

    @cached_property
    def x(self) -> np.ndarray:
        return np.concatenate([self.function.arrays[i].ravel() for i in self.function.floats])

    def of(self, function: Function) -> Comparison:
        other = Together(function, function.gradients, self.tolerance, self.directions)
        other.rounding = self.rounding
        return other

    def relative(self, analytic: np.ndarray | float, numeric: np.ndarray | float) -> np.ndarray:
        return np.asarray(1e-3 * np.max(np.abs(self.directions) @ np.abs(self.gradient)) + self.rounding)

    def along(self, v: np.ndarray) -> Callable[[float], np.ndarray]:
        arrays = [self.function.arrays[i] for i in self.function.floats]
        ends = np.cumsum([x.size for x in arrays])[:-1]

        def terms(step: float) -> np.ndarray:
            parts = np.split(self.x + step * v, ends)
            moved = {i: part.reshape(x.shape) for i, part, x in zip(self.function.floats, parts, arrays, strict=True)}
            return self.function.terms(moved)

        return terms
