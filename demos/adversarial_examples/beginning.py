"""The frame of the demos that train classifiers on digits: with --steps, each training is shorter."""

from argparse import Namespace
from dataclasses import asdict, replace
from typing import Any, TypeVar

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.runner.options import Options, positive_number

Settings = TypeVar("Settings")  # a dataclass with `steps`


def options(about: str) -> Options:
    """The options of the demos on digits, and --steps."""
    options = digits.options(about)
    options.add_argument("--steps", type=positive_number, help="minibatches of each training (default: see the settings)")
    return options


def everything(args: Namespace, settings: Any) -> dict[str, Any]:
    """What the result depends on."""
    return {"data": args.data, **asdict(replace(settings, steps=args.steps or settings.steps))}


def shortened(claim: Claim, settings: Settings) -> Settings:
    """The settings with --steps; the claim calls such a run short."""
    steps = claim.args.steps or settings.steps
    claim.short = claim.short or ("SHORT RUN" if steps < settings.steps else "")
    return replace(settings, steps=steps)
