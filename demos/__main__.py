"""Run a demo by its name, or list what there is, chapter by chapter in the order of the lectures.

    python -m demos                   the list
    python -m demos NAME [options]    run one demo; --quick: in seconds; --help: its options
    python -m demos all [options]     run all of them, one after the other; --help: the options
    python -m demos sweep NAME        run one with many settings and seeds; --help: how
    python -m demos tour              six steps from x * x to a GAN's step, each with its trace; see demos/tour.ipynb
    python -m demos lab               the laboratory table: play the game on a page in the browser
    python -m demos ranks             where several processes pay, for one large network
    python -m demos names             the names alone, one a line
    python -m demos readme            put what is recorded in demos/results into README's tables

For names that the Tab key completes, give bash a command of its own for the demos:

    demo() { python -m demos "$@"; }
    complete -W "all sweep tour lab ranks readme $(python -m demos names)" demo
"""

import argparse
import ast
import errno
import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

from demos.kit.results import summary_of

FOLDER = Path(__file__).parent
CHAPTERS = {  # in the lectures' order, from a network's gradients to attacks; what belongs to no single lecture comes last
    "gradients": ("ladder", "saddle", "detach"),
    "the_game": ("transform", "gan", "optimal_discriminator", "convergence"),
    "training": (
        *("saturation", "perfect_discriminator", "tempo", "equilibrium", "collapse", "coadaptation", "hacks"),
        *("improved", "semi_supervised"),
    ),
    "generative_models": (
        *("autoencoder", "pretraining", "vae", "fair", "adversarial_autoencoder", "variational_bayes", "boltzmann", "latent"),
        *("ali", "bayesian_gan"),
    ),
    "architectures": ("cgan", "conditioning", "dcgan", "lapgan", "began", "ebgan"),
    "wasserstein": ("earth_mover", "learning_curves", "wgan", "limit_cycles"),
    "adversarial_examples": ("fgsm", "dimension", "fooled", "adversarial_training", "patch", "manifold_defense"),
    "the_slides": ("errata",),
    "checking": ("engines",),
    "performance": ("speed",),
}


def main(argv: Sequence[str] = ()) -> None:
    """List the demos, run one, or run them all."""
    match list(argv):
        case []:
            print_list()
        case ["-h" | "--help"]:
            print(docstring(Path(__file__)))
        case ["tour", *options]:
            importlib.import_module("demos.tour").main(options)  # here, not above: the list needs no packages
        case ["lab", *options]:
            importlib.import_module("demos.laboratory").main(options)
        case ["ranks", *options]:
            importlib.import_module("demos.ranks").main(options)
        case ["sweep", *options]:
            with ends_as_ctrl_c():
                importlib.import_module("demos.sweep").main(options)
        case ["names"]:
            print(*names(), sep="\n")
        case ["readme"]:
            write_readme()
        case ["-h" | "--help" | "names" | "readme" as command, *rest]:
            print(f"python -m demos {command} takes nothing more; {' '.join(rest)} is too much", file=sys.stderr)
            raise SystemExit(2)
        case ["all", *options]:
            run_all(options)
        case [name, *options] if name in names():
            run_one(name, options)
        case [name, *_]:
            print(unknown(name), file=sys.stderr)
            raise SystemExit(2)


def run_one(name: str, options: Sequence[str]) -> None:
    """Run a demo. Where its pictures do not fit on the disk, what it has learnt is in its checkpoint."""
    try:
        importlib.import_module(f"demos.{chapter_of(name)}.{name}").main(options)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        from demos.kit.run import goes_on

        raise SystemExit(
            f"{error.strerror}; with more room, this goes on: {goes_on(f'python -m demos {name}', options)}"
        ) from None


def unknown(name: str) -> str:
    """What to say to a name that no demo has, on one line."""
    *others, last = get_close_matches(name, [*names(), "all", "sweep", "tour", "lab", "ranks", "names", "readme"]) or [""]
    advice = f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else "python -m demos lists them"
    return f"there is no demo {name!r}; {advice}"


# --- what there is: read from the files, not imported, so that the list needs no packages -------------------------------


def names() -> list[str]:
    """All demos, chapter by chapter."""
    return [name for chapter in CHAPTERS for name in demos_in(chapter)]


def demos_in(chapter: str) -> list[str]:
    """The demos of a chapter: its files with a function main(argv). Those that CHAPTERS does not know come last."""
    found = {path.stem for path in (FOLDER / chapter).glob("*.py") if has_main(path)}
    return [name for name in CHAPTERS[chapter] if name in found] + sorted(found - set(CHAPTERS[chapter]))


def chapter_of(name: str) -> str:
    """Where the demo lies."""
    return next(chapter for chapter in CHAPTERS if name in demos_in(chapter))


def has_main(path: Path) -> bool:
    """Whether the file is a demo, not a part of one."""
    return "\ndef main(argv" in path.read_text(encoding="utf-8")


def docstring(path: Path) -> str:
    """A file's docstring, read from its text: `python -OO` keeps none in __doc__."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def described(path: Path) -> tuple[str, str]:
    """The first line of a file's docstring, and its paragraph Slide: "sentence" (lecture), on one line."""
    paragraphs = docstring(path).split("\n\n")
    slides = [" ".join(p.split()).removeprefix("Slide: ") for p in paragraphs if p.startswith("Slide: ")]
    return paragraphs[0].splitlines()[0], slides[0] if slides else ""


def print_list() -> None:
    """Print each chapter's sentence; and each demo's name, what it shows, and the sentence on the slide that it is about."""
    print("python -m demos NAME runs a demo (--quick: in seconds; --help: its options), python -m demos all runs all of them.")
    print(f"python -m demos tour is where to begin: {described(FOLDER / 'tour.py')[0]}")
    print(f"python -m demos lab is for a class: {described(FOLDER / 'laboratory.py')[0]}")
    print(f"python -m demos sweep is for an experiment: {described(FOLDER / 'sweep.py')[0]}")
    print(f"python -m demos ranks is for a large network: {described(FOLDER / 'ranks.py')[0]}")
    for chapter in CHAPTERS:
        print(f"\n{described(FOLDER / chapter / '__init__.py')[0]}  (demos/{chapter}/)\n")
        for name in demos_in(chapter):
            first, slide = described(FOLDER / chapter / f"{name}.py")
            print(f"  {name:<24} {first}")
            if slide:
                print(f"  {'':<24} {slide}")


def write_readme() -> None:
    """README's figures anew, from what is recorded."""
    from demos.kit import results

    text = results.README.read_text(encoding="utf-8")
    try:
        results.README.write_text(results.readme(text), encoding="utf-8")
    except ValueError as error:
        raise SystemExit(f"{error}") from None


# --- all of them --------------------------------------------------------------------------------------------------------

LOOK = 0.1  # seconds between two looks at the demos that are running
TIMINGS = "speed"  # nothing may run beside it


def run_all(argv: Sequence[str]) -> None:
    """Run each demo in a process of its own, go on where one fails, and put everything on one page."""
    from demos.kit.jobs import cores  # here, not above: the list needs no packages
    from demos.kit.progress import progress
    from demos.kit.run import Options, goes_on, positive_number, seed_number

    options = Options(prog="python -m demos all", description="Run all demos, several side by side.")
    options.add_argument("--quick", action="store_true", help="each in seconds")
    options.add_argument("--out", type=Path, default=Path("runs"), help="folder for the results (default: runs)")
    options.add_argument("--seed", type=seed_number, default=0, help="of all random numbers (default: 0)")
    options.add_argument("--jobs", type=positive_number, default=cores(), help="demos side by side (default: the cores)")
    options.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="of the pictures (default: png)")
    options.add_argument("--record", action="store_true", help="put the results among those that README is made from")
    options.add_argument("--resume", action="store_true", help="go on with what was stopped; what is finished is not repeated")
    args = options.parse_args(argv)
    if args.record and (args.quick or args.seed):
        options.error("--record: of full runs by the default options, without --quick, --seed")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        options.error(f"--out {args.out}: {error.strerror}")
    statuses: dict[str, int] = {}
    with progress(total=len(names()), unit="demo") as bar:
        try:
            for name, status in side_by_side(args):
                statuses[name] = status
                bar.update()
                if status:
                    bar.write(f"{name}: {verdict(args.out / name, status)}")
        except KeyboardInterrupt:
            bar.close()
            print(f"stopped; this goes on: {goes_on(options.prog, argv)}", file=sys.stderr)
            raise SystemExit(130) from None
    print_verdicts(args.out, statuses)
    print(f"\nEverything is on one page: {write_page(args)}")
    if failed := [name for name in names() if statuses[name]]:
        raise SystemExit(f"{len(failed)} of {len(names())} demos failed: {', '.join(failed)}")


def side_by_side(args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """(name, exit status) of each demo as it ends. What took longest when it was recorded begins first."""
    waiting = sorted(names(), key=lambda name: (name == TIMINGS, -recorded_seconds(name)))
    running: dict[str, subprocess.Popen] = {}
    try:
        with ends_as_ctrl_c():
            while waiting or running:
                while waiting and len(running) < args.jobs and not (waiting[0] == TIMINGS and running):
                    name = waiting.pop(0)
                    running[name] = begin(command(name, args.out / name, args), args.out / name)
                for name in [name for name, process in running.items() if process.poll() is not None]:
                    yield name, running.pop(name).returncode
                time.sleep(LOOK)
    finally:  # Ctrl-C, here or while the caller had a name
        stop(running.values())


def stop(processes: Collection[subprocess.Popen]) -> None:
    """Let those that are running save; a further Ctrl-C does not wait for it."""
    try:
        for process in processes:
            with suppress(ValueError):  # on Windows there are no groups: it has been told
                process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()


def recorded_seconds(name: str) -> float:
    """How long a demo took when its results were recorded; 0 where they were not."""
    path = FOLDER / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["cpu_seconds"] if path.is_file() else 0.0


def command(name: str, out: Path, args: argparse.Namespace) -> list[str]:
    """The command line that runs a demo, on one core: the others have demos of their own."""
    flags = [f"--{flag}" for flag in ("quick", "resume", "record") if getattr(args, flag)]
    options = ["--seed", str(args.seed)] if args.seed else []
    return [sys.executable, "-m", "demos", name, "--out", str(out), "--jobs", "1", "--format", args.format, *options, *flags]


def begin(command: list[str], out: Path) -> subprocess.Popen:
    """Start it, with all that it prints in a file. No summary of an earlier run is left."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").unlink(missing_ok=True)
    with open(out / "output.txt", "wb") as file:  # a group of its own: the terminal sends Ctrl-C to this process alone
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, process_group=0)


def verdict(out: Path, status: int) -> str:
    """What became of a demo, in words."""
    holds = summary_of(out).get("holds", {})
    broken = [name for name, held in holds.items() if not held]
    if status and not broken:
        return f"failed: see {out / 'output.txt'}"
    if broken:
        return f"does not hold: {', '.join(broken)}"
    return f"{len(holds)} of {len(holds)} hold" if holds else "nothing to judge"


def print_verdicts(out: Path, statuses: dict[str, int]) -> None:
    """A table: each demo, its seconds, and what held."""
    print(f"\n{'demo':<22} {'seconds':>8}  verdict")
    for name in names():
        seconds = summary_of(out / name).get("seconds")
        print(f"{name:<22} {'-' if seconds is None else f'{seconds:.0f}':>8}  {verdict(out / name, statuses[name])}")


def write_page(args: argparse.Namespace) -> Path:
    """index.html, chapter by chapter."""
    from demos.kit import index_page

    options = " --quick" * args.quick + f" --seed {args.seed}" * bool(args.seed)
    chapters = {}
    for chapter in CHAPTERS:
        here = [name for name in demos_in(chapter) if name in names()]
        entries = [(n, *described(FOLDER / chapter / f"{n}.py"), f"python -m demos {n}{options}") for n in here]
        chapters[described(FOLDER / chapter / "__init__.py")[0]] = entries
    return index_page.write(args.out, chapters, args.seed, args.quick)


@contextmanager
def ends_as_ctrl_c() -> Iterator[None]:
    """What else asks a program to end (kill, a terminal that closes) is a Ctrl-C, unless it is ignored (nohup)."""
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ends = [number for number in ends if signal.getsignal(number) == signal.SIG_DFL]
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main(sys.argv[1:])
