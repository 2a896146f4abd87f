"""--guess: what will the demo measure? The guess is made before the run; guess, bound and result are compared after it.

    python -m demos NAME --guess             asks on the terminal
    python -m demos NAME --guess class.csv   reads a class's guesses, a line name,guess for each student, and draws them

The number is the first in the demo's FINDING that has a bound, or else its first number. Of the record, only the names of the
metrics with bounds are used.
"""

import argparse
import csv
import math
import re
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from demos import catalogue
from demos.kit.claim import Claim
from demos.kit.loops import once
from demos.kit.runner import results
from demos.kit.runner.options import ended
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.words import FIELD, say

Guess = dict[str, Any]  # metric: its name; names: of the students, [] if one person was asked; guesses: their numbers
BLANK = "____"
CLAUSE = re.compile(r"[;:]|,(?!\d)|(?<!\.)\.(?![\d.])| \(| (?:and|but|instead|to) ")  # where it ends
BOUND = re.compile(r"(?:at most|at least|from) (\S+?)(?: to (\S+?))?(?=[,:]|$)")
NOBODY = "--guess asks on a terminal, and here is none: --guess FILE reads the guesses, a line name,guess for each"
NOTHING = "--guess: there is nothing to guess, because no result of this experiment is recorded"


def before(demo: Any, args: argparse.Namespace) -> Callable[[], Guess] | None:
    """What makes the guess, for a run with --guess. Ends the program if there is nobody to ask, or if the file is not valid."""
    if not args.guess:
        return None
    try:
        judged = results.recorded(demo.name)["holds"] if demo.is_ours() else {}
    except ValueError:
        judged = {}
    if not judged:
        return print(NOTHING, file=sys.stderr)
    metric, words, share = question(demo.finding, judged)
    if isinstance(args.guess, Path):
        names, guesses = _read(args.guess, share)
        return lambda: {"metric": metric, "names": names, "guesses": guesses}
    if not sys.stdin.isatty() and not args.checkpoint.resume:
        raise ended(NOBODY, 2)
    return partial(_ask, catalogue.described(demo.file), metric, words, share)


def question(finding: str, judged: Collection[str]) -> tuple[str, str, bool]:
    """The metric, the finding's words about it with a blank, and whether they write it as a percentage."""
    fields = [field for field in FIELD.finditer(finding) if field[1] and field[2] not in ("lower", "higher")]
    chosen = next((field for field in fields if field[1] in judged), fields[0])
    blanks = FIELD.sub(lambda field: (BLANK if field[0] == chosen[0] else "...") if field[1] else field[0][0], finding)
    start, _, end = blanks.partition(BLANK)
    start, end = re.split(r"(?<![.])\. ", start)[-1], CLAUSE.split(f"{end} ")[0]
    return chosen[1], f"{start}{BLANK}{end}".strip(), "%" in (chosen[2] or "")


def _ask(described: tuple[str, str], metric: str, words: str, share: bool) -> Guess:
    print(described[1] or described[0], f"\nWhat will be measured: {metric}", words, sep="\n")
    while True:
        try:
            return {"metric": metric, "names": [], "guesses": [number(input(f"Your guess, {BLANK} = "), share)]}
        except ValueError:
            print(f"expected a number, such as {'90 % or 0.9' if share else '0.5'} (Ctrl-D ends)")
        except EOFError:
            raise ended("\nno guess: nothing was run", 130) from None


def _read(path: Path, share: bool) -> tuple[list[str], list[float]]:
    """The names and the numbers in a file, which may have the header name,guess. A mistake ends the program."""
    line, found = 0, []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for line, row in enumerate(csv.reader(file), 1):
                if row and (line, row[-1].strip()) != (1, "guess"):
                    name, text = row
                    found.append((name.strip(), number(text, share)))
        names, guesses = zip(*found, strict=True)
        return list(names), list(guesses)
    except OSError as error:
        raise ended(f"--guess {path}: {error.strerror}", 2) from None
    except (ValueError, csv.Error):
        raise ended(f"--guess {path}: line {line} is not name,guess with a number", 2) from None


def number(text: str, share: bool) -> float:
    """The number; of a share, "90 %" and "90" are 0.9. Raises ValueError."""
    value = float(text.strip().removesuffix("%"))
    if not math.isfinite(value):
        raise ValueError(text)
    return value / 100 if share and ("%" in text or value > 1) else value


def kept(make: Callable[[], Guess] | None, args: argparse.Namespace) -> Guess | None:
    """The guess, now or as the resumed run has it."""
    return once("guess", make) if make or "guess" in args.checkpoint.restored else None


def compared(claim: Claim) -> str:
    """Guess, bound and result side by side."""
    metric, guesses = claim.guess["metric"], claim.guess["guesses"]
    several = f"median {median(guesses):.4g}, from {min(guesses):.4g} to {max(guesses):.4g}"
    mine = several if claim.guess["names"] else f"{guesses[0]:.4g}"
    return f"\n{metric}\n  guess: {mine}   bound: {bound(claim) or 'none'}   measured: {measured(claim):.4g}"


def bound(claim: Claim) -> str:
    """The number's bound in words; "" without one."""
    metric, words = claim.guess["metric"], claim.expected.get(claim.guess["metric"], "")
    return words if metric in claim.holds or results.NOT_JUDGED in words else ""


def measured(claim: Claim) -> float:
    """The number that was guessed; nan if a run with other options has no such metric."""
    try:
        return float(say(f"{{{claim.guess['metric']}|.9g}}", claim.metrics))
    except ValueError:
        return math.nan


def picture(claim: Claim) -> Figure:
    """A class's guesses as a histogram, with the bound and the result as lines."""
    figure, axes = slide(height=5)
    axes.hist(claim.guess["guesses"], bins="auto", color=OTHERS[3], edgecolor="white")
    limits = BOUND.match(bound(claim))
    for value in filter(None, limits.groups() if limits else ()):
        axes.axvline(float(value), color=REAL, linestyle="--", label=f"bound: {limits[0]}")
    axes.axvline(measured(claim), color=FAKE, label=f"measured: {measured(claim):.4g}")
    axes.set(xlabel="guess", ylabel="students")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure
