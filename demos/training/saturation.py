"""While D is sure, log(1 - D(G(z))) has almost no gradient, but -log D(G(z)) has one; Adam compensates for that.

Slide: "To accelerate training early on, we can instead use a different loss term for the fake data that yields the same desired
behavior but trains faster."; "Exercise - Original loss: [...] - Goodfellow's modified loss: [...]" (CS/DS 552, class 7); "This
will update only the generator's weights by labeling all fake images as 1." (IT3320E, lecture 10); "If D gets too good too fast,
then G may never have a chance to improve." (CS/DS 552, class 7)

With D = sigma(v), the two losses' derivatives by the logit v are -D and -(1 - D). Their ratio (1 - D) / D is 1 at D = 1/2 and
99 at D = 0.01. (The slides' gradient of log(1 - q) is -1 there, not 1, but times sigma'(v) it is still nearly 0.) The log-loss
with all labels 1 is the second loss, bit for bit. First D is trained alone: the ratio of the gradients of G's parameters grows
with D's certainty. From that state, G plays by each loss, with momentum (the lectures' Algorithm 1) and with Adam.

What to look for: at D = 0, one loss is flat and the other is not. How soon is G half way to the data, by each loss and rule?
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_seeds
from demos.kit.line import Mixture, network
from demos.kit.loops import resumable
from demos.kit.style import OTHERS, slide
from demos.kit.training import adam, descend
from minigan import Tensor, data, losses, metrics, nn, optim, sigmoid
from minigan.backend import random_numbers
from minigan.games import GAN


@dataclass
class Settings:
    pretraining: int = 300  # steps of D alone
    steps: int = 600  # iterations of the game afterwards
    every: int = 10  # iterations between two measurements
    width: int = 64
    batch: int = 256
    lr: float = 2e-3  # with momentum
    momentum: float = 0.9
    adam: float = 1e-3  # Adam's rate; betas (0.5, 0.999)
    seeds: int = 5


QUICK = {"steps": 100, "seeds": 1}
VERDICT = "True, but with Adam both losses come half way about equally fast, because it divides a gradient by its size."
GRADIENTS = (
    "At D(G(z)) = 0.01, G's gradient by -log D is at least "
    "{G's parameters: ratio of the gradients at D = 0.01, worst seed|>} times as long as by log(1 - D)"
)
FINDING = (
    "At D(G(z)) = 0.01, -log D has a gradient at least "
    "{G's parameters: ratio of the gradients at D = 0.01, worst seed|>} times "
    "as long as log(1 - D). G is half way to the data after {momentum, -log D: half way after, median|.0f} and "
    "{momentum, log(1 - D): half way after, median|.0f} iterations with momentum, "
    "{Adam, -log D: half way after, median|.0f} and {Adam, log(1 - D): half way after, median|.0f} with Adam (medians)."
)

DATA = Mixture((1.0,), (3.0,), (0.5,))  # G starts near 0
RULES = {
    "momentum": lambda player, s: optim.SGD(player.parameters(), s.lr, s.momentum),
    "Adam": lambda player, s: adam(player, s.adam),
}
LOSSES = {"log(1 - D)": True, "-log D": False}  # name -> saturating?
IN_PICTURES = {"log(1 - D)": ("$\\log(1 - D(G(z)))$", OTHERS[1], "--"), "-log D": ("$-\\log D(G(z))$", OTHERS[0], "-")}


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    measure_logits(claim, claim.args.seed)
    steps = s.pretraining + 1 + len(RULES) * len(LOSSES) * (s.steps + 1)
    runs = over_seeds(claim, play, s, steps=steps)
    measure_gradients(claim, [run["pretraining"] for run in runs])
    measure_speed(claim, runs, s)
    claim.show(picture(runs, claim.metrics, s), "saturation", claim.words(GRADIENTS))


def measure_logits(claim: Claim, seed: int) -> None:
    """Is "fake labelled 1" the same loss, to the last bit? Is the ratio of the two derivatives (1 - D) / D?"""
    pairs = [labelled_1(seed, n, scale, dtype) for n in (1, 100, 4097) for scale in (1, 60) for dtype in "fd"]
    differing, gradients = sum(differs for differs, _ in pairs), max(gradient for _, gradient in pairs)
    claim.at_most("labels 1: batches whose loss differs, of 12", differing, 0, quick=True)
    claim.at_most("labels 1: difference of the gradients", gradients, 1e-6, quick=True)
    v = np.append(np.linspace(-30.0, 30.0, 1001), np.log(0.01 / 0.99))
    ratio = logit_gradient(v, saturating=False) / logit_gradient(v, saturating=True)
    error = np.abs(ratio / np.exp(-v) - 1).max()  # (1 - D) / D = e^-v
    claim.at_most("derivatives by the logit: error of (1 - D) / D", error, 1e-6, quick=True)
    claim.between("derivatives by the logit: ratio at D = 0.01", ratio[-1], 98.999, 99.001, quick=True)


def labelled_1(seed: int, n: int, scale: float, dtype: str) -> tuple[bool, float]:
    """For n logits: do the log-loss with labels 1 and -log D differ in any bit? By how much do their gradients differ?"""
    v = Tensor((scale * np.random.default_rng(seed).standard_normal((n, 1))).astype(dtype), requires_grad=True)
    pair = losses.log_loss_with_logits(v, 1.0), losses.generator_loss(v)
    gradients = [mg.grad(loss, [v])[0].numpy() for loss in pair]  # computed as sigma(v) - 1, and as -sigma(-v)
    return pair[0].numpy().tobytes() != pair[1].numpy().tobytes(), n * np.abs(gradients[0] - gradients[1]).max()


def logit_gradient(v: np.ndarray, saturating: bool) -> np.ndarray:
    """The derivative of G's loss by each logit: -D if saturating, else -(1 - D)."""
    logits = Tensor(v, requires_grad=True)
    losses.generator_loss(logits, saturating).backward()
    return len(v) * logits.grad.numpy()  # the loss is a mean


def play(seed: int, settings: Settings) -> dict:
    """Train D alone; then, from that state, play with each optimizer and each loss."""
    mg.seed(seed)
    G, D = network(settings.width, nn.ReLU), network(settings.width, nn.LeakyReLU)
    x = DATA.draw(20_000, random_numbers.spawn())
    run = {"pretraining": pretrain(G, D, x, settings)}
    state = G.state_dict(), D.state_dict()
    for rule, name in product(RULES, LOSSES):
        G.load_state_dict(state[0])
        D.load_state_dict(state[1])
        mg.seed(seed)  # the same minibatches and noise for all
        run[rule, name] = distances(G, D, x, rule, LOSSES[name], settings)
    return run


def pretrain(G: nn.Module, D: nn.Module, x: np.ndarray, settings: Settings) -> np.ndarray:
    """Train D alone. A row for each step: mean D(G(z)), and the norm of G's gradient by each loss."""
    prior, batches = data.noise(1), data.batches(x, size=settings.batch)
    opt, z, rows = adam(D, 1e-3), Tensor(data.noise(1)(500)), []
    for t in resumable(range(settings.pretraining + 1), "D alone", G=G, D=D, opt=opt, prior=prior, batches=batches, rows=rows):
        believed = mg.mean(sigmoid(D(G(z)))).item()
        rows.append((believed, *(gradient_norm(G, D, z, saturating) for saturating in LOSSES.values())))
        if t < settings.pretraining:
            fake = G(Tensor(prior(settings.batch))).detach()
            loss = losses.discriminator_loss(D(Tensor(next(batches))), D(fake))
            descend(opt, loss)
    return np.array(rows)


def gradient_norm(G: nn.Module, D: nn.Module, z: Tensor, saturating: bool) -> float:
    """The length of the gradient of G's loss with respect to all its parameters."""
    gradients = mg.grad(losses.generator_loss(D(G(z)), saturating), G.parameters())
    return float(np.sqrt(sum(np.sum(g.numpy().astype(np.float64) ** 2) for g in gradients)))


def measure_gradients(claim: Claim, tables: list[np.ndarray]) -> None:
    """The ratio of G's two gradients: when mean D(G(z)) first falls to 0.01, and after the pretraining."""
    ratios = [first[2] / first[1] for first in (rows[rows[:, 0] <= 0.01][0] for rows in tables)]
    later = [rows[-1, 2] / rows[-1, 1] for rows in tables]
    claim.at_least("G's parameters: ratio of the gradients at D = 0.01, worst seed", min(ratios), 50, quick=True)
    claim.at_least("G's parameters: the ratio after D's training alone, worst seed", min(later), 50, quick=True)


def distances(G: nn.Module, D: nn.Module, x: np.ndarray, rule: str, saturating: bool, settings: Settings) -> np.ndarray:
    """Play on; W1 of G's samples from the data, every few iterations."""
    optimizers = (RULES[rule](player, settings) for player in (G, D))
    game = GAN(G, D, data.noise(1), *optimizers, saturating=saturating)
    batches, found = data.batches(x, size=settings.batch), []
    for t in resumable(range(settings.steps + 1), "game", game=game, batches=batches, found=found):
        if t % settings.every == 0:
            found.append(metrics.wasserstein1(x[:5000, 0], game.sample(5000)[:, 0]))
        game.step(batches)
    return np.array(found)


def time_to_half(distances: np.ndarray, every: int) -> float:
    """The first measured iteration with at most half the initial distance; infinity if there is none."""
    return min(every * np.flatnonzero(distances <= distances[0] / 2), default=np.inf)


def measure_speed(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """Iterations until G has halved its distance from the data; the median is infinite if most seeds never do."""
    halved = {key: [time_to_half(run[key], settings.every) for run in runs] for key in product(RULES, LOSSES)}
    claim.note("iterations", settings.steps)
    for (rule, loss), times in halved.items():
        claim.note(f"{rule}, {loss}: half way after, median", np.median(times), "reported: iterations")
    pairs = zip(halved["momentum", "log(1 - D)"], halved["momentum", "-log D"], strict=True)
    speedup = min(min(slow, settings.steps) / fast for slow, fast in pairs)  # never: at least as long as all iterations
    claim.at_least("momentum: -log D is so many times as soon half way, at least, worst seed", speedup, 3)


def picture(runs: list[dict], m: dict[str, float], settings: Settings) -> Figure:
    """The two losses; the ratio of G's gradients while D learns; then both games, with each rule."""
    figure, places = slide(2, 2)
    losses_of_G, ratios = places[0]
    d = np.linspace(0.005, 0.995, 400)
    for loss, values in (("log(1 - D)", np.log(1 - d)), ("-log D", -np.log(d))):
        label, colour, style = IN_PICTURES[loss]
        losses_of_G.plot(d, values, style, color=colour, label=label)
    losses_of_G.set(title="G's two losses (the same lines below)", xlabel="$D(G(z))$", ylabel="loss, nats")
    losses_of_G.legend(loc="upper right")

    for i, run in enumerate(runs):
        believed, saturating, other = run["pretraining"].T
        label = None if i else "by G's parameters"
        ratios.loglog(believed, other / saturating, color=OTHERS[2], linewidth=1.5, label=label)
    d = np.geomspace(1e-3, 0.7, 100)
    ratios.loglog(d, (1 - d) / d, color=OTHERS[3], linestyle=":", linewidth=3, label="by the logit: $(1 - D) / D$")
    ratios.set(title="gradient of $-\\log D$ beside $\\log(1 - D)$")
    ratios.set(xlabel="mean $D(G(z))$, while D is trained alone", ylabel="times as long")
    ratios.legend(loc="lower left")

    step = np.arange(0, settings.steps + 1, settings.every)
    for axes, rule in zip(places[1], RULES, strict=True):
        times = []
        for loss, (label, colour, style) in IN_PICTURES.items():
            axes.plot(step, np.transpose([run[rule, loss] for run in runs]), style, color=colour, linewidth=1.5)
            median = m[f"{rule}, {loss}: half way after, median"]
            times.append(f"{label}: {median:.0f}" if np.isfinite(median) else f"{label}: > {settings.steps}")
        axes.axhline(np.mean([run[rule, "-log D"][0] for run in runs]) / 2, color=OTHERS[3], linestyle=":")
        axes.set(title=f"{rule}: first half way (dotted), median iteration\n{', '.join(times)}")
        axes.set(xlabel="iteration", ylabel="$W_1(p_{data}, p_g)$", ylim=(0, None))
    return figure
