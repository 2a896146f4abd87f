"""Sentences of the slides that games on the line and on the ring contradict: a pre-trained D, WGAN and mode collapse."""

from collections.abc import Callable, Iterator

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import mixtures
from demos.kit.checkpoints import once, resumable
from demos.kit.claim import Claim
from demos.kit.line import Mixture, network, time_to_half
from demos.kit.pictures import FAKE, REAL
from demos.kit.training import adam
from minigan import Tensor, backend, data, losses, metrics, nn, optim
from minigan.games import GAN, WGAN

Objective = Callable[[Tensor, Tensor], Tensor]  # of D, from its logits of real and fake samples; D ascends it


def correct(v_real: Tensor, v_fake: Tensor) -> Tensor:
    """E log D(x) + E log(1 - D(G(z))), at most 0."""
    return -losses.discriminator_loss(v_real, v_fake)


def literal(v_real: Tensor, v_fake: Tensor) -> Tensor:
    """E log D(x) + E[-log D(G(z))], whose second term has no upper bound."""
    return losses.generator_loss(v_fake) - losses.generator_loss(v_real)


def train_alone(
    D: nn.Module, fake: Callable[[int], Tensor], batches: Iterator, steps: int, lr: float, objective: Objective = correct
) -> list[float]:
    """D ascends the objective against fakes that do not learn, by Adam. The objective at every step."""
    optimizer, values = adam(D, lr), []
    for _ in range(steps):
        x = Tensor(next(batches))
        f = objective(D(x), D(fake(len(x)).detach()))
        optimizer.zero_grad()
        (-f).backward()
        optimizer.step()
        values.append(f.item())
    return values


# --- D is pre-trained ---------------------------------------------------------------------------------------------------

POINTS = Mixture((1.0,), (3.0,), (0.5,))  # the data; G starts near 0


def pretrained(claim: Claim, s, seeds: range) -> dict[str, np.ndarray]:
    """Slide: "D(x; θ_d) is a pre-trained discriminator"; "We train G to minimize log(1 - D(G(z)))" (Generative Adversarial
    Networks). Against such a D, this is the loss that hardly moves G.
    """
    starts = {"D starts fresh": 0, "D is pre-trained": s.pretraining}
    found = {
        name: np.array([once(f"{name}, seed {seed}", distances, s, seed, steps) for seed in seeds])
        for name, steps in starts.items()
    }
    halved = {name: [time_to_half(row, s.every) for row in rows] for name, rows in found.items()}
    for name, times in halved.items():
        claim.note(f"half_way_when_{name.replace(' ', '_')}", np.mean(times), "reported: iterations, mean over the seeds")
    slower = min(np.divide(halved["D is pre-trained"], halved["D starts fresh"]))
    claim.note("pretrained_D_slows_G_down", slower, "at least 3 times (worst seed)", slower >= 3)
    return found


def distances(s, seed: int, pretraining: int) -> list[float]:
    """The game with the saturating loss and momentum, after D's training alone: W1 of G's samples, every few iterations."""
    mg.seed(seed)
    G, D, x = network(s.line_width, nn.ReLU), network(s.line_width, nn.LeakyReLU), POINTS.draw(20_000, backend.spawn())
    batches, prior, found = data.batches(x, size=s.line_batch), data.noise(1), []
    train_alone(D, lambda m: G(Tensor(prior(m))), batches, pretraining, s.line_lr)
    game = GAN(G, D, prior, *(optim.SGD(player.parameters(), s.momentum_lr, 0.9) for player in (G, D)), saturating=True)
    for t in range(s.line_steps + 1):
        if t % s.every == 0:
            found.append(metrics.wasserstein1(x[:5000, 0], game.sample(5000)[:, 0]))
        game.step(batches)
    return found


def draw_pretrained(axes: plt.Axes, found: dict, figures: dict[str, float], s) -> None:
    """G's distance from the data over the game, with either D."""
    for (name, rows), colour in zip(found.items(), (REAL, FAKE), strict=True):
        times = figures[f"half_way_when_{name.replace(' ', '_')}"]
        axes.plot(np.arange(len(rows[0])) * s.every, rows.T, color=colour)
        axes.plot([], color=colour, label=f"{name}: half way after {times:.0f}")
    slower = figures["pretrained_D_slows_G_down"]
    title = (
        f"“D is a pre-trained discriminator”: G, minimizing log(1 - D(G(z))),\nis half way {slower:.1f} times as late, or later"
    )
    axes.set(xlabel="iteration", ylabel="$W_1(p_{data}, p_g)$", ylim=(0, 14), title=title)
    axes.legend(loc="upper left")


# --- WGAN gets rid of mode collapse -------------------------------------------------------------------------------------

CRITICS = {  # n_critic, G's rate, the critic's, c
    "the paper's settings": (5, 5e-5, 5e-5, 0.01),
    "a critic that lags": (1, 1e-3, 3e-4, 0.1),
}
COLLAPSED = 0.5  # nats; log 8 = 2.08 is a single mode of the eight


def collapse(claim: Claim, s, seeds: range) -> dict[str, list]:
    """Slide: "Get rid of mode collapse" (IT3320E, lecture 10). WGAN does so as long as its critic keeps up with G."""
    found: dict[str, list] = {}
    for name, critic in CRITICS.items():
        found[name] = [once(f"{name}, seed {seed}", ring_game, s, seed, *critic) for seed in seeds]
        kl, good = (np.array([[q[key] for q in run] for run in found[name]]) for key in ("kl", "high_quality"))
        late = kl[:, -3:].mean(axis=1)  # of three moments: G is on its way
        key = name.replace("'", "").replace(" ", "_")
        if name == "a critic that lags":
            claim.note(f"WGAN_kl_{key}", late.min(), f"at least {COLLAPSED} (evenest seed): collapsed", late.min() >= COLLAPSED)
        else:
            claim.note(f"WGAN_kl_{key}", late.max(), "at most 0.1 (worst seed): no collapse", late.max() <= 0.1)
            modes = min(run[-1]["modes_1pct"] for run in found[name])
            claim.note("WGAN_modes", modes, "8 of 8 (worst seed; not with --quick)", whole(modes, claim))
        claim.note(f"WGAN_within_3_std_{key}", good[:, -1].mean(), f"reported: of the data, {metrics.perfect_high_quality:.3f}")
    return found


def whole(modes: int, claim: Claim) -> bool | None:
    """Are these all the modes? No verdict after so few iterations as --quick has."""
    return None if claim.args.quick else modes == len(mixtures.RING.centres)


def ring_game(s, seed: int, n_critic: int, lr_G: float, lr_critic: float, clip: float) -> list[dict]:
    """WGAN with RMSProp on the ring: at six moments the coverage of the modes; the last is of the end, and has the samples."""
    mg.seed(seed)
    G, critic = mixtures.generator(s.ring_width), mixtures.discriminator(s.ring_width)
    rules = optim.RMSProp(G.parameters(), lr_G), optim.RMSProp(critic.parameters(), lr_critic)
    game, found = WGAN(G, critic, data.noise(2), *rules, n_critic=n_critic, clip=clip), []
    batches = mixtures.RING.batches(64)  # the paper's m
    name = f"WGAN on the ring, n_critic = {n_critic}"
    for t in resumable(range(1, s.ring_steps + 1), name, game=game, batches=batches, found=found):
        game.step(batches)
        if t % (s.ring_steps // 6) == 0:
            samples = game.sample(2500)
            found.append(mixtures.RING.coverage(samples) | {"samples": samples})
    return found


def draw_collapse(axes: plt.Axes, found: dict[str, list], figures: dict[str, float]) -> None:
    """The samples of the first seed at the end, side by side over the modes."""
    for name, shift in zip(found, (-3.2, 3.2), strict=True):
        for centre in mixtures.RING.centres:
            axes.add_patch(
                plt.Circle((centre[0] + shift, centre[1]), 3 * mixtures.RING.std, color=REAL, alpha=0.3, linewidth=0)
            )
        samples = found[name][0][-1]["samples"]
        kl = np.mean([run[-1]["kl"] for run in found[name]])
        samples = samples[np.abs(samples).max(axis=1) < 3.1] + (shift, 0)  # the two stay apart
        axes.scatter(*samples.T, s=2, color="black", linewidths=0)
        axes.text(shift, -4.6, f"{name}:\nKL to uniform {kl:.2f} (mean)", ha="center", va="center")
    axes.set(aspect="equal", xlim=(-6.4, 6.4), ylim=(-5.4, 3.6), xticks=[], yticks=[])
    lagging, paper = figures["WGAN_kl_a_critic_that_lags"], figures["WGAN_within_3_std_the_papers_settings"]
    axes.set_title(
        f"“Get rid of mode collapse”: not where the critic lags (KL {lagging:.1f});\n"
        f"with the paper's settings, yes, but {paper:.0%} lie within 3 std"
    )
