"""The critic's curve beside the exact distance after a quick run, and what is measured."""

from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

import minigan as mg
from demos.wasserstein import learning_curves as demo
from minigan import nn
from minigan.games import GAN, WGAN, WGANGP
from tests.demos.running import assert_shows_something, summary_of


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning_curves")
    demo.main(["--quick", "--out", str(folder)])
    return folder


def test_the_claim_holds(out):
    summary = summary_of(out)
    assert len(summary["holds"]) == 2
    assert all(summary["holds"].values()), summary["holds"]
    assert {path.name for path in out.iterdir()} == {"learning_curves.png", "summary.json"}
    assert_shows_something(out / "learning_curves.png")


def test_the_gans_curve_follows_less_and_it_ends_further_away(out):
    found = summary_of(out)["metrics"]
    assert found["GAN: rank correlation, worst seed"] < found["WGAN-GP: rank correlation, worst seed"] - 0.2
    assert found["GAN: exact W1 at the end, worst seed"] > found["WGAN-GP: exact W1 at the end, worst seed"]
    assert found["two samples of the data: exact W1"] < 0.3


def test_the_games_differ_in_nothing_else():
    made = {}
    for name in demo.GAMES:
        mg.seed(0)
        made[name] = demo.make_game(demo.QUICK, name)
    assert [type(game) for game in made.values()] == [WGANGP, WGAN, GAN]
    weights = [game.G[0].weight.numpy() for game in made.values()] + [game.D[0].weight.numpy() for game in made.values()]
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[3], weights[5])
    assert made["GAN"].k == made["WGAN-GP"].n_critic == made["WGAN, clipped"].n_critic == demo.QUICK.n_critic
    assert len({(game.opt_G.lr, game.opt_D.lr) for game in made.values()}) == 1


@pytest.mark.parametrize(("name", "expected"), [("GAN", np.log1p(np.exp(-2)) + np.log1p(np.exp(-4))), ("WGAN-GP", -4 - 2)])
def test_the_loss_is_ds_on_the_points_at_hand(name, expected):
    game = demo.make_game(demo.QUICK, name)
    game.D = nn.Dense(2, 1)
    game.D.weight.data, game.D.bias.data = np.array([[1.0], [0.0]], np.float32), np.zeros(1, np.float32)
    x, samples = np.array([[2.0, 5.0]], np.float32), np.array([[-4.0, 5.0]], np.float32)
    assert demo.loss_of(game, x, samples) == pytest.approx(expected, rel=1e-6)


def test_a_training_is_looked_at_in_even_intervals():
    settings = replace(demo.QUICK, steps=6, moments=3)
    run = demo.train(settings, tqdm(disable=True), 0, "GAN")
    assert run["estimate"].shape == run["exact"].shape == (3,)
    assert run["samples"].shape == (2500, 2)
    assert (run["exact"] > 0).all()
