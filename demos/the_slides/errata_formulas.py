"""Formulas of the slides that are wrong or undefined if taken literally: convexity, n_critic, optimistic Adam."""

from collections.abc import Callable
from itertools import count

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import rel_entr

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.line import network
from demos.kit.rounding import percent
from demos.kit.style import MARKERS, OTHERS, slide
from demos.the_slides.errata_games import train_alone
from minigan import Tensor, data, losses, nn, no_grad, optim
from minigan.games import WGAN

CONVEXITY = (
    "“V(D, G) is convex”: convex in $p_g$, not convex in $\\theta$ (in $p_g$, {convex_in_p_g_violations|.0f} of {pairs|,.0f} "
    "pairs disagree; in $\\theta$, {convex_in_theta_violations_the_best_D|.0f})"
)
GRID = np.linspace(-20.0, 20.0, 801)  # of x on the line, for V


def convexity(claim: Claim, s, seed: int) -> None:
    """Slide: "Show that the function V(D, G) is convex" (Generative Adversarial Networks). It is in p_g, but not in theta."""
    rng = np.random.default_rng(seed)
    p, a, b = rng.dirichlet(np.full(s.bins, 0.5), (3, s.pairs))  # histograms, (pairs, bins): of the data, and two of p_g
    violations = int(above_the_chord(lambda q: best_value(p, q), a, b).sum())
    claim.note("pairs", s.pairs, "reported: whose chord is compared with V half way")
    claim.at_most("convex_in_p_g_violations", violations, 0, quick=True)
    theta = rng.uniform(-8.0, 8.0, (2, s.pairs))
    found = {"the best D": shifted_value, "a D that stands still": value_for_one_d(s, seed)}
    for name, V in found.items():
        violations = int(above_the_chord(V, *theta).sum())
        claim.at_least(f"convex_in_theta_violations_{name.replace(' ', '_')}", violations, 1, quick=True)
    claim.show(draw_convexity(found), "errata_convexity", claim.words(CONVEXITY))


def above_the_chord(V: Callable[[np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each pair: is V half way above the mean of its values at the ends? For a convex function it never is."""
    return V((a + b) / 2) > (V(a) + V(b)) / 2 + 1e-6  # by more than rounding


def best_value(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """V of the best D, D* = p / (p + q): the sum of p log D* + q log(1 - D*) over the last axis."""
    return np.sum(rel_entr(p, p + q) + rel_entr(q, p + q), axis=-1)  # rel_entr(a, b) = a log(a / b), and 0 where a is 0


def shifted_value(theta: np.ndarray) -> np.ndarray:
    """V of the best D for G(z) = theta + z, that is N(theta, 1) against the data, N(0, 1)."""
    p, q = (np.exp(-((GRID - np.atleast_1d(t)[:, None]) ** 2) / 2) for t in (0.0, theta))
    return best_value(p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True))


def value_for_one_d(s, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """theta -> V for G(z) = theta + z and a fixed D that has learnt to tell N(0, 1) from N(3, 1)."""
    mg.seed(seed)
    D, x, z = network(s.line_width), data.noise(1), data.noise(1)
    train_alone(D, lambda m: Tensor(z(m) + 3), (x(s.line_batch) for _ in range(s.pretraining)), s.pretraining, s.line_lr)
    x, z = x(500), z(500)

    def value(theta):
        with no_grad():
            v_real = D(Tensor(x))
            return np.array([-losses.discriminator_loss(v_real, D(Tensor(z + np.float32(t)))).item() for t in theta])

    return value


def draw_convexity(found: dict) -> plt.Figure:
    """V over theta; between two of its points the curve is above the chord."""
    figure, axes = slide()
    theta = np.linspace(-8, 8, 161)
    for (name, V), colour, line in zip(found.items(), OTHERS, ("-", "-."), strict=False):
        axes.plot(theta, V(theta), color=colour, linestyle=line, label=f"V for {name}")
    ends = np.array([0.0, 8.0])
    axes.plot(ends, shifted_value(ends), "o--", color="black", label="a chord of V for the best D")
    axes.set(xlabel="$\\theta$, where $G(z) = \\theta + z$", ylabel="V, in nats")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def critic_steps(claim: Claim, n_critic: int = 5) -> None:
    """Slide: "for t = 0, ..., n_critic do" (IT3320E, lecture 10, WGAN's Algorithm 1)."""
    G, critic = nn.Dense(2, 2), nn.Dense(2, 1)
    rules = [optim.RMSProp(player.parameters(), 5e-5) for player in (G, critic)]
    printed = len(range(0, n_critic + 1))  # from 0 to n_critic, both included
    drawn = count()
    WGAN(G, critic, data.noise(2), *rules, n_critic=n_critic).step(np.zeros((4, 2), np.float32) for _ in drawn)
    played = next(drawn)  # minibatches: one for each step of the critic
    claim.note("critic_steps_as_printed", printed, f"reported: {n_critic + 1}, one too many")
    claim.note("critic_steps_of_WGAN", played, f"{n_critic}", played == n_critic, quick=True)
    title = f"“for t = 0, …, $n_{{critic}}$”: {printed} steps as printed, {played} are meant, and played"
    claim.show(draw_critic_steps({"as printed": printed, "games.WGAN": played}, n_critic), "errata_critic_steps", title)


def draw_critic_steps(found: dict[str, int], n_critic: int) -> plt.Figure:
    """A mark for each step of the critic in one iteration."""
    figure, axes = slide(height=4)
    for place, (steps, colour, marker) in enumerate(zip(found.values(), OTHERS, MARKERS, strict=False)):
        axes.scatter(range(1, steps + 1), [place] * steps, s=400, color=colour, marker=marker)
    axes.set_yticks(range(len(found)), list(found))
    axes.set(xlabel=f"critic steps in an iteration, $n_{{critic}}$ = {n_critic}", ylim=(-0.8, 1.8), xlim=(0, n_critic + 2))
    axes.set_ylabel("loop")
    return figure


def optimism(claim: Claim, s, seed: int) -> dict[str, np.ndarray]:
    """Slide: "θ_t = θ_{t-1} - 2η m̂_t / (√v̂_t + ε) + η m̂_{t-1} / (√v̂_{t-1} + ε)" (IT3320E, lecture 10). At t = 1, m̂_0 is 0/0."""
    g = np.random.default_rng(seed).standard_normal(1000)
    undefined = int(np.isnan(as_printed(np.zeros(1000), lambda theta: g, 1)[1]).sum())
    expected = "1000 of 1000 parameters after the first step"
    claim.note("optimistic_Adam_printed_NaN", undefined, expected, undefined == 1000, quick=True)
    steps = {rule: descend(rule, np.zeros(1000), lambda theta: g, 1)[1] for rule in (optim.Adam, optim.OptimisticAdam)}
    differing = int((steps[optim.OptimisticAdam] != 2 * steps[optim.Adam]).sum())
    claim.at_most("optimistic_Adam_not_twice_Adam", differing, 0, quick=True)  # of 1000 parameters
    start, slope = np.ones(1), lambda theta: theta  # of theta^2 / 2
    found = {rule.__name__: descend(rule, start, slope, 6)[:, 0] for rule in (optim.Adam, optim.OptimisticAdam)}
    found["as printed"] = as_printed(start, slope, 6)[:, 0]
    first = (1 - found["OptimisticAdam"][1]) / (1 - found["Adam"][1])
    title = (
        "“$\\theta_t = \\theta_{t-1} - 2 \\eta \\hat m_t / … + \\eta \\hat m_{t-1} / …$”: at t = 1, $\\hat m_0$ is 0/0, and "
        f"{percent(undefined / 1000)} of the parameters become NaN;\nwith 0 for it, the first step is {first:.3g} times Adam's"
    )
    claim.show(draw_optimism(found), "errata_optimism", title)
    return found


@np.errstate(invalid="ignore")  # 0/0 at t = 1
def as_printed(theta: np.ndarray, gradient: Callable, steps: int, lr=0.125, betas=(0.9, 0.999), eps=1e-8) -> np.ndarray:
    """Algorithm 1 to the letter, with m_0 = v_0 = 0: theta before the first step, and after each."""

    def direction(t):  # m^_t / (sqrt(v^_t) + eps)
        return (m[t] / np.float64(1 - betas[0] ** t)) / (np.sqrt(v[t] / np.float64(1 - betas[1] ** t)) + eps)

    m, v, thetas = [np.zeros_like(theta)], [np.zeros_like(theta)], [theta]
    for t in range(1, steps + 1):
        g = gradient(thetas[-1])
        m.append(betas[0] * m[-1] + (1 - betas[0]) * g)
        v.append(betas[1] * v[-1] + (1 - betas[1]) * g**2)
        thetas.append(thetas[-1] - 2 * lr * direction(t) + lr * direction(t - 1))
    return np.array(thetas)


def descend(rule: type[optim.Adam], theta: np.ndarray, gradient: Callable, steps: int, lr: float = 0.125) -> np.ndarray:
    """The same with an optimizer of `optim`. The rate is a power of 2, so that a product with it is not rounded."""
    p = Tensor(theta.copy(), requires_grad=True)
    opt, thetas = rule([p], lr), [p.numpy().copy()]
    for _ in range(steps):
        p.grad = Tensor(gradient(p.numpy().copy()))
        opt.step()
        thetas.append(p.numpy().copy())
    return np.array(thetas)


def draw_optimism(found: dict[str, np.ndarray]) -> plt.Figure:
    """The first steps on theta^2 / 2; the printed formula has none."""
    figure, axes = slide(height=6)
    for (name, theta), colour, marker in zip(found.items(), OTHERS, MARKERS, strict=False):
        defined = int(np.isfinite(theta).sum())
        label = name if defined == len(theta) else f"{name}: NaN from t = {defined} on"
        axes.plot(theta, marker=marker, color=colour, label=label)
    axes.set(xlabel="t", ylabel="$\\theta_t$, down $\\theta^2 / 2$")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
