"""A hundred labels and a GAN: the labels that are drawn, the fairness of the comparison, and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.training import semi_supervised as demo
from minigan import Tensor, data, nn
from tests.demos.running import assert_shows_something, smaller_run, summary_of

TINY = replace(demo.Settings(), steps=4, width=8, batch=20, z=4, labels=20, looks=2, seeds=1)


@pytest.fixture(scope="module")
def images():
    return data.glyphs(200, np.random.default_rng(0))


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=6, width=16)
    assert {path.name for path in out.iterdir()} == {"semi_supervised.png", "summary.json", "checkpoint.npz"}
    assert summary_of(out)["holds"] == {}
    assert_shows_something(out / "semi_supervised.png")


# --- the labels, and the networks -----------------------------------------------------------------------------------------


def test_every_class_has_as_many_labels_and_every_seed_others(images):
    _, y = images
    drawn = []
    for seed in (0, 0, 1):
        mg.seed(seed)
        drawn.append(demo.some_of_each(y, 30))
    for places in drawn:
        np.testing.assert_array_equal(np.bincount(y[places]), [3] * 10)
        assert len(set(places)) == 30
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert set(drawn[0]) != set(drawn[2])


def test_both_kinds_begin_with_the_same_weights_and_labels(images, monkeypatch):
    started = []
    monkeypatch.setattr(demo, "resumable", lambda steps, name, **parts: started.append(parts["game"].D.state_dict()) or steps)
    x, y = images
    found = [demo.train(kind, 3, TINY, x, y, (x, y))["labelled"] for kind in ("gan", "alone")]
    np.testing.assert_array_equal(*found)
    for name, value in started[0].items():
        np.testing.assert_array_equal(value, started[1][name])


def test_alone_the_network_sees_only_images_with_labels_and_g_stands_still(images, monkeypatch):
    x, y = images
    seen, make, games = [], demo.classifier, []

    class Watched(nn.Sequential):
        def forward(self, images):
            if self.training:
                seen.append(images.numpy().copy())
            return super().forward(images)

    monkeypatch.setattr(demo, "classifier", lambda s: Watched(*make(s)))
    kind = demo.SemiSupervisedGAN
    monkeypatch.setattr(
        demo, "SemiSupervisedGAN", lambda *args: games.append((kind(*args), args[0].state_dict())) or games[-1][0]
    )
    found = demo.train("alone", 3, TINY, x, y, (x, y))
    known = {image.tobytes() for image in found["labelled"]}
    assert len(seen) == TINY.steps
    assert all(image.tobytes() in known for images in seen for image in images)
    ((game, before),) = games
    for name, value in game.G.state_dict().items():
        if "running" not in name:
            np.testing.assert_array_equal(value, before[name])


def test_noise_is_on_in_training_alone():
    x = Tensor(np.zeros((200, 50), np.float32))
    noise = demo.Noise(0.3)
    assert noise(x).numpy().std() == pytest.approx(0.3, rel=0.05)
    assert noise(x).dtype == np.float32
    assert noise(x).numpy().mean() == pytest.approx(0, abs=0.02)
    assert noise.eval()(x) is x


def test_the_features_that_are_matched_are_d_without_its_last_layer(images, monkeypatch):
    made, kind = [], demo.SemiSupervisedGAN
    monkeypatch.setattr(demo, "SemiSupervisedGAN", lambda *args: made.append(kind(*args)) or made[-1])
    x, y = images
    demo.train("gan", 0, TINY, x, y, (x, y))
    D, f = made[0].D, made[0].features
    assert len(f) == len(D) - 1
    assert all(a is b for a, b in zip(f, D, strict=False))
    assert isinstance(D[-1], nn.Dense)
    assert D[-1].bias.shape == (10,)


def test_errors_are_counted_along_the_way_on_unseen_images(images):
    x, y = images
    found = demo.train("gan", 0, TINY, x, y, (x, y))
    np.testing.assert_array_equal(found["step"], [2, 4])
    assert (found["error"] >= 0).all()
    assert found["labelled"].shape == (20, 1, 28, 28)
    assert found["samples"].shape == (100, 1, 28, 28)


# --- the claim ----------------------------------------------------------------------------------------------------------


def measured(out, gan, alone):
    claim = Claim(start(digits.options(""), ["--out", str(out), "--data", "glyphs"], "semi_supervised"), {})
    runs = {"gan": [{"error": [99.0, e]} for e in gan], "alone": [{"error": [99.0, e]} for e in alone]}
    demo.measure(claim, runs, TINY)
    return claim


RATIO, CHANGE = "errors, with the GAN / alone, worst", "change of errors (points)"


@pytest.mark.parametrize(
    ("gan", "alone", "broken"),
    [
        ([8, 9, 10], [24, 25, 23], []),
        ([8, 9, 13], [24, 25, 23], [RATIO]),  # one draw of the labels is enough
        ([24, 26, 23], [24, 25, 23], [RATIO, CHANGE]),
    ],
)
def test_half_the_errors_with_every_draw_of_the_labels_is_what_is_claimed(tmp_path, gan, alone, broken):
    claim = measured(tmp_path, gan, alone)
    assert [name for name, held in claim.holds.items() if not held] == broken
    assert len(claim.holds) == 2
