"""Rubbish: what noise is like, whom it fools, and where gradient steps take it."""

import numpy as np
import pytest

from minigan import Tensor, nn, softmax
from minigan.attacks import fooled, fooling_images, rubbish


def by_first_pixel(x):
    """Two classes, the logits x_0 and 0: p > 1/2 for one of them, unless x_0 is 0."""
    return x.reshape(len(x), -1)[:, :1] * np.array([1.0, 0.0], np.float32)


def test_noise_is_what_it_is_called():
    x = rubbish((2000, 1, 5, 5), rng=np.random.default_rng(0))
    assert x.dtype == np.float32
    assert x.mean() == pytest.approx(0, abs=0.02)
    assert x.std() == pytest.approx(1, abs=0.02)
    x = rubbish((2000, 1, 5, 5), "uniform", np.random.default_rng(0))
    assert x.min() >= 0
    assert x.max() <= 1
    assert x.std() == pytest.approx(np.sqrt(1 / 12), abs=0.01)


def test_the_share_that_fools_is_counted_at_p():
    x = np.array([[0.0], [1.0], [-1.0], [3.0]], np.float32)  # p of the likelier class: 1/2, 0.73, 0.73, 0.95
    assert [fooled(by_first_pixel, x, p) for p in (0.5, 0.7, 0.8, 0.96)] == [0.75, 0.75, 0.25, 0.0]


def test_more_images_than_go_through_at_once():
    x = np.zeros((2500, 1), np.float32)
    x[[3, 999, 1000, 1999, 2400, 2499]] = 5.0  # the ends of each part
    assert fooled(by_first_pixel, x) == 6 / 2500


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    layers = nn.Flatten(), nn.Dense(16, 12, rng=rng), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Dense(12, 4, rng=rng)
    return nn.Sequential(*layers)


def test_pushed_rubbish_is_of_the_chosen_class_and_the_model_as_it_was(network):
    x = rubbish((12, 1, 4, 4), "uniform", np.random.default_rng(0))
    target = np.arange(12) % 4
    state, before = network.state_dict(), x.copy()
    network.parameters()[0].requires_grad = False
    network.parameters()[1].grad = Tensor(np.ones(12, np.float32))
    pushed = fooling_images(network, x, target, steps=60)
    fooled(network, x)
    assert network.training
    assert not network.parameters()[0].requires_grad
    assert (network.parameters()[1].grad.numpy() == 1).all()
    assert all(p.grad is None for p in network.parameters()[2:])
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    np.testing.assert_array_equal(x, before)
    assert pushed.dtype == np.float32
    assert pushed.min() >= 0
    assert pushed.max() <= 1
    network.eval()
    first, last = (softmax(network(v), axis=1).data[np.arange(12), target] for v in (x, pushed))
    assert (last > first + 0.02).all()
    np.testing.assert_array_equal(fooling_images(network, x, 2, steps=3), fooling_images(network, x, np.full(12, 2), steps=3))


def test_a_step_goes_its_length_in_every_pixel():
    x = np.full((2, 3), 0.5, np.float32)

    def linear(x):
        return x @ np.array([[1.0, -1.0], [2.0, 0.0], [-3.0, 1.0]], np.float32)

    pushed = fooling_images(linear, x, 0, steps=4, step=0.0625)
    np.testing.assert_array_equal(pushed, 0.5 + 0.25 * np.array([[1, 1, -1]] * 2, np.float32))
    np.testing.assert_array_equal(fooling_images(linear, x, 0, steps=2, step=0.5, clip=None)[0], [1.5, 1.5, -0.5])


def test_what_is_refused():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="choose one of"):
        rubbish((3, 4), "pink")
    with pytest.raises(ValueError, match="at least one image"):
        fooled(by_first_pixel, x[:0])
    with pytest.raises(ValueError, match="p <= 1"):
        fooled(by_first_pixel, x, 1.5)
    for wrong in ({"steps": 0}, {"step": -1.0}, {"clip": (0.5, 1.0)}, {"target": [0, 1]}):
        with pytest.raises(ValueError, match="fooling_images"):
            fooling_images(by_first_pixel, x, **{"target": 0, **wrong})
