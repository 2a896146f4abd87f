"""What each rank takes: all ranks together see what one process sees, and the position of one is that of all."""

import copy
import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import data, games, losses, nn, ops, optim
from minigan.backend import random_numbers
from minigan.data.shares import RowsGenerator
from tests.helpers.ranks import Comm

X, Y = np.arange(60.0).reshape(30, 2), np.arange(30)
any_number = pytest.mark.parametrize("size", [1, 2, 3, 6])


def comms(size):
    return [Comm(rank, size) for rank in range(size)]


def stream(seed=1):
    return data.batches(X, Y, size=6, rng=np.random.default_rng(seed))


@any_number
def test_the_ranks_rows_make_up_the_minibatches_and_any_number_of_ranks_goes_on(size):
    whole, shares = stream(), [data.share(stream(), comm) for comm in comms(3)]
    for x, y in itertools.islice(whole, 7):
        parts = [next(share) for share in shares]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), x)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), y)
    assert shares[1].state_dict() == whole.state_dict()
    resumed = [data.share(stream(2), comm) for comm in comms(size)]
    for share in resumed:
        share.load_state_dict(shares[1].state_dict())
    np.testing.assert_array_equal(np.concatenate([next(share)[0] for share in resumed]), next(whole)[0])
    assert repr(resumed[0]).startswith(f"rank 0 of {size}'s share of Batches of 6 out of 30: ")


def mixing_weights(m):
    """The points at which the gradient penalty looks, between 0 and 1: its random weights."""
    seen = []
    real, fake = mg.Tensor(np.ones((m, 2), np.float32)), mg.Tensor(np.zeros((m, 2), np.float32))
    losses.gradient_penalty(lambda x: (seen.append(x.numpy()), mg.sum(x * x, axis=1))[1], real, fake)
    return seen[-1]


def two_draws(kind):
    def draw(m):
        prior = data.noise(5, kind)
        return np.stack([prior(m), prior(m)], axis=1)

    return draw


DRAWS = {
    **{kind: two_draws(kind) for kind in ("normal", "uniform", "sphere")},
    "dropout": lambda m: ops.dropout(np.ones((m, 3, 2, 2), np.float32)).numpy(),
    "the penalty's mixing weights": mixing_weights,
}


@any_number
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_ranks_noise_makes_up_what_one_process_draws_without_sharing(draw, size):
    parts = []
    for comm in comms(size):
        mg.seed(7)
        with data.shared_noise(comm):
            parts.append(draw(12 // size))
    mg.seed(7)
    assert len({part.shape for part in parts}) == 1
    np.testing.assert_array_equal(np.concatenate(parts), draw(12))


def test_weights_minibatches_data_samples_and_the_default_state_are_as_before():
    def drawn():
        mg.seed(7)
        G, D = nn.Dense(2, 2), nn.Dense(2, 1)
        game = games.GAN(G, D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
        return [G.weight.numpy(), data.ring(9), next(data.batches(X, size=6)), game.sample(5)]

    expected, before = drawn(), random_numbers.generators_state()
    with data.shared_noise(Comm(1, 3)):
        found = drawn()
        assert random_numbers.generators_state() == before
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_after_the_block_its_priors_still_share_and_a_state_is_that_of_all_ranks_and_goes_on_on_any_number():
    states, rows = [], []
    for comm in comms(3):
        mg.seed(7)
        with data.shared_noise(comm):
            prior = data.noise(2)
        assert {type(rng) for rng in (*prior.generator.spawn(1), copy.deepcopy(prior.generator))} == {RowsGenerator}
        prior(4)
        states.append(prior.state_dict())
        rows.append(prior(2))
    assert type(random_numbers.noise_generator()) is np.random.Generator
    assert states[0] == states[1] == states[2]
    alone = data.noise(2)
    alone.load_state_dict(states[1])
    np.testing.assert_array_equal(alone(6), np.concatenate(rows))
