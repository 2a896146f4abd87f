"""Is this a notebook? Then pictures are shown in it, as well as written to files."""

import sys
from pathlib import Path


def in_notebook() -> bool:
    """Whether the program runs in a kernel of IPython, which can show pictures: not in a terminal, nor in IPython's there."""
    IPython = sys.modules.get("IPython")  # who has not imported it is not in one
    shell = IPython.get_ipython() if IPython else None
    return getattr(shell, "kernel", None) is not None


def show(path: Path) -> None:
    """Show a picture's file below the notebook's cell; elsewhere, do nothing."""
    if in_notebook():
        from IPython.display import Image, display

        display(Image(filename=str(path)))
