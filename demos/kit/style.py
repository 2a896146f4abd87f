"""The style of all pictures: on a slide of 1,280 pixels, each word can be read from the last row.

Colours: Okabe and Ito's, which colour-blind people can distinguish (https://jfly.uni-koeln.de/color/). Things that differ in
colour also differ in shape or line style.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

from demos.kit.runner.progress import in_notebook, show_picture

if not in_notebook():
    matplotlib.use("Agg")  # write files, open no windows; a notebook has its own backend

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

WIDTH, HEIGHT = 12.8, 7.2  # inches of a slide; 100 pixels each
REAL, FAKE = "#0072B2", "#D55E00"  # blue: the data; vermilion: G's samples
G_COLOUR, D_COLOUR = "#E69F00", "#56B4E9"  # orange: G; sky blue: D or the critic
OTHERS = ("#009E73", "#CC79A7", "#000000", "#7F7F7F", "#F0E442")  # green, pink, black, grey, yellow: everything else
RIGHT, WRONG = REAL, FAKE  # with a ✓ and a ✗
SERIES = (REAL, FAKE, *OTHERS[:4])  # for several lines of the same kind
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
OPINION = LinearSegmentedColormap.from_list("opinion", [FAKE, "white", REAL])  # D's output, from 0, fake, to 1, real
LINE = 98  # letters in a line of a title
drawing = True  # False: no picture is written, as in the runs of a sweep

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "savefig.dpi": 100,
        "font.size": 14,  # points: 19 pixels, of which a digit has 14
        "axes.titlesize": 15,
        "axes.labelsize": 14,
        "xtick.labelsize": 14,
        "ytick.labelsize": 14,
        "legend.fontsize": 14,
        "legend.framealpha": 0.9,
        "figure.titlesize": 17,
        "lines.linewidth": 2,
        "lines.markersize": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": plt.cycler(color=[REAL, FAKE, *OTHERS]),
        "image.cmap": "cividis",
        "svg.hashsalt": "minigan",  # the same picture gives the same file
    }
)


def slide(rows: int = 1, columns: int = 1, height: float = HEIGHT, **options: Any) -> tuple[Figure, Any]:
    """A figure as wide as a slide, and its axes, as `plt.subplots` returns them, with its options."""
    return plt.subplots(rows, columns, figsize=(WIDTH, height), layout="constrained", **options)


def title(figure: Figure, text: str) -> None:
    """Set the title of the picture, broken into lines."""
    figure.suptitle("\n".join(line for part in text.split("\n") for line in _lines(part)))


def _lines(text: str) -> list[str]:
    """The text in lines; formulas, $...$, and shares, 97 %, stay whole."""
    whole = re.sub(r"\$[^$]*\$|\d %", lambda part: part[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in textwrap.wrap(whole, LINE, break_long_words=False, break_on_hyphens=False)]


def stamp(figure: Figure, words: str) -> None:
    """Write a warning across the whole picture."""
    figure.text(0.5, 0.5, words, fontsize=88, color="grey", alpha=0.35, rotation=25, ha="center", va="center", zorder=10)


def save(figure: Figure, path: Path, formats: Sequence[str]) -> None:
    """Write the figure as `path` with each format's ending, and close it. A notebook also shows it."""
    if not drawing:
        plt.close(figure)
        return
    figure.draw_without_rendering()  # the layout of equal axes is final after the second drawing
    for ending in formats:
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
        figure.savefig(path.with_suffix(f".{ending}"), metadata=metadata)
    plt.close(figure)
    if "png" in formats:
        show_picture(path.with_suffix(".png"))


@contextmanager
def pale() -> Iterator[None]:
    """Pale grid lines behind the data."""
    with plt.rc_context({"axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True}):
        yield
