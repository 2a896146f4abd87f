"""Made-up measurements, and the bounds that they break."""

from types import SimpleNamespace

import numpy as np

from demos.architectures import began, conditioning, dcgan, ebgan, lapgan
from demos.architectures.shortcomings import CONV, ITERATIONS, SECONDS
from tests.demos.made_up import faults


def training(ratio, sign):
    """BEGAN's distances fall; M falls, too, or rises, if the sign is 1."""
    history = [{"step": t, "M": sign * float(t), "ratio": ratio} for t in range(1, 31)]
    snapshots = [{"step": np.array(10 * i), "distance": np.array(90.0 - 10 * i)} for i in range(4)]
    return SimpleNamespace(history=history, snapshots=snapshots)


def runs(name, values, **others):
    return [others | {name: value} for value in values]


TOLD = {"both": (0.91, 0.99), "neither": (0.1, 0.14), "G alone": (0.14, 0.1), "D alone": (0.3, 0.4)}
TOLD = {kind: runs("accuracy", pair, frechet=100.0, spread=0.5) for kind, pair in TOLD.items()}
DISTANCES = {"with nine": [[4, 5], [5, 6], [3, 5]], "alone": [[10, 11], [10, 12], [9, 10]]}
RARE = {kind: runs("frechet", np.array(rows, float), copies=5.0, nearest=2.0) for kind, rows in DISTANCES.items()}
DENSE = runs("dots", (2.0, 2.1, 2.2), frechet=50.0, confident=0.5, clear=[0.5] * 10)
DENSE = [run | {"frechet": 50.0 + i} for i, run in enumerate(DENSE)]
CONVOLUTIONAL = [run | {"frechet": 30.0 + i, "dots": 1.0} for i, run in enumerate(DENSE)]
ON_THE_LINE = [{"loss": np.array([1.0] * 90 + [end] * 10), "variation": 0.1} for end in (1.0, 0.95)]
ALONE = [{"shift": 1.0, "loss": 0.62, "theory": 0.617}]
PULLED = [{"classes": 10, "Frechet distance": 100.0 + i, "f_PT": 0.1} for i in range(4)]
FREE = [run | {"f_PT": 0.5 + 0.1 * (i % 2)} for i, run in enumerate(PULLED)]
FEWER = [run | {"classes": 5 + i % 2} for i, run in enumerate(PULLED)]
PYRAMID = {"clear digits": 0.5, "seconds": 10.0, "Frechet distance, real coarse images": 50.0}
PYRAMID = {kind: runs("Frechet distance", d, **PYRAMID) for kind, d in {"LAPGAN": (100, 110), "one scale": (200, 220)}.items()}
END = "game on the line: loss of D / m at the end, worst seed"

FAULTS: dict[str, list] = {
    "began": faults(
        began.thermostat,
        [training(0.7, -1)],
        ([0], training(0.9, -1), "ratio in the last quarter"),
        ([0], training(0.7, 1), "rank correlation of M with the Frechet distance"),
        gamma=0.75,
    ),
    "conditioning": [
        *faults(
            conditioning.measure,
            [TOLD, 0.97],
            ([0, "both", 0, "accuracy"], 0.89, "accuracy_both"),
            ([0, "neither", 1, "accuracy"], 0.16, "accuracy_neither"),
            ([0, "G alone", 0, "accuracy"], 0.16, "accuracy_G alone"),
        ),
        *faults(conditioning.measure_rare, [RARE], ([0, "with nine", 1, "frechet"], np.array([4.0, 50.0]), "sharing_end")),
    ],
    "dcgan": faults(
        dcgan.measure,
        [{CONV: CONVOLUTIONAL, SECONDS: DENSE, ITERATIONS: DENSE}, {"dots": 0.0}],
        ([0, SECONDS, 0, "frechet"], 0.0, f"Frechet distance: {CONV} less {SECONDS}"),
        ([0, ITERATIONS, 0, "dots"], 0.0, f"dots: {CONV} less {ITERATIONS}"),
    ),
    "ebgan": [
        *faults(
            ebgan.theory,
            [ALONE, ON_THE_LINE, ebgan.Settings()],
            ([0, 0, "loss"], 0.7, "D alone: loss / m beside 1 - TV, largest error"),
            ([1, 0, "loss"], np.array([1.0] * 90 + [0.85] * 10), END),
            ([1, 1, "loss"], np.array([1.0] * 90 + [1.15] * 10), END),
        ),
        *faults(
            ebgan.pull_away,
            [{ebgan.WITHOUT: FREE, ebgan.WITH: PULLED, ebgan.STRONG: PULLED}],
            ([0, ebgan.WITHOUT], [run | {"f_PT": 0.7} for run in FEWER]),
            ([0, ebgan.WITH, 0, "classes"], 9, f"classes {ebgan.WITH}, worst seed"),
            ([0, ebgan.WITH], FEWER, f"classes {ebgan.WITH}, worst seed", "classes: the pull-away term"),
            ([0, ebgan.WITH, 0, "f_PT"], 2.0, "f_PT: the pull-away term"),
        ),
    ],
    "lapgan": faults(
        lapgan.measure, [PYRAMID], ([0, "LAPGAN", 0, "Frechet distance"], 500, "Frechet distance, LAPGAN / one scale")
    ),
}
