"""What is said to be "at least" or "at most" so much is so."""

import math
import re

import numpy as np
import pytest

from demos.catalogue import FOLDER
from demos.kit.rounding import at_least, at_most, percent


@pytest.mark.parametrize(
    ("value", "digits", "least", "most"),
    [
        (0.948, 2, "0.94", "0.95"),
        (0.94, 2, "0.94", "0.94"),  # as a float a little less
        (100 * 0.29, 2, "29", "29"),  # 28.999999999999996
        (89.82, 2, "89", "90"),
        (1.0049, 3, "1.00", "1.01"),
        (9.96, 2, "9.9", "10.0"),
        (325_757.0, 2, "320,000", "330,000"),
        (100.0, 2, "100", "100"),
        (0.00023, 1, "0.0002", "0.0003"),
        (2.5e-15, 1, "2e-15", "3e-15"),
        (-2.1e-5, 1, "-3e-5", "-2e-5"),
        (0.0, 2, "0", "0"),
        (math.inf, 2, "inf", "inf"),
        (math.nan, 2, "nan", "nan"),
    ],
)
def test_a_number_is_rounded_to_the_side_that_is_true(value, digits, least, most):
    assert (at_least(value, digits), at_most(value, digits)) == (least, most)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_no_number_is_below_what_it_is_said_to_be_at_least_nor_far_from_it(digits):
    rng = np.random.default_rng(0)
    for value in rng.choice([-1, 1], 500) * 10 ** rng.uniform(-8, 8, 500):
        low, high = (float(said(value, digits).replace(",", "")) for said in (at_least, at_most))
        assert low <= value <= high
        assert high - low <= 1.001 * 10 ** (math.floor(math.log10(abs(value))) + 1 - digits)


def test_a_share_is_said_in_per_cent():
    assert percent(0.974) == "97 %"
    assert percent(0.9744, 1) == "97.4 %"


NUMBER = r"\{(?:percent\([^{}]*\)|[^{}]*:,?\.(?:[1-9]\w?|0[eg%]))\}"  # rounded to the nearest; .0f is for counts
BETWEEN = r'(?:"\s*f?")?'  # the end of one part of a string, and the beginning of the next
WORDS = re.compile(
    rf"(?:at least|at most|within|up to) {BETWEEN}{NUMBER}|{NUMBER}(?: %| times)? {BETWEEN}(?:or more|at least|at most)"
)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*/*.py")), ids=lambda file: file.stem)
def test_no_demo_rounds_to_the_nearest_what_it_says_to_be_a_bound(file):
    assert WORDS.findall(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "words",
    [
        'f"at least {m:.1f}"',
        'f"at most {m[a]:.2g} %"',
        'f"at least {m[a]:.0%}"',
        'f"{percent(m[a])} or more"',
        'f"within "\n        f"{m:.0e} of it"',
        'f"{m:,.2f} % or more"',
        'f"{m:.3g} times "\n    "at least"',
    ],
)
def test_words_that_are_rounded_to_the_nearest_are_found(words):
    assert WORDS.search(words)
