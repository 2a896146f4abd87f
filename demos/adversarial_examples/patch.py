"""One small image, pasted at any place, angle and size, makes a classifier see the class that the attacker chose.

Slide: "Universal, robust, targeted adversarial image patches in the real world" (IT3320E, lecture 10)

Brown et al. 2017 train one patch over random images, places, angles and sizes. Here, a scene is a digit of 14 x 14 pixels at a
random place in 28 x 28, like an object in a photograph; the classifier is a convolutional network trained on such scenes. Each
seed trains a classifier and attacks it with some of the ten classes as targets; numbers are means over all ten.

What to look for: how often is an unseen scene taken for the target class, compared with random pixels and with a real digit of
that class as patches? Dashed: the same attack on a classifier of large, central digits. A patch next to such a digit has little
effect: patches work if a classifier must look everywhere.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows, in_grey, says
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, train
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_tasks
from demos.kit.style import FAKE, OTHERS, slide
from minigan import attacks, metrics, nn
from minigan.backend import random_numbers


@dataclass
class Settings:
    seeds: int = 3
    classifier_steps: int = 2000  # minibatches of 64
    lr: float = 3e-3  # of the classifier; falls linearly to 0
    shares: tuple[float, ...] = (0.02, 0.05, 0.1, 0.15, 0.2)  # of the area; a patch is trained on all sizes from first to last
    patch_steps: int = 250
    held_out: int = 1000  # scenes; their choice moves a patch's success by less than two points
    targets: int = 10  # number of target classes, from 0 on
    judge_steps: int = 3000  # of the classifier of large digits
    good: float = 0.9  # least accuracy on scenes without a patch
    most: float = 0.5  # least success of the patch
    random: float = 0.15  # most success of random pixels
    times: float = 5.0  # least ratio of these two
    large: float = 0.5  # most success with large digits, as a share of that with scenes


QUICK = {"seeds": 1, "classifier_steps": 100, "shares": (0.02, 0.1, 0.2), "patch_steps": 40}
QUICK |= {"held_out": 150, "targets": 2, "judge_steps": 30}

VERDICT = (
    "True, but only simulated: one patch fools the classifier anywhere in scenes with small digits; next to large digits it "
    "rarely does."
)
RESULT = (
    "A patch on 10 % of the area turns {success_at_10_percent|%} of unseen scenes into its class; "
    "random pixels turn {random_at_10_percent|%}"
)
FINDING = f"{RESULT}, a real digit of the class {{digit_at_10_percent|%}}. These are means over ten classes."

AT = 0.1  # the claim's share of the area
MORE = 0.05  # least success minus that of random pixels: few iterations can reach it
NAMES = {"trained": "trained patch", "random": "random pixels", "digit": "a real digit of the class"}
SHOWN = 6  # scenes with each of the first targets' patches, in the picture


class Everywhere(nn.Module):
    """Each channel's maximum over the image, at any place: (N, C, H, W) -> (N, C)."""

    def forward(self, x):
        return x.max(axis=(2, 3))


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    x, y, (others, classes) = digits.load(args)
    held_out = others[: settings.held_out], classes[: settings.held_out]
    judge = (metrics.train_judge if args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    targets = list(range(settings.targets))
    tasks = {f"seed {args.seed + i}": (args.seed + i, targets[i :: settings.seeds]) for i in range(settings.seeds)}
    steps = settings.seeds * settings.classifier_steps + settings.targets
    runs = run_tasks(experiment, tasks, settings, x, y, held_out, judge, steps=steps)
    measure(claim, runs, settings)
    claim.show(picture(runs, settings), "patch", claim.words(RESULT))


def experiment(seed: int, targets: list[int], settings: Settings, x, y, held_out, judge: nn.Module) -> dict:
    """Train a classifier of scenes, attack it and the judge: the success for each of these targets, and some scenes."""
    mg.seed(seed)
    rng = random_numbers.spawn()
    scenes, seen = scatter(x, rng), (scatter(held_out[0], rng), held_out[1])
    model = classifier(scenes, y, settings, rng)
    rates, pasted = {name: [] for name in (*NAMES, "large")}, []
    for i in resumable(range(len(targets)), "patches", rng=rng, rates=rates, pasted=pasted):
        t = targets[i]
        patches = trained(model, scenes, y, t, settings, rng)
        for name in NAMES:
            rates[name].append(success(model, *seen, patches[name], t, settings))
        rates["large"].append(success(judge, *held_out, attack(judge, x, y, t, settings, rng), t, settings))
        some = seen[0][seen[1] != t][SHOWN * t : SHOWN * (t + 1)]
        pasted.append(attacks.apply_patch(some, patches["trained"], AT, np.random.default_rng(t))[0].numpy())
    right = float((says(model, seen[0]) == seen[1]).mean())
    return {"targets": targets, "right": right, "rates": rates, "pasted": pasted, "seen": [says(model, p) for p in pasted]}


def scatter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scenes: each image (n, 1, 28, 28) at half its size, with a white maximum, at a random place of a black image."""
    small = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    small /= small.max(axis=(1, 2), keepdims=True).clip(1e-6)
    top, left = rng.integers(0, 15, (2, len(x), 1, 1))
    scenes = np.zeros_like(x)
    pixel = np.arange(14)
    scenes[np.arange(len(x)).reshape(-1, 1, 1), 0, top + pixel[:, None], left + pixel] = small
    return scenes


def classifier(x: np.ndarray, y: np.ndarray, settings: Settings, rng: np.random.Generator) -> nn.Module:
    """A convolutional network that looks for the same features everywhere, trained on the scenes."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2, rng=rng), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, rng=rng), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, rng=rng), nn.ReLU(),
        Everywhere(), nn.Dense(64, 10, rng=rng),
    )  # fmt: skip
    train(Classifier(model), x, y, "scenes", settings.classifier_steps, batch=64, lr=settings.lr)
    return model


def attack(model: nn.Module, x: np.ndarray, y: np.ndarray, target: int, settings: Settings, rng) -> np.ndarray:
    """A patch trained on images of the other classes, over all sizes."""
    sizes = settings.shares[0], settings.shares[-1]
    return attacks.adversarial_patch(model, x[y != target], target, sizes, settings.patch_steps, rng=rng)


def trained(model: nn.Module, x: np.ndarray, y: np.ndarray, target: int, settings: Settings, rng) -> dict[str, np.ndarray]:
    """A trained patch, random pixels, and a digit of the class, cut out of its first scene."""
    patch = attack(model, x, y, target, settings, rng)
    scene = x[y == target][0, 0]
    rows, columns = (np.flatnonzero(scene.any(axis=axis)) for axis in (1, 0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    digit = np.zeros((1, side, side), x.dtype)
    top, left = (side - np.ptp(rows)) // 2, (side - np.ptp(columns)) // 2
    cut = scene[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    digit[0, top : top + len(rows), left : left + len(columns)] = cut[: side - top, : side - left]
    return {"trained": patch, "random": rng.random(patch.shape, dtype=np.float32), "digit": digit}


def success(model: nn.Module, x: np.ndarray, y: np.ndarray, patch: np.ndarray, target: int, settings: Settings) -> list[float]:
    """The success rate at each size, at the same places and angles for every patch."""
    places = [np.random.default_rng(i) for i in range(len(settings.shares))]
    return [attacks.patch_success(model, x, y, patch, target, s, r) for s, r in zip(settings.shares, places, strict=True)]


def by_target(runs: list[dict], name: str) -> np.ndarray:
    """The success of these patches, (targets, sizes), collected from all seeds."""
    rows = {t: rate for run in runs for t, rate in zip(run["targets"], run["rates"][name], strict=True)}
    return np.array([rows[t] for t in sorted(rows)])


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """The rates at a tenth of the area, and the means over the targets at every size."""
    at = settings.shares.index(AT)
    rates = {name: by_target(runs, name) for name in (*NAMES, "large")}
    means = {name: rate.mean(axis=0) for name, rate in rates.items()}
    claim.at_least("accuracy_on_scenes, worst seed", min(run["right"] for run in runs), settings.good)
    success, random = means["trained"][at], means["random"][at]
    claim.at_least("success_at_10_percent", success, settings.most)
    claim.at_most("random_at_10_percent", random, settings.random)
    claim.at_least("success / random", success / random if random else np.inf, settings.times)
    claim.at_least("success above random", success - random, MORE, quick=True)
    for name in ("random", "digit"):
        difference = compare(rates["trained"][:, at], rates[name][:, at], better="higher", paired=True)
        claim.compare(f"trained - {name}, over the targets", difference, {HELPS})
    claim.note("digit_at_10_percent", means["digit"][at], "reported: a real digit of the target class")
    claim.note("large_at_10_percent", means["large"][at], "reported: a classifier of large digits in the middle")
    claim.at_most("large / success", means["large"][at] / success if success else np.nan, settings.large)
    for target, rate in enumerate(rates["trained"][:, at]):
        claim.note(f"target_{target}_at_10_percent", rate)
    for i, share in enumerate(settings.shares):
        for name, rates_by_size in means.items():
            claim.note(f"{name}_at_{share:g}", rates_by_size[i])


def picture(runs: list[dict], settings: Settings) -> plt.Figure:
    """Success against size; scenes with the patches of four target classes, and the class seen."""
    figure, (left, right) = slide(1, 2, height=6.6, width_ratios=(1, 1))
    percents = 100 * np.array(settings.shares)
    left.plot(percents, 100 * by_target(runs, "trained").T, color=FAKE, alpha=0.25, linewidth=1)
    looks = {"trained": (FAKE, "o-"), "digit": (OTHERS[0], "^-"), "random": (OTHERS[2], "s:"), "large": (FAKE, "D--")}
    for name, (colour, style) in looks.items():
        label = NAMES.get(name, "trained patch, large digits in the middle")
        left.plot(percents, 100 * by_target(runs, name).mean(axis=0), style, color=colour, label=label)
    left.set(xlabel="the patch's share of the area, %", ylabel="taken for the target class, %", ylim=(0, 102), xticks=percents)
    left.set_title("means over the targets; pale: each of them")
    figure.legend(loc="outside lower center", ncols=2)
    found = {t: (run["pasted"][i], run["seen"][i]) for run in runs for i, t in enumerate(run["targets"])}
    rows = {}
    for t in sorted(found)[:4]:
        pasted, classes = found[t]
        rows[f'target "{t}"'] = in_grey(pasted), [str(c) for c in classes], list(classes == t)
    draw_rows(right, rows)
    right.set_title("patches on 10 %: the class seen, ✓: the target")
    return figure
