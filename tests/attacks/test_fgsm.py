"""FGSM and PGD next to gradients by hand and closed forms. `tests/contracts/test_attacks.py`: what holds for every attack."""

import numpy as np
import pytest

from minigan import losses
from minigan.attacks import fgsm, pgd
from tests.attacks.victims import dense, images, loss_and_gradient


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
