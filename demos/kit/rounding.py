"""Numbers for sentences. After "at least" or "at most", a number is rounded to the side on which the sentence is true."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

NOISE = Context(prec=12)  # digits; later ones are rounding errors: 100 * 0.29 is 28.999999999999996


def at_least(value: float, digits: int = 2) -> str:
    """The value, rounded down to this many significant digits: for "at least", "or more"."""
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
