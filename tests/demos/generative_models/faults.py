"""Made-up measurements, and the bounds that they break."""

import numpy as np

from demos.generative_models import adversarial_autoencoder as aae
from demos.generative_models import ali, autoencoder, bayesian_gan, boltzmann, fair, latent, pretraining, vae, variational_bayes
from demos.generative_models.damage import TASKS
from tests.demos.made_up import faults


def runs(name, values, **others):
    return [others | {name: value} for value in values]


def labelled(means, known=0.0):
    """Six runs of pretraining, on either side of these means: {labels: (errors from random weights, pretrained)}."""
    spread = np.array([-0.2, 0.2, -0.1, 0.1, 0.3, -0.3])
    off = {"random": spread, "pretrained": np.roll(spread, 1)}
    keys = [(start, n, mean) for n, pair in means.items() for start, mean in zip(off, pair, strict=True)]
    return [{(start, n): (mean + off[start][i], known) for start, n, mean in keys} for i in range(6)]


def measure_elbo(claim, data, *arguments):
    claim.args.data = data
    vae.measure_elbo(claim, *arguments)


CODES = {"distances": np.array([0.01, 0.03]), "distances, training": np.array([0.02]), "error": 0.02}
CODES = {"adversarial": [CODES | {"frechet": {"prior": 100.0, "fitted": 90.0}}] * 2}
CODES["plain"] = [CODES["adversarial"][0] | {"error": 0.018, "frechet": {"prior": 1000.0, "fitted": 90.0}}] * 2

PAIRS = {ali.PAIRS: (0.8, 0.75, 0.7), ali.INDEPENDENT: (0.1, 0.15, 0.1)}
PAIRS = {kind: runs("same class", shares, classes=10, clear=0.5) for kind, shares in PAIRS.items()}
PLANES = [{"same mode": 0.8, "way of z": 0.2, "modes": 25}] * 2

BLACK, GOOD = np.zeros((4, 1, 28, 28)), [{"restored": {task: {"error": 0.1**2} for task in TASKS}}] * 2
RESTORED = [BLACK, {"dense": GOOD, "conv": GOOD}, dict.fromkeys(TASKS, BLACK + 1.0), dict.fromkeys(TASKS, BLACK + 0.8)]
DENOISED = [1, "dense", 1, "restored", "denoising", "error"]
REMEDY, MAP = (f"denoising, dense: {other}'s error over its own, worst seed" for other in ("remedy", "linear map"))
MIDDLES = dict.fromkeys(("dense", "conv"), [{"middles": {"codes": 4.9, "pixels": 5.0, "digit": 2.0}}] * 2)

DIVERGENCES = {bayesian_gan.ML: (0.3, 0.5, 0.4), bayesian_gan.MANY: (0.2, 0.2, 0.1), bayesian_gan.BAYES: (0.1, 0.22, 0.12)}
CHAINS = {"two of the data": 0.01, "last samples": 0.2, "one sample": 0.4, "samples": np.arange(16.0).reshape(8, 2)}
DIVERGENCES = {kind: runs("divergence", values, **CHAINS) for kind, values in DIVERGENCES.items()}

MACHINE = {"classes": 8, "confident": 0.5, "shares": [0.0, 0.9, 0.1], "rows": {"error": [99.0, 25.0], "loss": [-1], "gap": [0]}}
MACHINES = {how: [MACHINE] * 2 for how in boltzmann.LONG + boltzmann.SHORT}
MACHINES["attached"] = [MACHINE | {"rows": MACHINE["rows"] | {"error": [99.0, 46.0]}}] * 2
OVER = {how: f"{name}: error over the mean image's, worst seed" for how, name in boltzmann.NAMES.items()}

READ = {kind: [{"s": s, "class": 0.94, "error": 0.01}] * 2 for kind, s in (("told s", 0.7), ("fair", 0.54))}

G = {name: np.full((2, 20), share) for name, share in (("singular", 0.095), ("axes", 0.04), ("untrained", 0.03))}
G |= dict.fromkeys(("overlap", "moved_first", "moved_axis", "moved_last", "length", "predicted_error"), np.full(2, 0.01))
G |= dict.fromkeys([f"{way}_sure" for way in ("random", "lerp", "slerp", "through_z", "through_pixels")], 0.5)
G |= {
    "slerp": np.ones((2, 11)),
    "lerp": np.full((2, 11), 0.707),
    "error": np.array([3.0, 7.0]),
    "nearest": np.array([5.0, 5.0]),
}

LABELLED = [{"sigmoid": labelled({100: (32, 23), 3000: (8, 6.5)}), "ReLU": labelled({100: (30, 26), 3000: (6, 6)})}]
LABELLED += [pretraining.Settings(labels=(100, 3000))]

GAIN = "sigmoid, 100 labels: seeds that gain, of 6"

FALLS, MIXED = np.linspace(9, 1, 40), np.repeat(np.tile([1.0, 0.0], 10), 2)
VAE = {"curve": FALLS, "changes": np.array([[-3.0, -3.0], [-9.0, -9.0]]), "frechet": 3.0}
GAN = {"loss_D": MIXED, "loss_G": FALLS[::-1], "changes": np.array([[-4.0, 3.0], [2.0, -3.0]]), "early": 4.0, "frechet": 2.0}
GREY, STRIPES = np.full((2, 1, 28, 28), 0.3), np.eye(28)[None, None].repeat(2, axis=0)
ALONE = vae.cross_entropy(STRIPES, GREY[0])  # nats, of pixels by themselves
ELBOS = [runs("terms", (np.array([10.0, 20.0]), np.array([nats - 25.1, 25.0]))) for nats in (110, ALONE)]
PLANE = {"terms": np.array([150.0, 5.0])}

INFERENCE = {kind: runs("T", (0.96, 1.04, 1.0), D_KL=1.0, gaps=0.1, right=0.9) for kind in variational_bayes.KINDS}
INFERENCE = {kind: [run | {"log P": -1.4 - i / 9} for i, run in enumerate(side)] for kind, side in INFERENCE.items()}

FAULTS: dict[str, list] = {
    "adversarial_autoencoder": faults(
        aae.measure,
        [CODES],
        ([0, "adversarial", 1, "distances", 0], 0.06, "KS distance from the prior"),
        ([0, "adversarial", 1, "error"], 0.03, "squared error over that of plain"),
        ([0, "adversarial", 1, "frechet", "prior"], 700.0, "Frechet distance over that of plain"),
    ),
    "ali": faults(
        ali.measure,
        [PAIRS, PLANES],
        ([0, ali.PAIRS, 2, "same class"], 0.69, "same class"),
        ([0, ali.INDEPENDENT, 0, "same class"], 0.2, "same class, independent pairs"),
        ([0, ali.INDEPENDENT], PAIRS[ali.PAIRS], "same class, independent pairs", "same class: pairs, not independent ones"),
        ([1, 0, "same mode"], 0.1, "same mode"),
        ([1, 0, "way of z"], 1.6, "way of z"),
    ),
    "autoencoder": [
        *faults(
            autoencoder.measure, [*RESTORED, autoencoder.Settings()], (DENOISED, 0.52, REMEDY), (DENOISED, 0.7, REMEDY, MAP)
        ),
        *faults(
            autoencoder.measure_middles,
            [MIDDLES],
            ([0, "dense", 1, "middles", "codes"], 5.1, "nearest training image, dense: codes over pixels, worst seed"),
        ),
    ],
    "bayesian_gan": faults(
        bayesian_gan.measure,
        [DIVERGENCES],
        ([0, bayesian_gan.BAYES], runs("divergence", (0.2, 0.41, 0.3), **CHAINS), "posterior / one G"),
        ([0, bayesian_gan.ML, 0, "divergence"], 0.13, "posterior, not one G"),
        **{"judged": 8, "kept": 2, "generators": 2},
    ),
    "boltzmann": [
        *faults(
            boltzmann.measure,
            [MACHINES, 50.0, boltzmann.Settings()],
            ([0, "detached", 1, "rows", "error", -1], 26.0, OVER["detached"]),
            ([0, "attached", 1, "rows", "error", -1], 44.0, OVER["attached"].replace("worst", "best")),
            ([0, "persistent", 1, "classes"], 7, "persistent chains: digits of 10, worst seed"),
            ([0, "persistent", 1, "confident"], 0.4, "persistent chains: sure share, worst seed"),
            ([0, "from_data", 1, "shares", 1], 0.49, "CD-1: share of the commonest digit, best seed"),
        ),
        *faults(
            boltzmann.measure_gradients,
            [[{"error": 1e-12, "differing": 0, "cosine": 0.5}] * 2],
            ([0, 1, "error"], 1e-5, "gradient: distance from the textbook's"),
            ([0, 1, "differing"], 1, "drawn pixels: numbers of it that change without detach"),
            ([0, 1, "cosine"], 0.95, "probabilities: its cosine, with detach and without"),
        ),
    ],
    "fair": faults(
        fair.measure,
        [READ],
        ([0, "fair", 1, "s"], 0.56, "the colour from z, with the term, worst seed"),
        ([0, "fair", 1, "class"], 0.9, "the class from z, lost by the term, worst seed"),
        ([0, "told s", 1, "s"], 0.59, "the colour from z, without the term, worst seed"),
    ),
    "latent": faults(
        latent.measure,
        [[G, G]],
        ([0, 1, "singular"], np.full((2, 20), 0.085), "singular_share"),
        ([0, 1, "axes"], np.full((2, 20), 0.05), "axes_to_singular"),
        ([0, 1, "slerp", 1, 3], 1 - 2e-6, "slerp_norm_error"),
        ([0, 1, "lerp"], np.full((2, 11), 0.76), "lerp_half_way"),
        ([0, 1, "predicted_error", 1], 0.06, "predicted_change_error"),
        ([0, 1, "error", 1], 10.0, "inversion_to_nearest"),
    ),
    "pretraining": faults(
        pretraining.measure,
        LABELLED,
        ([0, "sigmoid"], labelled({100: (23, 32), 3000: (8, 6.5)}), pretraining.change("sigmoid", 100), GAIN),
        ([0, "sigmoid"], labelled({100: (32, 23), 3000: (12, 6)}), "sigmoid: change with 3000 labels"),
        ([0, "sigmoid", 5, ("random", 100)], (32, 2.0), "sigmoid, 100 labels: errors on these (%), worst seed"),
        ([0, "ReLU"], labelled({100: (30, 30), 3000: (6, 6)}), pretraining.change("ReLU", 100)),
        ([0, "ReLU"], labelled({100: (30, 26), 3000: (7, 5.8)}), "ReLU, 3000 labels: farther end of the interval"),
    ),
    "vae": [
        *faults(
            vae.measure_descent,
            [[VAE] * 2, [GAN] * 2],
            ([0, 1, "curve"], MIXED, "downwards_vae"),
            ([1, 1, "loss_G"], FALLS, "downwards_gan"),
            ([1, 1, "loss_D"], FALLS, "downwards_gan"),
        ),
        *faults(
            vae.measure_steps,
            [[VAE] * 2, [GAN] * 2],
            ([0, 1, "changes", 0, 0], 0.1, "objective_by_encoder"),
            ([0, 1, "changes", 1, 0], 0.1, "objective_by_decoder"),
            ([1, 1, "changes", 0, 1], 0.1, "undone_of_G"),
            ([1, 1, "changes", 1, 0], -2.0, "undone_of_D"),
            ([1, 1, "changes", 0, 0], 0.0, "undone_of_D"),
        ),
        *faults(measure_elbo, ["glyphs", ELBOS[1], PLANE, GREY, STRIPES], ([1, 1, "terms", 1], 25.2, "elbo")),
        *faults(measure_elbo, ["mnist", ELBOS[0], PLANE, GREY, STRIPES], ([1, 1, "terms", 1], 25.2, "elbo")),
        *faults(vae.measure_samples, [[VAE], [GAN] * 2, 1.0], ([1, 1, "frechet"], 3.0, "frechet_gan_end_to_quarter")),
    ],
    "variational_bayes": faults(
        variational_bayes.measure,
        [INFERENCE],
        *[([0, variational_bayes.BOTH, 1, "T"], T, "mean of T beside D_KL, where Q is normal: off by") for T in (0.94, 1.06)],
    ),
}
