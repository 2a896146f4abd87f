"""`python -m demos`: each chapter's title; each demo's name, its first line, and the sentence on its slide."""

import sys

from demos import catalogue
from demos.catalogue import demos_in, described


def print_list() -> None:
    """Print the list."""
    print("python -m demos NAME runs a demo (--quick: in seconds; --help: its options), python -m demos all runs all of them.")
    print(f"python -m demos tour is the place to start: {described(catalogue.FOLDER / 'tour.py')[0]}")
    print(f"python -m demos lab is for a class: {described(catalogue.FOLDER / 'commands' / 'lab.py')[0]}")
    print(f"python -m demos sweep is for an experiment: {described(catalogue.FOLDER / 'commands' / 'sweep.py')[0]}")
    print(f"python -m demos ranks is for a large network: {described(catalogue.FOLDER / 'commands' / 'ranks.py')[0]}")
    for chapter in catalogue.CHAPTERS:
        print(f"\n{described(catalogue.FOLDER / chapter / '__init__.py')[0]}  (demos/{chapter}/)\n")
        for name in demos_in(chapter):
            first, slide = described(catalogue.FOLDER / chapter / f"{name}.py")
            print(f"  {name:<24} {first}")
            if slide:
                print(f"  {'':<24} {slide}")
    for line in catalogue.clashes().values():
        print(line, file=sys.stderr)
