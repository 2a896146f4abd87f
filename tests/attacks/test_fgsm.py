"""FGSM and PGD next to gradients by hand and closed forms. `tests/contracts/test_attacks.py`: what holds for every attack."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import Tensor, losses
from minigan.attacks import fgsm, pgd
from tests.attacks.victims import dense, error, images, loss_and_gradient, trained


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("clip", [None, (0.0, 1.0)])
def test_fgsm_is_the_formula_with_a_gradient_by_hand(targeted, clip):
    model, (x, y) = dense(), images()
    g = loss_and_gradient(model, x, y)[1]
    assert np.abs(g).min() > 1e-9  # no sign is left to rounding
    expected = x + (-0.25 if targeted else 0.25) * np.sign(g)
    expected = expected if clip is None else expected.clip(*clip)
    np.testing.assert_allclose(fgsm(model, x, y, 0.25, clip=clip, targeted=targeted), expected, atol=1e-12)
    opposite = fgsm(model, x, y, 0.25, lambda v, y: -3.0 * losses.cross_entropy(v, y), clip, not targeted)
    np.testing.assert_allclose(opposite, expected, atol=1e-12)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("step", [None, 0.04])
def test_pgd_is_the_formula_with_gradients_by_hand_and_steps_of_2_5_epsilon_over_their_number(targeted, step):
    model, (x, y) = dense(), images()
    expected, sign = x, -1 if targeted else 1
    for _ in range(6):
        expected = expected + sign * (step or 2.5 * 0.1 / 6) * np.sign(loss_and_gradient(model, expected, y)[1])
        expected = expected.clip(x - 0.1, x + 0.1).clip(0, 1)
    np.testing.assert_allclose(pgd(model, x, y, 0.1, targeted=targeted, step=step, steps=6), expected, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0, 2))
def test_a_linear_models_margin_drops_by_epsilon_times_the_1_norm_of_its_weights(seed, n, epsilon):
    """So its loss is softplus(epsilon |w|_1 - y (w.x + b)); as printed, with y before all of it, it holds for y = 1."""
    rng = np.random.default_rng(seed)
    w, b, x = rng.standard_normal(n), rng.standard_normal(), rng.standard_normal((3, n))
    w[0] = 0  # a pixel without a slope stays
    y = np.array([1.0, 0.0, 1.0])
    attacked = fgsm(lambda x: x @ Tensor(w) + b, x, y, epsilon, losses.log_loss_with_logits, clip=None)
    drop = (2 * y - 1) * ((x - attacked) @ w)
    np.testing.assert_allclose(drop, epsilon * np.abs(w).sum(), atol=1e-6)
    np.testing.assert_array_equal(attacked[:, 0], x[:, 0])


@pytest.mark.parametrize("epsilon", [0.1, 0.2])
def test_a_trained_network_is_fooled_by_pgd_at_least_as_much_as_by_fgsm(epsilon):
    model, x, y = trained()
    found = [attack(model, x, y, epsilon) for attack in (fgsm, pgd)]
    assert error(model, x, y) < 0.02
    assert error(model, found[1], y) >= error(model, found[0], y) > 4 * epsilon - 0.2
    target = (y + 1) % 3
    assert error(model, pgd(model, x, target, 0.25, targeted=True), target) < 0.1 < 0.9 < error(model, x, target)


def test_a_random_start_is_uniform_in_the_ball_and_decided_by_the_generator():
    x, y = np.full((2000, 1), 0.5), np.zeros(2000)

    def start(rng):  # where the slope is 0, nothing but the start remains
        return pgd(lambda x: x[:, 0] * 0.0, x, y, 0.2, loss=lambda v, y: v.sum(), steps=1, rng=rng)

    a, b, c = (start(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert 0.3 <= a.min() < 0.31 < 0.69 < a.max() <= 0.7
    assert a.std() == pytest.approx(0.4 / np.sqrt(12), rel=0.05)
    np.testing.assert_array_equal(start(None), x)
