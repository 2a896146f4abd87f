"""Words: metrics fill templates, rounded to the side on which the sentence is true; mistakes are seen before a training."""

import math

import numpy as np
import pytest

from demos.kit.rounding import at_least, at_most
from demos.kit.words import names_in, say

METRICS = {"share": 0.9742, "k >= l: modes, worst": 7.26, "|w|_1 / |w|_2 at 7 x 7": 6.25, "tiny": 9e-8, "none": None}
METRICS |= {"zero": 0.0, "change": -2.0, "change low": -3.0, "change high": -1.0, "d": -2.0, "d low": None, "d high": None}
METRICS |= {"29": 0.29, "one": 1.0049, "infinite": math.inf}  # 100 * 0.29 is 28.999999999999996


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{share}", "0.974"),
        ("{share|.1f} and {tiny|.0e}", "1.0 and 9e-08"),
        ("at least {share|>}, {share|>3}, {share|>%}", "at least 0.97, 0.974, 97 %"),
        ("at most {share|<} or {share|<%}", "at most 0.98 or 98 %"),
        ("{29|>%}, {29|<%}, {one|>3}, {one|<3}", "29 %, 29 %, 1.00, 1.01"),
        ("{zero|>}, {zero|<}, {infinite|>}, {infinite|<}", "0, 0, inf, inf"),
        ("{k >= l: modes, worst|>} of 8", "7.2 of 8"),
        ("{|w|_1 / |w|_2 at 7 x 7|.1f}", "6.2"),
        ("{k >= l: modes, worst ÷ share|.2f}", "7.45"),
        ("it {change|lower}, it {change|higher}, {d|lower}", "it helps, it hurts, no difference beyond chance"),
        ("{none|.2f}, {share ÷ zero}", "nan, nan"),
    ],
)
def test_a_template_becomes_a_sentence(template, text):
    assert say(template, METRICS) == text


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{shaer}", "there is no metric 'shaer'; did you mean 'share'\\?"),
        ("{share|no}", "unknown format 'no'"),
        ("{share|lower}", "'share' is not a difference with an interval"),
        ("{share", "has a single brace"),
    ],
)
def test_a_mistake_names_what_is_meant_also_without_numbers_where_it_can(template, error):
    if "no" in template or template == "{share":
        with pytest.raises(ValueError, match=error):
            names_in("{a|>} of {b ÷ c|.1f}", template)
    if template != "{share":
        with pytest.raises(ValueError, match=error):
            say(template, METRICS)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_no_number_is_below_what_it_is_said_to_be_at_least_nor_far_from_it(digits):
    rng = np.random.default_rng(0)
    for value in rng.choice([-1, 1], 200) * 10 ** rng.uniform(-8, 8, 200):
        low, high = (float(said(value, digits).replace(",", "")) for said in (at_least, at_most))
        assert low <= value <= high
        assert high - low <= 1.001 * 10 ** (math.floor(math.log10(abs(value))) + 1 - digits)
