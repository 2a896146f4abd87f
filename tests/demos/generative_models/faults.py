"""Made-up measurements, and the bounds that they break."""

import numpy as np

from demos.generative_models import adversarial_autoencoder as aae
from demos.generative_models import (
    ali,
    autoencoder,
    bayesian_gan,
    boltzmann,
    cycle,
    fair,
    fillings,
    latent,
    parzen,
    pretraining,
    vae,
)
from demos.generative_models import variational_bayes as avb
from demos.generative_models import why_pretraining as why
from demos.generative_models.damage import TASKS
from tests.demos.made_up import faults


def runs(name, values, **others):
    return [others | {name: value} for value in values]


def measure_elbo(claim, data, *arguments):
    claim.args.data = data
    vae.measure_elbo(claim, *arguments)


def trained(**spreads):
    curves = [{(start, d): (c, 10 + c * (i + d)) for start, c in spreads.items() for d in range(1, 5)} for i in range(4)]
    return [{key: np.array([[2.0, 90.0 * (1 + c)], [0.1, end]]) for key, (c, end) in run.items()} for run in curves]


CODES = {"distances": np.array([0.01, 0.03]), "told": 0.55, "error": 0.018}
CODES = {"adversarial": [CODES | {"frechet": {"prior": 100.0, "fitted": 90.0}}] * 2}
CODES["plain"] = [CODES["adversarial"][0] | {"frechet": {"prior": 1000.0, "fitted": 90.0}}] * 2
PAIRS = {ali.PAIRS: (0.8, 0.75, 0.7), ali.INDEPENDENT: (0.1, 0.15, 0.1)}
PAIRS = {kind: runs("same class", shares, classes=10, clear=0.5) for kind, shares in PAIRS.items()}
PLANES = [{"same mode": 0.8, "way of z": 0.2, "modes": 25}] * 2
BLACK, GOOD, BAD = np.zeros((4, 1, 28, 28)), *({"restored": {task: {"error": e} for task in TASKS}} for e in (0.01, 0.7))
RESTORED = {"dense": [GOOD] * 2, "conv": [GOOD] * 2}, *(dict.fromkeys(TASKS, BLACK + error) for error in (1.0, 0.8))
MIDDLES = dict.fromkeys(("dense", "conv"), [{"middles": {"codes": 4.9, "pixels": 5.0, "digit": 2.0}}] * 2)
DIVERGENCES = {bayesian_gan.ML: (0.3, 0.5, 0.4), bayesian_gan.MANY: (0.2, 0.2, 0.1), bayesian_gan.BAYES: (0.1, 0.22, 0.12)}
CHAINS = {"two of the data": 0.01, "last samples": 0.2, "one sample": 0.4, "samples": np.arange(16.0).reshape(8, 2)}
DIVERGENCES = {kind: runs("divergence", values, **CHAINS) for kind, values in DIVERGENCES.items()}
MACHINE = {"classes": 8, "confident": 0.5, "shares": [0.0, 0.9, 0.1], "rows": {"error": [99.0, 25.0], "loss": [-1], "gap": [0]}}
MACHINES = {how: [MACHINE] * 2 for how in boltzmann.LONG + boltzmann.SHORT}
MACHINES["attached"] = [MACHINE | {"rows": MACHINE["rows"] | {"error": [99.0, 46.0]}}] * 2
WORSE = {"classes": 7, "confident": 0.4, "shares": [0.0, 0.49, 0.1], "rows": MACHINE["rows"] | {"error": [99.0, 26.0]}}
GRADIENTS = [{"error": 1e-12, "differing": 0, "cosine": 0.5}] * 2
READ = {kind: [{"s": s, "class": 0.94, "error": 0.01}] * 2 for kind, s in (("told s", 0.7), ("fair", 0.54))}
G = {name: np.full((2, 20), share) for name, share in (("singular", 0.095), ("axes", 0.04), ("untrained", 0.03))}
G |= dict.fromkeys(("overlap", "moved_first", "moved_axis", "moved_last", "predicted_error"), np.full(2, 0.01))
G |= dict.fromkeys([f"{way}_sure" for way in ("random", "lerp", "slerp")], 0.5)
G |= {"slerp": np.ones((2, 11)), "lerp": np.array([[1.0] * 5 + [0.707] + [1.0] * 5] * 2)}
LABELLED = {("random", 100): 32.0, ("pretrained", 100): 23.0, ("random", 3000): 8.0, ("pretrained", 3000): 7.8}
LABELLED = [{key: (errors + i / 10, 0.0) for key, errors in LABELLED.items()} for i in range(6)]
UNHELPED = [run | {("pretrained", n): (32.0 + i % 3, 2.0 * (n == 100)) for n in (100, 3000)} for i, run in enumerate(LABELLED)]
LABELS = pretraining.Settings(labels=(100, 3000))
FALLS, MIXED = np.linspace(9, 1, 40), np.repeat(np.tile([1.0, 0.0], 10), 2)
NET = np.array([[-4.0, 3.0], [2.0, -9.0]])  # changes by D (row) and G of D's loss and G's
VAE = {"curve": FALLS, "changes": np.array([[-3.0, -3.0], [-9.0, -9.0]]), "frechet": 3.0}
GAN = {"loss_D": MIXED, "loss_G": FALLS[::-1], "changes": NET, "early": 4.0, "frechet": 2.0}
GREY, STRIPES = np.full((2, 1, 28, 28), 0.3), np.eye(28)[None, None].repeat(2, axis=0)
ALONE = vae.cross_entropy(STRIPES, GREY[0])  # nats, of pixels by themselves
ELBOS = [runs("terms", (np.array([10.0, 20.0]), np.array([nats - 25.1, 25.0]))) for nats in (110, ALONE)]
PLANE = {"terms": np.array([150.0, 5.0])}
INFERENCE = {kind: runs("T", (0.96, 1.04, 1.0), D_KL=1.0, gaps=0.1, right=0.9) for kind in avb.KINDS}
INFERENCE = {kind: [run | {"log P": -1.4 - i / 9} for i, run in enumerate(side)] for kind, side in INFERENCE.items()}
FILLED = {
    name: {"Frechet distance": 30.0 + i, "error": 0.1 - i / 100} for i, name in enumerate((fillings.GAN, fillings.REGRESSION))
}
FILLED |= {fillings.LINEAR: FILLED[fillings.REGRESSION], "acceptable": np.full(6, 3.0)}
FILLED = {side: FILLED | {"entropy": side / 20 + np.arange(6) % 4 / 9} for side in (8, 16)}
WINDOWS = {parzen.CENTRES: (300, 20.0), parzen.REAL_ONES: (240, 1.0), parzen.GAN: (220, 5.0), parzen.PIXELS: (-100, 900.0)}
WINDOWS = {
    name: {"log-likelihood": nats + np.arange(8.0) ** 2, "Frechet distance": far} for name, (nats, far) in WINDOWS.items()
}
WINDOWS = {name: row | {"sigma": 0.2, "clear digits": 0.5} for name, row in WINDOWS.items()}

POINTS, (WITH, WITHOUT) = np.repeat(cycle.RING.centres, 5, axis=0), cycle.KINDS
CYCLES = {kind: runs("back", backs, x=POINTS, y=POINTS @ cycle.R.T) for kind, backs in (
    (WITH, (POINTS, POINTS + 0.01)), (WITHOUT, (-POINTS, 0.1 - POINTS)))}  # fmt: skip

FAULTS = [
    faults(
        *(aae.measure, [CODES], ([0, "adversarial", 1, "distances", 0], 0.06), ([0, "adversarial", 1, "error"], 0.022)),
        *(([0, "adversarial", 1, "frechet", "prior"], 700.0), ([0, "adversarial", 1, "told"], 0.61)),
    ),
    faults(
        *(ali.measure, [PAIRS, PLANES], ([0, ali.PAIRS, 2, "same class"], 0.69), ([0, ali.INDEPENDENT, 0, "same class"], 0.9)),
        *(([1, 0, "same mode"], 0.1), ([1, 0, "way of z"], 1.6)),
    ),
    faults(autoencoder.measure, [BLACK, *RESTORED, autoencoder.Settings()], ([1, "dense", 1], BAD), ([1, "conv", 1], BAD)),
    faults(autoencoder.measure_middles, [MIDDLES], *[([0, name, 1, "middles", "codes"], 5.1) for name in MIDDLES]),
    faults(
        bayesian_gan.measure, [DIVERGENCES], ([0, bayesian_gan.BAYES, 2, "divergence"], 0.6), judged=8, kept=2, generators=2
    ),
    faults(
        *(boltzmann.measure, [MACHINES, 50.0, boltzmann.Settings()], ([0, "attached", 1, "rows", "error", -1], 44.0)),
        *[([0, how, 1], WORSE) for how in ("persistent", "from_data", "detached")],
    ),
    faults(boltzmann.measure_gradients, [GRADIENTS], ([0, 1], {"error": 1e-5, "differing": 1, "cosine": 0.95})),
    faults(
        *(cycle.measure, [CYCLES], ([0, WITH, 1, "y"], 0 * POINTS), ([0, WITH, 1, "back"], -POINTS)),
        *[([0, WITHOUT, i, "back"], POINTS) for i in range(2)],
    ),
    faults(fair.measure, [READ], ([0, "fair", 1, "s"], 0.56), ([0, "fair", 1, "class"], 0.9), ([0, "told s", 1, "s"], 0.59)),
    faults(
        *(fillings.measure, [FILLED, FILLED[8][fillings.GAN]], ([0, 16, "entropy"], FILLED[8]["entropy"])),
        *[([0, side, fillings.GAN, "Frechet distance"], 32.0) for side in (8, 16)],
        *[([0, side, fillings.REGRESSION, "error"], 0.11) for side in (8, 16)],
    ),
    faults(
        *(latent.measure, [[G, G]], ([0, 1, "singular"], G["singular"] - 0.01), ([0, 1, "axes"], G["axes"] + 0.01)),
        *(([0, 1, "slerp", 1, 3], 1 - 2e-6), ([0, 1, "lerp"], G["lerp"] + 0.05)),
        ([0, 1, "predicted_error", 1], 0.06),
    ),
    faults(
        *(parzen.measure, [WINDOWS], ([0, parzen.GAN, "log-likelihood"], np.arange(8.0) + 400)),
        *(([0, parzen.REAL_ONES, "log-likelihood"], np.arange(8.0) + 400), ([0, parzen.CENTRES, "Frechet distance"], 0.5)),
    ),
    faults(
        pretraining.measure,
        [{units: LABELLED for units in pretraining.ACTIVATIONS}, LABELS],
        *[([0, units], UNHELPED) for units in pretraining.ACTIVATIONS],
    ),
    (why.measure, {}, *((trained(pretrained=p, random=r), why.Settings()) for p, r in ((0.1, 1.0), (1.0, 0.1)))),
    faults(vae.measure_descent, [[VAE] * 2, [GAN] * 2], ([0, 1, "curve"], MIXED), ([1, 1, "loss_G"], FALLS)),
    faults(
        vae.measure_steps, [[VAE] * 2, [GAN] * 2], ([0, 1, "changes"], np.full((2, 2), 0.1)), ([1, 1, "changes"], NET - 2.9)
    ),
    faults(measure_elbo, ["glyphs", ELBOS[1], PLANE, GREY, STRIPES], ([1, 1, "terms", 1], 25.2)),
    faults(measure_elbo, ["mnist", ELBOS[0], PLANE, GREY, STRIPES], ([1, 1, "terms", 1], 25.2)),
    faults(vae.measure_samples, [[VAE], [GAN] * 2, 1.0], ([1, 1, "frechet"], 3.0)),
    faults(avb.measure, [INFERENCE], ([0, avb.BOTH, 1, "T"], 0.94)),
]
