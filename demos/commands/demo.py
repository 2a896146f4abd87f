"""`python -m demos NAME`: run one demo."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from demos import catalogue
from demos.kit.runner import console


def module_of(name: str) -> ModuleType:
    """Import a demo. Ends the program with one line if it does not exist or cannot be read."""
    if name not in catalogue.names():
        refuse(catalogue.unknown(name))
    if name in (same := catalogue.clashes()):
        refuse(same[name])
    check_importable(catalogue.file_of(name))
    return import_module(catalogue.module_name(name))


def check_importable(file: Path) -> None:
    """End the program with one line if Python cannot read the file, or if packages are missing."""
    try:
        catalogue.parsed(file)
    except ValueError as error:
        refuse(f"{file} cannot be read: {error}")
    if missing := console.missing_packages():
        raise SystemExit(missing)


def refuse(line: str) -> NoReturn:
    """End the program with this line and status 2."""
    raise console.ended(line, 2)
