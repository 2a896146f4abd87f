"""If D is always right, one loss of G has almost no gradient left, and the other's gradient is very noisy.

Slide: "Difficult to train: vanishing gradients, instability" (IT3320E, lecture 10, which cites Arjovsky and Bottou 2017)

G maps a ring of noise to a closed curve in space; the data are on another such curve. The two do not meet, so there is a
perfect D*: 0 on the one, 1 on the other, flat around both. G does not learn while a fresh D is trained, as in figures 2 and 3
of Arjovsky and Bottou (2017, "Towards principled methods for training GANs"), who prove:

    theorem 2.4   |grad_theta E log(1 - D(G(z)))| < M e / (1 - e) if |D - D*| + |grad_x (D - D*)| < e and E |J_theta G|^2 <= M^2
    theorem 2.6   the gradient of -log D has infinite variance where D errs around D* by noise, independent at every point
    section 3     noise on D's inputs, real and fake: the two distributions overlap, D* is smooth, and both are cured

What to look for: D on the line from a fake to the nearest image is a cliff without noise and a slope with it; the gradients of
G's parameters over D's training, on logarithmic axes. A network's errors are not independent: the variance grows, but slowly.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_kinds
from demos.kit.loops import resumable
from demos.kit.mixtures import discriminator
from demos.kit.style import OTHERS, slide
from demos.kit.training import adam, descend
from minigan import Tensor, data, losses, nn, no_grad, sigmoid


@dataclass
class Settings:
    steps: int = 4000  # of D, as in the paper's figure 2
    every: int = 50  # steps between two measurements
    space: int = 8  # dimensions of the space of the two curves
    width: int = 64
    batch: int = 128
    lr: float = 1e-2  # Adam's; betas (0.5, 0.999)
    noise: float = 0.5  # standard deviation of the noise on D's inputs, in the runs with noise
    probes: int = 512  # fakes at which the gradients are measured, ...
    parts: int = 16  # ... in this many minibatches, for the variance
    seeds: int = 3


QUICK = {"steps": 200, "every": 20, "probes": 64, "parts": 4, "seeds": 1}
VERDICT = "True: while D becomes perfect, the gradient of log(1 - D) vanishes; that of -log D grows, and its variance with it."
FINDING = (
    "While D learns, the gradient of log(1 - D) becomes at least {log(1 - D): gradient, by a fresh D / at the end|>} times "
    "smaller, with noise on D's inputs at most {log(1 - D), noise: gradient, longest / at the end|<} times (worst of 3 seeds). "
    "Noise makes the variance of -log D's gradient at least {-log D: variance at the end, without / with noise|>} "
    "times smaller."
)
TITLE = (
    "While D becomes perfect, the gradient of log(1 - D) falls at least "
    "{log(1 - D): gradient, by a fresh D / at the end|>} times; that of -log D does not, but its variance grows at least "
    "{-log D: variance, at the end / when D is first right about all|>} times after D is right about all. "
    "With noise on D's inputs the one falls at most {log(1 - D), noise: gradient, longest / at the end|<} times, "
    "the other's variance is at least {-log D: variance at the end, without / with noise|>} times smaller"
)

KINDS = {"without noise": (OTHERS[1], "-"), "with noise": (OTHERS[0], "--")}  # in the pictures
T = np.linspace(-0.5, 1.5, 101)  # places on the line from a fake (0) to the nearest image (1)


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    runs = over_kinds(claim, train, KINDS, s.seeds, s, steps=len(KINDS) * s.seeds * (s.steps + 1))
    report(claim, runs)
    claim.show(picture(runs), "perfect_discriminator", claim.words(TITLE))


# --- the training -------------------------------------------------------------------------------------------------------


def curve(s: Settings) -> nn.Sequential:
    """A network that maps a ring to a closed curve in space: G, or the source of the data."""
    return nn.Sequential(nn.Dense(2, s.width), nn.Tanh(), nn.Dense(s.width, s.space))


def train(kind: str, seed: int, s: Settings) -> dict[str, np.ndarray]:
    """D alone, G frozen: measurements every few steps, each as an array over the steps."""
    mg.seed(seed)
    G, nature, D = curve(s), curve(s), discriminator(s.width, s.space)
    ring, hiss, sigma = data.noise(2, "sphere"), data.noise(s.space), s.noise * (kind == "with noise")
    z, noise = Tensor(ring(s.probes)), Tensor(hiss(s.probes)) * sigma
    with no_grad():
        fakes, images = G(z).numpy(), nature(Tensor(ring(5000))).numpy()
    line, M = between(fakes, images), jacobian_norm(G, z)
    opt, rows = adam(D, s.lr), []
    for t in resumable(range(s.steps + 1), "D alone", D=D, opt=opt, ring=ring, hiss=hiss, rows=rows):
        if t % s.every == 0:
            right = min(np.mean(opinion(D, fakes) < 0.5), np.mean(opinion(D, images) > 0.5))
            rows.append({"step": t, **measure(G, D, z, noise, M, s.parts), "right": float(right), "D": opinion(D, line)})
        with no_grad():  # neither G nor nature learns
            fake, real = (network(Tensor(ring(s.batch))) + Tensor(hiss(s.batch)) * sigma for network in (G, nature))
        loss = losses.discriminator_loss(D(real), D(fake))
        descend(opt, loss)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def between(fakes: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Points on the line through a fake and the nearest image; the fake is the one with the median distance."""
    distances = np.linalg.norm(fakes[:, None] - images[None], axis=2)
    i = np.argsort(distances.min(axis=1))[len(fakes) // 2]
    a, b = fakes[i], images[distances[i].argmin()]
    return (a + T[:, None] * (b - a)).astype(np.float32)


def opinion(D: nn.Module, points: np.ndarray) -> np.ndarray:
    """D at these points."""
    with no_grad():
        return sigmoid(D(Tensor(points))).numpy()[:, 0].copy()


def jacobian_norm(G: nn.Module, z: Tensor) -> float:
    """Theorem 2.4's M: the root of the mean squared (Frobenius) norm of G's Jacobian by its parameters."""
    total = 0.0
    for i in range(len(z)):
        x = G(z[i : i + 1])
        for j in range(x.shape[1]):
            total += sum(float(np.sum(np.square(g.numpy()))) for g in mg.grad(x[0, j], G.parameters()))
    return float(np.sqrt(total / len(z)))


# --- the measurements ---------------------------------------------------------------------------------------------------


def measure(G: nn.Module, D: nn.Module, z: Tensor, noise: Tensor, M: float, parts: int) -> dict[str, float]:
    """For both losses, the gradient of G's parameters: its norm and its variance over minibatches; theorem 2.4's bound."""
    found = {}
    for name, saturating in (("log(1 - D)", True), ("-log D", False)):
        gradients = gradients_by_part(G, D, z, noise, saturating, parts)
        mean = gradients.mean(axis=0)
        found[f"{name}: norm"] = float(np.linalg.norm(mean))
        found[f"{name}: variance"] = float(np.sum((gradients - mean) ** 2) / (parts - 1))
    return {**found, "bound": theorem_2_4(G, D, z, M)}


def gradients_by_part(G: nn.Module, D: nn.Module, z: Tensor, noise: Tensor, saturating: bool, parts: int) -> np.ndarray:
    """(parts, number of G's parameters): the gradient of G's loss, minibatch by minibatch."""
    rows, size = [], len(z) // parts
    for i in range(0, parts * size, size):
        loss = losses.generator_loss(D(G(z[i : i + size]) + noise[i : i + size]), saturating)
        rows.append(np.concatenate([g.numpy().ravel() for g in mg.grad(loss, G.parameters())]).astype(np.float64))
    return np.array(rows)


def theorem_2_4(G: nn.Module, D: nn.Module, z: Tensor, M: float) -> float:
    """M e / (1 - e): e is the largest D + |grad D| at G's samples, where D* and its gradient are 0; infinite from e = 1 on."""
    x = Tensor(G(z).data, requires_grad=True)
    d = sigmoid(D(x))
    (slope,) = mg.grad(mg.sum(d), [x])
    e = float(np.max(d.numpy()[:, 0] + np.linalg.norm(slope.numpy(), axis=1)))
    return M * e / (1 - e) if e < 1 else np.inf


def report(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """How the two gradients change while D learns; the worst seed."""
    plain, noisy = runs.values()
    fall = min(run["log(1 - D): norm"][0] / run["log(1 - D): norm"][-1] for run in plain)
    claim.at_least("log(1 - D): gradient, by a fresh D / at the end", fall, 1000)
    used = max(np.max(run["log(1 - D): norm"] / run["bound"]) for run in plain)
    claim.at_most("log(1 - D): gradient / theorem 2.4's bound, largest", used, 1, quick=True)
    fall = max(run["log(1 - D): norm"].max() / run["log(1 - D): norm"][-1] for run in noisy)
    claim.at_most("log(1 - D), noise: gradient, longest / at the end", fall, 10)
    growth = min(run["-log D: norm"][-1] / run["-log D: norm"][0] for run in plain)
    claim.at_least("-log D: gradient, at the end / by a fresh D", growth, 1)
    growth = min(run["-log D: variance"][-1] / run["-log D: variance"][0] for run in plain)
    claim.at_least("-log D: variance, at the end / by a fresh D", growth, 10)
    later = min(run["-log D: variance"][-1] / next(iter(run["-log D: variance"][run["right"] == 1]), np.inf) for run in plain)
    claim.note("-log D: variance, at the end / when D is first right about all", later)
    monotone = min(spearmanr(run["step"], run["-log D: variance"]).statistic for run in plain)
    claim.at_least("-log D: variance, rank correlation with the step", monotone, 0.9)
    cure = min(a["-log D: variance"][-1] / b["-log D: variance"][-1] for a, b in zip(plain, noisy, strict=True))
    claim.at_least("-log D: variance at the end, without / with noise", cure, 10)


def picture(runs: dict[str, list[dict]]) -> Figure:
    """D between a fake and an image; then the gradients of G's parameters over D's training, for every seed."""
    figure, places = slide(2, 2)
    plain, noisy = (seeds[0] for seeds in runs.values())
    way = places[0, 0]  # from a fake to the nearest image, of the first seed
    for moment, width in ((0.025, 0.8), (0.25, 1.6), (1.0, 2.4)):  # of D's training; of the line
        i = round(moment * (len(plain["step"]) - 1))
        way.plot(T, plain["D"][i], color=KINDS["without noise"][0], linewidth=width, label=f"step {plain['step'][i]:,}")
    way.plot(T, noisy["D"][-1], KINDS["with noise"][1], color=KINDS["with noise"][0], label="with noise")
    way.set(xlabel="from a fake, 0, to the nearest image, 1", ylabel="$D$", ylim=(-0.05, 1.05), title="what D says on the way")
    way.set_xticks([-0.5, 0, 0.5, 1, 1.5])
    way.legend(loc="upper left")

    names = ("log(1 - D): norm", "-log D: norm", "-log D: variance")
    titles = ("gradient of $\\log(1 - D)$", "gradient of $-\\log D$", "gradient of $-\\log D$, among minibatches")
    for axes, name, title in zip(places.flat[1:], names, titles, strict=True):
        for kind, (colour, style) in KINDS.items():
            curves = np.transpose([run[name] for run in runs[kind]])
            lines = axes.semilogy(runs[kind][0]["step"], curves, style, color=colour, linewidth=1.5)
            lines[0].set_label(kind)
        axes.set(xlabel="step of D", ylabel=name.split()[-1], title=title)
    for run in runs["without noise"]:
        places[0, 1].semilogy(run["step"], run["bound"], ":", color=OTHERS[3], linewidth=1.5)
    places[0, 1].lines[-1].set_label("theorem 2.4's bound, without noise")
    figure.legend(*places[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
