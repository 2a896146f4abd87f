"""Run a demo by its name, or list what there is, chapter by chapter in the order of the lectures.

    python -m demos                   the list
    python -m demos NAME [options]    run one demo; --quick: in seconds; --help: its options
    python -m demos all [options]     run all of them, one after the other; --help: the options
    python -m demos names             the names alone, one a line

For names that the Tab key completes, give bash a command of its own for the demos:

    demo() { python -m demos "$@"; }
    complete -W "all $(python -m demos names)" demo
"""

import argparse
import ast
import errno
import importlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

FOLDER = Path(__file__).parent
CHAPTERS = {  # in the lectures' order, from a network's gradients to attacks; what belongs to no single lecture comes last
    "gradients": ("ladder", "saddle", "detach"),
    "the_game": ("transform", "gan", "optimal_discriminator", "convergence"),
    "training": ("saturation", "tempo", "equilibrium", "collapse", "coadaptation", "hacks"),
    "generative_models": ("autoencoder", "pretraining", "vae", "boltzmann", "latent"),
    "architectures": ("cgan", "conditioning", "dcgan", "began"),
    "wasserstein": ("earth_mover", "learning_curves", "wgan", "limit_cycles"),
    "adversarial_examples": ("fgsm", "adversarial_training", "patch", "manifold_defense"),
    "the_slides": ("errata",),
    "performance": ("speed",),
}


def main(argv: Sequence[str] = ()) -> None:
    """List the demos, run one, or run them all."""
    match list(argv):
        case []:
            print_list()
        case ["-h" | "--help"]:
            print(docstring(Path(__file__)))
        case ["names"]:
            print(*names(), sep="\n")
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
    *others, last = get_close_matches(name, [*names(), "all", "names"]) or [""]
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
    for chapter in CHAPTERS:
        print(f"\n{described(FOLDER / chapter / '__init__.py')[0]}  (demos/{chapter}/)\n")
        for name in demos_in(chapter):
            first, slide = described(FOLDER / chapter / f"{name}.py")
            print(f"  {name:<22} {first}")
            if slide:
                print(f"  {'':<22} {slide}")


# --- all of them --------------------------------------------------------------------------------------------------------


def run_all(argv: Sequence[str]) -> None:
    """Run each demo in a process of its own, go on where one fails, and put their pictures on one sheet."""
    from demos.kit.progress import progress  # here, not above: the list needs no packages
    from demos.kit.run import Options, goes_on, seed_number

    options = Options(prog="python -m demos all", description="Run all demos, one after the other.")
    options.add_argument("--quick", action="store_true", help="each in seconds")
    options.add_argument("--out", type=Path, default=Path("runs"), help="folder for the results (default: runs)")
    options.add_argument("--seed", type=seed_number, default=0, help="of all random numbers (default: 0)")
    options.add_argument("--resume", action="store_true", help="go on with what was stopped; what is finished is not repeated")
    args = options.parse_args(argv)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        options.error(f"--out {args.out}: {error.strerror}")
    failed = []
    with progress(names(), unit="demo") as bar:
        for name in bar:
            bar.set_description(name)
            output = args.out / name / "output.txt"
            try:
                succeeded = run(command(name, args.out / name, args), output)
            except KeyboardInterrupt:
                bar.close()
                print(f"stopped in {name}; this goes on: {goes_on(options.prog, argv)}", file=sys.stderr)
                raise SystemExit(130) from None
            if not succeeded:
                failed.append(name)
                bar.write(f"{name} failed: see {output}")
    draw_contact_sheet(args.out, [name for name in names() if name not in failed])
    if failed:
        raise SystemExit(f"{len(failed)} of {len(names())} demos failed: {', '.join(failed)}")


def command(name: str, out: Path, args: argparse.Namespace) -> list[str]:
    """The command line that runs a demo."""
    flags = [f"--{flag}" for flag in ("quick", "resume") if getattr(args, flag)]
    return [sys.executable, "-m", "demos", name, "--out", str(out), "--seed", str(args.seed), *flags]


def run(command: list[str], output: Path) -> bool:
    """Run it, with all that it prints in a file, and tell whether it succeeded. Ctrl-C lets it save."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "wb") as file:  # a group of its own: the terminal sends Ctrl-C to this process alone, which passes it on
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, process_group=0)
    try:
        with ends_as_ctrl_c():
            return process.wait() == 0
    except KeyboardInterrupt:
        with suppress(ValueError):  # on Windows there are no groups: it has been told
            process.send_signal(signal.SIGINT)
        process.wait()
        raise
    finally:
        process.kill()


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


def draw_contact_sheet(out: Path, names: list[str], columns: int = 3) -> None:
    """contact.png: the demos' pictures side by side: of a claim, the one; of a game, its samples."""
    import matplotlib

    matplotlib.use("Agg")  # files, no windows
    import matplotlib.pyplot as plt

    choices = {name: [out / name / f"{name}.png", out / name / "samples.png"] for name in names}
    pictures = {name: next((p for p in paths if p.is_file()), None) for name, paths in choices.items()}
    pictures = {name: path for name, path in pictures.items() if path}
    rows = max(1, -(-len(pictures) // columns))
    figure, places = plt.subplots(rows, columns, figsize=(5.5 * columns, 4.2 * rows), squeeze=False, layout="constrained")
    for axes in places.flat:
        axes.axis("off")
    for axes, (name, path) in zip(places.flat, pictures.items(), strict=False):
        axes.imshow(plt.imread(path))
        axes.set_title(name, fontsize=16)
    figure.savefig(out / "contact.png", dpi=130)
    plt.close(figure)
    print(f"{len(pictures)} pictures are side by side in {out / 'contact.png'}")


if __name__ == "__main__":
    main(sys.argv[1:])
