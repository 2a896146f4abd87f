"""What the gradient penalty does. The step by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

from minigan import Tensor, data, games, nn, optim
from tests.games import players


@pytest.mark.parametrize(("distance", "penalty"), [(0.5, 1.0), (2.0, 10.0)])
def test_between_two_points_slope_and_estimate_overshoot_as_the_docstring_says(distance, penalty):
    G, f = nn.Dense(3, 2), nn.Dense(2, 1)
    for p in G.parameters():
        p.data = np.zeros(p.shape)  # G makes (0, 0)
    players.in_float64(f)
    game = games.WGANGP(G, f, data.noise(3), optim.SGD(G.parameters(), 0.0), optim.SGD(f.parameters(), 0.4 / penalty))
    game.penalty = penalty
    batches = itertools.repeat(np.tile([0.6 * distance, 0.8 * distance], (4, 1)))
    for _ in range(25):
        figures = game.step(batches)
    slope = 1 + distance / (2 * penalty)
    assert np.linalg.norm(f.weight.numpy()) == pytest.approx(slope, rel=1e-6)
    assert figures["w_estimate"] == pytest.approx(distance * slope, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_critic_that_is_flat_has_finite_gradients_and_no_nan_follows(dtype):
    critic = players.mlp(2, 6, 1)
    for p in critic.parameters():
        p.data = np.zeros_like(p.data)
    watch = players.record("wgan_gp", networks={"D": critic}, dtype=dtype, n_critic=1)
    assert watch.play()["penalty"] == 1
    for p in critic.parameters() + watch.game.G.parameters():
        assert all(np.isfinite(v.numpy()).all() for v in (p, p.grad) if isinstance(v, Tensor))
