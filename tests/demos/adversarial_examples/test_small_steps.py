"""Attacks on classifiers of digits: FGSM's table, adversarial training, dimension, minimal changes, against plain NumPy."""

import numpy as np
import pytest

from demos.adversarial_examples import adversarial_training, dimension, fgsm, fooled
from demos.adversarial_examples.comparing import random_signs
from demos.adversarial_examples.outliers import outliers
from demos.kit import classifiers
from demos.kit.classifiers import Classifier
from minigan import Tensor, attacks, data, losses, nn

X, Y = data.glyphs(60, np.random.default_rng(0))


# --- classifiers, and FGSM's table --------------------------------------------------------------------------------------


class Fixed(nn.Module):
    """A linear classifier with random weights."""

    def __init__(self, seed):
        self.dense = nn.Dense(784, 10)
        self.dense.weight.data = np.random.default_rng(seed).standard_normal((784, 10)).astype("float32")

    def forward(self, x):
        return self.dense(x.reshape(len(x), -1))


def probabilities(model, x):
    v = x.reshape(len(x), -1) @ model.dense.weight.data + model.dense.bias.data
    e = np.exp(v - v.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def stepped(model, x, y, epsilon):
    """The cross-entropy's gradient by x is (p - onehot) W'."""
    g = (probabilities(model, x) - np.eye(10)[y]) @ model.dense.weight.data.T
    return (x + epsilon * np.sign(g).reshape(x.shape)).astype(np.float32)


def test_the_table_is_that_of_plain_numpy(monkeypatch):
    monkeypatch.setattr(classifiers, "CHUNK", 20)
    a, b = Fixed(0), Fixed(1)
    x = np.random.default_rng(0).random((50, 1, 28, 28), np.float32)
    s = fgsm.Settings(epsilons=(0, 0.005), some=30, epsilon=0.01)
    y = probabilities(a, x).argmax(axis=1)  # all right, without an attack

    def wrong(images, model=a):
        return 100 * (probabilities(model, images).argmax(axis=1) != y[: len(images)]).mean()

    found, rng = fgsm.attack(Classifier(a), x, y, s, np.random.default_rng(5), "it"), np.random.default_rng(5)
    attacked, signs, clipped = stepped(a, x, y, 0.01), random_signs(x, 0.01, rng), random_signs(x, 0.01, rng, (0.0, 1.0))
    expected = {"error": 0, "attacked": wrong(attacked), "attacked_clipped": wrong(attacked.clip(0, 1))}
    assert found | expected | {"random": wrong(signs), "random_clipped": wrong(clipped)} == found
    p = probabilities(a, attacked)
    assert found["confidence"] == pytest.approx(100 * p.max(axis=1)[p.argmax(axis=1) != y].mean(), rel=1e-3)
    assert found["curve"] == [wrong(stepped(a, x[:30], y[:30], e)) for e in s.epsilons]
    assert found["curve_random"] == [wrong(random_signs(x[:30], e, rng)) for e in s.epsilons]
    models = {"a": Classifier(a), "b": Classifier(b), "logistic": fgsm.logistic_regression()}
    table = [[wrong(stepped(made, x, y, 0.01), tried) for tried in (a, b)] for made in (a, b)]
    assert fgsm.transfer(models, x, y, 0.01) == table
    np.testing.assert_allclose(np.abs(signs - x), 0.01, atol=1e-6)
    assert abs((signs > x).mean() - 0.5) < 0.01
    assert (clipped.min(), clipped.max(), clipped.dtype) == (0, 1, np.float32)


def test_logistic_regression_tells_its_two_digits_apart_by_one_logit():
    classifier, x = fgsm.logistic_regression((3, 7)), X[:6]
    some, labels = classifier.take(x, np.array([3, 0, 7, 7, 9, 3]))
    np.testing.assert_array_equal(some, x[[0, 2, 3, 5]])
    assert labels.tolist() == [0, 1, 1, 0]
    w, b = (p.data for p in classifier.model.parameters())
    seven = 1 / (1 + np.exp(-(some.reshape(4, -1) @ w[:, 0] + b)))
    np.testing.assert_allclose(classifier.probabilities(some), np.stack([1 - seven, seven], axis=1), atol=1e-6)
    with pytest.raises(ValueError, match="Classifier: 10 outputs for 2 digits"):  # take leaves out all others
        Classifier(Fixed(0), digits=(3, 7)).probabilities(X)
    expected = some.reshape(4, -1) + 0.1 * np.outer([1, -1, -1, 1], np.sign(w[:, 0]))
    np.testing.assert_allclose(classifier.attacked(some, labels, 0.1, clip=None).reshape(4, -1), expected, atol=1e-6)


# --- adversarial training -----------------------------------------------------------------------------------------------


def wrong(model, images, y=Y):
    return pytest.approx(100 * (model(Tensor(images)).numpy().argmax(axis=1) != y).mean())


def test_the_objectives_are_the_formulas():
    model = classifiers.network(16).model
    objectives = adversarial_training.objectives(adversarial_training.Settings(alpha=0.3), np.random.default_rng(5))
    signs, adversarial = random_signs(X, 0.25, np.random.default_rng(5)), attacks.fgsm(model, X, Y, 0.25, clip=None)
    for name, images in (("random", signs), ("adversarial", adversarial)):
        clean, attacked = (losses.cross_entropy(model(Tensor(x)), Y).item() for x in (X, images))
        assert objectives[name](model, X, Y).item() == pytest.approx(0.3 * clean + 0.7 * attacked, rel=1e-5)
    assert objectives["usual"] is None


def test_the_three_start_alike_and_meet_the_same_minibatches():
    """For alpha = 1, the three objectives are one."""
    settings = adversarial_training.Settings(width=8, steps=3, batch=20, alpha=1.0, pgd_steps=1)
    usual, *others = adversarial_training.experiment(1000, settings, X, Y, X, Y)["weights"].values()
    for key, value in usual.items():
        np.testing.assert_allclose([other[key] for other in others], [value] * 2, atol=1e-6)


def test_the_errors_are_those_of_the_attacks_that_they_name():
    s = adversarial_training.Settings(width=16, steps=30, batch=20, lr=1e-2, epsilons=(0.0, 0.25, 0.1), pgd_steps=2)
    found, models = adversarial_training.experiment(5, s, X, Y, X, Y), {}
    for name, weights in found["weights"].items():
        models[name] = classifiers.network(16).model
        models[name].load_state_dict(weights)
    for name, other in (("usual", "adversarial"), ("adversarial", "usual")):
        model, figures = models[name], found["figures"][name]
        fgsm = [wrong(model, attacks.fgsm(model, X, Y, e, clip=None)) for e in s.epsilons]
        pgd = [wrong(model, attacks.pgd(model, X, Y, e, steps=2, clip=None)) for e in s.epsilons]
        assert figures["curves"] == {"FGSM": fgsm, "PGD": pgd}
        assert (figures["clean"], figures["FGSM"], figures["PGD"]) == (wrong(model, X), fgsm[1], pgd[1])
        assert figures["worst epsilon"] == max(figures["curves"]["FGSM"])
        assert figures["random signs"] == wrong(model, random_signs(X, 0.25, np.random.default_rng(5)))
        assert figures["outliers"] == {kind: wrong(model, *of_kind) for kind, of_kind in outliers(X, Y).items()}
        assert figures["transfer"] == wrong(model, attacks.fgsm(models[other], X, Y, 0.25, clip=None))


# --- dimension ----------------------------------------------------------------------------------------------------------

SMALL = np.random.default_rng(1).random((31, 1, 7, 7), np.float32)


@pytest.fixture
def line():
    """Logistic regression with random weights on 7 x 7 pixels, one of no importance; w, and w.x + b of the images."""
    model, w = dimension.linear(7), np.random.default_rng(0).standard_normal(49).astype(np.float32)
    w[5] = 0
    model.model[1].weight.data[:, 0], model.model[1].bias.data[:] = w, 0.25
    return model, w, SMALL.reshape(31, 49).astype(np.float64) @ w + 0.25


def test_what_fgsm_takes_off_a_linear_models_margins_is_epsilon_times_the_1_norm(line, monkeypatch):
    model, w, score = line
    labels, margin = np.arange(31) % 2, np.median(np.abs(score))
    found = dimension.of_the_linear(model, SMALL, labels, 0.25)
    assert found.pop("off") < 1e-12
    norms = {"norm": np.abs(w.astype(float)).sum(), "distance": margin / np.linalg.norm(w.astype(float))}
    assert found == pytest.approx({"margin": margin, **norms}, abs=1e-12)
    up = Classifier.attacked
    missed = lambda self, x, y, *how, **options: np.r_[x[:1], up(self, x[1:], y[1:], *how, **options)]  # noqa: E731
    monkeypatch.setattr(Classifier, "attacked", missed)
    assert dimension.of_the_linear(model, SMALL, labels, 0.25)["off"] == pytest.approx(0.25 * norms["norm"])


def test_the_epsilon_that_turns_half_is_the_median_of_margin_over_1_norm_however_sure_the_model_is(line):
    """sigma(-|v|) is 0 in float32 for |v| above 104: its sign does not attack, and a model seems robust, but is not."""
    model, w, score = line
    half = np.median(np.abs(score) / np.abs(w).sum())
    assert dimension.turns_half(model, SMALL) == pytest.approx(half, rel=1e-5)
    assert dimension.spread(model, SMALL) == pytest.approx(np.abs(w).sum() / np.linalg.norm(w), rel=1e-5)
    for p in model.model.parameters():
        p.data = 1000 * p.data
    assert dimension.turns_half(model, SMALL) == pytest.approx(half, rel=1e-4)


# --- minimal changes and rubbish ----------------------------------------------------------------------------------------


def test_an_experiment_changes_each_image_to_a_class_that_is_not_its_own_inside_the_box_and_measures_the_changes(monkeypatch):
    monkeypatch.setattr(fooled, "SHOWN", 30)
    settings = fooled.Settings(steps=60, width=16, images=30, part=20, searches=3, descents=20, noise=40, pushed=10)
    found = fooled.experiment(0, settings, X, Y, X[:40], Y[:40])
    some = found["shown"]
    assert found["reached"] == len(some["x"]) / 30 > 0.5 > found["chance"]
    assert (some["target"] != some["labels"]).all()
    assert 0 <= some["changed"].min() <= some["changed"].max() <= 1
    np.testing.assert_array_equal(some["p changed"].argmax(axis=1), some["target"])
    apart = ((some["x"][:, None] - X) ** 2).sum(axis=(2, 3, 4))
    apart[some["target"][:, None] != Y] = np.inf  # the nearest of the target's class
    np.testing.assert_array_equal(some["nearest"], X[apart.argmin(axis=1)])
    r = np.sqrt(((some["changed"] - some["x"]) ** 2).sum(axis=(1, 2, 3)))
    means = (r / np.sqrt(apart.min(axis=1))).mean(), r.mean() / 28
    assert (found["ratio"], found["distortion"]) == pytest.approx(means, rel=1e-5)
    by_chance = fooled.at_random(X[:7], np.arange(1.0, 8.0), np.random.default_rng(0))
    np.testing.assert_allclose(fooled.norms(by_chance - X[:7]), np.arange(1, 8), rtol=1e-5)


def test_rubbish_is_counted_at_one_half_as_plain_numpy_would():
    model, s = Fixed(0), fooled.Settings(noise=60, pushed=10)
    model.dense.weight.data *= 0.05
    found = fooled.rubbish(Classifier(model), np.random.default_rng(3), s)
    most = probabilities(model, np.random.default_rng(3).standard_normal((60, 784), dtype=np.float32)).max(axis=1)
    assert found["accepted"]["normal"] == (most > 0.5).mean()
    assert 0 < found["accepted"]["normal"] < 1
    assert found["confidence"] == pytest.approx(most[most > 0.5].mean(), rel=1e-4)
    (x, p), (start, _) = found["noise"]["pushed"], found["noise"]["uniform"]
    np.testing.assert_array_equal(p.argmax(axis=1), np.arange(6))  # 0, 1, 2, ... as the picture says
    assert 0 <= x.min() <= x.max() <= 1
    assert np.abs(x - start).max() <= 20 * 0.02 + 1e-6
