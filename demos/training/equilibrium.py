"""Does D's accuracy reach one half? A long game on digits; then D goes on alone against a frozen G.

Slide: "We will probably never reach the equilibrium where $G$ exactly produces $P_{\\text{data}}(\\mathbf{x})$ and $D$'s
accuracy is 0.5. What kind of 'training curve' for $D$, $G$ should we expect?" (CS/DS 541, class 19); "Generators are 'as good'
as the true data samples - At least in the eyes of the discriminators"; "Is the generator the problem?" (Generative Adversarial
Networks)

On the ring of the demo gan, D's accuracy comes near 0.5. On digits, three things may keep it above:
(1) The players take turns: D is better right after its own step than after G's. This shrinks with the learning rates.
(2) Finite data: if training images are few, D takes them for real more often than held-out ones.
(3) G is wrong, and D has not found out. To test this, G is frozen and D goes on alone: can it still learn to tell every image
from every sample? As a control, a perfect "G": a new D learns to tell images from other images, by as many steps.

What to look for: the level at which the curves of the game end, and those of D alone, on held-out images and new samples. In
the eyes of D, G's samples are as good as the data if it is right about half of both; the generator is the problem if D alone
learns to tell them, and cannot tell the control's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.style import D_COLOUR, FAKE, G_COLOUR, OTHERS, REAL, slide
from demos.kit.training import adam, adams, descend
from minigan import Tensor, data, losses, nn, no_grad, optim, sigmoid
from minigan.backend import random_numbers
from minigan.games import GAN
from minigan.optim import Optimizer


@dataclass
class Settings:
    steps: int = 4000  # iterations of the game; the learning rates fall linearly to 0
    few_steps: int = 2500  # of the game with few images
    few: int = 1000  # images
    alone: int = 300  # steps of D at last, G frozen
    z: int = 64
    width: int = 256  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 5e-4
    images: int = 1000  # of each kind, at every measurement
    looks: int = 40
    seeds: int = 3


QUICK = {"steps": 240, "few_steps": 240, "few": 100, "alone": 100, "width": 64, "images": 300, "looks": 20, "seeds": 1}
VERDICT = "True, but not of all quotations: D's accuracy stays above one half, so D does not find G as good as the data."
TITLE = (
    "On digits, D's accuracy comes to rest at {accuracy at rest, least seed|>} or more, not at 0.5; with G frozen, D alone "
    "reaches {accuracy of D alone, G frozen|>3}; with real images in G's place, it stays within "
    "{a right G: D's accuracy away from 0.5|<} of 0.5"
)
FINDING = (
    "On digits, D's accuracy ends at {accuracy at rest, least seed|>} or more, not at 0.5: in the eyes of D, G's samples are "
    "not as good as the data. Here, the generator is the problem: with G frozen, D alone reaches "
    "{accuracy of D alone, G frozen|>3}; with real images in G's place, it stays within "
    "{a right G: D's accuracy away from 0.5|<} of 0.5 (worst of 3 seeds)."
)


class Watched(GAN):
    """The game, which calls `look("D")` after D's step, and `look("G")` after G's, where there is a `look`."""

    look: Callable[[str], None] | None = None

    def descend(self, optimizer: Optimizer, loss: Tensor) -> None:
        super().descend(optimizer, loss)
        if self.look:
            self.look("D" if optimizer is self.opt_D else "G")


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    x, _, (others, _) = digits.load(claim.args)
    x, others = 2 * x - 1, 2 * others - 1  # as tanh
    runs = over_seeds(claim, experiments, s, x, others, steps=s.steps + s.few_steps + 2 * (s.alone + 1))
    measure(claim, runs)
    claim.show(picture(runs), "equilibrium", claim.words(TITLE))


# --- the experiments ----------------------------------------------------------------------------------------------------


def experiments(seed: int, settings: Settings, x: np.ndarray, others: np.ndarray) -> dict[str, dict]:
    """Games on all images and on few; then D alone against the first game's G; as a control, a new D against images."""
    _, few = play(x[: settings.few], others, settings.few_steps, settings, seed)
    game, on_all = play(x, others, settings.steps, settings, seed)
    alone = go_on(game.D, x, lambda n: game.sample(n, z=game.prior(n)), others, settings, game=game)
    D, half, rng = digits.dense_players(settings.z, settings.width)[1], len(x) // 2, random_numbers.spawn()
    control = go_on(D, x[:half], lambda n: rng.choice(x[half:], n), others, settings, rng=rng)
    return {"few": few, "all": on_all, "alone": alone, "control": control}


def play(x: np.ndarray, others: np.ndarray, steps: int, settings: Settings, seed: int) -> tuple[GAN, dict]:
    """A game on images x, and what was measured after D's steps and after G's."""
    mg.seed(seed)
    G, D = digits.dense_players(settings.z, settings.width)
    rules = adams(G, D, settings.lr, settings.lr)
    game, batches = Watched(G, D, data.noise(settings.z), *rules), data.batches(x, size=settings.batch)
    decay, z = optim.LinearDecay(rules, steps), data.noise(settings.z)
    seen = {"D": [], "G": []}
    changing = {"game": game, "batches": batches, "decay": decay, "z": z, "seen": seen}
    for t in resumable(range(1, steps + 1), f"{len(x):,} images", **changing):
        if t % (steps // settings.looks) == 0:
            noise = z(settings.images)  # the same for both players

            def look(player, noise=noise, t=t):
                found = judged(D, x[: settings.images], others[: settings.images], game.sample(len(noise), z=noise))
                seen[player].append({"step": t, **found})

            game.look = look
        game.step(batches)
        game.look = None
        decay.step()
    return game, {player: columns(rows) for player, rows in seen.items()}


def judged(D: nn.Module, trained: np.ndarray, others: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """The share of each kind that D takes for real, and D's mean output; D's accuracy on unseen data."""
    with no_grad():
        v = {"trained": D(Tensor(trained)), "held_out": D(Tensor(others)), "fake": D(Tensor(fake))}
        found = {name: mg.mean(logits > 0.0).item() for name, logits in v.items()}
        found |= {f"D_{name}": mg.mean(sigmoid(logits)).item() for name, logits in v.items()}
    return {**found, "accuracy": (found["held_out"] + 1 - found["fake"]) / 2}


def go_on(
    D: nn.Module, x: np.ndarray, fakes: Callable[[int], np.ndarray], others: np.ndarray, settings: Settings, **changing: Any
) -> dict[str, np.ndarray]:
    """Train D alone, against fakes that do not learn; return the measurements along the way.

    `changing`: the state that `fakes` changes by drawing.
    """
    optimizer, batches, rows = adam(D, settings.lr), data.batches(x, size=settings.batch), []
    changing |= {"D": D, "optimizer": optimizer, "batches": batches, "rows": rows}
    for t in resumable(range(settings.alone + 1), "D alone", **changing):
        if t % max(1, settings.alone // 30) == 0:
            n = settings.images
            rows.append({"step": t, **judged(D, x[:n], others[:n], fakes(n))})
        real, fake = next(batches), fakes(settings.batch)
        loss = losses.discriminator_loss(D(Tensor(real)), D(Tensor(fake)))
        descend(optimizer, loss)
    return columns(rows)


def columns(rows: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Rows as arrays by name."""
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


# --- the metrics --------------------------------------------------------------------------------------------------------


def late(values: np.ndarray) -> float:
    """The mean over the last quarter."""
    return float(values[-max(1, len(values) // 4) :].mean())


def measure(claim: Claim, runs: list[dict]) -> None:
    """How far D's accuracy is from 0.5, and why. Numbers are the worst seed's unless marked otherwise."""
    accuracy = [late(run["all"]["G"]["accuracy"]) for run in runs]
    claim.at_least("accuracy at rest, least seed", min(accuracy), 0.6)  # clearly above 0.5
    claim.note("accuracy at rest, most", max(accuracy), "reported (the most of the seeds)")
    for name in ("D_held_out", "D_fake"):
        claim.note(name, np.mean([late(run["all"]["G"][name]) for run in runs]), "reported: 0.5 at the equilibrium (mean)")
    turns = [run["all"]["D"]["accuracy"] - run["all"]["G"]["accuracy"] for run in runs]
    first = min(turn[: len(turn) // 4].mean() for turn in turns)
    claim.note("gained by D's own step", first, "above 0, in the first quarter", first > 0, quick=True)
    claim.note("gained at the end", np.mean([late(turn) for turn in turns]), "reported: less, the rates being lower (mean)")
    gap = {name: [late(run[name]["G"]["trained"] - run[name]["G"]["held_out"]) for run in runs] for name in ("few", "all")}
    claim.note("few images: trained on, accepted more often by", min(gap["few"]), "above 0", min(gap["few"]) > 0)
    claim.note("all images: the same", np.mean(gap["all"]), "reported: nearer to 0 (mean)")
    claim.at_least("accuracy of D alone, G frozen", min(run["alone"]["accuracy"][-1] for run in runs), 0.99)
    away = max(abs(late(run["control"]["accuracy"]) - 0.5) for run in runs)
    claim.at_most("a right G: D's accuracy away from 0.5", away, 0.05)


def picture(runs: list[dict]) -> Figure:
    """D's output on held-out images and on samples; few images; D's accuracy; D alone."""
    figure, places = slide(2, 2, sharey="row")
    (outputs, few), (turns, alone) = places
    after_G = [run["all"]["G"] for run in runs]
    lines(outputs, after_G, "D_held_out", REAL)
    lines(outputs, after_G, "D_fake", FAKE, style="--")
    outputs.set(title="$D(x)$, held-out (solid); $D(G(z))$, new (dashed)")  # no corner is free of curves
    outputs.set(ylabel="mean probability,\nshare (right)", xlabel="iteration")

    few_images = [run["few"]["G"] for run in runs]
    lines(few, few_images, "trained", OTHERS[0], "training images")
    lines(few, few_images, "held_out", REAL, "held-out images", "--")
    few.set(title="few training images: the share that D takes for real", xlabel="iteration")
    few.legend(loc="lower right")

    lines(turns, [run["all"]["D"] for run in runs], "accuracy", D_COLOUR, "after D's step")
    lines(turns, after_G, "accuracy", G_COLOUR, "after G's step", "--")
    turns.set(title="the players take turns", ylabel="D's accuracy,\nheld-out images", xlabel="iteration")
    turns.legend(loc="lower right")

    lines(alone, [run["alone"] for run in runs], "accuracy", D_COLOUR, "against samples of the frozen G")
    lines(alone, [run["control"] for run in runs], "accuracy", OTHERS[3], "against other real images", "--")
    alone.set(title="G frozen: D goes on alone", xlabel="step of D")
    alone.legend(loc="center right")
    for axes in places.flat:
        axes.axhline(0.5, color=OTHERS[2], linestyle=":", linewidth=1)
        axes.set_ylim(0 if axes in places[0] else 0.4, 1.02)
    return figure


def lines(axes: Axes, tables: list[dict], key: str, colour: str, label: str | None = None, style: str = "-") -> None:
    """A line for each seed."""
    for i, rows in enumerate(tables):
        axes.plot(rows["step"], rows[key], style, color=colour, linewidth=1.5, label=None if i else label)
