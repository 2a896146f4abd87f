import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, nn, optim
from tests.games import players, reference


def make(clip=0.1, rule=optim.RMSProp, lr=0.01, critic=None, dtype="float32", **options):
    G, critic = players.mlp(3, 5, 2), critic or players.mlp(2, 6, 1, activation=nn.LeakyReLU)
    if dtype == "float64":
        players.in_float64(G, critic)
    return games.WGAN(
        G, critic, players.Draws(3), rule(G.parameters(), lr), rule(critic.parameters(), lr), clip=clip, **options
    )


def recorder(m=4, **options):
    return players.Recorder(make(**options), (players.minibatch("wgan", m, seed) for seed in itertools.count()))


def largest(arrays):
    return max(np.abs(a).max() for a in arrays)


# --- against a reference without an engine ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_critic", [1, 3])
def test_25_iterations_with_rmsprop_and_clipping_agree_with_a_reference_by_hand(n_critic):
    game = make(clip=0.3, lr=0.02, n_critic=n_critic, dtype="float64")
    G, f = players.by_hand(game.G), players.by_hand(game.D)
    rules, rng = [reference.RMSProp(0.02), reference.RMSProp(0.02)], np.random.default_rng(0)
    at_the_bound = []
    for _ in range(25):
        xs = list(rng.normal([2.0, -1.0], 0.5, (n_critic, 6, 2)))
        figures = game.step(iter(xs))
        assert dict(figures) == pytest.approx(reference.wgan_step(G, f, *rules, xs, game.prior.taken(), clip=0.3), abs=1e-8)
        at_the_bound.append(sum((np.abs(p) == 0.3).sum() for p in f.params))
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, f)
    assert 0 < at_the_bound[-1] < sum(p.size for p in f.params)


# --- n_critic steps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_critic", [1, 2, 5])
def test_before_each_g_step_stand_exactly_n_critic_critic_steps_also_across_the_ends_of_epochs(n_critic):
    game = make(n_critic=n_critic)
    watch = players.Recorder(game, players.stream("wgan", n=11, size=4))  # two minibatches an epoch
    watch.play(4)
    steps = [name for name in watch.names() if name.startswith("step")]
    assert steps == (["step D"] * n_critic + ["step G"]) * 4


def test_every_critic_step_draws_fresh_x_and_fresh_z_and_the_g_step_fresh_z_as_many_as_the_last_x():
    game = make(n_critic=3)
    sizes = itertools.cycle([4, 5, 6])
    watch = players.Recorder(game, (players.minibatch("wgan", next(sizes), seed) for seed in itertools.count()))
    watch.play(2)
    assert [len(z) for z in watch.of("z")] == [4, 5, 6, 6] * 2
    assert len({x.tobytes() for x in watch.of("x")}) == 6
    assert len({z.tobytes() for z in watch.of("z")}) == 8


def test_the_defaults_are_the_papers():
    G, f = players.mlp(3, 2), players.mlp(2, 1)
    game = games.WGAN(G, f, data.noise(3), optim.RMSProp(G.parameters(), 5e-5), optim.RMSProp(f.parameters(), 5e-5))
    assert (game.n_critic, game.clip) == (5, 0.01)


# --- clipping -----------------------------------------------------------------------------------------------------------


def test_after_each_critic_step_the_weights_are_clipped_before_anything_looks_at_them():
    watch = recorder(clip=0.05, rule=optim.SGD, lr=1.0, n_critic=3)
    watch.play(2)
    stepped = [step["after"]["D"] for step in watch.of("step D")]
    seen_by_d_passes = [values for _, _, values in watch.of("D()")]
    assert all(largest(after) > 0.06 for after in stepped[:1])  # the step itself goes further ...
    assert all(largest(values) <= np.float32(0.05) for values in seen_by_d_passes[2:])  # ... G and the next step see the bound
    assert any(largest(after) > 0.06 for after in stepped[1:])
    assert largest(players.values(watch.game.D)) <= np.float32(0.05)


def test_clipping_cuts_off_at_the_bound_what_the_step_made_and_leaves_the_rest():
    watch = recorder(clip=0.2, rule=optim.SGD, lr=0.5, n_critic=1)
    watch.play()
    (step,) = watch.of("step D")
    clipped = [np.clip(w, np.float32(-0.2), np.float32(0.2)) for w in step["after"]["D"]]
    assert players.equal(players.values(watch.game.D), clipped)
    assert not players.equal(clipped, step["after"]["D"])


def test_g_is_not_clipped():
    watch = recorder(clip=1e-3)
    watch.play()
    assert largest(players.values(watch.game.G)) > 0.1


def test_running_statistics_are_no_weights_and_not_clipped():
    critic = nn.Sequential(nn.Dense(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dense(4, 1))
    game = make(clip=0.01, critic=critic)
    game.step(players.minibatch("wgan", 8, seed) for seed in itertools.count())
    norm = critic[1]
    assert norm.running_var.min() > 0.1
    assert largest([norm.weight.numpy(), norm.bias.numpy()]) <= np.float32(0.01)


def test_layers_of_the_critic_that_the_user_has_frozen_do_not_stop_the_game():
    game = make(clip=0.5)
    game.D[0].requires_grad_(False)
    game.step(players.stream("wgan"))
    assert not game.D[0].weight.requires_grad


# --- what the figures say -----------------------------------------------------------------------------------------------


def test_the_estimate_is_mean_f_of_real_minus_mean_f_of_fake_in_the_last_critic_step():
    watch = recorder(n_critic=3)
    figures = watch.play()
    passes = [y.astype("float64").mean() for _, y in watch.passes("D")]
    assert figures["w_estimate"] == pytest.approx(passes[4] - passes[5], abs=1e-6)
    assert figures["loss_D"] == -figures["w_estimate"]
    assert figures["loss_G"] == pytest.approx(-passes[6], abs=1e-6)


def test_the_critic_rates_the_data_above_the_fakes_so_that_the_estimate_is_positive():
    game = make(clip=0.1)
    game.opt_G.lr = 0.0
    batches = players.stream("wgan")
    for _ in range(20):
        figures = game.step(batches)
    assert figures["w_estimate"] > 0.05
    assert figures["loss_D"] < -0.05


def test_g_moves_its_samples_to_where_the_critic_is_larger():
    game = make(clip=0.1)
    batches = players.stream("wgan")
    before = np.linalg.norm(game.G(Tensor(np.zeros((1, 3), np.float32))).numpy() - [2, -1])
    for _ in range(60):
        game.step(batches)
    assert np.linalg.norm(game.G(Tensor(np.zeros((1, 3), np.float32))).numpy() - [2, -1]) < before / 2


def test_a_constant_added_to_the_critic_changes_neither_player():
    found = []
    for constant in (0.0, 0.25):
        mg.seed(4)
        game = make(clip=1.0, n_critic=2, dtype="float64")
        game.D[-1].bias.data = game.D[-1].bias.data + constant
        game.step(players.minibatch("wgan", 4, seed) for seed in itertools.count())
        found.append(players.values(game.G) + players.values(game.D)[:-1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# --- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_critic", [0, -1, 2.5, "5"])
def test_n_critic_must_be_a_whole_number_of_at_least_1(n_critic):
    with pytest.raises(ValueError, match=r"WGAN: n_critic is .*; expected a whole number, at least 1"):
        make(n_critic=n_critic)


@pytest.mark.parametrize("clip", [0, -0.01, float("nan")])
def test_a_bound_that_is_not_above_0_is_refused(clip):
    with pytest.raises(ValueError, match=r"WGAN: clip is .*; expected a finite number above 0"):
        make(clip=clip)
