"""The demo of adversarial training: its three objectives, and that the claim holds where little data suffice."""

import numpy as np
import pytest

import minigan as mg
from demos.adversarial_examples import adversarial_training as demo
from demos.adversarial_examples.comparing import random_signs
from demos.kit import classifiers
from demos.kit.claim import Claim
from demos.kit.run import common_options, start
from minigan import Tensor, attacks, data, losses
from tests.demos.running import assert_shows_something, broken_claims, history_of, smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run
SETTINGS = demo.Settings(width=16)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return smaller_run(demo, tmp_path_factory.mktemp("adversarial_training"), steps=100, robust=90.0, lr=7e-3, pgd_steps=3)


def test_the_claim_holds(out):
    summary = summary_of(out)
    assert list(summary["holds"].values()) == [True] * 3
    assert len(summary["metrics"]) == 3 * 6 + 2
    assert {p.name for p in out.iterdir()} == {"adversarial_training.png", "checkpoint.npz", "history.csv", "summary.json"}
    assert_shows_something(out / "adversarial_training.png")
    assert list(history_of(out)[0]) == ["step", *(f"{name}_{w}" for name in demo.LABELS for w in ("loss", "error"))]


def test_the_transfer_is_from_one_network_to_the_other(tmp_path, monkeypatch):
    class Stub:
        def __init__(self, name):
            self.name = name

        def attacked(self, x, y, epsilon, clip):
            return f"against {self.name}"

    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "adversarial_training"), {})
    tried, errors = [], {"usual": 1.0, "adversarial": 2.0}
    monkeypatch.setattr(demo, "mistakes", lambda model, x, y: tried.append((model.name, x)) or {"error": errors[model.name]})
    demo.note_transfer(claim, {name: Stub(name) for name in ("usual", "adversarial")}, None, None, SETTINGS)
    assert tried == [("adversarial", "against usual"), ("usual", "against adversarial")]
    assert list(claim.metrics.values()) == [2.0, 1.0]


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


def test_the_random_control_is_no_match_for_the_attack(out):
    metrics = summary_of(out)["metrics"]
    errors = {name: metrics[f"{label}: errors, FGSM (%)"] for name, label in demo.LABELS.items()}
    assert errors["adversarial"] < errors["random"] - 5
    assert abs(errors["usual"] - errors["random"]) < 5


def test_pgd_is_at_least_as_strong_as_fgsm(out):
    metrics = summary_of(out)["metrics"]
    for label in demo.LABELS.values():
        assert metrics[f"{label}: errors, PGD (%)"] >= metrics[f"{label}: errors, FGSM (%)"]


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
            [p.data.copy() for p in classifier.model.parameters()] + [mg.backend.generator_state(mg.backend.generator())]
        )
        return train(classifier, x, y, *rest, **changing)

    glyphs = data.glyphs
    monkeypatch.setattr(data, "glyphs", lambda n: glyphs(min(n, 120)))
    monkeypatch.setattr(classifiers, "train", watched)
    demo.main(["--quick", "--steps", "2", "--out", str(tmp_path)])
    assert len(starts) == 3
    for other in starts[1:]:
        for mine, yours in zip(starts[0], other, strict=True):
            np.testing.assert_array_equal(mine, yours)


def test_figures_by_hand(model, digits):
    x, y = digits
    classifier = classifiers.Classifier(model)
    found = demo.measure(classifier, x, y, SETTINGS, 5)
    attacked = attacks.fgsm(model, x, y, 0.25, clip=None)
    wrong = model(Tensor(attacked)).numpy().argmax(axis=1) != y
    assert found["FGSM"] == pytest.approx(100 * wrong.mean())
    assert found["clean"] == found["curves"]["FGSM"][0] == found["curves"]["PGD"][0]
    assert len(found["curves"]["FGSM"]) == len(SETTINGS.epsilons)
    assert found["FGSM, worst epsilon"] == max(found["curves"]["FGSM"])
