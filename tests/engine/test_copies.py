"""Copies of layers and games, frozen or not: by deepcopy, by pickle and by their state dicts, all that matters is the same."""

import copy
import pickle

import numpy as np
import pytest

from minigan import Tensor, nn
from tests.games import players
from tests.helpers.states import assert_same

IMAGE, ROW = (2, 3, 8, 8), (4, 3)
LAYERS = {  # (how it is made, the shape of its input)
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGE),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), ROW),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), IMAGE),
    "Conv2d": (lambda: nn.Conv2d(3, 2, 3), IMAGE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 2, 3, bias=False), IMAGE),
    "Dense": (lambda: nn.Dense(3, 2), ROW),
    "Dropout": (lambda: nn.Dropout(0.5), ROW),
    "ELU": (lambda: nn.ELU(0.5), ROW),
    "Embedding": (lambda: nn.Embedding(5, 2), None),
    "Flatten": (lambda: nn.Flatten(), IMAGE),
    "LayerNorm": (lambda: nn.LayerNorm(3), ROW),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.1), ROW),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "MinibatchDiscrimination": (lambda: nn.MinibatchDiscrimination(3, 2, 4), ROW),
    "ReLU": (lambda: nn.ReLU(), ROW),
    "Reshape": (lambda: nn.Reshape(3, 1), ROW),
    "Sequential": (lambda: nn.Sequential(nn.Dense(3, 2), nn.BatchNorm1d(2), nn.Tanh(), nn.Dense(2, 1)), ROW),
    "Sigmoid": (lambda: nn.Sigmoid(), ROW),
    "Softmax": (lambda: nn.Softmax(), ROW),
    "Softplus": (lambda: nn.Softplus(), ROW),
    "Tanh": (lambda: nn.Tanh(), ROW),
    "Upsample": (lambda: nn.Upsample(2), IMAGE),
}
COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}
every_copy = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
frozen_or_not = pytest.mark.parametrize("frozen", [False, True], ids=["", "frozen"])


def outputs(layer, shape):
    """In eval mode, so that nothing is drawn."""
    x = np.array([0, 4, 2]) if shape is None else Tensor(np.random.default_rng(0).standard_normal(shape).astype("f4"))
    with nn.eval_mode(layer):
        return layer(x).numpy()


def test_the_list_of_layers_is_complete():
    found = {name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    assert found - {"Module"} == set(LAYERS)


@every_copy
@frozen_or_not
@pytest.mark.parametrize("name", LAYERS)
def test_a_copied_layer_has_the_same_parameters_frozen_as_before(name, frozen, make_copy):
    make, shape = LAYERS[name]
    layer = make()
    layer.requires_grad_(not frozen)
    twin = make_copy(layer)
    assert [(n, p.requires_grad) for n, p in twin.named_parameters()] == [(n, not frozen) for n, _ in layer.named_parameters()]
    assert [p.name for p in twin.parameters()] == [p.name for p in layer.parameters()]
    assert_same(twin.state_dict(), layer.state_dict())
    assert not any(np.shares_memory(p.data, q.data) for p, q in zip(twin.parameters(), layer.parameters(), strict=True))
    np.testing.assert_array_equal(outputs(twin, shape), outputs(layer, shape))
    assert twin.requires_grad_(True).parameters() == [p for p in twin.parameters() if p.requires_grad]


@frozen_or_not
@pytest.mark.parametrize("name", LAYERS)
def test_a_layers_state_dict_makes_another_one_equal_and_leaves_it_frozen_or_not(name, frozen):
    make, shape = LAYERS[name]
    layer, other = make(), make()
    layer.requires_grad_(False)
    other.requires_grad_(not frozen)
    other.load_state_dict(layer.state_dict())
    assert_same(other.state_dict(), layer.state_dict())
    assert [p.requires_grad for p in other.parameters()] == [not frozen] * len(layer.parameters())
    np.testing.assert_array_equal(outputs(other, shape), outputs(layer, shape))


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
