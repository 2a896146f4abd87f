"""Several kinds of models, each trained with every seed."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from demos.kit.claim import Claim
from demos.kit.loops import run_tasks


def over_kinds(claim: Claim, learn: Callable[..., dict], kinds: Iterable[str], *shared: Any, steps: int) -> dict[str, list]:
    """{kind: [learn(kind, seed, *shared) for each seed]}; a resumed run continues (see `loops.run_tasks`).

    `steps`: the number of iterations of all kinds together, with one seed.
    """
    seeds = range(claim.args.seed, claim.args.seed + claim.settings["seeds"])
    tasks = {f"{kind}, seed {seed}": (kind, seed) for kind, seed in product(kinds, seeds)}
    found = iter(run_tasks(learn, tasks, *shared, steps=steps * len(seeds)))
    return {kind: [next(found) for _ in seeds] for kind in kinds}
