"""Rules of the user's own, shared parameters, display. What holds for every rule: `tests/contracts/test_rules.py`."""

import numpy as np
import pytest

from minigan import optim
from tests.optim.stepping import parameter, step


def test_a_rule_of_the_users_own_is_called_once_for_each_parameter():
    class UnitSteps(optim.Optimizer):
        slots = ("n",)

        def update(self, theta, g, state):
            state["n"] = state["n"] + 1  # a new array: the rule need not work in place
            theta -= self.lr * g / np.linalg.norm(g)

    optimizer = UnitSteps([parameter([0.0, 0.0]), parameter([0.0])], lr=1.0)
    for _ in range(2):
        step(optimizer, [3.0, 4.0], [-5.0])
    np.testing.assert_allclose(optimizer.params[0].numpy(), [-1.2, -1.6])
    np.testing.assert_allclose(optimizer.params[1].numpy(), [2.0])
    np.testing.assert_array_equal(optimizer.state_dict()["params"]["0"]["n"], [2, 2])


@pytest.mark.parametrize(("attributes", "expected"), [({}, [2, 1]), ({"elementwise": True}, [3])])
def test_an_extension_of_a_rule_is_called_once_for_each_parameter_unless_it_sets_elementwise(attributes, expected):
    sizes = []

    def update(self, theta, g, state):
        sizes.append(g.size)
        optim.Adam.update(self, theta, g, state)

    extension = type("Extension", (optim.Adam,), {"update": update, **attributes})
    step(extension([parameter([0.0, 0.0]), parameter([0.0])]), [3.0, 4.0], [-5.0])
    assert sizes == expected


def test_groups_keep_their_ratios_when_lr_has_been_0_and_after_a_step_that_failed():
    p, q = parameter([0.0]), parameter([0.0])
    rule = optim.SGD([{"params": iter([p])}, {"params": q, "lr": 0.2}], 0.1)
    decay = optim.LinearDecay(rule, 2)
    for lr, expected in [(0.05, [0.05, 0.1]), (0.0, [0.05, 0.1]), (3.0, [3.05, 6.1])]:
        decay.step()
        rule.lr = lr or rule.lr  # the last two rates are the schedule's 0, and the user's
        step(rule, [-1.0], [-1.0])
        assert (rule.lr, [p.item(), q.item()]) == (lr, pytest.approx(expected))
    p.grad, rule.update = None, lambda *block: 1 / 0
    with pytest.raises(ZeroDivisionError):
        rule.step()
    assert rule.lr == 3.0


def test_repr_shows_the_constants_the_extent_and_the_steps():
    rule = optim.Adam([parameter(), parameter(np.zeros((30, 40)))], betas=(0.5, 0.9))
    for _ in range(2):
        step(rule, [1, 1, 1], None)
    assert repr(rule) == "Adam(lr=0.001, betas=(0.5, 0.9), eps=1e-08, 2 parameters, 1,203 numbers, step 2)"
    rule = optim.Adam([{"params": [parameter(), parameter()]}, {"params": parameter(), "lr": 1e-4}], 1e-3, weight_decay=0.1)
    assert "eps=1e-08, groups=[[2, 1.0], [1, 0.1]], weight_decay=0.1, 3 parameters" in repr(rule)
