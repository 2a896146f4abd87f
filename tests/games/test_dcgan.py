"""DCGAN's networks: the paper's rules, and where they start. The game: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, games, nn, optim
from minigan.backend import random_numbers
from minigan.games.dcgan import initialise
from tests.games import players
from tests.helpers.states import assert_same

WEIGHTED = (nn.Dense, nn.Conv2d, nn.ConvTranspose2d)
both = pytest.mark.parametrize("build", [games.dcgan_generator, games.dcgan_discriminator])


def noise(n, z=100):
    return Tensor(np.random.default_rng(1).standard_normal((n, z)).astype("float32"))


def images(n, channels=1):
    return Tensor(np.random.default_rng(1).uniform(-1, 1, (n, channels, 28, 28)).astype("float32"))


def shapes(network, x):
    """The different shapes after the layers, in order."""
    found = []
    for layer in network:
        x = layer(x)
        found.append(x.shape[1:])
    return list(dict.fromkeys(found))


def text(network):
    """The layers' names, and their numbers but the channels."""
    numbers = {nn.LeakyReLU: ("slope",), nn.Conv2d: ("stride", "padding"), nn.ConvTranspose2d: ("stride", "padding")}
    found = []
    for layer in network:
        bias = ["no bias"] * (isinstance(layer, WEIGHTED) and layer.bias is None)
        values = [str(getattr(layer, name)) for name in numbers.get(type(layer), ())]
        found.append(" ".join([type(layer).__name__, *values, *bias]))
    return found


# --- the networks -------------------------------------------------------------------------------------------------------


def test_the_networks_are_the_papers_at_28_by_28():
    """No pooling; BatchNorm but where G ends and D begins, and no bias before it; ReLU in G, LeakyReLU in D."""
    up, norm = ["ConvTranspose2d 2 1 no bias", "BatchNorm2d", "ReLU"], ["BatchNorm2d", "LeakyReLU 0.2"]
    G, D = games.dcgan_generator(channels=3), games.dcgan_discriminator(channels=3)
    assert text(G) == ["Dense no bias", "Reshape", "BatchNorm2d", "ReLU", *up, *up, "ConvTranspose2d 2 1", "Tanh"]
    down = ["Conv2d 2 1 no bias", *norm]
    assert text(D) == ["Conv2d 2 1", "LeakyReLU 0.2", *down, *down, "Flatten", "Dense"]
    assert shapes(G, noise(2)) == [(192,), (12, 4, 4), (6, 7, 7), (3, 14, 14), (1, 28, 28)]
    assert shapes(D, images(2)) == [(3, 14, 14), (6, 7, 7), (12, 4, 4), (192,), (1,)]
    c, z = 64, 100
    inner = 4 * c * 2 * c * 9 + 2 * c * c * 16  # the two layers between many channels, the same in both networks
    generator = z * 4 * c * 16 + 2 * (4 * c) + inner + 2 * (2 * c) + 2 * c + c * 16 + 1
    discriminator = c * 16 + c + inner + 2 * (2 * c) + 2 * (4 * c) + 4 * c * 16 + 1
    sizes = [sum(p.size for p in build().parameters()) for build in (games.dcgan_generator, games.dcgan_discriminator)]
    assert sizes == [generator, discriminator]


# --- where they start ---------------------------------------------------------------------------------------------------


@both
def test_weights_start_from_normal_0_and_002_those_of_batch_norm_around_1_and_biases_at_0(build):
    network = build(channels=32)
    for layer in [layer for layer in network if hasattr(layer, "weight")]:
        w, centre = layer.weight.numpy(), float(isinstance(layer, nn.BatchNorm2d))
        n = w.size
        assert w.dtype == np.float32
        assert abs(w.mean() - centre) < 4 * 0.02 / n**0.5
        assert w.std() == pytest.approx(0.02, rel=4 / (2 * n) ** 0.5)
        kurtosis = np.mean(((w - w.mean()) / w.std()) ** 4)
        assert abs(kurtosis - 3) < 5 * (24 / n) ** 0.5  # 1.8 if it were uniform
        assert layer.bias is None or not layer.bias.numpy().any()


@both
def test_a_generator_or_minigans_seed_decides_where_they_start(build):
    before = random_numbers.generator_state(random_numbers.generator())
    a, b, c = (build(channels=1, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2))
    assert random_numbers.generator_state(random_numbers.generator()) == before
    seeded = [(mg.seed(seed), build(channels=1).state_dict())[1] for seed in (8, 8, 9)]
    for one, same, other in ((a, b, c), seeded):
        assert_same(one, same)
        assert not np.array_equal(next(iter(one.values())), next(iter(other.values())))


def test_initialise_covers_every_layer_with_weights_and_returns_the_network():
    network = nn.Sequential(nn.Dense(30, 30), nn.BatchNorm2d(3), nn.Conv2d(3, 9, 5), nn.ConvTranspose2d(3, 9, 5), nn.Tanh())
    assert initialise(network, np.random.default_rng(0)) is network
    for layer in (network[0], network[2], network[3]):
        assert layer.weight.numpy().std() == pytest.approx(0.02, rel=0.15)
        assert not layer.bias.numpy().any()


# --- in the game --------------------------------------------------------------------------------------------------------


def test_g_learns_the_brightness_of_the_data_and_sampling_does_not_move_the_running_statistics():
    G, D = games.dcgan_generator(4, channels=2), games.dcgan_discriminator(channels=2)
    game = games.GAN(G, D, players.Draws(4), optim.Adam(G.parameters(), 0.01, (0.5, 0.999)), optim.Adam(D.parameters(), 2e-3))
    rng = np.random.default_rng(0)
    given = (np.clip(rng.normal(-0.9, 0.1, (8, 1, 28, 28)), -1, 1) for _ in itertools.count())
    seen = players.dtypes_of_new_tensors(game, lambda: [game.step(given) for _ in range(15)])
    assert {d for d in seen if d.kind == "f"} == {np.dtype("float32")}
    z, statistics = noise(6, 4), G[2].running_mean.copy()
    np.testing.assert_allclose(game.sample(6, z=z)[2:3], game.sample(1, z=z[2:3]), atol=1e-6)
    np.testing.assert_array_equal(G[2].running_mean, statistics)
    assert game.sample(20).mean() < -0.2


def test_with_classes_the_networks_make_a_conditional_game():
    networks = {"G": games.dcgan_generator(3 + 3, channels=1), "D": games.dcgan_discriminator(1 + 3, channels=1)}
    game = players.make("cgan", networks={name: games.Conditional(network, 3) for name, network in networks.items()})
    game.step(iter([(np.zeros((3, 1, 28, 28)), np.array([0, 2, 1]))]))
    assert game.sample(2, y=[1, 2]).shape == (2, 1, 28, 28)
