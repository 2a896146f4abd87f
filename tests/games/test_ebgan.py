"""EBGAN: the unit of the energy, codes of zeros, learning. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, nn, optim
from tests.games import players


def test_an_energy_is_the_length_of_the_difference_not_its_mean_square():
    """Margins of published runs are in this unit: 784 pixels that are off by 1/2 have the energy 14, in the mean square 1/4."""
    D = nn.Sequential(nn.Flatten(), nn.Dense(784, 784), nn.Reshape(1, 28, 28))
    for p in D.parameters():
        p.data = np.zeros(p.shape, "float32")
    networks = {"G": nn.Sequential(nn.Dense(3, 784), nn.Reshape(1, 28, 28)), "D": D}
    game = players.make("ebgan", rule=optim.SGD, lr=0.0, networks=networks)
    assert game.step(iter([np.full((3, 1, 28, 28), 0.5)]))["D_real"] == pytest.approx(14, rel=1e-6)


def test_codes_may_be_maps_and_a_code_of_zeros_has_a_gradient_of_zeros():
    S = Tensor(np.random.default_rng(0).standard_normal((3, 2, 2, 2)))
    assert losses.pull_away_term(S).item() == pytest.approx(losses.pull_away_term(S.reshape(3, 8)).item())
    zeros = Tensor(np.zeros((3, 2)), requires_grad=True)
    np.testing.assert_array_equal(mg.grad(losses.pull_away_term(zeros), zeros)[0].numpy(), 0)


def test_d_raises_the_energy_of_fakes_to_the_margin_and_lowers_the_datas():
    watch = players.record("ebgan", 16, rule=optim.Adam, lr=0.05, margin=3.0)
    watch.game.opt_G.lr = 0.0
    figures = watch.play(100)
    assert figures["D_real"] < 0.5
    assert figures["D_fake"] > 2.5
