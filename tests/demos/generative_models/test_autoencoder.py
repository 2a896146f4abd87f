"""The demo of the autoencoder: its damage and the obvious remedies by other means, its restorations, and the worst seed."""

from itertools import product

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from demos.generative_models import autoencoder as demo
from demos.generative_models import autoencoders, damage
from demos.generative_models.damage import TASKS, Damage
from minigan import Tensor, data
from tests.demos.experiments import broken

SMALL = demo.Settings(code=3, width=8, channels=1, dense_steps=5, dense_batch=16, conv_steps=5, conv_batch=16)


@pytest.fixture(scope="module")
def images():
    return data.glyphs(200, np.random.default_rng(0))[0]


@pytest.fixture
def harm(images):
    return Damage(images.mean(axis=0), noise=0.5, side=8)


@pytest.fixture
def players():
    return autoencoders.dense_encoder(3, 8), autoencoders.dense_decoder(3, 8)


# --- the damage ---------------------------------------------------------------------------------------------------------


def test_noise_is_gaussian_and_cut_off(harm):
    grey = np.full((500, 1, 28, 28), 0.5, np.float32)
    seen, known = harm("denoising", grey, np.random.default_rng(0))
    assert (seen.dtype, known) == (np.float32, False)
    for share, expected in ((seen == 0, 0.1587), (seen == 1, 0.1587), ((seen > 0.25) & (seen < 0.75), 0.3829)):
        assert share.mean() == pytest.approx(expected, abs=0.005)  # within a standard deviation, or half of one


def test_a_hole_is_a_square_in_the_middle_and_has_the_mean_image_in_it(harm, images):
    seen, known = harm("inpainting", images, np.random.default_rng(0))
    np.testing.assert_array_equal(seen, np.where(known, images, harm.mean))
    missing = ~known[:, 0]
    ends = []
    for axis in (1, 2):
        inside = missing.any(axis=axis)
        assert (inside.sum(axis=1) == 8).all()
        ends.append(inside.argmax(axis=1))
    assert (missing.sum(axis=(1, 2)) == 64).all()
    assert (np.min(ends), np.max(ends)) == (4, 16)
    assert len(set(zip(*ends, strict=True))) > 80


def test_coarse_pixels_are_means_and_the_interpolation_is_bilinear(harm, images):
    small = damage.coarse(images[:5])
    assert small[3, 0, 2, 5] == pytest.approx(images[3, 0, 8:12, 20:24].mean(), rel=1e-5)
    at = (np.arange(28) + 0.5) / 4 - 0.5
    places = np.stack(np.meshgrid(at, at, indexing="ij"))
    expected = [map_coordinates(image, places, order=1, mode="nearest") for image in small[:, 0]]
    seen, known = harm("super-resolution", images[:5], np.random.default_rng(0))
    np.testing.assert_allclose(seen[:, 0], expected, atol=1e-6)
    assert (seen.dtype, known) == (np.float32, False)


def test_each_task_has_its_share_of_a_minibatch(harm, images):
    seen, rng, start = harm.mixed(images[:64], np.random.default_rng(5)), np.random.default_rng(5), 0
    for task, size in zip(TASKS, (8, 16, 24, 16), strict=True):
        part = slice(start, start + size)
        np.testing.assert_array_equal(seen[part], harm(task, images[part], rng)[0])
        start = part.stop
    assert start == len(seen) == 64


# --- the networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", demo.NETWORKS)
def test_the_networks_learn_what_was_before_the_damage(name, harm, images, monkeypatch):
    losses, loop = [], autoencoders.train

    def watched(objective, *rest, **changing):
        losses.append(objective)
        return loop(objective, *rest, **changing)

    monkeypatch.setattr(autoencoders, "train", watched)
    monkeypatch.setattr(harm, "mixed", lambda x, rng: 1 - x)
    Q, P = demo.train(name, images, harm, SMALL, 0)
    assert not Q.training
    assert not P.training
    p = autoencoders.pixels(P, autoencoders.encode(Q, 1 - images)).astype(float)
    expected = -(images * np.log(p) + (1 - images) * np.log(1 - p)).mean()
    assert losses[0](images)[0].item() == pytest.approx(expected, rel=1e-4)


def test_what_is_restored_keeps_known_pixels_and_is_compared_with_what_was_before_the_damage(harm, images, players):
    test = {task: harm(task, images, np.random.default_rng(0)) for task in TASKS}
    found = demo.restorations(*players, test, images)
    Q, P = players
    for task, (seen, known) in test.items():
        expected = np.where(known, seen, autoencoders.pixels(P, Q(Tensor(seen)).numpy()))
        np.testing.assert_allclose(found[task]["images"], expected[: demo.SHOWN], rtol=1e-5)
        assert found[task]["error"] == pytest.approx(((expected - images) ** 2).mean(), rel=1e-5)


def test_known_pixels_stay_after_a_linear_map_too(monkeypatch):
    monkeypatch.setattr(autoencoders, "linear_map", lambda seen, x, others: np.full(others.shape, 7.0))
    seen, known = np.zeros((2, 1, 28, 28)), np.arange(28) < 5
    found = demo.mapped(np.ones((4, 1, 28, 28)), lambda task, x, rng: (x, known), "inpainting", seen, known)
    np.testing.assert_array_equal(found, np.broadcast_to(np.where(known, 0.0, 7.0), found.shape))


def test_ways_lead_from_one_image_to_the_other(images, players):
    (a, b), (Q, P) = (images[:2], images[2:4]), players
    codes, fades = demo.between(Q, P, a, b)
    z = [(i * autoencoders.encode(Q, b) + (7 - i) * autoencoders.encode(Q, a)) / 7 for i in range(8)]
    np.testing.assert_allclose(fades, np.stack([(i * b + (7 - i) * a) / 7 for i in range(8)], axis=1), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(codes, np.stack([autoencoders.pixels(P, code) for code in z], axis=1), rtol=1e-4)


def test_middles_are_compared_with_the_training_images(images, players):
    x = np.concatenate([(images[:20] + images[20:40]) / 2, images[100:]])
    found = demo.middles(*players, images[:40], x)
    assert found["pixels"] == pytest.approx(0, abs=1e-6)
    assert min(found["codes"], found["digit"]) > 1


# --- the worst seed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("worst", "fails"), [(0.7, set()), (0.72, {"remedy"}), (0.9, {"remedy", "linear map"})])
def test_the_worst_seed_has_to_have_half_the_remedys_error(claim, worst, fails):
    x = np.zeros((4, 1, 28, 28))
    good = {task: {"error": 0.1**2} for task in TASKS}
    runs = {"dense": [good, {**good, "denoising": {"error": worst**2}}], "conv": [good, good]}
    runs = {name: [{"restored": run} for run in both] for name, both in runs.items()}
    demo.measure(claim, x, runs, dict.fromkeys(TASKS, x + 1.0), dict.fromkeys(TASKS, x + 0.8), demo.Settings())
    judged = [*product(("remedy",), TASKS), *product(("linear map",), TASKS[1:])]
    bound = "{1}, {2}: {0}'s error over its own, worst seed"
    assert claim.holds.keys() == {bound.format(*pair, name) for pair in judged for name in demo.NETWORKS}
    assert broken(claim) == {bound.format(other, "denoising", "dense") for other in fails}
    assert claim.metrics["denoising, dense: error"] == pytest.approx((worst**2 + 0.01) / 2)


@pytest.mark.parametrize(("worst", "holds"), [(4.9, True), (5.1, False)])
def test_codes_have_to_be_nearer_than_pixels(claim, worst, holds):
    runs = [{"middles": {"codes": codes, "pixels": 5.0, "digit": 2.0}} for codes in (3.0, worst)]
    demo.measure_middles(claim, {"dense": runs, "conv": runs[:1]})
    assert list(claim.holds.values()) == [holds, True]
