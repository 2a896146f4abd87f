"""An engine in a process of its own: python -m demos.checking.worker ENGINE SEED EXAMPLES FIRST EVERY

Prints one line of JSON: the engine's version and its verdicts on the cases FIRST, FIRST + EVERY, ...; or why it is missing.
"""

import contextlib
import importlib
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict

from demos.checking.cases import CASES
from demos.checking.verdicts import verdict


def answer(engine: str, seed: int, examples: int, first: int, every: int) -> dict:
    """The version and the verdicts, or the reason why the engine is missing."""
    if not shutil.which("clang"):
        os.environ.setdefault("DEV", "PYTHON")  # without clang, tinygrad interprets
    try:
        module = importlib.import_module(engine)
    except ImportError as error:
        return {"missing": str(error)}
    verdicts = [asdict(verdict(engine, case, seed, examples)) for case in CASES[first::every]]
    version = getattr(module, "__version__", None) or importlib.metadata.version(engine)  # minigan need not be installed
    return {"version": version, "verdicts": verdicts}


def main(words: Sequence[str]) -> None:
    with contextlib.redirect_stdout(sys.stderr):  # the engine's own output
        found = answer(words[0], *map(int, words[1:]))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
