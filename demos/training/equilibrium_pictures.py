"""The picture of the demo of the equilibrium: D over the game, over the game with few images, and alone."""

import matplotlib.pyplot as plt

from demos.kit.pictures import FAKE, REAL

OWN, CONTROL = "tab:green", "tab:gray"


def picture(runs: list[dict], figures: dict[str, float]) -> plt.Figure:
    """What D makes of held-out images and of samples; its accuracy; few images; D alone."""
    figure, places = plt.subplots(2, 2, figsize=(13, 7.6), layout="constrained", sharey="row")
    draw_game(places[0, 0], runs)
    draw_few(places[0, 1], runs)
    draw_turns(places[1, 0], runs)
    draw_alone(places[1, 1], runs)
    for axes in places.flat:
        axes.axhline(0.5, color="black", linestyle=":", linewidth=1)
        axes.set_ylim(0 if axes in places[0] else 0.4, 1.02)
        axes.legend(fontsize=8, loc="best")
    figure.suptitle(
        f"D's accuracy on digits comes to rest at {figures['accuracy']:.2f} (least seed), not at 0.50.\n"
        f"G is frozen, and D alone reaches {figures['accuracy_of_D_alone']:.3f}; against a right G, it would stay within "
        f"{figures['control_away_from_half']:.2f} of 0.50"
    )
    return figure


def lines(axes: plt.Axes, tables: list[dict], key: str, colour: str, label: str, style: str = "-") -> None:
    """A line for each seed."""
    for i, rows in enumerate(tables):
        axes.plot(rows["step"], rows[key], style, color=colour, linewidth=1, label=label if i == 0 else None)


def draw_game(axes: plt.Axes, runs: list[dict]) -> None:
    """What D believes."""
    tables = [run["all"]["G"] for run in runs]
    lines(axes, tables, "D_held_out", REAL, "$D(x)$, held-out images")
    lines(axes, tables, "D_fake", FAKE, "$D(G(z))$, new samples")
    axes.set(title="what D believes: no rest at 1/2", ylabel="mean probability", xlabel="iteration")


def draw_few(axes: plt.Axes, runs: list[dict]) -> None:
    """The share of images that D takes for real."""
    tables = [run["few"]["G"] for run in runs]
    lines(axes, tables, "trained", OWN, "training images")
    lines(axes, tables, "held_out", REAL, "held-out images")
    axes.set(
        title="few training images: D trusts these a little more",
        ylabel="share taken for real",
        xlabel="iteration",
    )


def draw_turns(axes: plt.Axes, runs: list[dict]) -> None:
    """D's accuracy after its own steps, and after G's."""
    lines(axes, [run["all"]["D"] for run in runs], "accuracy", OWN, "after D's step")
    lines(axes, [run["all"]["G"] for run in runs], "accuracy", FAKE, "after G's step", "--")
    axes.set(title="the players take turns: D's accuracy after each step", ylabel="D's accuracy, held-out", xlabel="iteration")


def draw_alone(axes: plt.Axes, runs: list[dict]) -> None:
    """D alone, against the G that is left, and against real images."""
    lines(axes, [run["alone"] for run in runs], "accuracy", OWN, "against the samples of the frozen G")
    lines(axes, [run["control"] for run in runs], "accuracy", CONTROL, "against other real images: a right G")
    axes.set(title="G frozen: D goes on alone", xlabel="step of D")
