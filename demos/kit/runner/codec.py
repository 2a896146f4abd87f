"""A checkpoint's file: JSON for numbers and texts, an array each for arrays, and back again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigan import backend
from minigan.data.npz_files import DamagedFile, read_npz, write_npz

PLAIN = (type(None), bool, int, float, str)  # JSON returns these unchanged
WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)  # raised for a state that does not fit


def write_checkpoint(path: Path, settings: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    """Write a checkpoint: a run's settings, and states by name. Raises OSError, ValueError or TypeError."""
    arrays: dict[str, np.ndarray] = {}
    outline = {"settings": settings, "entries": {name: encoded(entry, name, arrays) for name, entry in entries.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(path, {"outline": np.array(json.dumps(outline)), **arrays})


def read_checkpoint(path: Path, option: str = "--resume") -> tuple[dict, dict[str, Any]]:
    """A checkpoint's settings and states. Ends the program with one line if the file, given by the option, is not one."""
    try:
        arrays = read_npz(path)
        outline = json.loads(str(arrays["outline"]))
        entries = {str(name): decoded(entry, arrays) for name, entry in outline["entries"].items()}
        return dict(outline["settings"]), entries
    except DamagedFile as error:
        raise SystemExit(f"{option}: {one_line(error)}") from None
    except (OSError, RecursionError, *WRONG) as error:
        raise SystemExit(f"{option}: {path} is not a checkpoint of a demo: {one_line(error)}") from None


# --- values -------------------------------------------------------------------------------------------------------------


def encoded(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value for JSON; adds its arrays to `arrays` under names that start with `path`. Raises TypeError for other types."""
    if type(value) in PLAIN:
        return value

    def inner(v: Any, name: Any) -> Any:
        return v if type(v) in PLAIN else encoded(v, f"{path}/{name}", arrays)

    if isinstance(value, Mapping):
        return ["dict", [[inner(key, "key"), inner(v, key)] for key, v in value.items()]]
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", [inner(v, i) for i, v in enumerate(value)]]
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return ["number", [value.dtype.str, value.item()]]
    if not backend.is_array(value) or isinstance(value, np.ma.MaskedArray) or value.dtype.kind not in "biufcU":
        raise TypeError(f"{path} is a {type(value).__name__}, which a checkpoint cannot hold")
    name = free_name(path, arrays)
    arrays[name] = backend.to_numpy(value)
    return ["array", name]


def free_name(path: str, arrays: Mapping[str, Any]) -> str:
    """A name for an array: its path, shortened for files, and with a number if it is taken."""
    path = "".join(c if c.isprintable() else "?" for c in path[:150])
    name, n = path, 1
    while name in arrays:
        n += 1
        name = f"{path} ({n})"
    return name


def decoded(outline: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `encoded`. Raises one of WRONG for an invalid outline."""
    if not isinstance(outline, list):
        return outline
    kind, content = outline
    if kind == "array":
        return arrays[content]
    if kind == "number":
        return np.dtype(content[0]).type(content[1])
    if kind == "dict":
        return {decoded(key, arrays): decoded(value, arrays) for key, value in content}
    return {"list": list, "tuple": tuple}[kind](decoded(value, arrays) for value in content)


def copied(value: Any) -> Any:
    """A copy of the value, as a resumed run would read it."""
    arrays: dict[str, np.ndarray] = {}
    outline = encoded(value, "", arrays)
    return decoded(outline, {path: array.copy() for path, array in arrays.items()})


# --- errors ------------------------------------------------------------------------------------------------------------


def difference(there: dict, here: dict) -> str:
    """The settings in which a checkpoint and a run differ, in words."""
    names = [name for name in there | here if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name, 'not set')} there, {here.get(name, 'not set')} here" for name in names)


def one_line(error: Exception) -> str:
    """An error's message on one line; that of a KeyError is only the key."""
    return f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
