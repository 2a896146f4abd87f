"""The demo of adversarial training: its three objectives, and that the claim holds where little data suffice."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.adversarial_examples import adversarial_training as demo
from demos.adversarial_examples.comparing import random_signs
from demos.adversarial_examples.outliers import KINDS, SHIFT, in_outliers, outliers
from demos.kit import classifiers
from minigan import Tensor, attacks, data, losses
from tests.demos.experiments import broken, judged
from tests.demos.running import smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run
SETTINGS = demo.Settings(width=16)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return smaller_run(demo, tmp_path_factory.mktemp("adversarial_training"), steps=100, lr=7e-3, pgd_steps=3)


def figures(clean, fgsm, pgd, worst=30.0, transfer=40.0):
    curves = {"FGSM": [clean, fgsm], "PGD": [clean, pgd]}
    found = {"clean": clean, "random signs": 5.0, "FGSM": fgsm, "confidence": 80.0, "worst epsilon": worst, "PGD": pgd}
    return found | {"transfer": transfer, "curves": curves, "outliers": dict.fromkeys(KINDS, fgsm)}


def runs(usual=99.0, random=98.0, adversarial=5.0, clean=2.0, pgd=100.0, worst=30.0):
    names = {"usual": figures(2.0, usual, 100.0), "random": figures(2.0, random, 100.0)}
    names["adversarial"] = figures(clean, adversarial, pgd, worst)
    other = {name: {**found, "FGSM": found["FGSM"] - 0.5} for name, found in names.items()}
    other["usual"]["FGSM"] -= 0.2
    return [{"figures": names}, {"figures": other}]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"usual": 80.0}, ["usual, FGSM, worst seed"]),
        ({"adversarial": 30.0, "worst": 60.0}, ["adversarial, FGSM, worst seed", "adversarial, transfer / FGSM, worst seed"]),
        ({"random": 40.0}, ["random, FGSM, worst seed"]),
        ({"clean": 4.0}, ["cost on clean images, worst seed"]),
        ({"pgd": 40.0}, ["adversarial, PGD, worst seed"]),
        ({"worst": 5.0}, ["adversarial, worst epsilon / FGSM, worst seed"]),
    ],
)
def test_the_bounds(wrong, said):
    assert broken(judged(demo.measure, runs(**wrong), demo.Settings())) == set(said)


def test_a_network_that_never_meets_the_attack_ends_the_run(monkeypatch):
    def clean_only(model, x, y, *how, **options):
        return losses.cross_entropy(model(Tensor(x)), y)

    x, y = data.glyphs(600)
    monkeypatch.setattr(attacks, "adversarial_loss", clean_only)
    settings = replace(SETTINGS, steps=100, width=32, epsilons=(0.0, 0.25), pgd_steps=2)
    found = [demo.experiment(seed, settings, x[:500], y[:500], x[500:], y[500:]) for seed in (1000, 1001)]
    assert {"adversarial, FGSM, worst seed", "difference under FGSM"} <= broken(judged(demo.measure, found, settings))


def test_pgd_is_at_least_as_strong_as_fgsm(out):
    metrics = summary_of(out)["metrics"]
    for name in demo.LABELS:
        assert metrics[f"{name}, PGD"] >= metrics[f"{name}, FGSM"]


def test_the_transfer_is_from_one_network_to_the_other(monkeypatch):
    x, y = data.glyphs(60)
    settings, models = replace(SETTINGS, steps=1, epsilons=(0.0, 0.25), pgd_steps=1), []
    network = classifiers.network
    monkeypatch.setattr(classifiers, "network", lambda width: models.append(network(width)) or models[-1])
    found = demo.experiment(1000, settings, x, y, x, y)["figures"]
    usual, _, adversarial = models
    for made, tried, name in ((usual, adversarial, "adversarial"), (adversarial, usual, "usual")):
        errors = classifiers.mistakes(tried, made.attacked(x, y, 0.25, clip=None), y)["error"]
        assert found[name]["transfer"] == errors


@pytest.fixture
def model():
    return classifiers.network(16).model


@pytest.fixture
def digits():
    return data.glyphs(40)


def test_the_objectives_are_the_formulas(model, digits):
    x, y = digits
    found = {name: f(model, x, y).item() for name, f in demo.objectives(SETTINGS, np.random.default_rng(5)).items() if f}
    noisy = random_signs(x, 0.25, np.random.default_rng(5))
    adversarial = attacks.fgsm(model, x, y, 0.25, clip=None)

    def mixture(other):
        return np.mean([losses.cross_entropy(model(Tensor(images)), y).item() for images in (x, other)])

    assert found == pytest.approx({"random": mixture(noisy), "adversarial": mixture(adversarial)}, rel=1e-5)


def test_all_three_start_alike(monkeypatch, tmp_path):
    starts, train = [], classifiers.train

    def watched(classifier, x, y, *rest, **changing):
        starts.append(
            [p.data.copy() for p in classifier.model.parameters()]
            + [mg.random_numbers.generator_state(mg.random_numbers.generator())]
        )
        return train(classifier, x, y, *rest, **changing)

    glyphs = data.glyphs
    monkeypatch.setattr(data, "glyphs", lambda n, rng=None: glyphs(min(n, 120), rng))
    monkeypatch.setattr(classifiers, "train", watched)
    demo.main(["--quick", "--set", "steps=2", "--out", str(tmp_path)])
    assert len(starts) == 3
    for other in starts[1:]:
        for mine, yours in zip(starts[0], other, strict=True):
            np.testing.assert_array_equal(mine, yours)


def test_figures_by_hand(model, digits):
    x, y = digits
    classifier = classifiers.Classifier(model)
    found = demo.attack(classifier, x, y, SETTINGS, 5, "it")
    attacked = attacks.fgsm(model, x, y, 0.25, clip=None)
    wrong = model(Tensor(attacked)).numpy().argmax(axis=1) != y
    assert found["FGSM"] == pytest.approx(100 * wrong.mean())
    assert found["clean"] == found["curves"]["FGSM"][0] == found["curves"]["PGD"][0]
    assert len(found["curves"]["FGSM"]) == len(SETTINGS.epsilons)
    assert found["worst epsilon"] == max(found["curves"]["FGSM"])


def test_outliers_are_what_their_names_say():
    x, y = data.glyphs(30)
    before = x.copy()
    made = outliers(x, y)
    assert list(made) == list(KINDS)
    for images, classes in made.values():
        assert images.shape == x.shape
        assert images.dtype == np.float32
        assert len(classes) == len(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(made["inverted"][0] + x, 1.0)
    assert (made["noise"][0] - x).std() == pytest.approx(0.5, rel=0.05)
    for image, shifted, covered in zip(x[:, 0], made["shifted"][0][:, 0], made["a quarter covered"][0][:, 0], strict=True):
        padded = np.pad(image, SHIFT)
        corners = [(i, j) for i in (0, 2 * SHIFT) for j in (0, 2 * SHIFT)]
        assert any((padded[i : i + 28, j : j + 28] == shifted).all() for i, j in corners)
        kept = covered == image
        assert sum(kept[i : i + 14, j : j + 14].all() for i in (0, 14) for j in (0, 14)) >= 3
    assert (made["a quarter covered"][0].sum(axis=(1, 2, 3)) <= x.sum(axis=(1, 2, 3))).all()
    again = outliers(x, y)
    for kind in KINDS:
        np.testing.assert_array_equal(made[kind][0], again[kind][0])


def test_the_outliers_of_each_network_are_its_own(model, digits):
    x, y = digits
    classifier = classifiers.Classifier(model)
    found = demo.attack(classifier, x, y, SETTINGS, 5, "it")["outliers"]
    images, classes = outliers(x, y)["inverted"]
    wrong = model(Tensor(images)).numpy().argmax(axis=1) != classes
    assert found["inverted"] == pytest.approx(100 * wrong.mean())


def test_the_title_lists_the_outliers_by_the_effect():
    m = {}
    for kind, change in zip(KINDS, (-1, 1, 0, 0, 0), strict=True):
        m |= {f"outliers, {kind}{end}": change + off for end, off in (("", 0), (" low", -0.5), (" high", 0.5))}
        m |= {f"usual, {kind}": 20, f"adversarial, {kind}": 20 + change}
    better, worse = "noise (19 % instead of 20 %)", "other fonts (21 % instead of 20 %)"
    same = "no difference beyond chance: inverted, shifted, a quarter covered"
    assert in_outliers(m) == f"Errors on outliers: adversarial training helps with {better}; hurts with {worse}; {same}"
