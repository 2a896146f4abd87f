"""The conditional GAN's demo: G draws the digit that it is asked for."""

import numpy as np
import pytest

from demos.kit import digits
from minigan.games import Conditional, ConditionalGAN
from tests.demos.running import run, samples_of, summary_of


@pytest.mark.slow
def test_all_classes_are_asked_for_equally_often_and_the_summary_has_each_ones_share(quick):
    out = quick("cgan").out
    labels, found = samples_of(out)["labels"], summary_of(out)["metrics"]
    assert labels.dtype.kind == "i"
    assert np.bincount(labels).tolist() == [500] * 10
    samples = found["samples"]
    assert samples["accuracy"] == pytest.approx(np.mean(samples["class_accuracy"]))
    assert samples["worst_class"] == min(samples["class_accuracy"])
    assert "accuracy" in found["real_images"]  # the judge's own
    assert found["of the class asked for"] == samples["accuracy"]
    assert found["of the class asked for, worst class"] == samples["worst_class"]


def test_both_networks_are_told_the_class_and_another_class_is_another_image_of_the_same_z(tmp_path, monkeypatch):
    played = []
    monkeypatch.setattr(digits, "play", lambda claim, game: played.append((game, claim.settings)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("cgan", tmp_path, "--quick")
    [(game, settings)] = played
    assert type(game) is ConditionalGAN
    assert type(game.G) is type(game.D) is Conditional
    assert game.G.classes == game.D.classes == 10
    assert game.G.network[0].weight.shape[0] == settings["z"] + 10
    assert game.D.network[0].weight.shape[:2] == (settings["channels"], 1 + 10)
    z = np.repeat(game.prior(1), 10, axis=0)
    images = game.sample(10, y=np.arange(10), z=z)
    assert len(np.unique(images.reshape(10, 784), axis=0)) == 10
