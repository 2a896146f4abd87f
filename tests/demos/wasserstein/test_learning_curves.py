"""The critic's curve beside the exact distance, and what is measured."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from tqdm import tqdm

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.run import common_options, start
from demos.wasserstein import learning_curves as demo
from minigan import nn
from minigan.games import GAN, WGAN, WGANGP
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run


def test_a_run_has_every_games_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=8, moments=4)
    summary = summary_of(out)
    assert set(summary["holds"]) == {"WGAN, clipped: rank correlation, worst seed", "W1 at the end, best GAN / worst WGAN-GP"}
    assert len(summary["metrics"]) == 3 * 3 + 2
    assert summary["metrics"]["two samples of the data: exact W1"] < 0.3
    assert {path.name for path in out.iterdir()} == {"learning_curves.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "learning_curves.png")


@pytest.mark.slow
def test_the_gans_curve_follows_less_and_it_ends_further_away(tmp_path):
    assert broken_claims(demo, tmp_path) == []
    found = summary_of(tmp_path)["metrics"]
    assert found["GAN: rank correlation, worst seed"] < found["WGAN-GP: rank correlation, worst seed"] - 0.2
    assert found["GAN: exact W1 at the end, worst seed"] > found["WGAN-GP: exact W1 at the end, worst seed"]


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


def test_a_critics_curve_falls_with_the_distance_as_g_comes_nearer():
    settings = replace(demo.QUICK, steps=60, moments=12, lr_generator=2e-3, batch=64)
    run = demo.train(settings, tqdm(disable=True), 0, "WGAN-GP")
    assert run["exact"][-1] < 0.9 * run["exact"][0]
    assert spearmanr(run["estimate"][2:], run["exact"][2:]).statistic > 0.6


def test_the_worst_seed_of_the_clipped_critic_decides_and_the_gan_has_to_end_further_away(tmp_path):
    def found(agreeing, gan, penalised):
        exact = np.arange(5.0, 0.0, -1.0)
        curves = {"WGAN, clipped": [exact, exact if agreeing else -exact]}
        ends = {"WGAN-GP": penalised, "WGAN, clipped": 1.0, "GAN": gan}
        samples = demo.RING.sample(100)
        runs = {
            name: [{"estimate": c, "exact": exact * end, "samples": samples} for c in curves.get(name, [exact, exact])]
            for name, end in ends.items()
        }
        claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "learning_curves"), {})
        demo.report(claim, runs, demo.QUICK)
        return list(claim.holds.values()), claim.metrics

    holds, metrics = found(True, 3.0, 1.0)
    assert holds == [True, True]
    assert metrics["W1 at the end, best GAN / worst WGAN-GP"] == pytest.approx(3)
    assert metrics["WGAN-GP: rank correlation, worst seed"] == pytest.approx(1)
    assert found(False, 3.0, 1.0)[0] == [False, True]
    assert found(True, 1.0, 1.0)[0] == [True, False]


def test_the_estimate_is_minus_the_loss_on_the_points_whose_distance_is_measured(monkeypatch):
    lost, measured = [], []
    monkeypatch.setattr(demo, "loss_of", lambda game, x, samples: lost.append((x, samples)) or 3.0)
    monkeypatch.setattr(demo.metrics, "wasserstein1", lambda x, samples: measured.append((x, samples)) or 7.0)
    run = demo.train(replace(demo.QUICK, steps=2, moments=2), tqdm(disable=True), 0, "WGAN-GP")
    assert run["estimate"].tolist() == [-3, -3]
    assert run["exact"].tolist() == [7, 7]
    for (x, samples), (y, others) in zip(lost, measured, strict=True):
        assert x is y
        assert samples is others
    assert lost[0][0] is lost[1][0]


def test_a_training_is_looked_at_in_even_intervals():
    settings = replace(demo.QUICK, steps=6, moments=3)
    run = demo.train(settings, tqdm(disable=True), 0, "GAN")
    assert run["estimate"].shape == run["exact"].shape == (3,)
    assert run["samples"].shape == (2500, 2)
    assert (run["exact"] > 0).all()
