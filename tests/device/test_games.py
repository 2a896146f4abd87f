"""Every game on a device: nothing copied inside a step, one wait for the metrics, noise, saving and resuming."""

import numpy as np
import pytest

import minigan as mg
from minigan import backend, data
from tests.device.comparing import assert_agree
from tests.games import players
from tests.games.players import GAMES

every_game = pytest.mark.parametrize("name", GAMES)


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


def figures_of_a_step(name):
    mg.seed(0)
    with backend.using("cupy"):
        return players.make(name, dtype="float64").step(players.stream(name))


@every_game
def test_one_metric_is_one_copy_and_all_are_one_more_and_the_same(name, stand_in, monkeypatch):
    figures, names = figures_of_a_step(name), GAMES[name].metrics.split()
    stand_in.transfers.clear()
    with monkeypatch.context() as m:
        m.setattr(stand_in, "_result", lambda *_: pytest.fail("something was computed"))
        assert figures["loss_D"] == figures.get("loss_D")
        assert all(key in figures for key in names)
    assert stand_in.transfers == {"to_host": 1}
    together = dict(figures)
    assert stand_in.transfers == {"to_host": 2}
    alone = figures_of_a_step(name)
    assert {key: alone[key] for key in reversed(names)} == together


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
