"""Where noise is drawn, and what becomes of its generators: seeds, saved states, minibatches that do not notice."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, data
from minigan.backend import random_numbers
from minigan.backend.cupy_generator import DeviceGenerator
from tests.games import players


def test_noise_is_drawn_where_tensors_live_or_on_the_cpu(device):
    here = random_numbers.noise_generator()
    assert here is random_numbers.generator()
    with backend.using("cupy", noise="numpy"):
        assert random_numbers.noise_generator() is here
        assert random_numbers.spawn_noise().random(2).shape == (2,)
    with backend.using("cupy"):
        there = random_numbers.noise_generator()
        assert isinstance(there, DeviceGenerator)
        assert random_numbers.noise_generator() is there
        with backend.using("numpy"):
            assert random_numbers.noise_generator() is here
        rng = np.random.default_rng(0)
        assert random_numbers.noise_generator(rng) is random_numbers.spawn_noise(rng) is rng
        assert random_numbers.noise_generator(there) is there


def test_it_is_the_array_that_says_where(device):
    x = Tensor(np.ones(3))
    there = x.to("cupy")
    assert isinstance(random_numbers.noise_generator(like=there.data), DeviceGenerator)
    with backend.using("cupy"):
        assert random_numbers.noise_generator(like=x.data) is random_numbers.generator()


def test_mg_seed_starts_the_devices_generator_afresh(device):
    with backend.using("cupy"):
        draws = []
        for n in (0, 0, 1):
            mg.seed(n)
            draws.append(mg.dropout(Tensor(np.ones(50, np.float32))).numpy().tolist())
        assert draws[0] == draws[1] != draws[2]


def test_priors_have_streams_of_their_own(device):
    with backend.using("cupy"):
        a, b = (backend.to_numpy(data.noise(5)(20)) for _ in range(2))
        assert not np.array_equal(a, b)


def test_looking_at_the_noise_does_not_change_the_minibatches(device):
    orders = []
    for look in (False, True):
        with backend.using("cupy"):
            mg.seed(0)
            game = players.make("gan")
            if look:
                game.state_dict()
                random_numbers.noise_generator().random(3)
            orders.append(next(data.batches(np.arange(100), size=10)).tolist())
    assert orders[0] == orders[1]


def test_a_game_can_be_saved_where_another_backend_is_chosen(device):
    with backend.using("cupy"):
        game, batches = players.make("gan"), players.stream("gan")
        game.step(batches)
    state = game.state_dict()
    with backend.using("cupy"):
        mg.seed(5)
        other = players.make("gan")
        other.load_state_dict(state)
        assert other.state_dict()["rng"] == state["rng"]
        assert other.state_dict()["prior"] == state["prior"]


def test_a_state_whose_noise_came_from_elsewhere_is_refused_and_changes_nothing(device):
    here = players.make("gan").state_dict()
    with backend.using("cupy"):
        game = players.make("gan")
        before = game.state_dict()
        with pytest.raises(ValueError, match=r"would be on the GPU now; resume with backend.use\('cupy', noise='numpy'\)"):
            game.load_state_dict(here)
        after = game.state_dict()
        assert all(np.array_equal(before["G"][name], after["G"][name]) for name in before["G"])
    with pytest.raises(ValueError, match="drawn on the GPU, and would be on the CPU now; resume with the cupy backend"):
        players.make("gan").load_state_dict(before)


def test_ways_between_two_z_are_the_hosts(device):
    with backend.using("cupy"):
        a, b = data.noise(4)(2)
        for way in (data.lerp, data.slerp):
            points = way(a, b, 3)
            np.testing.assert_allclose(points[[0, 2]], [backend.to_numpy(a), backend.to_numpy(b)], rtol=1e-5)
