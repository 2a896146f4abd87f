"""The trace of a step on the device: the same rows as under NumPy, and the step changes by no bit."""

import numpy as np
import pytest

import minigan as mg
from minigan import backend
from tests.games import players

pytestmark = pytest.mark.usefixtures("device")


def step(name, traced):
    """The parameters after a game's step, and its trace."""
    mg.seed(3)
    game, batches = players.make(name, prior=players.Draws(3)), players.stream(name)
    if not traced:
        game.step(batches)
        return players.values(game.G), None
    with mg.trace(G=game.G, D=game.D) as t:
        game.step(batches)
    return players.values(game.G), t


@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan_gp"])
def test_rows_are_numpys_and_no_bit_changes(name):
    plain, _ = step(name, traced=False)
    found, t = step(name, traced=True)
    for p, q in zip(plain, found, strict=True):
        np.testing.assert_array_equal(p, q)
    with backend.using("numpy"):
        _, expected = step(name, traced=True)
    assert [(row.kind, str(row.place)) for row in t.rows] == [(row.kind, str(row.place)) for row in expected.rows]
    for entry, numpys in zip(t.tensors.values(), expected.tensors.values(), strict=True):
        np.testing.assert_allclose(entry.value.norm, numpys.value.norm, rtol=2e-3, atol=1e-5)
    assert t.lessons == expected.lessons
    assert "nan!" not in str(t)
