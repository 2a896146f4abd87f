"""minigan's tests of gradients, applied to other engines: which gradients are wrong, and the smallest example of each.

About 270 ops (cases.py) are tested in each engine that is installed, to order 2 and in float32. A gradient counts as wrong only
if the function is smooth there and two methods agree: finite differences of the engine's own function, and the formula's
derivative in extended precision (verdicts.py).

What to look for: in engines.png, which ops are wrong in which engine; in engines.html, and below, the smallest example that
Hypothesis finds for each, as a line of Python that runs without minigan. An engine that is not installed is left out:
pip install autograd jax mygrad tinygrad torch
"""

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from demos.checking import tables
from demos.checking.cases import CASES
from demos.checking.verdicts import LEAK, MISSING, RAISES, WRONG, Verdict
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import once
from demos.kit.runner import engine_process
from demos.kit.runner.progress import progress

Name = Literal["jax", "tinygrad", "torch", "autograd", "mygrad", "minigan"]  # the slowest first
NAMES = get_args(Name)


@dataclass
class Settings:
    """The engines, the cases and the examples."""

    engines: tuple[Name, ...] = NAMES  # minigan is always tested
    every: int = 1  # 1: all cases; n: each n-th
    examples: int = 6  # that Hypothesis draws for each case
    parts: int = 3  # processes of each engine, one after the other or side by side


QUICK = Settings(engines=("minigan",), every=4, examples=4, parts=1)

VERDICT = "True: the tests that find wrong gradients in five other engines find none among minigan's ops."
FINDING = (
    "{minigan: wrong|.0f} of minigan's {minigan: ops asked|.0f} tested ops have a wrong first or second derivative. A gradient "
    "of any engine counts as wrong only if two methods agree."
)


@demo(Settings(), QUICK)
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    answers = once("answers", ask_all, asdict(settings), args.seed, args.checkpoint.jobs)
    versions, absent, verdicts = collected(answers)
    claim.metrics |= {"engines": versions, "absent": absent, "wrong": [asdict(v) for v in verdicts if v.status == WRONG]}
    tables.print_all(versions, absent, verdicts)
    tables.write_html(args.out / "engines.html", versions, absent, verdicts)
    judge(claim, versions, verdicts)
    claim.show(tables.picture(versions, verdicts), "engines", title(claim.metrics))


def judge(claim: Claim, versions: dict[str, str], verdicts: list[Verdict]) -> None:
    """minigan has no wrong gradient and no leak; the others' results depend on their versions."""
    for engine in versions:
        own, counts = engine == "minigan", Counter(v.status for v in verdicts if v.engine == engine)
        claim.note(f"{engine}: ops asked", sum(counts.values()) - counts[MISSING], "reported: those that it has")
        for status in (WRONG, LEAK, RAISES):
            expected = "exactly 0" if own else "reported: depends on its version"
            claim.note(f"{engine}: {status}", counts[status], expected, counts[status] == 0 if own else None, quick=own)


def title(m: dict[str, Any]) -> str:
    others = [m[f"{name}: {WRONG}"] for name in m["engines"] if name != "minigan"]
    wrong = f"; {len(m['wrong'])} wrong gradients in {sum(map(bool, others))} other engines" if others else ""
    return f"Of {m['minigan: ops asked']:.0f} ops, minigan's gradients are wrong in {m[f'minigan: {WRONG}']:.0f}{wrong}"


def ask_all(settings: dict[str, Any], seed: int, jobs: int) -> list[str]:
    """The answer of each process, as JSON: [engine, answer]."""
    stride, engines = settings["every"] * settings["parts"], dict.fromkeys([*settings["engines"], "minigan"])
    tasks = [(engine, part * settings["every"]) for engine in engines for part in range(settings["parts"])]
    answers = []
    with progress(total=len(tasks), unit="part") as bar, ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(ask, engine, seed, settings["examples"], first, stride) for engine, first in tasks]
        try:
            for done in as_completed(running):
                answers.append(done.result())
                bar.update()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return answers


def ask(engine: str, seed: int, examples: int, first: int, every: int) -> str:
    command = engine_process.command("demos.checking.worker", engine, *map(str, (seed, examples, first, every)))
    process = subprocess.run(command, capture_output=True, text=True, env=engine_process.environment())
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no word"])[-1]
        return json.dumps([engine, {"missing": f"its process ended with code {process.returncode}: {last}"}])
    return json.dumps([engine, json.loads(process.stdout)])


def collected(answers: list[str]) -> tuple[dict[str, str], dict[str, str], list[Verdict]]:
    """The versions of the engines that answered, the reasons why others did not, and all verdicts in the cases' order."""
    versions, absent, verdicts = {}, {}, []
    for engine, answer in map(json.loads, answers):
        if "missing" in answer:
            absent[engine] = answer["missing"]
        else:
            versions[engine] = answer["version"]
            verdicts += [Verdict(**v) for v in answer["verdicts"]]
    places = {case.name: n for n, case in enumerate(CASES)}
    order = [name for name in reversed(NAMES) if name in versions]
    return {n: versions[n] for n in order}, absent, sorted(verdicts, key=lambda v: (order.index(v.engine), places[v.case]))
