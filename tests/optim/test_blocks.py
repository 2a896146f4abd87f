"""Which blocks a rule updates. That this changes no result: `tests/contracts/test_rules.py`."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from tests.contracts.rules import every_rule
from tests.optim.stepping import assert_near, parameter, random_step, several, step


def sizes_of_updates(optimizer):
    """A list that gets the size of every block that is updated."""
    sizes, update = [], optimizer.update
    optimizer.update = lambda theta, g, state: (sizes.append(theta.size), update(theta, g, state))
    return sizes


@every_rule
def test_small_parameters_are_joined_and_a_rule_that_is_not_elementwise_takes_each(make):
    shapes = [(3,), (200, 100), (2, 2)]
    together, alone = make(several(shapes=shapes)), make(several(shapes=shapes))
    alone.elementwise = False
    found = [sizes_of_updates(optimizer) for optimizer in (together, alone)]
    for t in range(3):
        random_step(together, t)
        random_step(alone, t)
    assert [sorted(found[0][:2]), sorted(found[1][:3])] == [[7, 20_000], [3, 4, 20_000]]
    assert_near(together, alone, 0)


@every_rule
def test_large_parameters_are_updated_in_chunks_to_the_same_end(make):
    shapes = [(300, 333), (7,)]
    g = [np.linspace(-1, 1, math.prod(shape)).reshape(shape) for shape in shapes]
    by_parts, whole = make(several(shapes=shapes)), make(several(shapes=shapes))
    whole.elementwise = False
    sizes = sizes_of_updates(by_parts)
    for layout in (np.ascontiguousarray, np.asfortranarray):
        for optimizer in (by_parts, whole):
            step(optimizer, *map(layout, g))
    assert sum(sizes) == 2 * sum(p.size for p in whole.params)
    assert max(sizes) < 60_000
    assert_near(by_parts, whole, 0)


@every_rule
def test_states_of_parameters_that_drop_out_keep_no_vector(make):
    optimizer = make(several(shapes=[(1000,)] * 8))
    for t in range(8):
        random_step(optimizer, t, range(t))
    for state in optimizer.state[:6]:
        for slot in optimizer.slots:
            assert state[slot].base is None or state[slot].base.size <= 1000


def test_a_change_of_one_parameter_is_no_change_of_another():
    a, b, s = parameter(), parameter(), parameter([1.0, 1.0, 1.0])
    step(optim.SGD([a, b], 0.1), [1, 1, 1], [1, 1, 1])
    y = mg.record("second", b.data, (a, lambda g, y: g * 0.0), (b, lambda g, y: g))  # passes b's memory on
    loss = (y * s).sum()
    a.changed_in_place()
    mg.grad(loss, s)
    loss = (y * s).sum()
    b.changed_in_place()
    with pytest.raises(RuntimeError, match="was changed in place"):
        mg.grad(loss, s)
