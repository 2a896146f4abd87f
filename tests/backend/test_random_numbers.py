"""Random numbers: seeds, streams of their own, where noise is drawn, and states that are saved."""

import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import backend, data, nn
from minigan.backend import random_numbers


def drawn():
    """Numbers from all that draws by default."""
    return [*nn.Dense(3, 2).state_dict().values(), data.ring(4), data.noise(3)(2), random_numbers.generator().random(2)]


@pytest.mark.parametrize("n", [0, 1])
def test_the_same_seed_gives_the_same_numbers(n):
    mg.seed(n)
    first = drawn()
    mg.seed(n)
    for a, b in zip(first, drawn(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_seed_0_is_a_seed_like_any_other():
    draws = []
    for n in (0, 0, 1):
        mg.seed(n)
        draws.append(random_numbers.generator().random())
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.slow
def test_without_a_seed_every_process_draws_differently():
    code = "from minigan import random_numbers; print(random_numbers.generator().random())"
    first, second = (subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2))
    assert first != second


def test_what_is_spawned_depends_on_the_seed_and_not_on_what_others_draw():
    quiet = random_numbers.spawn().random(3)
    mg.seed(0)
    random_numbers.generator().random(1000)
    np.testing.assert_array_equal(random_numbers.spawn().random(3), quiet)


def test_each_spawned_generator_has_a_stream_of_its_own():
    a, b = random_numbers.spawn(), random_numbers.spawn()
    assert not np.array_equal(a.random(3), b.random(3))


def test_drawing_from_a_spawned_generator_does_not_move_the_default_one():
    expected = random_numbers.generator().random(3)
    mg.seed(0)
    random_numbers.spawn().random(10)
    np.testing.assert_array_equal(random_numbers.generator().random(3), expected)


def test_spawn_returns_the_generator_that_it_is_given():
    rng = np.random.default_rng(5)
    assert random_numbers.spawn(rng) is rng


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_continues_from_its_saved_state(bits):
    rng = np.random.Generator(bits(3))
    rng.standard_normal(5, dtype=np.float32)
    state = random_numbers.generator_state(rng)
    expected = rng.random(4)
    other = np.random.Generator(bits(99))
    random_numbers.set_generator_state(other, state)
    np.testing.assert_array_equal(other.random(4), expected)


def test_a_state_survives_an_npz_file(tmp_path):
    rng = random_numbers.spawn()
    np.savez(tmp_path / "state.npz", state=random_numbers.generator_state(rng))
    expected = rng.random(3)
    with np.load(tmp_path / "state.npz") as file:
        random_numbers.set_generator_state(rng, file["state"])
    np.testing.assert_array_equal(rng.random(3), expected)


@pytest.mark.parametrize(("name", "noise"), [("numpy", "cupy"), ("cupy", "jax"), ("numpy", 3)])
def test_noise_from_anywhere_else_is_refused(name, noise, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", np)  # which answers to the name and computes
    with pytest.raises(backend.BackendError, match="choose None or 'numpy'"):
        backend.use(name, noise=noise)
    assert backend.name() == "numpy"


def test_generators_of_noise_refuse_seeds():
    with pytest.raises(TypeError, match="expected a generator"):
        random_numbers.noise_generator(3)
