"""Lookahead. The rules' formulas: `tests/contracts/test_rules.py`."""

import numpy as np
import pytest

from minigan import optim
from tests.optim.stepping import parameter, random_step, several


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
