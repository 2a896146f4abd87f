"""The gradient penalty in the game: where, its weight, its effect. The step by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, nn, optim
from tests.games import players


def test_the_critics_slope_is_measured_between_each_x_and_the_fake_of_its_row():
    watch = players.record("wgan_gp", m=64, n_critic=2)
    watch.play()
    passes, mixtures = [x.astype("float64") for x, _ in watch.passes("D")], []
    for real, fake, between in (passes[0:3], passes[3:6]):
        u = (between - fake) / (real - fake)
        np.testing.assert_allclose(u[:, 0], u[:, 1], rtol=1e-3, atol=1e-3)  # one u a sample
        assert -1e-3 <= u.min() < 0.2
        assert 0.8 < u.max() <= 1 + 1e-3
        assert len({round(value, 4) for value in u[:, 0]}) > 55  # and another in each
        mixtures.append(u)
    assert np.abs(mixtures[0] - mixtures[1]).max() > 0.1


def linear_critic_step(penalty):
    """w before the step, and the gradients for w and b of one step of f(x) = x w + b, whose slope is |w| everywhere."""
    mg.seed(2)
    options = {"rule": optim.SGD, "lr": 0.0, "dtype": "float64", "n_critic": 1, "penalty": penalty}
    game = players.make("wgan_gp", players.Draws(3), networks={"D": nn.Dense(2, 1)}, **options)
    figures = game.step(players.minibatches("wgan_gp"))
    return game.D.weight.numpy(), *players.gradients(game.D), dict(figures)


def test_the_critics_loss_has_lambda_times_the_penalty_and_its_metrics_leave_it_out():
    (w, plain, _, without), (_, penalised, bias, figures) = linear_critic_step(0.0), linear_critic_step(7.0)
    length = np.linalg.norm(w)
    np.testing.assert_allclose(penalised - plain, 7.0 * 2 * (length - 1) * w / length, rtol=1e-12)
    np.testing.assert_allclose(bias, 0, atol=1e-15)
    assert figures["penalty"] == pytest.approx((length - 1) ** 2, rel=1e-12)
    assert figures == without


def test_with_weight_0_the_game_is_the_wgan_without_clipping_bit_for_bit():
    found = []
    for name, options in (("wgan_gp", {"penalty": 0.0}), ("wgan", {"clip": 1e9})):
        mg.seed(6)
        watch = players.record(name, rule=optim.Adam, n_critic=2, **options)
        watch.play(3)
        found.append(players.values(watch.game.G) + players.values(watch.game.D))
    assert players.equal(*found)


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
