"""A network reads the 25 on a road sign as a 95 after a small change; training on such changes prevents most of it.

Slide: "In high-stakes scenarios such as autonomous vehicles, the results can be disastrous (e.g., misread a speed limit sign of
"25km/h" for "95km/h")." "Since this discovery of this attack, many DL researchers have investigated how to prevent it." (CS/DS
541, class 19)

    min over w   max over |d| <= epsilon   J(x + d, y; w)        (Madry et al. 2018)

PGD training is this game: k steps of the attacker on d, from a random start, then one step of the network on w. In FGSM
training, the attacker has one step. Both continue the usual training, and epsilon grows to its full size in the first steps; so
the defended networks have seen more signs than the usual one.
The networks read both digits of signs that are drawn from 16 fonts, new ones for every minibatch. All are attacked by 20 steps
of PGD from 5 random starts: a sign counts as misread if one of them succeeds. "2 -> 9" asks for more: the network must see the
number that the attacker chose, such as 95 for 25. Epsilon is the smallest, in steps of 0.01, at which PGD fools the usual
network on at least 99.5 % of the signs with each of the seeds 1000 to 1003 and 10 to 12.

Steps count: with 800 of PGD training and an epsilon of 0.17, the reported seeds, 0 to 2, missed the bound (21 % misread in the
worst). Epsilon and the 1,400 steps were chosen after that, on the other seeds.

What to look for: rows of the table are the trainings, columns the attacks. Does a defence hold against a stronger attack than
that of its training? On the right: can you see what changed on the signs?
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows, says
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.style import slide
from demos.kit.training import descend
from minigan import Tensor, attacks, backend, data, losses, nn, optim


@dataclass
class Settings:
    seeds: int = 3
    usual_steps: int = 900  # minibatches of the usual training
    steps: int = 1400  # of either adversarial training
    ramp: float = 0.3  # the share of these steps during which epsilon grows
    batch: int = 64
    lr: float = 5e-3  # Adam's; falls linearly to 0 over each training
    channels: int = 16
    epsilon: float = 0.19  # pixels are in [0, 1]
    k: int = 4  # steps of the attacker in PGD training
    attack_steps: int = 20  # of the attacker that judges
    starts: int = 5
    test: int = 300  # signs that are attacked
    twos: int = 150  # signs with a first digit 2 that should become a 9


QUICK = {"seeds": 1, "usual_steps": 60, "steps": 30, "channels": 8, "starts": 2, "test": 40, "twos": 20}
VERDICT = (
    "True: a change that the attacker chooses turns a 25 into a 95 on most signs; PGD training prevents most misreadings, FGSM "
    "training half of them."
)
FINDING = (
    "A change of at most {epsilon} a pixel (of 1), by PGD, makes the usual network misread {usual, PGD|.1f} % of the signs. "
    "After training on FGSM it misreads {FGSM training, PGD|.1f} %, after training on PGD {PGD training, PGD|.1f} %. Of clean "
    "signs, the usual network misreads {usual, clean|.1f} %, that of PGD training {PGD training, clean|.1f} %. An attacker who "
    "wants a 9 in place of a first digit 2 succeeds on {usual, 2 -> 9 by PGD|.0f} %, after training on FGSM on "
    "{FGSM training, 2 -> 9 by PGD|.1f} %, after training on PGD on {PGD training, 2 -> 9 by PGD|.1f} %."
)
TITLE = (
    "An attacker makes a 9 of the first digit 2 on {usual, 2 -> 9 by PGD|.0f} % of the signs; after PGD training, on "
    "{PGD training, 2 -> 9 by PGD|.1f} %"
)
TRAININGS = {"usual": "usual\ntraining", "FGSM training": "FGSM\ntraining", "PGD training": "PGD\ntraining"}
ATTACKS = {"clean": "clean", "FGSM": "FGSM", "PGD": "PGD", "2 -> 9 by PGD": "2 → 9\nby PGD"}
SIDE, TILE, TOP, LEFTS = 44, 28, 8, (0, 16)  # pixels: of a sign; of a digit's image; from the sign's border to both digits
ROWS, COLUMNS = slice(2, 26), slice(5, 23)  # of a digit's image: the part that the network reads
RADIUS, PLATE, RED = 21.5, 18.0, (0.8, 0.1, 0.1)  # of the sign and of its white plate; the colour of the ring between them
SHOWN = 4


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    runs = over_seeds(claim, experiment, s, steps=s.usual_steps + (len(TRAININGS) - 1) * s.steps)
    measure(claim, runs, s)
    claim.show(picture(claim, runs[0]["examples"], s), "signs", claim.words(TITLE))


def images_of(digit: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n images of this digit, (n, 1, 28, 28)."""
    images = np.empty((0, 1, TILE, TILE), np.float32)
    while len(images) < n:
        ink, digits = data.glyphs(10 * n, rng)
        images = np.concatenate([images, ink[digits == digit]])
    return images[:n]


def signs(n: int, rng: np.random.Generator, first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Signs (n, 3, 44, 44) with pixels in [0, 1], and their numbers (n,) from 0 to 99; `first`: the first digit of all."""
    ink, digits = data.glyphs(2 * n, rng)  # the first n are the tens
    if first is not None:
        ink[:n], digits[:n] = images_of(first, n, rng), first
    black = np.zeros((n, 1, SIDE, SIDE), np.float32)
    for images, left in zip((ink[:n], ink[n:]), LEFTS, strict=True):
        tile = black[:, :, TOP : TOP + TILE, left : left + TILE]
        np.maximum(tile, images, out=tile)
    line = np.arange(SIDE) - (SIDE - 1) / 2
    distance = np.hypot(line, line[:, None])
    disc, plate = ((r + 0.5 - distance).clip(0, 1).astype(np.float32) for r in (RADIUS, PLATE))
    around, white = (rng.uniform(low, high, (n, c, 1, 1)).astype(np.float32) for low, high, c in ((0.1, 0.9, 3), (0.85, 1, 1)))
    red = np.reshape(RED, (3, 1, 1)).astype(np.float32)
    return (1 - disc) * around + (disc - plate) * red + plate * white * (1 - black), 10 * digits[:n] + digits[n:]


class Reader(nn.Module):
    """Cuts both digits out, in grey, and reads them with one network: (N, 3, 44, 44) -> (N, 100), a logit for each number.

    log p(25) = log p(2) + log p(5)
    """

    def __init__(self, channels: int):
        super().__init__()
        c = channels
        self.digit = nn.Sequential(
            nn.Conv2d(1, c, 4, stride=2, padding=1), nn.ReLU(),  # 12 x 9
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), nn.ReLU(),  # 6 x 5
            nn.Flatten(), nn.Dense(60 * c, 4 * c), nn.ReLU(), nn.Dense(4 * c, 10),
        )  # fmt: skip

    def forward(self, x):
        grey = x.mean(axis=1, keepdims=True)[:, :, TOP : TOP + TILE]
        v = self.digit(mg.concatenate([grey[..., left : left + TILE][..., ROWS, COLUMNS] for left in LEFTS]))
        return (v[: len(x)].reshape(-1, 10, 1) + v[len(x) :].reshape(-1, 1, 10)).reshape(-1, 100)


def train(model: nn.Module, name: str, steps: int, s: Settings, rng: np.random.Generator, attack: Callable | None) -> None:
    """Descend the loss on new signs; with an attack, on its images, made against the present network."""
    optimizer = optim.Adam(model.parameters(), s.lr)
    decay = optim.LinearDecay(optimizer, steps)
    for t in resumable(range(1, steps + 1), name, model=model, optimizer=optimizer, decay=decay, rng=rng):
        x, y = signs(s.batch, rng)
        if attack:
            x = attack(model, x, y, s.epsilon * min(1, t / (s.ramp * steps)))
        descend(optimizer, losses.cross_entropy(model(Tensor(x)), y))
        decay.step()


def experiment(seed: int, s: Settings) -> dict:
    """Train the three networks: errors and successes in per cent, and attacked signs."""
    mg.seed(seed)
    rng = np.random.default_rng(seed)
    unseen, twos = signs(s.test, rng), signs(s.twos, rng, first=2)
    attackers = None, attacks.fgsm, partial(attacks.pgd, steps=s.k, rng=rng)
    usual, errors, examples = Reader(s.channels), {}, {}
    for name, attacker in zip(TRAININGS, attackers, strict=True):
        model = Reader(s.channels) if attacker else usual
        model.load_state_dict(usual.state_dict())
        train(model, f"{name}, seed {seed}", s.steps if attacker else s.usual_steps, s, rng, attacker)
        errors[name], examples[name] = attack(model, *unseen, *twos, s, rng)
    return {"errors": errors, "examples": examples}


def attack(model: nn.Module, x, y, twos, number, s: Settings, rng: np.random.Generator) -> tuple[dict, dict]:
    """For each of ATTACKS, the share of signs on which it succeeds; rows of signs with a 2 that should become a 9."""
    chosen = number + 70  # 25 -> 95
    pgd = partial(attacks.pgd, steps=s.attack_steps)

    def attacked(attack: Callable, x: np.ndarray, aim: np.ndarray, targeted: bool) -> np.ndarray:
        return backend.to_numpy(attack(model, x, aim, s.epsilon, targeted=targeted))

    def succeeds(attack: Callable, starts: int, x: np.ndarray, aim: np.ndarray, targeted: bool = False) -> float:
        left = np.arange(len(x))  # the signs on which no start has succeeded
        for _ in range(starts):
            if len(left):
                hit = says(model, attacked(attack, x[left], aim[left], targeted)) == aim[left]
                left = left[~hit if targeted else hit]
        return 100 * (1 - len(left) / len(x))

    errors = {
        "clean": 100 * float((says(model, x) != y).mean()),
        "FGSM": succeeds(attacks.fgsm, 1, x, y),
        "PGD": succeeds(partial(pgd, rng=rng), s.starts, x, y),
        "2 -> 9 by PGD": succeeds(partial(pgd, rng=rng), s.starts, twos, chosen, targeted=True),
    }
    some = np.argsort(number != 25, kind="stable")[:SHOWN]  # those with 25 first
    before, there = twos[some], attacked(pgd, twos[some], chosen[some], targeted=True)
    change = (0.5 + (there - before) / (2 * s.epsilon)).clip(0, 1).transpose(0, 2, 3, 1)
    rows = {"$x$": row(model, before, number[some]), "change": (change, [], []), "$x'$": row(model, there, number[some])}
    return errors, rows


def row(model: nn.Module, x: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, list[str], list[bool]]:
    """For `draw_rows`."""
    read = says(model, x)
    return x.transpose(0, 2, 3, 1), [f"{n:02}" for n in read], (read == number).tolist()


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
    for what, other in (("PGD", fgsm), ("2 -> 9 by PGD", usual)):
        claim.compare(f"{what}, {pgd} less {other}", compare(found[pgd, what], found[other, what], paired=True), {HELPS})


def picture(claim: Claim, examples: dict[str, dict], s: Settings) -> plt.Figure:
    """The table; on the right signs with a 2, and what an attacker makes of them who wants a 9."""
    figure, (left, right) = slide(1, 2, width_ratios=(5, 6))
    table = np.array([[claim.metrics[f"{name}, {what}"] for what in ATTACKS] for name in TRAININGS])
    left.imshow(table, cmap="Oranges", vmin=0, vmax=130, aspect="auto")
    for (i, j), share in np.ndenumerate(table):
        left.text(j, i, f"{share:.0f}" if share >= 10 else f"{share:.1f}", ha="center", va="center", fontsize=20)
    left.set_xticks(range(len(ATTACKS)), list(ATTACKS.values()))
    left.set_yticks(range(len(TRAININGS)), list(TRAININGS.values()))
    left.set_title("share of signs on which the attacker succeeds, %")
    left.tick_params(length=0)
    left.spines[:].set_visible(False)
    rows = {"$x$": examples["usual"]["$x$"]}
    for name in ("usual", "PGD training"):
        rows |= {f"{what},\n{TRAININGS[name]}": examples[name][what] for what in ("change", "$x'$")}
    draw_rows(right, rows)
    right.set_title(f"the change, {1 / (2 * s.epsilon):.1f} times as large; what the network reads")
    return figure
