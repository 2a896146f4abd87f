"""The frame around the demo of one claim: its options, its figures beside what was expected, and the files at the end."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from demos.kit.run import begin, write_summary


class Claim:
    """What a demo finds out: call `note` for every number, then `finish` with the picture.

    Args:
        args: the options, from `kit.run.start`.
        settings: everything that the result depends on, besides the seed; for summary.json.
    """

    def __init__(self, args: argparse.Namespace, settings: dict[str, Any]):
        self.args, self.settings = args, settings
        self.metrics: dict[str, float] = {}
        self.expected: dict[str, str] = {}
        self.holds: dict[str, bool] = {}  # of those figures that can be right or wrong
        begin(args, settings)

    def note(self, name: str, value: float, expected: str = "", holds: bool | None = None) -> None:
        """Note a number, what was expected in words ("at most 0.03"), and whether that came true (None: only reported)."""
        self.metrics[name] = float(value)
        if expected:
            self.expected[name] = expected
        if holds is not None:
            self.holds[name] = bool(holds)

    def finish(self, picture: Figure, name: str) -> None:
        """Save the picture as NAME.png, write summary.json, and print every figure beside what was expected."""
        self.args.checkpoint.save()
        path = Path(self.args.out, f"{name}.png")
        picture.savefig(path, dpi=130)
        plt.close(picture)
        extra = {"expected": self.expected, "holds": self.holds}
        write_summary(self.args, self.settings, self.metrics, extra)
        self.args.checkpoint.end()
        width = max(map(len, self.metrics))
        print(f"\n{'':{width}}  {'measured':>12}  expected")
        for key, value in self.metrics.items():
            verdict = {True: "", False: "   <-- does not hold"}.get(self.holds.get(key), "")
            print(f"{key:{width}}  {value:12.6g}  {self.expected.get(key, '')}{verdict}".rstrip())
        print(f"\nResults are in {self.args.out}/: {path.name}, summary.json, checkpoint.npz")
