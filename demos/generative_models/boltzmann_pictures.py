"""The picture of the demo of Boltzmann machines: its curves, its chains from noise, its filters."""

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.pictures import FAKE, REAL, labelled, sheet, strokes

COLOURS = {"persistent": "tab:green", "from_data": "tab:purple", "detached": REAL, "attached": FAKE}
LABELS = {"persistent": "persistent chains", "from_data": "chains from the data, CD-1"}
LABELS |= {"detached": "probabilities, detached", "attached": "probabilities, without detach"}
SHOWN = 10  # chains of each machine, and filters in a row


def picture(runs: list[dict], figures: dict[str, float]) -> plt.Figure:
    """Above: the training. Below: chains from noise, and what the hidden units look for."""
    figure, places = plt.subplots(2, 3, figsize=(15, 7.4), layout="constrained", height_ratios=(4, 3))
    draw_errors(places[0, 0], runs, figures["mean_image_error"])
    draw_losses(places[0, 1], runs)
    draw_gaps(places[0, 2], runs)
    for axes, how, seed in zip(places[1], ("persistent", "from_data"), ("worst", "best"), strict=False):
        draw_chains(axes, runs[0][how]["chains"])
        axes.set_title(f"{LABELS[how]}: {figures[f'{how}_classes']:.0f} of 10 digits ({seed} seed)")
    draw_filters(places[1, 2], runs[0]["persistent"]["rbm"].W.numpy())
    figure.suptitle(
        f"The gradient of two free energies, by autodiff: with persistent chains, noise becomes "
        f"{figures['persistent_classes']:.0f} of the 10 digits, with chains from the data {figures['from_data_classes']:.0f}.\n"
        f"Samples that are probabilities: reconstructions end with an error of {figures['detached_error']:.0f} with detach, of "
        f"{figures['attached_error']:.0f} without; the mean image has {figures['mean_image_error']:.0f}"
    )
    return figure


def lines(axes: plt.Axes, runs: list[dict], key: str, hows: tuple[str, ...]) -> None:
    """One figure over the training, a line for each seed."""
    for how in hows:
        for i, run in enumerate(runs):
            rows = run[how]["rows"]
            axes.plot(rows["step"], rows[key], color=COLOURS[how], linewidth=1, label=LABELS[how] if i == 0 else None)
    axes.set_xlabel("step")


def draw_errors(axes: plt.Axes, runs: list[dict], mean_image: float) -> None:
    """The reconstructions of all machines."""
    lines(axes, runs, "error", tuple(LABELS))
    axes.axhline(mean_image, color="black", linestyle=":", label="the mean image")
    axes.set(title="reconstructions of held-out images", ylabel="squared error", ylim=(0, None))
    axes.legend(fontsize=8)


def draw_losses(axes: plt.Axes, runs: list[dict]) -> None:
    """The loss, with detach and without."""
    lines(axes, runs, "loss", tuple(LABELS))
    axes.set(title="the loss: mean $F(v)$ - mean $F(v_k)$, data against samples", ylabel="free energy")
    axes.set_ylim(2 * min(run["attached"]["rows"]["loss"][-1] for run in runs), 0)  # from -1000, of noise, at the start
    axes.legend(fontsize=8)


def draw_gaps(axes: plt.Axes, runs: list[dict]) -> None:
    """Held-out images against training images."""
    lines(axes, runs, "gap", ("persistent", "from_data"))
    axes.axhline(0, color="black", linestyle=":")
    axes.set(title="mean $F$: held-out minus training images", ylabel="free energy")
    axes.legend(fontsize=8)


def draw_chains(axes: plt.Axes, chains: dict[int, np.ndarray]) -> None:
    """A row for each moment, a column for each chain."""
    labelled(axes, np.concatenate([images[:SHOWN] for images in chains.values()]), SHOWN, [f"{t:,}" for t in chains])
    axes.set_ylabel("Gibbs steps from noise")


def draw_filters(axes: plt.Axes, W: np.ndarray) -> None:
    """The weights of some hidden units, each from its own darkest to its brightest."""
    axes.imshow(sheet(strokes(W[:, : 5 * SHOWN]), SHOWN), cmap="gray", vmin=0, vmax=1)
    axes.set(title="filters, columns of $W$ (grey: 0)", xticks=[], yticks=[])
