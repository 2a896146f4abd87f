"""The WGAN's demo: an estimate beside the exact distance, two games, five optimizers."""

import re

import numpy as np
import pytest

import minigan as mg
from demos.kit import ring_and_grid
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import parser
from demos.wasserstein import wgan
from minigan import data, metrics, optim
from minigan.games import WGAN, WGANGP
from tests.demos.running import column, history_of, refused, run, samples_of, snapshots_of, summary_of, training_of

SMALL = ("--quick", "--steps")


def made(monkeypatch, tmp_path, *options):
    """The game and the settings that these options lead to."""
    found = []
    monkeypatch.setattr(wgan.main, "experiment", lambda claim, settings: found.append(settings))
    monkeypatch.setattr(Claim, "finish", lambda claim: None)
    wgan.main(["--out", str(tmp_path), *options])
    G, critic = mg.nn.Dense(2, 2), mg.nn.Dense(2, 1)
    return wgan.make_game(found[0], G, critic), found[0]


# --- the distance -------------------------------------------------------------------------------------------------------


def test_the_summary_compares_the_estimate_with_the_exact_distance(quick):
    distance = summary_of(quick("wgan").out)["metrics"]["distance"]
    assert set(distance) == {"rank_correlation", "last_exact", "between_two_samples_of_the_data"}
    assert -1 <= distance["rank_correlation"] <= 1
    assert 0 < distance["between_two_samples_of_the_data"] < 0.5
    assert distance["last_exact"] > distance["between_two_samples_of_the_data"]


def test_the_exact_distance_is_that_of_the_same_samples_to_the_data_at_each_moment(quick):
    out = quick("wgan").out
    found = snapshots_of(out)
    samples, exact = found["samples"], found["exact"]
    assert len(samples) == len(exact) > 5
    mg.seed(0)
    x, n = data.ring(100_000, **ring_and_grid.RING), samples.shape[1]
    for i in (0, len(exact) // 2, -1):
        assert exact[i] == pytest.approx(metrics.wasserstein1(x[:n], samples[i]), rel=1e-6)
    distance = summary_of(out)["metrics"]["distance"]
    assert distance["last_exact"] == exact[-1]
    assert distance["between_two_samples_of_the_data"] == pytest.approx(
        np.mean([metrics.wasserstein1(x[:n], x[i * n : (i + 1) * n]) for i in (1, 2, 3, 4, 5)]), rel=1e-6
    )


def test_the_rank_correlation_is_that_of_the_pictures_dots_without_the_untrained_critics(quick):
    kept = snapshots_of(quick("wgan").out)
    learnt = kept["step"] > kept["step"][-1] / 10
    assert 0 < (~learnt).sum() < 4
    ranks = [kept[name][learnt].argsort().argsort() for name in ("estimate", "exact")]
    found = summary_of(quick("wgan").out)["metrics"]["distance"]["rank_correlation"]
    assert found == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-9)


def test_the_estimate_is_how_much_higher_the_critic_values_data_than_samples(tmp_path, small, monkeypatch):
    monkeypatch.setattr(wgan.WGAN, "step", lambda self, batches: {"loss_D": 0.0, "loss_G": 0.0, "w_estimate": 0.0})
    monkeypatch.setattr(mg.nn.Dense, "forward", lambda self, x: x[:, :1] * 10.0 if self.weight.shape[1] == 1 else x)
    monkeypatch.setattr(mg.nn.ReLU, "forward", lambda self, x: x)
    monkeypatch.setattr(mg.nn.LeakyReLU, "forward", lambda self, x: x)
    monkeypatch.setattr(wgan, "spearmanr", lambda a, b: type("Result", (), {"statistic": 0.0}))
    found = snapshots_of(run("wgan", tmp_path, *SMALL, "2"))
    mg.seed(0)
    samples = found["samples"]
    x = data.ring(100_000, **ring_and_grid.RING)[: samples.shape[1]]
    expected = 10 * (x[:, 0].mean() - samples[..., 0].mean(axis=1))  # G(z) = z here, and f(x) = 10 x_1
    np.testing.assert_allclose(found["estimate"], expected, atol=1e-4)


def test_the_critics_landscape_is_drawn_from_its_lowest_to_its_highest_value(quick):
    landscape = snapshots_of(quick("wgan").out)["D"]
    assert landscape.shape[1:] == (60, 60)
    np.testing.assert_allclose(landscape.min(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(landscape.max(axis=(1, 2)), 1, atol=1e-6)


def test_the_metrics_are_printed(quick):
    said = quick("wgan").said
    for name in (wgan.RANKS, "modes with 1 % of the samples"):
        assert re.search(rf"^{name} +-?\d", said, re.M)


def claim_of(tmp_path, *options):
    options_of = parser("", data=["ring", "grid"])
    options_of.add_argument("--optimizer")
    return Claim(start(options_of, ["--out", str(tmp_path), *options], "wgan"), {})


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"rho": 0.5}, [wgan.RANKS]),
        ({"rho": None}, [wgan.RANKS]),
        ({"kl": 0.1}, [wgan.EVENNESS]),
        ({"quality": 0.1}, ["share within 3 std"]),
        ({"last": 1.0}, ["exact distance at the end, of that at first"]),
    ],
)
def test_a_curve_that_means_nothing_and_a_generator_that_has_not_learnt_break_bounds(changed, broken, tmp_path):
    figures = {"rho": 0.95, "kl": 0.01, "quality": 0.6, "last": 0.3} | changed
    distance = {"rank_correlation": figures["rho"], "last_exact": figures["last"], "between_two_samples_of_the_data": 0.1}
    reached = {"modes_1pct": 6, "high_quality": figures["quality"], "kl": figures["kl"]}
    claim = claim_of(tmp_path)
    wgan.measure(claim, 2.0, distance, reached, {"high_quality": 0.99}, 8)
    assert [name for name, holds in claim.holds.items() if not holds] == broken


@pytest.mark.parametrize("options", [("--optimizer", "sgd"), ("--data", "grid")])
def test_what_was_chosen_by_hand_is_reported_only(options, tmp_path):
    claim = claim_of(tmp_path, *options)
    distance = {"rank_correlation": 0.0, "last_exact": 1.0, "between_two_samples_of_the_data": 0.1}
    wgan.measure(claim, 1.0, distance, {"modes_1pct": 1, "high_quality": 0.0, "kl": 2.0}, {"high_quality": 0.99}, 8)
    assert claim.holds == {}


def test_the_estimate_in_the_history_is_minus_the_critics_loss(quick):
    out = quick("wgan").out
    np.testing.assert_array_equal(column(out, "w_estimate"), -column(out, "loss_D"))


# --- the two games ------------------------------------------------------------------------------------------------------


def critics_weights(out):
    return np.concatenate([array.ravel() for array in training_of(out)["game"]["D"].values()])


def test_clipping_bounds_the_critics_weights(quick):
    settings = summary_of(quick("wgan").out)["settings"]
    assert (settings["game"], settings["penalty"], settings["optimizer"]) == ("wgan", None, "rmsprop")
    weights = np.abs(critics_weights(quick("wgan").out))
    assert weights.max() == pytest.approx(settings["clip"])
    assert (weights > 0.999 * settings["clip"]).mean() > 0.01


def test_the_other_game_has_a_penalty_and_no_bound(tmp_path, small):
    out = run("wgan", tmp_path, *SMALL, "4", "--game", "wgan-gp")
    settings = summary_of(out)["settings"]
    assert (settings["game"], settings["clip"], settings["optimizer"]) == ("wgan-gp", None, "adam")
    assert list(history_of(out)[0]) == ["step", "loss_D", "loss_G", "w_estimate", "penalty"]
    assert (column(out, "penalty") > 0).all()
    assert np.abs(critics_weights(out)).max() > wgan.SETTINGS["wgan"].clip


def test_the_game_that_is_asked_for_is_played_with_its_settings(tmp_path, monkeypatch):
    game, settings = made(monkeypatch, tmp_path)
    assert (type(game), game.clip, game.n_critic) == (WGAN, settings.clip, settings.n_critic)
    assert settings == wgan.SETTINGS["wgan"]
    game, settings = made(monkeypatch, tmp_path, "--game", "wgan-gp")
    assert (type(game), game.penalty, game.n_critic) == (WGANGP, settings.penalty, settings.n_critic)
    assert settings == wgan.SETTINGS["wgan-gp"]


def test_the_grid_has_25_modes(tmp_path, small):
    summary = summary_of(run("wgan", tmp_path, *SMALL, "2", "--data", "grid"))
    assert summary["metrics"]["perfect_sampler"]["modes_1pct"] == 25
    assert summary["settings"]["data"] == "grid"


# --- the optimizers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rule", "lr"),
    [
        ("rmsprop", optim.RMSProp, wgan.SETTINGS["wgan"].lr),
        ("adam", optim.Adam, wgan.SETTINGS["wgan"].lr),
        ("optimistic-adam", optim.OptimisticAdam, wgan.SETTINGS["wgan"].lr),
        ("sgd", optim.SGD, wgan.RATES["sgd"]),
        ("omd", optim.OMD, wgan.RATES["omd"]),
    ],
)
def test_an_optimizer_is_that_of_both_players_with_a_rate_that_suits_it(name, rule, lr, tmp_path, monkeypatch):
    game, settings = made(monkeypatch, tmp_path, "--optimizer", name)
    assert type(game.opt_G) is type(game.opt_D) is rule
    assert game.opt_G.lr == game.opt_D.lr == settings.lr == lr
    assert settings.optimizer == name


def test_another_optimizer_changes_the_settings_and_the_result(tmp_path, small):
    usual, other = (
        run("wgan", tmp_path / "usual", *SMALL, "3"),
        run("wgan", tmp_path / "omd", *SMALL, "3", "--optimizer", "omd"),
    )
    settings = summary_of(other)["settings"]
    assert (settings["optimizer"], settings["lr"]) == ("omd", wgan.RATES["omd"])
    assert not np.array_equal(samples_of(usual)["samples"], samples_of(other)["samples"])


@pytest.mark.parametrize("options", [("--optimizer", "adagrad"), ("--game", "gan"), ("--data", "mnist")])
def test_unknown_choices_are_refused_with_those_that_exist(options, capsys):
    assert re.search(
        rf"argument {options[0]}: invalid choice: '{options[1]}' \(choose from .*\)", refused("wgan", capsys, *options)
    )


# --- the claim ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("game", ["wgan", "wgan-gp"])
def test_the_critics_estimate_follows_the_exact_distance(game, tmp_path, no_pictures):
    metrics = summary_of(run("wgan", tmp_path, "--game", game))["metrics"]
    assert metrics["distance"]["rank_correlation"] >= 0.8
    assert metrics["distance"]["last_exact"] < 0.5
