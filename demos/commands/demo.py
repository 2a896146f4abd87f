"""`python -m demos NAME`: run one demo."""

from importlib import import_module
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
    file = catalogue.file_of(name)
    try:
        catalogue.parsed(file)
    except ValueError as error:
        refuse(f"{file} cannot be read: {error}")
    if missing := console.missing_packages():
        raise SystemExit(missing)
    return import_module(catalogue.module_name(name))


def refuse(line: str) -> NoReturn:
    """End the program with this line and status 2."""
    raise console.ended(line, 2)
