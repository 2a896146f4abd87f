"""Optimistic Adam, step by step by hand; Lookahead. The formulas: `tests/contracts/test_rules.py`."""

from fractions import Fraction

import numpy as np
import pytest

from minigan import optim
from tests.optim.stepping import parameter, random_step, several, step


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


def two_players():
    """Two optimizers, one with groups and momentum, and their Lookahead."""
    a, b, c = several(shapes=[(2,), (3,), ()])
    rules = optim.SGD([{"params": a}, {"params": b, "lr": 0.02}], 0.1, momentum=0.5), optim.SGD([c], 0.3)
    return rules, optim.Lookahead(rules, k=3, alpha=0.4)


def test_lookahead_takes_all_players_part_of_the_way_at_the_same_moment_and_goes_on_from_a_state():
    """Against the same steps with the slow ones in plain NumPy, which never load."""
    (rules, lookahead), (others, _) = two_players(), two_players()
    params = [p for rule in others for p in rule.params]
    slow = [p.numpy().copy() for p in params]
    for t in range(1, 10):
        for rule in (*rules, *others):
            random_step(rule, t)
        lookahead.step()
        if t % 3 == 0:
            slow = [s + 0.4 * (p.numpy() - s) for s, p in zip(slow, params, strict=True)]
            for p, s in zip(params, slow, strict=True):
                p.data = s
        if t in (4, 6):  # between two slow steps, and after one
            states, points = [each.state_dict() for each in (*rules, lookahead)], [p.numpy().copy() for p in lookahead.params]
            rules, lookahead = two_players()
            for each, state in zip((*rules, lookahead), states, strict=True):
                each.load_state_dict(state)
            for p, point in zip(lookahead.params, points, strict=True):
                p.data = point
        for p, q in zip(lookahead.params, params, strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-14)


def test_a_slow_step_is_a_change_in_place_and_keeps_the_dtype_that_the_user_gave_the_parameter():
    theta = parameter()
    lookahead, loss = optim.Lookahead(optim.SGD([theta], 0.1), k=1), (theta * theta).sum()
    lookahead.step()
    with pytest.raises(RuntimeError, match="theta"):
        loss.backward()
    theta.data = np.ones(3, "float32")
    lookahead.step()
    assert theta.dtype == lookahead.slow[0].dtype == "float32"
