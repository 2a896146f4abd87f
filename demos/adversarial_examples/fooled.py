"""A network sees a different digit after a very small change, and sees digits in noise.

Slide: "Examples that are similar to examples in the true distribution, but that fool a classifier" (IT3320E, lecture 10);
"Deep Neural Networks are Easily Fooled" (Generative Adversarial Networks)

    minimise c |r|^2 + J(x + r, target),  x + r in [0, 1]^n        (Szegedy et al. 2014, section 4.1, who have c |r| by L-BFGS)

For each image, a search finds the largest c, and so the smallest r, that still reaches the target. |r| is compared with the
distance from x to the nearest training image of the target's class. Noise from N(0, I) counts as taken for a digit if some
class has a probability above 1/2: a softmax has no answer "none" (Goodfellow et al. 2015, section 8). Noise in [0, 1] is also
pushed towards a class along the sign of the gradient (Nguyen et al. 2015).

What to look for: in minimal.png you can still read x in x + r, and the nearest image of the target's class is far away. The
smallest change ends just across the border, where the network is not sure. In rubbish.png it is often sure, although there is
nothing to read. Numbers are means over the seeds; bounds are for the worst seed.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows, in_grey, seen
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.runner.results import write_history
from demos.kit.style import slide
from minigan import attacks, backend


@dataclass
class Settings:
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


QUICK = {"seeds": 1, "steps": 150, "width": 64, "images": 20, "part": 20}
QUICK |= {"searches": 4, "descents": 40, "noise": 500, "pushed": 20}

VERDICT = "True: a small change of a digit leads the network to any chosen class, and it takes most noise for digits."
FINDING = (
    "{reach the target|%} of unseen digits reach a chosen class by a change of at most "
    "{|r| / distance to the class, worst seed|<%} (mean length, worst of 3 seeds) of the distance to a real image of it. The "
    "network takes {noise accepted|%} of noise from N(0, I) for a digit (of probability above 1/2), of noise in [0, 1] "
    "{noise in [0, 1] accepted|%}."
)
IN_CHANGES = (
    "{reach the target|%1} of the images reach the target, by a change as long as {|r| / distance to the class|%} of the way\n"
    "to the nearest real image of that class; as long a change by chance turns {turned by chance|%1}"
)
IN_NOISE = (
    "The network takes {noise accepted|%} of the noise from N(0, I) for a digit (p > 0.5),\n"
    "and {pushed noise accepted|%} of the noise that is pushed towards one"
)

SURE = 0.5  # the paper's probability
SHOWN = 6  # images in a picture
PUBLISHED = "published: 98.35 % (maxout)"


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> None:
    x, y, held_out = digits.load(claim.args)
    steps = settings.steps + len(range(0, settings.images, settings.part))
    runs = over_seeds(claim, experiment, settings, x, y, *held_out, steps=steps)
    measure(claim, runs, settings)
    claim.show(draw_minimal(runs[0]["shown"]), "minimal", claim.words(IN_CHANGES))
    claim.show(draw_rubbish(runs[0]["noise"]), "rubbish", claim.words(IN_NOISE))
    write_history(claim.args, runs[0]["history"])


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
    before, after = (model.probabilities(z).argmax(axis=1) for z in (images, by_chance))
    of_these = {"ratio": lengths / distances, "distortion": lengths / images[0].size ** 0.5, "chance": before != after}
    return {
        "error": mistakes(model, test_x, test_y)["error"],
        "reached": float(reached.mean()),
        **{name: float(values[reached].mean()) if reached.any() else np.inf for name, values in of_these.items()},
        **rubbish(model, rng, s),
        "shown": shown(model, images, changed, labels, target, reached, x, y),
        "history": history,
    }


def change(model: Classifier, x: np.ndarray, target: np.ndarray, s: Settings) -> tuple[np.ndarray, np.ndarray]:
    """The images after the smallest change found, and which of them reach the target."""
    changed, reached = [], []
    for start in resumable(range(0, s.images, s.part), "smallest changes", changed=changed, reached=reached):
        mine = slice(start, start + s.part)
        found = attacks.minimal_perturbation(model.model, x[mine], target[mine], searches=s.searches, steps=s.descents)
        changed.append(backend.to_numpy(found.adversarial))
        reached.append(backend.to_numpy(found.succeeded))
    return np.concatenate(changed), np.concatenate(reached)


def norms(r: np.ndarray) -> np.ndarray:
    """|r|_2 of each r."""
    return np.sqrt((r.reshape(len(r), -1).astype(np.float64) ** 2).sum(axis=1))


def nearest(images: np.ndarray, target: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each image, the distance to the nearest of x whose class is its target, and the index of that image."""
    which = np.zeros(len(images), int)
    for c in np.unique(target):
        mine, there = np.flatnonzero(target == c), np.flatnonzero(y == c)
        a, b = images[mine].reshape(len(mine), -1), x[there].reshape(len(there), -1)
        which[mine] = there[((b**2).sum(axis=1) - 2 * a @ b.T).argmin(axis=1)]
    return norms(images - x[which]) if len(images) else np.zeros(0), which


def at_random(x: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The control: every image changed by the same length, in a random direction."""
    r = rng.standard_normal(x.shape)
    return (x + r * (lengths / norms(r)).reshape(-1, 1, 1, 1)).astype(np.float32)


def rubbish(model: Classifier, rng: np.random.Generator, s: Settings) -> dict:
    """The share of noise that the network accepts, its confidence in that, and some of the noise."""
    normal = backend.to_numpy(attacks.rubbish((s.noise, 1, 28, 28), rng=rng))
    uniform = attacks.rubbish((s.pushed, 1, 28, 28), "uniform", rng)
    pushed = backend.to_numpy(attacks.fooling_images(model.model, uniform, np.arange(s.pushed) % 10))
    some = {"normal": normal, "uniform": backend.to_numpy(uniform), "pushed": pushed}
    p = model.probabilities(normal).max(axis=1)
    return {
        "accepted": {name: attacks.fooled(model.model, x, SURE) for name, x in some.items()},
        "confidence": float(p[p > SURE].mean()) if (p > SURE).any() else 0.0,
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


def draw_minimal(some: dict[str, np.ndarray]) -> plt.Figure:
    """Images, the change, the images after it, and the nearest real image of the target's class."""
    figure, axes = slide()
    rows = {
        "image $x$": (in_grey(some["x"]), *seen(some["p x"], some["labels"])),
        "$|r|$": (in_grey(np.abs(some["changed"] - some["x"])), [], []),
        "$x + r$": (in_grey(some["changed"]), *seen(some["p changed"], some["labels"])),
        "nearest real\nof that class": (in_grey(some["nearest"]), *seen(some["p nearest"], some["target"])),
    }
    draw_rows(axes, rows)
    axes.set_title("under each image: the class that the network sees, and how sure it is")
    return figure


def draw_rubbish(noise: dict[str, tuple[np.ndarray, np.ndarray]]) -> plt.Figure:
    """Noise of each kind, and the class that the network sees."""
    figure, axes = slide()
    names = {"normal": "N(0, I)", "uniform": "uniform in\n[0, 1]", "pushed": "the same, pushed\nto 0, 1, 2, ..."}
    rows = {}
    for name, label in names.items():
        images, p = noise[name]
        words, _ = seen(p, 0)
        rows[label] = in_grey(images, *((-3, 3) if name == "normal" else (0, 1))), words, list(p.max(axis=1) <= SURE)
    draw_rows(axes, rows)
    axes.set_title("under each image: the class that the network sees, and how sure it is; ✗: of what is no digit, above 50 %")
    return figure
