"""How often a right gradient is called wrong: 40 ops of two engines, known to be right, under many seeds.

python -m tests.demos.checking.false_alarms [RUNS [ENGINE]]     100 runs of each op; autograd and torch
"""

import sys
from collections import Counter
from collections.abc import Sequence

from demos.checking.cases import CASES
from demos.checking.verdicts import OK, verdict

RIGHT = {
    "autograd": "sin, cos, tanh, exp, log, sqrt, square, multiply, divide, hypot, subtract, abs, sum axis=0, cumsum, arctan, "
    "norm, transpose, reshape, concatenate, matmul",
    "torch": "sin, tanh, exp, log1p, arctan, multiply, divide, minimum, logaddexp, clip, sum, cumsum, max, roll, "
    "diag of a vector, stack, matmul, relu, softplus, log_softmax",
}


def measure(runs: int, engines: Sequence[str]) -> None:
    """Print how many runs of each op had which verdict, and those that were not ok."""
    cases = {case.name: case for case in CASES}
    for engine in engines:
        total = Counter()
        for name in RIGHT[engine].split(", "):
            found = [verdict(engine, cases[name], seed, examples=6) for seed in range(runs)]
            counts = Counter(v.status for v in found)
            counts["by one method alone"] = sum(v.unconfirmed for v in found)
            print(f"{engine:<10}{name:<20}{dict(counts)}", next((v for v in found if v.status != OK), ""), flush=True)
            total += counts
        print(f"{engine:<10}{'all':<20}{dict(total)}", flush=True)


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:] or list(RIGHT))
