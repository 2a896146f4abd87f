import copy
import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, nn, optim
from tests.games import players, reference, reference_matching

K = players.CLASSES


def make(dtype="float64", rule=optim.Adam, lr=0.01, **options):
    return players.make("semi_supervised", players.Draws(3), dtype, rule, lr, **options)


def minibatches():
    return (players.minibatch("semi_supervised", 6, seed) for seed in itertools.count())


def with_logits(*logits):
    """A game whose D says the same logits of each sample, and what it makes of a step."""
    game = make(rule=optim.SGD, lr=0.0)
    last = game.D[-1]
    last.weight.data, last.bias.data = np.zeros(last.weight.shape), np.array(logits, np.float64)
    return game, dict(game.step(minibatches()))


# --- against a reference without an engine ------------------------------------------------------------------------------


def test_25_iterations_agree_with_a_reference_by_hand():
    game, labelled = make(), players.labelled()
    G, D, rules = players.by_hand(game.G), players.by_hand(game.D), [reference.Adam(0.01), reference.Adam(0.01)]
    for i in range(25):
        x = players.minibatch("semi_supervised", 6, seed=i)
        figures = game.step(iter([x]))
        expected = reference_matching.semi_supervised_step(G, D, *rules, x, next(labelled), game.prior.taken())
        assert dict(figures) == pytest.approx(expected, abs=1e-8)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, D)


def test_gradients_of_both_losses_are_those_of_gradcheck():
    assert mg.gradcheck(make(), players.minibatch("semi_supervised"))


def test_with_one_class_and_no_labels_to_learn_it_is_the_game_of_feature_matching():
    """K = 1: the logit of "real" is l_1, and the class of what is real is certain."""
    found = []
    for kind in ("feature_matching", "semi_supervised"):
        mg.seed(0)
        D = players.mlp(2, 5, 1)
        G = players.mlp(3, 5, 2)
        more = {"labelled": itertools.repeat((np.zeros((2, 2)), np.zeros(2, int)))} if kind == "semi_supervised" else {}
        rules = optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1)
        game = players.KINDS[kind](G, D, players.Draws(3), *rules, D[:-1], **more)
        for _, batch in zip(range(5), minibatches(), strict=False):
            figures = game.step(iter([batch]))
        found.append(
            (players.values(G) + players.values(D), [figures[name] for name in ("loss_D", "loss_G", "D_real", "D_fake")])
        )
    for a, b in zip(*(values for values, _ in found), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


# --- mistakes of published implementations ------------------------------------------------------------------------------


def test_real_is_z_over_z_plus_1_and_not_z_or_a_mean():
    """log D = log Z - softplus(log Z): with log Z alone the loss would have no lower bound."""
    _, figures = with_logits(1.0, 2.0, -1.0)
    Z = np.exp([1.0, 2.0, -1.0]).sum()
    assert figures["D_real"] == pytest.approx(Z / (Z + 1), rel=1e-12)
    assert figures["D_fake"] == pytest.approx(Z / (Z + 1), rel=1e-12)
    assert figures["L_unsupervised"] == pytest.approx(-np.log(Z / (Z + 1)) - np.log(1 / (Z + 1)), rel=1e-12)


@pytest.mark.parametrize("v", [-1000.0, 1000.0])
def test_the_loss_is_finite_for_logits_of_any_size_and_bounded_below(v):
    _, figures = with_logits(v, v, v)
    assert figures["L_unsupervised"] == pytest.approx(1000 + np.sign(v) * np.log(3), rel=1e-12)
    assert figures["L_unsupervised"] > 0


def test_the_class_fake_has_no_part_in_the_supervised_loss():
    """p(y | x, x is not fake): as large for all logits alike, log K. With class K + 1 it would be log((K e^v + 1) / e^v)."""
    for v in (-3.0, 0.0, 5.0):
        game, figures = with_logits(v, v, v)
        assert figures["L_supervised"] == pytest.approx(np.log(K), rel=1e-12)
    assert game.D[-1].bias.shape == (K,)


def test_the_supervised_loss_does_not_move_what_d_says_of_real_or_fake_on_its_own():
    """Its gradient by the logits sums to 0: it shares the probability out among the classes, and has no say in Z's size."""
    game = make(rule=optim.SGD, lr=0.0)
    x, y = next(players.labelled())
    l = Tensor(game.D(Tensor(x)).numpy(), requires_grad=True)
    (g,) = mg.grad(mg.losses.cross_entropy(l, y), l)
    np.testing.assert_allclose(g.numpy().sum(axis=1), 0, atol=1e-15)


def test_g_sees_no_labels_and_learns_by_feature_matching():
    game = make(rule=optim.SGD, lr=0.0)
    x = players.minibatch("semi_supervised")
    recorder = players.Recorder(game, iter([x]))
    recorder.play()
    f, z = game.features, Tensor(recorder.of("z")[1])
    loss = mg.sum((f(Tensor(x)).mean(axis=0) - f(game.G(z)).mean(axis=0)) ** 2)
    for g, expected in zip(players.gradients(game.G), mg.grad(loss, game.G.parameters()), strict=True):
        np.testing.assert_allclose(g, expected.numpy(), rtol=1e-12, atol=1e-15)


def test_d_sees_the_data_without_labels_then_the_fakes_then_those_with_labels():
    game = make()
    recorder = players.Recorder(game, minibatches())
    recorder.play(2)
    labelled = players.labelled()
    passes = recorder.passes("D")
    assert len(passes) == 6
    for step in range(2):
        x, _, known = (seen for seen, _ in passes[3 * step : 3 * step + 3])
        np.testing.assert_array_equal(x, recorder.of("x")[step])
        np.testing.assert_array_equal(known, next(labelled)[0])


# --- it learns, is saved, and refuses -----------------------------------------------------------------------------------


def test_data_without_labels_help_a_classifier_to_find_the_gap_between_its_classes():
    """Two clusters of 200 points, of which four have a label."""
    mg.seed(0)
    centres, rng = np.array([[-2.0, 0.0], [2.0, 0.0]]), np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = centres[y] + 0.3 * rng.standard_normal((400, 2))
    D, G = players.mlp(2, 16, 16, 2), players.mlp(3, 16, 2)
    rules = optim.Adam(G.parameters(), 5e-3), optim.Adam(D.parameters(), 5e-3)
    labelled = data.batches(x[:4], y[:4], size=4)
    game, batches = games.SemiSupervisedGAN(G, D, data.noise(3), *rules, D[:-1], labelled), data.batches(x, size=50)
    for _ in range(200):
        figures = game.step(batches)
    with mg.no_grad():
        assert (D(Tensor(x.astype("float32"))).numpy().argmax(axis=1) == y).mean() > 0.97
    assert figures["L_supervised"] < 0.1


def test_where_the_minibatches_with_labels_stand_is_saved_with_the_game():
    game, batches = make("float32"), players.stream("semi_supervised")
    for _ in range(2):
        game.step(batches)
    state, position = copy.deepcopy(game.state_dict()), batches.state_dict()
    next_labelled = [next(game.labelled) for _ in range(2)]
    other = make("float32")
    other.load_state_dict({name: v for name, v in state.items() if name != "prior"})
    batches.load_state_dict(position)
    for (x, y), (x_again, y_again) in zip(next_labelled, other.labelled, strict=False):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)


def test_labels_that_d_has_no_logit_for_are_refused():
    game = make(labelled=itertools.repeat((np.zeros((2, 2)), np.array([0, K]))))
    with pytest.raises(ValueError, match=rf"cross_entropy: labels .*expected 0 to {K - 1}"):
        game.step(minibatches())


def test_minibatches_with_labels_that_are_no_iterator_are_refused():
    game = make(labelled=[(np.zeros((2, 2)), np.array([0, 1]))])
    with pytest.raises(TypeError, match=r"batches is a list; expected an iterator"):
        game.step(minibatches())


def test_one_d_for_all_classes_that_returns_one_number_a_sample_is_refused():
    D, G = nn.Sequential(nn.Dense(2, 3), nn.Flatten(), nn.Reshape(3, 1)), nn.Dense(3, 2)
    rules = optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1)
    game = games.SemiSupervisedGAN(G, D, data.noise(3), *rules, D[:1], players.labelled())
    with pytest.raises(ValueError, match=r"cross_entropy: logits have shape \(4, 3, 1\); expected \(N, C\)"):
        game.step(minibatches())
