import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, games, nn, optim
from minigan.backend import random_numbers, threads
from minigan.games.dcgan import initialise
from minigan.ops import convolution
from tests.games import players, reference

# --- against a reference without an engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "l", "saturating"), [(1, 1, False), (2, 2, False), (1, 1, True)])
def test_10_iterations_with_batch_norm_agree_with_a_reference_by_hand(k, l, saturating):
    game = players.make("dcgan", players.Draws(3), "float64", k=k, l=l, saturating=saturating)
    G, D, rules = players.by_hand(game.G), players.by_hand(game.D), [reference.Adam(0.01), reference.Adam(0.01)]
    before = players.values(game.G)
    for i in range(10):
        xs = [players.minibatch("dcgan", 4, seed=10 * i + j) for j in range(k)]
        figures = game.step(iter(xs))
        expected = reference.gan_step(G, D, *rules, xs, game.prior.taken(), l, saturating)
        assert dict(figures) == pytest.approx(expected, abs=1e-8)
    players.assert_agree(game.G, G)  # running statistics too: they tell whether D saw x first, and alone
    players.assert_agree(game.D, D)
    assert max(np.abs(a - b).max() for a, b in zip(before, players.values(game.G), strict=True)) > 0.05


@pytest.mark.parametrize("count", [2, 3])
def test_several_threads_take_the_steps_of_one(count, monkeypatch):
    def after_4_iterations():
        mg.seed(0)
        game = players.make("dcgan", players.Draws(3), "float64")
        xs = itertools.count()
        figures = [game.step(players.minibatch("dcgan", 5, seed=i) for i in xs) for _ in range(4)]
        return [list(dict(f).values()) for f in figures], [*players.values(game.G), *players.values(game.D)]

    figures, parameters = after_4_iterations()
    monkeypatch.setattr(threads, "COUNT", count)
    monkeypatch.setattr(convolution, "CHUNK", 1)
    others, other_parameters = after_4_iterations()
    np.testing.assert_allclose(others, figures, rtol=1e-9)
    for a, b in zip(other_parameters, parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


# --- the networks -------------------------------------------------------------------------------------------------------

KINDS = (nn.Dense, nn.Conv2d, nn.ConvTranspose2d)


def shapes(network, x):
    """The shape after each layer."""
    found = []
    for layer in network:
        x = layer(x)
        found.append(x.shape[1:])
    return found


def noise(n, z=100):
    return Tensor(np.random.default_rng(1).standard_normal((n, z)).astype("float32"))


def images(n, channels=1):
    return Tensor(np.random.default_rng(1).uniform(-1, 1, (n, channels, 28, 28)).astype("float32"))


def test_the_generator_grows_noise_by_factors_of_2_to_28_by_28():
    found = shapes(games.dcgan_generator(channels=3), noise(2))
    assert list(dict.fromkeys(found)) == [(192,), (12, 4, 4), (6, 7, 7), (3, 14, 14), (1, 28, 28)]


def test_the_discriminator_halves_images_three_times_and_returns_a_logit():
    found = shapes(games.dcgan_discriminator(channels=3), images(2))
    assert list(dict.fromkeys(found)) == [(3, 14, 14), (6, 7, 7), (12, 4, 4), (192,), (1,)]


@pytest.mark.parametrize(("n", "z", "channels"), [(2, 100, 2), (3, 1, 1), (1, 5, 4)])
def test_the_arguments_set_the_sizes(n, z, channels):
    G, D = games.dcgan_generator(z, channels).eval(), games.dcgan_discriminator(3, channels).eval()
    assert G(noise(n, z)).shape == (n, 1, 28, 28)
    assert D(images(n, 3)).shape == (n, 1)


def test_the_numbers_of_parameters_are_those_of_the_papers_networks_at_28_by_28():
    c, z = 64, 100
    inner = 4 * c * 2 * c * 9 + 2 * c * c * 16  # the two layers between many channels, the same in both networks
    generator = z * 4 * c * 16 + 2 * (4 * c) + inner + 2 * (2 * c) + 2 * c + c * 16 + 1
    discriminator = c * 16 + c + inner + 2 * (2 * c) + 2 * (4 * c) + 4 * c * 16 + 1
    assert sum(p.size for p in games.dcgan_generator().parameters()) == generator
    assert sum(p.size for p in games.dcgan_discriminator().parameters()) == discriminator


def test_batch_norm_stands_in_both_networks_but_not_where_g_ends_and_d_begins():
    kinds_g = [type(layer) for layer in games.dcgan_generator(channels=1)]
    kinds_d = [type(layer) for layer in games.dcgan_discriminator(channels=1)]
    for kinds, before_norm in ((kinds_g, [True, True, True, False]), (kinds_d, [False, True, True, False])):
        weighted = [i for i, kind in enumerate(kinds) if kind in KINDS]
        assert [nn.BatchNorm2d in kinds[i + 1 : i + 3] for i in weighted] == before_norm
    assert kinds_g[-1] is nn.Tanh
    assert kinds_d[-1] is nn.Dense


def test_relu_stands_in_g_and_leaky_relu_with_slope_a_fifth_in_d_and_no_pooling_anywhere():
    G, D = games.dcgan_generator(channels=1), games.dcgan_discriminator(channels=1)
    assert not any(isinstance(layer, nn.LeakyReLU | nn.MaxPool2d | nn.AvgPool2d | nn.Upsample) for layer in G)
    assert not any(isinstance(layer, nn.ReLU | nn.MaxPool2d | nn.AvgPool2d | nn.Sigmoid) for layer in D)
    assert [layer.slope for layer in D if isinstance(layer, nn.LeakyReLU)] == [0.2, 0.2, 0.2]
    assert [layer.stride for network in (G, D) for layer in network if hasattr(layer, "stride")] == [2] * 6


def test_images_lie_in_minus_1_to_1():
    G = games.dcgan_generator(channels=2)
    for p in G.parameters():
        p.data = 20 * p.data
    y = G(noise(4)).numpy()
    assert y.min() < -0.9 < 0.9 < y.max()
    assert np.abs(y).max() <= 1


def test_a_weight_before_a_batch_norm_has_no_bias_the_others_have():
    G, D = games.dcgan_generator(channels=1), games.dcgan_discriminator(channels=1)
    biases = [[layer.bias is not None for layer in network if isinstance(layer, KINDS)] for network in (G, D)]
    assert biases == [[False, False, False, True], [True, False, False, True]]


# --- where they start ---------------------------------------------------------------------------------------------------


def weights_and_centres(network):
    return [
        (layer.weight.numpy(), 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0)
        for layer in network
        if hasattr(layer, "weight")
    ]


@pytest.mark.parametrize("build", [games.dcgan_generator, games.dcgan_discriminator])
def test_weights_start_from_normal_0_and_002_those_of_batch_norm_around_1_and_biases_at_0(build):
    network = build(channels=64)
    layers = weights_and_centres(network)
    assert len(layers) == (7 if build is games.dcgan_generator else 6)
    for w, centre in layers:
        n = w.size
        assert w.dtype == np.float32
        assert abs(w.mean() - centre) < 4 * 0.02 / n**0.5
        assert w.std() == pytest.approx(0.02, rel=4 / (2 * n) ** 0.5)
        kurtosis = np.mean(((w - w.mean()) / w.std()) ** 4)
        assert abs(kurtosis - 3) < 5 * (24 / n) ** 0.5  # 1.8 if it were uniform
    for layer in network:
        if getattr(layer, "bias", None) is not None:
            assert not layer.bias.numpy().any()


@pytest.mark.parametrize("build", [games.dcgan_generator, games.dcgan_discriminator])
def test_a_generator_of_random_numbers_decides_where_they_start(build):
    a, b, c = (build(channels=2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert players.equal(players.values(a), players.values(b))
    assert not np.array_equal(a[0].weight.numpy(), c[0].weight.numpy())


@pytest.mark.parametrize("build", [games.dcgan_generator, games.dcgan_discriminator])
def test_with_a_generator_handed_in_minigans_own_is_left_alone(build):
    mg.seed(0)
    before = random_numbers.generator_state(random_numbers.generator())
    build(channels=1, rng=np.random.default_rng(5))
    assert random_numbers.generator_state(random_numbers.generator()) == before


def test_without_one_minigans_seed_decides():
    networks = []
    for seed in (8, 8, 9):
        mg.seed(seed)
        networks.append(players.values(games.dcgan_generator(channels=2)))
    assert players.equal(networks[0], networks[1])
    assert not players.equal(networks[1], networks[2])


def test_initialise_reaches_every_layer_with_weights_and_returns_the_network():
    network = nn.Sequential(nn.Dense(30, 30), nn.BatchNorm2d(3), nn.Conv2d(3, 9, 5), nn.ConvTranspose2d(3, 9, 5), nn.Tanh())
    assert initialise(network, np.random.default_rng(0)) is network
    for layer in (network[0], network[2], network[3]):
        assert layer.weight.numpy().std() == pytest.approx(0.02, rel=0.15)
        assert not layer.bias.numpy().any()
    assert network[1].weight.numpy() == pytest.approx(1.0, abs=0.1)
    assert network[1].weight.numpy().std() > 0


# --- batch norm in the networks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("player", ["G", "D"])
def test_what_batch_norm_returns_has_mean_0_and_variance_1_in_training(player):
    network, x = (games.dcgan_generator(), noise(16)) if player == "G" else (games.dcgan_discriminator(), images(4))
    found = 0
    for layer in network:
        before, x = x, layer(x)
        if isinstance(layer, nn.BatchNorm2d):
            y = (x.numpy() / layer.weight.numpy()[:, None, None]).astype("float64")
            var = before.numpy().astype("float64").var(axis=(0, 2, 3))
            np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-5)
            np.testing.assert_allclose(y.var(axis=(0, 2, 3)), var / (var + 1e-5), rtol=1e-3)
            assert y.var() > 0.9  # 1e-5 is eps, and not 0.8
            found += 1
    assert found == (3 if player == "G" else 2)


def test_in_training_an_image_depends_on_its_minibatch_and_in_eval_mode_it_does_not():
    G, z = games.dcgan_generator(channels=2), noise(8)
    assert not np.allclose(G(z).numpy()[:4], G(z[:4]).numpy(), atol=1e-6)
    G.eval()
    np.testing.assert_allclose(G(z).numpy()[:4], G(z[:4]).numpy(), atol=1e-6)


def test_a_sample_does_not_depend_on_the_others_nor_move_the_running_statistics():
    G, D = games.dcgan_generator(10, channels=2), games.dcgan_discriminator(channels=2)
    game = games.GAN(G, D, players.Draws(10), optim.Adam(G.parameters(), 2e-4), optim.Adam(D.parameters(), 2e-4))
    for seed in range(2):
        game.step(iter([np.random.default_rng(seed).uniform(-1, 1, (8, 1, 28, 28))]))
    z, statistics = noise(6, 10), G[2].running_mean.copy()
    np.testing.assert_allclose(game.sample(6, z=z)[2:3], game.sample(1, z=z[2:3]), atol=1e-6)
    np.testing.assert_array_equal(G[2].running_mean, statistics)
    assert statistics.any()


# --- in the games -------------------------------------------------------------------------------------------------------


def test_the_networks_train_in_float32_and_g_learns_the_brightness_of_the_data():
    G, D = games.dcgan_generator(4, channels=2), games.dcgan_discriminator(channels=2)
    game = games.GAN(G, D, players.Draws(4), optim.Adam(G.parameters(), 0.01, (0.5, 0.999)), optim.Adam(D.parameters(), 2e-3))
    rng = np.random.default_rng(0)
    batches = (np.clip(rng.normal(-0.9, 0.1, (8, 1, 28, 28)), -1, 1) for _ in itertools.count())

    def play():
        for _ in range(15):
            game.step(batches)

    seen = players.dtypes_of_new_tensors(game, play)
    assert {d for d in seen if d.kind == "f"} == {np.dtype("float32")}
    assert game.sample(20).mean() < -0.2


def test_with_classes_the_networks_make_a_conditional_game():
    G = games.Conditional(games.dcgan_generator(5 + 10, channels=1), 10)
    D = games.Conditional(games.dcgan_discriminator(1 + 10, channels=1), 10)
    game = games.ConditionalGAN(G, D, players.Draws(5), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
    game.step(iter([(np.zeros((3, 1, 28, 28)), np.array([0, 9, 4]))]))
    assert game.sample(2, y=[3, 9]).shape == (2, 1, 28, 28)


def test_saving_and_loading_the_networks_restores_weights_and_running_statistics():
    G, other = games.dcgan_generator(4, channels=1), games.dcgan_generator(4, channels=1)
    G(noise(5, 4))
    other.load_state_dict(G.state_dict())
    np.testing.assert_array_equal(G.eval()(noise(3, 4)).numpy(), other.eval()(noise(3, 4)).numpy())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: games.dcgan_generator(0), "sizes must be whole numbers of at least 1"),
        (lambda: games.dcgan_generator(channels=0), "at least 1"),
        (lambda: games.dcgan_discriminator(channels=0), "sizes must be whole numbers of at least 1"),
        (lambda: games.dcgan_discriminator(in_channels=-1), "sizes must be whole numbers of at least 1"),
    ],
)
def test_networks_of_no_size_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_seed_in_place_of_a_generator_of_random_numbers_is_refused():
    with pytest.raises(TypeError, match=r"rng is 3; expected a generator"):
        games.dcgan_generator(channels=1, rng=3)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"Dense\(64, 1\): the input has shape \(2, 100\)"):
        games.dcgan_discriminator(channels=1)(Tensor(np.zeros((2, 1, 40, 40))))
