"""The conditional GAN's demo: G draws the digit that it is asked for."""

import numpy as np
import pytest

from demos.architectures import cgan
from demos.kit import digits
from minigan import metrics
from minigan.games import Conditional, ConditionalGAN
from tests.demos.running import run, samples_of, summary_of


def played(monkeypatch, tmp_path, *options):
    """The game and the settings that the demo plays."""
    found = []
    monkeypatch.setattr(digits, "play", lambda claim, game: found.append((game, claim.settings)) or stop())
    with pytest.raises(StopIteration):
        run("cgan", tmp_path, *options)
    return found[0]


def stop():
    raise StopIteration


@pytest.mark.slow
def test_the_labels_are_all_classes_equally_often(quick):
    labels = samples_of(quick("cgan").out)["labels"]
    assert labels.shape == (5000,)
    assert labels.dtype.kind == "i"
    assert np.bincount(labels).tolist() == [500] * 10


@pytest.mark.slow
def test_the_summary_says_how_many_samples_are_of_the_class_asked_for(quick):
    found = summary_of(quick("cgan").out)["metrics"]
    samples = found["samples"]
    assert len(samples["class_accuracy"]) == 10
    assert samples["accuracy"] == pytest.approx(np.mean(samples["class_accuracy"]))  # each class was asked for equally often
    assert samples["worst_class"] == min(samples["class_accuracy"])
    assert "accuracy" in found["real_images"]  # the judge's own
    assert found["of the class asked for"] == samples["accuracy"]
    assert found["of the class asked for, worst class"] == samples["worst_class"]


def test_both_networks_are_told_the_class(tmp_path, monkeypatch):
    game, settings = played(monkeypatch, tmp_path)
    assert type(game) is ConditionalGAN
    assert type(game.G) is type(game.D) is Conditional
    assert game.G.classes == game.D.classes == 10
    assert game.G.network[0].weight.shape[0] == settings["z"] + 10
    assert game.D.network[0].weight.shape[:2] == (settings["channels"], 1 + 10)
    assert game.prior(3).shape == (3, settings["z"])


def test_g_draws_images_and_d_returns_a_logit_for_each(tmp_path, monkeypatch):
    game, settings = played(monkeypatch, tmp_path, "--quick")
    images = game.G(game.noise(3), np.array([0, 5, 9]))
    assert images.shape == (3, 1, 28, 28)
    assert game.D(images, np.array([0, 5, 9])).shape == (3, 1)
    assert settings["steps"] <= 100
    assert settings["channels"] < cgan.Settings.channels


def test_another_class_is_another_image_of_the_same_z(tmp_path, monkeypatch):
    game, _ = played(monkeypatch, tmp_path, "--quick")
    z = np.repeat(game.prior(1), 10, axis=0)
    assert len(np.unique(game.sample(10, y=np.arange(10), z=z).reshape(10, -1), axis=0)) == 10


@pytest.mark.slow
def test_a_small_version_learns_to_draw_the_class_that_it_is_asked_for(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(cgan.main, "settings", cgan.Settings(lr=2e-3))
    monkeypatch.setattr(metrics, "train_judge", lambda x, y, steps, train=metrics.train_judge: train(x, y, steps=300))
    monkeypatch.setattr(digits, "SAMPLES", 1000)
    samples = summary_of(run("cgan", tmp_path, "--quick", "--steps", "1200"))["metrics"]["samples"]
    assert samples["accuracy"] > 0.5  # 0.1 by chance
    assert samples["worst_class"] > 0.2
    assert samples["confident"] > 0.4
