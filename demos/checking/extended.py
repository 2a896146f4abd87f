"""The second opinion: derivatives of NumPy formulas in extended precision, and a few special functions in it.

NumPy's longdouble has 64 bits for the digits on most processors, 11 more than float64. (Where it is only float64, fewer cases
can be decided, but none differently.)
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

REACH = 8  # points on each side of the point in question
STEPS = (2.0**-8, 2.0**-12, 2.0**-16)  # from one point to the next: the longest for which the function is smooth
AGREEMENT = 1e-5  # of the derivatives from the points on the left, on the right and around


class NotSmoothError(ValueError):
    """A kink, a tie, a pole, or the edge of the domain: no derivative exists, or none can be measured."""


def derivative(phi: Callable[[np.longdouble], np.longdouble], order: int) -> float:
    """The first or second derivative of phi at 0, by the polynomials of degree 8 through 9 points on the left, on the right,
    and around. Raises NotSmoothError if they disagree on a derivative up to that order."""
    for h in STEPS:
        values = [phi(np.longdouble(k * h)) for k in range(-REACH, REACH + 1)]
        if np.isfinite(values).all() and all(_agree(*(_slope(values, h, k, i) for i in FIRST)) for k in range(1, order + 1)):
            return float(_slope(values, h, order, -REACH // 2))
    raise NotSmoothError("the function is not smooth here")


def _agree(left: np.longdouble, around: np.longdouble, right: np.longdouble) -> bool:
    return not max(abs(left - around), abs(right - around)) > AGREEMENT * (1 + abs(around))


def _slope(values: list, h: float, order: int, first: int) -> np.longdouble:
    there = values[first + REACH : first + 2 * REACH + 1]
    return sum(w * v for w, v in zip(WEIGHTS[first, order], there, strict=True)) / np.longdouble(h) ** order


def _weights(points: Sequence[int], order: int) -> list[np.longdouble]:
    """The w of sum(w v), the derivative at 0 of the polynomial through (p, v): from Lagrange's basis, in fractions."""
    weights = []
    for p in points:
        basis = [Fraction(1)]  # coefficients, lowest power first
        for q in points:
            if q != p:
                times_x, times_q = [Fraction(0), *basis], [*(q * c for c in basis), Fraction(0)]
                basis = [(a - b) / (p - q) for a, b in zip(times_x, times_q, strict=True)]
        w = basis[order] * order  # order! is 1 or 2
        weights.append(np.longdouble(w.numerator) / np.longdouble(w.denominator))
    return weights


FIRST = (-REACH, -REACH // 2, 0)  # of the points on the left, around, and on the right
WEIGHTS = {(first, order): _weights(range(first, first + REACH + 1), order) for first in FIRST for order in (1, 2)}


# --- special functions, by series that converge fast in the cases' range ---------------------------------------------------


def gammaln(x: np.ndarray) -> np.ndarray:
    """log gamma(x), x > 0: Stirling's series at x + 30, and the recurrence back to x."""
    x = np.asarray(x, np.longdouble)
    n, shift = 30, np.zeros_like(x)
    for k in range(n):
        shift = shift + np.log(x + k)
    z = x + n
    series = sum(b / (2 * k * (2 * k - 1)) / z ** (2 * k - 1) for k, b in enumerate(BERNOULLI, 1))
    return (z - 0.5) * np.log(z) - z + np.log(2 * np.longdouble(PI)) / 2 + series - shift


def digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of gammaln."""
    x = np.asarray(x, np.longdouble)
    z = x + 30
    series = sum(b / (2 * k) / z ** (2 * k) for k, b in enumerate(BERNOULLI, 1))
    return np.log(z) - 1 / (2 * z) - series - sum(1 / (x + k) for k in range(30))


def trigamma(x: np.ndarray) -> np.ndarray:
    """The derivative of digamma."""
    x = np.asarray(x, np.longdouble)
    z = x + 30
    series = sum(b / z ** (2 * k + 1) for k, b in enumerate(BERNOULLI, 1))
    return 1 / z + 1 / (2 * z**2) + series + sum(1 / (x + k) ** 2 for k in range(30))


def betaln(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return gammaln(x) + gammaln(y) - gammaln(x + y)


def i0(x: np.ndarray) -> np.ndarray:
    return _series(np.square(np.asarray(x, np.longdouble)) / 4, lambda k: 1 / np.longdouble(k) ** 2)


def i1(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.longdouble)
    return x / 2 * _series(np.square(x) / 4, lambda k: 1 / (np.longdouble(k) * (k + 1)))


def hyp1f1(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _series(np.asarray(x, np.longdouble), lambda k: (a + k - 1) / (b + k - 1) / k)


def erf(x: np.ndarray) -> np.ndarray:
    """2 x / sqrt(pi) exp(-x^2) 1F1(1; 3/2; x^2): no cancellation."""
    x = np.asarray(x, np.longdouble)
    return 2 * x / np.sqrt(np.longdouble(PI)) * np.exp(-x * x) * hyp1f1(1, np.longdouble(1.5), x * x)


def spence(x: np.ndarray) -> np.ndarray:
    """-integral from 1 to x of log t / (t - 1) dt, by Gauss-Legendre quadrature."""
    u = np.asarray(x, np.longdouble) - 1
    return -sum(w * np.where(t * u == 0, u, np.log1p(t * u) / np.where(t * u == 0, 1, t)) for t, w in NODES)


def sinc(x: np.ndarray) -> np.ndarray:
    """sin(pi x) / (pi x), with pi in extended precision."""
    z = np.longdouble(PI) * np.asarray(x, np.longdouble)
    return np.where(z == 0, 1, np.sin(z) / np.where(z == 0, 1, z))


def logsumexp(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    return np.logaddexp.reduce(x, axis=-1)


def cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The product of vectors in space, over the last axis."""
    a, b = np.roll(x, -1, -1) * np.roll(y, -2, -1), np.roll(x, -2, -1) * np.roll(y, -1, -1)
    return a - b


def eigenvalues(x: np.ndarray) -> np.ndarray:
    """Of the symmetric matrix (2, 2) with x's lower half, the smaller first."""
    middle, radius = (x[0, 0] + x[1, 1]) / 2, np.hypot((x[0, 0] - x[1, 1]) / 2, x[1, 0])
    return np.array([middle - radius, middle + radius])


def singular_values(x: np.ndarray) -> np.ndarray:
    """Of a matrix (2, 2), the larger first."""
    a, b = np.hypot(x[0, 0] + x[1, 1], x[1, 0] - x[0, 1]), np.hypot(x[0, 0] - x[1, 1], x[1, 0] + x[0, 1])
    return np.array([a + b, np.abs(a - b)]) / 2


def _series(x: np.ndarray, ratio: Callable[[int], np.longdouble], terms: int = 80) -> np.ndarray:
    """1 + ratio(1) x + ratio(1) ratio(2) x^2 + ..."""
    total = term = np.ones_like(x)
    for k in range(1, terms):
        term = term * x * ratio(k)
        total = total + term
    return total


PI = np.longdouble("3.14159265358979323846264338327950288")
BERNOULLI = [np.longdouble(a) / b for a, b in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6))]
NODES = [((np.longdouble(t) + 1) / 2, np.longdouble(w) / 2) for t, w in zip(*np.polynomial.legendre.leggauss(40), strict=True)]
