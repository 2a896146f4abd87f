"""Run a demo by its name, or list what there is, chapter by chapter in the order of the lectures.

    python -m demos                   the list
    python -m demos NAME [options]    run one demo; --quick: in seconds; --help: its options
                                      results: runs/NAME, of a quick run runs/quick/NAME
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
import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from demos.kit import console, folders
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
COMMANDS = ("all", "sweep", "tour", "lab", "ranks", "names", "readme")  # names that no demo can have


def main(argv: Sequence[str] = ()) -> None:
    """List the demos, run one, or run them all."""
    with console.errors_in_one_line(argv):
        run(list(argv))


def run(argv: list[str]) -> None:
    """The command."""
    match argv:
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
            refuse(f"python -m demos {command} takes nothing more; {' '.join(rest)} is too much")
        case ["all", *options]:
            run_all(options)
        case [name, *options]:
            module_of(name).main(options)


def module_of(name: str) -> ModuleType:
    """Import a demo. If it does not exist or cannot be read, the program ends with one line."""
    if name not in names():
        refuse(unknown(name))
    if name in (same := clashes()):
        refuse(same[name])
    file = FOLDER / chapter_of(name) / f"{name}.py"
    try:
        parsed(file)
    except ValueError as error:
        refuse(f"{file} cannot be read: {error}")
    if missing := console.missing_packages():
        raise SystemExit(missing)
    return importlib.import_module(f"demos.{chapter_of(name)}.{name}")


def refuse(line: str) -> NoReturn:
    """End the program with this line and status 2."""
    raise console.ended(line, 2)


def unknown(name: str) -> str:
    """What to say to a name that no demo has, on one line."""
    *others, last = get_close_matches(name, [*names(), *COMMANDS]) or [""]
    advice = f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else "python -m demos lists them"
    return f"there is no demo {name!r}; {advice}"


# --- what there is: read from the files, not imported, so that the list needs no packages -------------------------------


def names() -> list[str]:
    """All demos, chapter by chapter; once each."""
    return list(dict.fromkeys(name for chapter in CHAPTERS for name in demos_in(chapter)))


def demos_in(chapter: str) -> list[str]:
    """The demos of a chapter: its files with a function main(argv). Those that CHAPTERS does not know come last."""
    found = {path.stem for path in (FOLDER / chapter).glob("*.py") if is_demo(path)}
    return [name for name in CHAPTERS[chapter] if name in found] + sorted(found - set(CHAPTERS[chapter]))


def chapter_of(name: str) -> str:
    """Where the demo lies."""
    return next(chapter for chapter in CHAPTERS if name in demos_in(chapter))


def is_demo(path: Path) -> bool:
    """Whether it is a demo: not a part of one, not a folder, not an editor's. If it cannot be opened, it may be one."""
    if not path.stem.isidentifier() or not path.is_file():
        return False
    try:
        return has_main(path, path.stat().st_mtime_ns)
    except FileNotFoundError:  # it has just been removed
        return False
    except OSError:
        return True


@cache
def has_main(path: Path, changed: int) -> bool:
    """Whether a file has the function main(argv): read again when it has changed."""
    return b"\ndef main(argv" in path.read_bytes()


def clashes() -> dict[str, str]:
    """For each name that two demos have, or a demo and a command: one line that names both."""
    having: dict[str, list[str]] = {name: [f"the command {name}"] for name in COMMANDS}
    for chapter in CHAPTERS:
        for name in demos_in(chapter):
            having.setdefault(name, []).append(f"demos/{chapter}/{name}.py")
    return {
        name: f"{' and '.join(places)} have the same name: rename one" for name, places in having.items() if len(places) > 1
    }


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises ValueError with one line if Python cannot read it."""
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}" if error.lineno else error.msg) from None
    except OSError as error:
        raise ValueError(error.strerror) from None
    except (MemoryError, RecursionError):
        raise ValueError("too many brackets") from None


def docstring(path: Path) -> str:
    """A file's docstring, read from its text: `python -OO` keeps none in __doc__."""
    return ast.get_docstring(parsed(path)) or "(without a description)"


def described(path: Path) -> tuple[str, str]:
    """The first line of a file's docstring, and its paragraph Slide: "sentence" (lecture), on one line."""
    try:
        paragraphs = docstring(path).split("\n\n")
    except ValueError as error:
        return f"cannot be read: {error}", ""
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
    for line in clashes().values():
        print(line, file=sys.stderr)


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
    if missing := console.missing_packages():
        raise SystemExit(missing)
    from demos.kit import index_page  # here, not above: the list needs no packages
    from demos.kit.jobs import cores
    from demos.kit.progress import progress
    from demos.kit.run import Options, goes_on, path_option, positive_number, seed_number

    options = Options(prog="python -m demos all", description="Run all demos, several side by side.")
    options.add_argument("--quick", action="store_true", help="each in seconds")
    options.add_argument("--out", type=path_option, help="folder for the results (default: runs; quick: runs/quick)")
    options.add_argument("--seed", type=seed_number, default=0, help="of all random numbers (default: 0)")
    options.add_argument("--jobs", type=positive_number, default=cores(), help="demos side by side (default: the cores)")
    options.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="of the pictures (default: png)")
    options.add_argument("--record", action="store_true", help="put the results among those that README is made from")
    options.add_argument("--resume", action="store_true", help="go on with what was stopped; what is finished is not repeated")
    args = options.parse_args(argv)
    args.out = args.out or folders.default_folder(args.quick)
    if args.record and (args.quick or args.seed):
        options.error("--record: of full runs by the default options, without --quick, --seed")
    for line in clashes().values():
        options.error(line)
    them = names()
    chapters = entries(them, args)  # now, because files may appear or disappear while the demos run
    try:
        lock = folders.open_folder(args.out)
        if moved := make_room(them, args):
            print(f"earlier runs of {moved} demos are now in {args.out / 'NAME' / folders.EARLIER}", file=sys.stderr)
    except OSError as error:
        options.error(f"--out {args.out}: {error.strerror or error}")
    statuses: dict[str, int | str] = {}
    try:
        with progress(total=len(them), unit="demo") as bar:
            for name, status in side_by_side(them, args):
                statuses[name] = status
                bar.update()
                if status:
                    bar.write(f"{name}: {verdict(args.out / name, status)}")
    except KeyboardInterrupt:
        print(f"stopped; this goes on: {goes_on(options.prog, argv)}", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        folders.close_folder(lock)
    print_verdicts(args.out, statuses, them)
    print(f"\nEverything is on one page: {index_page.write(args.out, chapters, args.seed, args.quick)}")
    if failed := [name for name in them if statuses[name]]:
        raise SystemExit(f"{len(failed)} of {len(them)} demos failed: {', '.join(failed)}")


def make_room(them: Sequence[str], args: argparse.Namespace) -> int:
    """Before the first demo begins, move aside all earlier runs that are not resumed, and the page. Returns how many runs."""
    moved = 0
    for name in them:
        out = args.out / name
        if not out.is_dir() or (args.resume and (out / "checkpoint.npz").exists()):
            continue
        with suppress(OSError):  # another run is writing to it: the demo will print that
            lock = folders.open_folder(out)
            try:
                if left := folders.left_by_a_run(out):
                    left |= folders.named(out, [folders.LOG])
                moved += folders.make_room(out, name, args.quick, left) is not None
            finally:
                folders.close_folder(lock)
    if not args.resume and args.out != folders.default_folder(True) and (args.out / "index.html").exists():
        folders.move_aside(args.out, [args.out / "index.html"])
    return moved


def side_by_side(them: Sequence[str], args: argparse.Namespace) -> Iterator[tuple[str, int | str]]:
    """(name, exit status or error) of each demo as it ends. What took longest when it was recorded begins first."""
    waiting = sorted(them, key=lambda name: (name == TIMINGS, -recorded_seconds(name)))
    running: dict[str, subprocess.Popen] = {}
    try:
        with ends_as_ctrl_c():
            while waiting or running:
                while waiting and len(running) < args.jobs and not (waiting[0] == TIMINGS and running):
                    name = waiting.pop(0)
                    try:
                        running[name] = begin(command(name, args.out / name, args), args.out / name)
                    except OSError as error:
                        yield name, f"{error}"
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


def verdict(out: Path, status: int | str) -> str:
    """What became of a demo, in words."""
    if isinstance(status, str):
        return f"failed: {status}"
    holds = summary_of(out).get("holds", {})
    broken = [name for name, held in holds.items() if not held]
    if status and not broken:
        return f"failed: see {out / 'output.txt'}"
    if broken:
        return f"does not hold: {', '.join(broken)}"
    return f"{len(holds)} of {len(holds)} hold" if holds else "nothing to judge"


def print_verdicts(out: Path, statuses: dict[str, int | str], them: Sequence[str]) -> None:
    """A table: each demo, its seconds, and what held."""
    print(f"\n{'demo':<22} {'seconds':>8}  verdict")
    for name in them:
        seconds = summary_of(out / name).get("seconds")
        print(f"{name:<22} {'-' if seconds is None else f'{seconds:.0f}':>8}  {verdict(out / name, statuses[name])}")


def entries(them: Collection[str], args: argparse.Namespace) -> dict[str, list[tuple[str, str, str, str]]]:
    """The page's chapters: for each demo its name, first line, slide and command."""
    options = " --quick" * args.quick + f" --seed {args.seed}" * bool(args.seed)
    chapters = {}
    for chapter in CHAPTERS:
        here = [name for name in demos_in(chapter) if name in them]
        about = [(n, *described(FOLDER / chapter / f"{n}.py"), f"python -m demos {n}{options}") for n in here]
        chapters[described(FOLDER / chapter / "__init__.py")[0]] = about
    return chapters


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
