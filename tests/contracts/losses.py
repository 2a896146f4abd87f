"""The registry of losses: one entry each, with its formula in NumPy."""

import numpy as np
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, losses
from minigan.testing import arrays
from tests.contracts import ops
from tests.contracts.ops import OPS, normal, positive
from tests.contracts.registry import Entry, calls

BATCH = st.integers(2, 5).map(lambda n: (n, 1))
LOGITS, EXTREME = arrays(BATCH), arrays((4, 1), special=True)
TWO = st.tuples(LOGITS, LOGITS)  # real and fake: minibatches of different sizes, too
LABELS = np.array([2, 0, 1, 2])
X, REAL, FAKE = normal(4, 3), 0.2 * normal(4, 3, seed=1) + 0.8, 0.2 * normal(4, 3, seed=2) - 0.8


def equal_shapes(low=None, high=None, count=2):
    return BATCH.flatmap(lambda shape: st.tuples(*[arrays(shape, low, high)] * count))


def sigma(v):
    return 1 / (1 + np.exp(-v))


def log_loss(p, y):
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def cross_entropy(v, labels):
    p = np.exp(v) / np.exp(v).sum(axis=1, keepdims=True)
    return -np.mean([np.log(p[i, label]) for i, label in enumerate(labels)])


def generator_loss(v, saturating):
    return np.mean(np.log(1 - sigma(v))) if saturating else np.mean(-np.log(sigma(v)))


def pull_away_term(S):
    n, unit = len(S), [s / np.sqrt(s @ s) for s in S]
    return sum((unit[i] @ unit[j]) ** 2 for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


def penalty(W, w):
    """Of a critic with one hidden layer, as a function of its weights."""
    real, fake = (Tensor(x.astype(W.dtype)) for x in (REAL, FAKE))
    return losses.gradient_penalty(lambda x: mg.tanh(x @ W) @ w, real, fake, np.random.default_rng(0))


def penalty_by_hand(W, w):
    """The slope at x_hat is W (w s), with s = 1 - tanh^2."""
    u = np.random.default_rng(0).random((4, 1))
    s = 1 - np.tanh((u * REAL + (1 - u) * FAKE) @ W) ** 2
    return np.mean((np.linalg.norm((s * w[:, 0]) @ W.T, axis=1) - 1) ** 2)


def cubic_norm(w):
    """The squared gradient norm of (x w)^3, for the samples in X."""
    x = Tensor(X.astype(w.dtype), requires_grad=True)
    return losses.squared_gradient_norm((x @ w) ** 3, x)


def weights(*shapes):
    return st.tuples(*[arrays(shape, 0.1, 1) for shape in shapes])


def entry(call, twin, draws, *inputs, special=None, points=()):
    return Entry(call, twin, draws, [(call, lambda: list(inputs))], special, [(call, *point) for point in points])


V, W, P, Y = normal(5, 1), normal(4, 1, seed=1), positive(5, 1) / 5, positive(5, 1, seed=1) / 5
LABELS_FOR_4 = st.sampled_from([(4, 1), (1, 1), (1,), ()])  # shapes that are broadcast to (4, 1)
LOSSES: dict[str, Entry] = {
    "log_loss": entry(losses.log_loss, log_loss, calls(equal_shapes(0.05, 0.95)), P, Y),
    "log_loss_with_logits": entry(
        losses.log_loss_with_logits, lambda v, y: log_loss(sigma(v), y),
        calls(st.tuples(arrays((4, 1)), arrays(LABELS_FOR_4, 0.05, 0.95))) | calls(LOGITS, y=[0.0, 0.25, np.ones(1, "f4")]),
        V, Y,
    ),
    "discriminator_loss": entry(
        losses.discriminator_loss, lambda r, f: -np.mean(np.log(sigma(r))) - np.mean(np.log(1 - sigma(f))), calls(TWO), V,
        W, special=st.tuples(EXTREME, EXTREME),
    ),
    "generator_loss": entry(
        losses.generator_loss, generator_loss, calls(LOGITS, saturating=[False, True]), V, special=st.tuples(EXTREME)
    ),
    "_saturating_loss": entry(losses.saturating_game.generator, lambda v: generator_loss(v, True), calls(LOGITS), V),
    "_smoothed_discriminator": entry(
        losses.smoothed_game.discriminator, lambda r, f: log_loss(sigma(r), 0.9) + log_loss(sigma(f), 0), calls(TWO), V, W
    ),
    "_least_squares_discriminator": entry(
        losses.least_squares_game.discriminator, lambda r, f: (np.mean((r - 1) ** 2) + np.mean(f**2)) / 2, calls(TWO), V, W
    ),
    "_least_squares_generator": entry(
        losses.least_squares_game.generator, lambda f: np.mean((f - 1) ** 2) / 2, calls(LOGITS), V
    ),
    "_hinge_discriminator": entry(
        losses.hinge_game.discriminator, lambda r, f: np.mean(np.maximum(1 - r, 0)) + np.mean(np.maximum(1 + f, 0)),
        calls(st.tuples(*[arrays((3, 1), away_from=(-1, 1))] * 2)), V, W,
    ),
    "_critics_generator": entry(losses.hinge_game.generator, lambda f: -np.mean(f), calls(LOGITS), V),
    "critic_loss": entry(losses.critic_loss, lambda r, f: np.mean(f) - np.mean(r), calls(TWO), V, W),
    "cross_entropy": entry(
        lambda v, labels=LABELS: losses.cross_entropy(v, labels), cross_entropy,
        calls(arrays((4, 3)), labels=[LABELS, LABELS.astype("uint8"), LABELS.tolist()]), normal(4, 3),
        special=st.tuples(arrays((4, 3), special=True)),
    ),
    "mse": entry(losses.mse, lambda a, b: np.mean((a - b) ** 2), calls(equal_shapes()), V, Y),
    "l1": entry(
        losses.l1, lambda a, b: np.mean(np.abs(a - b)), calls(equal_shapes(0.1, 1).map(lambda pair: (pair[0], -pair[1]))), V, Y
    ),
    "feature_matching_loss": entry(
        lambda fake, real=X: losses.feature_matching_loss(Tensor(real.astype(fake.dtype)), fake),
        lambda fake, real: np.sum((real.mean(0) - fake.mean(0)) ** 2),
        calls(arrays(st.sampled_from([(2, 3), (5, 3)])), real=[X]), normal(5, 3, seed=1),
    ),
    "pull_away_term": entry(
        losses.pull_away_term, pull_away_term, calls(arrays((3, 2), 0.1, 1)), normal(4, 3), points=[(np.zeros((3, 2)), 0)]
    ),
    "squared_gradient_norm": entry(
        cubic_norm, lambda w: np.mean(9 * (X @ w) ** 4) * np.sum(w * w), calls(weights((3, 1))), normal(3, 1, seed=1)
    ),
    "gradient_penalty": entry(penalty, penalty_by_hand, calls(weights((3, 5), (5, 1))), normal(3, 5), normal(5, 1, seed=1)),
}  # fmt: skip
CASES = [(name, fn, inputs) for name, entry in LOSSES.items() for fn, inputs in entry.cases]
FUNCTIONS = OPS | LOSSES
ALL_CASES = ops.CASES + CASES  # of ops and losses: (name, function, inputs)
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(ALL_CASES)]
