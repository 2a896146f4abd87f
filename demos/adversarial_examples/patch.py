"""One small image, pasted anywhere, turned and scaled, makes a classifier see the class of the attacker's choice.

Slide: "Universal, robust, targeted adversarial image patches in the real world" (IT3320E, lecture 10)

Brown et al. 2017 train one patch over random images, places, angles and sizes. It is no small change, but it needs to know
nothing of the image that it will lie in. A scene here is a digit of 14 x 14 pixels somewhere in 28 x 28, as objects lie
anywhere in photographs, and the classifier is a convolutional network trained on such scenes. What to look for: how often
scenes never seen are taken for the target class, against the patch's share of the area, beside random pixels and a real digit
of that class. Dashed: the same attack on a classifier of large digits in the middle, which a patch beside them hardly moves:
patches work where a classifier must look everywhere. Some classes, such as the 1, resist: nothing else may be in the scene.
"""

from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

from demos.kit import digits
from demos.kit.checkpoints import resumable
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, train
from demos.kit.pictures import FAKE, REAL, sheet
from demos.kit.run import start
from minigan import attacks, backend, metrics, nn, no_grad


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    classifier_steps: int = 3000  # minibatches of 64
    lr: float = 3e-3  # of the classifier; falls linearly to 0
    shares: tuple[float, ...] = (0.02, 0.05, 0.1, 0.15, 0.2)  # of the area; a patch is trained on all sizes from first to last
    patch_steps: int = 300
    held_out: int = 1000  # scenes
    targets: int = 10  # how many of the classes are targets, from 0 on
    judge_steps: int = 3000  # of the classifier of large digits


QUICK = {
    "classifier_steps": 60,
    "shares": (0.02, 0.1, 0.2),
    "patch_steps": 10,
    "held_out": 100,
    "targets": 2,
    "judge_steps": 30,
}
AT = 0.1  # the share of the area that the claim is about
NAMES = {"trained": "trained patch", "random": "random pixels", "digit": "a real digit of the class"}


class Everywhere(nn.Module):
    """Each channel's maximum over the image: where it is does not matter. (N, C, H, W) -> (N, C)."""

    def forward(self, x):
        return x.max(axis=(2, 3))


def main(argv: list[str] | None = None) -> None:
    """Train a classifier of scenes, attack it and another, draw."""
    args = start(digits.options(__doc__), argv, "patch")
    settings = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    x, y, (others, classes) = digits.load(args)
    rng = backend.spawn()
    held_out = others[: settings.held_out], classes[: settings.held_out]
    scenes, seen = scatter(x, rng), (scatter(held_out[0], rng), held_out[1])
    model = classifier(scenes, y, settings, rng)
    with no_grad():
        right = (model(seen[0]).numpy().argmax(axis=1) == seen[1]).mean()
    claim.note("accuracy_on_scenes", right, "reported: of the classifier, without a patch")
    targets, patches = range(settings.targets), []
    rates = {name: [] for name in (*NAMES, "large")}
    for t in resumable(targets, "patches for scenes", rng=rng, patches=patches):
        patches.append(trained(model, scenes, y, t, settings, rng))
    for t in resumable(targets, "their success", rates=rates):
        for name in NAMES:
            rates[name].append(success(model, *seen, patches[t][name], t, settings))
    judge = (metrics.train_judge if args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    for t in resumable(targets, "patches for large digits", rng=rng, rates=rates):
        rates["large"].append(success(judge, *held_out, attack(judge, x, y, t, settings, rng), t, settings))
    rates = {name: np.array(rate) for name, rate in rates.items()}
    measure(claim, rates, settings)
    claim.finish(picture(model, seen, patches, rates, claim.metrics, settings), "patch")


def scatter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scenes: each image (n, 1, 28, 28) at half its size, as bright as before, at a random place of a black one."""
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
    """A trained patch, one of random pixels, and a digit of the class, cut out of the first scene with one that is whole."""
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
    """The success rate at each size, on the same places and angles for every patch."""
    places = [np.random.default_rng(i) for i in range(len(settings.shares))]
    return [attacks.patch_success(model, x, y, patch, target, s, r) for s, r in zip(settings.shares, places, strict=True)]


def measure(claim: Claim, rates: dict[str, np.ndarray], settings: Settings) -> None:
    """The rates at a tenth of the area, and the means over the targets at every size."""
    at = settings.shares.index(AT)
    means = {name: rate.mean(axis=0) for name, rate in rates.items()}
    claim.note("success_at_10_percent", means["trained"][at], "at least 0.70", means["trained"][at] >= 0.7)
    claim.note("random_at_10_percent", means["random"][at], "at most 0.15", means["random"][at] <= 0.15)
    claim.note("digit_at_10_percent", means["digit"][at], "reported: a real digit of the target class")
    claim.note("large_at_10_percent", means["large"][at], "reported: a classifier of large digits in the middle")
    for target, rate in enumerate(rates["trained"][:, at]):
        claim.note(f"target_{target}_at_10_percent", rate, "reported")
    for share, *row in zip(settings.shares, *means.values(), strict=True):
        for name, rate in zip(means, row, strict=True):
            claim.note(f"{name}_at_{share:g}", rate)


def picture(model, seen, patches: list[dict], rates: dict[str, np.ndarray], figures: dict, settings: Settings) -> plt.Figure:
    """Success against size; scenes with a patch, and what the classifier sees in them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained", width_ratios=(3, 4))
    percent = 100 * np.array(settings.shares)
    left.plot(percent, rates["trained"].T, color=FAKE, alpha=0.25, linewidth=0.8)
    for name, colour, style in (
        ("trained", FAKE, "-"),
        ("digit", "tab:green", "-"),
        ("random", REAL, "-"),
        ("large", FAKE, "--"),
    ):
        label = NAMES.get(name, "trained patch, large digits in the middle")
        left.plot(percent, rates[name].mean(axis=0), style, color=colour, marker="o", label=label)
    left.set(xlabel="the patch's share of the area, %", ylabel="taken for the target class", ylim=(0, 1.02))
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    left.set_title("mean over the target classes; pale: each of them")
    draw_scenes(right, model, seen, patches)
    figure.suptitle(
        f"A trained patch on 10 % of the area turns {figures['success_at_10_percent']:.0%} of unseen scenes into its class; "
        f"random pixels, {figures['random_at_10_percent']:.0%}"
    )
    return figure


def draw_scenes(axes: plt.Axes, model: nn.Module, seen: tuple[np.ndarray, np.ndarray], patches: list[dict]) -> None:
    """A row for each of five target classes: its patch, then scenes with it."""
    rows, rng = [], np.random.default_rng(0)
    targets = range(min(5, len(patches)))
    right = 0
    for target in targets:
        scenes = seen[0][seen[1] != target][8 * target : 8 * target + 8]
        pasted, _ = attacks.apply_patch(scenes, patches[target]["trained"], AT, rng)
        with no_grad():
            right += int((model(pasted).numpy().argmax(axis=1) == target).sum())
        rows.append(pasted.numpy())
    axes.imshow(sheet(np.concatenate(rows), 8), cmap="gray", vmin=0, vmax=1)
    axes.set_yticks([15 + 30 * i for i in range(len(rows))], [f'"{t}"' for t in targets])
    axes.set(xticks=[], title=f"patches on 10 %: {right} of {8 * len(rows)} taken for the class on the left")


if __name__ == "__main__":
    main()
