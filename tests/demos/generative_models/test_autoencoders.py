"""What the demos of autoencoders share: the training loop, decoded codes, curves, and the grid of quantiles."""

import matplotlib.pyplot as plt
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


@pytest.fixture(autouse=True)
def _seeded():
    mg.seed(0)


def test_the_loop_follows_adam_with_a_rate_that_falls_to_0():
    one = Weight()
    rows = kit.train(lambda x: (2.0 * mg.sum(one.w), mg.sum(one.w)), [one], [np.zeros((8, 1))], "w", steps=4, batch=2, lr=0.1)
    at = 1.0 - 0.1 * np.cumsum([0, 1, 0.75, 0.5, 0.25])  # a constant gradient: each step of Adam is as long as the rate
    np.testing.assert_allclose(rows, np.outer(at[:4], [2, 1]), rtol=1e-6)
    assert one.w.item() == pytest.approx(at[4])


def test_the_loop_takes_arrays_side_by_side():
    a, seen = np.arange(10.0), []

    def objective(x, y):
        seen.append((x, y))
        return (mg.sum(one.w),)

    one = Weight()
    kit.train(objective, [one], [a, a + 100], "pairs", steps=5, batch=2, lr=0.1)
    assert sorted(np.concatenate([x for x, _ in seen])) == list(a)
    assert all((y == x + 100).all() for x, y in seen)


def test_the_networks_are_each_others_mirror():
    Q, P = kit.dense_encoder(5, 7), kit.dense_decoder(5, 7)
    z = Q(Tensor(np.zeros((3, 1, 28, 28), np.float32)))
    assert z.shape == (3, 5)
    assert P(z).shape == (3, 1, 28, 28)


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


def test_a_sheet_of_images():
    axes = plt.figure().add_subplot()
    kit.show(axes, nn.Reshape(1, 28, 28)(np.ones((6, 784), np.float32)).numpy(), 3, "six")
    assert axes.images[0].get_array().shape == (60, 90)
    assert axes.get_title() == "six"
    plt.close()
