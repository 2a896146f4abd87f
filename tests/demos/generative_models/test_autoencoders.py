"""What the demos of autoencoders share: the training loop, decoded codes, curves, linear maps, and the grid of quantiles."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import minigan as mg
from demos.generative_models import autoencoders as kit
from minigan import Tensor, nn


class Weight(nn.Module):
    """A module of one number."""

    def __init__(self):
        self.w = Tensor(np.array([1.0]), requires_grad=True)


def test_the_loop_follows_adam_with_a_rate_that_falls_to_0_and_takes_arrays_side_by_side():
    one, a, seen = Weight(), np.arange(10.0), []

    def objective(x, y):
        seen.append((x, y))
        return 2.0 * mg.sum(one.w), mg.sum(one.w)

    rows = kit.train(objective, [one], [a, a + 100], "w", steps=5, batch=2, lr=0.1)
    at = 1.0 - 0.1 * np.cumsum([0, 1, 0.8, 0.6, 0.4, 0.2])  # a constant gradient: each step of Adam is as long as the rate
    np.testing.assert_allclose(rows, np.outer(at[:5], [2, 1]), rtol=1e-6)
    assert one.w.item() == pytest.approx(at[5])
    assert sorted(np.concatenate([x for x, _ in seen])) == list(a)
    assert all((y == x + 100).all() for x, y in seen)


def test_pixels_are_the_logits_sigmoid():
    P, z = kit.dense_decoder(2, 4), np.random.default_rng(0).standard_normal((1200, 2)).astype(np.float32)
    found = kit.pixels(P, z)
    np.testing.assert_allclose(found, expit(P(Tensor(z)).numpy()), rtol=1e-4)
    assert found.shape == (1200, 1, 28, 28)


def test_a_smooth_curve_is_of_means():
    np.testing.assert_allclose(kit.smooth(np.arange(40.0)), np.arange(20) * 2 + 0.5)


def test_the_grid_cuts_the_normal_plane_into_equally_likely_cells():
    points = kit.quantiles(5)
    np.testing.assert_allclose(norm.cdf(points[:5, 0]), np.arange(0.1, 1, 0.2), atol=1e-6)  # along a row
    np.testing.assert_allclose(norm.cdf(points[::5, 1]), np.arange(0.1, 1, 0.2), atol=1e-6)  # from row to row
    np.testing.assert_array_equal(points[:5, 1], np.repeat(points[0, 1], 5))
    assert points.shape == (25, 2)


def test_pca_is_the_best_linear_code():
    x = np.random.default_rng(0).standard_normal((200, 1, 6, 6)) * np.linspace(0.1, 2, 6) + 1.0
    x, others = x[:150], x[150:]
    mean = x.mean(axis=0)
    directions = np.linalg.svd((x - mean).reshape(150, -1), full_matrices=False)[2][:12]
    residual = (others - mean).reshape(50, -1)
    expected = mean.ravel() + residual @ directions.T @ directions
    np.testing.assert_allclose(kit.pca(x, others, 12).reshape(50, -1), expected, atol=1e-10)


def test_the_best_linear_map_finds_a_linear_map_and_its_constant():
    rng = np.random.default_rng(0)
    M, x = rng.standard_normal((64, 64)) / 8, rng.standard_normal((500, 1, 8, 8))
    mapped = (x.reshape(500, -1) @ M + 0.3).reshape(x.shape)
    np.testing.assert_allclose(kit.linear_map(x, mapped, x[:10]), mapped[:10], atol=0.05)
