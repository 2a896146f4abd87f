"""The WGAN's demo: an estimate compared with the exact distance, two games, five optimizers."""

from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from demos.kit import ring_and_grid
from demos.kit.claim import Claim
from demos.wasserstein import wgan
from minigan import data, metrics, optim
from minigan.games import WGAN, WGANGP
from tests.demos.running import column, refused, run, snapshots_of, summary_of, training_of

# --- the distance -------------------------------------------------------------------------------------------------------


def test_the_exact_distance_is_that_of_the_same_samples_to_the_data_and_its_ranks_leave_out_untrained_critics(quick):
    out = quick("wgan").out
    found, distance = snapshots_of(out), summary_of(out)["metrics"]["distance"]
    samples, exact = found["samples"], found["exact"]
    mg.seed(0)
    x, n = data.ring(100_000, **ring_and_grid.RING), samples.shape[1]
    for i in (0, len(exact) // 2, -1):
        assert exact[i] == pytest.approx(metrics.wasserstein1(x[:n], samples[i]), rel=1e-6)
    assert distance["last_exact"] == exact[-1]
    floor = np.mean([metrics.wasserstein1(x[:n], x[i * n : (i + 1) * n]) for i in (1, 2, 3, 4, 5)])
    assert distance["between_two_samples_of_the_data"] == pytest.approx(floor, rel=1e-6)
    learnt = found["step"] > found["step"][-1] / 10
    assert 0 < (~learnt).sum() < 4
    ranks = [found[name][learnt].argsort().argsort() for name in ("estimate", "exact")]
    assert distance["rank_correlation"] == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-9)
    np.testing.assert_allclose(found["D"].min(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(found["D"].max(axis=(1, 2)), 1, atol=1e-6)
    np.testing.assert_array_equal(column(out, "w_estimate"), -column(out, "loss_D"))


def test_the_estimate_is_how_much_higher_the_critic_values_data_than_samples(tmp_path, small, monkeypatch):
    monkeypatch.setattr(wgan.WGAN, "step", lambda self, batches: {"loss_D": 0.0, "loss_G": 0.0, "w_estimate": 0.0})
    monkeypatch.setattr(mg.nn.Dense, "forward", lambda self, x: x[:, :1] * 10.0 if self.weight.shape[1] == 1 else x)
    monkeypatch.setattr(mg.nn.ReLU, "forward", lambda self, x: x)
    monkeypatch.setattr(mg.nn.LeakyReLU, "forward", lambda self, x: x)
    monkeypatch.setattr(wgan, "spearmanr", lambda a, b: SimpleNamespace(statistic=0.0))
    found = snapshots_of(run("wgan", tmp_path, "--quick", "--steps", "2"))
    mg.seed(0)
    x = data.ring(100_000, **ring_and_grid.RING)[: found["samples"].shape[1]]
    expected = 10 * (x[:, 0].mean() - found["samples"][..., 0].mean(axis=1))  # G(z) = z here, and f(x) = 10 x_1
    np.testing.assert_allclose(found["estimate"], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"rho": 0.5}, [wgan.RANKS]),
        ({"rho": None}, [wgan.RANKS]),
        ({"kl": 0.1}, [wgan.EVENNESS]),
        ({"quality": 0.1}, ["share within 3 std"]),
        ({"last": 1.0}, ["exact distance at the end, of that at first"]),
        ({"rho": 0.5, "optimizer": "sgd"}, []),  # what was chosen by hand is reported only
        ({"rho": 0.5, "data": "grid"}, []),
    ],
)
def test_a_curve_that_means_nothing_and_a_generator_that_has_not_learnt_break_bounds(changed, broken):
    run = {"rho": 0.95, "kl": 0.01, "quality": 0.6, "last": 0.3, "data": "ring", "optimizer": None} | changed
    distance = {"rank_correlation": run["rho"], "last_exact": run["last"], "between_two_samples_of_the_data": 0.1}
    reached = {"modes_1pct": 6, "high_quality": run["quality"], "kl": run["kl"]}
    claim = Claim(SimpleNamespace(quick=False, data=run["data"], optimizer=run["optimizer"]), {})
    wgan.measure(claim, 2.0, distance, reached, {"high_quality": 0.99}, 8)
    assert [name for name, holds in claim.holds.items() if not holds] == broken
    assert bool(claim.holds) == (run["data"] == "ring" and not run["optimizer"])


# --- the games and the optimizers ---------------------------------------------------------------------------------------


def critics_weights(out):
    return np.abs(np.concatenate([array.ravel() for array in training_of(out)["game"]["D"].values()]))


def test_clipping_bounds_the_critics_weights(quick):
    settings, weights = summary_of(quick("wgan").out)["settings"], critics_weights(quick("wgan").out)
    assert (settings["game"], settings["penalty"], settings["optimizer"]) == ("wgan", None, "rmsprop")
    assert weights.max() == pytest.approx(settings["clip"])
    assert (weights > 0.999 * settings["clip"]).mean() > 0.01


def test_the_other_game_has_a_penalty_and_no_bound_and_the_grid_25_modes(tmp_path, small):
    out = run("wgan", tmp_path, "--quick", "--steps", "4", "--game", "wgan-gp", "--data", "grid")
    summary = summary_of(out)
    settings = summary["settings"]
    assert (settings["game"], settings["clip"], settings["optimizer"], settings["data"]) == ("wgan-gp", None, "adam", "grid")
    assert (column(out, "penalty") > 0).all()
    assert critics_weights(out).max() > wgan.SETTINGS["wgan"].clip
    assert summary["metrics"]["perfect_sampler"]["modes_1pct"] == 25


@pytest.mark.parametrize(
    ("options", "kind", "rule", "lr"),
    [
        ((), WGAN, optim.RMSProp, wgan.SETTINGS["wgan"].lr),
        (("--game", "wgan-gp"), WGANGP, optim.Adam, wgan.SETTINGS["wgan-gp"].lr),
        (("--optimizer", "adam"), WGAN, optim.Adam, wgan.SETTINGS["wgan"].lr),
        (("--optimizer", "optimistic-adam"), WGAN, optim.OptimisticAdam, wgan.SETTINGS["wgan"].lr),
        (("--optimizer", "sgd"), WGAN, optim.SGD, wgan.RATES["sgd"]),
        (("--optimizer", "omd"), WGAN, optim.OMD, wgan.RATES["omd"]),
    ],
)
def test_a_game_and_an_optimizer_are_those_asked_for_with_a_rate_that_suits_it(options, kind, rule, lr, tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(wgan.main, "experiment", lambda claim, settings: found.append(settings))
    monkeypatch.setattr(Claim, "finish", lambda claim: None)
    wgan.main(["--out", str(tmp_path), *options])
    game = wgan.make_game(found[0], mg.nn.Dense(2, 2), mg.nn.Dense(2, 1))
    assert (type(game), type(game.opt_G), type(game.opt_D)) == (kind, rule, rule)
    assert game.opt_G.lr == game.opt_D.lr == found[0].lr == lr
    assert game.n_critic == found[0].n_critic
    bound = ("clip", "penalty")[kind is WGANGP]
    assert getattr(game, bound) == getattr(found[0], bound)


@pytest.mark.parametrize(("option", "choice"), [("--optimizer", "adagrad"), ("--game", "gan"), ("--data", "mnist")])
def test_unknown_choices_are_refused_with_those_that_exist(option, choice, capsys):
    assert f"argument {option}: invalid choice: '{choice}' (choose from " in refused("wgan", capsys, option, choice)
