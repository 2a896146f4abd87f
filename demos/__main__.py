"""Run a demo by its name, or list all demos, chapter by chapter in the order of the lectures.

    python -m demos                   the list
    python -m demos NAME [options]    run one demo; --quick: in seconds; --help: its options
                                      results: runs/NAME; of a quick run: runs/quick/NAME
    python -m demos FILE.py [options] run your own experiment in the same way
    python -m demos new NAME          write NAME.py, an experiment that is ready to run
    python -m demos all [options]     run all demos, several at a time; --help: the options
    python -m demos sweep NAME        run one with many settings and seeds; --help: how
    python -m demos sample FILE       draw samples of a game that somebody else trained; --help: of which class, how many
    python -m demos tour              six steps from x * x to a GAN's step, each with its trace; see demos/tour.ipynb
    python -m demos lab               the playground: play the GAN game on a page in the browser
    python -m demos ranks             measure when several processes are worth it for one large network
    python -m demos names             only the names, one a line
    python -m demos readme            update README's tables from demos/results

To complete names with the Tab key, define a command in bash:

    demo() { python -m demos "$@"; }
    complete -W "all new sweep sample tour lab ranks readme $(python -m demos names)" demo
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from demos import catalogue
from demos.catalogue import module_of, refuse
from demos.kit.runner.options import check_packages, errors_in_one_line


def main(argv: Sequence[str] = ()) -> None:
    """Run a command, or a demo. An error that needs no traceback is one line."""
    with errors_in_one_line(argv):
        run(list(argv))


def run(argv: list[str]) -> None:
    """The same. A command's module is imported here, not above: the list needs no packages, and a demo no command."""
    match argv:
        case []:
            import_module("demos.commands.listing").print_list()
        case ["-h" | "--help"]:
            print(catalogue.docstring(Path(__file__)))
        case ["names"]:
            print(*catalogue.names(), sep="\n")
        case ["readme"]:
            import_module("demos.commands.readme").main()
        case ["-h" | "--help" | "names" | "readme" as command, *rest]:
            refuse(f"python -m demos {command} takes no arguments; got {' '.join(rest)}")
        case ["tour", *options]:
            import_module("demos.tour").main(options)
        case ["all" | "sweep" | "sample" | "lab" | "ranks" as command, *options]:
            if command == "all":  # one line names all packages that are missing; the demos' own lines would be in their files
                check_packages()
            import_module(f"demos.commands.{command}").main(options)
        case ["new", *options]:
            import_module("demos.commands.own_file").new(options)
        case [file, *options] if file.endswith(".py"):
            import_module("demos.commands.own_file").module_of_file(file).main(options)
        case [name, *options]:
            module_of(name).main(options)


if __name__ == "__main__":
    main(sys.argv[1:])
