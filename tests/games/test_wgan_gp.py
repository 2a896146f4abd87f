import copy
import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import data, games, nn, optim
from minigan.backend import random_numbers
from tests.games import players, reference

D_STEP = ["x", "z", "G()", "D()", "D()", "D()", "step D"]  # D passes: real, fake, between
G_STEP = ["z", "G()", "D()", "step G"]


def make(critic=None, rule=optim.Adam, lr=0.01, dtype="float32", G=None, **options):
    G, critic = G or players.mlp(3, 5, 2), critic or players.mlp(2, 6, 5, 1)
    if dtype == "float64":
        players.in_float64(G, critic)
    return games.WGANGP(G, critic, players.Draws(3), rule(G.parameters(), lr), rule(critic.parameters(), lr), **options)


def recorder(m=4, **options):
    return players.Recorder(make(**options), (players.minibatch("wgan_gp", m, seed) for seed in itertools.count()))


# --- against a reference without an engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_critic", "penalty", "activation"), [(1, 10.0, nn.Tanh), (3, 10.0, nn.LeakyReLU), (2, 0.1, nn.Tanh)]
)
def test_25_iterations_agree_with_a_reference_by_hand_second_derivatives_included(n_critic, penalty, activation):
    critic = players.mlp(2, 6, 5, 1, activation=activation)
    game = make(critic, lambda p, lr: optim.Adam(p, lr, (0.0, 0.9)), dtype="float64", n_critic=n_critic, penalty=penalty)
    G, f, rng = players.by_hand(game.G), players.by_hand(game.D), np.random.default_rng(0)
    rules = [reference.Adam(0.01, 0.0, 0.9), reference.Adam(0.01, 0.0, 0.9)]
    for _ in range(25):
        xs, mixing = list(rng.normal([2.0, -1.0], 0.5, (n_critic, 6, 2))), copy.deepcopy(random_numbers.generator())
        figures = game.step(iter(xs))
        us = [mixing.random((6, 1)) for _ in xs]
        expected = reference.wgan_step(G, f, *rules, xs, game.prior.taken(), us=us, penalty_weight=penalty)
        assert dict(figures) == pytest.approx(expected, abs=1e-8)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, f)


def test_10_iterations_on_images_agree_with_a_reference_by_hand():
    critic = nn.Sequential(nn.Conv2d(1, 2, 3, stride=1), nn.Tanh(), nn.Flatten(), nn.Dense(8, 1))
    generator = nn.Sequential(nn.Dense(3, 16), nn.Reshape(1, 4, 4), nn.Tanh())
    game = make(critic, G=generator, dtype="float64", n_critic=2)
    G, f, rng = players.by_hand(game.G), players.by_hand(game.D), np.random.default_rng(0)
    rules = [reference.Adam(0.01), reference.Adam(0.01)]
    for _ in range(10):
        xs, mixing = list(rng.uniform(-1, 1, (2, 4, 1, 4, 4))), copy.deepcopy(random_numbers.generator())
        game.step(iter(xs))
        us = [mixing.random((4, 1, 1, 1)) for _ in xs]
        reference.wgan_step(G, f, *rules, xs, game.prior.taken(), us=us, penalty_weight=10.0)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, f)


# --- the order of events ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_critic", [1, 2, 5])
def test_the_penalty_is_part_of_the_one_step_that_the_critic_makes_each_time(n_critic):
    game = make(n_critic=n_critic)
    watch = players.Recorder(game, players.stream("wgan_gp", n=11, size=4))
    watch.play(3)
    assert watch.names() == (D_STEP * n_critic + G_STEP) * 3
    assert {state["t"] for state in game.opt_D.state} == {3 * n_critic}


def test_the_critics_slope_is_looked_at_between_each_x_and_the_fake_beside_it():
    watch = recorder(m=64, n_critic=2)
    watch.play()
    passes = [x.reshape(64, 2).astype("float64") for x, _ in watch.passes("D")]
    mixtures = []
    for real, fake, between in (passes[0:3], passes[3:6]):
        u = (between - fake) / (real - fake)
        np.testing.assert_allclose(u[:, 0], u[:, 1], rtol=1e-3, atol=1e-3)  # one u a sample
        assert -1e-3 <= u.min() < 0.2
        assert 0.8 < u.max() <= 1 + 1e-3
        assert len({round(value, 4) for value in u[:, 0]}) > 55  # and another in each
        mixtures.append(u)
    assert np.abs(mixtures[0] - mixtures[1]).max() > 0.1


def test_no_critic_step_leaves_a_gradient_in_g_nor_does_the_penalty():
    watch = recorder(n_critic=3)
    watch.play()
    for step in watch.of("step D"):
        assert step["gradients"]["G"] == [None] * 4


# --- the penalty's weight, and what it does -----------------------------------------------------------------------------


def linear_critic_step(penalty, dtype="float64"):
    """w before the step, and the gradients for w and b of one step of f(x) = x w + b, whose slope is |w| everywhere."""
    mg.seed(2)
    game = make(nn.Dense(2, 1), optim.SGD, lr=0.0, dtype=dtype, n_critic=1, penalty=penalty)
    figures = game.step(iter([players.minibatch("wgan_gp")]))
    return game.D.weight.numpy(), *players.gradients(game.D), figures


def test_the_loss_of_the_critic_has_lambda_times_the_penalty():
    (w, plain, _, _), (_, penalised, bias, figures) = linear_critic_step(0.0), linear_critic_step(7.0)
    length = np.linalg.norm(w)
    np.testing.assert_allclose(penalised - plain, 7.0 * 2 * (length - 1) * w / length, rtol=1e-12)
    np.testing.assert_allclose(bias, 0, atol=1e-15)
    assert figures["penalty"] == pytest.approx((length - 1) ** 2, rel=1e-12)  # without the factor


def test_the_figures_of_the_critic_leave_the_penalty_out():
    (*_, plain), (*_, penalised) = linear_critic_step(0.0), linear_critic_step(7.0)
    assert {k: plain[k] for k in ("loss_D", "w_estimate", "penalty")} == {
        k: penalised[k] for k in ("loss_D", "w_estimate", "penalty")
    }
    assert penalised["w_estimate"] == -penalised["loss_D"]


def test_with_weight_0_the_game_is_the_wgan_without_clipping_bit_for_bit():
    results = []
    for kind, options in ((games.WGANGP, {"penalty": 0.0}), (games.WGAN, {"clip": 1e9})):
        mg.seed(6)
        G, f = players.mlp(3, 5, 2), players.mlp(2, 6, 1)
        game = kind(G, f, players.Draws(3), optim.Adam(G.parameters()), optim.Adam(f.parameters()), n_critic=2, **options)
        for _ in range(3):
            game.step(players.minibatch("wgan_gp", 4, seed) for seed in itertools.count())
        results.append(players.values(G) + players.values(f))
    assert players.equal(*results)


@pytest.mark.parametrize(("distance", "penalty"), [(0.5, 1.0), (2.0, 1.0), (2.0, 10.0)])
def test_between_two_points_slope_and_estimate_overshoot_as_the_docstring_says(distance, penalty):
    G, f = nn.Dense(3, 2), nn.Dense(2, 1)
    for p in G.parameters():
        p.data = np.zeros(p.shape)  # G makes (0, 0)
    players.in_float64(f)
    game = games.WGANGP(G, f, data.noise(3), optim.SGD(G.parameters(), 0.0), optim.SGD(f.parameters(), 0.4 / penalty))
    game.penalty = penalty
    batches = itertools.repeat(np.tile([0.6 * distance, 0.8 * distance], (4, 1)))
    for _ in range(60):
        figures = game.step(batches)
    slope = 1 + distance / (2 * penalty)
    assert np.linalg.norm(f.weight.numpy()) == pytest.approx(slope, rel=1e-6)
    assert figures["w_estimate"] == pytest.approx(distance * slope, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_critic_that_is_flat_has_finite_gradients_and_no_nan_follows(dtype):
    critic = players.mlp(2, 6, 1)
    for p in critic.parameters():
        p.data = np.zeros_like(p.data)
    game = make(critic, dtype=dtype, n_critic=1)
    figures = game.step(iter([players.minibatch("wgan_gp")]))
    assert figures["penalty"] == 1
    assert all(np.isfinite(g).all() for g in players.gradients(game.D) + players.values(game.D) + players.values(game.G))


def test_where_the_critics_slope_is_1_everywhere_the_penalty_is_0():
    critic = nn.Dense(2, 1)
    critic.weight.data = np.array([[0.6], [0.8]])
    game = make(critic, optim.SGD, lr=0.0, dtype="float64", n_critic=1)
    figures = game.step(iter([players.minibatch("wgan_gp", 64)]))
    assert figures["penalty"] == pytest.approx(0, abs=1e-30)


def test_the_mixing_weights_come_from_minigans_own_generator_and_resume_with_it():
    game = make(n_critic=2)
    before = copy.deepcopy(random_numbers.generator())
    game.step(players.minibatch("wgan_gp", 4, seed) for seed in itertools.count())
    before.random(8)
    assert random_numbers.generator_state(before) == random_numbers.generator_state(random_numbers.generator())


def test_the_defaults_of_the_penalised_game_are_the_papers():
    game = make()
    assert (game.n_critic, game.penalty) == (5, 10.0)


# --- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_critic", [0, -1, 1.0])
def test_fewer_than_one_critic_step_is_refused(n_critic):
    with pytest.raises(ValueError, match=r"WGANGP: n_critic is .*; expected a whole number, at least 1"):
        make(n_critic=n_critic)


@pytest.mark.parametrize("penalty", [-1, float("nan")])
def test_a_negative_weight_is_refused(penalty):
    with pytest.raises(ValueError, match=r"WGANGP: penalty is .*; expected a finite number, at least 0"):
        make(penalty=penalty)


class _Sum(nn.Dense):
    """Takes points of any number of coordinates."""

    def forward(self, x):
        return mg.sum(x, axis=1, keepdims=True) * self.weight


def test_fakes_of_another_shape_than_the_data_are_refused_before_they_are_broadcast():
    game = make(G=players.mlp(3, 5, 1), critic=_Sum(1, 1))
    with pytest.raises(ValueError, match=r"gradient_penalty: shapes \(4, 2\) and \(4, 1\) differ"):
        game.step(iter([players.minibatch("wgan_gp")]))
