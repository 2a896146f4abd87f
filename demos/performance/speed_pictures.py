"""The pictures of the demo of speed."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files, no windows

import matplotlib.pyplot as plt

COLOURS = {
    "matmul": "tab:gray",
    "torch": "tab:red",
    "cupy": "tab:blue",
    "torch_gpu": "tab:pink",
    "jax": "tab:purple",
    "mygrad": "tab:green",
    "autograd": "tab:olive",
}


def ratios(path: Path, times: dict[str, dict[str, dict[str, float]]]) -> None:
    """minigan's time over each engine's, size by size: the median of the rounds, and a line from the lowest to the highest."""
    others = [engine for engine in COLOURS if any(engine in row for row in times.values())]
    width = 0.8 / len(others)
    figure, axes = plt.subplots(figsize=(max(6.0, 1.8 * len(times) + 2), 4.8), layout="constrained")
    for k, engine in enumerate(others):
        at = [(i + (k + 0.5) * width - 0.4, row[engine]) for i, row in enumerate(times.values()) if engine in row]
        x, heights = [place for place, _ in at], [figures["ratio"] for _, figures in at]
        spread = [
            [figures["ratio"] - figures["ratio_low"] for _, figures in at],
            [figures["ratio_high"] - figures["ratio"] for _, figures in at],
        ]
        axes.bar(
            x,
            [height - 1 for height in heights],
            width,
            bottom=1,
            yerr=spread,
            color=COLOURS[engine],
            label=engine,
            error_kw={"linewidth": 1},
        )
        for place, figures in at:
            axes.annotate(
                f"{figures['ratio']:.2g}", (place, figures["ratio_high"]), (0, 2), textcoords="offset points",
                ha="center", fontsize=8,
            )  # fmt: skip
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.margins(y=0.12)
    axes.set_xticks(range(len(times)), list(times))
    axes.set(ylabel="minigan's time / the engine's", title="one iteration: below the line, minigan is faster")
    figure.legend(loc="outside lower center", ncols=len(others))
    _save(figure, path)


def growth(path: Path, found: dict[str, dict[str, Any]], meanings: dict[str, str]) -> None:
    """Time above, memory below, against each quantity; both axes logarithmic, so that a power is a straight line."""
    figure, rows = plt.subplots(2, len(found), figsize=(3.6 * len(found), 7), sharex="col", layout="constrained")
    for (name, figures), time, memory in zip(found.items(), *rows, strict=True):
        _curve(time, figures, "ms", "time", 1, "tab:blue", "-")
        _curve(memory, figures, "peak", "peak", 1e-6, "tab:orange", "-")
        _curve(memory, figures, "activations", "activations", 1e-6, "tab:gray", "--")
        time.set_title(f"{name}\n{meanings[name]}", fontsize=10)
        memory.set_xlabel(name)
        memory.set_xticks(figures["values"], [str(n) for n in figures["values"]], minor=False)
        memory.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    rows[0][0].set_ylabel("one iteration, ms")
    rows[1][0].set_ylabel("memory above the state before, MB")
    figure.suptitle("how an iteration grows (slope: of the last three points)")
    _save(figure, path)


def _curve(axes: plt.Axes, figures: dict, key: str, label: str, unit: float, colour: str, style: str) -> None:
    y = [unit * value for value in figures[key]]
    axes.loglog(
        figures["values"], y, style, color=colour, marker="o", markersize=4, label=f"{label}: slope {figures['slope'][key]:.2f}"
    )
    axes.legend(loc="best", fontsize=9)
    axes.margins(y=0.2)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
