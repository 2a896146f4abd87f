"""The pictures of the demo `boltzmann`: chains from noise and filters; the curves of the training."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from demos.kit.pictures import labelled, sheet, strokes
from demos.kit.style import OTHERS, slide

STYLES = {
    "persistent": (OTHERS[0], "-"),
    "from_data": (OTHERS[1], "--"),
    "detached": (OTHERS[2], "-."),
    "attached": (OTHERS[3], ":"),
}
LABELS = {"persistent": "persistent chains", "from_data": "chains from the data, CD-1"}
LABELS |= {"detached": "probabilities, detached", "attached": "probabilities, without detach"}
SHOWN = 10  # chains of each machine, and filters in a row


def picture_of_samples(run: dict) -> Figure:
    """Chains from noise and filters of hidden units, of two machines and one seed."""
    figure, places = slide(2, 2, height_ratios=(5, 4))
    for axes, how in zip(places[0], ("persistent", "from_data"), strict=True):
        draw_chains(axes, run[how]["chains"])
        axes.set_title(f"trained with {LABELS[how]}")
    for axes, how in zip(places[1], ("persistent", "from_data"), strict=True):
        axes.imshow(sheet(strokes(run[how]["filters"]), SHOWN), cmap="gray", vmin=0, vmax=1)
        axes.set(title="filters of 40 hidden units, columns of $W$ (grey: 0)", xticks=[], yticks=[])
    return figure


def draw_chains(axes: plt.Axes, chains: dict[int, np.ndarray]) -> None:
    """A row for each moment, a column for each chain."""
    labelled(axes, np.concatenate([images[:SHOWN] for images in chains.values()]), SHOWN, [f"{t:,}" for t in chains])
    axes.set_ylabel("Gibbs steps")


def picture_of_training(runs: list[dict], m: dict[str, float]) -> Figure:
    """The errors, the loss and the gap of the free energies during the training, a line for each seed."""
    figure, (errors, losses, gaps) = slide(1, 3, height=6.4)
    lines(errors, runs, "error", tuple(LABELS))
    errors.axhline(m["the mean image's error"], color="black", linewidth=1, label="the mean image")
    errors.set(title="reconstructions", ylabel="squared error of a held-out image", ylim=(0, None))
    lines(losses, runs, "loss", tuple(LABELS))
    losses.set(title="the loss", ylabel="mean $F$(data) - mean $F(v_k)$")
    losses.set_ylim(2 * min(run["attached"]["rows"]["loss"][-1] for run in runs), 0)  # from -1000, of noise, at the start
    lines(gaps, runs, "gap", ("persistent", "from_data"))
    gaps.axhline(0, color="black", linewidth=1)
    gaps.set(title="generalisation", ylabel="mean $F$(held-out) - mean $F$(training images)")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def lines(axes: plt.Axes, runs: list[dict], key: str, hows: tuple[str, ...]) -> None:
    """One metric during the training, a line for each seed."""
    for how in hows:
        colour, style = STYLES[how]
        for i, run in enumerate(runs):
            rows = run[how]["rows"]
            axes.plot(rows["step"], rows[key], style, color=colour, linewidth=1.5, label=LABELS[how] if i == 0 else None)
    axes.set_xlabel("step")
