"""Which blocks a rule updates. That this changes no result: `tests/contracts/test_rules.py`."""

import math

import numpy as np

from minigan import optim
from tests.contracts.rules import every_rule
from tests.optim.stepping import arrays_of, assert_near, random_step, several, step


@every_rule
def test_small_parameters_are_joined_large_ones_updated_in_chunks_and_a_rule_that_is_not_elementwise_takes_each(make):
    shapes, sizes = [(3,), (200, 100), (300, 700), (2, 2)], []
    by_blocks, whole = make(several(shapes=shapes)), make(several(shapes=shapes))
    whole.elementwise, update = False, by_blocks.update
    by_blocks.update = lambda theta, g, state: (sizes.append(theta.size), update(theta, g, state))
    for layout in (np.ascontiguousarray, np.asfortranarray):
        for optimizer in (by_blocks, whole):
            step(optimizer, *[layout(np.linspace(-1, 1, math.prod(shape)).reshape(shape)) for shape in shapes])
    assert sorted(sizes) == sorted([7, 20_000, 70_000, 70_000, 70_000] * 2)  # threads take chunks in any order
    assert_near(by_blocks, whole, 0)


@every_rule
def test_states_of_parameters_that_drop_out_keep_no_vector(make):
    optimizer = make(several(shapes=[(1000,)] * 8))
    for t in range(8):
        random_step(optimizer, t, range(t))
    for state in optimizer.state[:6]:
        assert all(state[slot].base is None or state[slot].base.size <= 1000 for slot in optimizer.slots)


def test_the_vectors_of_each_group_are_kept_from_step_to_step():
    params = several()
    rule = optim.Adam([{"params": params[:2]}, {"params": params[2:], "lr": 0.1}])
    random_step(rule, 0)
    views = arrays_of(rule)
    random_step(rule, 1)
    assert all(new is old for new, old in zip(arrays_of(rule), views, strict=True))
