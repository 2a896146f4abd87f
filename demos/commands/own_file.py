"""A user's own file in the demos' frame: python -m demos path/to/my_experiment.py, and python -m demos new NAME."""

import os
import shlex
import sys
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from demos import catalogue
from demos.catalogue import check_importable, module_of, refuse

TEMPLATE = Path(__file__).with_name("experiment_template.py")


def module_of_file(file: str) -> ModuleType:
    """Import a user's file. Ends the program with one line if it cannot be read or does not declare an experiment."""
    path = Path(file).resolve()
    if not os.path.isfile(path):  # False also for a name that is too long
        refuse(f"there is no file {file}; python -m demos new NAME writes one")
    if path.stem in catalogue.names() and path == catalogue.file_of(path.stem).resolve():
        return module_of(path.stem)
    _check_name(path.stem, file)
    check_importable(path)
    sys.modules.pop(path.stem, None)  # of an earlier run in this process: the file may have changed
    invalidate_caches()
    if (other := find_spec(path.stem)) and other.origin and Path(other.origin).resolve() != path:
        refuse(f"{file} has the name of another module, {other.origin}: rename it")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # other processes look there, too
    try:
        module = import_module(path.stem)
    except TypeError as error:
        if not str(error).startswith("demo: "):
            raise
        refuse(f"{file}: {error}")
    if not hasattr(getattr(module, "main", None), "experiment"):
        refuse(f"{file} declares no experiment: put @demo(Settings(), ...) before its function main(claim, s)")
    return module


def new(argv: list[str]) -> None:
    """Write NAME.py, an experiment that is ready to run."""
    if len(argv) != 1 or argv[0].startswith("-"):
        refuse("python -m demos new NAME writes NAME.py, an experiment that is ready to run")
    path = Path(f"{argv[0].removesuffix('.py')}.py")
    _check_name(path.stem, str(path))
    if os.path.exists(path):  # False also for a name that is too long
        refuse(f"{path} exists already: choose another name")
    if path.stem in sys.stdlib_module_names or find_spec(path.stem):
        refuse(f"{path}: another Python module has the name {path.stem}: choose another name")
    try:
        path.write_text(TEMPLATE.read_text(encoding="utf-8").replace("my_experiment", path.stem), encoding="utf-8")
    except OSError as error:
        refuse(f"{path} cannot be written: {error.strerror}")
    print(f"{path} is written; python -m demos {shlex.quote(str(path))} runs it (--quick: in seconds)")


def _check_name(name: str, file: str) -> None:
    if not name.isidentifier():
        refuse(f"{file}: {name!r} is not a name for a Python module; use letters, digits and _")
    if name in (*catalogue.names(), *catalogue.COMMANDS):
        refuse(f"{file}: a demo or a command has this name: choose another name")
