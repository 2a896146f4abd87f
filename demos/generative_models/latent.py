"""What varies in a generator's images lies along a few directions of z, and none of them is a single dimension of z.

Slide: "Implicitly, $\\mathbf{z}$ encodes the different dimensions of variability of $P_{\\text{data}}(\\mathbf{x})$ (though
they may not be intuitive, independent, or **disentangled**)." (CS/DS 552, class 7); "Interpolations of real images"
(IT3320E, lecture 10)

    J = dG/dz at one z, by autodiff    J = U S V^T: a small step along v_i, a row of V^T, changes the image by s_i
    z* = argmin over z of |G(z) - x|^2, for a real image x; then G along the way from one z* to another

What to look for: every single dimension z_i changes the image, in ways that overlap; yet of a small change, 10 singular vectors
make 99 % (47 % in an untrained G), and along the last one, nothing moves. Half-way on a straight line between two z, |z| is
1/sqrt(2) of what it was; slerp, on the great circle, keeps it (this G minds little). Real images have a z*, too, and G(z*) is
as near as the nearest training image. Between two, the judge knows more digits by way of z than in a cross-fade of pixels.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.pictures import FAKE, REAL, labelled
from demos.kit.progress import progress
from demos.kit.run import start
from minigan import Tensor, attacks, backend, data, metrics, nn, no_grad, softmax


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 4000  # iterations of the generator's training; the learning rates fall linearly to 0
    z: int = 64
    width: int = 256  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 1e-3
    r1: float = 1.0  # weight of the penalty on D's gradient at the data
    judge_steps: int = 3000
    points: int = 20  # z at which J is computed
    pairs: int = 500  # of z, to go from one to the other
    images: int = 100  # held out, to find a z* for
    descents: int = 200  # Adam's steps on z
    restarts: int = 5
    seeds: int = 3


QUICK = {"steps": 600, "width": 64, "judge_steps": 60, "points": 5, "pairs": 200, "images": 12, "descents": 40, "seeds": 1}
FEW = 10  # directions whose share of all change is measured
WALK = np.linspace(-4, 4, 9)  # how far along a direction, in the picture
Images = Callable[[Tensor], Tensor]  # G, with pixels in [0, 1]


def main(argv: list[str] | None = None) -> None:
    """Train a generator for each seed, and look at its z; the figures, the picture."""
    args = start(digits.options(__doc__), argv, "latent")
    settings = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    x, y, (others, _) = digits.load(args)
    judge = (metrics.train_judge if args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    real, seeds = others[: settings.images], range(args.seed, args.seed + settings.seeds)
    runs = [once(f"seed {seed}", experiment, x, real, judge, settings, seed) for seed in progress(seeds, desc="seeds")]
    measure(claim, runs)
    claim.finish(picture(runs, claim.metrics), "latent")


# --- the experiments ----------------------------------------------------------------------------------------------------


def experiment(x: np.ndarray, real: np.ndarray, judge: nn.Module, settings: Settings, seed: int) -> dict:
    """Train a generator on images x, and look at its z: where it leads, and where the real images are."""
    mg.seed(seed)
    untrained = digits.in_pixels(digits.dense_players(settings.z, settings.width)[0])
    G, prior = digits.in_pixels(digits.train_generator(x, settings)), data.noise(settings.z, rng=backend.spawn())
    run = {"untrained": directions(untrained, prior, settings)["singular"]} | directions(G, prior, settings)
    run |= {"walks": walks(G, run["z"][0], run["V"][0])} | ways(G, prior, judge, settings)
    return run | inversion(G, prior, judge, x, real, settings)


def jacobian(G: Images, z: np.ndarray) -> np.ndarray:
    """dG/dz at z (d,): (pixels, d). One backward pass over as many copies of z as there are pixels, each with its own row."""
    with no_grad():
        pixels = G(Tensor(z[None])).size
    copies = Tensor(np.repeat(z[None], pixels, axis=0), requires_grad=True)
    (J,) = mg.grad(G(copies).reshape(pixels, pixels), [copies], gradient=Tensor(np.eye(pixels, dtype=z.dtype)))
    return J.numpy()


def directions(G: Images, prior: data.priors.Noise, settings: Settings) -> dict:
    """What single dimensions of z change in the image, and what the singular vectors of J: shares of all."""
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
    """The mean |cosine| between what two dimensions of z change in the image: 0, if each changes something of its own."""
    columns = J / np.linalg.norm(J, axis=0)
    cosines = columns.T @ columns
    return float(np.abs(cosines[np.triu_indices(len(cosines), k=1)]).mean())


def walks(G: Images, z: np.ndarray, V: np.ndarray) -> dict[str, np.ndarray]:
    """G's images along three dimensions, the first three singular vectors, and the last, from the same z in the middle."""
    found = {f"$z_{{{i + 1}}}$": np.eye(len(z))[i] for i in range(3)}
    found |= {f"$v_{{{i + 1}}}$": V[i] for i in (0, 1, 2, len(z) - 1)}
    return {name: digits.draw(G, z + WALK[:, None] * direction) for name, direction in found.items()}


def ways(G: Images, prior: data.priors.Noise, judge: nn.Module, settings: Settings) -> dict:
    """|z| on the ways between pairs of the same length, as a multiple of it; how sure the judge is of the images half-way."""
    a, b = prior(settings.pairs).astype(np.float64), prior(settings.pairs).astype(np.float64)
    b *= np.linalg.norm(a, axis=1, keepdims=True) / np.linalg.norm(b, axis=1, keepdims=True)
    run = {"random_sure": sure(judge, digits.draw(G, a))}
    for name, way in (("lerp", data.lerp), ("slerp", data.slerp)):
        points = np.stack([way(*ends, 11) for ends in zip(a, b, strict=True)])  # (pairs, 11, d)
        run[name] = np.linalg.norm(points, axis=2) / np.linalg.norm(a, axis=1)[:, None]
        run[f"{name}_sure"] = sure(judge, digits.draw(G, points[:, 5]))
    return run


def inversion(G: Images, prior: data.priors.Noise, judge: nn.Module, x: np.ndarray, real: np.ndarray, s: Settings) -> dict:
    """The nearest G(z*) of real images, and the ways from one to the next: through z, and through pixels."""
    found = attacks.project(G, real, prior, s.descents, restarts=s.restarts)
    z = backend.to_numpy(found.z)
    pairs = [(i, i + 1) for i in range(0, len(real) - 1, 2)]
    through_z = np.stack([digits.draw(G, data.slerp(z[i], z[j], 9)) for i, j in pairs])  # (pairs, 9, 1, 28, 28)
    fade = np.linspace(0, 1, 9, dtype=real.dtype).reshape(9, 1, 1, 1)
    through_pixels = np.stack([(1 - fade) * real[i] + fade * real[j] for i, j in pairs])
    return {
        "error": np.sqrt(backend.to_numpy(found.distance)),
        "nearest": metrics.nearest_distances(real, x),
        "length": np.linalg.norm(z, axis=1) / np.sqrt(s.z),
        "real": real,
        "through_z": through_z,
        "through_pixels": through_pixels,
        "through_z_sure": sure(judge, through_z[:, 4]),
        "through_pixels_sure": sure(judge, through_pixels[:, 4]),
    }


def sure(judge: nn.Module, images: np.ndarray) -> float:
    """The share of the images to which the judge gives a class with a probability above 0.9."""
    with no_grad():
        return float((softmax(judge(images)).numpy().max(axis=1) > metrics.images.CONFIDENT).mean())


# --- the figures --------------------------------------------------------------------------------------------------------


def measure(claim: Claim, runs: list[dict]) -> None:
    """What z's directions change, what the ways between two z keep, and how well real images are met."""

    def mean(key):
        return float(np.mean([np.mean(run[key]) for run in runs]))

    kinds = ("singular", "axes", "untrained")
    singular, axes, untrained = ([run[kind][:, :FEW].sum(axis=1).mean() for run in runs] for kind in kinds)
    share, before = min(singular), max(untrained)
    claim.note("singular_share", share, f"of {FEW} singular vectors (least seed): above untrained_share", share > before)
    claim.note("axes_share", max(axes), f"the same of the {FEW} dimensions that change most (most of the seeds)")
    claim.note("untrained_share", before, "reported: singular vectors', of another G before its training (most of the seeds)")
    claim.note("overlap", mean("overlap"), "reported: |cosine| of two dimensions' changes; 0 if independent")
    error = max(run["predicted_error"].max() for run in runs)
    claim.note("predicted_change_error", error, "at most 0.05: a step of 0.01 along v_1 changes x by 0.01 s_1", error <= 0.05)
    for name in ("moved_first", "moved_axis", "moved_last"):
        claim.note(name, mean(name), "reported: the image's change from z - 3 v to z + 3 v")
    error = max(np.abs(run["slerp"] - 1).max() for run in runs)
    claim.note("slerp_norm_error", error, "at most 1e-6: |z| is kept", error <= 1e-6)
    half_way = np.mean([run["lerp"][:, 5].mean() for run in runs])
    claim.note("lerp_half_way", half_way, "0.71, 1/sqrt(2), within 0.02: |z| half-way", abs(half_way - np.sqrt(0.5)) <= 0.02)
    for name in ("random_sure", "lerp_sure", "slerp_sure"):
        claim.note(name, mean(name), "reported: share of G's images of which the judge is sure")
    claim.note("inversion_error", mean("error"), "reported: |G(z*) - x| of held-out images")
    claim.note("nearest_image", mean("nearest"), "reported: |x' - x| of the nearest training image")
    closer = min(np.mean(run["error"] < run["nearest"]) for run in runs)
    claim.note("closer_than_nearest", closer, "reported: share of images that G meets better (worst seed)")
    claim.note("inverted_length", mean("length"), "reported: |z*| / sqrt(d); noise has 1")
    for name in ("through_z_sure", "through_pixels_sure"):
        claim.note(name, mean(name), "reported: share sure, half-way between two real images")


# --- the picture --------------------------------------------------------------------------------------------------------

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
    """A row for each direction."""
    labelled(axes, np.concatenate(list(run["walks"].values())), len(WALK), list(run["walks"]))
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


if __name__ == "__main__":
    main()
