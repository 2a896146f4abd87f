"""A demo as a declaration: its settings, and a function that measures and draws.

    @demo(Settings(), QUICK)
    def main(claim: Claim, s: Settings) -> None:
        runs = over_seeds(claim, play, s, steps=s.steps)
        claim.at_least("modes, worst seed", min(run["modes"] for run in runs), 7)
        claim.show(picture(runs), "modes", "...")

`main` is then the whole program: main(["--quick"]) reads the options, opens the checkpoint, calls the function, writes the
results, prints each metric next to its expectation, and exits with status 1 if one does not hold. `python -m demos NAME`,
`all`, `sweep`, the recorded results and the tests call this one object. `python -m demos my_experiment.py` runs a user's own
file. A notebook or a script calls main.play(seeds=2, steps=300), which returns the claim with its metrics.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from demos import catalogue
from demos.kit.claim import Claim
from demos.kit.loops import run_tasks
from demos.kit.runner import guess, results
from demos.kit.runner.checkpoint import running
from demos.kit.runner.opening import NOTEBOOK, open_claim, start
from demos.kit.runner.options import NAMES, Options, common_options, ended, own_options
from demos.kit.words import names_in, unknown

Experiment = Callable[[Claim, Any], str | None]


class Demo:
    """A demo that can be called with its options. See `demo` for the arguments."""

    def __init__(self, experiment: Experiment, settings: Any, quick: Any, options: Any, choose: Any, record: Any):
        self.experiment, self.settings, self.quick, self.options = experiment, settings, quick, options
        self.choose, self.record = choose, record
        self.__doc__ = experiment.__doc__
        self.module = experiment.__module__
        self.constants = experiment.__globals__  # of the module, which sys.modules may lack (runpy) or have in a newer version
        self.file = Path(inspect.getfile(experiment))
        self.in_file = self.file.is_file()  # not in a notebook's cell
        self.name = self.file.stem if self.in_file else "notebook"

    def __call__(self, argv: Sequence[str] | None = None) -> None:
        """Run the demo with these options; None: those of the command line."""
        claim, closing = self._measured(argv)
        claim.finish()
        if closing:
            print(closing)

    def play(self, *options: str, quick: bool = False, seed: int = 0, out: str | Path | None = None, **fields: Any) -> Claim:
        """Run the demo from a notebook or a script: main.play(seeds=2, steps=300, out="runs/mine").

        Pictures and summary are written as from the command line, to `out` (default: runs/NAME; quick: runs/quick/NAME).

        Args:
            options: of the command line, such as "--data=grid", "--resume".
            quick: whether the settings are those for --quick.
            seed: of all random numbers.
            fields: fields of the settings with other values. Raises ValueError for an unknown field or an invalid value.

        Returns the claim: see its `metrics`, and `holds`, which says whether each expectation holds. Raises RuntimeError if the
        run cannot start or finish, and KeyboardInterrupt if it is stopped; the message is that of the command line.
        """
        from demos.kit.settings import checked_text  # here: only settings that change need it

        changes = [f"--set={name}={checked_text(self.chosen(quick), name, value)}" for name, value in fields.items()]
        argv = [*["--quick"] * quick, f"--seed={seed}", *([f"--out={out}"] if out else []), *changes, *options]
        if not self.in_file:  # other processes cannot import from a notebook
            argv.append("--jobs=1")
        try:
            claim, closing = self._measured(argv)
            if (problem := claim.close()).startswith("FINDING: "):
                print(problem, file=sys.stderr)
        except (Exception, KeyboardInterrupt):  # of the experiment: free the folder, and give Ctrl-C back
            running.close()
            raise
        except SystemExit as end:
            kind = KeyboardInterrupt if running.stopped else RuntimeError
            running.close()
            raise kind("see the line above" if end.code == 2 else end.code) from None
        if closing:
            print(closing)
        return claim

    def _measured(self, argv: Sequence[str] | None) -> tuple[Claim, str | None]:
        """The claim after the experiment, which may have returned a text to print at the end."""
        options = self.options(self.constants.get("__doc__") or "")
        own_path = "" if self.is_ours() else os.path.relpath(self.file) if self.in_file else NOTEBOOK
        args = start(options, argv, self.name, self.settings, own_path)
        self._check_words(args)
        if "data" in args and args.data not in NAMES:
            from demos.kit import own_data  # here: it loads much, and only a path needs it

            own_data.has_points(args)  # ends the program if they cannot be read, before earlier results are moved
        settings = self.choose(args) if self.choose else self.chosen(args.quick)
        if args.set or getattr(args, "seeds", None):
            from demos.kit.settings import settings_of

            settings = settings_of(args, settings)
        make_guess = guess.before(self, args)
        claim = open_claim(args, self.recorded(args, settings))
        claim.guess = guess.kept(make_guess, args)
        claim.finding = self.finding if args.usual or not self.is_ours() else ""  # a demo's is about its default options
        if not self.is_ours():
            claim.shows = catalogue.described(self.file)[0] if self.in_file else (self.__doc__ or self.name)
        closing = self.experiment(claim, settings)
        if claim.guess and claim.guess["names"]:
            claim.show(guess.picture(claim), "guesses", f"Guesses of {len(claim.guess['names'])}: {claim.guess['metric']}")
        return claim, closing

    @property
    def finding(self) -> str:
        """The constant FINDING of the demo's file: its result in two sentences, a template (see kit/words)."""
        return self.constants.get("FINDING", "")

    @property
    def verdict(self) -> str:
        """The constant VERDICT of the demo's file: whether the slide's claim holds, in one sentence; a template."""
        return self.constants.get("VERDICT", "")

    def _check_words(self, args: Any) -> None:
        """End the program now, not after the training, if its words are missing or name a metric that no run has had."""
        if not args.usual:
            return
        if self.is_ours() and self.name in (same := catalogue.clashes()):
            raise ended(same[self.name], 2)
        try:
            if not all(isinstance(words, str) for words in (self.verdict, self.finding)):
                raise ValueError("VERDICT and FINDING are texts (see demos/kit/words.py)")
            names = names_in(self.verdict, self.finding)
            if self.is_ours() and not (self.verdict and self.finding):
                raise ValueError("it needs VERDICT and FINDING: its result in words (see demos/kit/words.py)")
            known = self._known_metrics()
            if known and not args.quick and (missing := [name for name in names if name not in known]):
                raise ValueError(f"{unknown(missing[0], known)} (if it is new, run it with --quick first)")
        except ValueError as error:
            raise ended(f"{self.file.name}: {error}", 2) from None

    def _known_metrics(self) -> dict[str, Any]:
        """The metrics of the recorded run and of the last quick run."""
        if not self.in_file:  # all cells of all notebooks have one name
            return {}
        known = list(results.summary_of(results.default_folder(True) / self.name).get("metrics", {}))
        if self.is_ours() and (record := results.FOLDER / f"{self.name}.json").is_file():
            known += json.loads(record.read_text(encoding="utf-8"))["metrics"]
        return dict.fromkeys(known)

    def is_ours(self) -> bool:
        """Whether this is a demo, not a user's own file."""
        return catalogue.FOLDER in self.file.resolve().parents

    def recorded(self, args: Any, settings: Any) -> dict[str, Any]:
        """Everything that the result depends on: --data, the settings, and what `record` adds."""
        if callable(self.record):
            return self.record(args, settings)
        chosen = {"data": args.data} if "data" in args else {}
        return {**chosen, **own_options(args), **asdict(settings), **self.record}

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

    def declare(experiment: Experiment) -> Demo:
        declared = Demo(experiment, settings, quick, options, choose, record)
        if declared.module == "__main__" and declared.is_ours():  # python -m demos.gan: the same as python -m demos gan
            run = import_module("demos.__main__").main
            run([declared.name, *sys.argv[1:]])
            raise SystemExit
        return declared

    return declare


def over_seeds(claim: Claim, play: Callable[..., Any], s: Any, *shared: Any, steps: int) -> list[Any]:
    """[play(seed, s, *shared), ...] for each of s.seeds seeds, side by side; a resumed run continues (see `loops.run_tasks`).

    `steps`: the number of iterations of one call.
    """
    if not hasattr(s, "seeds"):
        raise TypeError(f"over_seeds: {type(s).__name__} needs a field seeds: int, the number of seeds")
    seeds = range(claim.args.seed, claim.args.seed + s.seeds)
    return run_tasks(play, {f"seed {seed}": (seed,) for seed in seeds}, s, *shared, steps=steps * s.seeds)


def over_kinds(
    claim: Claim, play: Callable[..., Any], kinds: Iterable[Any], seeds: int | Mapping[Any, int], *shared: Any, steps: int
) -> dict[Any, list[Any]]:
    """{kind: [play(kind, seed, *shared), ...]} for every kind and seed, all side by side; see `over_seeds`.

    `seeds`: the number of seeds, or that of each kind. `steps`: the iterations of all calls together.
    """
    first = claim.args.seed
    numbers = {kind: seeds[kind] if isinstance(seeds, Mapping) else seeds for kind in kinds}
    tasks = {f"{kind}, seed {first + i}": (kind, first + i) for kind, n in numbers.items() for i in range(n)}
    runs = iter(run_tasks(play, tasks, *shared, steps=steps))
    return {kind: [next(runs) for _ in range(n)] for kind, n in numbers.items()}
