"""The list of demos, chapter by chapter, with their descriptions.

All of it is read from the files, so that the list needs no packages; only `module_of` imports a demo.
"""

import ast
import re
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from demos.kit.runner.options import check_packages, ended

FOLDER = Path(__file__).parent
CHAPTERS = {  # in the order of the lectures; chapters that belong to no single lecture come last
    "gradients": ("ladder", "saddle", "detach"),
    "the_game": ("transform", "gan", "optimal_discriminator", "convergence"),
    "training": (
        *("saturation", "perfect_discriminator", "tempo", "equilibrium", "collapse", "coadaptation", "hacks"),
        *("averages", "improved", "semi_supervised", "tips"),
    ),
    "generative_models": (
        *("autoencoder", "fillings", "pretraining", "why_pretraining", "vae", "fair", "adversarial_autoencoder"),
        *("variational_bayes", "boltzmann", "latent", "ali", "cycle", "bayesian_gan", "parzen"),
    ),
    "architectures": (
        *("cgan", "conditioning", "infogan", "dcgan", "colour", "features", "lapgan", "began", "ebgan", "referee"),
    ),
    "wasserstein": ("earth_mover", "learning_curves", "wgan", "without_tricks", "limit_cycles", "jacobian", "stabilisers"),
    "adversarial_examples": ("fgsm", "dimension", "fooled", "adversarial_training", "signs", "patch", "manifold_defense"),
    "the_slides": ("errata",),
    "checking": ("engines",),
    "performance": ("speed",),
}
MAIN = re.compile(rb"^(@demo\(|def main\(argv)", re.MULTILINE)  # in a demo's file
COMMANDS = ("all", "new", "sweep", "sample", "tour", "lab", "ranks", "names", "readme")  # a demo cannot have these names


def names() -> list[str]:
    """All demos, chapter by chapter; once each."""
    return list(dict.fromkeys(name for chapter in CHAPTERS for name in demos_in(chapter)))


def demos_in(chapter: str) -> list[str]:
    """The demos of a chapter: its files that declare one. Those that are not in CHAPTERS come last."""
    stems = {path.stem for path in (FOLDER / chapter).glob("*.py") if is_demo(path)}
    return [name for name in CHAPTERS[chapter] if name in stems] + sorted(stems - set(CHAPTERS[chapter]))


def chapter_of(name: str) -> str:
    return next(chapter for chapter in CHAPTERS if name in demos_in(chapter))


def file_of(name: str) -> Path:
    return FOLDER / chapter_of(name) / f"{name}.py"


def module_name(name: str) -> str:
    return f"demos.{chapter_of(name)}.{name}"


def is_demo(path: Path) -> bool:
    """Whether a file is a demo, not a part of one or an editor's file. A file that cannot be opened may be one."""
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
    """Whether a file declares a demo or has main(argv). `changed`: its time stamp, so that a changed file is read again."""
    return bool(MAIN.search(path.read_bytes()))


def clashes() -> dict[str, str]:
    """For each name that two demos share, or a demo and a command: one line that names both."""
    having: dict[str, list[str]] = {name: [f"the command {name}"] for name in COMMANDS}
    for chapter in CHAPTERS:
        for name in demos_in(chapter):
            having.setdefault(name, []).append(f"demos/{chapter}/{name}.py")
    return {
        name: f"{' and '.join(places)} have the same name: rename one" for name, places in having.items() if len(places) > 1
    }


def unknown(name: str) -> str:
    """The one-line error for a name that no demo has."""
    *others, last = get_close_matches(name, [*names(), *COMMANDS]) or [""]
    advice = f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else "python -m demos lists them"
    return f"there is no demo {name!r}; {advice}"


# --- running one --------------------------------------------------------------------------------------------------------


def module_of(name: str) -> ModuleType:
    """Import a demo. Ends the program with one line if it does not exist or cannot be read."""
    if name not in names():
        refuse(unknown(name))
    if name in (same := clashes()):
        refuse(same[name])
    check_importable(file_of(name))
    return import_module(module_name(name))


def check_importable(file: Path) -> None:
    """End the program with one line if Python cannot read the file, or if packages are missing."""
    try:
        parsed(file)
    except ValueError as error:
        refuse(f"{file} cannot be read: {error}")
    check_packages()


def refuse(line: str) -> NoReturn:
    """End the program with this line and status 2."""
    raise ended(line, 2)


# --- the description in a file -----------------------------------------------------------------------------------------


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
