"""BEGAN's demo: an autoencoder as D, and a thermostat set by --gamma."""

from dataclasses import make_dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from demos.architectures import began
from demos.kit import digits, pictures
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from minigan.games import BEGAN
from tests.demos.running import column, run, samples_of, summary_of, training_of

SMALL = ("--quick", "--steps")


def played(monkeypatch, tmp_path, *options):
    """The game, the settings and the curves' panels that the demo plays with first."""
    found = []
    monkeypatch.setattr(
        digits, "play", lambda claim, game, panels, along: found.append((game, claim.settings, panels)) or stop()
    )
    with pytest.raises(StopIteration):
        run("began", tmp_path, *options)
    return found[0]


def stop():
    raise StopIteration


@pytest.mark.parametrize(("options", "gamma"), [((), began.Settings.gamma), (("--gamma", "0.5"), 0.5), (("--gamma", "0"), 0.0)])
def test_gamma_reaches_the_game_the_settings_and_the_dotted_line(options, gamma, tmp_path, monkeypatch):
    game, settings, panels = played(monkeypatch, tmp_path, *options)
    assert type(game) is BEGAN
    assert game.gamma == settings["gamma"] == gamma
    assert game.lambda_k == settings["lambda_k"]
    [line] = [panel.curves["ratio"][2] for panel in panels if "ratio" in panel.curves]
    assert line == gamma


def test_another_gamma_is_another_run(tmp_path, small):
    usual = run("began", tmp_path / "usual", *SMALL, "6")
    other = run("began", tmp_path / "other", *SMALL, "6", "--gamma", "0.4")
    assert summary_of(usual)["settings"]["gamma"] == began.Settings.gamma
    assert summary_of(other)["settings"]["gamma"] == 0.4
    assert not np.array_equal(samples_of(usual)["samples"], samples_of(other)["samples"])


def test_a_gamma_that_is_no_number_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        began.main(["--gamma", "much"])
    assert end.value.code == 2
    assert "argument --gamma: invalid share value: 'much'" in capsys.readouterr().err


def test_d_is_an_autoencoder_of_images_with_a_narrow_middle(tmp_path, monkeypatch):
    game, settings, _ = played(monkeypatch, tmp_path)
    images = game.G(game.noise(3))
    assert images.shape == game.D(images).shape == (3, 1, 28, 28)
    assert min(p.shape[-1] for p in game.D.parameters()) == settings["code"] < settings["width"]


def test_a_quick_run_has_narrow_networks_and_few_steps(tmp_path, monkeypatch):
    game, settings, _ = played(monkeypatch, tmp_path, "--quick")
    assert settings["steps"] <= 200
    assert settings["width"] < began.Settings.width
    assert game.D(game.G(game.noise(3))).shape == (3, 1, 28, 28)


def test_the_noise_is_uniform(tmp_path, monkeypatch):
    game, settings, _ = played(monkeypatch, tmp_path)
    z = game.prior(500)
    assert z.shape == (500, settings["z"])
    assert 0.99 < np.abs(z).max() <= 1


def test_the_weights_start_so_large_that_gs_first_samples_differ(tmp_path, monkeypatch):
    game, _, _ = played(monkeypatch, tmp_path)
    assert game.sample(200).std(axis=0).mean() > 0.2


def test_the_history_has_the_measure_of_convergence_and_ks_path(tmp_path, small):
    out = run("began", tmp_path, *SMALL, "40")
    gamma, lambda_k = (summary_of(out)["settings"][name] for name in ("gamma", "lambda_k"))
    L_x, L_fake, k = (column(out, name) for name in ("L_x", "loss_G", "k"))
    np.testing.assert_allclose(column(out, "M"), L_x + np.abs(gamma * L_x - L_fake), rtol=1e-5)
    np.testing.assert_allclose(column(out, "ratio"), L_fake / L_x, rtol=1e-5)
    followed = np.clip(k[:-1] + lambda_k * (gamma * L_x - L_fake)[1:], 0, 1)  # --quick keeps every step's figures
    np.testing.assert_allclose(k[1:], followed, atol=1e-6)
    assert training_of(out)["game"]["k"] == pytest.approx(k[-1])


def test_the_curves_are_those_of_the_games_own_figures(tmp_path, small, monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "curves", lambda history, panels: drawn.append((history, panels)))
    run("began", tmp_path, *SMALL, "2", "--gamma", "0.7")
    [(history, panels)] = drawn
    shown = {key for panel in panels for key in panel.curves}
    assert shown == {"L_x", "loss_G", "M", "k", "ratio"}
    assert shown <= set(history[0])


# --- is M a measure of convergence? -------------------------------------------------------------------------------------


def a_run(steps, M, distances, every=10):
    """A training's history and snapshots: M of each iteration, and distances at some moments."""
    history = [{"step": t + 1, "M": M(t + 1), "ratio": 0.7} for t in range(steps)]
    snapshots = [{"step": np.array(i * every), "distance": np.array(d)} for i, d in enumerate(distances)]
    return SimpleNamespace(history=history, snapshots=snapshots)


def test_m_between_two_moments_is_compared_with_the_distance_at_the_second():
    M, distances = began.along_the_training(a_run(30, lambda t: float(t), [90.0, 80.0, 70.0, 60.0]))
    assert M == [5.5, 15.5, 25.5]
    assert distances == [80.0, 70.0, 60.0]


def test_the_late_mean_is_that_of_the_last_part():
    assert began.late([1.0] * 9 + [5.0], 10) == 5.0
    assert began.late([1.0, 2.0, 3.0, 4.0], 2) == 3.5
    assert began.late([2.0], 10) == 2.0


def test_a_ratio_beside_gamma_and_an_m_that_rises_as_the_images_get_better_do_not_hold(tmp_path):
    def judged(run, out):
        claim = Claim(start(common_options(""), ["--out", str(tmp_path / out)], "began"), {"gamma": 0.75})
        began.thermostat(claim, run)
        return claim.holds

    holds = judged(a_run(30, lambda t: float(t), [90.0, 80.0, 70.0, 60.0]), "rises")
    assert holds == {"ratio in the last quarter": True, "rank correlation of M with the Frechet distance": False}
    run = a_run(30, lambda t: -float(t), [90.0, 80.0, 70.0, 60.0])
    for row in run.history:
        row["ratio"] = 0.9
    holds = judged(run, "beside")
    assert holds == {"ratio in the last quarter": False, "rank correlation of M with the Frechet distance": True}


def test_both_gammas_are_played_on_the_same_seeds_and_the_first_game_only_once(tmp_path, small, monkeypatch):
    asked = []

    def run_tasks(function, tasks, *shared, steps):
        asked.extend(tasks.values())
        return [{"M": 1.0 + i, "classes": 3, "Frechet distance": 5.0 + i} for i, _ in enumerate(tasks)]

    monkeypatch.setattr(began, "run_tasks", run_tasks)
    monkeypatch.setattr(began, "picture", lambda along, runs: {gamma: len(side) for gamma, side in runs.items()})
    monkeypatch.setattr(began, "QUICK", began.QUICK | {"steps": 3, "seeds": 2})
    run("began", tmp_path, "--quick", "--seed", "7")
    assert asked == [(0.75, 8), (0.3, 7), (0.3, 8)]


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.5, 0.75])
def test_in_a_small_version_the_ratio_settles_at_gamma_and_m_falls(gamma, tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(began, "Settings", make_dataclass("Settings", [("lr", float, 2e-3)], bases=(began.Settings,)))
    monkeypatch.setattr(digits, "SAMPLES", 100)
    out = run("began", tmp_path, "--quick", "--steps", "1500", "--gamma", str(gamma))
    ratio, m = column(out, "ratio"), column(out, "M")
    late = len(ratio) // 4
    # In so short a run the ratio still swings, and BLAS's rounding, other with every number of threads, decides how: 0.75 and
    # 0.80 were seen.
    assert ratio[-late:].mean() == pytest.approx(gamma, abs=0.1)
    assert m[-late:].mean() < 0.5 * m[:5].mean()


@pytest.mark.slow
def test_without_a_thermostat_the_ratio_does_not_settle_at_gamma(tmp_path, no_pictures, monkeypatch):
    game = began.game
    monkeypatch.setattr(began, "game", lambda gamma, s: game(gamma, replace(s, lambda_k=0.0, lr=2e-3)))
    monkeypatch.setattr(digits, "SAMPLES", 100)
    ratio = column(run("began", tmp_path, "--quick", "--steps", "1500", "--gamma", "0.75"), "ratio")
    assert abs(ratio[-len(ratio) // 4 :].mean() - 0.75) > 0.2
