"""Projecting an attacked image onto a generator's range undoes more than half of the attack's harm.

Slide: "Paper review: Ilyas, The Robust Manifold Defense: Adversarial Training using Generative Models, 2017." (IT3320E,
lecture 10)

    z* = argmin over z of |G(z) - x|^2, by gradient descent from several starts; classify G(z*) instead of x

G has learnt what digits look like, and x + epsilon sign(g) does not look like one: the nearest image that G can make has the
strokes of x and none of the attack's grey. What to look for: the accuracy under attack with and without the projection, for
every epsilon, and what the projection costs where there is no attack: digits that G cannot draw. And the limits: more steps
draw G nearer to the attack's pattern, too; and the attacker here knows the classifier, but not that G stands before it. One who
attacks both together gets further (Athalye, Carlini and Wagner 2018).
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from demos.kit import digits
from demos.kit.checkpoints import WRONG, once, one_line, read_checkpoint
from demos.kit.claim import Claim
from demos.kit.pictures import FAKE, REAL, sheet
from demos.kit.run import start
from minigan import attacks, backend, data, metrics, nn, no_grad
from minigan.games import dcgan_generator


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 8000  # iterations of the generator's training; the learning rates fall linearly to 0
    z: int = 64
    width: int = 256  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 1e-3
    r1: float = 1.0  # weight of the penalty on D's gradient at the data
    judge_steps: int = 3000  # of the classifier
    images: int = 300  # held out
    epsilons: tuple[float, ...] = (0.0, 0.1, 0.2, 0.25, 0.3)
    descents: int = 100  # Adam's steps on z
    restarts: int = 10


QUICK = {"steps": 150, "width": 64, "judge_steps": 60, "images": 30, "epsilons": (0.0, 0.25), "descents": 20, "restarts": 2}
AT = 0.25  # the epsilon that the claim is about
SHOWN = 12  # images in the picture


def main(argv: list[str] | None = None) -> None:
    """Train or load a generator; attack the classifier, and classify what is nearest in the generator's range."""
    options = digits.options(__doc__)
    options.add_argument("--generator", type=Path, metavar="CHECKPOINT", help="of a run of the demo dcgan, instead of training")
    args = start(options, argv, "manifold_defense")
    settings = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, "generator": str(args.generator or "trained"), **asdict(settings)})
    x, y, (others, classes) = digits.load(args)
    held_out = others[: settings.images], classes[: settings.images]
    G, z = load(args.generator) if args.generator else (digits.train_generator(x, settings), settings.z)
    judge = (metrics.train_judge if args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    rows = [once(f"epsilon {epsilon:g}", defend, judge, G, z, held_out, epsilon, settings) for epsilon in settings.epsilons]
    measure(claim, rows, settings)
    claim.finish(picture(rows, held_out[0], claim.metrics, settings), "manifold_defense")


# --- the generator ------------------------------------------------------------------------------------------------------


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


def measure(claim: Claim, rows: list[dict], settings: Settings) -> None:
    """What comes back of the accuracy that the attack took, and what the projection costs without one."""
    clean, attacked = rows[0], rows[settings.epsilons.index(AT)]
    for row in rows:
        claim.note(f"attacked_{row['epsilon']:g}", row["before"], "reported: accuracy")
        claim.note(f"projected_{row['epsilon']:g}", row["after"], "reported: accuracy")
    lost = clean["before"] - attacked["before"]
    back = (attacked["after"] - attacked["before"]) / lost if lost > 0 else float("nan")
    claim.note("lost_to_the_attack", lost, f"at least 0.5, at epsilon {AT}", lost >= 0.5)
    claim.note("share_that_comes_back", back, "at least 0.5", back >= 0.5)
    claim.note("cost_without_attack", clean["before"] - clean["after"], "reported: accuracy that the projection takes")


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(rows: list[dict], x: np.ndarray, figures: dict[str, float], settings: Settings) -> plt.Figure:
    """Accuracy against epsilon, with and without the projection; images before the attack, after it, and projected."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained", width_ratios=(2, 3))
    for key, colour, label in (("before", FAKE, "x as it is"), ("after", REAL, "the nearest G(z)")):
        left.plot(settings.epsilons, [row[key] for row in rows], color=colour, marker="o", label=f"classified: {label}")
    left.set(xlabel="epsilon of the attack (FGSM)", ylabel="accuracy", ylim=(0, 1.02))
    left.legend()
    attacked = rows[settings.epsilons.index(AT)]
    shown = (x, rows[0]["projected"], attacked["attacked"], attacked["projected"])
    right.imshow(sheet(np.concatenate([images[:SHOWN] for images in shown]), SHOWN), cmap="gray", vmin=0, vmax=1)
    right.set_yticks([15 + 30 * i for i in range(4)], ["x", "its G(z*)", "attacked", "its G(z*)"])
    right.set(xticks=[], title=f"the first {SHOWN} held-out images, epsilon {AT}")
    figure.suptitle(
        f"FGSM costs {100 * figures['lost_to_the_attack']:.0f} points of accuracy; projection onto G's range gives "
        f"{figures['share_that_comes_back']:.0%} of them back. Without an attack, it costs "
        f"{100 * figures['cost_without_attack']:.1f} points"
    )
    return figure


if __name__ == "__main__":
    main()
