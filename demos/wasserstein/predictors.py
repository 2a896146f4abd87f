"""Which predictors of the next gradient make optimistic mirror descent converge on theta w, and how fast?"""

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.claim import Claim
from demos.kit.style import MARKERS, OTHERS, REAL, slide
from minigan import Tensor, optim

STEPS = 1000
ETAS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SHOWN = 0.3  # the rate at which the distances are drawn
# name -> OMD's predictor
PREDICTORS = {"last gradient": "last", "average of 2": 2, "average of 5": 5, "decay 0.5": 0.5, "decay 0.9": 0.9}
LIMITS = "OMD on the bilinear game converges for rates below " + ", ".join(
    f"{{OMD, {name}: eta up to which it converges|.2g}} ({name})" for name in PREDICTORS
)
COLOURS = dict(zip(PREDICTORS, (OTHERS[0], OTHERS[1], OTHERS[2], OTHERS[3], REAL), strict=True))
# Both players descend by their gradients at z = (theta, w): (w, -theta) = TURN z.
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def play(name: str, eta: float) -> np.ndarray:
    """The distance from (0, 0), step by step. The rule treats each number by itself, so z can be both players."""
    z = Tensor(np.ones(2), requires_grad=True)
    rule, distances = optim.OMD([z], eta, PREDICTORS[name]), [np.sqrt(2.0)]
    for _ in range(STEPS):
        z.grad = Tensor(TURN) @ z.detach()
        rule.step()
        distances.append(np.hypot(*z.numpy()))  # hypot, because the squares may overflow or underflow
    return np.array(distances)


def matrix(name: str, eta: float) -> np.ndarray:
    """The matrix of a step, on the vector of z_t, z_(t-1), ..., z_(t-n), or of z_t and M_t where the average decays."""
    one, predictor = np.eye(2), PREDICTORS[name]
    if predictor != "last" and predictor < 1:  # g + M' - M = (2 - decay) g - (1 - decay) M
        gain = 1 - predictor
        return np.block([[one - eta * (1 + gain) * TURN, eta * gain * one], [gain * TURN, predictor * one]])
    n = 1 if predictor == "last" else predictor
    step = np.eye(2 * (n + 1), k=-2)  # each z moves by one place
    step[:2, :2] = one - eta * (1 + 1 / n) * TURN
    step[:2, -2:] += eta / n * TURN
    return step


def radius(name: str, eta: float) -> float:
    """The largest absolute eigenvalue: in the end, a step multiplies the distance by it."""
    return float(np.abs(np.linalg.eigvals(matrix(name, eta))).max())


def limit(name: str) -> float:
    """The rate up to which the largest eigenvalue is below 1, by bisection. With a decay d: (1 - d) sqrt((1 + d) / (3 - d))."""
    low, high = 0.01, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(name, middle) < 1 else (low, middle)
    return low


def experiment(claim: Claim) -> None:
    """Measured factors and eigenvalues for every predictor and rate; the picture."""
    runs = {(name, eta): play(name, eta) for name in PREDICTORS for eta in ETAS}
    report(claim, runs)
    claim.show(draw(runs), "predictors", claim.words(LIMITS))


def factor(distances: np.ndarray) -> float:
    """The mean factor by which a step multiplies the distance, over the second half of the steps."""
    half = len(distances) // 2
    return float((distances[-1] / distances[half]) ** (1 / (len(distances) - 1 - half)))


def report(claim: Claim, runs: dict[tuple[str, float], np.ndarray]) -> None:
    """Is each factor's logarithm within 1 % of the eigenvalue's? (Then so is the factor.)"""
    disagree = 0
    for (name, eta), distances in runs.items():
        measured, root = factor(distances), radius(name, eta)
        holds = abs(np.log(measured) / np.log(root) - 1) <= 0.01
        claim.note(f"OMD, {name}, eta {eta:g}: factor", measured, f"{root:.5f}, its logarithm within 1 %", holds, quick=True)
        disagree += (distances[-1] < distances[0]) != (root < 1)
    claim.at_most(f"OMD, of {len(runs)}: nearer though the eigenvalue is above 1, or not though below", disagree, 0, quick=True)
    for name in PREDICTORS:
        claim.note(f"OMD, {name}: eta up to which it converges", limit(name))


def draw(runs: dict[tuple[str, float], np.ndarray]) -> plt.Figure:
    """The distances at one rate; the factors and the eigenvalues at all rates."""
    figure, (left, right) = slide(1, 2, height=6.4)
    etas = np.union1d(np.linspace(0.005, max(ETAS) + 0.02, 400), ETAS)
    for name, marker in zip(PREDICTORS, MARKERS, strict=False):
        left.semilogy(runs[name, SHOWN], marker=marker, markevery=STEPS // 5, color=COLOURS[name])
        right.plot(etas, [radius(name, eta) for eta in etas], color=COLOURS[name], linewidth=1.5)
        measured = [factor(runs[name, eta]) for eta in ETAS]
        right.plot(ETAS, measured, marker, color=COLOURS[name], label=name)
    right.plot(etas, np.hypot(1, etas), ":", color="black", label="GD: $\\sqrt{1 + \\eta^2}$")
    right.axhline(1, color="black", linewidth=0.8)
    left.set(xlabel="step", ylabel="distance from the solution", title=f"rate $\\eta$ = {SHOWN}")
    right.set(xlabel="rate $\\eta$", ylabel="factor of a step", ylim=(0.68, 1.28))
    right.set_title("marks: measured; lines: largest |eigenvalue|")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
