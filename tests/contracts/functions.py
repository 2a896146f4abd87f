"""All functions of arrays that a contract is for: ops and losses."""

from tests.contracts import losses, ops

FUNCTIONS = ops.OPS | losses.LOSSES
CASES = ops.CASES + losses.CASES  # (name, function, inputs)
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]
