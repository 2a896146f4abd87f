"""ALI, or BiGAN: pairs for D, and an encoder that learns; with a test for each mistake of published versions."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from minigan.games import ALI, Joint
from tests.games import players, reference, reference_ali


def make(dtype="float64", rule=optim.SGD, lr=0.0, **options):
    return players.make("ali", players.Draws(3), dtype, rule, lr, **options)


def played(game, seed=0):
    """The game after one step, x, and the z of D's step and of P's and Q's."""
    x = players.minibatch("ali", seed=seed)
    figures = game.step(iter([x]))
    return figures, Tensor(x), *map(Tensor, game.prior.taken())


# --- against a reference without an engine ------------------------------------------------------------------------------


def test_25_iterations_agree_with_a_reference_by_hand():
    game = make(rule=optim.Adam, lr=0.01)
    P, Q, D = players.by_hand(game.G), players.by_hand(game.Q), players.by_hand(game.D.network)
    rules = reference.Adam(0.01), reference.Adam(0.01)
    for i in range(25):
        x = players.minibatch("ali", 8, seed=i)
        figures = game.step(iter([x]))
        expected = reference_ali.ali_step(P, Q, D, *rules, x, game.prior.taken())
        assert dict(figures) == pytest.approx(expected, abs=1e-8)
    for network, by_hand in ((game.G, P), (game.Q, Q), (game.D.network, D)):
        players.assert_agree(network, by_hand)


def test_a_resumed_game_has_its_encoder_again():
    mg.seed(3)
    game, batches = players.make("ali"), players.stream("ali")
    game.step(batches)
    saved, position = game.state_dict(), batches.state_dict()
    game.step(batches)
    resumed, again = players.make("ali"), players.stream("ali")
    resumed.load_state_dict(saved)
    again.load_state_dict(position)
    resumed.step(again)
    assert players.equal(players.values(game.Q), players.values(resumed.Q))
    np.testing.assert_array_equal(game.encode(players.minibatch("ali")), resumed.encode(players.minibatch("ali")))


# --- the pairs, and mistakes of published versions ------------------------------------------------------------------------


def test_d_sees_each_x_beside_its_own_code_and_each_z_beside_its_own_fake():
    """Of x and z in one dimension, a pair in the wrong order would fit: what tells is which is which."""
    mg.seed(0)
    G, Q, D = nn.Dense(1, 1), nn.Dense(1, 1), Joint(players.mlp(2, 4, 1))
    players.in_float64(G, Q, D)
    trained = [*G.parameters(), *Q.parameters()]
    game = ALI(G, D, players.Draws(1), optim.SGD(trained, 0.0), optim.SGD(D.parameters(), 0.0), Q)
    passes, forward, x = [], game.D.forward, np.random.default_rng(0).standard_normal((5, 1))
    game.D.forward = lambda a, b: (passes.append((a.numpy(), b.numpy())), forward(a, b))[1]
    game.step(iter([x]))
    z_D, z_G = game.prior.taken()
    code = game.encode(x)
    decoded_D, decoded_G = (game.sample(5, z=z) for z in (z_D, z_G))
    expected = [(x, code), (decoded_D, z_D), (decoded_G, z_G), (x, code)]
    for (a, b), (first, second) in zip(passes, expected, strict=True):
        np.testing.assert_allclose(a, first, rtol=1e-12)
        np.testing.assert_allclose(b, second, rtol=1e-12)


def test_joint_puts_z_behind_the_flattened_x():
    inner = nn.Sequential(nn.Dense(6, 1))
    x, z = Tensor(np.arange(8.0).reshape(2, 1, 2, 2)), Tensor([[10.0, 11.0], [12.0, 13.0]])
    seen = []
    inner.forward = lambda pair: (seen.append(pair.numpy()), pair)[1]
    Joint(inner)(x, z)
    np.testing.assert_array_equal(seen[0], [[0, 1, 2, 3, 10, 11], [4, 5, 6, 7, 12, 13]])


def test_the_labels_of_both_pairs_are_swapped_for_p_and_q():
    game = make()
    figures, x, z_D, z_G = played(game)
    with mg.no_grad():
        logits = game.D(x, game.Q(x)), game.D(game.G(z_D), z_D), game.D(game.G(z_G), z_G)
    q, p_D, p_G = (1 / (1 + np.exp(-v.numpy())) for v in logits)
    assert figures["loss_D"] == pytest.approx(-np.log(q).mean() - np.log(1 - p_D).mean(), rel=1e-12)
    assert figures["loss_G"] == pytest.approx(-np.log(1 - q).mean() - np.log(p_G).mean(), rel=1e-12)
    assert abs(figures["loss_G"] - figures["loss_D"]) > 1e-3
    assert (figures["D_real"], figures["D_fake"]) == pytest.approx((q.mean(), p_D.mean()), rel=1e-12)


def test_p_and_q_each_learn_from_their_own_pair_alone():
    """Without its term, Q's gradient would be none; with the label unswapped, its negative."""
    game = make()
    _, x, _, z_G = played(game)
    of_Q = mg.grad(mg.mean(mg.softplus(game.D(x, game.Q(x)))), game.Q.parameters())
    of_P = mg.grad(losses.generator_loss(game.D(game.G(z_G), z_G)), game.G.parameters())
    for found, expected in zip(players.gradients(game.Q) + players.gradients(game.G), of_Q + of_P, strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-14)
    assert min(np.abs(g.numpy()).max() for g in of_Q[:1] + of_P[:1]) > 1e-3


def test_ds_step_takes_both_outputs_as_constants_and_leaves_no_gradient_in_p_or_q():
    game, left = make(), []
    step = game.opt_D.step
    game.opt_D.step = lambda: (left.extend(p.grad for p in game.opt_G.params), step())
    played(game)
    assert len(left) == len(game.G.parameters() + game.Q.parameters())
    assert all(g is None for g in left)


def test_a_step_of_each_player_changes_its_own_networks_alone():
    game, seen = make(lr=0.1), []
    networks = {"P": game.G, "Q": game.Q, "D": game.D}
    for optimizer in (game.opt_D, game.opt_G):
        step = optimizer.step

        def watched(step=step):
            before = {name: players.values(network) for name, network in networks.items()}
            step()
            seen.append({key for key, network in networks.items() if not players.equal(before[key], players.values(network))})

        optimizer.step = watched
    played(game)
    assert seen == [{"D"}, {"P", "Q"}]


# --- what it comes to ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_codes_of_points_on_a_line_come_back():
    """x = 2 z + 1: P and Q become inverse to each other, though neither has seen P(Q(x))."""
    mg.seed(0)
    G, Q, D = nn.Dense(1, 1), nn.Dense(1, 1), Joint(players.mlp(2, 16, 16, 1))
    opt_G, opt_D = (optim.Adam(params, 0.02, (0.5, 0.9)) for params in (G.parameters() + Q.parameters(), D.parameters()))
    game, decay = ALI(G, D, data.noise(1), opt_G, opt_D, Q), optim.LinearDecay([opt_G, opt_D], 300)
    x = 2 * np.random.default_rng(0).standard_normal((4000, 1)) + 1
    batches = data.batches(x, size=64)
    for _ in range(300):
        game.step(batches)
        decay.step()
    there = game.encode(x[:500])
    back = game.sample(500, z=there)
    assert np.abs(back - x[:500]).mean() < 0.25 * np.abs(x[:500] - x.mean()).mean()
    assert abs(there.std() - 1) < 0.2


def test_codes_are_made_in_eval_mode_and_the_mode_is_restored():
    game, modes = players.make("ali"), []
    forward = game.Q.forward
    game.Q.forward = lambda x: (modes.extend(m.training for m in game.Q.modules()), forward(x))[1]
    codes = game.encode(players.minibatch("ali", 5))
    assert modes == [False] * len(modes) != []
    assert all(m.training for m in game.Q.modules())
    assert codes.shape == (5, 3)
    assert codes.dtype == np.float32


# --- refusals -----------------------------------------------------------------------------------------------------------


def test_an_optimizer_without_the_encoders_parameters_is_refused():
    G, Q, D = nn.Dense(3, 2), nn.Dense(2, 3), Joint(nn.Dense(5, 1))
    with pytest.raises(ValueError, match=r"ALI: opt_G lacks parameters of Q; pass it \[\*G"):
        ALI(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), Q)


def test_a_joint_network_that_ends_in_a_sigmoid_is_refused():
    G, Q, D = nn.Dense(3, 2), nn.Dense(2, 3), Joint(nn.Sequential(nn.Dense(5, 1), nn.Sigmoid()))
    with pytest.raises(ValueError, match="ALI: D ends in a Sigmoid"):
        games.ALI(G, D, data.noise(3), optim.SGD([*G.parameters(), *Q.parameters()], 0.1), optim.SGD(D.parameters(), 0.1), Q)


def test_an_encoder_that_draws_noise_may_do_so():
    class Noisy(nn.Dense):
        def forward(self, x):
            return super().forward(x) + Tensor(np.random.default_rng(0).standard_normal((len(x), 3)).astype("float32"))

    G, Q, D = nn.Dense(3, 2), Noisy(2, 3), Joint(nn.Dense(5, 1))
    game = ALI(G, D, data.noise(3), optim.SGD([*G.parameters(), *Q.parameters()], 0.1), optim.SGD(D.parameters(), 0.1), Q)
    assert np.isfinite(dict(game.step(itertools.repeat(players.minibatch("ali"))))["loss_G"])
