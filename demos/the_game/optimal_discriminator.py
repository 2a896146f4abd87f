"""For a fixed generator, the best discriminator is D*(x) = p_data(x) / (p_data(x) + p_g(x)).

Slide: "Proposition 1. For G fixed, the optimal discriminator D is" D*_G(x) = p_data(x) / (p_data(x) + p_g(x)), by
"the function y -> a log(y) + b log(1-y) achieves its maximum in [0,1] at a/(a+b)" (Generative Adversarial Networks).

Here p_data and p_g have known densities on the line. D is a small network that sees only their samples and ascends
E log D(x) + E log(1 - D(G(z))). What to look for: in the upper panels D's curve lies on D* wherever there are samples; far
outside, D is arbitrary. D's value, an integral over the exact densities, rises to -log 4 + 2 JSD(p_data || p_g), the most that
any D can reach; the lower panels show the gap. So G is left to descend the Jensen-Shannon divergence. The proof's step is also
tested alone: gradient ascent on y finds a / (a + b). The numbers are those of the worst seed; errors are taken where
p_data + p_g is above 0.05.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.line import Mixture, jensen_shannon, network
from demos.kit.loops import resumable, run_cases
from demos.kit.rounding import at_most
from demos.kit.style import D_COLOUR, FAKE, REAL, slide
from demos.kit.training import descend
from minigan import Tensor, losses, nn, no_grad, optim
from minigan.backend import random_numbers


@dataclass
class Settings:
    steps: int = 3000  # of D; its learning rate falls linearly to 0 over them
    batch: int = 512
    lr: float = 3e-3
    width: int = 64  # of D's two hidden layers
    seeds: int = 3
    pairs: int = 100  # (a, b), drawn from [0.05, 1]: a nearly flat curve would take many more ascents
    ascents: int = 1000
    sup: float = 0.03  # what the errors must stay below
    mean: float = 0.01
    value: float = 0.01


QUICK = {"steps": 600, "batch": 256, "seeds": 1, "sup": 0.09, "mean": 0.03}  # a tenth of the samples: thrice the error
VERDICT = "True: a network that sees only samples becomes the optimal discriminator of the formula where samples are frequent."
FINDING = (
    "D differs from the formula by at most {gaussians_sup_error|<} for two Gaussians and {mixtures_sup_error|<} for two "
    "mixtures; its value is at most {gaussians_value_error|<} and {mixtures_value_error|<} nats below the highest (worst of 3 "
    "seeds)."
)

CASES = {  # p_data, p_g
    "gaussians": (Mixture((1.0,), (0.0,), (1.0,)), Mixture((1.0,), (1.5,), (0.7,))),
    "mixtures": (Mixture((0.5, 0.5), (-2.0, 1.0), (0.5, 0.7)), Mixture((0.3, 0.7), (-1.0, 2.0), (0.6, 0.8))),
}
X = np.linspace(-6.0, 6.0, 2401)  # the mass outside is negligible
DX = X[1] - X[0]


@demo(Settings(), QUICK)
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    claim.at_most("scalar_error", scalar_error(settings, args.seed), 1e-8, quick=True)
    seeds = range(args.seed, args.seed + settings.seeds)
    runs = run_cases(train, {case: (case,) for case in CASES}, seeds, settings, steps=settings.steps)
    for case in CASES:
        measure(claim, case, runs[case], settings)
    error, gap = (at_most(max(claim.metrics[case + of] for case in CASES)) for of in ("_sup_error", "_value_error"))
    near = f"within {error} of $p_{{data}} / (p_{{data}} + p_g)$, its value within {gap} of $-\\log 4 + 2\\,JSD$"
    claim.show(picture(runs, claim.metrics), "optimal_discriminator", f"A trained D is {near}")


def scalar_error(settings: Settings, seed: int) -> float:
    """The largest error of gradient ascent on a log y + b log(1 - y), from a / (a + b). y = sigma(v) stays in (0, 1)."""
    a, b = (Tensor(ab) for ab in np.random.default_rng(seed).uniform(0.05, 1.0, (2, settings.pairs)))
    v = Tensor(np.zeros(settings.pairs), requires_grad=True)
    ascent = optim.SGD([v], lr=2.0)  # the curvature in v is at most (a + b) / 4 <= 1/2
    for _ in range(settings.ascents):
        height = mg.sum(a * mg.log_sigmoid(v) + b * mg.log_sigmoid(-v))
        descend(ascent, -height)
    return float(mg.max(mg.abs(mg.sigmoid(v) - a / (a + b))).item())


def train(seed: int, case: str, settings: Settings) -> dict[str, np.ndarray]:
    """Train D on samples of p (real) and q (fake): its curve on X at the end, and the exact value of V along the way."""
    mg.seed(seed)
    p, q = CASES[case]
    rng, D = random_numbers.generator(), network(settings.width)
    opt = optim.Adam(D.parameters(), settings.lr)
    decay = optim.LinearDecay(opt, settings.steps)
    step, values = [], []
    for t in resumable(range(settings.steps), "training", D=D, opt=opt, decay=decay, step=step, values=values):
        if t % max(1, settings.steps // 60) == 0:
            step.append(t)
            values.append(value(logits(D), p, q))
        loss = losses.discriminator_loss(D(Tensor(p.draw(settings.batch, rng))), D(Tensor(q.draw(settings.batch, rng))))
        descend(opt, loss)
        decay.step()
    v = logits(D)
    curve = 1 / (1 + np.exp(-v))
    return {"D": curve, "step": np.array([*step, settings.steps]), "value": np.array([*values, value(v, p, q)])}


def logits(D: nn.Module) -> np.ndarray:
    """D's logits on X, in float64."""
    with no_grad():
        return D(Tensor(X[:, None], dtype=np.float32)).numpy()[:, 0].astype(np.float64)


def value(v: np.ndarray, p: Mixture, q: Mixture) -> float:
    """V = the integral of p log D + q log(1 - D), for logits v on X: log D = -log(1 + e^-v)."""
    return float(DX * np.sum(-p.density(X) * np.logaddexp(0, -v) - q.density(X) * np.logaddexp(0, v)))


def optimum(p: Mixture, q: Mixture) -> tuple[np.ndarray, float]:
    """D* on X, and its value -log 4 + 2 JSD(p || q)."""
    a, b = p.density(X), q.density(X)
    return a / (a + b), -np.log(4) + 2 * jensen_shannon(a, b, DX)


def measure(claim: Claim, case: str, runs: list[dict], settings: Settings) -> None:
    """D's distance from D*, and V's from -log 4 + 2 JSD: the worst of the seeds."""
    p, q = CASES[case]
    best, highest = optimum(p, q)
    populated = p.density(X) + q.density(X) > 0.05
    errors = np.abs([run["D"] - best for run in runs])[:, populated]
    sup, mean = errors.max(), errors.mean(axis=1).max()
    reached = [run["value"][-1] for run in runs]
    claim.at_most(f"{case}_sup_error", sup, settings.sup, quick=True)
    claim.at_most(f"{case}_mean_error", mean, settings.mean, quick=True)
    claim.note(f"{case}_value", min(reached), f"-log 4 + 2 JSD = {highest:.5f}")
    claim.at_most(f"{case}_value_error", highest - min(reached), settings.value, quick=True)
    claim.at_most(f"{case}_value_above_the_highest", max(reached) - highest, 1e-6, quick=True)  # no D can exceed it


def picture(runs: dict[str, list[dict]], metrics: dict[str, float]) -> plt.Figure:
    """Above: D and D* over the two densities. Below: V as it approaches -log 4 + 2 JSD."""
    figure, places = slide(2, 2, height_ratios=(3, 2))
    for (upper, lower), (case, (p, q)) in zip(places.T, CASES.items(), strict=True):
        best, highest = optimum(p, q)
        upper.fill_between(X, p.density(X), color=REAL, alpha=0.3, label="$p_{data}$")
        upper.fill_between(X, q.density(X), color=FAKE, alpha=0.3, hatch="//", label="$p_g$")
        upper.plot(X, best, color="black", linewidth=5, alpha=0.3, label="$D^* = p_{data} / (p_{data} + p_g)$")
        for i, run in enumerate(runs[case]):
            upper.plot(X, run["D"], color=D_COLOUR, linestyle="--", label="$D$, trained, each seed" if i == 0 else None)
            lower.semilogy(run["step"], highest - run["value"], color=D_COLOUR)
        upper.set(xlabel="sample $x$", ylabel="density, $D(x)$", xlim=(-5, 5), ylim=(0, 1.05))
        lower.set(xlabel="step of D", ylabel="gap of $V$, nats")
        upper.set_title(f"$|D - D^*|$ at most {at_most(metrics[case + '_sup_error'])} where $p_{{data}} + p_g > 0.05$")
        lower.set_title(f"$V$ reaches {metrics[case + '_value']:.4f};  $-\\log 4 + 2\\,JSD$ = {highest:.4f}")
    figure.legend(*places[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
