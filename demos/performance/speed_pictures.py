"""The pictures of the demo of speed."""

from typing import Any

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
LINES = {  # the axis's label, the unit, and by key in the metrics a line's label, colour and style
    "time": ("one iteration, ms", 1.0, {"ms": ("time", REAL, "-")}),
    "memory": ("memory, MB", 1e-6, {"peak": ("peak", FAKE, "-"), "activations": ("activations", OTHERS[3], "--")}),
}


def ratios(times: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """minigan's time over each engine's, size by size: the median of the rounds."""
    others = [engine for engine in COLOURS if any(engine in row for row in times.values())]
    width = 0.8 / len(others)
    figure, axes = slide(height=6.4)
    for k, engine in enumerate(others):
        colour, pattern = COLOURS[engine]
        places = [i + (k + 0.5) * width - 0.4 for i, row in enumerate(times.values()) if engine in row]
        rows = [row[engine] for row in times.values() if engine in row]
        above = [row["ratio"] - 1 for row in rows]
        axes.bar(places, above, width, bottom=1, color=colour, hatch=pattern, edgecolor="white", label=engine)
        for place, row in zip(places, rows, strict=True):  # the number is beyond the bar's end
            offset, va = ((0, 4), "bottom") if row["ratio"] > 1 else ((0, -4), "top")
            where = {"textcoords": "offset points", "ha": "center", "va": va, "rotation": 90 if len(others) > 2 else 0}
            axes.annotate(f"{row['ratio']:.2g}", (place, row["ratio"]), offset, fontsize="small", **where)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.margins(y=0.2)
    axes.set_xticks(range(len(times)), list(times))
    axes.set(ylabel="minigan's time / the engine's\n(below 1: minigan is faster)", xlabel="size")
    figure.legend(loc="outside lower center", ncols=len(others))
    return figure


def growth(found: dict[str, dict[str, Any]], meanings: dict[str, str], what: str) -> Figure:
    """Time or memory against each quantity; both axes logarithmic, so that a power is a straight line."""
    ylabel, unit, lines = LINES[what]
    figure, places = slide(-(-len(found) // 2), 2, squeeze=False)
    for axes, (name, figures) in zip(places.flat, found.items(), strict=True):
        for key, (label, colour, style) in lines.items():
            y = [unit * value for value in figures[key]]
            label = f"{label}: power {figures['slope'][key]:.2f}"
            axes.loglog(figures["values"], y, style, color=colour, marker="o", label=label)
        axes.set(title=f"{name} ({meanings[name]})", xlabel=name, ylabel=ylabel)
        axes.set_xticks(figures["values"], [f"{n}" for n in figures["values"]])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.legend(loc="upper left")
        axes.margins(y=0.3)
    return figure
