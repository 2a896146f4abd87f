"""Games with classes: learning, the code, sampling. Their steps by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, data, games, nn, optim
from tests.games import players


def test_each_class_is_learned_where_its_data_are():
    G, D = games.Conditional(players.mlp(4, 16, 1), 2), games.Conditional(players.mlp(3, 16, 1), 2)
    rules = (optim.Adam(player.parameters(), 0.02, (0.5, 0.9)) for player in (G, D))
    game, rng = games.ConditionalGAN(G, D, data.noise(2), *rules), np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    x = (3.0 * y - 1.5)[:, None] + 0.2 * rng.standard_normal((1000, 1))
    batches = data.batches(x, y, size=32)
    for _ in range(100):
        game.step(batches)
    low, high = (game.sample(200, y=label).mean() for label in (0, 1))
    assert low < -0.75
    assert high > 0.75


identity = nn.Sequential()


@given(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 2), st.sampled_from([(1,), (3,), (2, 1, 1), (1, 2, 3)]))
def test_conditional_appends_the_one_hot_code_to_vectors_and_planes_to_images(labels, unused, shape):
    y, classes = np.array(labels, np.int64), max(labels, default=0) + 1 + unused
    n, channels, sides = len(y), shape[0], shape[1:]
    x = np.random.default_rng(0).standard_normal((n, channels, *sides)).astype("float32")
    seen = games.Conditional(identity, classes)(Tensor(x), y)
    assert seen.dtype == np.float32
    planes = np.eye(classes)[y].reshape(n, classes, *[1 for _ in sides]) * np.ones(sides)
    np.testing.assert_array_equal(seen.numpy(), np.concatenate([x, planes], axis=1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_classes_may_be_integers_of_any_kind_also_a_tensor_or_a_list(dtype):
    x, game = Tensor(np.zeros((3, 2), np.float32)), players.make("cgan")
    expected = games.Conditional(identity, 3)(x, [2, 0, 1]).numpy()
    for y in (np.array([2, 0, 1], dtype), Tensor(np.array([2, 0, 1], dtype))):
        np.testing.assert_array_equal(games.Conditional(identity, 3)(x, y).numpy(), expected)
        assert len(game.step(iter([(np.ones((3, 2)), y)]))) == 5
        assert game.sample(3, y=y).shape == (3, 2)


def test_gradients_flow_through_conditional_to_x_alone_in_its_dtype():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    (g,) = mg.grad((games.Conditional(identity, 2)(x, [0, 1]) * np.arange(10.0).reshape(2, 5)).sum(), x)
    np.testing.assert_array_equal(g.numpy(), [[0, 1, 2], [5, 6, 7]])
    assert g.dtype == np.float64


def test_samples_are_of_the_classes_asked_for_one_by_one_or_all_of_one_also_in_parts(monkeypatch):
    monkeypatch.setattr("minigan.games.game.CHUNK", 2)
    layer = nn.Dense(6, 3, bias=False)  # G returns the one-hot code, whatever the noise
    layer.weight.data = np.concatenate([np.zeros((3, 3)), np.eye(3)]).astype("float32")
    game = players.make("cgan", networks={"G": games.Conditional(layer, 3)})
    for y in (np.array([2, 0, 1, 2, 2]), [2, 0, 1, 2, 2], 1, np.int64(1)):
        np.testing.assert_array_equal(game.sample(5, y=y), np.eye(3)[np.broadcast_to(y, 5)])


# --- the semi-supervised GAN --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", [-1000.0, 1000.0])
def test_the_semi_supervised_loss_is_finite_for_logits_of_any_size_and_bounded_below(v):
    """log D = log Z - softplus(log Z): with log Z alone the loss would have no lower bound."""
    game = players.make("semi_supervised", dtype="float64")
    game.D[-1].weight.data, game.D[-1].bias.data = np.zeros((5, players.CLASSES)), np.full(players.CLASSES, v)
    figures = game.step(players.minibatches("semi_supervised"))
    assert figures["L_unsupervised"] == pytest.approx(1000 + np.sign(v) * np.log(3), rel=1e-12)
    assert figures["L_supervised"] == pytest.approx(np.log(players.CLASSES), rel=1e-12)  # "fake" has no part in it


def test_data_without_labels_help_a_classifier_to_find_the_gap_between_its_classes():
    """Two clusters of 200 points, of which four have a label."""
    centres, rng = np.array([[-2.0, 0.0], [2.0, 0.0]]), np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = centres[y] + 0.3 * rng.standard_normal((400, 2))
    D, G = players.mlp(2, 16, 16, 2), players.mlp(3, 16, 2)
    rules = optim.Adam(G.parameters(), 5e-3), optim.Adam(D.parameters(), 1e-2)
    labelled = data.batches(x[:4], y[:4], size=4)
    game, batches = games.SemiSupervisedGAN(G, D, data.noise(3), *rules, D[:-1], labelled), data.batches(x, size=50)
    for _ in range(60):
        game.step(batches)
    assert (D(Tensor(x.astype("float32"))).numpy().argmax(axis=1) == y).mean() > 0.97
