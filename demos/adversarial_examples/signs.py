"""A network reads the 25 on a road sign as a 95 after a small change; training on such changes prevents most of it.

Slide: "In high-stakes scenarios such as autonomous vehicles, the results can be disastrous (e.g., misread a speed limit sign of
"25km/h" for "95km/h")." "Since this discovery of this attack, many DL researchers have investigated how to prevent it." (CS/DS
541, class 19)

    min over w   max over |d| <= epsilon   J(x + d, y; w)        (Madry et al. 2018)

PGD training is this game: k steps of the attacker on d, from a random start, then one step of the network on w. In FGSM
training, the attacker has one step. Both go on from the usual network: random weights learn nothing from such attacks. The
networks read both digits of signs that are drawn from 16 fonts. All are attacked by 20 steps of PGD from 5 random starts: a
sign counts as misread if one of them succeeds. "2 -> 9" asks for more: the network must see the number that the attacker chose.

What to look for: rows of the table are the trainings, columns the attacks. Does a defence hold against a stronger attack than
that of its training? On the right: can you see what changed on the signs?
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, Objective, train
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.style import slide
from minigan import Tensor, attacks, data, losses, nn


@dataclass
class Settings:
    seeds: int = 3
    signs: int = 8000  # to learn from
    steps: int = 1000  # minibatches; the learning rate falls linearly to 0 over them
    batch: int = 64
    lr: float = 1e-2  # Adam's
    channels: int = 24
    epsilon: float = 0.14  # pixels are in [0, 1]
    k: int = 4  # steps of the attacker in PGD training
    attack_steps: int = 20  # of the attacker that judges
    starts: int = 5
    test: int = 300  # signs that are attacked, and as many that begin with 2


QUICK = {"seeds": 1, "signs": 1000, "steps": 40, "channels": 8, "starts": 2, "test": 40}
VERDICT = "True: a 25 becomes a 95 for the network alone; PGD training prevents most of it, FGSM training much less."
FINDING = (
    "A change of at most {epsilon} a pixel (of 1), by PGD, makes the usual network misread {usual, PGD|.1f} % of the signs. "
    "After training on FGSM it misreads {FGSM training, PGD|.1f} %, after training on PGD {PGD training, PGD|.1f} %, and "
    "{PGD training, clean|.1f} % of the clean signs ({usual, clean|.1f} %). A first digit 2 becomes a 9 on "
    "{usual, 2 -> 9 by PGD|.0f}, {FGSM training, 2 -> 9 by PGD|.0f} and {PGD training, 2 -> 9 by PGD|.0f} % of the signs."
)
TITLE = (
    "A first digit 2 becomes a 9 on {usual, 2 -> 9 by PGD|.0f} % of the signs; after PGD training, on "
    "{PGD training, 2 -> 9 by PGD|.0f} %"
)
TRAININGS = ("usual", "FGSM training", "PGD training")
ATTACKS = ("clean", "FGSM", "PGD", "2 -> 9 by FGSM", "2 -> 9 by PGD")
TWO, NINE = 20, 90  # what the first digits add to the number
SIDE, TOP, LEFTS, TILE = 32, 9, (4, 14), 14  # pixels: of a sign; from its border to the digits; of a digit
RADIUS, PLATE, RED = 15.5, 13.0, (0.8, 0.1, 0.1)  # of the sign and of its white plate; the colour of the ring between them
SHOWN = 6


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    rng = np.random.default_rng(claim.args.seed)
    x, y = signs(s.signs, rng)
    unseen = signs(s.test, rng), signs(s.test, rng, first=2)
    runs = over_seeds(claim, experiment, s, x, y, *unseen, steps=len(TRAININGS) * s.steps)
    measure(claim, runs, s)
    claim.show(picture(claim, runs[0]["examples"], s), "signs", claim.words(TITLE))


def signs(n: int, rng: np.random.Generator, first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Signs (n, 3, 32, 32) with pixels in [0, 1], and their numbers (n,) from 0 to 99; `first`: the first digit of all."""
    ink, digits = data.glyphs(2 * n, rng)
    tens = np.arange(n) if first is None else rng.choice(np.flatnonzero(digits == first), n)
    pairs = np.stack([tens, np.arange(n, 2 * n)], axis=1)
    ink = ink[pairs].reshape(n, 2, TILE, 2, TILE, 2).mean(axis=(3, 5))
    ink = (2 * ink / ink.max(axis=(2, 3), keepdims=True)).clip(0, 1)  # in bold
    black = np.zeros((n, 1, SIDE, SIDE), np.float32)
    for i, left in enumerate(LEFTS):
        tile = black[:, 0, TOP : TOP + TILE, left : left + TILE]
        np.maximum(tile, ink[:, i], out=tile)
    line = np.arange(SIDE) - (SIDE - 1) / 2
    distance = np.hypot(line, line[:, None])
    disc, plate = ((r + 0.5 - distance).clip(0, 1).astype(np.float32) for r in (RADIUS, PLATE))
    around, white = (rng.uniform(low, high, (n, c, 1, 1)).astype(np.float32) for low, high, c in ((0.1, 0.9, 3), (0.85, 1, 1)))
    red = np.reshape(RED, (3, 1, 1)).astype(np.float32)
    return (1 - disc) * around + (disc - plate) * red + plate * white * (1 - black), digits[pairs] @ [10, 1]


class Reader(nn.Module):
    """Cuts both digits out, in grey, and reads them with one network: (N, 3, 32, 32) -> (N, 100), a logit for each number.

    log p(25) = log p(2) + log p(5)
    """

    def __init__(self, channels: int):
        super().__init__()
        c = channels
        self.digit = nn.Sequential(
            nn.Conv2d(1, c, 4, stride=2, padding=1), nn.ReLU(),  # 7 x 7
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), nn.ReLU(),  # 4 x 4
            nn.Flatten(), nn.Dense(32 * c, 4 * c), nn.ReLU(), nn.Dense(4 * c, 10),
        )  # fmt: skip

    def forward(self, x):
        grey = x.mean(axis=1, keepdims=True)[:, :, TOP : TOP + TILE]
        v = self.digit(mg.concatenate([grey[..., left : left + TILE] for left in LEFTS]))
        return (v[: len(x)].reshape(-1, 10, 1) + v[len(x) :].reshape(-1, 1, 10)).reshape(-1, 100)


def on_attacked(attack: Callable, **options) -> Objective:
    """The loss on the images that this attack makes, anew for every minibatch against the present network."""
    return lambda model, x, y: losses.cross_entropy(model(Tensor(attack(model, x, y, **options))), y)


def experiment(seed: int, s: Settings, x, y, unseen: tuple, twos: tuple) -> dict:
    """Train the three networks: errors and successes in per cent, and attacked signs."""
    mg.seed(seed)
    rng, usual, errors, examples = np.random.default_rng(seed), Reader(s.channels), {}, {}
    objectives = {
        "usual": None,
        "FGSM training": on_attacked(attacks.fgsm, epsilon=s.epsilon),
        "PGD training": on_attacked(attacks.pgd, epsilon=s.epsilon, steps=s.k, rng=rng),
    }
    for name, objective in objectives.items():
        network = Classifier(Reader(s.channels), digits=tuple(range(100)))
        network.model.load_state_dict(usual.state_dict())
        train(network, x, y, f"{name}, seed {seed}", s.steps, s.batch, s.lr, objective, rng=rng)
        usual = network.model if objective is None else usual
        errors[name], examples[name] = attack(network, *unseen, *twos, s, rng)
    return {"errors": errors, "examples": examples}


def attack(network: Classifier, x, y, twos, number, s: Settings, rng: np.random.Generator) -> tuple[dict, dict]:
    """For each of ATTACKS, the share of signs on which it succeeds; some signs, and what they become."""
    chosen = number - TWO + NINE
    fgsm, pgd = attacks.fgsm, partial(attacks.pgd, steps=s.attack_steps, rng=rng)

    def reads(x: np.ndarray) -> np.ndarray:
        return network.probabilities(x).argmax(axis=1)

    def strongest(attack, starts: int, x, aim, targeted: bool = False) -> float:
        found = [reads(network.attacked(x, aim, s.epsilon, attack, targeted=targeted)) == aim for _ in range(starts)]
        return 100 * float((np.any(found, axis=0) if targeted else ~np.all(found, axis=0)).mean())

    errors = {
        "clean": 100 * float((reads(x) != y).mean()),
        "FGSM": strongest(fgsm, 1, x, y),
        "PGD": strongest(pgd, s.starts, x, y),
        "2 -> 9 by FGSM": strongest(fgsm, 1, twos, chosen, targeted=True),
        "2 -> 9 by PGD": strongest(pgd, s.starts, twos, chosen, targeted=True),
    }
    some = np.argsort(number != 25, kind="stable")[:SHOWN]  # those with 25 first
    before, steps = twos[some], s.attack_steps
    there = network.attacked(before, chosen[some], s.epsilon, attacks.pgd, targeted=True, steps=steps)
    return errors, {"number": number[some], "x": before, "x'": there, "reads x": reads(before), "reads x'": reads(there)}


def measure(claim: Claim, runs: list[dict], s: Settings) -> None:
    """The table, means over the seeds; the bounds for the worst seed, and both defences compared."""
    found = {(name, what): np.array([run["errors"][name][what] for run in runs]) for name in TRAININGS for what in ATTACKS}
    for (name, what), shares in found.items():
        claim.note(f"{name}, {what}", shares.mean(), "reported: per cent, mean of the seeds")
    usual, fgsm, pgd = TRAININGS
    claim.note("epsilon", s.epsilon)
    claim.at_least("usual, PGD, worst seed", found[usual, "PGD"].min(), 99)
    claim.at_most("PGD training, PGD, worst seed", found[pgd, "PGD"].max(), 20)
    claim.at_most("cost on clean signs, worst seed", (found[pgd, "clean"] - found[usual, "clean"]).max(), 3)
    claim.compare("PGD, PGD training less FGSM training", compare(found[pgd, "PGD"], found[fgsm, "PGD"], paired=True), {HELPS})
    nine = ATTACKS[-1]
    claim.compare(f"{nine}, PGD training less usual", compare(found[pgd, nine], found[usual, nine], paired=True), {HELPS})


def row(images: np.ndarray, read: np.ndarray, number: np.ndarray) -> tuple:
    """For `draw_rows`."""
    return images, [f"{seen:02}" for seen in read], list(read == number)


def picture(claim: Claim, examples: dict[str, dict], s: Settings) -> plt.Figure:
    """The table; on the right signs with a 2, and what an attacker makes of them who wants a 9."""
    figure, (left, right) = slide(1, 2, width_ratios=(5, 6))
    table = np.array([[claim.metrics[f"{name}, {what}"] for what in ATTACKS] for name in TRAININGS])
    left.imshow(table, cmap="Oranges", vmin=0, vmax=130, aspect="auto")
    for (i, j), share in np.ndenumerate(table):
        left.text(j, i, f"{share:.0f}" if share >= 10 else f"{share:.1f}", ha="center", va="center", fontsize=20)
    left.set_xticks(range(len(ATTACKS)), ["clean", "FGSM", "PGD", "2 → 9\nFGSM", "2 → 9\nPGD"])
    left.set_yticks(range(len(TRAININGS)), ["usual\ntraining", "FGSM\ntraining", "PGD\ntraining"])
    left.set_title("share of signs on which the attacker succeeds, %")
    left.tick_params(length=0)
    left.spines[:].set_visible(False)
    rows, words = {}, {"usual": "usual\ntraining", "PGD training": "PGD\ntraining"}
    for name, training in words.items():
        of = examples[name]
        change = (0.5 + (of["x'"] - of["x"]) / (2 * s.epsilon)).clip(0, 1)
        x, change, there = (images.transpose(0, 2, 3, 1) for images in (of["x"], change, of["x'"]))
        rows |= {} if rows else {"$x$": row(x, of["reads x"], of["number"])}
        rows[f"change,\n{training}"] = change, [], []
        rows[f"$x'$,\n{training}"] = row(there, of["reads x'"], of["number"])
    draw_rows(right, rows)
    right.set_title(f"the change, {1 / (2 * s.epsilon):.1f} times as large; what the network reads")
    return figure
