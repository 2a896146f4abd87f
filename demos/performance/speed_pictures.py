"""The pictures of the demo of speed."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from demos.kit.style import D_COLOUR, FAKE, G_COLOUR, OTHERS, REAL, slide

COLOURS = {  # and a pattern, for each engine
    "matmul": (OTHERS[3], ""),
    "torch": (FAKE, "//"),
    "cupy": (REAL, ""),
    "torch_gpu": (OTHERS[1], "\\\\"),
    "jax": (G_COLOUR, ".."),
    "mygrad": (OTHERS[0], "xx"),
    "autograd": (D_COLOUR, "--"),
}


def ratios(times: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """minigan's time over each engine's, size by size: the median of the rounds, and a line from the lowest to the highest."""
    others = [engine for engine in COLOURS if any(engine in row for row in times.values())]
    width = 0.8 / len(others)
    figure, axes = slide()
    for k, engine in enumerate(others):
        colour, pattern = COLOURS[engine]
        places = [i + (k + 0.5) * width - 0.4 for i, row in enumerate(times.values()) if engine in row]
        rows = [row[engine] for row in times.values() if engine in row]
        heights = [row["ratio"] for row in rows]
        spread = [[r["ratio"] - r["ratio_low"] for r in rows], [r["ratio_high"] - r["ratio"] for r in rows]]
        above = [height - 1 for height in heights]
        axes.bar(places, above, width, bottom=1, yerr=spread, color=colour, hatch=pattern, edgecolor="white", label=engine)
        for place, row in zip(places, rows, strict=True):
            where = {"textcoords": "offset points", "ha": "center", "rotation": 90 if len(others) > 2 else 0}
            axes.annotate(f"{row['ratio']:.2g}", (place, row["ratio_high"]), (0, 4), **where)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.margins(y=0.2)
    axes.set_xticks(range(len(times)), list(times))
    axes.set(ylabel="minigan's time / the engine's\n(below 1: minigan is faster)", xlabel="size")
    figure.legend(loc="outside lower center", ncols=len(others))
    return figure


def times(found: dict[str, dict[str, Any]], meanings: dict[str, str]) -> Figure:
    """Time against each quantity; both axes logarithmic, so that a power is a straight line."""
    return _panels(found, meanings, "one iteration, ms", {"ms": ("time", 1.0, REAL, "-")})


def memory(found: dict[str, dict[str, Any]], meanings: dict[str, str]) -> Figure:
    """Memory against each quantity, both axes logarithmic: the peak above the initial state; the memory of the graphs."""
    lines = {"peak": ("peak", 1e-6, FAKE, "-"), "activations": ("activations", 1e-6, OTHERS[3], "--")}
    return _panels(found, meanings, "memory, MB", lines)


def _panels(found: dict, meanings: dict[str, str], ylabel: str, lines: dict[str, tuple[str, float, str, str]]) -> Figure:
    figure, places = slide(-(-len(found) // 2), 2, squeeze=False)
    for axes, (name, figures) in zip(places.flat, found.items(), strict=True):
        for key, (label, unit, colour, style) in lines.items():
            _curve(axes, figures, key, label, unit, colour, style)
        axes.set(title=f"{name} ({meanings[name]})", xlabel=name, ylabel=ylabel)
        axes.set_xticks(figures["values"], [f"{n}" for n in figures["values"]])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.legend(loc="upper left")
        axes.margins(y=0.3)
    return figure


def _curve(axes: plt.Axes, figures: dict, key: str, label: str, unit: float, colour: str, style: str) -> None:
    y = [unit * value for value in figures[key]]
    axes.loglog(figures["values"], y, style, color=colour, marker="o", label=f"{label}: power {figures['slope'][key]:.2f}")
