"""The projection onto a generator's range: of a linear generator, in closed form; of a network's own images, themselves.

The overpowered attack: of a linear generator and a linear classifier, in closed form; of networks, what it has to keep to.
"""

import numpy as np
import pytest
from numpy.random import default_rng as rng

from minigan import Tensor, gradcheck
from minigan.attacks import disagreement, overpowered, project
from minigan.ops import concatenate

A = rng(7).standard_normal((3, 8))


def linear(z):
    return (z @ A).reshape(-1, 2, 4)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_onto_a_linear_range_it_is_least_squares_and_with_a_weight_ridge_regression(weight):
    x = rng(1).standard_normal((5, 2, 4))
    prior, options = lambda m: rng(2).standard_normal((m, 3)), {"steps": 200, "lr": 0.1, "restarts": 2}
    found = project(linear, x, prior, **options, weight=weight)
    z = np.linalg.solve(A @ A.T + weight * np.eye(3), A @ x.reshape(5, 8).T)
    np.testing.assert_allclose(found.z, z.T, atol=1e-3)
    np.testing.assert_allclose(found.images, (z.T @ A).reshape(5, 2, 4), atol=5e-3)
    np.testing.assert_allclose(found.distance, ((found.images - x) ** 2).sum(axis=(1, 2)), rtol=1e-9)  # without the weight


def test_a_weight_decides_between_starts_too():
    """G(z) = z^2: at z = 1 and z = -1.1, the latter a bit nearer to x = 1.21; the weight makes up for it."""
    for weight, z in ((0.0, -1.1), (1.0, 1.0)):
        options = {"steps": 1, "lr": 0.0, "restarts": 2, "weight": weight}
        found = project(lambda z: z * z, np.array([[1.21]]), lambda m: np.array([[1.0], [-1.1]]), **options)
        assert found.z.item() == z


def test_of_several_starts_the_best_is_kept():
    """|G(z)|^2 is 0 at z = 3 and 1 at z = -3, with a hill between: a start on the wrong side ends there."""

    def two_valleys(z):
        return concatenate([z * z - 9.0, Tensor(1.0 * (z.data < 0))], 1)

    starts = np.array([[-2.0], [-4.0], [2.0], [-3.0], [-2.5], [4.0], [2.5], [-4.0], [-2.0]])
    found = project(two_valleys, np.zeros((3, 2)), lambda m: starts, steps=150, restarts=3)
    np.testing.assert_allclose(found.z, 3.0, atol=1e-2)


B = rng(8).standard_normal(8)  # of a linear classifier of two classes: v = B x + 0.3


def two_classes(x):
    v = (x.reshape(-1, 8) @ B + 0.3).reshape(-1, 1)
    return concatenate([0.0 * v, v], 1)


def starts(*z):
    """A prior that gives these arrays, one at each call."""
    left = list(z)
    return lambda m: left.pop(0)[:m]


def distances(found):
    return np.sqrt(((found.images - found.others) ** 2).reshape(len(found.z), -1).sum(axis=1))


def test_of_a_linear_generator_and_classifier_the_optimum_is_known():
    """v and v' differ by as much as |A (z - z')| <= eta allows, on both sides of 0: d and -d. L = 2 d (2 sigmoid(d) - 1)."""
    eta = 0.7
    projected = A.T @ np.linalg.solve(A @ A.T, A @ B)  # the part of B that changes of G's images can meet
    d = eta / 2 * np.linalg.norm(projected)
    optimum = 2 * d * np.tanh(d / 2)
    r = rng(5)
    found = overpowered(two_classes, linear, lambda m: r.standard_normal((m, 3)), 12, eta, steps=300, lr=0.1)
    assert (found.disagreement <= optimum * (1 + 1e-9)).all()
    assert found.disagreement.max() >= 0.98 * optimum
    assert np.median(found.disagreement) >= 0.5 * optimum
    assert (distances(found) <= eta * (1 + 1e-12)).all()
    np.testing.assert_allclose(distances(found), found.distance, rtol=1e-9)
    np.testing.assert_allclose(linear(found.z), found.images)


def test_the_disagreement_is_the_divergence_both_ways():
    logits, others = rng(3).standard_normal((2, 6, 4))
    p, q = (np.exp(v) / np.exp(v).sum(axis=1, keepdims=True) for v in (logits, others))
    both = (p * np.log(p / q) + q * np.log(q / p)).sum(axis=1)
    np.testing.assert_allclose(disagreement(Tensor(logits), Tensor(others)).data, both)
    gradcheck(disagreement, logits, others, order=1)


def test_each_pair_has_a_multiplier_of_its_own():
    """One for all, on the mean of the distances, would let a pair that is near pay for one that is far."""
    z, other = rng(1).standard_normal((2, 4, 3)) * np.array([0.1, 0.1, 3, 3]).reshape(4, 1)
    together = overpowered(two_classes, linear, starts(z, other), 4, 0.7, steps=40)
    for i in range(4):
        alone = overpowered(two_classes, linear, starts(z[i : i + 1], other[i : i + 1]), 1, 0.7, steps=40)
        np.testing.assert_allclose(alone.z[0], together.z[i], atol=1e-9)
        np.testing.assert_allclose(alone.disagreement[0], together.disagreement[i], atol=1e-9)


def test_the_multiplier_is_never_negative():
    """A classifier that sees no difference leaves pairs where they are near enough; a multiplier below 0 would part them."""
    seen = []

    def recorded(z):
        seen.append(z.item())
        return z * 1.0

    prior = starts(np.array([[2.0]]), np.array([[-2.0]]))
    overpowered(lambda x: 0.0 * concatenate([x, x], 1), recorded, prior, 1, 1.0, steps=120, lr=0.1)
    apart = np.abs(np.subtract(seen[::2], seen[1::2]))
    near = np.flatnonzero(apart <= 1.0)[0]
    assert (apart[near:] <= 1.0).all()
    assert apart[-1] >= apart[near:].min() - 1e-12
    assert np.ptp(apart[-40:]) < 0.01
