"""Mode collapse: G's samples are realistic, but come from a subset of the data's modes, and stay there; some changes help.

Slide: "Mode collapse — G generates realistic data but only for a *subset* of the domain of $P_{\\text{data}}(\\mathbf{x})$"
(CS/DS 541, class 19); "Get rid of mode collapse" (of the WGAN; IT3320E, lecture 10)

The data are three Gaussians in the plane, far from each other. D takes five steps for each of G's, at twice G's rate. A likely
reason for the collapse, which is not measured here: D soon learns that everything between the modes is fake, so a sample cannot
move from one mode to another. Five changes, one at a time: one D step; the WGAN-GP's loss, with five steps; a D that is flat at
the data (R1); a D that sees pairs of samples (PacGAN), or the minibatch's standard deviation as one more feature.

What to look for: one mode has no samples at the end, though the others look right. For each change, the share of the samples
on the rarest mode, a dot for each seed: a third is even, 0 is a lost mode.
"""

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.mixtures import Mixture, discriminator, generator
from demos.kit.rounding import percent
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import train
from demos.training.verdicts import by_verdict
from minigan import Tensor, data, nn, optim
from minigan.games import GAN, WGANGP
from minigan.games.game import Game


@dataclass
class Settings:
    iterations: int = 600  # the learning rates fall linearly to 0
    seeds: int = 6
    width: int = 128  # of the two hidden layers of each network
    batch: int = 128
    lr: float = 1e-3  # G's
    lr_discriminator: float = 2e-3
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's
    samples: int = 2500  # that are measured


QUICK = replace(Settings(), iterations=60, seeds=1, width=64, batch=64, samples=1000)
VERDICT = "True, but at a price: WGAN-GP finds all modes that the GAN misses, yet fewer of its samples lie near a mode."
SUBSET = (
    "With 5 D steps, G misses a mode in {collapse, seeds that miss a mode|.0f} of {seeds|.0f} seeds "
    "({collapse, modes, mean|.1f} of 3 found on average), while {collapse, share within 3 std, mean|%} of its samples are "
    "realistic: within 3 std of a mode"
)
FINDING = (
    "With 5 D steps, G misses a mode in {collapse, seeds that miss a mode|.0f} of {seeds|.0f} seeds; "
    "{collapse, share within 3 std, mean|%} of its samples lie within 3 std of a mode. With WGAN-GP, G finds all modes in "
    "{WGAN-GP, 5 critic steps: seeds with all modes|.0f}, but only {WGAN-GP, 5 critic steps: share within 3 std|%} lie there."
)

DATA = Mixture(lambda n: data.ring(n, modes=3, std=0.1), data.ring_centres(modes=3), 0.1)
MODES = len(DATA.centres)
MOMENTS = 4  # at which the samples are measured
COLLAPSE = "5 D steps"
CHANGES = {  # of the setting that collapses: one each
    COLLAPSE: {},
    "1 D step": {"k": 1},
    "WGAN-GP, 5 critic steps": {"penalty": 0.1},
    "R1 = 1": {"r1": 1.0},
    "pairs (PacGAN)": {"D": "pairs"},
    "minibatch std": {"D": "std"},
}
EFFECT = "{}: change of the rarest mode's share"  # of each change
CURES = ("WGAN-GP, 5 critic steps", "R1 = 1")  # these must help; the others' effect is only reported


@demo(Settings(), QUICK, record={"changes": CHANGES})
def main(claim: Claim, s: Settings) -> None:
    """Every change, on the same seeds; the pictures of samples are of the first one."""
    runs = over_kinds(claim, play, CHANGES, s.seeds, s, steps=len(CHANGES) * s.seeds * s.iterations)
    measure(claim, runs)
    shown = {change: runs[change][0][-1] for change in (COLLAPSE, *CURES, "pairs (PacGAN)")}
    claim.show(draw_samples(shown), "collapse", claim.words(SUBSET))
    moments = runs[COLLAPSE][0]
    over_time = {f"iteration {s.iterations * (i + 1) // MOMENTS}": samples for i, samples in enumerate(moments)}
    claim.show(draw_samples(over_time), "collapse_over_time", title_of_moments(moments, claim.args.seed))
    claim.show(draw_changes(runs), "collapse_changes", title_of_changes(claim.metrics))


# --- the game -----------------------------------------------------------------------------------------------------------


class MinibatchStd(nn.Module):
    """Adds one feature, equal for all samples: the mean of the minibatch's standard deviations (Karras et al. 2018)."""

    def forward(self, h: Tensor) -> Tensor:
        std = mg.sqrt(mg.var(h, axis=0) + 1e-8).mean()
        return mg.concatenate([h, mg.broadcast_to(std.reshape(1, 1), (len(h), 1))], axis=1)


class Pairs(nn.Module):
    """Two samples side by side as one input: D judges pairs (Lin et al. 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x) // 2, 2 * x.shape[1])


def make_game(s: Settings, D: str = "", k: int = 5, r1: float = 0.0, penalty: float = 0.0) -> Game:
    """The game that collapses, with at most one change."""
    G = generator(s.width)  # first, so that its weights depend on the seed alone, not on D
    if D == "std":
        D = nn.Sequential(MinibatchStd(), discriminator(s.width, features=3))
    elif D == "pairs":
        D = nn.Sequential(Pairs(), discriminator(s.width, features=4))
    else:
        D = discriminator(s.width)
    opt_G = optim.Adam(G.parameters(), s.lr, s.betas)
    opt_D = optim.Adam(D.parameters(), s.lr_discriminator, s.betas)
    players = G, D, data.noise(2), opt_G, opt_D
    return WGANGP(*players, n_critic=k, penalty=penalty) if penalty else GAN(*players, k=k, r1=r1)


def play(change: str, seed: int, s: Settings) -> list[np.ndarray]:
    """G's samples at evenly spaced moments, the last at the end."""
    mg.seed(seed)
    game, batches, moments = make_game(s, **CHANGES[change]), DATA.batches(s.batch), []

    def look(game: Game) -> None:
        moments.append(game.sample(s.samples))

    train(game, batches, s.iterations, "game", s.iterations // MOMENTS, look, moments=moments)
    return moments


# --- the metrics --------------------------------------------------------------------------------------------------------


def shares(samples: np.ndarray) -> np.ndarray:
    """The share of all samples within 3 std of each mode."""
    distances = np.linalg.norm(samples[:, None] - DATA.centres, axis=2)
    return np.mean(distances <= 3 * DATA.std, axis=0)


def modes(samples: np.ndarray) -> int:
    """How many modes have at least 1 % of the samples."""
    return int(np.sum(shares(samples) >= 0.01))


def measure(claim: Claim, runs: dict[str, list[list[np.ndarray]]]) -> None:
    """The collapse: few modes, but realistic samples. Then the effect of each change on the rarest mode's share."""
    at_end = {change: [shares(moments[-1]) for moments in of_change] for change, of_change in runs.items()}
    collapsed, n = at_end[COLLAPSE], len(runs[COLLAPSE])
    found = [modes(moments[-1]) for moments in runs[COLLAPSE]]
    realistic = [share.sum() for share in collapsed]
    claim.note("seeds", n)
    claim.at_least("collapse, seeds that miss a mode", sum(m < MODES for m in found), n - 1)
    claim.note("collapse, modes, mean", np.mean(found), f"reported: {MODES} are all")
    claim.at_least("collapse, share within 3 std, worst seed", min(realistic), 0.7)
    claim.at_least("collapse, share within 3 std, mean", np.mean(realistic), 0.8)
    for change in CHANGES:
        rarest = [share.min() for share in at_end[change]]
        claim.note(f"{change}: rarest mode's share, mean", np.mean(rarest), f"reported: {1 / MODES:.3f} is even")
        claim.note(f"{change}: share within 3 std", np.mean([share.sum() for share in at_end[change]]), "0.989: the data's")
        if change != COLLAPSE:
            with_all = sum(modes(moments[-1]) == MODES for moments in runs[change])
            claim.note(f"{change}: seeds with all modes", with_all, f"reported: of {n}")
            effect = compare(rarest, [share.min() for share in collapsed], better="higher")
            claim.compare(EFFECT.format(change), effect, {HELPS} if change in CURES else None)


def title_of_moments(moments: list[np.ndarray], seed: int) -> str:
    """Does the collapse last?"""
    counts = [modes(samples) for samples in moments]
    text = str(counts[-1]) if len(set(counts)) == 1 else ", ".join(map(str, counts))
    realistic = percent(shares(moments[-1]).sum())
    return f"{COLLAPSE}, seed {seed}: {text} of {MODES} modes over the training; at the end, {realistic} are realistic"


def title_of_changes(m: dict[str, float]) -> str:
    """Which changes help, and in how many seeds G finds all modes by each."""
    groups = by_verdict(m, EFFECT, [change for change in CHANGES if change != COLLAPSE], "higher")
    words = "; ".join(f"{word}: {', '.join(c.split(',')[0] for c in changes)}" for word, changes in groups.items() if changes)
    counts = ", ".join(f"{m[f'{change}: seeds with all modes']:.0f}" for changes in groups.values() for change in changes)
    return f"To find all modes, {words} (all modes in {counts} of {m['seeds']:.0f} seeds)"


# --- the pictures -------------------------------------------------------------------------------------------------------


def draw_samples(shown: dict[str, np.ndarray]) -> Figure:
    """Samples side by side over the modes, discs of 3 std, in a frame that shows all of them."""
    figure, places = slide(1, len(shown), height=6.0, sharey=True)
    reach = 1.05 * max(*(np.abs(samples).max() for samples in shown.values()), np.abs(DATA.centres).max() + 3 * DATA.std)
    for axes, (name, samples) in zip(places, shown.items(), strict=True):
        for centre in DATA.centres:
            axes.add_patch(Circle(centre, 3 * DATA.std, facecolor=REAL, alpha=0.35, linewidth=0))
        axes.scatter(*samples.T, s=3, color=FAKE, linewidths=0)
        realistic = percent(shares(samples).sum())
        axes.set(title=f"{name}\n{modes(samples)} of {MODES} modes,\n{realistic} within 3 std", xlabel="$x_1$")
        axes.set(aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
    places[0].set_ylabel("$x_2$")
    handles = [Circle((0, 0), color=REAL, alpha=0.35), *places[0].collections[:1]]
    figure.legend(handles, ["the data's modes, 3 std", "G's samples"], loc="outside lower center", ncols=2, markerscale=4)
    return figure


def draw_changes(runs: dict[str, list[list[np.ndarray]]]) -> Figure:
    """A dot for each seed: the rarest mode's share, and the share of realistic samples."""
    figure, places = slide(1, 2, height=5.6, sharey=True)
    for i, of_change in enumerate(runs.values()):
        at_end = [shares(moments[-1]) for moments in of_change]
        y = i + np.linspace(-0.2, 0.2, len(at_end)) if len(at_end) > 1 else [i]
        for axes, values in zip(places, ([a.min() for a in at_end], [a.sum() for a in at_end]), strict=True):
            axes.scatter(values, y, color=FAKE)
            axes.plot([np.mean(values)] * 2, [i - 0.35, i + 0.35], color=OTHERS[2], linewidth=3)
    for axes, whole, name in zip(places, (1 / MODES, 0.989), ("on the rarest mode", "within 3 std of a mode"), strict=True):
        axes.axvline(whole, color=REAL, linestyle=":")
        axes.set(xlabel=f"share of the samples {name}\n(dotted: the data's; bar: the mean)", xlim=(-0.02, None))
    places[0].set_yticks(range(len(runs)), list(runs))
    places[0].invert_yaxis()
    return figure
