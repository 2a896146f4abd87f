"""Demonstrations, chapter by chapter. Each shows one thing, with numbers and pictures. `python -m demos` lists them."""

import os
import sys
from itertools import pairwise

from demos import catalogue
from demos.kit.runner import options

options.open_streams()

# The demos print a few letters that not every terminal or pipe can show (LC_ALL=C has only ASCII), and a folder's name may
# contain invalid text. A "?" instead of a letter is better than a traceback instead of the results.
# (Python does the same for sys.stderr.)
if hasattr(sys.stdout, "reconfigure"):  # a notebook's stdout has no reconfigure
    sys.stdout.reconfigure(errors="replace")

if sys.argv[0] == "-m":  # python -m demos ...: a command, not another program that imports a demo
    sys.stdout = sys.__stdout__ = options.Unread.of(sys.stdout)
    sys.stderr = sys.__stderr__ = options.Unread.of(sys.stderr)
    sys.excepthook = options.excepthook

# The demos' matrices are small: a second BLAS thread gains little, and on a busy machine the two threads wait for each other.
# NumPy reads this variable when it is first imported, which is after this line.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# `python -m demos.gan` also finds demos/the_game/gan.py: only for the program of such a command line and for its processes,
# Python looks for demos in the chapters' folders.
if (
    any(option == "-m" and name.startswith("demos.") for option, name in pairwise(sys.orig_argv))
    or "--multiprocessing-fork" in sys.orig_argv
):
    __path__ += [str(catalogue.FOLDER / chapter) for chapter in catalogue.CHAPTERS]
