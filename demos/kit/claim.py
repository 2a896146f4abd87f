"""The frame around a demo: its figures beside what was expected, its pictures, and the files at the end."""

import argparse
import math
from collections.abc import Collection
from typing import Any

from matplotlib.figure import Figure

from demos.kit import style
from demos.kit.comparing import Comparison
from demos.kit.runner import results
from demos.kit.runner.summary import write_summary

OTHERS = ["animation.gif", "history.csv", "samples.npz", "summary.json", "checkpoint.npz"]  # files, in the order of interest


class Claim:
    """What a demo finds out: call `note`, or one of the bounds, for every figure, `show` for every picture, then `finish`.

    `kit.run.open_claim` makes one, and opens the checkpoint of its run.

    Args:
        args: the options, from `kit.run.start`.
        settings: everything that the result depends on, besides the seed; for summary.json.
        schedule: the "steps" of a whole run; one that is shorter is not judged.
    """

    def __init__(self, args: argparse.Namespace, settings: dict[str, Any], schedule: int = 0):
        self.args, self.settings, self.schedule = args, settings, schedule
        self.short = "QUICK RUN" if args.quick else "SHORT RUN" if settings.get("steps", 0) < schedule else ""
        self.metrics: dict[str, Any] = {}
        self.expected: dict[str, str] = {}
        self.holds: dict[str, bool] = {}  # of those figures that can be right or wrong
        self.pictures: dict[str, str] = {}  # file name -> title

    @property
    def judged(self) -> bool:
        """Whether the run is long enough for its bounds."""
        return not self.short

    # --- figures ------------------------------------------------------------------------------------------------------

    def note(self, name: str, value: float, expected: str = "", holds: bool | None = None, quick: bool = False) -> None:
        """Note a number, what was expected in words ("at most 0.03"), and whether that came true (None: only reported).

        quick: so few iterations as those of a --quick run can show it, too; otherwise they do not judge it.
        What was only reported may be judged later on. Raises ValueError for another number of that name, or another verdict.
        """
        another = name in self.metrics and str(float(self.metrics[name])) != str(float(value))  # a nan is like a nan
        if another or name in self.holds or results.NOT_JUDGED in self.expected.get(name, ""):
            raise ValueError(f"there is a figure {name!r} already")
        self.metrics[name] = float(value)
        if expected:
            self.expected[name] = expected
        if holds is not None and (self.judged or quick):
            self.holds[name] = bool(holds)
        elif holds is not None:
            self.expected[name] = f"{expected}{results.NOT_JUDGED}{self.short.lower()}"

    def at_most(self, name: str, value: float, bound: float, quick: bool = False) -> None:
        """A number, and how large it may be."""
        self.note(name, value, f"at most {bound:g}", value <= bound, quick)

    def at_least(self, name: str, value: float, bound: float, quick: bool = False) -> None:
        """A number, and how large it must be."""
        self.note(name, value, f"at least {bound:g}", value >= bound, quick)

    def between(self, name: str, value: float, low: float, high: float, quick: bool = False) -> None:
        """A number, and between which others it must lie."""
        self.note(name, value, f"from {low:g} to {high:g}", low <= value <= high, quick)

    def compare(self, name: str, found: Comparison, expected: Collection[str] | None = None) -> None:
        """A difference, with its interval; `expected`: the holds that it may come to (None: any)."""
        interval = f"95 % from {found.low:.3g} to {found.high:.3g}: {found.verdict}"
        if expected is None:
            self.note(name, found.difference, interval)
        else:
            holds = math.isfinite(found.difference) and found.verdict in expected  # of nan, nothing holds
            self.note(name, found.difference, f"{interval} (expected: {' or '.join(expected)})", holds)
        self.note(f"{name} low", found.low)
        self.note(f"{name} high", found.high)

    # --- pictures and files ---------------------------------------------------------------------------------------------

    def show(self, figure: Figure, name: str, title: str) -> None:
        """Save a picture as NAME.png, under what was found; one of a quick run claims nothing."""
        self.args.checkpoint.save()  # what has been learnt is kept, whatever becomes of the picture
        self.pictures[name] = title if self.judged else f"{self.short}: too short to conclude from"
        style.title(figure, self.pictures[name])
        if self.short:
            style.stamp(figure, self.short)
        style.save(figure, self.args.out / f"{name}.png", sorted({"png", self.args.format}))

    def finish(self) -> None:
        """Write summary.json, and print every figure beside what was expected. Exit status 1 if a bound does not hold."""
        self.args.checkpoint.save()
        extra = {"expected": self.expected, "holds": self.holds, "pictures": self.pictures}
        found, problem = ("", "") if getattr(self.args, "set", None) else self._say()
        if found and self.judged:  # README's words are about the settings as they are
            extra["found"] = found
        summary = write_summary(self.args, self.settings, self.metrics, extra)
        if self.args.record:
            results.record(self.args.checkpoint.demo, summary)
        self.args.checkpoint.close()
        self._print()
        if problem:
            raise SystemExit(f"{self.args.checkpoint.demo}: {problem}")
        if failed := [name for name, holds in self.holds.items() if not holds]:
            raise SystemExit(f"{self.args.checkpoint.demo}: does not hold: {', '.join(failed)}")

    def _say(self) -> tuple[str, str]:
        """The figures in words, or the error of the demo's function. A quick run calls it, too, to find errors early."""
        try:
            return results.in_words(self.args.checkpoint.demo, self.metrics), ""
        except Exception as error:
            if not self.args.usual:  # by other options, some figures may be missing
                return "", ""
            return "", f"its found(m) fails: {type(error).__name__}: {error}; m has: {', '.join(self.metrics)}"

    def _print(self) -> None:
        figures = {name: value for name, value in self.metrics.items() if isinstance(value, float)}
        if figures:
            width = max(map(len, figures))
            print(f"\n{'':{width}}  {'measured':>12}  expected")
        for key, value in figures.items():
            verdict = {True: "", False: "   <-- does not hold"}.get(self.holds.get(key), "")
            print(f"{key:{width}}  {value:12.6g}  {self.expected.get(key, '')}{verdict}".rstrip())
        endings = sorted({"png", self.args.format})
        files = [f"{name}.{ending}" for name in self.pictures for ending in endings] + OTHERS
        print(f"\nResults are in {self.args.out}/: {', '.join(name for name in files if (self.args.out / name).exists())}")
