"""The demo of the manifold defence: its figures; the defence where G is nearly perfect; pairs."""

from dataclasses import replace

import numpy as np
import pytest

from demos.adversarial_examples import manifold_defense
from demos.kit import digits
from minigan import Tensor, attacks, data, metrics, nn, sigmoid
from tests.demos.experiments import broken, judged
from tests.demos.running import smaller_run, summary_of


@pytest.mark.slow
def test_the_figures_of_a_quick_run_follow_from_its_accuracies(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "glyphs", lambda n, make=data.glyphs: make(min(n, 300)))
    summary = summary_of(smaller_run(manifold_defense, tmp_path))
    found = summary["metrics"]
    assert found["lost_to_the_attack"] == pytest.approx(found["attacked_0"] - found["attacked_0.25"])
    assert found["cost_without_attack"] == pytest.approx(found["attacked_0"] - found["projected_0"])
    assert set(summary["holds"]) == {"accuracy that FGSM takes in so few steps"}
    assert "this shows the attack, not the defense" in capsys.readouterr().out


def row(epsilon, before, after):
    figures = {"before": before, "after": after, "begun": 0.5, "robust": before, "robust after": after, "distance": 3.0}
    return {"epsilon": epsilon, **figures}


def pairs(share):
    return {"found": share, "differ": share + 0.1}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"after": 0.8}, ["projected_0.25"]),
        ({"after": 0.2}, ["projected - attacked, at 0.25", "projected_0.25"]),
        ({"attacked": 0.6}, ["lost_to_the_attack"]),
        ({"clean_after": 0.9}, ["cost_without_attack"]),
        ({"pairs": 0.4}, ["pairs_before"]),
        ({"left": 0.4}, ["pairs_after / pairs_before"]),
    ],
)
def test_the_bounds(wrong, said):
    rates = {"attacked": 0.2, "after": 0.88, "clean_after": 0.98, "pairs": 0.6, "left": 0.1} | wrong
    runs = [
        {
            "rows": [row(0.0, 1.0, rates["clean_after"]), row(0.25, rates["attacked"], rates["after"] + difference)],
            "through": 0.3,
            "clean": {"before": 0.99, "after": 0.98},
            "pairs": {"before": pairs(rates["pairs"]), "after": pairs(rates["left"])},
        }
        for difference in (-0.01, 0.0, 0.01)
    ]
    claim = judged(manifold_defense.measure, runs, manifold_defense.Settings(epsilons=(0.0, 0.25)))
    assert broken(claim) == set(said)
    assert claim.metrics["cost_without_attack"] == pytest.approx(1 - rates["clean_after"])


class Album(nn.Module):
    """A generator of all the sums z_1 x_1 + ... + z_10 x_10 of ten images."""

    def __init__(self, images):
        self.images = Tensor(images.reshape(10, 784))

    def forward(self, z):
        return (2.0 * (z @ self.images) - 1.0).reshape(-1, 1, 28, 28)


class Zero(nn.Module):
    """An encoder that knows nothing: all descents begin at z = 0."""

    def forward(self, x):
        return Tensor(np.zeros((len(x), 10), np.float32))


@pytest.fixture(scope="module")
def victim():
    """A classifier, an image of each class, and the classes."""
    x, y = data.glyphs(300, np.random.default_rng(0))
    judge = metrics.train_judge(x, y, steps=60)
    chosen = np.array([np.flatnonzero(y == c)[0] for c in range(10)])
    return judge, x[chosen], y[chosen]


def test_where_g_makes_little_but_the_images_the_defence_works(victim):
    judge, x, y = victim
    pixels = digits.in_pixels(Album(x))
    settings = manifold_defense.Settings(descents=200, weight=0.0)
    found = manifold_defense.defend(judge, judge, pixels, Zero(), (x, y), 0.25, settings)
    clean = manifold_defense.accuracy(judge, x, y)
    assert clean >= 0.6
    assert found["before"] == found["robust"] <= 0.2
    assert found["after"] == found["robust after"] >= found["before"] + 0.3
    attacked, projected = (np.linalg.norm((found[key] - x).reshape(10, -1), axis=1) for key in ("attacked", "projected"))
    assert (projected < 0.7 * attacked).all()
    np.testing.assert_array_equal(found["attacked"], attacks.fgsm(judge, x, y, 0.25))
    still = manifold_defense.defend(judge, judge, pixels, Zero(), (x, y), 0.25, replace(settings, descents=1))
    assert still["distance"] > 2 * found["distance"]
    assert still["begun"] == found["begun"] <= 0.2  # of ten times the same image


def test_an_encoder_comes_to_know_where_an_image_comes_from():
    blots = np.random.default_rng(0).standard_normal((10, 784)).astype(np.float32)

    def pixels(z):
        return sigmoid(z @ blots).reshape(-1, 1, 28, 28)

    prior, settings = data.noise(10), manifold_defense.Settings(z=10, encoder_steps=60)
    E = manifold_defense.train_encoder(pixels, prior, settings, np.random.default_rng(0))
    z = prior(50)
    found = E(Tensor(digits.draw(pixels, z))).numpy()
    assert ((found - z) ** 2).mean() < 0.5  # of noise with variance 1
    assert not E.training


@pytest.mark.slow
def test_robust_training_on_pairs_leaves_fewer_and_the_classifier_that_it_begins_with_alone(victim):
    judge, x, y = victim
    before = {name: value.copy() for name, value in judge.state_dict().items()}
    pixels, prior = digits.in_pixels(Album(x)), data.noise(10)
    known = np.repeat(x, 7, axis=0), np.repeat(y, 7)
    settings = manifold_defense.Settings(pairs=24, attack_steps=20, rounds=3, minibatches=20, eta=3.0)
    found = {}
    for alpha in (0.0, 5.0):
        s = replace(settings, alpha=alpha)
        robust = manifold_defense.robustly_trained(judge, pixels, prior, known, s, np.random.default_rng(0))
        found[alpha] = manifold_defense.look_for_pairs(robust, pixels, prior, settings, np.random.default_rng(1))
        assert manifold_defense.accuracy(robust, x, y) >= 0.9
    assert found[5.0]["differ"] < found[0.0]["differ"]
    for name, value in judge.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_pairs_keep_to_eta_and_count_where_the_classifier_is_sure_of_both(victim):
    judge, x, _ = victim
    settings = manifold_defense.Settings(pairs=12, attack_steps=15, eta=4.0)
    pixels, prior = digits.in_pixels(Album(x)), data.noise(10)
    found = manifold_defense.look_for_pairs(judge, pixels, prior, settings, np.random.default_rng(1))
    apart = np.linalg.norm((found["images"][0] - found["images"][1]).reshape(10, -1), axis=1)
    assert (apart <= 4.0 * (1 + 1e-5)).all()
    assert 0 < found["differ"] >= found["found"]
    for images, seen in zip(found["images"], found["seen"], strict=True):
        np.testing.assert_array_equal(judge(Tensor(images)).numpy().argmax(axis=1), seen)
