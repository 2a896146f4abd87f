"""Every game on a device: NumPy's course, nothing copied inside a step, one wait for the metrics, saving and resuming."""

import numpy as np
import pytest

import minigan as mg
from minigan import backend, data, nn, optim
from tests.device.comparing import assert_agree, everything_is_on, on_both
from tests.games import players
from tests.games.players import GAMES

every_game = pytest.mark.parametrize("name", GAMES)


def play(name, steps, **options):
    """A game after this many steps: its state, and the last metrics."""
    game, batches = players.make(name, **options), players.stream(name)
    for _ in range(steps):
        figures = game.step(batches)
    return game.state_dict(), dict(figures)


@every_game
def test_a_game_takes_numpys_course(name, device):
    assert_agree(*on_both(lambda: play(name, 3, dtype="float64")), 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan_gp"])
def test_after_50_iterations_too(name, device):
    here, there = on_both(lambda: play(name, 50, dtype="float64", rule=optim.Adam, lr=1e-3))
    assert_agree(here, there, 1e-9)


def test_a_network_with_dropout_takes_numpys_course(device):
    def compute():
        D = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dropout(0.5), nn.Dense(8, 1))
        return play("gan", 5, rule=optim.Adam, lr=1e-3, networks={"D": D}, r1=0.1)

    assert_agree(*on_both(compute), 1e-5)


@every_game
@pytest.mark.parametrize("where", ["device", "host"])
def test_a_step_copies_the_minibatches_to_the_device_and_noise_that_was_drawn_on_the_host(name, where, stand_in):
    order, classes = GAMES[name].order.split(), GAMES[name].classes
    copies = order.count("x") * (1 + classes) + 2 * order.count("labelled") + order.count("z") * (where == "host")
    with backend.using("cupy"):
        prior = data.noise(3, rng=np.random.default_rng(0)) if where == "host" else None
        game, batches = players.make(name, prior), players.stream(name)
        game.step(batches)  # the first makes constants and the rules' states
        stand_in.transfers.clear()
        game.step(batches)
        assert stand_in.transfers == {"to_device": copies}


def figures_of_a_step(name, stand_in):
    """Unread, and with the counts at 0."""
    with backend.using("cupy"):
        mg.seed(0)
        figures = players.make(name, dtype="float64").step(players.stream(name))
    stand_in.transfers.clear()
    return figures


@every_game
def test_one_metric_is_one_copy_and_nothing_is_computed_for_the_others(name, stand_in, monkeypatch):
    figures = figures_of_a_step(name, stand_in)
    with monkeypatch.context() as m:
        m.setattr(stand_in, "_result", lambda *_: pytest.fail("something was computed"))
        assert isinstance(figures["loss_D"], float)
        assert stand_in.transfers == {"to_host": 1}
        assert all(key in figures for key in GAMES[name].metrics.split())
        assert figures["loss_D"] == figures.get("loss_D")
    assert stand_in.transfers == {"to_host": 1}
    dict(figures)
    assert stand_in.transfers == {"to_host": 2}


@pytest.mark.parametrize(
    "read",
    [dict, repr, lambda f: {**f}, lambda f: list(f.items()), lambda f: list(f.values()), lambda f: f == {}],
    ids=["dict", "repr", "**", "items", "values", "=="],
)
@pytest.mark.parametrize("name", ["gan", "began", "ebgan", "semi_supervised"])
def test_all_metrics_are_one_copy_and_kept(name, read, stand_in):
    figures = figures_of_a_step(name, stand_in)
    read(figures)
    assert stand_in.transfers == {"to_host": 1}
    assert all(isinstance(figures[key], float) for key in GAMES[name].metrics.split())
    assert stand_in.transfers == {"to_host": 1}


@every_game
def test_a_metric_is_the_same_read_alone_and_with_the_others(name, device):
    def compute():
        mg.seed(0)
        return players.make(name, dtype="float64").step(players.stream(name))

    with backend.using("cupy"):
        alone, together = compute(), dict(compute())
    assert {key: alone[key] for key in reversed(GAMES[name].metrics.split())} == together


def test_a_minibatch_that_is_on_the_device_is_not_copied(stand_in):
    with backend.using("cupy"):
        game, x = players.make("gan"), mg.Tensor(players.minibatch("gan"), dtype="float32").data
        game.step(iter([x]))
        stand_in.transfers.clear()
        game.step(iter([x]))
    assert not stand_in.transfers


@every_game
def test_a_saved_game_goes_on_bit_for_bit_with_the_devices_noise(name, device):
    with backend.using("cupy"):
        game, batches = players.make(name), players.stream(name)
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
        samples = players.make(name).sample(7, *([1] if GAMES[name].classes else []))
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
    """Noise and all on the device."""
    with backend.using("cupy"):
        assert players.distance_from_the_data_after_training() < 0.5
