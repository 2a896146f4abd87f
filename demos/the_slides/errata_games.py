"""Sentences of the slides that games on the line and on the ring contradict: a pre-trained D, WGAN and mode collapse."""

from collections.abc import Callable, Iterator

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import mixtures
from demos.kit.claim import Claim
from demos.kit.line import Mixture, network, time_to_half
from demos.kit.loops import run_cases
from demos.kit.rounding import percent
from demos.kit.style import OTHERS, REAL, slide
from demos.kit.training import adam, descend, train
from minigan import Tensor, data, losses, metrics, nn, optim
from minigan.backend import random_numbers
from minigan.games import GAN, WGANGP

POINTS = Mixture((1.0,), (3.0,), (0.5,))  # the data on the line; G starts near 0
CRITICS = {"keeps up": (5, 1.0), "lags": (1, 0.1)}  # n_critic, and the critic's rate, in units of G's
PRETRAINED = (
    "“D is a pre-trained discriminator”: G, minimizing log(1 - D(G(z))),\ncomes half way {pretrained_D_slows_G_down|>} times "
    "as late, or later (worst seed)"
)
COLLAPSE = (
    "“Get rid of mode collapse”: a WGAN whose critic keeps up does not collapse ({WGAN_modes_keeps_up|.0f} of 8 modes, "
    "{WGAN_within_3_std_keeps_up|>%} of the samples within 3 std or more);\none whose critic lags collapses (KL to uniform "
    "{WGAN_kl_lags|.1f})"
)
Objective = Callable[[Tensor, Tensor], Tensor]  # of D, from its logits of real and fake samples; D ascends it


def correct(v_real: Tensor, v_fake: Tensor) -> Tensor:
    """E log D(x) + E log(1 - D(G(z))), at most 0."""
    return -losses.discriminator_loss(v_real, v_fake)


def literal(v_real: Tensor, v_fake: Tensor) -> Tensor:
    """E log D(x) + E[-log D(G(z))]: the second term has no upper bound."""
    return losses.generator_loss(v_fake) - losses.generator_loss(v_real)


def train_alone(
    D: nn.Module, fake: Callable[[int], Tensor], batches: Iterator, steps: int, lr: float, objective: Objective = correct
) -> list[float]:
    """D ascends the objective with Adam, against fakes that do not learn. Returns the objective at every step."""
    optimizer, values = adam(D, lr), []
    for _ in range(steps):
        x = Tensor(next(batches))
        f = objective(D(x), D(fake(len(x)).detach()))
        descend(optimizer, -f)
        values.append(f.item())
    return values


def pretrained(claim: Claim, s, seeds: range) -> None:
    """Slide: "D(x; θ_d) is a pre-trained discriminator"; "We train G to minimize log(1 - D(G(z)))" (Generative Adversarial
    Networks). Against such a D, this loss hardly moves G.
    """
    starts = {"D starts fresh": (0,), "D is pre-trained": (s.pretraining,)}
    found = {name: np.array(rows) for name, rows in run_cases(distances, starts, seeds, s, steps=0).items()}
    halved = {name: [time_to_half(row, s.every) for row in rows] for name, rows in found.items()}
    for name, times in halved.items():
        claim.note(f"half_way_when_{name.replace(' ', '_')}", np.mean(times), "reported: iterations, mean over the seeds")
    slower = min(np.divide(halved["D is pre-trained"], halved["D starts fresh"]))
    claim.at_least("pretrained_D_slows_G_down", slower, 3)  # the worst seed
    claim.show(draw_pretrained(found, s), "errata_pretrained", claim.words(PRETRAINED))


def distances(seed: int, pretraining: int, s) -> list[float]:
    """The game with the saturating loss and momentum, after D's training alone: W1 of G's samples, every few iterations."""
    mg.seed(seed)
    G, D, x = network(s.line_width, nn.ReLU), network(s.line_width, nn.LeakyReLU), POINTS.draw(20_000, random_numbers.spawn())
    batches, prior, found = data.batches(x, size=s.line_batch), data.noise(1), []
    train_alone(D, lambda m: G(Tensor(prior(m))), batches, pretraining, s.line_lr)
    game = GAN(G, D, prior, *(optim.SGD(player.parameters(), s.momentum_lr, 0.9) for player in (G, D)), saturating=True)
    for t in range(s.line_steps + 1):
        if t % s.every == 0:
            found.append(metrics.wasserstein1(x[:5000, 0], game.sample(5000)[:, 0]))
        game.step(batches)
    return found


def draw_pretrained(found: dict, s) -> plt.Figure:
    """G's distance from the data over the game, with either D; a line for each seed."""
    figure, axes = slide(height=6.6)
    for (name, rows), colour, line in zip(found.items(), OTHERS, ("-", "--"), strict=False):
        axes.plot(np.arange(len(rows[0])) * s.every, rows.T, color=colour, linestyle=line)
        axes.plot([], color=colour, linestyle=line, label=name)
    axes.set(xlabel="iteration", ylabel="Wasserstein distance from G's samples to the data", ylim=(0, None))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def collapse(claim: Claim, s, seeds: range) -> None:
    """Slide: "Get rid of mode collapse" (IT3320E, lecture 10). WGAN does so as long as its critic keeps up with G."""
    found = run_cases(ring_game, CRITICS, seeds, s, steps=s.ring_steps, what="a critic that ")
    keeps_up, lags = found["keeps up"], found["lags"]

    def kl(run: list[dict]) -> float:  # of three moments: G may be on its way from one mode to another
        return np.mean([look["kl"] for look in run[-3:]])

    claim.at_most("WGAN_kl_keeps_up", max(map(kl, keeps_up)), 0.1)  # the worst seed
    claim.at_least("WGAN_modes_keeps_up", min(run[-1]["modes_1pct"] for run in keeps_up), len(mixtures.RING.centres))
    claim.at_least("WGAN_within_3_std_keeps_up", min(run[-1]["high_quality"] for run in keeps_up), 0.5)  # G has learnt
    claim.at_least("WGAN_kl_lags", min(map(kl, lags)), 0.5)  # nats, the evenest seed; log 8 = 2.08 is a single mode
    claim.note("WGAN_modes_lags", max(run[-1]["modes_1pct"] for run in lags), "reported: of 8 (best seed)")
    claim.note("WGAN_within_3_std_lags", np.mean([run[-1]["high_quality"] for run in lags]), "reported: mean over the seeds")
    claim.show(draw_collapse(found), "errata_collapse", claim.words(COLLAPSE))


def ring_game(seed: int, n_critic: int, critic_rate: float, s) -> list[dict]:
    """WGAN on the ring: at six moments, the last at the end, the coverage of the modes and the samples."""
    mg.seed(seed)
    G, critic = mixtures.generator(s.ring_width), mixtures.discriminator(s.ring_width)
    rates = ((G, s.ring_lr), (critic, critic_rate * s.ring_lr))
    rules = [optim.Adam(player.parameters(), lr, (0.5, 0.9)) for player, lr in rates]
    game = WGANGP(G, critic, data.noise(2), *rules, n_critic=n_critic, penalty=s.ring_penalty)
    found = []

    def look(game: WGANGP) -> None:
        samples = game.sample(s.ring_samples)
        found.append(mixtures.RING.coverage(samples) | {"samples": samples})

    train(game, mixtures.RING.batches(s.ring_batch), s.ring_steps, "game", s.ring_steps // 6, look, found=found)
    return found


def draw_collapse(found: dict[str, list]) -> plt.Figure:
    """The samples of the first seed at the end, over the modes."""
    figure, places = slide(1, 2)
    figure.get_layout_engine().set(h_pad=0.15)  # inches
    for axes, (name, runs) in zip(places, found.items(), strict=True):
        samples = runs[0][-1]["samples"]
        off = (np.abs(samples).max(axis=1) > 2.8).mean()
        outside = f"; {percent(off)} outside the frame" if off > 0.005 else ""
        mixtures.RING.show(axes, samples, f"a critic that {name}{outside}")
        axes.set(xticks=range(-2, 3), yticks=range(-2, 3), xlabel="$x_1$", ylabel="$x_2$")
    dot = {"linestyle": "", "marker": "o"}
    handles = [
        plt.Line2D([], [], **dot, markersize=12, alpha=0.3, color=REAL, label="data: within 3 std of a mode"),
        plt.Line2D([], [], **dot, markersize=4, color="black", label="samples of G, first seed"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
