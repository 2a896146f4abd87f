"""The profile: calls, seconds and bytes of every op, derivative and update."""

from contextlib import ExitStack

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim


def one_step():
    """The updated parameters."""
    mg.seed(0)
    layer = nn.Dense(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    mg.mean(mg.sin(mg.tanh(layer(np.ones((4, 3), "float32"))))).backward()
    optimizer.step()
    return [p.numpy().tolist() for p in layer.parameters()]


@pytest.mark.parametrize("blocks", [[mg.profile], [mg.debug, mg.profile], [mg.profile, mg.debug], [mg.profile, mg.profile]])
def test_every_op_derivative_and_update_is_counted_with_the_bytes_made_and_changes_nothing(blocks):
    """Also with debug mode, or in another profile. The ops in a derivative, such as cos, count as its op's."""
    plain = one_step()
    with ExitStack() as stack:
        entered = [stack.enter_context(block()) for block in blocks]
        assert one_step() == plain
        assert one_step() == plain
    both = {op: (2, 2 * 32) for op in ("affine", "tanh", "sin")}  # of shape (4, 2)
    expected = {(op, "forward"): row for op, row in both.items()} | {(op, "backward"): row for op, row in both.items()}
    expected |= {("mean", "forward"): (2, 2 * 4), ("mean", "backward"): (2, 2 * 32), ("SGD", "update"): (2, 0)}
    expected["affine", "backward"] = (4, 2 * (24 + 8))  # of the weight and the bias; x requires no gradient
    for profile in filter(None, entered):
        assert {key: (row.calls, row.bytes) for key, row in profile.rows.items()} == expected
