import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, data, games, nn, optim
from tests.games import players, reference

D_STEP = ["x", "z", "G()", "D()", "D()", "step D"]
G_STEP = ["z", "G()", "D()", "step G"]
k_and_l = pytest.mark.parametrize(("k", "l"), [(1, 1), (3, 1), (1, 2), (2, 3)])


def recorder(name="cgan", m=4, **options):
    game = players.make(name, players.Draws(3), **options)
    return players.Recorder(game, (players.minibatch(name, m, seed) for seed in itertools.count()))


# --- against a reference without an engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "iterations"), [("cgan", 25), ("cgan_images", 10)])
@pytest.mark.parametrize(("k", "l"), [(1, 1), (2, 2)])
def test_iterations_agree_with_a_reference_by_hand_dense_and_convolutional(name, iterations, k, l):
    game = players.make(name, players.Draws(3), "float64", rule=optim.Adam, k=k, l=l)
    G, D, rules = players.by_hand(game.G), players.by_hand(game.D), [reference.Adam(0.01), reference.Adam(0.01)]
    for i in range(iterations):
        batches = [players.minibatch(name, 4, seed=10 * i + j) for j in range(k)]
        figures = game.step(iter(batches))
        assert dict(figures) == pytest.approx(reference.gan_step(G, D, *rules, batches, game.prior.taken(), l), abs=1e-8)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, D)


# --- who is told which class --------------------------------------------------------------------------------------------


@k_and_l
def test_an_iteration_is_k_d_steps_and_then_l_g_steps_of_the_conditional_game(k, l):
    watch = recorder(k=k, l=l)
    watch.play(2)
    assert watch.names() == (D_STEP * k + G_STEP * l) * 2


@k_and_l
def test_both_players_are_told_the_minibatchs_classes_and_the_g_steps_those_of_the_last(k, l):
    watch = recorder(k=k, l=l)
    watch.play()
    labels = [y for _, y in watch.of("x")]
    told_d, told_g = ([seen[1] for seen, _, _ in watch.of(f"{player}()")] for player in "DG")
    assert len({y.tobytes() for y in labels}) == k
    for told, expected in ((told_d, [y for y in labels for _ in range(2)]), (told_g, labels)):
        assert [y.tolist() for y in told] == [y.tolist() for y in [*expected, *[labels[-1]] * l]]
        assert all(type(y) is np.ndarray and y.dtype.kind == "i" for y in told)


def test_noise_is_fresh_in_every_step_and_as_much_as_the_last_minibatch():
    watch = recorder(k=2, l=2)
    sizes = iter([4, 6])
    watch.batches = (watch.note("x", players.minibatch("cgan", next(sizes), seed)) for seed in range(2))
    watch.play()
    assert [len(z) for z in watch.of("z")] == [4, 6, 6, 6]
    assert len({z.tobytes() for z in watch.of("z")}) == 4


def test_d_learns_from_the_class_its_weights_for_the_code_get_gradients():
    game = players.make("cgan", players.Draws(3), k=1)
    game.step(iter([(players.minibatch("cgan", 6)[0], np.array([0, 1, 2, 0, 1, 2]))]))
    for first_layer, width in ((game.D.network[0], 2), (game.G.network[0], 3)):
        assert (np.abs(first_layer.weight.grad.numpy()[width:]).max(axis=1) > 1e-6).all()


def test_d_sees_the_class_of_the_data_so_that_other_labels_are_another_game():
    x, y = players.minibatch("cgan", 6)
    losses = []
    for labels in (y, (y + 1) % players.CLASSES):
        mg.seed(1)
        losses.append(players.make("cgan", players.Draws(3)).step(iter([(x, labels)]))["loss_D"])
    assert abs(losses[0] - losses[1]) > 1e-3


def test_each_class_is_learned_where_its_data_are():
    G, D = games.Conditional(players.mlp(4, 16, 1), 2), games.Conditional(players.mlp(3, 16, 1), 2)
    game = games.ConditionalGAN(
        G, D, data.noise(2), optim.Adam(G.parameters(), 5e-3, (0.5, 0.9)), optim.Adam(D.parameters(), 5e-3, (0.5, 0.9))
    )
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    x = (3.0 * y - 1.5)[:, None] + 0.2 * rng.standard_normal((1000, 1))
    batches = data.batches(x, y, size=32)
    for _ in range(300):
        game.step(batches)
    low, high = (game.sample(200, y=label).mean() for label in (0, 1))
    assert low < -0.75
    assert high > 0.75


# --- the code -----------------------------------------------------------------------------------------------------------


class Seen(nn.Module):
    """A network that shows what it is given."""

    def forward(self, x):
        return x


@given(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 2), st.sampled_from([(1,), (3,), (2, 1, 1), (1, 2, 3)]))
def test_conditional_appends_the_one_hot_code_to_vectors_and_planes_to_images(labels, unused, shape):
    y, classes = np.array(labels, np.int64), max(labels, default=0) + 1 + unused
    n, channels, sides = len(y), shape[0], shape[1:]
    x = np.random.default_rng(0).standard_normal((n, channels, *sides)).astype("float32")
    seen = games.Conditional(Seen(), classes)(Tensor(x), y)
    assert seen.dtype == np.float32
    assert seen.shape == (n, channels + classes, *sides)
    np.testing.assert_array_equal(seen.numpy()[:, :channels], x)
    for i, label in enumerate(y):
        for c in range(classes):
            assert (seen.numpy()[i, channels + c] == float(c == label)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_classes_may_be_integers_of_any_kind_also_a_tensor_or_a_list(dtype):
    x = Tensor(np.zeros((3, 2), np.float32))
    expected = games.Conditional(Seen(), 3)(x, [2, 0, 1]).numpy()
    for y in (np.array([2, 0, 1], dtype), Tensor(np.array([2, 0, 1], dtype))):
        np.testing.assert_array_equal(games.Conditional(Seen(), 3)(x, y).numpy(), expected)
        game = players.make("cgan")
        assert game.step(iter([(np.ones((3, 2)), y)])).keys() == dict.fromkeys(players.FIGURES["cgan"]).keys()
        assert game.sample(3, y=y).shape == (3, 2)


def test_gradients_flow_through_conditional_to_x_alone():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    (g,) = mg.grad((games.Conditional(Seen(), 2)(x, [0, 1]) * np.arange(10.0).reshape(2, 5)).sum(), x)
    np.testing.assert_array_equal(g.numpy(), [[0, 1, 2], [5, 6, 7]])


def test_conditional_has_its_networks_parameters_and_modes():
    network = players.mlp(5, 3, 1)
    module = games.Conditional(network, 3)
    assert [id(p) for p in module.parameters()] == [id(p) for p in network.parameters()]
    module.eval()
    assert not any(part.training for part in network.modules())


# --- sampling -----------------------------------------------------------------------------------------------------------


def table_game():
    """G returns the one-hot code, whatever the noise."""
    game = players.make("cgan")
    game.G.network = nn.Sequential(nn.Dense(6, 3, bias=False))
    game.G.network[0].weight.data = np.concatenate([np.zeros((3, 3)), np.eye(3)]).astype("float32")
    return game


def test_samples_are_of_the_classes_asked_for_one_by_one_or_all_of_one():
    game = table_game()
    np.testing.assert_array_equal(game.sample(4, y=[2, 0, 1, 2]), np.eye(3)[[2, 0, 1, 2]])
    np.testing.assert_array_equal(game.sample(3, y=1), np.eye(3)[[1, 1, 1]])
    np.testing.assert_array_equal(game.sample(3, y=np.int64(2)), np.eye(3)[[2, 2, 2]])
    assert game.sample(0, y=1).shape == (0, 3)


def test_samples_of_one_noise_differ_by_their_class():
    game = players.make("cgan")
    a, b = game.sample(2, y=[0, 1], z=np.ones((2, 3)))
    assert np.abs(a - b).max() > 1e-3


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (None, TypeError, r"sample: ConditionalGAN needs classes: pass y, n classes, or one for all"),
        ([0, 1], ValueError, r"sample: y has shape \(2,\); expected 3 classes, or one for all"),
        ([[0], [1], [2]], ValueError, r"sample: y has shape \(3, 1\)"),
        ([0.0, 1.0, 2.0], TypeError, r"sample: labels are float64; expected integers"),
        (np.eye(3), TypeError, r"expected integers"),
        ([True, False, True], TypeError, r"sample: labels are bool"),
        ("3", TypeError, r"expected integers"),
        (3, ValueError, r"labels from 3 to 3; expected 0 to 2"),
        (-1, ValueError, r"labels from -1 to -1; expected 0 to 2"),
    ],
    ids=["none", "two of three", "column", "floats", "one-hot", "booleans", "text", "too large", "negative"],
)
def test_sampling_refuses_what_are_no_classes(y, error, message):
    with pytest.raises(error, match=message):
        players.make("cgan").sample(3, y=y)


# --- refusals -----------------------------------------------------------------------------------------------------------

X, Y = players.minibatch("cgan")


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (X, TypeError, r"batches yielded a ndarray; expected \(x, y\), as from data\.batches\(x, y, size=64\)"),
        (Tensor(X), TypeError, r"batches yielded a Tensor; expected \(x, y\)"),
        ((X,), TypeError, r"a tuple of 1; expected \(x, y\)"),
        ((X, Y, Y), TypeError, r"a tuple of 3; expected \(x, y\)"),
        ((X, Y.astype(float)), TypeError, r"step: labels are float64; expected integers, 0, 1"),
        ((X, np.eye(3)[Y]), TypeError, r"expected integers"),
        ((X, Y[:, None]), ValueError, r"x has shape \(4, 2\) and y \(4, 1\); expected one class for each sample"),
        ((X, Y[:3]), ValueError, r"x has shape \(4, 2\) and y \(3,\)"),
        ((X, 1), ValueError, r"x has shape \(4, 2\) and y \(\)"),
        ((Y, X), TypeError, r"labels are float64"),
        ((X, Y + players.CLASSES), ValueError, r"expected 0 to 2"),
        ((X, -1 - Y), ValueError, r"expected 0 to 2"),
    ],
    ids=[
        "x",
        "tensor",
        "one",
        "three",
        "floats",
        "one-hot",
        "column",
        "short",
        "one class",
        "swapped",
        "too large",
        "negative",
    ],
)
def test_minibatches_that_are_not_x_and_its_classes_are_refused(batch, error, message):
    with pytest.raises(error, match=message):
        players.make("cgan").step(iter([batch]))


@pytest.mark.parametrize("counts", [{"k": 0}, {"l": 0}, {"k": -2}, {"l": 1.5}])
def test_fewer_than_one_step_of_a_player_of_the_conditional_game_is_refused(counts):
    with pytest.raises(ValueError, match=r"ConditionalGAN: . is .*; expected a whole number, at least 1"):
        players.make("cgan", **counts)


def test_a_sigmoid_at_the_end_of_the_network_inside_conditional_is_seen():
    G, D = games.Conditional(nn.Dense(5, 2), 2), games.Conditional(nn.Sequential(nn.Dense(4, 1), nn.Sigmoid()), 2)
    with pytest.raises(ValueError, match="ConditionalGAN: D ends in a Sigmoid"):
        games.ConditionalGAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))


def test_players_that_take_no_class_are_refused_by_python():
    G, D = nn.Dense(3, 2), nn.Dense(2, 1)
    game = games.ConditionalGAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    with pytest.raises(TypeError, match="forward"):
        game.step(iter([(X, Y)]))
