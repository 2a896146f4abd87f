"""A network sees a different digit after a very small change, and sees digits in noise.

Slide: "Examples that are similar to examples in the true distribution, but that fool a classifier" (IT3320E, lecture 10);
"Deep Neural Networks are Easily Fooled" (Generative Adversarial Networks)

    minimise c |r|^2 + J(x + r, target),  x + r in [0, 1]^n        (Szegedy et al. 2014, section 4.1, who have c |r| by L-BFGS)

The larger c, the smaller r: for each image, a search finds the largest c that still reaches the target. |r| is compared with
the distance from x to the nearest training image of the target's class. The control is a change of the same length in a random
direction. Rubbish resembles no example (Goodfellow et al. 2015, section 8). The paper's error is the share of noise from
N(0, I) to which the network gives some class a probability above 1/2: a softmax has no answer "none". Noise in [0, 1] is also
pushed towards a class along the sign of the gradient (Nguyen et al. 2015).

What to look for: in minimal.png you can still read x in x + r, and the nearest image of the target's class is far away. The
smallest change ends just across the border, where the network is not sure. In rubbish.png it is often sure, although there is
nothing to read. Numbers are means over the seeds; bounds are for the worst seed.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples import beginning
from demos.adversarial_examples.comparing import draw_rows, in_grey
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.rounding import at_most, percent
from demos.kit.runner.summary import write_history
from demos.kit.style import slide
from minigan import attacks, backend


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    seeds: int = 3
    steps: int = 1500  # minibatches of the classifier's training; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    width: int = 256  # of the two hidden layers
    images: int = 200  # to change, each towards its own target
    part: int = 50  # of these images, at a time
    searches: int = 10  # halvings of the interval for c
    descents: int = 100  # of Adam, for each c
    noise: int = 5000  # images of noise
    pushed: int = 100  # images of noise in [0, 1], by the attack's 20 steps of 0.02
    good: float = 3.0  # %: most error of the classifier
    reached: float = 0.95  # least share of the images that reach the target
    length: float = 0.3  # most mean |r|, as a share of the distance to the target's class
    chance: float = 0.1  # most share of the images that a random change of the same length turns
    accepted: float = 0.9  # least share of the noise from N(0, I) of which the network is sure


QUICK = {
    "seeds": 1,
    "steps": 150,
    "width": 64,
    "images": 20,
    "part": 20,
    "searches": 4,
    "descents": 40,
    "noise": 500,
    "pushed": 20,
}
SURE = 0.5  # the paper's probability
SHOWN = 6  # images in a picture
PUBLISHED = "published: 98.35 % (maxout)"


@demo(Settings(), QUICK, beginning.options, record=beginning.everything)
def main(claim: Claim, settings: Settings) -> None:
    """Train, search the smallest changes, classify noise, draw."""
    args, settings = claim.args, beginning.shortened(claim, settings)
    x, y, held_out = digits.load(args)
    steps = settings.steps + len(parts(settings))
    runs = over_seeds(claim, experiment, settings, x, y, *held_out, steps=steps)
    measure(claim, runs, settings)
    claim.show(draw_minimal(runs[0]["shown"]), "minimal", in_the_changes(claim.metrics))
    claim.show(draw_rubbish(runs[0]["noise"]), "rubbish", in_the_noise(claim.metrics))
    write_history(args, runs[0]["history"])


def found(m: dict[str, float]) -> str:
    """The result, for README."""
    return (
        f"{percent(m['reach the target'], 1)} of unseen digits change to a chosen class by a change whose mean length is at "
        f"most {at_most(100 * m['|r| / distance to the class, worst seed'])} % of the distance to a real image of it; a "
        f"random change of the same length turns {percent(m['turned by chance'], 1)}. The network takes "
        f"{percent(m['noise accepted'])} of noise from N(0, I) for a digit"
    )


def in_the_changes(m: dict[str, float]) -> str:
    """The first picture's title."""
    return (
        f"{percent(m['reach the target'], 1)} of the images reach the target, by a change as long as "
        f"{percent(m['|r| / distance to the class'])} of the way\nto the nearest real image of that class; "
        f"as long a change by chance turns {percent(m['turned by chance'], 1)}"
    )


def in_the_noise(m: dict[str, float]) -> str:
    """The second picture's title."""
    return (
        f"The network takes {percent(m['noise accepted'])} of the noise from N(0, I) for a digit (p > {SURE:g}),\n"
        f"and {percent(m['pushed noise accepted'])} of the noise that is pushed towards one"
    )


# --- the metrics --------------------------------------------------------------------------------------------------------


def experiment(seed: int, s: Settings, x, y, test_x, test_y) -> dict:
    """Train a network; change images as little as possible; classify noise."""
    mg.seed(seed)
    model, rng = classifiers.network(s.width), np.random.default_rng(seed)
    history = classifiers.train(model, x, y, "network", s.steps, s.batch, s.lr)
    some = rng.permutation(len(test_x))[: s.images]
    images, labels = test_x[some], test_y[some]
    target = (labels + rng.integers(1, 10, size=len(labels))) % 10
    changed, reached = change(model, images, target, s)
    lengths, distances = norms(changed - images), nearest(images, target, x, y)[0]
    by_chance = at_random(images, lengths, rng)
    says = [model.probabilities(z).argmax(axis=1) for z in (images, by_chance)]
    return {
        "error": mistakes(model, test_x, test_y)["error"],
        "reached": float(reached.mean()),
        "ratio": float((lengths / distances)[reached].mean()) if reached.any() else np.inf,
        "distortion": float((lengths / images[0].size ** 0.5)[reached].mean()) if reached.any() else np.inf,
        "chance": float((says[0] != says[1])[reached].mean()) if reached.any() else np.inf,
        **rubbish(model, rng, s),
        "shown": shown(model, images, changed, labels, target, reached, x, y),
        "history": history,
    }


def parts(s: Settings) -> range:
    """The start of each part of the images."""
    return range(0, s.images, s.part)


def change(model: Classifier, x: np.ndarray, target: np.ndarray, s: Settings) -> tuple[np.ndarray, np.ndarray]:
    """The images after the smallest change found, and which of them reach the target."""
    changed, reached = [], []
    for i in resumable(range(len(parts(s))), "smallest changes", changed=changed, reached=reached):
        mine = slice(parts(s)[i], parts(s)[i] + s.part)
        found = attacks.minimal_perturbation(model.model, x[mine], target[mine], searches=s.searches, steps=s.descents)
        changed.append(backend.to_numpy(found.adversarial))
        reached.append(backend.to_numpy(found.succeeded))
    return np.concatenate(changed), np.concatenate(reached)


def norms(r: np.ndarray) -> np.ndarray:
    """|r|_2 of each r."""
    return np.sqrt((r.reshape(len(r), -1).astype(np.float64) ** 2).sum(axis=1))


def nearest(images: np.ndarray, target: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each image, the distance to the nearest of x whose class is its target, and the index of that image."""
    distances, which = np.full(len(images), np.inf), np.zeros(len(images), int)
    for c in np.unique(target):
        mine, there = np.flatnonzero(target == c), np.flatnonzero(y == c)
        a, b = images[mine].reshape(len(mine), -1), x[there].reshape(len(there), -1)
        which[mine] = there[((b**2).sum(axis=1) - 2 * a @ b.T).argmin(axis=1)]
    return norms(images - x[which]) if len(images) else distances, which


def at_random(x: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The control: every image changed by the same length, in a random direction."""
    r = rng.standard_normal(x.shape)
    return (x + r * (lengths / norms(r)).reshape(-1, 1, 1, 1)).astype(np.float32)


def rubbish(model: Classifier, rng: np.random.Generator, s: Settings) -> dict:
    """The share of noise that the network accepts, its confidence in that, and some of the noise."""
    normal = backend.to_numpy(attacks.rubbish((s.noise, 1, 28, 28), rng=rng))
    uniform = attacks.rubbish((s.pushed, 1, 28, 28), "uniform", rng)
    pushed = backend.to_numpy(attacks.fooling_images(model.model, uniform, np.arange(s.pushed) % 10))
    some, sure = {"normal": normal, "uniform": backend.to_numpy(uniform), "pushed": pushed}, {}
    p = {name: model.probabilities(x).max(axis=1) for name, x in some.items()}
    for name, x in some.items():
        sure[name] = attacks.fooled(model.model, x, SURE)
    accepted = p["normal"] > SURE
    return {
        "accepted": sure,
        "confidence": float(p["normal"][accepted].mean()) if accepted.any() else 0.0,
        "noise": {name: (x[:SHOWN], model.probabilities(x[:SHOWN])) for name, x in some.items()},
    }


def shown(model: Classifier, images, changed, labels, target, reached, x, y) -> dict[str, np.ndarray]:
    """The first images that reach their targets: x, x + r, the nearest of the target's class, and the probabilities of all."""
    some = np.flatnonzero(reached)[:SHOWN]
    there = nearest(images[some], target[some], x, y)[1]
    found = {"x": images[some], "changed": changed[some], "nearest": x[there], "labels": labels[some], "target": target[some]}
    return found | {f"p {name}": model.probabilities(found[name]) for name in ("x", "changed", "nearest") if len(some)}


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """The shares that reach the target and that random changes turn, the length of r, and the share of noise accepted."""
    claim.at_most("error, %, worst seed", max(run["error"] for run in runs), settings.good)
    both(claim, "reach the target", [run["reached"] for run in runs], at_least=settings.reached)
    both(claim, "|r| / distance to the class", [run["ratio"] for run in runs], at_most=settings.length)
    claim.note("|r| / sqrt(n)", np.mean([run["distortion"] for run in runs]), "reported: the paper's distortion")
    both(claim, "turned by chance", [run["chance"] for run in runs], at_most=settings.chance)
    accepted = {name: [run["accepted"][name] for run in runs] for name in runs[0]["accepted"]}
    both(claim, "noise accepted", accepted["normal"], at_least=settings.accepted, published=PUBLISHED)
    claim.note("how sure of it", np.mean([run["confidence"] for run in runs]), "published: 92.8 %")
    claim.note("noise in [0, 1] accepted", np.mean(accepted["uniform"]), "reported")
    claim.note("pushed noise accepted", np.mean(accepted["pushed"]), "reported")


def both(claim: Claim, name: str, values: list[float], published: str = "", **bound: float) -> None:
    """The mean over the seeds, and the bound for the worst."""
    claim.note(name, np.mean(values), published)
    for side, limit in bound.items():
        worst = min(values) if side == "at_least" else max(values)
        getattr(claim, side)(f"{name}, worst seed", worst, limit)


# --- the pictures -------------------------------------------------------------------------------------------------------


def draw_minimal(some: dict[str, np.ndarray]) -> plt.Figure:
    """Images, the change, the images after it, and the nearest real image of the target's class."""
    names = {"x": "image $x$", "changed": "$x + r$", "nearest": "nearest real\nof that class"}
    r = np.abs(some["changed"] - some["x"])
    rows = {names["x"]: in_grey(some["x"], 0, 1), "$|r|$": in_grey(r, 0, 1)}
    rows |= {names[name]: in_grey(some[name], 0, 1) for name in ("changed", "nearest")}
    truth = {"x": some["labels"], "changed": some["labels"], "nearest": some["target"]}
    seen, right = {"$|r|$": [], names["x"]: []}, {}
    for name, label in names.items():
        p = some[f"p {name}"]
        seen[label] = [f"{says.argmax()}, {percent(says.max())}" for says in p]
        right[label] = list(p.argmax(axis=1) == truth[name])
    figure, axes = slide()
    draw_rows(axes, rows, seen, right)
    axes.set_title("under each image: the class that the network sees, and how sure it is")
    return figure


def draw_rubbish(noise: dict[str, tuple[np.ndarray, np.ndarray]]) -> plt.Figure:
    """Noise of each kind, and the class that the network sees."""
    names = {
        "normal": ("N(0, I)", -3, 3),
        "uniform": ("uniform in\n[0, 1]", 0, 1),
        "pushed": ("the same, pushed\nto 0, 1, 2, ...", 0, 1),
    }
    rows = {label: in_grey(noise[name][0], low, high) for name, (label, low, high) in names.items()}
    seen = {label: [f"{p.argmax()}, {percent(p.max())}" for p in noise[name][1]] for name, (label, *_) in names.items()}
    right = {label: list(noise[name][1].max(axis=1) <= SURE) for name, (label, *_) in names.items()}
    figure, axes = slide()
    draw_rows(axes, rows, seen, right)
    axes.set_title("under each image: the class that the network sees, and how sure it is; ✗: of what is no digit, above 50 %")
    return figure


if __name__ == "__main__":
    main()
