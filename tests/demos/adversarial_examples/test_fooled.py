"""The demo of minimal changes and of rubbish: its metrics against plain NumPy, and its bounds."""

import numpy as np
import pytest

from demos.adversarial_examples import fooled as demo
from demos.adversarial_examples.fooled import Settings
from demos.kit import classifiers
from minigan import attacks, data
from tests.demos.experiments import broken, judged

SMALL = {"steps": 30, "width": 16, "images": 8, "part": 5, "searches": 3, "descents": 20, "noise": 40, "pushed": 10}


def runs(**wrong):
    """Possible results of two seeds; the second is as given."""
    good = {"error": 2.0, "reached": 1.0, "ratio": 0.2, "distortion": 0.06, "chance": 0.0, "accepted": 0.95, "confidence": 0.9}
    found = good | wrong
    return [run | {"accepted": dict.fromkeys(("normal", "uniform", "pushed"), run["accepted"])} for run in (good, found)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"error": 4.0}, ["error, %, worst seed"]),
        ({"reached": 0.94}, ["reach the target, worst seed"]),
        ({"ratio": 0.31}, ["|r| / distance to the class, worst seed"]),
        ({"chance": 0.2}, ["turned by chance, worst seed"]),
        ({"accepted": 0.85}, ["noise accepted, worst seed"]),
    ],
)
def test_the_bounds_are_for_the_worst_seed(wrong, said):
    assert broken(judged(demo.measure, runs(**wrong), Settings())) == set(said)


@pytest.fixture(scope="module")
def experiment():
    """A small experiment, and the images that it learnt from."""
    x, y = data.glyphs(300)
    return demo.experiment(0, Settings(**SMALL | {"images": 20}), x, y, *data.glyphs(40)), x, y


def test_each_image_has_a_target_that_is_not_its_own_and_a_real_image_of_it(experiment):
    found, x, y = experiment
    some = found["shown"]
    assert found["reached"] > 0
    assert (some["target"] != some["labels"]).all()
    np.testing.assert_array_equal(some["p changed"].argmax(axis=1), some["target"])
    for image, target, real in zip(some["x"], some["target"], some["nearest"], strict=True):
        there = x[y == target]
        np.testing.assert_array_equal(real, there[((there - image) ** 2).sum(axis=(1, 2, 3)).argmin()])


def test_pixels_stay_in_the_box(experiment):
    changed = experiment[0]["shown"]["changed"]
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_images_go_in_parts_and_each_keeps_its_target(monkeypatch):
    calls = []

    def attack(model, x, target, **how):
        calls.append(len(x))
        return attacks.minimal.Minimal(x + target.reshape(-1, 1, 1, 1), target > 3)

    monkeypatch.setattr(attacks, "minimal_perturbation", attack)
    x, target = np.random.default_rng(0).random((8, 1, 28, 28)), np.arange(8)
    changed, reached = demo.change(classifiers.network(4), x, target, Settings(images=8, part=5))
    assert calls == [5, 3]
    np.testing.assert_array_equal(changed, x + target.reshape(8, 1, 1, 1))
    np.testing.assert_array_equal(reached, target > 3)


def test_the_nearest_is_looked_for_in_the_targets_class_alone():
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 1, 4, 4)), rng.integers(3, size=30)
    images, target = x[:7] + 0.01, (y[:7] + 1) % 3  # the nearest of all is each one's own, of another class
    distances, which = demo.nearest(images, target, x, y)
    by_hand = np.sqrt(((images[:, None] - x) ** 2).sum(axis=(2, 3, 4)))
    by_hand[target[:, None] != y] = np.inf
    np.testing.assert_array_equal(which, by_hand.argmin(axis=1))
    np.testing.assert_allclose(distances, by_hand.min(axis=1))


def test_the_control_is_as_long():
    rng = np.random.default_rng(0)
    x, lengths = rng.random((5, 1, 28, 28)), np.arange(1.0, 6.0)
    np.testing.assert_allclose(demo.norms(demo.at_random(x, lengths, rng) - x), lengths, rtol=1e-5)


def test_rubbish_is_counted_at_one_half_as_plain_numpy_would():
    model, s = classifiers.network(64), Settings(noise=60, pushed=10)
    for p in model.model.parameters():
        p.data = 4 * p.data  # surer of itself
    found = demo.rubbish(model, np.random.default_rng(3), s)
    noise = np.random.default_rng(3).standard_normal((60, 1, 28, 28), dtype=np.float32)
    h, parameters = noise.reshape(60, 784), [p.numpy() for p in model.model.parameters()]
    for w, b in zip(parameters[::2], parameters[1::2], strict=True):
        v = h @ w + b
        h = np.maximum(v, 0)
    p = np.exp(v - v.max(axis=1, keepdims=True))
    most = (p / p.sum(axis=1, keepdims=True)).max(axis=1)
    assert 0 < found["accepted"]["normal"] < 1
    assert found["accepted"]["normal"] == (most > 0.5).mean()
    assert found["confidence"] == pytest.approx(most[most > 0.5].mean(), rel=1e-4)
    (x, p), (start_x, _) = found["noise"]["pushed"], found["noise"]["uniform"]
    np.testing.assert_array_equal(p.argmax(axis=1), np.arange(6))  # 0, 1, 2, ... as the picture says
    assert 0 <= x.min() <= x.max() <= 1
    assert np.abs(x - start_x).max() <= 20 * 0.02 + 1e-6
