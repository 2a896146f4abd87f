"""A demo's report: its metrics, each with the expected value; its pictures; and its files."""

import argparse
import math
from collections.abc import Collection
from typing import Any

from matplotlib.figure import Figure

from demos.kit import style
from demos.kit.comparing import Comparison
from demos.kit.runner import results
from demos.kit.words import say

OTHERS = ["index.html", "animation.gif", "history.csv", "samples.npz", "summary.json", "checkpoint.npz"]  # best files first


class Claim:
    """A demo's report. Call `note` or one of the bounds for each metric, `show` for each picture, then `finish`.

    `runner.opening.open_claim` makes one and opens the checkpoint of its run.

    Args:
        args: the options, from `runner.opening.start`.
        settings: everything that the result depends on, except the seed; for summary.json.
        schedule: the "steps" of a full run. A shorter run is not judged.
    """

    def __init__(self, args: argparse.Namespace, settings: dict[str, Any], schedule: int = 0):
        self.args, self.settings, self.schedule = args, settings, schedule
        self.short = "QUICK RUN" if args.quick else "SHORT RUN" if settings.get("steps", 0) < schedule else ""
        self.metrics: dict[str, Any] = {}
        self.expected: dict[str, str] = {}
        self.holds: dict[str, bool] = {}  # of the metrics that are judged
        self.pictures: dict[str, str] = {}  # file name -> title
        self.finding = ""  # the demo's result as a template (see kit/words)
        self.guess: dict[str, Any] | None = None  # made before the run (see runner/guess)
        self.shows = ""  # of a user's own experiment: what it shows; its results then get a page, index.html

    @property
    def judged(self) -> bool:
        """Whether the run is long enough for its bounds."""
        return not self.short

    # --- metrics ------------------------------------------------------------------------------------------------------

    def note(self, name: str, value: float, expected: str = "", holds: bool | None = None, quick: bool = False) -> None:
        """Add a metric.

        Args:
            name: of the metric; it is the key in summary.json.
            value: the number.
            expected: the expectation in words, such as "at most 0.03".
            holds: whether the expectation holds; None: the metric is only reported.
            quick: whether a --quick run is judged, too.

        A reported metric can be judged later. Raises ValueError for a different number with the same name, or a second
        verdict.
        """
        differs = name in self.metrics and str(float(self.metrics[name])) != str(float(value))  # as text, nan equals nan
        if differs or name in self.holds or results.NOT_JUDGED in self.expected.get(name, ""):
            raise ValueError(f"there is already a metric {name!r}")
        self.metrics[name] = float(value)
        if expected:
            self.expected[name] = expected
        if holds is not None and (self.judged or quick):
            self.holds[name] = bool(holds)
        elif holds is not None:
            self.expected[name] = f"{expected}{results.NOT_JUDGED}{self.short.lower()}"

    def at_most(self, name: str, value: float, bound: float, quick: bool = False) -> None:
        """Add a metric with its upper bound."""
        self.note(name, value, f"at most {bound:g}", value <= bound, quick)

    def at_least(self, name: str, value: float, bound: float, quick: bool = False) -> None:
        """Add a metric with its lower bound."""
        self.note(name, value, f"at least {bound:g}", value >= bound, quick)

    def between(self, name: str, value: float, low: float, high: float, quick: bool = False) -> None:
        """Add a metric with both bounds."""
        self.note(name, value, f"from {low:g} to {high:g}", low <= value <= high, quick)

    def compare(self, name: str, comparison: Comparison, expected: Collection[str] | None = None) -> None:
        """Add a difference and its interval. `expected`: the verdicts for which it holds (None: only reported)."""
        interval = f"95 % from {comparison.low:.3g} to {comparison.high:.3g}: {comparison.verdict}"
        if expected is None:
            self.note(name, comparison.difference, interval)
        else:
            holds = math.isfinite(comparison.difference) and comparison.verdict in expected  # for nan, nothing holds
            self.note(name, comparison.difference, f"{interval} (expected: {' or '.join(expected)})", holds)
        self.note(f"{name} low", comparison.low)
        self.note(f"{name} high", comparison.high)

    def words(self, template: str) -> str:
        """The template with this report's metrics filled in (see kit/words)."""
        return say(template, self.metrics)

    # --- pictures and files ---------------------------------------------------------------------------------------------

    def show(self, figure: Figure, name: str, title: str) -> None:
        """Save a picture as NAME.png with this title; in a short run, the title says that the run is too short."""
        self.args.checkpoint.save()  # the results are safe even if drawing fails
        self.pictures[name] = title if self.judged else f"{self.short}: too short to conclude from"
        style.title(figure, self.pictures[name])
        if self.short:
            style.stamp(figure, self.short)
        style.save(figure, self.args.out / f"{name}.png", sorted({"png", self.args.format}))

    def finish(self) -> None:
        """Write the results and print them. Exit status 1 if an expectation does not hold."""
        if problem := self.close():
            raise SystemExit(f"{self.args.checkpoint.demo}: {problem}")

    def close(self) -> str:
        """Write summary.json, and print every metric next to its expectation. Returns what does not hold, "" if all does."""
        self.args.checkpoint.save()
        extra = {"expected": self.expected, "holds": self.holds, "pictures": self.pictures}
        extra |= {"guess": self.guess} if self.guess else {}
        problem = ""
        if not getattr(self.args, "set", None):  # the finding is about the default settings
            try:
                finding = self.words(self.finding)  # also in a quick run, to find errors early
                extra |= {"found": finding} if finding and self.judged else {}
            except ValueError as error:
                problem = f"FINDING: {error}" if self.args.usual else ""  # with other options, some metrics may be missing
        summary = results.write_summary(self.args, self.settings, self.metrics, extra)
        if self.args.record:
            pictures = [self.args.out / f"{name}.png" for name in self.pictures]
            results.record(self.args.checkpoint.demo, summary, *pictures[:1])
        if self.shows and style.drawing:
            from demos.kit.runner import index_page  # here: a demo's own page is a chapter's

            index_page.write_own(self.args.out, self.args.checkpoint.demo, self.shows, self.args.checkpoint.typed)
        self.args.checkpoint.close()
        self._print()
        failed = [name for name, holds in self.holds.items() if not holds]
        return problem or (f"does not hold: {', '.join(failed)}" if failed else "")

    def _print(self) -> None:
        numbers = {name: value for name, value in self.metrics.items() if isinstance(value, float)}
        if numbers:
            width = max(map(len, numbers))
            print(f"\n{'':{width}}  {'measured':>12}  expected")
        for key, value in numbers.items():
            verdict = {True: "", False: "   <-- does not hold"}.get(self.holds.get(key), "")
            print(f"{key:{width}}  {value:12.6g}  {self.expected.get(key, '')}{verdict}".rstrip())
        if self.guess:
            from demos.kit.runner import guess  # here: it imports this module

            print(guess.compared(self))
        endings = sorted({"png", self.args.format})
        files = [f"{name}.{ending}" for name in self.pictures for ending in endings] + OTHERS
        print(f"\nResults are in {self.args.out}/: {', '.join(name for name in files if (self.args.out / name).exists())}")
