"""The pictures of the demo `boltzmann`: chains from noise and filters; the curves of the training."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from demos.kit.pictures import labelled, sheet, strokes
from demos.kit.style import OTHERS, slide

LINES = {  # the kinds of machines: colour, style, label
    "persistent": (OTHERS[0], "-", "persistent chains"),
    "from_data": (OTHERS[1], "--", "chains from the data, CD-1"),
    "detached": (OTHERS[2], "-.", "probabilities, detached"),
    "attached": (OTHERS[3], ":", "probabilities, without detach"),
}
SHOWN = 10  # chains of each machine, and filters in a row


def picture_of_samples(runs: dict[str, list[dict]]) -> Figure:
    """Chains from noise, a row for each moment, and filters of hidden units: of two machines, with the first seed."""
    figure, places = slide(2, 2, height_ratios=(5, 4))
    for (upper, lower), how in zip(places.T, ("persistent", "from_data"), strict=True):
        chains = runs[how][0]["chains"]
        labelled(upper, np.concatenate([images[:SHOWN] for images in chains.values()]), SHOWN, [f"{t:,}" for t in chains])
        upper.set(title=f"trained with {LINES[how][2]}", ylabel="Gibbs steps")
        lower.imshow(sheet(strokes(runs[how][0]["filters"]), SHOWN), cmap="gray", vmin=0, vmax=1)
        lower.set(title="filters of 40 hidden units, columns of $W$ (grey: 0)", xticks=[], yticks=[])
    return figure


def picture_of_training(runs: dict[str, list[dict]], m: dict[str, float]) -> Figure:
    """The errors, the loss and the gap of the free energies during the training, a line for each seed."""
    figure, (errors, losses, gaps) = slide(1, 3, height=6.4)
    lines(errors, runs, "error", tuple(LINES))
    errors.axhline(m["the mean image's error"], color="black", linewidth=1, label="the mean image")
    errors.set(title="reconstructions", ylabel="squared error of a held-out image", ylim=(0, None))
    lines(losses, runs, "loss", tuple(LINES))
    losses.set(title="the loss", ylabel="mean $F$(data) - mean $F(v_k)$")
    losses.set_ylim(2 * min(run["rows"]["loss"][-1] for run in runs["attached"]), 0)  # from -1000, of noise, at the start
    lines(gaps, runs, "gap", ("persistent", "from_data"))
    gaps.axhline(0, color="black", linewidth=1)
    gaps.set(title="generalisation", ylabel="mean $F$(held-out) - mean $F$(training images)")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def lines(axes: plt.Axes, runs: dict[str, list[dict]], key: str, hows: tuple[str, ...]) -> None:
    """One metric during the training, a line for each seed."""
    for how in hows:
        colour, style, label = LINES[how]
        for i, run in enumerate(runs[how]):
            rows = run["rows"]
            axes.plot(rows["step"], rows[key], style, color=colour, linewidth=1.5, label=None if i else label)
    axes.set_xlabel("step")
