"""One case in one engine: the verdict, and the smallest counterexample.

Hypothesis draws the inputs. A gradient counts as wrong only if two methods agree: it differs from the formula's derivative in
extended precision, where the formula is smooth; and minigan's gradcheck rejects the engine's function.
"""

import re
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import errors as hypothesis_errors
from hypothesis import strategies as st

from demos.checking import adapters, extended
from demos.checking.cases import Case
from demos.checking.lines import CONSTANTS, ENGINES, line, printed, weights
from minigan.gradcheck import GradcheckError, gradcheck
from minigan.gradcheck.lift import lift
from minigan.testing import arrays

OK, WRONG, LEAK, RAISES, MISSING = "ok", "wrong", "dtype leak", "raises", "not implemented"
TOLERANCE = {"float64": 1e-4, "float32": 1e-2}  # times 1 + |the derivative|: far above rounding, more than users would accept
TRIES = 4  # counterexamples, smallest first, that the second method checks
DIRECTIONS = 4  # in which a function must be smooth to count as differentiable
PATIENCE = 1.5  # seconds for making a counterexample smaller
ORDERS = {"mygrad": 1}  # the highest order of an engine's derivatives, if not 2


@dataclass
class Verdict:
    """The verdict on a case. If it is wrong: which derivative, the engine's value, the true value, and the line."""

    engine: str
    case: str
    status: str
    order: int = 0  # the highest that was tested
    what: str = ""
    got: str = ""
    true: str = ""
    line: str = ""

    @property
    def words(self) -> str:
        """What is wrong, leaks or is raised."""
        return f"{self.what}: {self.got}, should be {self.true}" if self.status == WRONG else self.what


@dataclass
class Fault:
    """A gradient that differs from the truth."""

    xs: list[np.ndarray]
    out: tuple[int, ...]
    i: int
    j: int | None
    dtype: str
    what: str
    got: Any
    true: Any


@dataclass
class Asked:
    """A case as one engine's function, and the results of its examples so far."""

    engine: str
    case: Case
    call: str
    f: Callable
    truth: Callable
    adapter: tuple[Callable, Callable, Callable]
    order: int
    tried: int = 0
    unlike: int = 0  # examples whose value differs from the formula's, or that the engine does not accept
    failures: list[str] = field(default_factory=list)  # of the backward pass
    leaks: list[str] = field(default_factory=list)


def verdict(engine: str, case: Case, seed: int, examples: int) -> Verdict:
    """Test this case in this engine, which can be imported."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _verdict(engine, case, seed, examples)


def _verdict(engine: str, case: Case, seed: int, examples: int) -> Verdict:
    asked = ask(engine, case)
    if asked is None:
        return Verdict(engine, case.name, MISSING)
    fault = _smallest(asked, seed, examples)
    about = {"engine": engine, "case": case.name, "order": asked.order}
    if fault:
        program = line(engine, asked.call, fault.xs, fault.out, fault.i, fault.j, fault.dtype)
        return Verdict(status=WRONG, what=fault.what, got=_short(fault.got), true=_short(fault.true), line=program, **about)
    if asked.leaks:
        return Verdict(status=LEAK, what=asked.leaks[0], **about)
    if asked.unlike == asked.tried:
        return Verdict(status=MISSING, what="it takes no such arguments, or computes something else", **about)
    if asked.failures:
        missing = any("NotImplementedError" in text or "not implemented" in text for text in asked.failures)
        return Verdict(status=MISSING if missing else RAISES, what=asked.failures[0], **about)
    return Verdict(status=OK, **about)


def _short(number: float | tuple) -> str:
    """The number to the digits that are certain."""
    return str(number) if isinstance(number, tuple) else f"{0.0 if abs(number) < 1e-9 else number:.5g}"


def ask(engine: str, case: Case) -> Asked | None:
    """The case as this engine's function; None if the engine has no such op."""
    call = case.others.get(engine, case.call)
    if (engine == "tinygrad" and call == case.call and re.search(r"\b(np|special|nn)\.", call)) or not call:
        return None
    names: dict[str, Any] = {}
    exec(ENGINES[engine].imports, names)
    names |= {name: eval(text) for name, text in CONSTANTS.items()}
    for module, path in re.findall(r"\b(np|special|nn|lax)\.([a-zA-Z_][\w.]*)", call):
        try:
            attrgetter(path)(names.get(module))
        except AttributeError:
            return None
    args = ", ".join("xyz"[: len(case.shapes[0])])
    f = eval(f"lambda {args}: {call}", names)
    truth = eval(f"lambda {args}: {case.truth or case.call}", {"np": np, "e": extended, **{k: names[k] for k in CONSTANTS}})
    return Asked(engine, case, call, f, truth, getattr(adapters, engine)(), ORDERS.get(engine, 2))


# --- examples -----------------------------------------------------------------------------------------------------------


@st.composite
def inputs(draw, case: Case):
    """Arrays in the shapes of the case: any numbers, or special ones, where formulas have gaps; these are often equal."""
    special = st.sampled_from(_special(case))
    shapes = draw(st.sampled_from(case.shapes))
    return [draw(st.one_of(_filled(shape, special), arrays(shape, case.low, case.high))) for shape in shapes]


def _special(case: Case) -> list[float]:
    return [x for x in case.special if case.low <= x <= case.high] or [case.low]


@st.composite
def _filled(draw, shape: tuple[int, ...], numbers: st.SearchStrategy):
    size = int(np.prod(shape))
    return np.array(draw(st.lists(numbers, min_size=size, max_size=size))).reshape(shape)


def _smallest(asked: Asked, seed: int, examples: int) -> Fault | None:
    """The confirmed fault in the smallest example that was found in time, or None."""
    options = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
    options |= {"max_examples": examples, "phases": [Phase.generate, Phase.shrink]}
    faults, end = [], None

    def shows_fault(xs: list[np.ndarray]) -> bool:
        nonlocal end
        if end and time.perf_counter() > end:
            return False
        fault = examine(asked, xs)
        if fault:
            end = end or time.perf_counter() + PATIENCE
            faults.append(fault)
        return fault is not None

    for xs in _always(asked.case):
        if shows_fault(xs) and asked.case.shapes[0] == ((),):
            any(shows_fault([np.array(number)]) for number in xs[0])
    end = None
    with suppress(hypothesis_errors.NoSuchExample, hypothesis_errors.Flaky):  # no fault, or no time left
        find(inputs(asked.case), shows_fault, settings=settings(**options), random=Random(seed))
    return next((fault for fault in sorted(faults, key=_complexity)[:TRIES] if confirmed(asked, fault)), None)


def _always(case: Case) -> list[list[np.ndarray]]:
    """Examples that every run has, besides Hypothesis's: all special numbers; for several inputs, equal ones."""
    if case.shapes[0] == ((),):
        return [[np.array(_special(case))]]
    return [[np.full(shape, number) for shape in case.shapes[0]] for number in _special(case)[:3]]


def _complexity(fault: Fault) -> tuple:
    numbers = [v for x in fault.xs for v in x.ravel().tolist()]
    digits, negative = sum(len(repr(v)) for v in numbers), sum(v < 0 for v in numbers)
    return fault.dtype == "float32", len(numbers), digits, sum(map(abs, numbers)), negative


# --- one example --------------------------------------------------------------------------------------------------------


def examine(asked: Asked, xs: list[np.ndarray]) -> Fault | None:
    """The first fault of the engine's derivatives at xs: of order 1, of order 2, then in float32. None at kinks and ties."""
    asked.tried += 1
    exact = asked.truth(*[x.astype(np.longdouble) for x in xs])
    if not _same_value(asked, xs, exact):
        asked.unlike += 1
        return None
    try:
        fault = first_order(asked, xs, "float64") or (second_order(asked, xs) if asked.order > 1 else None)
        fault = fault or single_precision(asked, xs)
        if fault:
            check_differentiable(asked, fault)
        return fault
    except extended.NotSmoothError:
        return None
    except Exception as error:  # any error of the engine's backward pass
        asked.failures.append(f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
        return None


def _same_value(asked: Asked, xs: list[np.ndarray], exact: np.ndarray) -> bool:
    _, array, numpy = asked.adapter
    try:
        y = numpy(asked.f(*map(array, xs)))
    except Exception:  # the engine does not accept such arguments
        return False
    return np.shape(y) == np.shape(exact) and np.allclose(y, np.asarray(exact, float), rtol=1e-6, atol=1e-9)


def first_order(asked: Asked, xs: list[np.ndarray], dtype: str) -> Fault | None:
    """A fault in the gradient of L = sum(w f), or in its shape."""
    vjp, array, numpy = asked.adapter
    xs = [x.astype(dtype) for x in xs]
    out = np.shape(asked.truth(*xs))
    w = weights(out)
    gradients = [numpy(g) for g in vjp(asked.f)(array(w.astype(dtype)), *map(array, xs))]
    if dtype == "float32":
        asked.leaks += [f"gradient {g.dtype} of a float32 input" for g in gradients if g.dtype == np.float64]
    for i, g in enumerate(gradients):
        if g.shape != xs[i].shape:
            return Fault(xs, out, i, None, dtype, "shape of the gradient", g.shape, xs[i].shape)
    places = [(i, k) for i, x in enumerate(xs) for k in np.ndindex(x.shape)]
    slopes = _slopes(asked, xs, w, places)  # all: at a tie in one input, the others do not count
    for (i, k), slope in zip(places, slopes, strict=True):
        if not _close(got := float(gradients[i][k]), slope, dtype):
            return Fault(xs, out, i, None, dtype, f"gradient for {'xyz'[i]}{list(k) if k else ''}", got, slope)
    return None


def second_order(asked: Asked, xs: list[np.ndarray]) -> Fault | None:
    """A fault in the gradient of sum(v dL/dx), for each input x."""
    vjp, array, numpy = asked.adapter
    w = weights(np.shape(asked.truth(*xs)))
    for i, x in enumerate(xs):
        v = weights(x.shape)
        gradient = vjp(lambda g, *values, i=i: vjp(asked.f)(g, *values)[i])
        for j, h in enumerate([numpy(g) for g in gradient(array(v), array(w), *map(array, xs))][1:]):
            what = f"second derivative by {'xyz'[i]} and {'xyz'[j]}"
            if h.shape != xs[j].shape:
                return Fault(xs, w.shape, i, j, "float64", f"shape of the {what}", h.shape, xs[j].shape)
            along = [v if n == i else np.zeros_like(a) for n, a in enumerate(xs)]
            places = list(np.ndindex(xs[j].shape))
            slopes = [_mixed(asked, xs, w, along, _direction(xs, j, k)) for k in places]
            for k, slope in zip(places, slopes, strict=True):
                if not _close(got := float(h[k]), slope, "float64"):
                    return Fault(xs, w.shape, i, j, "float64", f"{what}{list(k) if k else ''}", got, slope)
    return None


def single_precision(asked: Asked, xs: list[np.ndarray]) -> Fault | None:
    """A fault in float32. A float64 value or gradient is noted as a leak."""
    _, array, numpy = asked.adapter
    y = numpy(asked.f(*[array(x.astype(np.float32)) for x in xs]))
    if y.dtype == np.float64:
        asked.leaks.append("value float64 of float32 inputs")
        return None
    return first_order(asked, xs, "float32")


def confirmed(asked: Asked, fault: Fault) -> bool:
    """Whether gradcheck also rejects the engine's function (float64 only), and the line prints the wrong number."""
    order = 1 if fault.j is None else 2
    try:
        refused = fault.dtype == "float32" or not gradcheck(lift(asked.f, *asked.adapter), *fault.xs, order=order)
    except GradcheckError:
        refused = True
    except Exception:  # the engine fails elsewhere in its backward pass
        refused = False
    return refused and reproduced(asked, fault)


def check_differentiable(asked: Asked, fault: Fault) -> None:
    """Raise NotSmoothError at a tie: each partial derivative may exist there, though the function has a kink (the median of
    equal numbers). Elsewhere the slope in any direction follows from the partial derivatives."""
    xs = [x.astype(fault.dtype) for x in fault.xs]
    w, rng, order = weights(fault.out), np.random.default_rng(0), 1 if fault.j is None else 2
    slopes = _slopes(asked, xs, w, [(i, k) for i, x in enumerate(xs) for k in np.ndindex(x.shape)])
    for _ in range(DIRECTIONS):
        direction = [rng.uniform(-1, 1, x.shape) for x in xs]
        expected = np.dot(slopes, np.concatenate([d.ravel() for d in direction]))
        _truth(asked, xs, w, direction, order)
        if abs(_truth(asked, xs, w, direction) - expected) > TOLERANCE["float64"] * (1 + abs(expected)):
            raise extended.NotSmoothError("a tie")


def reproduced(asked: Asked, fault: Fault) -> bool:
    """Whether the line prints the wrong number."""
    try:
        text = printed(line(asked.engine, asked.call, fault.xs, fault.out, fault.i, fault.j, fault.dtype))
    except Exception:  # it does not run, so it is not a counterexample
        return False
    if isinstance(fault.got, tuple):
        return True
    text = re.sub(r"float\d+|dtype=\S+", "", text)
    numbers = re.findall(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+|nan|inf)", text)
    return any(np.isclose(float(n), fault.got, rtol=1e-2, atol=1e-6, equal_nan=True) for n in numbers)


def _slopes(asked: Asked, xs: list[np.ndarray], w: np.ndarray, places: list[tuple]) -> list[float]:
    """The true derivatives of L = sum(w f) by the elements k of the inputs i, for all (i, k) in `places`."""
    return [_truth(asked, xs, w, _direction(xs, i, k)) for i, k in places]


def _direction(xs: list[np.ndarray], i: int, k: tuple[int, ...]) -> list[np.ndarray]:
    """The unit vector of element k of input i, in the space of all inputs."""
    direction = [np.zeros(x.shape) for x in xs]
    direction[i][k] = 1.0
    return direction


def _truth(asked: Asked, xs: list, w: np.ndarray, direction: list, order: int = 1) -> float:
    """The derivative of L = sum(w f) at xs along the direction, in extended precision."""

    def along(t: np.longdouble) -> np.longdouble:
        return np.sum(w * asked.truth(*[x.astype(np.longdouble) + t * d for x, d in zip(xs, direction, strict=True)]))

    return extended.derivative(along, order)


def _mixed(asked: Asked, xs: list, w: np.ndarray, a: list, b: list) -> float:
    """The second derivative of L along a and b, from those along a + b and a - b."""
    plus, minus = [[p + s * q for p, q in zip(a, b, strict=True)] for s in (1, -1)]
    return (_truth(asked, xs, w, plus, 2) - _truth(asked, xs, w, minus, 2)) / 4


def _close(got: float, true: float, dtype: str) -> bool:
    return bool(abs(float(got) - true) <= TOLERANCE[dtype] * (1 + abs(true)))
