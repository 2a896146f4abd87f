"""The picture of the demo of a generator's z: walks, shares, ways between two z, ways between real images."""

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.digits import draw
from demos.kit.pictures import FAKE, REAL, labelled

WALK = np.linspace(-4, 4, 9)  # how far along a direction
PAIRS = 4  # of real images


def picture(runs: list[dict], figures: dict[str, float]) -> plt.Figure:
    """Above: what directions of z do. Below: what lies between two z, and between two real images."""
    figure, places = plt.subplots(2, 2, figsize=(13, 10), layout="constrained", width_ratios=(3, 4), height_ratios=(6, 7))
    draw_shares(places[0, 0], runs)
    draw_walks(places[0, 1], runs[0])
    draw_lengths(places[1, 0], runs[0])
    draw_real(places[1, 1], runs[0])
    figure.suptitle(
        f"10 singular vectors of dG/dz make {figures['singular_share']:.0%} of a small change, the 10 strongest dimensions "
        f"{figures['axes_share']:.0%}.\nHalf-way between two real images, the judge is sure of {figures['through_z_sure']:.0%} "
        f"by way of z, of {figures['through_pixels_sure']:.0%} by way of pixels"
    )
    return figure


def draw_shares(axes: plt.Axes, runs: list[dict]) -> None:
    """The shares of all change, summed up."""
    for key, colour, label in (("singular", FAKE, "singular vectors of $dG/dz$"), ("axes", REAL, "single dimensions of $z$")):
        for i, run in enumerate(runs):
            total = np.append(0, np.cumsum(run[key].mean(axis=0)))
            axes.plot(total, color=colour, label=label if i == 0 else None)
    d = len(total) - 1
    axes.plot([0, d], [0, 1], color="black", linestyle=":", label="all alike")
    axes.set(xlabel="number of directions, the strongest first", ylabel="share of the squared change of the image")
    axes.set_title("the change of $G(z)$ for a small step of $z$")
    axes.legend()


def draw_walks(axes: plt.Axes, run: dict) -> None:
    """Along three dimensions, the first three singular vectors, and the last, from the same z in the middle."""
    z, V = run["z"][0], run["V"][0]
    found = {f"$z_{{{i + 1}}}$": np.eye(len(z))[i] for i in range(3)}
    found |= {f"$v_{{{i + 1}}}$": V[i] for i in (0, 1, 2, len(z) - 1)}
    images = [draw(run["G"], z + WALK[:, None] * direction) for direction in found.values()]
    labelled(axes, np.concatenate(images), len(WALK), list(found))
    axes.set_xticks([15 + 30 * i for i in (0, len(WALK) // 2, len(WALK) - 1)], [f"{WALK[0]:g}", "z", f"+{WALK[-1]:g}"])
    axes.set_title("walks along single dimensions, and along singular vectors")


def draw_lengths(axes: plt.Axes, run: dict) -> None:
    """|z| on the ways between two z."""
    t = np.linspace(0, 1, run["lerp"].shape[1])
    axes.plot(t, run["lerp"][:30].T, color=FAKE, linewidth=0.5)
    axes.plot(t, run["slerp"][:30].T, color=REAL, linewidth=2)
    axes.axhline(np.sqrt(0.5), color="black", linestyle=":")
    axes.legend(
        [plt.Line2D([], [], color=FAKE), plt.Line2D([], [], color=REAL), plt.Line2D([], [], color="black", linestyle=":")],
        ["on a straight line (lerp)", "on the great circle (slerp)", "$1 / \\sqrt{2}$"],
    )
    axes.set(xlabel="way from one z to another", ylabel="$|z|$, as a multiple of that at the ends", ylim=(0, 1.1))
    axes.set_title("between two z")


def draw_real(axes: plt.Axes, run: dict) -> None:
    """The real image, the way, the other real image: through z, and below it through pixels."""
    rows = []
    for i in range(min(PAIRS, len(run["through_z"]))):
        ends = run["real"][2 * i : 2 * i + 2]
        rows += [np.concatenate([ends[:1], run[key][i], ends[1:]]) for key in ("through_z", "through_pixels")]
    labelled(axes, np.concatenate(rows), len(rows[0]), ["by z", "by pixels"] * (len(rows) // 2))
    axes.set_xticks(
        [15, 45, 15 + 30 * (len(rows[0]) - 2), 15 + 30 * (len(rows[0]) - 1)], ["$x$", "$G(z^*)$", "$G(z^*)$", "$x$"]
    )
    axes.set_title("between two real, held-out images")
