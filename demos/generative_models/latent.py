"""A few directions of z make nearly all of the variation in a generator's images; none is a single dimension of z.

Slide: "Implicitly, $\\mathbf{z}$ encodes the different dimensions of variability of $P_{\\text{data}}(\\mathbf{x})$ (though
they may not be intuitive, independent, or **disentangled**)." (CS/DS 552, class 7)

    J = dG/dz at one z, by autodiff    J = U S V^T: a small step along v_i, a row of V^T, changes the image by s_i

What to look for: every dimension z_i changes the image, and these changes overlap. Yet 10 singular vectors make nearly all of a
small change, far more than in an untrained G; along the last one, the image does not change. Half-way on a straight line
between two z, |z| is 1/sqrt(2) of its length at the ends; slerp, on the great circle, keeps it. Is a classifier surer there?
"""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_seeds
from demos.kit.pictures import labelled
from demos.kit.style import FAKE, OTHERS, REAL, slide
from minigan import Tensor, data, metrics, no_grad
from minigan.backend import random_numbers
from minigan.data.priors import Noise


@dataclass
class Settings:
    steps: int = 4000  # iterations of the generator's training; the learning rates fall linearly to 0
    z: int = 64
    width: int = 256  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 1e-3
    r1: float = 1.0  # weight of the penalty on D's gradient at the data
    judge_steps: int = 3000
    points: int = 20  # z at which J is computed
    pairs: int = 500  # of z, to interpolate between
    seeds: int = 3


QUICK = {"steps": 600, "width": 64, "judge_steps": 60, "points": 5, "pairs": 200, "seeds": 1}
FEW = 10  # directions whose share of all change is measured
VERDICT = "True: near each z, a few directions make nearly all variability; the ten strongest dimensions of z make much less."
SHARES = (
    f"{FEW} singular vectors of $dG/dz$ make at least {{singular_share|>%}} of an image's small change, the {FEW} strongest "
    "dimensions at most {axes_share|<%} (worst of 3 seeds)."
)
HALF_WAY = (
    "Half-way between two z (500 pairs a seed), a classifier is sure of {lerp_sure|%} of the images on straight lines, "
    "{slerp_sure|%} on great circles ({random_sure|%} of samples)."
)
FINDING = f"{SHARES} {HALF_WAY}"
WALK = np.linspace(-4, 4, 9)  # steps along a direction, in the picture
Images = Callable[[Tensor], Tensor]  # G, with pixels in [0, 1]


@demo(Settings(), QUICK, digits.options, record={"few": FEW})
def main(claim: Claim, settings: Settings) -> None:
    x, y, _ = digits.load(claim.args)
    judge = (metrics.train_judge if claim.args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    runs = over_seeds(claim, experiment, settings, x, judge, steps=settings.steps)
    measure(claim, runs)
    claim.show(picture_of_directions(runs), "latent", claim.words(SHARES))
    claim.show(picture_of_ways(runs), "ways", claim.words(HALF_WAY))


def experiment(seed: int, settings: Settings, x: np.ndarray, judge: metrics.Judge) -> dict:
    """Train a generator on images x, and examine its z: directions, and ways between two z."""
    mg.seed(seed)
    untrained = digits.in_pixels(digits.dense_players(settings.z, settings.width)[0])
    G, prior = digits.in_pixels(digits.train_generator(x, settings)), data.noise(settings.z, rng=random_numbers.spawn())
    run = {"untrained": directions(untrained, prior, settings)["singular"]} | directions(G, prior, settings)
    return run | {"walks": walks(G, run["z"][0], run["V"][0])} | ways(G, prior, judge, settings)


def jacobian(G: Images, z: np.ndarray) -> np.ndarray:
    """dG/dz at z (d,): (pixels, d). One backward pass through a copy of z for each pixel, which gives one row."""
    with no_grad():
        pixels = G(Tensor(z[None])).size
    copies = Tensor(np.repeat(z[None], pixels, axis=0), requires_grad=True)
    (J,) = mg.grad(G(copies).reshape(pixels, pixels), [copies], gradient=Tensor(np.eye(pixels, dtype=z.dtype)))
    return J.numpy()


def directions(G: Images, prior: Noise, settings: Settings) -> dict:
    """The change of the image along dimensions of z and along singular vectors of J, at several z."""
    rows = [look_around(G, z) for z in prior(settings.points)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def look_around(G: Images, z: np.ndarray) -> dict:
    """The same at one z."""
    J, dimensions = jacobian(G, z), np.eye(len(z), dtype=z.dtype)
    _, S, V = np.linalg.svd(J, full_matrices=False)

    def moved(steps):
        return np.linalg.norm((digits.draw(G, z + steps) - digits.draw(G, z - steps)).reshape(len(steps), -1), axis=1) / 2

    return {
        "z": z,
        "V": V,
        "axes": shares(np.square(J).sum(axis=0)),
        "singular": shares(np.square(S)),
        "overlap": overlap(J),
        "predicted_error": abs(moved(0.01 * V[:1])[0] / (0.01 * S[0]) - 1),
        "moved_first": 2 * moved(3 * V[:1])[0],
        "moved_axis": 2 * moved(3 * dimensions).mean(),
        "moved_last": 2 * moved(3 * V[-1:])[0],
    }


def shares(change: np.ndarray) -> np.ndarray:
    """Each direction's share of all change, the greatest first."""
    return np.sort(change)[::-1] / change.sum()


def overlap(J: np.ndarray) -> float:
    """The mean |cosine| between the image's changes by two dimensions of z: 0 if they are orthogonal."""
    columns = J / np.linalg.norm(J, axis=0)
    cosines = columns.T @ columns
    return float(np.abs(cosines[np.triu_indices(len(cosines), k=1)]).mean())


def walks(G: Images, z: np.ndarray, V: np.ndarray) -> dict[str, np.ndarray]:
    """G's images along three dimensions, the first three singular vectors and the last one, around the same z."""
    found = {f"$z_{{{i + 1}}}$": np.eye(len(z))[i] for i in range(3)}
    found |= {f"$v_{{{i + 1}}}$": V[i] for i in (0, 1, 2, len(z) - 1)}
    return {name: digits.draw(G, z + WALK[:, None] * direction) for name, direction in found.items()}


def ways(G: Images, prior: Noise, judge: metrics.Judge, settings: Settings) -> dict:
    """|z| on the ways between two z of the same length, as a multiple of it; of which share of images the judge is sure."""

    def sure(z):
        return float(digits.opinion(judge, digits.draw(G, z))[1].mean())

    a, b = prior(settings.pairs).astype(np.float64), prior(settings.pairs).astype(np.float64)
    b *= np.linalg.norm(a, axis=1, keepdims=True) / np.linalg.norm(b, axis=1, keepdims=True)
    run = {"random_sure": sure(a)}
    for name, way in (("lerp", data.lerp), ("slerp", data.slerp)):
        points = np.stack([way(*ends, 11) for ends in zip(a, b, strict=True)])  # (pairs, 11, d)
        run[name] = np.linalg.norm(points, axis=2) / np.linalg.norm(a, axis=1)[:, None]
        run[f"{name}_sure"] = sure(points[:, 5])
    return run


def measure(claim: Claim, runs: list[dict]) -> None:
    """The changes along directions of z, and |z| on the ways between two z."""

    def note(name, key, meaning):
        claim.note(name, np.mean([np.mean(run[key]) for run in runs]), f"reported: {meaning}")

    singular, axes, untrained = (
        [run[k][:, :FEW].sum(axis=1).mean() for run in runs] for k in ("singular", "axes", "untrained")
    )
    claim.at_least("singular_share", min(singular), 0.9)  # of a small change, along FEW singular vectors (least of the seeds)
    claim.note("untrained_share", max(untrained), "reported: the same, of another G before its training (most of the seeds)")
    claim.note("axes_share", max(axes), f"reported: of the {FEW} dimensions that change most (most of the seeds)")
    claim.at_most("axes_to_singular", max(np.divide(axes, singular)), 0.5)  # no direction is a dimension
    note("overlap", "overlap", "|cosine| of two dimensions' changes; 0 if independent")
    # A step of 0.01 along v_1 changes the image by 0.01 s_1.
    claim.at_most("predicted_change_error", max(run["predicted_error"].max() for run in runs), 0.05, quick=True)
    for name in ("moved_first", "moved_axis", "moved_last"):
        note(name, name, "the image's change from z - 3 v to z + 3 v")
    claim.at_most("slerp_norm_error", max(np.abs(run["slerp"] - 1).max() for run in runs), 1e-6, quick=True)
    half_way = np.mean([run["lerp"][:, 5].mean() for run in runs])
    claim.note("lerp_half_way", half_way, "1/sqrt(2), within 0.02: |z|", abs(half_way - np.sqrt(0.5)) <= 0.02, quick=True)
    for name in ("random_sure", "lerp_sure", "slerp_sure"):
        note(name, name, "share of G's images of which the judge is sure")


def picture_of_directions(runs: list[dict]) -> plt.Figure:
    """The shares of the image's change, as cumulative sums; images along directions of z, a row for each."""
    figure, (left, right) = slide(1, 2, width_ratios=(3, 4))
    kinds = {"singular": (FAKE, "-", "singular vectors"), "axes": (REAL, "--", "dimensions of $z$")}
    kinds |= {"untrained": (OTHERS[3], "-.", "singular vectors,\nG untrained")}
    for key, (colour, line, label) in kinds.items():
        for i, run in enumerate(runs):
            total = np.append(0, np.cumsum(run[key].mean(axis=0)))
            left.plot(total, color=colour, linestyle=line, label=None if i else label)
    d = len(total) - 1
    left.plot([0, d], [0, 1], color="black", linestyle=":", linewidth=1, label="all alike")
    left.set(xlabel="number of directions, the strongest first", ylabel="share of the squared change of the image")
    left.set_title("the change of $G(z)$ for a small step of $z$")
    left.legend(loc="lower right")
    walks = runs[0]["walks"]
    labelled(right, np.concatenate(list(walks.values())), len(WALK), list(walks))
    middle, last = len(WALK) // 2, len(WALK) - 1
    right.set_xticks([15 + 30 * i for i in (0, middle, last)], [f"$z - {WALK[-1]:g}\\,v$", "at $z$", f"$z + {WALK[-1]:g}\\,v$"])
    right.set(ylabel="direction $v$", title="along dimensions, and along singular vectors")
    return figure


def picture_of_ways(runs: list[dict]) -> plt.Figure:
    """|z| on the ways between two z (first seed)."""
    figure, axes = slide(height=5.6)
    lerp, slerp = (runs[0][name][:30].T for name in ("lerp", "slerp"))
    t = np.linspace(0, 1, len(lerp))
    straight = axes.plot(t, lerp, color=FAKE, linewidth=0.5)[0]
    circle = axes.plot(t, slerp, color=REAL, linestyle="--")[0]
    line = axes.axhline(np.sqrt(0.5), color="black", linestyle=":")
    axes.legend([circle, straight, line], ["on the great circle (slerp)", "on a straight line (lerp)", "$1 / \\sqrt{2}$"])
    axes.set(xlabel="way from one $z$ to another", ylabel="$|z|$, as a multiple of that at the ends", ylim=(0, 1.1))
    return figure
