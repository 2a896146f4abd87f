"""Every planted mistake is caught, whatever the seed, and the error says what is wrong; right ops pass."""

import re

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from minigan.testing import assert_gradients
from tests.gradcheck.planted_mistakes import PLANTED, RIGHT

SEEDS = [
    pytest.param(range(1, 4), id="3 seeds", marks=pytest.mark.slow),
    pytest.param(range(4, 101), id="97 seeds", marks=pytest.mark.stress),
]


def run(number, op, inputs, options):
    """A test of 50 examples, as Hypothesis runs it with this seed; the error that it ends with, or None."""

    @seed(number)
    @settings(
        max_examples=50,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def test(group):
        assert_gradients(op, *group, **options)

    try:
        test()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def check_planted(name, number):
    planted = PLANTED[name]
    error = run(number, planted.op, planted.inputs, planted.options)
    assert error is not None, "not caught"
    assert re.search(planted.says, error, re.DOTALL), error


@pytest.mark.parametrize("name", PLANTED)
def test_mistake_is_caught_and_named(name):
    check_planted(name, 0)


@pytest.mark.parametrize("name", ["product", "tanh"])  # the others with -m slow
def test_right_op_passes(name):
    assert run(0, *RIGHT[name]) is None


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", PLANTED)
def test_mistake_is_caught_with_every_seed(name, seeds):
    for number in seeds:
        check_planted(name, number)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", RIGHT)
def test_right_op_passes_with_every_seed(name, seeds):
    for number in seeds:
        assert run(number, *RIGHT[name]) is None
