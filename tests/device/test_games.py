"""Every game on a device: NumPy's course, nothing copied inside a step, one wait for the figures, saving and going on."""

import numpy as np
import pytest

import minigan as mg
from minigan import backend, data, games, metrics, nn, optim
from tests.device.comparing import assert_agree, everything_is_on, on_both
from tests.games import players

every_game = pytest.mark.parametrize("name", players.RULES)
MINIBATCHES = dict.fromkeys(players.RULES, 1) | {"wgan": 5, "wgan_gp": 5}  # in a step
ARRAYS = dict.fromkeys(players.RULES, 1) | {"cgan": 2, "cgan_images": 2, "semi_supervised": 3}  # in a minibatch: x, y; labelled


def play(name, steps, **options):
    """A game after so many steps: its state, and the last figures."""
    game, batches = players.make(name, **options), players.stream(name)
    for _ in range(steps):
        figures = game.step(batches)
    return game.state_dict(), dict(figures)


@every_game
def test_a_game_takes_numpys_course(name, device):
    assert_agree(*on_both(lambda: play(name, 5, dtype="float64")), 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan_gp"])
def test_after_50_iterations_too(name, device):
    here, there = on_both(lambda: play(name, 50, dtype="float64", rule=optim.Adam, lr=1e-3))
    assert_agree(here, there, 1e-9)


def test_a_network_with_dropout_takes_numpys_course(device):
    def compute():
        D = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dropout(0.5), nn.Dense(8, 1))
        G = players.mlp(3, 5, 2)
        game = games.GAN(G, D, data.noise(3), optim.Adam(G.parameters()), optim.Adam(D.parameters()), r1=0.1)
        batches = players.stream("gan")
        for _ in range(5):
            game.step(batches)
        return game.state_dict()

    assert_agree(*on_both(compute), 1e-5)


@every_game
def test_a_step_copies_the_minibatches_to_the_device_and_nothing_else(name, stand_in):
    with backend.using("cupy"):
        game, batches = players.make(name), players.stream(name)
        game.step(batches)  # the first makes constants and the rules' states
        stand_in.transfers.clear()
        game.step(batches)
        assert stand_in.transfers == {"to_device": MINIBATCHES[name] * ARRAYS[name]}


@every_game
def test_one_figure_is_one_copy_and_nothing_is_computed_for_the_others(name, stand_in, monkeypatch):
    figures = figures_of_a_step(name, stand_in)
    with monkeypatch.context() as m:
        m.setattr(stand_in, "_result", lambda *_: pytest.fail("something was computed"))
        assert isinstance(figures["loss_D"], float)
        assert stand_in.transfers == {"to_host": 1}
        assert all(key in figures for key in players.FIGURES[name])
        assert figures["loss_D"] == figures.get("loss_D")
    assert stand_in.transfers == {"to_host": 1}
    dict(figures)
    assert stand_in.transfers == {"to_host": 2}


@pytest.mark.parametrize(
    "read",
    [dict, repr, lambda f: {**f}, lambda f: list(f.items()), lambda f: list(f.values()), lambda f: f == {}],
    ids=["dict", "repr", "**", "items", "values", "=="],
)
@every_game
def test_all_figures_are_one_copy_and_kept(name, read, stand_in):
    figures = figures_of_a_step(name, stand_in)
    read(figures)
    assert stand_in.transfers == {"to_host": 1}
    assert all(isinstance(figures[key], float) for key in players.FIGURES[name])
    assert stand_in.transfers == {"to_host": 1}


def figures_of_a_step(name, stand_in):
    """Unread, and with the counts at 0."""
    with backend.using("cupy"):
        figures = players.make(name).step(players.stream(name))
    stand_in.transfers.clear()
    return figures


@every_game
def test_a_figure_is_the_same_read_alone_and_with_the_others(name, device):
    def compute():
        mg.seed(0)
        return players.make(name, dtype="float64").step(players.stream(name))

    with backend.using("cupy"):
        alone, together = compute(), dict(compute())
    assert {key: alone[key] for key in reversed(players.FIGURES[name])} == together


@every_game
def test_noise_that_the_user_draws_on_the_host_is_copied_once(name, stand_in):
    with backend.using("cupy"):
        game, batches = players.make(name, prior=data.noise(3, rng=np.random.default_rng(0))), players.stream(name)
        game.step(batches)
        stand_in.transfers.clear()
        game.step(batches)
    draws = 1 if name in players.OWN_ORDER else MINIBATCHES[name] + 1
    assert stand_in.transfers == {"to_device": MINIBATCHES[name] * ARRAYS[name] + draws}


def test_a_minibatch_that_lives_on_the_device_is_not_copied(stand_in):
    with backend.using("cupy"):
        game, x = players.make("gan"), mg.Tensor(players.minibatch("gan"), dtype="float32").data
        game.step(iter([x]))
        stand_in.transfers.clear()
        game.step(iter([x]))
    assert not stand_in.transfers


@every_game
def test_a_saved_game_goes_on_bit_for_bit_with_the_devices_noise(name, device):
    with backend.using("cupy"):
        mg.seed(0)
        game, batches = players.make(name), players.stream(name)
        for _ in range(3):
            game.step(batches)
        state = game.state_dict(), batches.state_dict()
        game.step(batches)
        mg.seed(1)
        other, others = players.make(name), players.stream(name)
        other.load_state_dict(state[0])
        others.load_state_dict(state[1])
        other.step(others)
        assert_agree(game.state_dict(), other.state_dict(), 0)


def test_classes_are_checked_before_they_go_to_the_device(device):
    with backend.using("cupy"):
        game, (x, y) = players.make("cgan"), players.minibatch("cgan")
        with pytest.raises(ValueError, match="step: labels from 0 to 50; expected 0 to 2"):
            game.step(iter([(x, np.where(y == y.max(), 50, 0))]))
        with pytest.raises(ValueError, match="sample: labels from 7"):
            game.sample(3, 7)


@every_game
def test_samples_are_numpys_and_the_same_for_all_backends(name, device):
    def compute():
        game = players.make(name)
        samples = game.sample(7, *([1] if name in players.CONDITIONAL else []))
        assert type(samples) is np.ndarray
        return samples

    assert_agree(*on_both(compute), 1e-5)


@pytest.mark.parametrize("kind", ["normal", "uniform", "sphere"])
def test_noise_is_drawn_on_the_device(kind, device):
    with backend.using("cupy"):
        prior = data.noise(5, kind)
        z = prior(4)
        assert everything_is_on(device, z)
        assert z.dtype == np.float32
        state, expected = prior.state_dict(), backend.to_numpy(prior(3))
        prior.load_state_dict(state)
        np.testing.assert_array_equal(backend.to_numpy(prior(3)), expected)
        if kind == "sphere":
            np.testing.assert_allclose(np.linalg.norm(backend.to_numpy(z), axis=1), np.sqrt(5), rtol=1e-5)


def test_a_gan_learns_there(device):
    """A ring of wide modes in a few hundred steps, noise and all on the device."""
    with backend.using("cupy"):
        mg.seed(0)
        G, D = players.mlp(2, 32, 32, 2, activation=nn.ReLU), players.mlp(2, 32, 32, 1, activation=nn.LeakyReLU)
        rules = (optim.Adam(p.parameters(), 2e-3, (0.5, 0.999)) for p in (G, D))
        game, batches = games.GAN(G, D, data.noise(2), *rules, r1=0.1), data.batches(data.ring(4000, std=0.2), size=128)
        start = metrics.wasserstein1(game.sample(300), data.ring(300, std=0.2))
        for _ in range(200):
            game.step(batches)
        assert metrics.wasserstein1(game.sample(300), data.ring(300, std=0.2)) < start / 2
