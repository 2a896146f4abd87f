"""The minimal perturbation: the closed form |w.x + b| / |w| of a linear model, the box, and shorter ways than FGSM's."""

import numpy as np

from minigan import optim
from minigan.attacks import minimal, minimal_perturbation

W, B = np.array([[1.0, -2.0, 0.5]]), 0.25
X = np.random.default_rng(3).standard_normal((12, 3))
SCORE = X @ W[0] + B
OTHER = (SCORE < 0).astype(int)  # the class that x is not in


def linear(x):
    """Two classes, the logits 0 and w.x + b."""
    score = (x * W).sum(axis=1, keepdims=True) + B
    return score * np.array([0.0, 1.0])


def length(r):
    return np.sqrt((r.reshape(len(r), -1) ** 2).sum(axis=1))


def test_of_a_linear_model_it_is_the_distance_to_the_plane_straight_towards_it():
    found = minimal_perturbation(linear, X, OTHER, clip=None, lr=0.1)
    assert found.succeeded.all()
    r, straight = found.adversarial - X, -SCORE[:, None] * W / (W @ W.T)
    np.testing.assert_allclose(length(r), length(straight), rtol=0.03, atol=2e-3)
    assert (length(r - straight) < 0.15 * length(straight)).all()
    assert ((found.adversarial @ W[0] + B > 0) == (OTHER == 1)).all()


def test_in_the_box_it_is_the_nearest_point_of_the_plane_there():
    x = np.array([[0.9, 0.8, 0.8]])  # score -0.05; to class 1, pixel 1 cannot go up, so pixels 2 and 3 go all the way
    found = minimal_perturbation(linear, x, 1, clip=(0.0, 0.9), steps=60).adversarial
    np.testing.assert_allclose(found - x, [[0.0, -2.0 * 0.05 / 4.25, 0.5 * 0.05 / 4.25]], atol=2e-3)
    assert found.max() <= 0.9


def test_x_stays_where_it_is_in_the_class_already_and_where_the_box_holds_no_such_input():
    for shift, target, succeeded in ((0.0, 1 - OTHER, True), (9.0, 0, False)):
        x = X.clip(-1, 1) if shift else X
        model = lambda x, shift=shift: linear(x) + np.array([0.0, shift])  # noqa: E731
        found = minimal_perturbation(model, x, target, clip=(-1, 1) if shift else None, searches=2, steps=10)
        assert (found.succeeded == succeeded).all()
        np.testing.assert_array_equal(found.adversarial, x)


def test_the_rate_falls_linearly_to_0_in_each_search(monkeypatch):
    rates = []

    class Watched(optim.Adam):
        def step(self):
            rates.append(self.lr)
            super().step()

    monkeypatch.setattr(minimal, "Adam", Watched)
    minimal_perturbation(linear, X, 1, clip=None, searches=2, steps=4, lr=0.1)
    np.testing.assert_allclose(rates, 2 * [0.1, 0.075, 0.05, 0.025])
