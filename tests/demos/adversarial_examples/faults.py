"""Made-up measurements of two seeds, the second as given, and the bounds that they break."""

import numpy as np

from demos.adversarial_examples import adversarial_training, dimension, fgsm, fooled, manifold_defense, patch, signs
from demos.adversarial_examples.outliers import KINDS


def fgsm_runs(attacked=99.0, random=5.0, error=2.0, confidence=90.0, others=90.0, network=0.0, half_way=30):
    def classifier(attacked, half_way, random=5.0, error=2.0, confidence=90.0):
        found = {"error": error, "attacked": attacked, "confidence": confidence, "random": random}
        return found | dict.fromkeys(["attacked_clipped", "confidence_clipped", "random_clipped"], 50.0) | {"curve": half_way}

    names = {"logistic": 60, "softmax": 90, "network": 60, "convolutional": half_way}
    names = {name: classifier(99.0, np.array([0, errors, 99])) for name, errors in names.items()}
    second = {name: classifier(attacked, names[name]["curve"], random, error, confidence) for name in names}
    second["network"] |= {"curve": np.array([0, 61, 99]), "attacked": attacked + network}
    tables = [[[100.0, 90.0, least], [90.0, 99.0, 90.0], [90.0, 90.0, 99.0]] for least in (90.0, others)]
    return [{"errors": errors, "transfer": table} for errors, table in zip((names, second), tables, strict=True)]


def adversarial_runs(usual=99.0, random=98.0, adversarial=5.0, clean=2.0, pgd=100.0, worst=30.0, transfer=40.0):
    def run(usual, random, adversarial, clean, pgd, worst, transfer):
        rest = {"PGD": pgd, "worst epsilon": worst, "transfer": transfer, "outliers": dict.fromkeys(KINDS, adversarial)}
        names = {"usual": (usual, 2.0), "random": (random, 2.0), "adversarial": (adversarial, clean)}
        return {"figures": {name: rest | {"FGSM": errors, "clean": of_clean} for name, (errors, of_clean) in names.items()}}

    return [run(99.3, 98.5, 5.5, 2.0, 100.0, 30.0, 40.0), run(usual, random, adversarial, clean, pgd, worst, transfer)]


def dimension_runs(off=1e-12, formula=1.0, error=2.0, spread=0.5, **of_second):
    def seed(off, formula, error, spread, untrained=-0.5, pooled=0.0, repeated=-0.15, decayed=0.5):
        def rows(power, share=1):
            powers = dict.fromkeys(dimension.MODELS, power) | {"decayed": share * power, "untrained": untrained}
            return {name: {"error": [error] * 3, "epsilon": n**p, "spread": n**spread} for name, p in powers.items()}

        parts = [{"off": off, "margin": formula * e * 7, "norm": 7.0, "distance": 1.0} for e in n**pooled]
        return {"models": {"pooled": rows(pooled), "repeated": rows(repeated, decayed)}, "parts": parts}

    n = np.array([49.0, 196.0, 784.0])  # epsilons and ratios of norms are powers of it; with decay, the power is a share of one
    return [seed(1e-12, 1.0, 2.0, 0.5), seed(off, formula, error, spread, **of_second)]


def fooled_runs(accepted=0.95, **wrong):
    good = {"error": 2.0, "reached": 1.0, "ratio": 0.2, "distortion": 0.06, "chance": 0.0, "confidence": 0.9}
    kinds = ("normal", "uniform", "pushed")
    return [run | {"accepted": dict.fromkeys(kinds, share)} for run, share in ((good, 0.95), (good | wrong, accepted))]


def patch_runs(trained=0.8, random=0.1, digit=0.3, large=0.1, right=0.95):
    """Two targets each, at three sizes."""

    def run(targets, right):
        rates = {"trained": [trained + 0.02 * t for t in targets]}
        rates |= {name: [rate] * 2 for name, rate in {"random": random, "digit": digit, "large": large}.items()}
        return {"targets": targets, "right": right, "rates": {name: [[0, r, 1] for r in of] for name, of in rates.items()}}

    return [run([0, 2], 0.96), run([1, 3], right)]


def manifold_runs(attacked=0.2, after=0.88, clean_after=0.98, pairs=0.6, left=0.1):
    def row(epsilon, before, after):
        rates = {"before": before, "robust": before, "after": after, "robust after": after}
        return rates | {"epsilon": epsilon, "begun": 0.5, "distance": 3.0}

    found = {when: {"found": share, "differ": share} for when, share in (("before", pairs), ("after", left))}
    rest = {"untrained": 0.7, "adaptive": 0.3, "clean": {"before": 0.99, "after": 0.98}, "pairs": found}
    rows = [[row(0.0, 1.0, clean_after), row(0.25, attacked, after + more)] for more in (-0.01, 0.0, 0.01)]
    return [rest | {"rows": of_seed} for of_seed in rows]


def signs_runs(usual=99.6, pgd=15.5, clean=1.0, nine=10.0):
    def run(*of_each):
        rows = [dict(zip(signs.ATTACKS, shares, strict=True)) for shares in of_each]
        return {"errors": dict(zip(signs.TRAININGS, rows, strict=True)), "examples": {}}

    fgsm = 1.0, 20.0, 40.0, 40.0
    first = run((0.0, 90.0, 99.5, 90.0), fgsm, (1.0, 10.0, 15.0, 10.0))
    return [first, run((0.0, 90.0, usual, 91.0), fgsm, (clean, 10.0, pgd, nine))]


def row(measure, runs, settings, *faults):
    return measure, {}, (runs(), settings), *((runs(**wrong), settings) for wrong in faults)


FAULTS = [
    row(
        *(fgsm.measure, fgsm_runs, fgsm.Settings(epsilons=(0.0, 0.05, 0.25)), {"network": 0.5}, {"half_way": 60}),
        {"attacked": 70.0, "random": 40.0, "error": 5.0, "confidence": 60.0, "others": 40.0},
    ),
    row(
        *(adversarial_training.measure, adversarial_runs, adversarial_training.Settings()),
        {"usual": 80.0, "random": 40.0, "clean": 4.0, "pgd": 40.0, "transfer": 7.0},
        {"adversarial": 21.0, "transfer": 60.0},
    ),
    row(
        *(dimension.measure, dimension_runs, dimension.Settings(), {"off": 2e-6, "error": 6.0, "formula": 1.01, "spread": 0.0}),
        *({"untrained": -1.0, "pooled": -0.3, "repeated": -0.8, "decayed": 2.0, "spread": 1.0}, {"decayed": -2.0}),
        {"pooled": 0.3, "repeated": -0.04, "untrained": -0.2},
    ),
    row(
        *(fooled.measure, fooled_runs, fooled.Settings()),
        {"error": 4.0, "reached": 0.94, "chance": 0.2, "ratio": 0.31, "accepted": 0.85},
    ),
    row(*(signs.measure, signs_runs, signs.Settings(), {"usual": 98.0, "clean": 3.5}, {"pgd": 41.0, "nine": 95.0})),
    row(
        *(patch.measure, patch_runs, patch.Settings(shares=(0.02, 0.1, 0.2)), {"right": 0.8, "random": 0.16}),
        *({"trained": 0.42, "digit": 0.1}, {"digit": 0.9, "large": 0.6}, {"trained": 0.05}),
    ),
    row(
        *(manifold_defense.measure, manifold_runs, manifold_defense.Settings(epsilons=(0.0, 0.25)), {"left": 0.4}),
        *({"after": 0.2, "pairs": 0.4}, {"attacked": 1.0, "clean_after": 0.9}),
    ),
]
