"""Templates: metrics are filled in, rounded to the side on which the sentence is true; mistakes are seen before a training."""

import math

import pytest

from demos.kit.words import names_in, say

METRICS = {
    "share": 0.9742,
    "k >= l: modes, worst": 7.26,
    "|w|_1 / |w|_2 at 7 x 7": 6.25,
    "tiny": 9e-8,
    "none": None,
    "zero": 0.0,
    "change": -2.0,
    "change low": -3.0,
    "change high": -1.0,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{share}", "0.974"),
        ("{share|.1f} and {tiny|.0e}", "1.0 and 9e-08"),
        ("at least {share|>}, {share|>3}, {share|>%}", "at least 0.97, 0.974, 97 %"),
        ("at most {share|<} or {share|<%}", "at most 0.98 or 98 %"),
        ("{share|%}, {share|%1}", "97 %, 97.4 %"),
        ("{k >= l: modes, worst|>} of 8", "7.2 of 8"),
        ("{|w|_1 / |w|_2 at 7 x 7|.1f}", "6.2"),
        ("{k >= l: modes, worst ÷ share|.2f}", "7.45"),
        ("it {change|lower}, it {change|higher}", "it helps, it hurts"),
        ("$n^{{-1}}$", "$n^{-1}$"),
        ("{none|.2f}", "nan"),
        ("{share ÷ zero}", "nan"),
    ],
)
def test_a_template_becomes_a_sentence(template, text):
    assert say(template, METRICS) == text


def test_an_infinite_interval_is_no_difference():
    assert say("{d|lower}", {"d": -2.0, "d low": None, "d high": None}) == "no difference beyond chance"
    assert say("{d}", {"d": math.inf}) == "inf"


def test_the_metrics_of_a_template_are_known_without_their_numbers():
    assert names_in("{a|>} of {b ÷ c|.1f}", "{{no}} {d}") == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{shaer}", "there is no metric 'shaer'; did you mean 'share'?"),
        ("{share|no}", "unknown format 'no'"),
        ("{share|lower}", "'share' is not a difference with an interval"),
    ],
)
def test_a_mistake_names_what_is_meant(template, error):
    with pytest.raises(ValueError, match=error.replace("?", r"\?")):
        say(template, METRICS)


def test_an_unknown_format_is_seen_without_numbers():
    with pytest.raises(ValueError, match="unknown format 'no'"):
        names_in("{share|no}")
    with pytest.raises(ValueError, match="has a single brace"):
        names_in("{share")
