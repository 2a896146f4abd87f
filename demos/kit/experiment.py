"""A demo as a declaration: its settings, and a function that measures and draws.

    @demo(Settings(), QUICK)
    def main(claim: Claim, s: Settings) -> None:
        runs = over_seeds(claim, play, s, steps=s.steps)
        claim.at_least("modes, worst seed", min(run["modes"] for run in runs), 7)
        claim.show(picture(runs), "modes", "...")

`main` is then the whole program: main(["--quick"]) reads the options, opens the checkpoint, calls the function, writes the
results, prints each metric next to its expectation, and exits with status 1 if one does not hold. `python -m demos NAME`,
`all`, `sweep`, the recorded results and the tests call this one object. `python -m demos my_experiment.py` runs a user's own
file.
"""

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from demos import catalogue
from demos.kit.claim import Claim
from demos.kit.loops import run_tasks
from demos.kit.run import open_claim, start
from demos.kit.runner.options import Options, common_options
from demos.kit.settings import settings_of

Experiment = Callable[[Claim, Any], str | None]


class Demo:
    """A demo that can be called with its options. See `demo` for the arguments."""

    def __init__(self, experiment: Experiment, settings: Any, quick: Any, options: Any, choose: Any, record: Any):
        self.experiment, self.settings, self.quick, self.options = experiment, settings, quick, options
        self.choose, self.record = choose, record
        self.__doc__ = experiment.__doc__
        self.file = Path(inspect.getfile(experiment))
        self.name = self.file.stem
        self.module = experiment.__module__

    def __call__(self, argv: Sequence[str] | None = None) -> None:
        """Run the demo with these options; None: those of the command line."""
        options = self.options(sys.modules[self.module].__doc__ or "")
        args = start(options, argv, self.name, self.settings, self.own_path())
        settings = settings_of(args, self.choose(args) if self.choose else self.chosen(args.quick))
        claim = open_claim(args, self.record(args, settings) if callable(self.record) else self.recorded(args, settings))
        closing = self.experiment(claim, settings)
        claim.finish()
        if closing:
            print(closing)

    def own_path(self) -> str:
        """The path of a user's own file, as it can be typed; "" for a demo, which has a name."""
        return "" if catalogue.FOLDER in self.file.resolve().parents else os.path.relpath(self.file)

    def recorded(self, args: Any, settings: Any) -> dict[str, Any]:
        """Everything that the result depends on: --data, the settings, and what `record` adds."""
        return {**({"data": args.data} if "data" in args else {}), **asdict(settings), **self.record}

    def chosen(self, quick: bool) -> Any:
        """The settings, or those for --quick."""
        if not quick or self.quick is None:
            return self.settings
        return replace(self.settings, **self.quick) if isinstance(self.quick, Mapping) else self.quick


def demo(
    settings: Any,
    quick: Any = None,
    options: Callable[[str], Options] = common_options,
    choose: Callable[[Any], Any] | None = None,
    record: Mapping[str, Any] | Callable[[Any, Any], dict[str, Any]] = MappingProxyType({}),
) -> Callable[[Experiment], Demo]:
    """Decorates main(claim, s), a demo's experiment. It may return a text that is printed at the end.

    Args:
        settings: a dataclass instance: everything that the result depends on, except the seed.
        quick: the settings for --quick: another instance, or a dict of the fields that differ.
        options: makes the options from the description: `common_options`, `parser`, `digits.options`, ...
        choose: the settings by the options (args.quick is one), where more than --quick decides.
        record: further values that the result depends on, besides --data and the settings, for summary.json; or a function
            that returns all of them, by options and settings.
    """
    if not is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"demo: settings is {settings!r}; expected an instance of a dataclass, such as @demo(Settings())")
    if isinstance(quick, Mapping) and (unknown := set(quick) - {field.name for field in fields(settings)}):
        raise TypeError(f"demo: quick has {', '.join(sorted(unknown))}, which {type(settings).__name__} has not")
    return lambda experiment: Demo(experiment, settings, quick, options, choose, record)


def over_seeds(claim: Claim, play: Callable[..., Any], s: Any, *shared: Any, steps: int) -> list[Any]:
    """[play(seed, s, *shared), ...] for each of s.seeds seeds, side by side; a resumed run continues (see `loops.run_tasks`).

    `steps`: the number of iterations of one call.
    """
    if not hasattr(s, "seeds"):
        raise TypeError(f"over_seeds: {type(s).__name__} needs a field seeds: int, the number of seeds")
    seeds = range(claim.args.seed, claim.args.seed + s.seeds)
    return run_tasks(play, {f"seed {seed}": (seed,) for seed in seeds}, s, *shared, steps=steps * s.seeds)
