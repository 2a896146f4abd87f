"""The critic's curve compared with the exact distance, where games end, and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

import minigan as mg
from demos.wasserstein import learning_curves as demo
from demos.wasserstein import stability
from minigan import nn, optim
from minigan.games import GAN, WGAN, WGANGP
from tests.demos.experiments import broken, judged


def test_the_games_differ_in_nothing_else():
    made, s = {}, demo.QUICK
    for name in demo.GAMES:
        mg.seed(0)
        made[name] = demo.make_game(s, name)
    assert [type(game) for game in made.values()] == [WGAN, WGANGP, WGANGP, GAN]
    assert [getattr(game, "penalty", None) for game in made.values()] == [None, 1, 10, None]
    for player in ("G", "D"):
        first, *others = (np.abs(getattr(game, player)[0].weight.numpy()) for game in made.values())
        assert all((other == first).all() for other in others)
    for name, game in made.items():
        assert type(game.opt_D) is (optim.RMSProp if "clipped" in name else optim.Adam)
        assert (game.k if name == "GAN" else game.n_critic) == s.n_critic
        assert (game.opt_G.lr, game.opt_D.lr) == (s.lr_generator, s.lr_critic)


@pytest.mark.parametrize(
    ("name", "expected"), [("GAN", np.log1p(np.exp(-2)) + np.log1p(np.exp(-4))), ("WGAN-GP, lambda 1", -4 - 2)]
)
def test_the_loss_is_ds_on_the_points_at_hand(name, expected):
    game = demo.make_game(demo.QUICK, name)
    game.D = nn.Dense(2, 1)
    game.D.weight.data, game.D.bias.data = np.array([[1.0], [0.0]], np.float32), np.zeros(1, np.float32)
    x, samples = np.array([[2.0, 5.0]], np.float32), np.array([[-4.0, 5.0]], np.float32)
    assert demo.loss_of(game, x, samples) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_a_critics_curve_falls_with_the_distance_as_g_comes_nearer():
    settings = replace(demo.QUICK, steps=60, moments=12, lr_generator=2e-3, batch=64)
    run = demo.train("WGAN-GP, lambda 10", 0, settings)
    assert run["exact"][-1] < 0.9 * run["exact"][0]
    assert spearmanr(run["estimate"][4:], run["exact"][4:]).statistic > 0.6


def test_the_estimate_is_minus_the_loss_on_the_points_whose_distance_is_measured_in_even_ratios(record):
    lost = record(demo, "loss_of", lambda *arguments: 3.0)
    measured = record(demo.metrics, "wasserstein1", lambda *arguments: 7.0)
    run = demo.train("GAN", 0, replace(demo.QUICK, steps=6, first=2, moments=3))
    assert run["estimate"].tolist() == [-3] * 3
    assert run["exact"].tolist() == [7] * 3
    assert run["samples"].shape == (2500, 2)
    for call, other in zip(lost, measured, strict=True):
        assert call.x is lost[0].x
        assert {id(call.x), id(call.samples)} == {id(points) for points in vars(other).values()}
    at = demo.moments(demo.Curves())
    assert (at[0], at[-1]) == (demo.Curves().first, demo.Curves().steps)
    assert np.ptp(np.diff(np.log(at))[-10:]) < 0.02


@pytest.mark.parametrize(
    ("sign", "misses"), [(1, []), (-1, ["WGAN, clipped: rank correlation in the first tenth, worst seed"])]
)
def test_the_worst_seed_of_the_wgans_decides(sign, misses):
    s = demo.Curves()
    exact = np.linspace(5.0, 1.0, len(demo.moments(s)))
    curves = {name: [exact, exact] for name in demo.GAMES} | {"WGAN, clipped": [exact, sign * exact]}
    samples = demo.RING.sample(100)
    runs = {name: [{"estimate": c, "exact": exact, "samples": samples} for c in of] for name, of in curves.items()}
    assert broken(judged(demo.report, runs, s)) == set(misses)
    m = judged(demo.report, runs, s).metrics
    assert m["WGAN, clipped: rank correlation in the first tenth, worst seed"] == pytest.approx(sign)
    assert m["WGAN-GP, lambda 1: rank correlation after a tenth, worst seed"] == pytest.approx(1)


# --- stability ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [2, 196])
@pytest.mark.parametrize("name", stability.GAMES)
def test_a_game_is_made_as_it_was_chosen_of_24_choices(name, features):
    s = stability.Settings()
    assert len(set(stability.choices(s))) == len(stability.choices(s)) == 24
    game = stability.make_game(name, stability.Choice(3e-3, 5, 3, True), features, s)
    assert type(game) is {"GAN": GAN, "WGAN, clipped": WGAN, "WGAN-GP": WGANGP}[name]
    assert game.opt_G.lr == game.opt_D.lr == 3e-3
    assert (game.k if name == "GAN" else game.n_critic) == 5
    assert [type(layer) for layer in game.D].count(nn.Dense) == 4
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in game.D)
    hidden = game.G if features == 2 else game.G[0]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in hidden) == 3
    assert game.sample(3).shape == (3, features)


def test_halved_images_are_the_means_of_four_pixels():
    images = np.zeros((2, 1, 28, 28), np.float32)
    images[1, 0, :2, 2:4] = [[1, 1], [0, 0]]
    rows = stability.halved(images)
    assert rows.shape == (2, 196)
    assert rows[1, 1] == 0
    assert rows.sum() == -391


def test_the_sliced_distance_of_a_shift_is_its_mean_length_along_the_directions():
    a = np.random.default_rng(0).standard_normal((50, 196))
    assert stability.distance(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    once, twice = stability.distance(a, a + 1), stability.distance(a, a + 2)
    assert twice == pytest.approx(2 * once)
    assert once == pytest.approx(np.sqrt(2 / np.pi), rel=0.15)  # |(1, ..., 1)| = 14, times E |u| = 14 sqrt(2 / pi) / sqrt(196)


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (24, 24, 0.862, 1.0)])
def test_wilsons_interval(hits, n, low, high):
    assert stability.wilson(hits, n) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize(("off", "low", "high"), [(0, 0.5, 1.5), (10, 20, 1e9), (np.nan, np.inf, np.inf)])
def test_where_a_game_ends_is_measured_in_the_datas_own_distance(off, low, high, monkeypatch):
    s = replace(stability.Settings(), steps=1, points=100, parts=1, width=8, rates=(1e-3,))
    x = demo.RING.sample(2000)
    monkeypatch.setattr(GAN, "sample", lambda self, n: x[-n:] + off)
    end = stability.play("GAN", stability.choices(s)[0], "ring", 0, {"ring": (x, stability.own_distance(x, s))}, s)
    assert low <= end <= high


def test_the_shares_that_end_well():
    well, badly = np.full(24, 1.5), np.full(24, 3.0)
    ring, digits = [badly, badly, np.r_[3.0, well[1:]]], [badly, np.r_[1.0, badly[1:]], well]
    claim = judged(stability.report, {"ring": np.array(ring), "digits": np.array(digits)})
    assert [name for name, holds in claim.holds.items() if not holds] == ["GAN: settings that end well"]
    found = [claim.metrics[f"{on}, {name}: settings that end well"] for on in ("ring", "digits") for name in stability.GAMES]
    assert found == [0, 0, 23, 0, 1, 24]
