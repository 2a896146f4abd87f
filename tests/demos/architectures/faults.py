"""Made-up measurements, and the bounds that they break."""

from types import SimpleNamespace

import numpy as np

from demos.architectures import began, cgan, colour, conditioning, dcgan, ebgan, features, infogan, lapgan, referee
from demos.architectures.shortcomings import CONV, DENSE
from tests.demos.made_up import faults


def training(ratio, sign):
    """BEGAN's distances fall; M falls, too, or rises, if the sign is 1."""
    history = [{"step": t, "M": sign * float(t), "ratio": ratio} for t in range(1, 31)]
    snapshots = [{"step": np.array(10 * i), "distance": np.array(90.0 - 10 * i)} for i in range(4)]
    return SimpleNamespace(history=history, snapshots=snapshots)


def runs(name, values, **others):
    return [others | {name: value} for value in values]


ASKED = {"seconds": [1.0, 2.0], cgan.ASKED: [0.9, 0.985], cgan.WORST: [0.9, 0.96], cgan.DISTANCE: [9.0, 5.0]}
ASKED = [{name: values[-1] for name, values in ASKED.items()}, [ASKED] * 4]
TOLD = {"both": (0.91, 0.99), "neither": (0.1, 0.14), "G alone": (0.14, 0.1), "D alone": (0.3, 0.4)}
TOLD = {kind: runs("accuracy", pair, frechet=100.0, spread=0.5) for kind, pair in TOLD.items()}
RARE = {"with nine": [[4.0, 5], [5, 6], [3, 5]], "alone": [[10.0, 11], [10, 12], [9, 10]]}
RARE = {kind: runs("frechet", np.array(rows), copies=5.0, nearest=2.0) for kind, rows in RARE.items()}
LOOK = {"frechet": 9.0, "dots": 0.1, "confident": 0.86, "clear": [0.9] * 10}
PLAYERS = {
    kind: [{"seconds": [1.0, 2.0], "looks": [LOOK | {"frechet": frechet + i, "dots": dots + i / 10}, LOOK]} for i in range(3)]
    for kind, frechet, dots in ((CONV, 30.0, 1.0), (DENSE, 50.0, 2.0))
}
for run in PLAYERS[DENSE]:
    run["looks"].reverse()
ON_THE_LINE = [{"loss": np.array([1.0] * 90 + [end] * 10), "variation": 0.1} for end in (1.0, 0.95, 1.15, 0.85)]
THEORY = [[{"shift": 1.0, "loss": 0.62, "theory": 0.617}], ON_THE_LINE[:2], ebgan.Settings()]
PULLED = [{"classes": 10, "Frechet distance": 100.0 + i, "f_PT": 0.1} for i in range(4)]
FREE = [run | {"f_PT": 0.5 + 0.1 * (i % 2)} for i, run in enumerate(PULLED)]
FEWER = [run | {"classes": 5 + i % 2} for i, run in enumerate(PULLED)]
TERM = {ebgan.WITHOUT: FREE, ebgan.WITH: PULLED, ebgan.STRONG: PULLED}
DISTANCES = {kind: [f"Frechet distance, {kind} from {start}" for start in lapgan.STARTS] for kind in ("LAPGAN", "spline")}
CLEAR = {name.replace("Frechet distance", "clear digits"): 0.5 for name in DISTANCES["LAPGAN"]}
PYRAMID = {"clear digits": 0.5, "seconds": 10.0, **CLEAR, **dict.fromkeys(DISTANCES["LAPGAN"], 20.0)}
PYRAMID = {kind: runs("Frechet distance", d, **PYRAMID) for kind, d in {"LAPGAN": (100, 110), "one scale": (200, 220)}.items()}
REFEREED = {"cgan": (9.0, 9.5), referee.UNSEEN: (4.0, 9.6), referee.LINEAR: (110.0, 9.0), referee.REPEATED: (21.0, 10.0)}
REFEREED = {name: {"Frechet distance": d, "Inception score": i, "told apart": 0.9} for name, (d, i) in REFEREED.items()}
IN_COLOUR = {"seconds": [1.0, 2.0], "looks": [{colour.DISTANCE: 9.0, colour.COLOURS: 0.1, "classes": 10, "clear": 0.5}] * 2}
HALVES = {f"{colour.DISTANCE}, {colour.HALVES}": 1.0, f"{colour.COLOURS}, {colour.MISSING}": 0.17}
LABELLED = {(kind, n): np.array([9.0, 10, 12]) for n in (100, 1000) for kind in features.KINDS}
LABELLED = [LABELLED | {(features.GAN_D, 100): np.array([5.0, 7, 8])}] * 2
CODED = {"table": np.roll(np.eye(10, dtype=int), 3, axis=1) * 8 + 0.2, "read": 1.0, "clear": 0.9, "L": 0.1}  # 82 % agree
FLAT = CODED | {"table": np.ones((10, 10), int)}
CODED = dict(zip(infogan.KINDS, ([CODED, CODED | {"table": CODED["table"] + 0.01}], [FLAT, FLAT]), strict=True))

FAULTS = [
    faults(began.thermostat, [training(0.7, -1)], ([0], training(0.9, 1)), gamma=0.75),
    faults(
        *(began.measure_ways, [1.2, dict.fromkeys(began.WAYS, dict.fromkeys(["frechet", "nearest", "confident"], 1.0))]),
        *(([0], 1.3), *(([1, "through z", name], 1.1) for name in ("frechet", "nearest"))),
    ),
    faults(cgan.measure, ASKED, ([1, 0, cgan.ASKED], [0.9, 0.95]), ([1, 0, cgan.WORST], [0.9, 0.85])),
    faults(
        *(colour.measure, [IN_COLOUR, HALVES]),
        *(([0, "looks", 1, name], bad) for name, bad in ((colour.DISTANCE, 10.1), (colour.COLOURS, 0.2), ("classes", 9))),
    ),
    faults(features.measure, [LABELLED, features.Settings()], ([0, 0, (features.GAN_D, 100)], np.array([9.0, 14, 15]))),
    faults(
        *(conditioning.measure, [TOLD, 0.97], ([0, "both", 0, "accuracy"], 0.89)),
        *(([0, kind, i, "accuracy"], 0.16) for kind, i in (("neither", 1), ("G alone", 0))),
    ),
    faults(conditioning.measure_rare, [RARE], ([0, "with nine", 1, "frechet"], np.array([5.0, 50.0]))),
    faults(
        *(dcgan.measure, [LOOK, PLAYERS, {"dots": 0.0}], ([0, "frechet"], 15.0), ([0, "confident"], 0.8)),
        *(([1, CONV, 0, "looks", 0, name], 200.0) for name in ("frechet", "dots")),
    ),
    faults(infogan.measure, [CODED], ([0, infogan.KINDS[0]], [FLAT] * 2), ([0, infogan.KINDS[1]], CODED[infogan.KINDS[0]])),
    faults(ebgan.theory, THEORY, ([0, 0, "loss"], 0.7), ([1, 0], ON_THE_LINE[2])),
    faults(ebgan.theory, THEORY, ([0, 0, "loss"], 0.5), ([1, 1], ON_THE_LINE[3])),
    faults(ebgan.pull_away, [TERM], ([0, ebgan.WITH], FEWER), ([0, ebgan.WITH, 0, "f_PT"], 2.0)),
    faults(
        *(referee.measure, [REFEREED], ([0, "cgan", "Frechet distance"], 111.0)),
        *(([0, referee.REPEATED, name], low) for name, low in (("Frechet distance", 19.0), ("Inception score", 9.5))),
    ),
    faults(
        *(lapgan.measure, [PYRAMID, dict.fromkeys(DISTANCES["spline"], 20.0)], ([0, "LAPGAN", 0, "Frechet distance"], 500)),
        *(([1, name], 19.0) for name in DISTANCES["spline"]),
    ),
]
