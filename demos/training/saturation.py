"""While D is sure of itself, log(1 - D(G(z))) hardly moves G; -log D(G(z)) does.

Slide: "To accelerate training early on, we can instead use a different loss term for the fake data that yields the same desired
behavior but trains faster." (CS/DS 552, class 7); "This will update only the generator's weights by labeling all fake images as
1." (IT3320E, lecture 10); "If D gets too good too fast, then G may never have a chance to improve." (CS/DS 552, class 7)

With D = sigma(v), the two losses' derivatives by the logit v are -D and -(1 - D): their ratio is (1 - D) / D, 1 at D = 1/2 and
99 at D = 0.01 (the slides' gradient of log(1 - q) is -1 there, not 1, but times sigma'(v) it is nearly 0 all the same). The
log-loss with all labels 1 is the second loss, bit for bit (its gradient, up to rounding). Here D is trained against a G that
stands still: the ratio of the gradients of G's parameters grows with D's certainty. Then both games go on from that state.
What to look for: with momentum, which the lectures' Algorithm 1 names, the saturating G hardly moves for hundreds of
iterations, and then leaps too far. Adam divides a gradient by its size: either loss is half way in about 30 iterations.
"""

from dataclasses import asdict, dataclass, replace
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.line import Mixture, network, time_to_half
from demos.kit.pictures import FAKE, REAL
from demos.kit.run import common_options, start
from minigan import Tensor, backend, data, losses, metrics, nn, optim, sigmoid
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    pretraining: int = 300  # steps of D alone
    steps: int = 600  # iterations of the game afterwards
    every: int = 10  # iterations between two measurements
    width: int = 64
    batch: int = 256
    lr: float = 2e-3  # with momentum
    momentum: float = 0.9
    adam: float = 1e-3  # Adam's rate; betas (0.5, 0.999)
    seeds: int = 3
    speedup: float = 3.0  # how many times as soon, at least, the better loss halves G's distance from the data


QUICK = {"steps": 200, "seeds": 1}

DATA = Mixture((1.0,), (3.0,), (0.5,))  # G starts near 0
RULES = {
    "momentum": lambda params, s: optim.SGD(params, s.lr, s.momentum),
    "Adam": lambda params, s: optim.Adam(params, s.adam, (0.5, 0.999)),
}
LOSSES = {"saturating": True, "non-saturating": False}


def main(argv: list[str] | None = None) -> None:
    """The losses, their derivatives by the logit, by G's parameters, and what becomes of G."""
    args = start(common_options(__doc__), argv, "saturation")
    settings = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, asdict(settings))
    measure_logits(claim, args.seed)
    runs = [once(f"seed {seed}", play, settings, seed) for seed in range(args.seed, args.seed + settings.seeds)]
    measure_gradients(claim, runs)
    measure_speed(claim, runs, settings)
    claim.finish(picture(runs, claim.metrics, settings), "saturation")


def measure_logits(claim: Claim, seed: int) -> None:
    """Is "fake labelled 1" the same loss, to the last bit? Is the ratio of the two derivatives (1 - D) / D?"""
    pairs = [labelled_1(seed, n, scale, dtype) for n in (1, 100, 4097) for scale in (1, 60) for dtype in "fd"]
    differing, gradients = sum(differs for differs, _ in pairs), max(gradient for _, gradient in pairs)
    claim.note("labelled_1_values_that_differ", differing, "0 of 12 batches", differing == 0)
    claim.note("labelled_1_gradient_difference", gradients, "below 1e-6: rounding", gradients < 1e-6)
    v = np.append(np.linspace(-30.0, 30.0, 1001), np.log(0.01 / 0.99))
    ratio = logit_gradient(v, saturating=False) / logit_gradient(v, saturating=True)
    error = np.abs(ratio / np.exp(-v) - 1).max()  # (1 - D) / D = e^-v
    claim.note("logit_ratio_error", error, "at most 1e-6", error <= 1e-6)
    claim.note("logit_ratio_at_D_0.01", ratio[-1], "99", abs(ratio[-1] / 99 - 1) <= 1e-6)


def labelled_1(seed: int, n: int, scale: float, dtype: str) -> tuple[bool, float]:
    """For n logits: do the log-loss with labels 1 and -log D differ in any bit? And how much do their gradients?"""
    v = Tensor((scale * np.random.default_rng(seed).standard_normal((n, 1))).astype(dtype), requires_grad=True)
    pair = losses.log_loss_with_logits(v, 1.0), losses.generator_loss(v)
    gradients = [mg.grad(loss, [v])[0].numpy() for loss in pair]  # computed as sigma(v) - 1, and as -sigma(-v)
    return pair[0].numpy().tobytes() != pair[1].numpy().tobytes(), n * np.abs(gradients[0] - gradients[1]).max()


def logit_gradient(v: np.ndarray, saturating: bool) -> np.ndarray:
    """The derivative of G's loss by each logit: -D, if saturating, or else -(1 - D)."""
    logits = Tensor(v, requires_grad=True)
    losses.generator_loss(logits, saturating).backward()
    return len(v) * logits.grad.numpy()  # the loss is a mean


def play(settings: Settings, seed: int) -> dict:
    """Train D alone; then, from that state, play with each optimizer and each loss."""
    mg.seed(seed)
    G, D = network(settings.width, nn.ReLU), network(settings.width, nn.LeakyReLU)
    x = DATA.draw(20_000, backend.spawn())
    run = {"pretraining": pretrain(G, D, x, settings)}
    state = G.state_dict(), D.state_dict()
    for rule, name in product(RULES, LOSSES):
        G.load_state_dict(state[0])
        D.load_state_dict(state[1])
        mg.seed(seed)  # the same minibatches and noise for all
        run[rule, name] = distances(G, D, x, rule, LOSSES[name], settings)
    return run


def pretrain(G: nn.Module, D: nn.Module, x: np.ndarray, settings: Settings) -> np.ndarray:
    """Train D against G as it is. A row for each step: mean D(G(z)), the norm of each loss's gradient of G's parameters."""
    prior, batches = data.noise(1), data.batches(x, size=settings.batch)
    opt, z, rows = optim.Adam(D.parameters(), 1e-3, (0.5, 0.999)), Tensor(data.noise(1)(500)), []
    for t in range(settings.pretraining + 1):
        believed = mg.mean(sigmoid(D(G(z)))).item()
        rows.append((believed, *(gradient_norm(G, D, z, saturating) for saturating in LOSSES.values())))
        if t < settings.pretraining:
            fake = G(Tensor(prior(settings.batch))).detach()
            loss = losses.discriminator_loss(D(Tensor(next(batches))), D(fake))
            opt.zero_grad()
            loss.backward()
            opt.step()
    return np.array(rows)


def gradient_norm(G: nn.Module, D: nn.Module, z: Tensor, saturating: bool) -> float:
    """The length of the gradient of G's loss with respect to all its parameters."""
    gradients = mg.grad(losses.generator_loss(D(G(z)), saturating), G.parameters())
    return float(np.sqrt(sum(np.sum(g.numpy().astype(np.float64) ** 2) for g in gradients)))


def measure_gradients(claim: Claim, runs: list[dict]) -> None:
    """How the two gradients of G compare, when mean D(G(z)) first falls to 0.01, and after the pretraining."""
    tables = [run["pretraining"] for run in runs]
    ratios = [first[2] / first[1] for first in (rows[rows[:, 0] <= 0.01][0] for rows in tables)]
    share = max(rows[-1, 1] / rows[-1, 2] for rows in tables)
    claim.note("parameter_ratio_at_D_0.01", min(ratios), "at least 50 (worst seed)", min(ratios) >= 50)
    claim.note("saturating_share_after_pretraining", share, "below 0.02 (worst seed)", share < 0.02)


def distances(G: nn.Module, D: nn.Module, x: np.ndarray, rule: str, saturating: bool, settings: Settings) -> np.ndarray:
    """Play on; W1 of G's samples from the data, every few iterations."""
    rules = (RULES[rule](player.parameters(), settings) for player in (G, D))
    game = GAN(G, D, data.noise(1), *rules, saturating=saturating)
    batches, found = data.batches(x, size=settings.batch), []
    for t in range(settings.steps + 1):
        if t % settings.every == 0:
            found.append(metrics.wasserstein1(x[:5000, 0], game.sample(5000)[:, 0]))
        game.step(batches)
    return np.array(found)


def measure_speed(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """Iterations until G has halved its distance from the data; all of them, where it never did."""
    halved = {key: np.array([time_to_half(run[key], settings.every) for run in runs]) for key in product(RULES, LOSSES)}
    for (rule, name), times in halved.items():
        claim.note(f"{rule}_{name}_halved_after", times.mean(), "iterations, mean over the seeds")
    speedup = (halved["momentum", "saturating"] / halved["momentum", "non-saturating"]).min()
    claim.note("momentum_speedup", speedup, f"at least {settings.speedup} (worst seed)", speedup >= settings.speedup)


def picture(runs: list[dict], figures: dict[str, float], settings: Settings) -> plt.Figure:
    """The ratio of G's gradients while D learns; then both games, with each rule."""
    figure, places = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained")
    draw_ratios(places[0], runs)
    step = np.arange(0, settings.steps + 1, settings.every)
    for axes, rule in zip(places[1:], RULES, strict=True):
        for name, colour in zip(LOSSES, (FAKE, REAL), strict=True):
            axes.plot(step, np.transpose([run[rule, name] for run in runs]), color=colour)
        times = " and ".join(f"{figures[f'{rule}_{name}_halved_after']:.0f}" for name in LOSSES)
        axes.set(title=f"{rule}: half way after {times} iterations", xlabel="iteration")
        axes.set(ylabel="$W_1(p_{data}, p_g)$", ylim=(0, None))
        axes.legend([plt.Line2D([], [], color=colour) for colour in (FAKE, REAL)], ["$\\log(1 - D(G(z)))$", "$-\\log D(G(z))$"])
    ratio, share = figures["parameter_ratio_at_D_0.01"], figures["saturating_share_after_pretraining"]
    title = f"$-\\log D(G(z))$ gives G a gradient {ratio:.0f} times as long as $\\log(1 - D(G(z)))$ at $D(G(z))$ = 0.01,"
    figure.suptitle(f"{title} {1 / share:.0f} times after D's training alone")
    return figure


def draw_ratios(axes: plt.Axes, runs: list[dict]) -> None:
    """The ratio of the gradients of G's parameters against D(G(z)), which falls while D learns."""
    for run in runs:
        believed, saturating, other = run["pretraining"].T
        axes.loglog(believed, other / saturating, color="tab:green")
    d = np.geomspace(1e-3, 0.7, 100)
    axes.loglog(d, (1 - d) / d, color="black", linestyle=":", label="at the logit: $(1 - D) / D$")
    axes.axvline(0.01, color="grey", linewidth=0.8)
    axes.set(xlabel="mean $D(G(z))$, while D is trained alone", title="G's gradients, $-\\log D$ : $\\log(1 - D)$")
    axes.legend()


if __name__ == "__main__":
    main()
