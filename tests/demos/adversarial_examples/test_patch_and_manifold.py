"""The patch's scenes and rates; the manifold defence where G is nearly perfect."""

from dataclasses import replace

import numpy as np
import pytest

from demos.adversarial_examples import manifold_defense, patch
from demos.kit import digits
from minigan import Tensor, attacks, data, grad, metrics, nn

X, Y = data.glyphs(300, np.random.default_rng(0))
SCENES = patch.scatter(X, np.random.default_rng(0))


def test_a_scene_is_the_digit_at_half_its_size_somewhere():
    small = X.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    corners = [np.argwhere(scene[0] > 0).min(axis=0) for scene in SCENES]
    for image, scene, (top, left) in zip(small / small.max(axis=(1, 2), keepdims=True), SCENES[:, 0], corners, strict=True):
        down, right = np.argwhere(image > 0).min(axis=0)
        np.testing.assert_allclose(scene, np.pad(image, 14)[14 - top + down :, 14 - left + right :][:28, :28], atol=1e-6)
    assert np.std(corners, axis=0).min() > 3


def test_the_digit_that_is_compared_is_cut_out_whole_and_each_patch_is_tried_at_the_same_places():
    rng, settings = np.random.default_rng(0), patch.Settings(patch_steps=1, shares=(0.02, 0.1))
    model = patch.classifier(SCENES, Y, patch.Settings(classifier_steps=20), rng)
    for target in (1, 4):
        found = patch.trained(model, SCENES, Y, target, settings, rng)
        assert found["random"].shape == found["trained"].shape
        assert found["digit"].shape[1] == found["digit"].shape[2] <= 14
        assert found["digit"].sum() == pytest.approx(SCENES[np.argmax(target == Y)].sum(), rel=1e-6)
    rates = patch.success(model, SCENES, Y, found["digit"], 4, settings)
    for i, share in enumerate(settings.shares):
        pasted = attacks.apply_patch(SCENES[np.flatnonzero(Y - 4)], found["digit"], share, np.random.default_rng(i))[0]
        assert rates[i] == pytest.approx((model(pasted).numpy().argmax(axis=1) == 4).mean())


# --- the manifold defence -----------------------------------------------------------------------------------------------


class Album(nn.Module):
    """A generator of all the sums z_1 x_1 + ... + z_10 x_10 of ten images."""

    def __init__(self, images):
        self.images = Tensor(images.reshape(10, 784))

    def forward(self, z):
        return (2.0 * (z @ self.images) - 1.0).reshape(-1, 1, 28, 28)


def zero(x):
    """An encoder that knows nothing: all descents begin at z = 0."""
    return Tensor(np.zeros((len(x), 10), np.float32))


@pytest.fixture(scope="module")
def victim():
    """A classifier, an image of each class, the classes, and a generator of these images."""
    some = np.array([np.argmax(c == Y) for c in range(10)])
    return metrics.train_judge(X, Y, steps=60), X[some], Y[some], digits.in_pixels(Album(X[some]))


def test_where_g_makes_little_but_the_images_the_defence_works(victim):
    judge, x, y, pixels = victim
    settings = manifold_defense.Settings(descents=200, weight=0.0, slack=0.0)
    found = manifold_defense.defend(judge, judge, pixels, zero, (x, y), 0.25, settings)
    attacked = attacks.fgsm(judge, x, y, 0.25)
    np.testing.assert_array_equal(found["attacked"], attacked)
    right = (judge(Tensor(attacked)).numpy().argmax(axis=1) == y).mean()
    assert found["before"] == found["robust"] == right <= 0.2
    assert found["after"] == found["robust after"] >= right + 0.3
    off, change = (np.linalg.norm((found[name] - x).reshape(10, -1), axis=1) for name in ("projected", "attacked"))
    assert (off < 0.7 * change).all()
    assert found["distance"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-5)
    still = manifold_defense.defend(judge, judge, pixels, zero, (x, y), 0.25, replace(settings, descents=1))
    freely = manifold_defense.defend(judge, judge, pixels, zero, (x, y), 0.25, replace(settings, slack=0.25))
    assert freely["distance"] < found["distance"] < still["distance"] / 2  # x is within the slack of the attacked image
    assert still["begun"] == found["begun"] <= 0.2  # of ten times the same image
    t = Tensor(x, requires_grad=True)
    assert (grad(manifold_defense.as_if_identity(pixels, zero, t, settings).sum(), t)[0].numpy() == 1).all()


def test_pairs_keep_to_eta_and_count_where_the_classifier_is_sure_of_both(victim):
    judge, _, _, pixels = victim
    settings = manifold_defense.Settings(pairs=10, attack_steps=15, eta=4.0)
    found = manifold_defense.look_for_pairs(judge, pixels, data.noise(10), settings, np.random.default_rng(1))
    assert (np.linalg.norm(np.subtract(*found["images"]).reshape(10, -1), axis=1) <= 4.0 * (1 + 1e-5)).all()
    logits = [judge(Tensor(images)).numpy() for images in found["images"]]
    np.testing.assert_array_equal(found["seen"], [v.argmax(axis=1) for v in logits])
    sure = [1 / np.exp(v - v.max(axis=1, keepdims=True)).sum(axis=1) for v in logits]  # the largest of the softmax
    np.testing.assert_allclose(found["sure"], sure, rtol=1e-4)
    differ = np.not_equal(*found["seen"])
    assert 0 < found["differ"] == differ.mean()
    assert found["found"] == (differ & (np.min(sure, axis=0) > 0.9)).mean()
