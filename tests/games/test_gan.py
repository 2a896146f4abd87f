"""The GAN: what survives a step that fails, memory. Its step by hand: `tests/contracts/test_games.py`."""

import functools
import gc
import itertools
import pickle
import tracemalloc

import pytest

import minigan as mg
from minigan import data, losses
from tests.games import players


def test_ds_flags_are_restored_when_the_g_step_fails():
    game = players.make("gan")
    game.opt_G.step = lambda: 1 / 0
    game.D[0].bias.requires_grad = False
    with pytest.raises(ZeroDivisionError):
        game.step(players.stream("gan"))
    assert [p.requires_grad for p in game.D.parameters()] == [True, False, True, True]


def test_memory_is_steady():
    game, batches, held = players.make("gan", r1=1.0), itertools.repeat(data.ring(256)), []
    for _ in range(20):
        game.step(batches)
    tracemalloc.start()
    try:
        for _ in range(4):
            for _ in range(10):
                game.step(batches)
            gc.collect()  # this also empties the interpreter's lists of blocks to be used again
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # bytes: with one minibatch's array a step, 20,000 in every round; what another test left running may allocate once
    assert min(after - before for before, after in itertools.pairwise(held)) < 10_000


def test_the_players_descend_the_users_pair_of_losses_which_is_a_setting():
    own = losses.GameLoss(losses.discriminator_loss, functools.partial(losses.generator_loss, saturating=True))
    assert (
        repr(own) == "GameLoss(discriminator=discriminator_loss, generator=partial)"
    )  # no address: a saved state has this text
    found = []
    for options in ({"saturating": True}, {"loss": own}, {"loss": losses.hinge_game}):
        mg.seed(0)
        game = players.make("gan", **options)
        figures = game.step(players.minibatches("gan"))
        found.append((game, figures, players.values(game.G) + players.values(game.D)))
    (plain, _, a), (other, figures, b), (hinge, _, c) = found
    assert players.equal(a, b)
    assert not players.equal(a, c)
    assert list(figures) == ["loss_D", "loss_G", "D_real", "D_fake"]
    assert "loss='GameLoss(discriminator=_hinge_discriminator, generator=_critics_generator)'" in repr(hinge)
    for game in (plain, hinge):
        with pytest.raises(ValueError, match=r"saturating is False|loss is"):
            other.load_state_dict(game.state_dict())
    assert pickle.loads(pickle.dumps(hinge)).loss == losses.hinge_game
