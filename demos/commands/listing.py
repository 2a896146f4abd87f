"""`python -m demos`: each chapter's title; each demo's name, its first line, and the sentence on its slide."""

import sys

from demos import catalogue
from demos.catalogue import demos_in, described

USES = {  # by command, its use and its file
    "tour": ("the place to start", "tour.py"),
    "lab": ("for a class", "commands/lab.py"),
    "sweep": ("for an experiment", "commands/sweep.py"),
    "sample": ("for a trained game", "commands/sample.py"),
    "ranks": ("for a large network", "commands/ranks.py"),
}


def print_list() -> None:
    print("python -m demos NAME runs a demo (--quick: in seconds; --help: its options), python -m demos all runs all of them.")
    for command, (use, file) in USES.items():
        print(f"python -m demos {command} is {use}: {described(catalogue.FOLDER / file)[0]}")
    for chapter in catalogue.CHAPTERS:
        print(f"\n{described(catalogue.FOLDER / chapter / '__init__.py')[0]}  (demos/{chapter}/)\n")
        for name in demos_in(chapter):
            first, slide = described(catalogue.FOLDER / chapter / f"{name}.py")
            print(f"  {name:<24} {first}")
            if slide:
                print(f"  {'':<24} {slide}")
    for line in catalogue.clashes().values():
        print(line, file=sys.stderr)
