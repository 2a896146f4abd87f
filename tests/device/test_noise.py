"""Where noise is drawn, and what becomes of its generators: seeds, saved states, minibatches that do not notice."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, data
from minigan.backend import random_numbers
from minigan.backend.cupy_generator import DeviceGenerator
from tests.device.comparing import everything_is_on
from tests.games import players


def test_noise_is_drawn_where_tensors_live_or_on_the_cpu(device):
    here, x = random_numbers.noise_generator(), Tensor(np.ones(3))
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
        assert random_numbers.noise_generator(like=x.data) is here  # it is the array that says where
    assert isinstance(random_numbers.noise_generator(like=x.to("cupy").data), DeviceGenerator)
    there, critic = Tensor(np.ones((3, 2), np.float32)).to("cupy"), lambda x: (x * x).sum(axis=1)
    assert everything_is_on(device, mg.dropout(there), mg.losses.gradient_penalty(critic, there, there * 2.0))


@pytest.mark.parametrize("kind", ["normal", "uniform", "sphere"])
def test_a_prior_draws_on_the_device_from_a_stream_of_its_own(kind, device):
    with backend.using("cupy"):
        prior, other = data.noise(5, kind), data.noise(5, kind)
        z = prior(4)
        assert everything_is_on(device, z)
        assert z.dtype == np.float32
        assert not np.array_equal(backend.to_numpy(other(4)), backend.to_numpy(z))
        if kind == "sphere":
            np.testing.assert_allclose(np.linalg.norm(backend.to_numpy(z), axis=1), np.sqrt(5), rtol=1e-5)
        for way in (data.lerp, data.slerp):
            points = way(z[0], z[1], 3)
            np.testing.assert_allclose(points[[0, 2]], [backend.to_numpy(z[0]), backend.to_numpy(z[1])], rtol=1e-5)


def test_a_state_is_saved_under_any_backend_and_refused_unchanged_where_noise_would_come_from_elsewhere(device):
    here = players.make("gan").state_dict()
    with backend.using("cupy"):
        game = players.make("gan")
    before = game.state_dict()  # where another backend is chosen
    with backend.using("cupy"):
        mg.seed(5)
        other = players.make("gan")
        other.load_state_dict(before)
        assert (other.state_dict()["rng"], other.state_dict()["prior"]) == (before["rng"], before["prior"])
        with pytest.raises(ValueError, match=r"would be on the GPU now; resume with backend.use\('cupy', noise='numpy'\)"):
            game.load_state_dict(here)
        after = game.state_dict()
        assert all(np.array_equal(before["G"][name], after["G"][name]) for name in before["G"])
    with pytest.raises(ValueError, match="drawn on the GPU, and would be on the CPU now; resume with the cupy backend"):
        players.make("gan").load_state_dict(before)
