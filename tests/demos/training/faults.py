"""Made-up measurements, and the bounds that they break. The worst seed decides."""

from itertools import product

import numpy as np

from demos.training import averages, coadaptation, collapse, equilibrium, improved, saturation, semi_supervised, tempo, tips
from demos.training import perfect_discriminator as perfect


def toys(still, dropout, difference):
    def run(plus, minus):  # what is left of the noise of x1 + x2 and of x1 - x2
        s, d = np.array([1, 1, -1, -1]), np.array([1, -1, 1, -1])
        return {"before": np.stack([s + d, s - d], 1), "after": np.stack([plus * s + minus * d, plus * s - minus * d], 1)}

    runs = [run(1, 0), run(still, difference)], [run(0, 0), run(dropout, 0)], [run(0, 0)], [run(0, 0)]
    return (dict(zip(product((False, True), (0.0, 0.2)), runs, strict=True)),)


def samples(collapsed, cured):
    """This many on each mode and off them; the last of six seeds has five more on the rarest."""
    counts = dict.fromkeys(collapse.CHANGES, collapsed) | dict.fromkeys(collapse.CURES, cured)
    each = {change: [n] * 5 + [np.add(n, (0, 0, 5, 0))] for change, n in counts.items()}
    places = [*collapse.DATA.centres, [0.0, 0.0]]
    return ({change: [[np.repeat(places, n, axis=0)] for n in runs] for change, runs in each.items()},)


def game(accuracy, turn, few, alone, control):
    def run(accuracy, turn, few, alone, control):
        rows = {"D_held_out": np.full(8, 0.7), "D_fake": np.full(8, 0.2), "held_out": np.full(8, 0.8)}
        G = rows | {"accuracy": np.full(8, accuracy), "trained": np.full(8, 0.8 + few)}
        both = {"D": {"accuracy": np.full(8, accuracy + turn)}, "G": G}
        return {"all": both, "few": both, "alone": {"accuracy": [0, alone]}, "control": {"accuracy": np.full(8, control)}}

    return ([run(0.9, 0.1, 0.1, 1, 0.5), run(accuracy, turn, few, alone, control)],)


def gradients(norms, other, variances, bound, noisy):
    def run(*columns):
        names = "log(1 - D): norm", "-log D: norm", "-log D: variance", "bound", "step", "right"
        return {name: np.array(column) for name, column in zip(names, (*columns, [0, 1, 2], [0, 1, 1]), strict=True)}

    runs = [run(norms, other, variances, [bound] * 3)], [run(noisy, [1, 1, 1], [1, 1, 1], [9, 9, 9])]
    return (dict(zip(perfect.KINDS, runs, strict=True)),)


def pretraining(at_one_hundredth, later):
    pairs = (99, 999), (at_one_hundredth, later)
    return ([np.array([[0.5, 1, 1], [0.01, 1, a], [0.009, 9, 9], [0.001, 1, b]]) for a, b in pairs],)


def errors(*gan):
    runs = {kind: [{"error": [99.0, e]} for e in found] for kind, found in (("gan", gan), ("alone", (24, 25, 23)))}
    return runs, semi_supervised.Settings()


def turns(off, average, growth, far):
    """Two turns of the bilinear game from (1, 1): the last point is this much off; both players at once, a spiral."""
    s = averages.Settings(turns=2)
    in_turn, at_once = averages.bilinear(s, True), averages.bilinear(s, False)
    in_turn[-1], at_once[-1, 2:] = [1 + off, 1 + off, average, 0.0], far
    at_once[:, :2] *= growth
    return s, in_turn, at_once


def shares(last, averaged, gain, behind):
    """Of four seeds at four moments; all pairs of a rate differ by the same."""
    constant = [np.full((4, 2), (last, averaged)) for _ in range(4)]
    return ({"constant": constant, "falling": [np.full((4, 2), (averaged - behind, averaged - behind + gain))] * 4},)


def grid(kept, ahead, least, most, share):
    cells = {}
    for k, l in product((1, 2, 5), repeat=2):
        row = dict.fromkeys(("kl", "swing", "first_accuracy"), 0) | {"modes_1pct": kept if k >= l else ahead}
        row |= {"accuracy": least if k == l else most}
        cells[k, l] = [row | {"high_quality": noise + (share if k > l else 0.1)} for noise in (-0.01, 0, 0.01)]
    return (cells,)


def tips_of(classes, asked, kept):
    run = {"frechet": 9.0, "classes": classes, "seconds": 1.0, "asked": asked, "kept": 0.1}
    run |= dict.fromkeys((tips.EARLY, tips.PRESENT, tips.REAL), 0.9)
    return ({kind: [run, run, run | {"kept": kept}] for kind in (tips.BASE, tips.ONE_HOT, *tips.TIPS)},)


def techniques(error, near, away, with_virtual, with_norm):
    s = improved.Settings(toy_steps=9)
    curves = {side: [improved.best(side, s) + error] for side in improved.SIDES}
    paths = {"with": np.full((10, 2), 1 + near), "without": np.full((10, 2), 1 + away)}
    runs = {
        kind: [{"modes": 8, "share": 0.5, "moved": 0.0}] * 4 for kind in (improved.PLAIN, *improved.TECHNIQUES, improved.NORM)
    }
    for kind, moved in ((improved.VIRTUAL, with_virtual), (improved.NORM, with_norm)):
        runs[kind] = [*runs[kind], runs[kind][0] | {"moved": moved}]
    return curves, paths, runs, s


FAULTS = [
    (averages.measure_turns, {}, turns(9e-10, 0.09, 1, 9), turns(1e-7, 0.11, 1.01, 6)),
    (averages.measure, {}, shares(0.8, 0.86, 0.02, -0.04), shares(0.85, 0.84, 0.04, -0.06)),
    (coadaptation.measure_toys, {}, toys(0.91, 0.049, 0.049), toys(0.89, 0.051, 0.051)),
    (collapse.measure, {}, samples((52, 40, 0, 8), (28, 30, 32, 10)), samples((10, 10, 10, 70), (10, 10, 0, 80))),
    (equilibrium.measure, {}, game(0.61, 0.01, 0.01, 0.991, 0.549), game(0.59, -0.01, -0.01, 0.98, 0.44)),
    (
        *(perfect.report, {}, gradients([1, 0.1, 9e-4], [1, 2, 1], [1, 40, 80], 1, [1, 9, 1])),
        gradients([1, 0.1, 2e-3], [1, 2, 0.9], [1, 40, 9], 0.9, [1, 11, 1]),
    ),
    (saturation.measure_gradients, {}, pretraining(51, 51), pretraining(49, 49)),
    (semi_supervised.measure, {}, errors(7, 8, 9), errors(8, 26, 23)),
    (improved.measure, {}, techniques(0.01, 0.05, 0.5, 0.0, 0.02), techniques(0.03, 0.1, 0.05, 1e-7, 0.009)),
    (tips.measure, {}, tips_of(9, 0.51, 0.49), tips_of(8, 0.49, 0.51)),
    (tempo.measure, {}, grid(7, 3, 0.51, 0.74, 0.8), grid(6.9, 3.1, 0.5, 0.76, 0.1)),
]
