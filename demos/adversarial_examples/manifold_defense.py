"""An attacked image is projected onto a generator's range, and the classifier sees what was meant again.

Slide: "Paper review: Ilyas, The Robust Manifold Defense: Adversarial Training using Generative Models, 2017." (IT3320E,
lecture 10)

    z* = argmin over z of |G(z) - x|^2, by gradient descent from several starts; classify G(z*) instead of x

G has learnt what digits look like, and x + epsilon sign(g) does not look like one: the nearest image that G can make has the
strokes of x and none of the attack's grey. What to look for: the accuracy under attack with and without the projection, for
every epsilon, and what the projection costs where there is no attack: digits that G cannot draw. And the limits: more steps
draw G nearer to the attack's pattern, too; and the attacker here knows the classifier, but not that G stands before it. One who
attacks both together gets further (Athalye, Carlini and Wagner 2018). Each seed has a generator and held-out images of its own;
figures are means over the seeds.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.checkpoints import WRONG, one_line, read_checkpoint, resumable
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.jobs import each
from demos.kit.pictures import labelled
from demos.kit.rounding import percent
from demos.kit.run import start
from demos.kit.settings import settings_of
from demos.kit.style import MARKERS, OTHERS, slide
from minigan import attacks, backend, data, metrics, nn, no_grad
from minigan.games import dcgan_generator


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    seeds: int = 3
    steps: int = 4000  # iterations of a generator's training; the learning rates fall linearly to 0
    z: int = 64
    width: int = 256  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 1e-3
    r1: float = 1.0  # weight of the penalty on D's gradient at the data
    judge_steps: int = 3000  # of the classifier
    images: int = 100  # held out, for each seed
    epsilons: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    descents: int = 100  # Adam's steps on z
    restarts: int = 10
    lost: float = 0.5  # the attack takes so much accuracy, ...
    back: float = 0.5  # ... of which at least this share comes back; ...
    cost: float = 0.1  # ... without an attack, the projection takes at most so much


QUICK = {"seeds": 1, "steps": 150, "width": 64, "judge_steps": 60, "images": 30, "epsilons": (0.0, 0.2), "descents": 20}
QUICK |= {"restarts": 2}
AT = 0.2  # the epsilon that the claim is about
SHOWN = 10  # images in the picture


def main(argv: list[str] | None = None) -> None:
    """Train or load generators; attack the classifier, and classify what is nearest in a generator's range."""
    options = digits.options(__doc__)
    options.add_argument("--generator", type=Path, metavar="CHECKPOINT", help="of a run of the demo dcgan, instead of training")
    args = start(options, argv, "manifold_defense", Settings())
    settings = settings_of(args, replace(Settings(), **QUICK) if args.quick else Settings())
    claim = Claim(args, {"data": args.data, "generator": content(args.generator), **asdict(settings)})
    loaded = load(args.generator) if args.generator else None
    x, y, held_out = digits.load(args, settings.seeds * settings.images)
    judge = (metrics.train_judge if args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    tasks = {f"seed {args.seed + i}": (args.seed + i, i) for i in range(settings.seeds)}
    moves = settings.seeds * (len(settings.epsilons) + (0 if loaded else settings.steps))
    runs = each(experiment, tasks, settings, x, held_out, judge, loaded, steps=moves)
    measure(claim, runs, settings)
    claim.show(picture(runs, held_out[0], settings), "manifold_defense", said(claim.metrics))
    if args.quick:
        print("\nA generator makes no digits after so few iterations: this shows the attack, and no defense yet.")
    claim.finish()


def found(m: dict[str, float]) -> str:
    """What the figures come to, for README."""
    return f"{said(m)} ({percent(m['projected_0'])} instead of {percent(m['attacked_0'])})"


def said(m: dict[str, float]) -> str:
    """What comes back, and what it costs."""
    attacked, projected, cost = m[f"attacked_{AT:g}"], m[f"projected_{AT:g}"], 100 * m["cost_without_attack"]
    return (
        f"FGSM of {AT} leaves a classifier {percent(attacked)} accuracy, on the nearest image that a generator can make "
        f"{percent(projected)};\nwithout an attack, the projection costs {cost:.1f} points"
    )


# --- the generator ------------------------------------------------------------------------------------------------------


def content(checkpoint: Path | None) -> str:
    """What a checkpoint holds, in short, wherever it lies: a run is only resumed with the same."""
    if checkpoint is None:
        return "trained"
    try:
        return f"{checkpoint.name}, SHA-256 {hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16]}"
    except OSError as error:
        raise SystemExit(f"--generator: {checkpoint}: {error.strerror}") from None


def load(checkpoint: Path) -> tuple[nn.Module, int]:
    """The generator in a checkpoint of the demo dcgan, and the dimensions of its noise."""
    settings, states = read_checkpoint(checkpoint, "--generator")
    try:
        G = dcgan_generator(settings["z"], settings["channels"])
        G.load_state_dict(states["training"]["game"]["G"])
    except WRONG as error:
        raise SystemExit(f"--generator: {checkpoint} is no checkpoint of the demo dcgan ({one_line(error)})") from None
    return G.eval(), settings["z"]


# --- the figures --------------------------------------------------------------------------------------------------------


def experiment(seed: int, i: int, s: Settings, x, held_out, judge: nn.Module, loaded: tuple[nn.Module, int] | None) -> dict:
    """Train a generator, and defend the i-th part of the held-out images by it: their accuracies, and the first of them."""
    mg.seed(seed)
    G, z = loaded or (digits.train_generator(x, s), s.z)
    mine = tuple(part[i * s.images : (i + 1) * s.images] for part in held_out)
    rows = []
    for j in resumable(range(len(s.epsilons)), "projecting", rows=rows):
        rows.append(defend(judge, G, z, mine, s.epsilons[j], s))
    return {"rows": rows}


def defend(
    judge: nn.Module, G: nn.Module, z: int, held_out: tuple[np.ndarray, np.ndarray], epsilon: float, s: Settings
) -> dict:
    """The first attacked images and the nearest of G's; how many of each the classifier puts into the right class."""
    x, y = held_out
    attacked = backend.to_numpy(attacks.fgsm(judge, x, y, epsilon))

    pixels, rng = digits.in_pixels(G), np.random.default_rng(0)  # the same starts for every epsilon
    parts = np.array_split(attacked, max(1, len(x) // 50))  # 50 images at a time, to keep the temporary arrays small
    found = [attacks.project(pixels, part, data.noise(z), s.descents, restarts=s.restarts, rng=rng).images for part in parts]
    projected = np.concatenate([backend.to_numpy(images) for images in found])
    return {
        "epsilon": epsilon,
        "attacked": attacked[:SHOWN],
        "projected": projected[:SHOWN],
        "before": accuracy(judge, attacked, y),
        "after": accuracy(judge, projected, y),
    }


def accuracy(judge: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """The share of the images that the classifier puts into the right class."""
    with no_grad():
        return float((judge(x).numpy().argmax(axis=1) == y).mean())


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """What comes back of the accuracy that the attack took, and what the projection costs without one."""
    before, after = (np.array([[row[key] for row in run["rows"]] for run in runs]) for key in ("before", "after"))
    for epsilon, attacked, projected in zip(settings.epsilons, before.mean(axis=0), after.mean(axis=0), strict=True):
        claim.note(f"attacked_{epsilon:g}", attacked, "reported: accuracy")
        claim.note(f"projected_{epsilon:g}", projected, "reported: accuracy")
    at = settings.epsilons.index(AT)
    lost = before[:, 0].mean() - before[:, at].mean()
    back = (after[:, at] - before[:, at]).mean() / lost if lost > 0 else np.nan
    claim.at_least("lost_to_the_attack", lost, settings.lost)
    claim.compare(f"projected - attacked, at {AT:g}", compare(after[:, at], before[:, at], "higher", paired=True), {HELPS})
    claim.at_least("share_that_comes_back", back, settings.back)
    claim.at_most("cost_without_attack", before[:, 0].mean() - after[:, 0].mean(), settings.cost)
    claim.note("accuracy that FGSM takes in so few steps", lost, "above 0", lost > 0, quick=True)


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(runs: list[dict], x: np.ndarray, settings: Settings) -> plt.Figure:
    """Accuracy against epsilon, with and without the projection; images before the attack, after it, and projected."""
    figure, (left, right) = slide(1, 2, height=5.2, width_ratios=(2, 3))
    for i, (key, label) in enumerate((("before", "the classifier sees x as it is"), ("after", "it sees the nearest G(z)"))):
        for run in runs:
            left.plot(settings.epsilons, [100 * row[key] for row in run["rows"]], color=OTHERS[i], alpha=0.3, linewidth=1)
        means = 100 * np.mean([[row[key] for row in run["rows"]] for run in runs], axis=0)
        left.plot(settings.epsilons, means, ("--", "-")[i], color=OTHERS[i], marker=MARKERS[i], label=label)
    left.set(xlabel="$\\epsilon$ of the attack (FGSM)", ylabel="accuracy, %", ylim=(0, 102), title="means; pale: each seed")
    figure.legend(loc="outside lower center", ncols=2)
    clean, attacked = (runs[0]["rows"][settings.epsilons.index(e)] for e in (0.0, AT))
    shown = np.concatenate([images[:SHOWN] for images in (x, clean["projected"], attacked["attacked"], attacked["projected"])])
    labelled(right, shown, SHOWN, ["image $x$", "its $G(z)$", "attacked", "its $G(z)$"])
    right.set_title(f"held-out images of the first seed, $\\epsilon$ = {AT}")
    return figure


if __name__ == "__main__":
    main()
