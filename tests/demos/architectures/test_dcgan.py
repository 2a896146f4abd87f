"""DCGAN's demo: the GAN's algorithm between convolutional networks."""

from dataclasses import replace

import numpy as np
import pytest

from demos.architectures import dcgan, shortcomings
from demos.architectures.shortcomings import CONV, ITERATIONS, SECONDS
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.checkpoint import running
from demos.kit.runner.options import common_options
from minigan import data, metrics, nn
from minigan.games import GAN
from tests.demos.running import run, summary_of, training_of

SMALL = ("--quick", "--steps")


def played(monkeypatch, tmp_path, *options):
    """The game and the settings that the demo plays."""
    found = []
    monkeypatch.setattr(digits, "play", lambda claim, game: found.append((game, claim.settings)) or stop())
    with pytest.raises(StopIteration):
        run("dcgan", tmp_path, *options)
    return found[0]


def stop():
    raise StopIteration


def test_the_players_are_dcgans_networks_and_the_game_is_the_gan(tmp_path, monkeypatch):
    game, settings = played(monkeypatch, tmp_path)
    assert type(game) is GAN
    assert any(isinstance(layer, nn.ConvTranspose2d) for layer in game.G)
    assert any(isinstance(layer, nn.Conv2d) for layer in game.D)
    assert game.G[0].weight.shape == (settings["z"], 4 * settings["channels"] * 4 * 4)
    assert game.D[0].weight.shape == (settings["channels"], 1, 4, 4)
    assert game.opt_G.lr == game.opt_D.lr == settings["lr"]


def test_a_quick_run_has_narrow_networks_and_few_steps(tmp_path, monkeypatch):
    game, settings = played(monkeypatch, tmp_path, "--quick")
    assert settings["steps"] <= 100
    assert settings["channels"] < dcgan.Settings.channels
    images = game.G(game.noise(3))
    assert images.shape == (3, 1, 28, 28)
    assert game.D(images).shape == (3, 1)


def test_the_means_of_the_batch_normalisation_are_saved_and_have_moved(tmp_path, small):
    game = training_of(run("dcgan", tmp_path, "--quick", "--steps", "3"))["game"]
    for player in ("G", "D"):
        means = [array for name, array in game[player].items() if name.endswith("running_mean")]
        assert means
        assert all(np.abs(array).max() > 1e-4 for array in means)


# --- against dense players ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [8, 16, 32])
def test_the_dense_players_have_as_many_parameters(channels):
    s = replace(dcgan.Settings(), channels=channels)
    conv, dense = (shortcomings.game(kind, s) for kind in (CONV, SECONDS))
    assert not any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for player in (dense.G, dense.D) for layer in player)
    for mine, yours in ((conv.G, dense.G), (conv.D, dense.D)):
        assert shortcomings.parameters(yours) == pytest.approx(shortcomings.parameters(mine), rel=0.06)
    images = dense.G(dense.noise(3))
    assert images.shape == (3, 1, 28, 28)
    assert dense.D(images).shape == (3, 1)
    assert (dense.opt_G.lr, dense.r1) == (s.dense_lr, s.dense_r1)
    assert (conv.opt_G.lr, conv.r1) == (s.lr, s.r1)


def test_a_dot_is_a_bright_pixel_without_a_bright_neighbour():
    images = np.zeros((2, 1, 28, 28), np.float32)
    images[0, 0, 5, 5:9] = 1  # a stroke
    images[0, 0, 12, 12] = images[0, 0, 13, 13] = 0.9  # a short one, aslant
    assert shortcomings.dots(images) == 0
    images[0, 0, 0, 0] = images[0, 0, 27, 27] = images[1, 0, 20, 3] = 0.6
    images[1, 0, 0, 20] = 0.4  # not bright
    images[1, 0, 20, 27] = 1  # the next row begins elsewhere
    images[1, 0, 21, 0] = 1
    assert shortcomings.dots(images) == 5 / 2


def test_every_kind_plays_every_seed_and_dense_players_more_iterations_in_the_same_time(tmp_path, small, monkeypatch):
    asked = []

    def run_tasks(function, tasks, *shared, steps):
        assert steps == sum(n for *_, n in tasks.values())
        asked.extend(tasks.values())
        return [one_run(i) for i in range(len(tasks))]

    monkeypatch.setattr(dcgan, "run_tasks", run_tasks)
    monkeypatch.setattr(dcgan, "picture", lambda runs, real: None)
    monkeypatch.setattr(dcgan.main, "quick", dcgan.QUICK | {"steps": 3, "seeds": 2, "short_seeds": 3, "pace": 4, "samples": 10})
    run("dcgan", tmp_path, "--quick", "--seed", "7")
    dense = [*[(ITERATIONS, seed, 3) for seed in (7, 8, 9)], *[(SECONDS, seed, 12) for seed in (7, 8)]]
    assert asked == [*dense, (CONV, 8, 3)]  # the first has been played


@pytest.mark.parametrize("kind", [CONV, SECONDS, ITERATIONS])
def test_a_game_has_as_many_iterations_as_it_is_told_and_its_rates_fall_to_0(kind, monkeypatch):
    rates = []
    step = GAN.step
    monkeypatch.setattr(GAN, "step", lambda self, batches: rates.append(self.opt_G.lr) or step(self, batches))
    judge, x = metrics.Judge(np.random.default_rng(0)), data.glyphs(100, rng=np.random.default_rng(0))[0]
    s = replace(dcgan.Settings(), channels=2, samples=20, batch=8, dense_batch=8)
    found = shortcomings.play(kind, 7, 4, judge, x, s)
    first = s.lr if kind == CONV else s.dense_lr
    np.testing.assert_allclose(rates, [first * part for part in (1, 0.75, 0.5, 0.25)])
    assert set(found) == {"frechet", "confident", "dots", "clear", "worst", "seconds"}
    assert found["worst"].shape == (50, 1, 28, 28)
    again = shortcomings.play(kind, 7, 4, judge, x, s)
    assert again["frechet"] == found["frechet"]


def one_run(i):
    return {"frechet": 10.0 + i, "confident": 0.5 + i / 100, "dots": 1.0 + i / 100, "clear": [0.5] * 10, "seconds": 2.0}


@pytest.mark.parametrize(("sign", "holds"), [(1, True), (-1, False)])
def test_the_bounds_and_the_words_follow_the_interval(sign, holds, tmp_path):
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "dcgan"), {})

    def side(better):
        figures = {"frechet": 50 - 20 * better, "confident": 0.5 + better / 5, "dots": 2 - better}
        return [one_run(0) | {name: value + i / 100 for name, value in figures.items()} for i in range(3)]

    runs = {CONV: side(sign), SECONDS: side(-sign), ITERATIONS: side(-sign)}
    dcgan.measure(claim, runs, {"dots": 0.0})
    assert len(claim.holds) == 4
    assert set(claim.holds.values()) == {holds}
    assert claim.words(dcgan.DISTANCES).count("(helps)" if holds else "(hurts)") == 2


@pytest.mark.slow
def test_in_a_small_version_convolution_helps_and_dense_players_in_its_place_are_found_out(tmp_path):
    s = replace(dcgan.Settings(), channels=8, samples=500)
    x, y = data.glyphs(3_000, rng=np.random.default_rng(0))
    judge = metrics.train_judge(x, y, steps=300)
    dense = [shortcomings.play(ITERATIONS, seed, 240, judge, x, s) for seed in range(6)]
    conv = [shortcomings.play(CONV, seed, 240, judge, x, s) for seed in range(3)]
    for side, holds in ((conv, True), (dense[3:], False)):
        claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "dcgan"), {})
        dcgan.measure(claim, {CONV: side, ITERATIONS: dense[:3], SECONDS: dense[:3]}, {"dots": 0.0})
        assert claim.holds["Frechet distance: convolutional less dense, as many iterations"] == holds
        running.close()


@pytest.mark.slow
def test_a_small_version_learns_to_draw_all_digits(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(dcgan.main, "settings", dcgan.Settings(lr=2e-3))
    monkeypatch.setattr(metrics, "train_judge", lambda x, y, steps, train=metrics.train_judge: train(x, y, steps=300))
    monkeypatch.setattr(digits, "SAMPLES", 1000)
    start = summary_of(run("dcgan", tmp_path / "start", "--quick", "--steps", "1"))["metrics"]["samples"]
    end = summary_of(run("dcgan", tmp_path / "end", "--quick", "--steps", "1200"))["metrics"]["samples"]
    assert end["classes"] >= 9
    assert end["confident"] > 0.4
    assert end["kl"] < 0.3
    assert end["frechet"] < start["frechet"] / 5
