"""DCGAN's demo: the GAN's algorithm between convolutional networks."""

from dataclasses import make_dataclass

import numpy as np
import pytest

from demos.architectures import dcgan
from demos.kit import digits
from minigan import metrics, nn
from minigan.games import GAN
from tests.demos.running import run, summary_of, training_of


def played(monkeypatch, tmp_path, *options):
    """The game and the settings that the demo plays."""
    found = []
    monkeypatch.setattr(digits, "play", lambda args, game, settings: found.append((game, settings)))
    run("dcgan", tmp_path, *options)
    return found[0]


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


@pytest.mark.slow
def test_a_small_version_learns_to_draw_all_digits(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(dcgan, "Settings", make_dataclass("Settings", [("lr", float, 2e-3)], bases=(dcgan.Settings,)))
    monkeypatch.setattr(metrics, "train_judge", lambda x, y, steps, train=metrics.train_judge: train(x, y, steps=300))
    monkeypatch.setattr(digits, "SAMPLES", 1000)
    start = summary_of(run("dcgan", tmp_path / "start", "--quick", "--steps", "1"))["metrics"]["samples"]
    end = summary_of(run("dcgan", tmp_path / "end", "--quick", "--steps", "1200"))["metrics"]["samples"]
    assert end["classes"] >= 9
    assert end["confident"] > 0.4
    assert end["kl"] < 0.3
    assert end["frechet"] < start["frechet"] / 5
