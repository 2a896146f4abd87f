"""DCGAN's demo: the GAN's algorithm between convolutional networks, compared with dense ones; bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

from demos.architectures import dcgan, shortcomings
from demos.architectures.shortcomings import CONV, ITERATIONS, SECONDS
from minigan import data, metrics, nn
from minigan.games import GAN
from tests.demos.experiments import broken, judged
from tests.demos.running import run, training_of


def test_the_convolutional_game_is_played_and_its_batch_normalisation_is_saved(tmp_path, small):
    game = training_of(run("dcgan", tmp_path, "--quick", "--steps", "3"))["game"]
    for player in ("G", "D"):
        means = [array for name, array in game[player].items() if name.endswith("running_mean")]
        assert means
        assert all(np.abs(array).max() > 1e-4 for array in means)


@pytest.mark.parametrize("channels", [8, 16, 32])
def test_the_dense_players_have_as_many_parameters(channels):
    s = replace(dcgan.Settings(), channels=channels)
    conv, dense = (shortcomings.game(kind, s) for kind in (CONV, SECONDS))
    assert type(conv) is type(dense) is GAN
    assert conv.G[0].weight.shape == (s.z, 4 * channels * 4 * 4)
    assert conv.D[0].weight.shape == (channels, 1, 4, 4)
    for mine, yours in ((conv.G, dense.G), (conv.D, dense.D)):
        assert any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in mine)
        assert not any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in yours)
        assert shortcomings.parameters(yours) == pytest.approx(shortcomings.parameters(mine), rel=0.06)
    assert dense.D(dense.G(dense.noise(3))).shape == (3, 1)
    assert (dense.opt_G.lr, dense.r1, conv.opt_G.lr, conv.r1) == (s.dense_lr, s.dense_r1, s.lr, s.r1)


def test_a_dot_is_a_bright_pixel_without_a_bright_neighbour():
    images = np.zeros((2, 1, 28, 28), np.float32)
    images[0, 0, 5, 5:9] = 1  # a stroke
    images[0, 0, 12, 12] = images[0, 0, 13, 13] = 0.9  # a short one, aslant
    assert shortcomings.dots(images) == 0
    images[0, 0, 0, 0] = images[0, 0, 27, 27] = images[1, 0, 20, 3] = 0.6
    images[1, 0, 0, 20] = 0.4  # not bright
    images[1, 0, 20, 27] = images[1, 0, 21, 0] = 1  # the next row begins elsewhere
    assert shortcomings.dots(images) == 5 / 2


def one_run(i):
    return {"frechet": 10.0 + i, "confident": 0.5 + i / 100, "dots": 1.0 + i / 100, "clear": [0.5] * 10, "seconds": 2.0}


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


@pytest.mark.parametrize("kind", [CONV, SECONDS])
def test_a_game_has_as_many_iterations_as_asked_and_its_rates_fall_to_0(kind, monkeypatch):
    rates = []
    monkeypatch.setattr(GAN, "step", lambda self, batches: rates.append((self.opt_G.lr, len(next(batches)))))
    judge, x = metrics.Judge(np.random.default_rng(0)), data.glyphs(100)[0]
    s = replace(dcgan.Settings(), channels=2, samples=20, batch=8, dense_batch=9)
    assert shortcomings.play(kind, 7, 4, judge, x, s)["worst"].shape == (50, 1, 28, 28)
    first, size = (s.lr, 8) if kind == CONV else (s.dense_lr, 9)
    np.testing.assert_allclose(rates, [(first * part, size) for part in (1, 0.75, 0.5, 0.25)])


def sides(better):
    figures = {"frechet": 50 - 20 * better, "confident": 0.5 + better / 5, "dots": 2 - better}
    return [one_run(0) | {name: value + i / 100 for name, value in figures.items()} for i in range(3)]


@pytest.mark.parametrize(("sign", "misses"), [(1, 0), (-1, 4)])
def test_convolution_has_to_help_by_every_measure(sign, misses):
    runs = {CONV: sides(sign), SECONDS: sides(-sign), ITERATIONS: sides(-sign)}
    assert len(broken(judged(dcgan.measure, runs, {"dots": 0.0}))) == misses


@pytest.mark.slow
def test_in_a_small_version_convolution_helps_and_dense_players_in_its_place_are_found_out():
    s = replace(dcgan.Settings(), channels=8, samples=500)
    x, y = data.glyphs(3_000, rng=np.random.default_rng(0))
    judge = metrics.train_judge(x, y, steps=300)
    dense = [shortcomings.play(ITERATIONS, seed, 240, judge, x, s) for seed in range(6)]
    conv = [shortcomings.play(CONV, seed, 240, judge, x, s) for seed in range(3)]
    for side, holds in ((conv, True), (dense[3:], False)):
        found = judged(dcgan.measure, {CONV: side, ITERATIONS: dense[:3], SECONDS: dense[:3]}, {"dots": 0.0}).holds
        assert found["Frechet distance: convolutional less dense, as many iterations"] == holds
