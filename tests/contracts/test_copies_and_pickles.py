"""Copies of games, frozen or not: by deepcopy and by pickle, all that matters is the same. Layers: `test_layers.py`."""

import pytest

from tests.contracts.test_layers import every_copy, frozen_or_not
from tests.games import players
from tests.helpers.states import assert_same


@every_copy
@frozen_or_not
@pytest.mark.parametrize("name", players.RULES)
def test_a_copied_game_goes_on_bit_for_bit(name, frozen, make_copy):
    game, batches = players.make(name), players.stream(name)
    game.step(batches)
    if frozen:  # a part of G, as a user would who has trained it elsewhere
        game.G.parameters()[0].requires_grad = False
    twin, same_batches = make_copy(game), make_copy(batches)
    assert [p.requires_grad for p in twin.G.parameters()] == [p.requires_grad for p in game.G.parameters()]
    trained = [p for network in (twin.G, *players.encoder_of(vars(twin))) for p in network.parameters()]
    assert {id(p) for p in trained} == {id(p) for p in twin.opt_G.params}  # one and the same, also in the copy
    rng = game.state_dict()["rng"]
    figures = [dict(game.step(batches)) for _ in range(2)]
    twin.load_state_dict(twin.state_dict() | {"rng": rng})  # minigan's default generator, which both use
    assert [dict(twin.step(same_batches)) for _ in range(2)] == figures
    assert_same(twin.state_dict(), game.state_dict())
