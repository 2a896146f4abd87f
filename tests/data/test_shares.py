"""What each rank takes: all ranks together see what one process sees, and the position of one is that of all."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import minigan as mg
from minigan import data, games, losses, nn, ops, optim
from minigan.backend import random_numbers
from minigan.data.shares import RowsGenerator
from tests.helpers.ranks import Comm

X, Y = np.arange(60.0).reshape(30, 2), np.arange(30)
SIZES = [1, 2, 3, 6]
any_number = pytest.mark.parametrize("size", SIZES)


def comms(size):
    return [Comm(rank, size) for rank in range(size)]


def stream(*arrays):
    return data.batches(*arrays, size=6, rng=np.random.default_rng(1))


def joined(draw, size):
    """What the ranks draw, one after another; each begins afresh."""
    parts = []
    for comm in comms(size):
        mg.seed(7)
        parts.append(draw(comm))
    assert len({part.shape for part in parts}) == 1
    return np.concatenate(parts)


# --- minibatches --------------------------------------------------------------------------------------------------------


@any_number
def test_the_ranks_rows_make_up_the_minibatches_that_one_process_draws(size):
    shares = [data.share(stream(X), comm) for comm in comms(size)]
    for expected in itertools.islice(stream(X), 12):
        np.testing.assert_array_equal(np.concatenate([next(share) for share in shares]), expected)


def test_tuples_are_shared_array_by_array():
    (x, y), (all_x, all_y) = next(data.share(stream(X, Y), Comm(1, 3))), next(stream(X, Y))
    np.testing.assert_array_equal(x, all_x[2:4])
    np.testing.assert_array_equal(y, all_y[2:4])


@pytest.mark.parametrize("other", SIZES)
def test_the_position_is_the_streams_and_goes_on_on_another_number_of_ranks(other):
    whole, share = stream(X), data.share(stream(X), Comm(1, 2))
    for _ in range(7):
        next(whole)
        next(share)
    assert share.state_dict() == whole.state_dict()
    resumed = [data.share(data.batches(X, size=6), comm) for comm in comms(other)]
    for part in resumed:
        part.check_state_dict(share.state_dict())
        part.load_state_dict(share.state_dict())
    np.testing.assert_array_equal(np.concatenate([next(part) for part in resumed]), next(whole))


def test_a_position_in_other_data_is_refused():
    with pytest.raises(ValueError, match=r"^load_state_dict: batches\.checksum is"):
        data.share(stream(X), Comm()).check_state_dict(stream(X + 1).state_dict(), "batches")


def test_ranks_that_do_not_divide_a_minibatch_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"^share: a minibatch has 6 rows; expected a multiple of 4, the ranks$"):
        next(data.share(stream(X), Comm(0, 4)))


def test_other_things_than_streams_and_communicators_are_refused():
    with pytest.raises(TypeError, match=r"^share: batches is a ndarray; expected an iterator"):
        data.share(X, Comm())
    with pytest.raises(TypeError, match=r"^share: comm is 4; expected a communicator of mpi4py"):
        data.share(stream(X), 4)
    with pytest.raises(TypeError, match=r"^shared_noise: comm is None"), data.shared_noise(None):
        pass


def test_repr_says_whose_share_of_what():
    assert repr(data.share(stream(X), Comm(1, 3))).startswith("rank 1 of 3's share of Batches of 6 out of 30: ")


# --- noise --------------------------------------------------------------------------------------------------------------


def shared(draw):
    """The same draw in a block of shared noise, by a rank, and its share of 12 rows."""

    def by(comm):
        with data.shared_noise(comm):
            return draw(12 // comm.size)

    return by


def seeded(draw):
    mg.seed(7)
    return draw(12)


DRAWS = {
    **{
        kind: lambda m, kind=kind: np.stack([(p := data.noise(5, kind))(m), p(m)], 1)
        for kind in ("normal", "uniform", "sphere")
    },
    "dropout": lambda m: ops.dropout(np.ones((m, 3, 2, 2), np.float32)).numpy(),
}


@any_number
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_ranks_noise_makes_up_what_one_process_draws_without_sharing(draw, size):
    np.testing.assert_array_equal(joined(shared(draw), size), seeded(draw))


@any_number
def test_the_penaltys_mixing_weights_are_shared(size):
    seen = []

    def draw(m):
        real, fake = mg.Tensor(np.ones((m, 2), np.float32)), mg.Tensor(np.zeros((m, 2), np.float32))
        losses.gradient_penalty(lambda x: (seen.append(x.numpy()), mg.sum(x * x, axis=1))[1], real, fake)
        return seen[-1]

    np.testing.assert_array_equal(joined(shared(draw), size), seeded(draw))


def test_weights_minibatches_data_and_samples_are_drawn_as_before():
    def drawn():
        mg.seed(7)
        G, D = nn.Dense(2, 2), nn.Dense(2, 1)
        game = games.GAN(G, D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
        return [G.weight.numpy(), data.ring(9), next(data.batches(X, size=6)), game.sample(5)]

    expected = drawn()
    with data.shared_noise(Comm(1, 3)):
        found = drawn()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_after_the_block_nothing_is_shared_but_its_priors_are():
    with data.shared_noise(Comm(1, 2)):
        prior = data.noise(3)
    assert type(random_numbers.noise_generator()) is np.random.Generator
    mg.seed(0)
    np.testing.assert_array_equal(prior(2), data.noise(3)(4)[2:])


def test_a_priors_state_is_that_of_all_ranks_and_goes_on_on_any_number():
    states, rows = [], []
    for comm in comms(3):
        mg.seed(7)
        with data.shared_noise(comm):
            prior = data.noise(2)
        prior(4)
        states.append(prior.state_dict())
        rows.append(prior(2))
    assert states[0] == states[1] == states[2]
    alone = data.noise(2)
    alone.load_state_dict(states[1])
    np.testing.assert_array_equal(alone(6), np.concatenate(rows))


def test_the_default_generators_state_is_as_without_sharing():
    before = random_numbers.generators_state()
    with data.shared_noise(Comm(1, 3)):
        assert random_numbers.generators_state() == before


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda g: pickle.loads(pickle.dumps(g)), "spawn": lambda g: g.spawn(1)[0]}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_copies_and_children_share_too(make_copy):
    found = make_copy(RowsGenerator(np.random.default_rng(4), 1, 3))
    whole = np.random.Generator(copy.deepcopy(found.bit_generator))
    np.testing.assert_array_equal(found.random((2, 5)), whole.random((6, 5))[2:4])


def test_single_numbers_are_the_same_on_all_ranks():
    a, b = (RowsGenerator(np.random.default_rng(4), rank, 2) for rank in range(2))
    assert a.random() == b.random()
    assert a.standard_normal(()) == b.standard_normal(())
    assert a.random(3).tolist() != b.random(3).tolist()
    assert a.integers(10**9) == b.integers(10**9)
