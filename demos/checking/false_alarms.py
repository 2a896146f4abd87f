"""How often a right gradient is called wrong: 40 ops of two engines, known to be right, under many seeds.

python -m demos.checking.false_alarms [RUNS [ENGINE]]     100 runs of each op; autograd and torch
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence

from demos.checking.cases import CASES
from demos.checking.verdicts import OK, verdict

RIGHT = {
    "autograd": "sin, cos, tanh, exp, log, sqrt, square, multiply, divide, hypot, maximum, abs, sum axis=0, mean, max axis=0, "
    "norm, transpose, reshape, concatenate, matmul",
    "torch": "sin, tanh, exp, log1p, arctan, multiply, divide, minimum, logaddexp, clip, sum, cumsum, max, roll, diag of a vector, "
    "stack, matmul, relu, softplus, log_softmax",
}


def measure(runs: int, engines: Sequence[str]) -> None:
    """Print how many runs had which verdict, and those that were not ok."""
    cases = {case.name: case for case in CASES}
    for engine in engines:
        began, counts, unconfirmed = time.perf_counter(), Counter(), 0
        names = RIGHT[engine].split(", ")
        for name in names:
            for seed in range(runs):
                found = verdict(engine, cases[name], seed, examples=6)
                counts[found.status] += 1
                unconfirmed += found.unconfirmed
                if found.status != OK:
                    print(f"{engine} {name}, seed {seed}: {found}")
        seconds = time.perf_counter() - began
        print(
            f"{engine}: {len(names)} ops, {runs} seeds each: {dict(counts)}; {unconfirmed} more by one method alone; {seconds:.0f} s"
        )


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:] or list(RIGHT))
