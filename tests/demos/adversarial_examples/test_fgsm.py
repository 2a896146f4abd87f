"""The demo of FGSM: what its table says is what its arrays say; the classifiers, their training, and the control."""

import numpy as np
import pytest

from demos.adversarial_examples import fgsm as demo
from demos.adversarial_examples.comparing import random_signs
from demos.kit import classifiers
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier
from minigan import data, losses, nn
from tests.demos.experiments import broken, judged
from tests.demos.running import coarse_pictures, history_of, samples_of, summary_of


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fgsm")
    with coarse_pictures():
        demo.main(["--quick", "--set", "steps=60", "--out", str(folder)])
    return folder


class Fixed(nn.Module):
    """A linear classifier with these weights, which notes how many images it is shown at a time."""

    def __init__(self, weight):
        self.dense, self.seen = nn.Dense(784, weight.shape[1]), []
        self.dense.weight.data = weight.astype("float32")

    def forward(self, x):
        self.seen.append(len(x))
        return self.dense(x.reshape(len(x), -1))


@pytest.fixture
def fixed():
    return Classifier(Fixed(np.random.default_rng(0).standard_normal((784, 10))))


# --- what a run leaves --------------------------------------------------------------------------------------------------


def test_all_are_fooled_and_random_signs_fool_few(out):
    summary = summary_of(out)
    metrics, there = summary["metrics"], demo.QUICK["epsilons"].index(0.25)
    assert summary["holds"] == {f"{name}_attacked, worst seed": True for name in demo.LABELS}  # what so few steps can show
    assert {"data": "glyphs", "steps": 60, "seed": 0, "epsilon": 0.25}.items() <= summary["settings"].items()
    assert summary["expected"]["logistic_error"] == "published: 1.6"
    for name in demo.LABELS:
        assert metrics[f"{name}_attacked"] > 90 > 60 > metrics[f"{name}_random"]
        curve = metrics[f"{name}_curve"]
        assert curve[0] == pytest.approx(metrics[f"{name}_error"])
        assert curve[there] == pytest.approx(metrics[f"{name}_attacked"])
    assert metrics["transfer_least"] > 30


def runs(attacked=99.0, random=5.0, error=2.0, confidence=90.0, others=80.0):
    """Possible results of two seeds; the second one's network is as given."""
    good = {"error": 2.0, "attacked": 99.0, "confidence": 90.0, "random": 5.0}
    good |= {f"{what}_clipped": 50.0 for what in ("attacked", "confidence", "random")}
    names = {
        name: good | {"curve": [2.0, half_way, 99.0], "curve_random": [2.0, 3.0, 5.0]}
        for name, half_way in zip(demo.LABELS, (60.0, 90.0, 60.0, 30.0), strict=True)
    }
    names["softmax"] = names["softmax"] | {"attacked": 100.0}
    network = {"attacked": attacked, "random": random, "error": error, "confidence": confidence, "curve": [2.0, 61.0, 99.0]}
    table = [[100.0, 90.0, 90.0], [90.0, 99.0, 90.0], [90.0, 90.0, 99.0]]
    worse = [[100.0, 90.0, others], *table[1:]]
    second = names | {"network": names["network"] | network}
    return [{"errors": names, "transfer": table}, {"errors": second, "transfer": worse}]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"attacked": 70.0}, ["network_attacked, worst seed"]),
        ({"random": 40.0}, ["network_random / attacked, worst seed"]),
        ({"error": 5.0}, ["network_error, worst seed"]),
        ({"confidence": 60.0}, ["network_confidence, worst seed"]),
        ({"others": 40.0}, ["transfer_least, worst seed"]),
    ],
)
def test_the_bounds_are_for_the_worst_seed(wrong, said):
    assert broken(judged(demo.measure, runs(**wrong), demo.Settings(epsilons=(0.0, 0.05, 0.25)))) == set(said)


@pytest.mark.slow
def test_a_step_down_the_gradient_ends_the_run(tmp_path, monkeypatch):
    up = Classifier.attacked
    monkeypatch.setattr(Classifier, "attacked", lambda self, x, y, epsilon, **how: 2 * x - up(self, x, y, epsilon, **how))
    with coarse_pictures(), pytest.raises(SystemExit, match="softmax_attacked, worst seed"):
        demo.main(["--quick", "--set", "steps=30", "--out", str(tmp_path)])


def test_the_history_is_that_of_all_models_and_falls(out):
    history = history_of(out)
    assert list(history[0]) == ["step", *(f"{name}_{what}" for name in demo.LABELS for what in ("loss", "error"))]
    assert [int(row["step"]) for row in history] == list(range(1, 61))
    for name in demo.LABELS:
        values = np.array([float(row[f"{name}_loss"]) for row in history])
        assert values[-10:].mean() < values[:10].mean()


def test_the_samples_are_the_networks_adversarial_examples_of_the_folders_test_images(tmp_path, mnist_folder, monkeypatch):
    monkeypatch.setattr(Claim, "show", lambda *arguments: None)
    made, make = {}, demo.make_models
    monkeypatch.setattr(demo, "make_models", lambda settings: made.update(make(settings)) or made)
    monkeypatch.setattr(demo, "measure", lambda *arguments: None)
    monkeypatch.setattr(Claim, "words", lambda *arguments: "")
    demo.main(["--quick", "--set", "steps=2", "--data", "mnist", "--data-dir", str(mnist_folder), "--out", str(tmp_path)])
    x, y = data.mnist("test", root=mnist_folder)
    order, found = np.random.default_rng(0).permutation(40), samples_of(tmp_path)
    np.testing.assert_array_equal(found["labels"], y[order])
    np.testing.assert_array_equal(found["samples"], made["network"].attacked(x[order], y[order], 0.25))
    assert (found["samples"].shape, found["samples"].dtype) == ((40, 1, 28, 28), np.float32)
    assert 0 <= found["samples"].min() <= found["samples"].max() <= 1
    assert np.abs(found["samples"] - x[order]).max() <= 0.25 + 1e-6


# --- the figures --------------------------------------------------------------------------------------------------------


def test_errors_and_confidence_by_hand(monkeypatch):
    classifier = Classifier(nn.Sequential())
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5 + 1e-6, 0.5 - 1e-6]])
    monkeypatch.setattr(Classifier, "probabilities", lambda self, x: p)
    found = classifiers.mistakes(classifier, p, np.array([0, 0, 1, 1]))
    assert found == pytest.approx({"error": 50.0, "confidence": 100 * (0.8 + 0.5 + 1e-6) / 2})
    assert classifiers.mistakes(classifier, p, np.array([0, 1, 1, 0])) == {"error": 0.0, "confidence": 0.0}


def test_probabilities_are_the_softmax_in_parts_of_1000(fixed):
    x = np.random.default_rng(0).random((2300, 1, 28, 28), np.float32)
    p = fixed.probabilities(x)
    assert fixed.model.seen == [1000, 1000, 300]
    v = x.reshape(2300, -1) @ fixed.model.dense.weight.data + fixed.model.dense.bias.data
    expected = np.exp(v - v.max(axis=1, keepdims=True))
    np.testing.assert_allclose(p, expected / expected.sum(axis=1, keepdims=True), atol=1e-4)


def test_attacks_go_in_parts_and_each_image_gets_its_own_label(fixed, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.random((50, 1, 28, 28), np.float32), rng.integers(10, size=50)
    at_once = fixed.attacked(x, y, 0.1)
    monkeypatch.setattr(classifiers, "CHUNK", 20)
    np.testing.assert_allclose(fixed.attacked(x, y, 0.1), at_once, atol=1e-7)
    assert fixed.model.seen == [50, 20, 20, 10]


def test_the_models_are_what_their_names_say():
    models = demo.make_models(demo.Settings(width=8))
    assert list(models) == list(demo.LABELS)
    assert models["logistic"].digits == (3, 7)
    layers = {name: [type(layer).__name__ for layer in made.model] for name, made in models.items()}
    assert layers["softmax"] == ["Flatten", "Dense"]
    assert layers["network"] == ["Flatten", "Dense", "ReLU", "Dense", "ReLU", "Dense"]
    assert layers["convolutional"].count("Conv2d") == 2


def test_logistic_regression_tells_its_two_digits_apart_by_one_logit():
    classifier = demo.logistic_regression((3, 7))
    x, y = np.random.default_rng(0).random((6, 1, 28, 28), np.float32), np.array([3, 0, 7, 7, 9, 3])
    images, labels = classifier.take(x, y)
    np.testing.assert_array_equal(images, x[[0, 2, 3, 5]])
    assert labels.tolist() == [0, 1, 1, 0]
    w, b = (p.data for p in classifier.model.parameters())
    seven = 1 / (1 + np.exp(-(images.reshape(4, -1) @ w[:, 0] + b)))
    np.testing.assert_allclose(classifier.probabilities(images), np.stack([1 - seven, seven], axis=1), atol=1e-6)
    attacked = classifier.attacked(images, labels, 0.1, clip=None)
    expected = images.reshape(4, -1) + 0.1 * np.outer([1, -1, -1, 1], np.sign(w[:, 0]))
    np.testing.assert_allclose(attacked.reshape(4, -1), expected, atol=1e-6)


def test_random_signs_are_a_step_of_that_size_up_as_often_as_down():
    x = np.random.default_rng(0).random((50, 1, 28, 28), np.float32)
    steps = random_signs(x, 0.25, np.random.default_rng(1)) - x
    np.testing.assert_allclose(np.abs(steps), 0.25, atol=1e-6)
    assert abs((steps > 0).mean() - 0.5) < 0.01
    clipped = random_signs(x, 0.25, np.random.default_rng(1), (0.0, 1.0))
    np.testing.assert_array_equal(clipped, np.clip(x + steps, 0, 1))
    assert clipped.dtype == np.float32


def test_training_follows_the_objective_and_leaves_the_model_in_eval_mode():
    x, y = data.glyphs(200)
    classifier, asked = classifiers.network(8), []

    def objective(model, images, labels):
        assert model.training
        asked.append(len(images))
        return losses.cross_entropy(model(images), labels)

    history = classifiers.train(classifier, x, y, "it", 5, 20, 1e-3, objective)
    assert asked == [20] * 5
    assert not classifier.model.training
    assert [row["step"] for row in history] == [1, 2, 3, 4, 5]
    assert set(history[0]) == {"step", "it_loss", "it_error"}
