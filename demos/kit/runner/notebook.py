"""Pictures in a notebook: they are shown there, and also written to files."""

import sys
from pathlib import Path


def in_notebook() -> bool:
    """Whether the program runs in an IPython kernel, which can show pictures. False in a terminal, also in IPython's."""
    IPython = sys.modules.get("IPython")  # without it, this is not a notebook
    shell = IPython.get_ipython() if IPython else None
    return getattr(shell, "kernel", None) is not None


def show(path: Path) -> None:
    """Show a picture's file below the notebook's cell; elsewhere, do nothing."""
    if in_notebook():
        from IPython.display import Image, display

        display(Image(filename=str(path)))
