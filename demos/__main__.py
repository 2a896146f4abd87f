"""`python -m demos`: what there is to run, in the order of the lectures. `python -m demos all`: run everything."""

import argparse
import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import demos

ORDER = (  # the lectures', from a network's gradients to the games that followed the GAN; demos of no lecture come last
    *("saddle", "detach"),
    *("transform", "gan", "optimal_discriminator", "convergence"),
    *("saturation", "tempo", "equilibrium", "collapse", "coadaptation"),
    *("autoencoder", "pretraining", "vae", "boltzmann", "latent"),
    *("cgan", "conditioning", "dcgan"),
    *("earth_mover", "learning_curves", "wgan", "limit_cycles", "began"),
    *("fgsm", "adversarial_training", "patch", "manifold_defense"),
    *("hacks", "errata"),
    "speed",
)


def main(argv: Sequence[str] = ()) -> None:
    """List the demos, or run them all."""
    options = argparse.ArgumentParser(prog="python -m demos", description="List the demos; with `all`, run them all.")
    command = options.add_subparsers(dest="command")
    everything = command.add_parser("all", help="run all demos, one after the other")
    everything.add_argument("--quick", action="store_true", help="each in seconds")
    everything.add_argument("--out", type=Path, default=Path("runs"), help="folder for the results (default: runs)")
    everything.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    args = options.parse_args(argv)
    if args.command == "all":
        run_all(args.out, args.seed, args.quick)
    else:
        print_list()


def names() -> list[str]:
    """The demos that there are, those that ORDER does not know at the end."""
    found = {path.stem for path in Path(demos.__path__[0]).glob("*.py") if not path.stem.startswith("_")}
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


# --- the list -----------------------------------------------------------------------------------------------------------


def print_list() -> None:
    """Print each demo's name, the first line of its docstring, and the sentence on the slide that it is about."""
    print(
        "python -m demos.NAME runs a demo (--quick: in seconds; --help: its options), python -m demos all runs all of them:\n"
    )
    for name in names():
        first, slide = described(name)
        print(f"  {name:<22} {first}")
        if slide:
            print(f"  {'':<22} {slide}")


def described(name: str) -> tuple[str, str]:
    """The first line of the docstring, and its paragraph Slide: "sentence" (lecture), on one line.

    Read, not imported: listing needs no packages.
    """
    source = Path(demos.__path__[0], f"{name}.py").read_text(encoding="utf-8")
    paragraphs = ast.get_docstring(ast.parse(source)).split("\n\n")
    slides = [" ".join(p.split()).removeprefix("Slide: ") for p in paragraphs if p.startswith("Slide: ")]
    return paragraphs[0].splitlines()[0], slides[0] if slides else ""


# --- all of them --------------------------------------------------------------------------------------------------------


def run_all(out: Path, seed: int, quick: bool) -> None:
    """Run each demo in a process of its own, go on where one fails, and put their pictures on one sheet."""
    from tqdm import tqdm  # here, not above: the list needs no packages

    failed = []
    with tqdm(names(), unit="demo") as bar:
        for name in bar:
            bar.set_description(name)
            if not run(command(name, out / name, seed, quick), out / name / "output.txt"):
                failed.append(name)
                bar.write(f"{name} failed: see {out / name / 'output.txt'}")
    draw_contact_sheet(out, [name for name in names() if name not in failed])
    if failed:
        raise SystemExit(f"{len(failed)} of {len(names())} demos failed: {', '.join(failed)}")


def command(name: str, out: Path, seed: int, quick: bool) -> list[str]:
    """The command line that runs a demo."""
    return [sys.executable, "-m", f"demos.{name}", "--out", str(out), "--seed", str(seed), *(["--quick"] if quick else [])]


def run(command: list[str], output: Path) -> bool:
    """Run it, with all that it prints in a file; whether it succeeded."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "w") as file:
        return subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode == 0


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
