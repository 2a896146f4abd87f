"""The critic's curve beside the exact distance, and what is measured."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.wasserstein import learning_curves as demo
from demos.wasserstein import stability
from minigan import nn
from minigan.games import GAN, WGAN, WGANGP
from tests.demos.running import assert_shows_something, smaller_run, summary_of


@pytest.mark.slow
def test_a_run_has_every_games_figures(tmp_path):
    settings = replace(stability.QUICK, steps=3, hidden=(1,), width=8, points=40)
    out = smaller_run(demo, tmp_path, curves=replace(demo.QUICK, steps=8, moments=4), stability=settings)
    summary = summary_of(out)
    assert summary["holds"] == {}  # so short a run can show nothing
    assert summary["metrics"]["two samples of the data: exact W1"] < 0.5
    for name in demo.GAMES:
        assert f"{name}: rank correlation, worst seed" in summary["metrics"]
    assert {path.stem for path in out.glob("*.png")} == {"learning_curves", "curves", "samples", "stability"}
    for path in out.glob("*.png"):
        assert_shows_something(path)


def test_the_games_differ_in_nothing_else():
    made = {}
    for name in demo.GAMES:
        mg.seed(0)
        made[name] = demo.make_game(demo.QUICK, name)
    assert [type(game) for game in made.values()] == [WGAN, WGANGP, WGANGP, GAN]
    assert [game.penalty for game in made.values() if isinstance(game, WGANGP)] == [1, 10]
    for player in ("G", "D"):
        first, *others = (getattr(game, player)[0].weight.numpy() for game in made.values())
        for other in others:
            np.testing.assert_array_equal(np.abs(other), np.abs(first))
    assert made["GAN"].k == demo.QUICK.n_critic
    assert {game.n_critic for name, game in made.items() if name != "GAN"} == {demo.QUICK.n_critic}
    assert len({(game.opt_G.lr, game.opt_D.lr) for game in made.values()}) == 1


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


def claim_of(tmp_path):
    return Claim(start(common_options(""), ["--out", str(tmp_path)], "learning_curves"), {})


def test_the_worst_seed_of_the_wgans_decides(tmp_path):
    s = demo.Curves()
    exact = np.linspace(5.0, 1.0, len(demo.moments(s)))
    samples = demo.RING.sample(100)

    def found(curve):
        curves = {name: [exact, exact] for name in demo.GAMES} | {"WGAN, clipped": [exact, curve]}
        runs = {name: [{"estimate": c, "exact": exact, "samples": samples} for c in of] for name, of in curves.items()}
        claim = claim_of(tmp_path)
        demo.report(claim, runs, s)
        return claim

    assert all(found(exact).holds.values())
    claim = found(-exact)
    assert [name for name, holds in claim.holds.items() if not holds] == [
        "WGAN, clipped: rank correlation in the first tenth, worst seed"
    ]
    assert claim.metrics["WGAN, clipped: rank correlation in the first tenth, worst seed"] == pytest.approx(-1)
    assert claim.metrics["WGAN-GP, lambda 1: rank correlation after a tenth, worst seed"] == pytest.approx(1)


def test_the_estimate_is_minus_the_loss_on_the_points_whose_distance_is_measured(monkeypatch):
    lost, measured = [], []
    monkeypatch.setattr(demo, "loss_of", lambda game, x, samples: lost.append((x, samples)) or 3.0)
    monkeypatch.setattr(demo.metrics, "wasserstein1", lambda x, samples: measured.append((x, samples)) or 7.0)
    run = demo.train("GAN", 0, replace(demo.QUICK, steps=2, moments=2, first=1))
    assert run["estimate"].tolist() == [-3, -3]
    assert run["exact"].tolist() == [7, 7]
    for (x, samples), (y, others) in zip(lost, measured, strict=True):
        assert x is y
        assert samples is others
    assert lost[0][0] is lost[1][0]


def test_a_training_is_looked_at_in_even_ratios():
    s = demo.Curves()
    at = demo.moments(s)
    assert (at[0], at[-1]) == (s.first, s.steps)
    assert np.ptp(np.diff(np.log(at))[-10:]) < 0.02
    run = demo.train("GAN", 0, replace(demo.QUICK, steps=6, first=2, moments=3))
    assert run["estimate"].shape == run["exact"].shape == (3,)
    assert run["samples"].shape == (2500, 2)
    assert (run["exact"] > 0).all()


# --- stability ------------------------------------------------------------------------------------------------------------


def test_there_are_24_settings_for_each_game():
    every = stability.choices(stability.Settings())
    assert len(set(every)) == len(every) == 24


@pytest.mark.parametrize("features", [2, 196])
@pytest.mark.parametrize("name", stability.GAMES)
def test_a_game_is_made_as_it_was_chosen(name, features):
    s = stability.Settings()
    game = stability.make_game(name, stability.Choice(3e-3, 5, 3, True), features, s)
    assert type(game) is {"GAN": GAN, "WGAN, clipped": WGAN, "WGAN-GP": WGANGP}[name]
    assert game.opt_G.lr == game.opt_D.lr == 3e-3
    assert (game.k if name == "GAN" else game.n_critic) == 5
    assert sum(isinstance(layer, nn.Dense) for layer in game.D) == 4
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
    rng = np.random.default_rng(0)
    a = rng.standard_normal((50, 196))
    assert stability.distance(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    once, twice = stability.distance(a, a + 1), stability.distance(a, a + 2)
    assert twice == pytest.approx(2 * once)
    assert once == pytest.approx(np.sqrt(2 / np.pi), rel=0.15)  # |(1, ..., 1)| = 14, times E |u| = 14 sqrt(2 / pi) / sqrt(196)


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (24, 24, 0.862, 1.0)])
def test_wilsons_interval(hits, n, low, high):
    assert stability.wilson(hits, n) == pytest.approx((low, high), abs=1e-3)


def test_where_a_game_ends_is_measured_in_the_datas_own_distance(monkeypatch):
    s = replace(stability.Settings(), steps=1, points=100, parts=1, width=8, rates=(1e-3,))
    x = demo.RING.sample(2000)
    sets = {"ring": (x, stability.own_distance(x, s))}
    monkeypatch.setattr(GAN, "sample", lambda self, n: x[-n:])
    choice = stability.choices(s)[0]
    assert stability.play("GAN", choice, "ring", 0, sets, s) == pytest.approx(1, abs=0.5)
    monkeypatch.setattr(GAN, "sample", lambda self, n: x[-n:] + 10)
    assert stability.play("GAN", choice, "ring", 0, sets, s) > 20
    monkeypatch.setattr(GAN, "sample", lambda self, n: np.full((n, 2), np.nan))
    assert stability.play("GAN", choice, "ring", 0, sets, s) == np.inf


def test_the_shares_and_the_title(tmp_path):
    well, badly = np.full(24, 1.5), np.full(24, 3.0)
    claim = claim_of(tmp_path)
    stability.report(
        claim,
        {"ring": np.array([badly, badly, np.r_[3.0, well[1:]]]), "digits": np.array([badly, np.r_[1.0, badly[1:]], well])},
    )
    assert [name for name, holds in claim.holds.items() if not holds] == ["GAN: settings that end well"]
    said = stability.title(claim)
    assert "GAN 0 / 0, WGAN, clipped 0 / 1, WGAN-GP 23 / 24" in said
    assert "beside the GAN: WGAN, clipped no difference beyond chance, WGAN-GP more" in said
