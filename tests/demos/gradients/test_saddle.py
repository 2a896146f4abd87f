"""The demo of the saddle: the derivatives of the loss compared with the formulas of m (1 - w1 w2)^2, and where descents go."""

import numpy as np
import pytest

from demos.gradients import saddle as demo
from minigan import Tensor
from tests.demos.experiments import broken


@pytest.fixture
def x():
    return np.random.default_rng(5).standard_normal(40)


@pytest.mark.parametrize("w", [(0.0, 0.0), (0.5, -2.0), (3.0, 1 / 3)])
def test_loss_gradient_and_hessian_are_the_formulas(w, x):
    w1, w2 = w
    m, product = np.mean(x**2), w1 * w2
    assert demo.loss(Tensor(np.array(w)), x).item() == pytest.approx(m * (1 - product) ** 2, abs=1e-12)
    gradient, hessian = demo.gradient_and_hessian(np.array(w), x)
    np.testing.assert_allclose(gradient, -2 * m * (1 - product) * np.array([w2, w1]), atol=1e-12)
    beside = 2 * m * (2 * product - 1)
    np.testing.assert_allclose(hessian, [[2 * m * w2**2, beside], [beside, 2 * m * w1**2]], atol=1e-12)


@pytest.mark.parametrize(("off", "fails"), [(0.0, set()), (1e-5, {"eigenvalue - at (0, 0)", "eigenvalue + at (0, 0)"})])
def test_the_eigenvalues_must_be_plus_and_minus_2m(claim, x, monkeypatch, off, fails):
    gradient, hessian = demo.gradient_and_hessian(np.zeros(2), x)
    monkeypatch.setattr(demo, "gradient_and_hessian", lambda w, x: (gradient, hessian + off * np.eye(2)))
    demo.second_derivatives(claim, x, "")
    assert broken(claim) == fails


def test_only_a_start_on_the_falling_side_gets_away(claim, x):
    paths = demo.descents(x, demo.Settings(steps=300))
    assert not paths["saddle"].any()
    distance = np.linalg.norm(paths["opposite"], axis=1)
    assert (np.diff(distance[:100]) < 0).all()
    assert distance[100] < 1e-3
    demo.where_descents_go(claim, [paths], [x])
    assert broken(claim) == set()
    assert np.prod(paths["beside"][-1]) == pytest.approx(1, abs=1e-6)


def test_near_the_saddle_the_steps_follow_the_eigenvalues(x):
    """Along (1, 1) a step multiplies the distance by 1 + 2 m lr, along (1, -1) by 1 - 2 m lr."""
    settings, m = demo.Settings(steps=20), np.mean(x**2)
    for direction, sign in ((1, 1), (-1, -1)):
        path = demo.descend((1e-8, 1e-8 * direction), x, settings)
        np.testing.assert_allclose(path[-1] / path[0], (1 + sign * 2 * m * settings.lr) ** 20, rtol=1e-9)
