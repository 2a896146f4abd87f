"""The minimal perturbation: the closed form |w.x + b| / |w| of a linear model, the box, and what it leaves alone."""

import numpy as np
import pytest

from minigan import Tensor, nn, optim
from minigan.attacks import fgsm, minimal, minimal_perturbation

W, B = np.array([[1.0, -2.0, 0.5]]), 0.25


def linear(x):
    """Two classes, the logits 0 and w.x + b."""
    score = (x * W).sum(axis=1, keepdims=True) + B
    return score * np.array([0.0, 1.0])


def length(r):
    return np.sqrt((r.reshape(len(r), -1) ** 2).sum(axis=1))


@pytest.fixture
def x():
    return np.random.default_rng(3).standard_normal((12, 3))


def test_of_a_linear_model_it_is_the_distance_to_the_plane(x):
    score = x @ W[0] + B
    other = (score < 0).astype(int)  # the class that x is not in
    found = minimal_perturbation(linear, x, other, clip=None, searches=12, lr=0.1)
    assert found.succeeded.all()
    r = found.adversarial - x
    np.testing.assert_allclose(length(r), np.abs(score) / np.linalg.norm(W), rtol=0.03, atol=2e-3)
    cosine = np.abs(r @ W[0]) / length(r) / np.linalg.norm(W)
    np.testing.assert_allclose(cosine, 1, atol=0.01)  # straight towards the plane
    assert ((found.adversarial @ W[0] + B > 0) == (other == 1)).all()


def test_in_the_box_it_is_the_nearest_point_of_the_plane_there():
    x = np.array([[0.9, 0.8, 0.8]])  # score -0.05; to class 1, pixel 1 cannot go up, so pixels 2 and 3 go all the way
    found = minimal_perturbation(linear, x, 1, clip=(0.0, 0.9)).adversarial
    np.testing.assert_allclose(found - x, [[0.0, -2.0 * 0.05 / 4.25, 0.5 * 0.05 / 4.25]], atol=2e-3)
    assert found.max() <= 0.9


def test_where_the_box_holds_no_such_input_x_comes_back():
    x = np.array([[0.9, 0.2, 0.5], [-0.9, 0.4, 0.5]])
    found = minimal_perturbation(lambda x: linear(x) + np.array([0.0, 9.0]), x, 0, clip=(-1, 1), searches=3, steps=40)
    assert not found.succeeded.any()
    np.testing.assert_array_equal(found.adversarial, x)


def test_what_is_in_the_class_already_stays(x):
    own = (x @ W[0] + B > 0).astype(int)
    found = minimal_perturbation(linear, x, own, clip=None, searches=2, steps=5)
    assert found.succeeded.all()
    np.testing.assert_array_equal(found.adversarial, x)


def test_each_input_is_on_its_own(x):
    """A mean over the batch would make c weigh more, the more inputs there are."""
    other = (x @ W[0] + B < 0).astype(int)
    together = minimal_perturbation(linear, x, other, clip=None, c=(0.1, 0.1), searches=1, steps=40, lr=0.1)
    alone = minimal_perturbation(linear, x[4:5], other[4:5], clip=None, c=(0.1, 0.1), searches=1, steps=40, lr=0.1)
    assert alone.succeeded.all()
    np.testing.assert_allclose(together.adversarial[4:5], alone.adversarial, rtol=1e-6)


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    layers = nn.Flatten(), nn.Dense(16, 12, rng=rng), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Dense(12, 4, rng=rng)
    return nn.Sequential(*layers)


def test_it_is_shorter_than_fgsm_and_leaves_the_model_alone(network):
    x = np.random.default_rng(1).random((8, 1, 4, 4), dtype=np.float32)
    state, mode = network.state_dict(), network.training
    network.parameters()[0].requires_grad = False
    network.parameters()[1].grad = Tensor(np.ones(network.parameters()[1].shape, np.float32))
    network.eval()
    own = network(x).data.argmax(axis=1)
    network.train(mode)
    target = (own + 1) % 4
    found = minimal_perturbation(network, x, target)
    assert found.adversarial.dtype == np.float32
    assert network.training is mode
    assert [p.requires_grad for p in network.parameters()][:2] == [False, True]
    assert (network.parameters()[1].grad.numpy() == 1).all()
    assert all(p.grad is None for p in network.parameters()[2:])
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    network.eval()
    assert found.succeeded.any()
    np.testing.assert_array_equal((network(found.adversarial).data.argmax(axis=1) == target), found.succeeded)
    for epsilon in (0.02, 0.05, 0.1, 0.2, 0.4):  # wherever the fast step arrives, the minimal one has a shorter way
        fast = fgsm(network, x, target, epsilon, targeted=True)
        arrived = network(fast).data.argmax(axis=1) == target
        assert (length(found.adversarial - x)[arrived] <= length(fast - x)[arrived] + 1e-3).all()


@pytest.mark.parametrize("wrong", [{"searches": 0}, {"steps": 0}, {"c": (0.0, 1.0)}, {"c": (2.0, 1.0)}, {"clip": (0, 0.1)}])
def test_what_is_refused(wrong, x):
    with pytest.raises(ValueError, match="minimal_perturbation"):
        minimal_perturbation(linear, np.abs(x), 1, **{"clip": None, **wrong})


def test_a_target_for_each_input(x):
    with pytest.raises(ValueError, match="5 labels for 12 inputs"):
        minimal_perturbation(linear, x, np.zeros(5, int), clip=None)


def test_the_rate_falls_linearly_to_0_in_each_search(x, monkeypatch):
    rates = []

    class Watched(optim.Adam):
        def step(self):
            rates.append(self.lr)
            super().step()

    monkeypatch.setattr(minimal, "Adam", Watched)
    minimal_perturbation(linear, x, 1, clip=None, searches=2, steps=4, lr=0.1)
    np.testing.assert_allclose(rates, 2 * [0.1, 0.075, 0.05, 0.025])
