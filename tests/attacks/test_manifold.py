"""The projection onto a generator's range: of a linear generator, in closed form; of a network's own images, themselves."""

import numpy as np
import pytest

from minigan import Tensor, data, nn
from minigan.attacks import project
from minigan.ops import concatenate


def rng(seed=0):
    return np.random.default_rng(seed)


A = rng(7).standard_normal((3, 8))


def linear(z):
    return (z @ A).reshape(-1, 2, 4)


def test_onto_a_linear_range_it_is_least_squares():
    x = rng(1).standard_normal((5, 2, 4))
    found = project(linear, x, lambda m: rng(2).standard_normal((m, 3)), steps=400, lr=0.1, restarts=2)
    z, squares, *_ = np.linalg.lstsq(A.T, x.reshape(5, 8).T, rcond=None)
    np.testing.assert_allclose(found.z, z.T, atol=1e-3)
    np.testing.assert_allclose(found.distance, squares, rtol=1e-4)
    np.testing.assert_allclose(found.images, (z.T @ A).reshape(5, 2, 4), atol=5e-3)


@pytest.fixture(scope="module")
def G():  # noqa: N802
    r = rng()
    layers = (
        nn.Dense(4, 32, rng=r),
        nn.BatchNorm1d(32),
        nn.LeakyReLU(0.2),
        nn.Dense(32, 36, rng=r),
        nn.Tanh(),
        nn.Reshape(1, 6, 6),
    )
    return nn.Sequential(*layers)


def test_an_image_in_the_range_comes_back_and_the_generator_stays_as_it_was(G):
    z = data.noise(4, rng=rng(3))(6)
    G.eval()
    x = G(z).data.copy()
    G.train()
    state = G.state_dict()
    G.parameters()[0].requires_grad = False
    G.parameters()[1].grad = Tensor(np.ones(32, np.float32))
    found = project(G, x, data.noise(4), restarts=8, rng=rng(4))
    assert G.training
    assert not G.parameters()[0].requires_grad
    assert (G.parameters()[1].grad.numpy() == 1).all()
    assert all(p.grad is None for p in G.parameters()[2:])
    for name, value in G.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    np.testing.assert_allclose(found.images, x, atol=0.02)
    np.testing.assert_allclose(found.z, z, atol=0.1)
    assert found.images.dtype == np.float32
    G.eval()
    np.testing.assert_allclose(G(found.z).data, found.images, atol=1e-5)
    np.testing.assert_allclose(((found.images - x) ** 2).sum(axis=(1, 2, 3)), found.distance, atol=1e-5)


def test_noise_beside_the_range_is_removed(G):
    x = G.eval()(data.noise(4, rng=rng(3))(20)).data
    noisy = x + (0.2 * np.sign(rng(5).standard_normal(x.shape))).astype(np.float32)
    found = project(G, noisy, data.noise(4), restarts=5, rng=rng(4))
    before, after = (((v - x) ** 2).sum(axis=(1, 2, 3)) for v in (noisy, found.images))
    assert after.mean() < 0.3 * before.mean()


def test_of_several_starts_the_best_is_kept():
    """|G(z)|^2 is 0 at z = 3 and 1 at z = -3, with a hill between: a start on the wrong side ends there."""
    x = np.zeros((3, 2))

    def two_valleys(z):
        return concatenate([z * z - 9.0, Tensor(1.0 * (z.data < 0))], 1)

    starts = np.array([[-2.0], [-4.0], [2.0], [-3.0], [-2.5], [4.0], [2.5], [-4.0], [-2.0]])
    found = project(two_valleys, x, lambda m: starts, steps=300, restarts=3)
    np.testing.assert_allclose(found.z, 3.0, atol=1e-2)
    one = project(two_valleys, x, lambda m: starts[:3], steps=300, restarts=1)
    assert one.z[0, 0] < 0
    assert one.distance[0] > found.distance[0] + 0.9


def test_the_generator_of_random_numbers_decides_the_starts(G):
    x = rng(1).random((2, 1, 6, 6), dtype=np.float32)
    one, same, other = (project(G, x, data.noise(4), steps=1, restarts=2, rng=rng(s)).z for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_what_is_refused(G):
    x = np.zeros((2, 1, 6, 6), np.float32)
    for wrong in ({"steps": 0}, {"restarts": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            project(G, x, data.noise(4), **wrong)
    with pytest.raises(ValueError, match="expected those of x"):
        project(G, x[:, :, :5], data.noise(4))
