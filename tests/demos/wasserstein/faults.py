"""Made-up measurements, and the bounds that they break."""

from types import SimpleNamespace

import numpy as np

from demos.wasserstein import (
    earth_mover,
    jacobian,
    learning_curves,
    limit_cycles,
    optimism,
    predictors,
    stabilisers,
    stability,
    wgan,
)
from demos.wasserstein import without_tricks as tricks

LOG_2 = np.log(2)
KINDS = tricks.KINDS


def lines(claim, jsd=LOG_2, W=1.0, D=LOG_2, clipped=(1.5, 3.0)):
    """Fakes 1 to the left, at 0, 1/2 and 1 to the right; the second seed is as given."""
    jsds, distances = np.array([LOG_2, 0, LOG_2, jsd]), W * np.array([1.0, 0, 0.5, 1.0])
    by_D = np.array([[LOG_2, 0, LOG_2, LOG_2], [LOG_2, 0, LOG_2, D]])
    critics = np.array([[1.0, 0, 0.5, 1.0], [clipped[1], 0, clipped[0], clipped[1]]])
    earth_mover.report_lines(claim, np.array([-1.0, 0, 0.5, 1.0]), jsds, distances, by_D, critics)


def penalised(claim, gap=1.5, slope=1.5):
    earth_mover.report_critics(claim, {(1.0, 1.0): [{"gap": 1.5, "slope": 1.5}, {"gap": gap, "slope": slope}]})


def rings(claim, clip=(0.9, 3), penalty=(0.01, 8)):
    """The share of the weights at the bounds, and the modes with a summit, of the second critic of each kind."""
    x, y = np.meshgrid(*[np.linspace(-3, 3, 121)] * 2)

    def run(share, modes):
        peaks = [-np.hypot(x - a, y - b) for a, b in earth_mover.data.ring_centres(8)[:modes]]
        return {"at the bounds": share, "surface": np.max(peaks, axis=0)}

    earth_mover.report_rings(claim, {"clip": [run(0.9, 2), run(*clip)], "penalty": [run(0.01, 8), run(*penalty)]})


def curves(claim, wrong):
    """The second seed's estimates run the wrong way for that many of the last moments; 16 are after a tenth."""
    exact = np.linspace(5.0, 1.0, len(learning_curves.moments(learning_curves.Curves())))
    estimates = exact, np.r_[exact[: len(exact) - wrong], exact[len(exact) - wrong :][::-1]]
    seeds = [{"estimate": estimate, "exact": exact, "samples": np.zeros((9, 2))} for estimate in estimates]
    learning_curves.report(claim, dict.fromkeys(learning_curves.GAMES, seeds), learning_curves.Curves())


def playing(claim, OMD, in_turn, growth):
    """The bilinear game, with these ways to play in the places of OMD and of GD in turn."""
    game = limit_cycles.GAMES["bilinear game"]
    paths = {name: limit_cycles.run(game, limit_cycles.PLAYS[how]) for name, how in (("OMD", OMD), ("GD in turn", in_turn))}
    limit_cycles.arrivals(claim, "bilinear game", {name: limit_cycles.distance(path, game) for name, path in paths.items()})
    limit_cycles.spiral_and_ellipse(claim, paths, {"GD at once": np.sqrt(2 * growth ** np.arange(1001))})


def digits(claim, worst):
    pairs = zip(optimism.RULES, (120.0, worst), strict=True)
    optimism.report(claim, optimism.Settings(), {f"{rule}, 5:1": [{"frechet": 110.0}, {"frechet": d}] for rule, d in pairs})


def predicting(claim, played):
    """Instead of the average of 2, at a rate that is small enough for it and at one that is not."""
    predictors.report(claim, {("average of 2", eta): predictors.play(played, eta) for eta in (0.4, 0.5)})


def stabilising(claim, played, k):
    """Instead of each way to play x y, and with another k than Lookahead's; None: as they are."""
    s = stabilisers.Settings(calls=400)
    distances = {name: stabilisers.bilinear(stabilisers.WAYS[played or name], s, s.k) for name in stabilisers.WAYS}
    by_k = {(turn, 10): stabilisers.bilinear(stabilisers.WAYS[f"Lookahead {turn}"], s, k) for turn in ("at once", "in turn")}
    stabilisers.measure_bilinear(claim, s, distances, by_k)


def averaging(claim, gain):
    """The running average's share beyond that of gradient descent, of four seeds."""
    late = [np.array([[0.3 + 0.01 * seed, 8, 0.3 + 0.02 * seed + gain, 8]] * 8) for seed in range(4)]
    stabilisers.measure_ring(claim, dict.fromkeys(stabilisers.RULES, late))


def ending(claim, back, last):
    """The distances of two settings of each game; those of the WGANs come back and end as given."""
    games = {name: np.array([[8.0, 4.0, back, last]] * 2) for name in stability.GAMES}
    games["GAN"] = np.array([[8.0, 6.0, 4.0, 4.0]] * 2)
    stability.report(claim, {"ring": games, "digits": games})


def curve(claim, rho=0.95, kl=0.01, quality=0.6, last=0.3, data="ring", optimizer=None):
    claim.args = SimpleNamespace(data=data, optimizer=optimizer, game="wgan")
    distance = {"rank_correlation": rho, "last_exact": last, "between_two_samples_of_the_data": 0.1}
    reached = {"modes_1pct": 6, "high_quality": quality, "kl": kl}
    wgan.measure(claim, 2.0, distance, reached, {"high_quality": 0.99}, 8, quality)


def turning(claim, steps=0.25, factor=0.02, ends=1.5, error=0.0):
    """In both games: a step's angle and log |r| as played (predicted: 0.25, 0.02), the factor at the end, J's error."""
    r = np.exp([0.02 + 0.25j, factor + 1j * steps])
    plays = {how: {"r": r, "factor": ends, "error": error} for how in jacobian.METHODS}
    jacobian.measure(claim, dict.fromkeys(jacobian.GAMES, plays))


def cycling(claim, outside):
    jacobian.measure_cycles(claim, [np.full((8, 2), 1.0), np.full((8, 2), outside)])


def bare(claim, GAN, GP):
    """The classes of the second seed without batch norm; all other samples have ten."""
    runs = {
        kind: [dict.fromkeys(["clear", "frechet", "apart", "seconds"], 1.0) | {"classes": 10} for _ in "ab"] for kind in KINDS
    }
    runs["GAN, without"][1]["classes"], runs["WGAN-GP, without"][1]["classes"] = GAN, GP
    tricks.measure(claim, runs, dict.fromkeys(["clear", "frechet", "apart"], 1.0))


FAULTS = [
    (lines, {}, (), (0.69, 1.01, 0.6), (LOG_2, 1.0, LOG_2, (-0.5, -1.0)), (LOG_2, 1.0, LOG_2, (0.4, 2.0))),
    (penalised, {}, (), (1.6,), (1.5, 1.4)),
    (rings, {}, (), ((0.4, 5), (0.1, 7))),
    (curves, {}, (0,), (16,)),
    (ending, {}, (8.0, 2.0), (8.1, 2.1)),
    (stabilising, {}, (None, 10), ("gradient descent at once", 11), ("OMD at once", 10)),
    (averaging, {}, (0.1,), (-0.1,)),
    (playing, {}, ("OMD", "GD in turn", 1.01), ("GD in turn", "OMD", 1.0)),
    (digits, {}, (130.0,), (2500.0,)),
    (predicting, {}, ("average of 2",), ("decay 0.5",)),
    (turning, {}, (), (0.2,), (0.25, 0.01), (0.25, 0.02, 0.9), (0.25, 0.02, 1.5, 1e-5)),
    (cycling, {}, (1.05,), (1.2,)),
    (bare, {}, (9, 10), (10, 9), (10, 10)),
    (curve, {}, (), (0.5, 0.1, 0.1, 1.0), (None,)),
    (curve, {}, (0.5, 0.01, 0.6, 0.3, "ring", "sgd")),  # what was chosen by hand is reported only
    (curve, {}, (0.5, 0.01, 0.6, 0.3, "grid")),
]
