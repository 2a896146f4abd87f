"""Optimistic Adam, step by step by hand. The formulas: `tests/contracts/test_rules.py`."""

from fractions import Fraction

import numpy as np

from minigan import optim
from tests.optim.stepping import parameter, step


def test_four_steps_of_optimistic_adam_are_those_computed_by_hand_with_fractions():
    """betas (1/2, 0): v^ = g^2, so d = m^ / |g|. lr 1, eps 0, from 0 on.

    g = 1, 2, -1, 3    m = 1/2, 5/4, 1/8, 25/16    m^ = 1, 5/3, 1/7, 5/3    d = 1, 5/6, 1/7, 5/9

    Published versions take the direction of two steps ago, its bias corrections of today, or a first step of 1.
    """
    d = [Fraction(0), Fraction(1), Fraction(5, 6), Fraction(1, 7), Fraction(5, 9)]
    by_hand = [float(sum(d[s - 1] - 2 * d[s] for s in range(1, t + 1))) for t in range(1, 5)]
    rule, found = optim.OptimisticAdam([parameter([0.0])], 1.0, (0.5, 0.0), 0.0), []
    for g in (1, 2, -1, 3):
        step(rule, [g])
        found.append(rule.params[0].item())
    np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-12)
