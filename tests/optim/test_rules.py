"""The rules step by step by hand, and in the bilinear game. Their formulas: `tests/contracts/test_rules.py`."""

from fractions import Fraction

import numpy as np
import pytest

from minigan import optim
from tests.optim.stepping import parameter, step


def trajectory(rule, gradients, **options):
    """Where one parameter is after each step from 0."""
    found, optimizer = [], rule([parameter([0.0])], **{"lr": 1.0, **options})
    for g in gradients:
        step(optimizer, [g])
        found.append(optimizer.params[0].item())
    return found


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_adams_first_step_is_lr_in_the_gradients_direction_whatever_its_size(size):
    np.testing.assert_allclose([trajectory(optim.Adam, [g], lr=0.1) for g in (size, -size)], [[-0.1], [0.1]], rtol=2e-5)


def test_four_steps_of_optimistic_adam_are_those_computed_by_hand_with_fractions():
    """betas (1/2, 0): v^ = g^2, so d = m^ / |g|. lr 1, eps 0, from 0 on.

    g = 1, 2, -1, 3    m = 1/2, 5/4, 1/8, 25/16    m^ = 1, 5/3, 1/7, 5/3    d = 1, 5/6, 1/7, 5/9

    Published versions take the direction of two steps ago, its bias corrections of today, or a first step of 1.
    """
    d = [Fraction(0), Fraction(1), Fraction(5, 6), Fraction(1, 7), Fraction(5, 9)]
    by_hand = [float(sum(d[s - 1] - 2 * d[s] for s in range(1, t + 1))) for t in range(1, 5)]
    found = trajectory(optim.OptimisticAdam, [1, 2, -1, 3], betas=(0.5, 0.0), eps=0.0)
    np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-12)


def test_a_new_learning_rate_holds_for_both_terms_of_optimistic_adam():
    rule = optim.OptimisticAdam([parameter([0.0])], 1.0, (0.5, 0.0), 0.0)
    step(rule, [1])
    step(rule, [2])
    before, rule.lr = rule.params[0].item(), 0.5
    step(rule, [-1])
    assert rule.params[0].item() - before == pytest.approx(-0.5 * (2 / 7 - 5 / 6), rel=1e-12)
