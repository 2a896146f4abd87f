"""The start of demos that train classifiers on digits: options, settings, a claim."""

from argparse import Namespace
from dataclasses import asdict, replace
from typing import TypeVar

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import open_claim, start
from demos.kit.runner.options import positive_number
from demos.kit.settings import settings_of

Settings = TypeVar("Settings")  # a dataclass with `steps`


def begin(about: str, argv: list[str] | None, demo: str, whole: Settings, quick: dict) -> tuple[Namespace, Settings, Claim]:
    """The arguments; the settings with --quick, --set and --steps; the claim.

    With fewer steps the learning rate still falls to 0, and the claim is marked as a short run.
    """
    options = digits.options(about)
    options.add_argument("--steps", type=positive_number, help="minibatches of each training (default: see the settings)")
    args = start(options, argv, demo, whole)
    settings = settings_of(args, replace(whole, **quick) if args.quick else whole)
    steps = args.steps or settings.steps
    claim = open_claim(args, {"data": args.data, **asdict(replace(settings, steps=steps))})
    claim.short = claim.short or ("SHORT RUN" if steps < settings.steps else "")
    return args, replace(settings, steps=steps), claim
