"""GAN, WGAN and WGAN-GP without the tricks: one convolutional architecture, with and without batch normalisation.

Slide: "GAN without tricks during training"; "WGAN samples" (IT3320E, lecture 10)

The slide's two pictures are those of Arjovsky et al. 2017, figure 6: G has no batch normalisation, and all its layers have the
same number of channels. Here, too, on digits of 14 x 14 pixels. Each game has its paper's optimizer, with a rate chosen on
other seeds, and as many iterations of G. A critic has five steps in each, so a WGAN takes about four times as long as a GAN. A
WGAN-GP has batch normalisation in G alone: its penalty is on the gradient of each sample (Gulrajani et al. 2017). Two further
games have other remedies, and equal seconds: a GAN with the R1 penalty (Mescheder et al. 2018), and the hinge loss with
spectral normalisation in D (Miyato et al. 2018).

What to look for: without batch normalisation, whose samples are no digits, or always the same few? How many seeds of each game
fail, that is, miss a class or have less than a third of real images' share of clear digits? (Three seeds show only large
differences; after so few iterations, all games are far from real images.)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.spatial.distance import pdist

import minigan as mg
from demos.kit import digits, pictures
from demos.kit.claim import Claim
from demos.kit.comparing import compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.rounding import percent
from demos.kit.style import slide
from demos.kit.training import timed
from minigan import Tensor, data, losses, metrics, nn, optim
from minigan.games import GAN, WGAN, WGANGP, Game


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed and the games. The rates fall linearly to 0."""

    steps: int = 450  # iterations of G in the GANs and WGANs
    r1_steps: int = 500
    hinge_steps: int = 540  # take as many seconds
    seeds: int = 3
    z: int = 32
    channels: int = 24  # of every hidden layer
    batch: int = 32
    clip: float = 0.01  # the WGAN paper's
    penalty: float = 10.0  # the WGAN-GP paper's
    r1: float = 0.1
    samples: int = 2000  # of each game, that are judged


QUICK = {"steps": 5, "r1_steps": 5, "hinge_steps": 5, "seeds": 1, "channels": 4, "samples": 200}
CLEAR = 1 / 3  # of real images' share of clear digits: with fewer, a game fails
SHOWN = 14  # samples of each game
MEANS = {"clear digits": "clear", "Frechet distance": "frechet", "distance between samples": "apart", "seconds": "seconds"}
VERDICT = (
    "True, but only of WGAN-GP, and by one seed of three: without batch norm, a clipped WGAN fails as often as a GAN "
    "({failing seeds, GAN, without|.0f} of 3 seeds), WGAN-GP in {failing seeds, WGAN-GP, without|.0f}."
)
FINDING = (
    "Without batch norm, {failing seeds, GAN, without|.0f} of 3 GANs fail (a class is missing, or few digits are clear), "
    "{failing seeds, WGAN, without|.0f} of 3 WGANs, {failing seeds, WGAN-GP, without|.0f} of 3 WGAN-GPs; Frechet distances "
    "{Frechet distance, GAN, without|.0f}, {Frechet distance, WGAN, without|.0f}, {Frechet distance, WGAN-GP, without|.0f}; "
    "with it {Frechet distance, GAN, batch norm|.0f}, {Frechet distance, WGAN, batch norm|.0f}, "
    "{Frechet distance, WGAN-GP, batch norm|.0f}. At equal seconds: R1 {Frechet distance, R1|.0f}, SN-hinge "
    "{Frechet distance, SN-hinge|.0f} (14 x 14 digits; means of 3 seeds; real images: "
    "{Frechet distance, unseen real images|.0f})."
)
TITLE = (
    "Without batch norm, {failing seeds, GAN, without|.0f} of 3 GANs fail, {failing seeds, WGAN, without|.0f} of 3 WGANs, and "
    "{failing seeds, WGAN-GP, without|.0f} of 3 WGAN-GPs (samples: first seed; numbers: all seeds)"
)


@dataclass(frozen=True)
class Kind:
    """One game: its class, batch normalisation in G and in D, the rate of both optimizers, and D's extras."""

    game: type[Game]
    G_norm: bool
    D_norm: bool
    lr: float
    r1: bool = False
    hinge: bool = False  # with spectral normalisation in D


KINDS = {
    "GAN, batch norm": Kind(GAN, True, True, 6e-3),
    "GAN, without": Kind(GAN, False, False, 8e-3),
    "WGAN, batch norm": Kind(WGAN, True, True, 3e-3),
    "WGAN, without": Kind(WGAN, False, False, 3e-3),
    "WGAN-GP, batch norm": Kind(WGANGP, True, False, 8e-3),
    "WGAN-GP, without": Kind(WGANGP, False, False, 8e-3),
    "R1": Kind(GAN, True, True, 4e-3, r1=True),
    "SN-hinge": Kind(GAN, True, False, 4e-3, hinge=True),
}


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """Every game with every seed."""
    x, y, others = digits.load(claim.args)
    x, unseen = smaller(x), smaller(others[0])
    judge = digits.judge_of(claim.args, larger(x), y)
    steps = s.seeds * sum(iterations(kind, s) for kind in KINDS)
    runs = over_kinds(claim, play, KINDS, s.seeds, x, judge, s, steps=steps)
    real = look(unseen[: s.samples], judge, x)
    measure(claim, runs, real)
    claim.show(picture(runs, real), "without_tricks", claim.words(TITLE))


def iterations(kind: str, s: Settings) -> int:
    """Of G."""
    return s.r1_steps if KINDS[kind].r1 else s.hinge_steps if KINDS[kind].hinge else s.steps


def smaller(x: np.ndarray) -> np.ndarray:
    """(N, 1, 28, 28) -> (N, 1, 14, 14): the means of 2 x 2 pixels."""
    return np.concatenate([mg.avg_pool2d(Tensor(part), 2).numpy() for part in np.array_split(x, 1 + len(x) // 1000)])


def larger(x: np.ndarray) -> np.ndarray:
    """(N, 1, 14, 14) -> (N, 1, 28, 28), each pixel four times: the judge's images."""
    return x.repeat(2, axis=2).repeat(2, axis=3)


def players(kind: Kind, s: Settings) -> tuple[nn.Sequential, nn.Sequential]:
    """G: (N, z) -> 4 x 4 -> 7 x 7 -> (N, 1, 14, 14); D: the way back."""
    c, normal = s.channels, nn.SpectralNorm if kind.hinge else lambda layer: layer

    def norm(wanted: bool) -> list[nn.Module]:
        return [nn.BatchNorm2d(c)] if wanted else []

    G = nn.Sequential(
        nn.Dense(s.z, c * 4 * 4), nn.Reshape(c, 4, 4), *norm(kind.G_norm), nn.ReLU(),
        nn.ConvTranspose2d(c, c, 3, stride=2, padding=1), *norm(kind.G_norm), nn.ReLU(),
        nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        normal(nn.Conv2d(1, c, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
        normal(nn.Conv2d(c, c, 3, stride=2, padding=1)), *norm(kind.D_norm), nn.LeakyReLU(0.2),
        nn.Flatten(), normal(nn.Dense(c * 4 * 4, 1)),
    )  # fmt: skip
    return G, D


def make_game(kind: Kind, s: Settings) -> Game:
    """The game with its paper's optimizers."""
    G, D = players(kind, s)
    if kind.game is WGAN:
        return WGAN(G, D, data.noise(s.z), *(optim.RMSProp(p.parameters(), kind.lr) for p in (G, D)), clip=s.clip)
    betas = (0.0, 0.9) if kind.game is WGANGP or kind.hinge else (0.5, 0.999)
    both = G, D, data.noise(s.z), *(optim.Adam(p.parameters(), kind.lr, betas) for p in (G, D))
    if kind.game is WGANGP:
        return WGANGP(*both, penalty=s.penalty)
    return GAN(*both, r1=s.r1 * kind.r1, loss=losses.hinge_game if kind.hinge else losses.log_loss_game)


def play(name: str, seed: int, x: np.ndarray, judge: metrics.Judge, s: Settings) -> dict[str, Any]:
    """One game; the judge's opinion of its samples, and the seconds of its training."""
    mg.seed(seed)
    (seconds, (found,)) = timed(
        make_game(KINDS[name], s), data.batches(2 * x - 1, size=s.batch), iterations(name, s), 1,
        lambda game: look(digits.pixels(game, s.samples), judge, x),
    )  # fmt: skip
    return {**found, "seconds": float(seconds[-1])}


def look(samples: np.ndarray, judge: metrics.Judge, x: np.ndarray) -> dict[str, Any]:
    """The judge's metrics of the samples; their mean distance from one another; some of them."""
    images, some = larger(samples), samples[:500].reshape(len(samples[:500]), -1)
    return {
        "classes": digits.classes_drawn(judge, images),
        "clear": float(digits.opinion(judge, images)[1].mean()),
        "frechet": digits.distance(judge, images, larger(digits.some(x, len(samples)))),
        "apart": float(pdist(some).mean()),
        "images": samples[:SHOWN],
    }


# --- the report ---------------------------------------------------------------------------------------------------------


def fails(run: dict[str, Any], real: dict[str, Any]) -> bool:
    """Whether a class is missing, or clear digits are too few."""
    return run["classes"] < 10 or run["clear"] < CLEAR * real["clear"]


def measure(claim: Claim, runs: dict[str, list[dict[str, Any]]], real: dict[str, Any]) -> None:
    """Which games fail; the means over the seeds."""
    failing = {kind: sum(fails(run, real) for run in of_kind) for kind, of_kind in runs.items()}
    more = failing["GAN, without"] - failing["WGAN-GP, without"]
    claim.at_least("failing seeds without batch norm: GAN less WGAN-GP", more, 1)
    classes = min(run["classes"] for kind in runs if KINDS[kind].game is WGANGP for run in runs[kind])
    claim.at_least("WGAN-GP: classes, worst seed with and without batch norm", classes, 10)
    frechet = {kind: [run["frechet"] for run in of_kind] for kind, of_kind in runs.items()}
    claim.compare("Frechet distance at equal seconds: SN-hinge less R1", compare(frechet["SN-hinge"], frechet["R1"]))
    for kind, of_kind in runs.items():
        claim.note(f"failing seeds, {kind}", failing[kind], f"reported: of {len(of_kind)}")
        for name, key in MEANS.items():
            claim.note(f"{name}, {kind}", np.mean([run[key] for run in of_kind]), "reported: mean of the seeds")
    for name, key in MEANS.items():
        if key in real:
            claim.note(f"{name}, unseen real images", real[key], "reported")


def picture(runs: dict[str, list[dict[str, Any]]], real: dict[str, Any]) -> Figure:
    """A row of the first seed's samples for each game, with the means of the seeds; the last row is of real images."""
    figure, axes = slide(height=6.8)
    rows = {**{kind: of_kind for kind, of_kind in runs.items()}, "real images": [real]}
    pictures.labelled(axes, np.concatenate([of_kind[0]["images"] for of_kind in rows.values()]), SHOWN, list(rows))
    right = axes.secondary_yaxis("right")
    right.set_yticks(axes.get_yticks(), [in_words(of_kind, real) for of_kind in rows.values()])
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
    return figure


def in_words(runs: list[dict[str, Any]], real: dict[str, Any]) -> str:
    """A game's numbers."""
    clear, frechet = (np.mean([run[key] for run in runs]) for key in ("clear", "frechet"))
    failing = "" if runs == [real] else f", fail: {sum(fails(run, real) for run in runs)} of {len(runs)}"
    classes = sorted({run["classes"] for run in runs})
    return (
        f"{percent(clear)} clear, FD {frechet:.0f}\n{' to '.join(map(str, {classes[0]: 0, classes[-1]: 0}))} classes{failing}"
    )
