import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from tests.games import players, reference, reference_matching


def make(dtype="float64", rule=optim.Adam, lr=0.01):
    return players.make("feature_matching", players.Draws(3), dtype, rule, lr)


# --- against a reference without an engine ------------------------------------------------------------------------------


def test_25_iterations_agree_with_a_reference_by_hand():
    game = make()
    G, D, rules = players.by_hand(game.G), players.by_hand(game.D), [reference.Adam(0.01), reference.Adam(0.01)]
    for i in range(25):
        x = players.minibatch("feature_matching", 6, seed=i)
        figures = game.step(iter([x]))
        expected = reference_matching.feature_matching_step(G, D, *rules, x, game.prior.taken())
        assert figures["D_accuracy"] == pytest.approx(expected.pop("D_accuracy"), abs=1e-6)  # a share of samples, in float32
        assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-8)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, D)


def test_gradients_of_both_losses_are_those_of_gradcheck():
    assert mg.gradcheck(make(), players.minibatch("feature_matching"))


# --- mistakes of published implementations ------------------------------------------------------------------------------


def watched(rule=optim.SGD, lr=0.0):
    game = make(rule=rule, lr=lr)
    x = players.minibatch("feature_matching")
    recorder = players.Recorder(game, iter([x]))
    recorder.play()
    return game, Tensor(x), Tensor(recorder.of("z")[1]), recorder


def gradient_of_g(game, loss):
    return [g.numpy() for g in mg.grad(loss, game.G.parameters())]


def test_g_matches_the_means_and_not_each_sample_its_partner():
    """The mean of the squares |f(x_i) - f(G(z_i))|^2 has another gradient: it has the spread of G's samples shrink."""
    game, x, z, _ = watched()
    f = game.features
    means = gradient_of_g(game, mg.sum((f(x).mean(axis=0) - f(game.G(z)).mean(axis=0)) ** 2))
    partners = gradient_of_g(game, ((f(x) - f(game.G(z))) ** 2).sum(axis=1).mean())
    for g, expected in zip(players.gradients(game.G), means, strict=True):
        np.testing.assert_allclose(g, expected, rtol=1e-12, atol=1e-15)
    assert max(np.abs(g - wrong).max() for g, wrong in zip(players.gradients(game.G), partners, strict=True)) > 1e-2


def test_g_whose_means_are_the_datas_has_no_gradient_however_its_samples_lie():
    f_real, f_fake = np.array([[1.0, 0.0], [-1.0, 4.0]]), np.array([[9.0, 2.0], [-9.0, 2.0]])
    f_fake = Tensor(f_fake, requires_grad=True)
    loss = losses.feature_matching_loss(Tensor(f_real), f_fake)
    assert loss.item() == 0
    np.testing.assert_array_equal(mg.grad(loss, f_fake)[0].numpy(), 0)


def test_the_step_of_g_leaves_d_and_its_gradients_alone_though_f_is_a_part_of_d():
    game, _, _, recorder = watched(rule=optim.Adam, lr=0.1)
    step_D, step_G = recorder.of("step D")[0], recorder.of("step G")[0]
    assert not any(step_G["changed"]["D"])
    assert all(a is b for a, b in zip(step_D["gradients"]["D"], step_G["gradients"]["D"], strict=True))
    assert all(p.requires_grad for p in game.D.parameters())


def test_the_datas_features_are_a_target_without_a_gradient():
    f_real, f_fake = (Tensor(np.random.default_rng(i).standard_normal((4, 3)), requires_grad=True) for i in range(2))
    losses.feature_matching_loss(f_real, f_fake).backward()
    assert f_real.grad is None
    gap = f_fake.numpy().mean(axis=0) - f_real.numpy().mean(axis=0)
    np.testing.assert_allclose(f_fake.grad.numpy(), np.tile(2 * gap / 4, (4, 1)), rtol=1e-12)


def test_f_is_that_of_the_updated_d():
    game, x = make(rule=optim.SGD, lr=0.5), players.minibatch("feature_matching")
    before = game.G.state_dict()
    recorder = players.Recorder(game, iter([x]))
    figures = recorder.play()
    game.G.load_state_dict(before)
    with mg.no_grad():
        f_real, f_fake = game.features(Tensor(x)), game.features(game.G(Tensor(recorder.of("z")[1])))
    assert figures["loss_G"] == pytest.approx(losses.feature_matching_loss(f_real, f_fake).item(), rel=1e-12)


# --- it learns, and refusals --------------------------------------------------------------------------------------------


def test_g_finds_the_datas_mean():
    mg.seed(0)
    game = make("float32", lr=0.02)
    for batch in itertools.islice((players.minibatch("feature_matching", 64, seed) for seed in itertools.count()), 200):
        game.step(iter([batch]))
    np.testing.assert_allclose(
        game.sample(1000, z=np.random.default_rng(0).standard_normal((1000, 3))).mean(0), [2, -1], atol=0.4
    )


@pytest.mark.parametrize("features", [nn.Dense(2, 3), "D", None])
def test_features_that_are_no_part_of_d_are_refused(features):
    G, D = nn.Dense(3, 2), players.mlp(2, 4, 1)
    rules = optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1)
    with pytest.raises(ValueError, match=r"FeatureMatchingGAN: features is not a part of D; expected .* D\[:-1\]"):
        games.FeatureMatchingGAN(G, D, data.noise(3), *rules, features)


def test_features_of_other_shapes_are_refused_and_not_broadcast():
    with pytest.raises(ValueError, match=r"feature_matching_loss: shapes \(4, 3\) and \(4, 1\) differ after the first axis"):
        losses.feature_matching_loss(np.ones((4, 3)), np.ones((4, 1)))
