"""Numbers as a sentence says them. What is said to be "at least" or "at most" so much is rounded to the side that is true."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

NOISE = Context(prec=12)  # digits; those after them are errors of the computer's arithmetic: 100 * 0.29 is 28.999999999999996


def at_least(value: float, digits: int = 2) -> str:
    """The value, rounded down: for "at least", "or more"; `digits`: how many of it are said, from the first that is not 0."""
    return _rounded(value, digits, ROUND_FLOOR)


def at_most(value: float, digits: int = 2) -> str:
    """The value, rounded up: for "at most", "within", "up to"."""
    return _rounded(value, digits, ROUND_CEILING)


def percent(share: float, decimals: int = 0) -> str:
    """A share, rounded to the nearest: "97 %"."""
    return f"{100 * share:.{decimals}f} %"


def _rounded(value: float, digits: int, rounding: str) -> str:
    if not math.isfinite(value):
        return f"{value}"
    exact = NOISE.create_decimal_from_float(float(value))
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() + 1 - digits), rounding)
    if not rounded:
        return "0"
    return f"{rounded:,f}" if abs(rounded) >= Decimal("0.0001") else f"{rounded.normalize():e}"
