"""Random numbers: seeds, streams of their own, and states that are saved."""

import numpy as np
import pytest

import minigan as mg
from minigan.backend import random_numbers


def test_what_is_spawned_is_a_stream_of_its_own_and_depends_on_the_seed_and_not_on_what_others_draw():
    first, second = random_numbers.spawn().random(3), random_numbers.spawn().random(3)
    default = random_numbers.generator().random(3)
    mg.seed(0)
    np.testing.assert_array_equal(random_numbers.generator().random(3), default)
    np.testing.assert_array_equal(random_numbers.spawn().random(3), first)
    assert not np.array_equal(first, second)
    rng = np.random.default_rng(5)
    assert random_numbers.spawn(rng) is rng


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_continues_from_its_saved_state_also_through_an_npz_file(bits, tmp_path):
    rng, other = np.random.Generator(bits(3)), np.random.Generator(bits(99))
    rng.standard_normal(5, dtype=np.float32)
    np.savez(tmp_path / "state.npz", state=random_numbers.generator_state(rng))
    expected = rng.random(4)
    with np.load(tmp_path / "state.npz") as file:
        random_numbers.set_generator_state(other, file["state"])
    np.testing.assert_array_equal(other.random(4), expected)
