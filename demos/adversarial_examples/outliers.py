"""Outliers at test time: digits unlike any training image, and the networks' errors on them."""

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, NOTHING, compare, verdict
from demos.kit.pictures import labelled
from demos.kit.style import MARKERS, OTHERS, slide
from minigan import data

KINDS = ("noise", "other fonts", "inverted", "shifted", "a quarter covered")
NAMES = ("usual", "random", "adversarial")  # the networks: trained as usual, on random signs, on adversarial examples
STD = 0.5  # of the noise on each pixel
SHIFT = 4  # pixels, along one of the diagonals
SHOWN = 7  # images of each kind in the picture


def outliers(x: np.ndarray, y: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images (n, 1, 28, 28) of each kind, and their classes; always the same. All but the fonts are made from x."""
    rng = np.random.default_rng(0)
    noisy = x + STD * rng.standard_normal(x.shape, dtype=x.dtype)
    corner = rng.integers(2, size=(2, len(x)))
    shifted, covered = np.zeros_like(x), x.copy()
    for i, (down, right) in enumerate(corner.T):
        there, here = slice(SHIFT, None), slice(None, -SHIFT)
        to, start = ((there, here) if down else (here, there)), ((there, here) if right else (here, there))
        shifted[i, 0, to[0], start[0]] = x[i, 0, to[1], start[1]]
        covered[i, 0, 14 * down : 14 * (down + 1), 14 * right : 14 * (right + 1)] = 0
    fonts, classes = data.glyphs(len(x), rng=rng)
    made = {"noise": noisy, "inverted": 1 - x, "shifted": shifted, "a quarter covered": covered}
    return {kind: (fonts, classes) if kind == "other fonts" else (made[kind], y) for kind in KINDS}


def errors(runs: list[dict], name: str, kind: str) -> np.ndarray:
    """The errors of a network in per cent, one for each seed."""
    return np.array([run["figures"][name]["outliers"][kind] for run in runs])


def measure_outliers(claim: Claim, runs: list[dict]) -> None:
    """The errors of each network on each kind; their change by adversarial training, and by random signs."""
    for kind in KINDS:
        for name in NAMES:
            claim.note(f"{name}, {kind}", errors(runs, name, kind).mean())
        usual = errors(runs, "usual", kind)
        claim.compare(f"outliers, {kind}", compare(errors(runs, "adversarial", kind), usual, paired=True))
        claim.compare(f"outliers, {kind}, random signs", compare(errors(runs, "random", kind), usual, paired=True))


def word(m: dict[str, float], kind: str) -> str:
    """The verdict on adversarial training for a kind."""
    return verdict(*(m[f"outliers, {kind}{end}"] for end in ("", " low", " high")))


def in_outliers(m: dict[str, float]) -> str:
    """The picture's title: the kinds by the effect of adversarial training."""
    kinds = {effect: [kind for kind in KINDS if word(m, kind) == effect] for effect in (HELPS, HURTS, NOTHING)}
    errors = {kind: f"{kind} ({m[f'adversarial, {kind}']:.0f} % instead of {m[f'usual, {kind}']:.0f} %)" for kind in KINDS}
    parts = [f"{effect} with {', '.join(errors[kind] for kind in kinds[effect])}" for effect in (HELPS, HURTS) if kinds[effect]]
    parts += [f"{NOTHING}: {', '.join(kinds[NOTHING])}"] if kinds[NOTHING] else []
    return "Errors on outliers: adversarial training " + "; ".join(parts)


def picture_outliers(runs: list[dict], x: np.ndarray, y: np.ndarray, labels: dict[str, str], m: dict[str, float]) -> plt.Figure:
    """A row of images of each kind; to the right the three networks' errors, a point for each seed, and the verdict."""
    figure, (left, right) = slide(1, 2, height=5.6, width_ratios=(1, 1))
    made = outliers(x, y)
    labelled(left, np.concatenate([made[kind][0][:SHOWN].clip(0, 1) for kind in KINDS]), SHOWN, list(KINDS))
    for i, kind in enumerate(KINDS):
        for j, name in enumerate(NAMES):
            found = errors(runs, name, kind)
            places, label = np.full(len(found), -4 * i - j), labels[name] if i == 0 else None
            right.plot(found, places, MARKERS[j], color=OTHERS[j], label=label, linestyle="", markersize=8)
        right.text(102, -4 * i - 1, word(m, kind).replace(" beyond", "\nbeyond"), va="center")
        right.axhline(-4 * i - 3, color="lightgrey", linewidth=1)
    right.set(xlim=(0, 100), ylim=(-4 * len(KINDS) + 1, 1), xlabel="errors, %; a point for each seed")
    right.set_yticks([-4 * i - 1 for i in range(len(KINDS))], list(KINDS))
    right.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3)
    return figure
