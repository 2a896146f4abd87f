"""A hundred labels and a GAN: the labels that are drawn, the fairness of the comparison, and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.training import semi_supervised as demo
from minigan import Tensor, data
from tests.demos.experiments import broken, judged

TINY = replace(demo.Settings(), steps=4, width=8, batch=25, z=4, labels=20, looks=2, seeds=1)


def test_every_class_has_as_many_labels_and_every_seed_others():
    y, drawn = data.glyphs(200)[1], []
    for seed in (0, 0, 1):
        mg.seed(seed)
        drawn.append(demo.some_of_each(y, 30))
        np.testing.assert_array_equal(np.bincount(y[drawn[-1]]), [3] * 10)
        assert len(set(drawn[-1])) == 30
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert set(drawn[0]) != set(drawn[2])


def test_both_kinds_begin_alike_and_alone_d_sees_only_labelled_images_and_g_stands_still(monkeypatch):
    """And the features that are matched are D without its last layer."""
    x, y = data.glyphs(200)
    games, seen, inputs, found, make, noisy = [], [], [], {}, demo.SemiSupervisedGAN, demo.Noise.forward

    def forward(layer, x):
        if layer.training and x.shape[1] == 784:
            inputs.append(x.numpy())
        return noisy(layer, x)

    monkeypatch.setattr(demo.Noise, "forward", forward)

    class Watched(make):
        def __init__(self, *players):
            super().__init__(*players)
            assert self.opt_D.lr == {0: TINY.lr, 1: TINY.lr_alone}[len(games)]
            games.append((self, [{k: np.array(v) for k, v in p.state_dict().items()} for p in (self.G, self.D)]))

        def descend(self, optimizer, loss):
            seen.append(optimizer)
            super().descend(optimizer, loss)

    monkeypatch.setattr(demo, "SemiSupervisedGAN", Watched)
    batches = []
    draw = data.batches
    monkeypatch.setattr(data, "batches", lambda *arrays, size: batches.append((arrays, size)) or draw(*arrays, size=size))
    for kind in ("gan", "alone"):
        found[kind] = demo.train(kind, 3, TINY, x, y, (x, y))
    (gan, before_gan), (alone, before_alone) = games
    for a, b in zip(before_gan, before_alone, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)
    np.testing.assert_array_equal(found["gan"]["labelled"], found["alone"]["labelled"])
    assert [optimizer is alone.opt_D for optimizer in seen[-TINY.steps :]] == [True] * TINY.steps
    assert len(seen) == 3 * TINY.steps
    known = {image.tobytes() for image in found["alone"]["labelled"]}
    assert all(image.tobytes() in known for images in inputs[-TINY.steps :] for image in images)
    assert all(np.array_equal(before_alone[0][name], p.numpy()) for name, p in alone.G.named_parameters())
    (labelled, size), (unlabelled, of_all) = batches[:2]
    np.testing.assert_array_equal(labelled[0], found["gan"]["labelled"])
    assert (size, unlabelled[0] is x, of_all) == (TINY.batch_labelled, True, TINY.batch)
    assert all(a is b for a, b in zip(gan.features, gan.D, strict=False))
    assert len(gan.features) == len(gan.D) - 1
    np.testing.assert_array_equal(found["gan"]["step"], [2, 4])
    assert found["gan"]["samples"].shape == (100, 1, 28, 28)


def test_noise_is_on_in_training_alone():
    x, noise = Tensor(np.zeros((200, 50), np.float32)), demo.Noise(0.3)
    hissing = noise(x).numpy()
    assert hissing.dtype == np.float32
    assert (hissing.std(), hissing.mean()) == pytest.approx((0.3, 0), abs=0.02)
    assert noise.eval()(x) is x


RATIO, CHANGE = "errors, with the GAN / alone, worst", "change of errors (points)"


@pytest.mark.parametrize(
    ("gan", "misses"), [([8, 9, 10], []), ([8, 9, 13], [RATIO]), ([24, 26, 23], [RATIO, CHANGE])]
)  # one draw of the labels is enough
def test_half_the_errors_with_every_draw_of_the_labels_is_what_is_claimed(gan, misses):
    runs = {kind: [{"error": [99.0, e]} for e in errors] for kind, errors in (("gan", gan), ("alone", [24, 25, 23]))}
    assert broken(judged(demo.measure, runs, TINY)) == set(misses)
