"""The demo of why small changes suffice: its metrics against plain NumPy, and its bounds."""

import numpy as np
import pytest

from demos.adversarial_examples import dimension as demo
from demos.adversarial_examples.dimension import Settings
from demos.kit import classifiers
from minigan import data
from tests.demos.experiments import broken, judged
from tests.demos.running import coarse_pictures, history_of, summary_of

SMALL = {"steps": 15, "networks": 1, "few": 20}


def run(out, monkeypatch):
    glyphs = data.glyphs
    monkeypatch.setattr(data, "glyphs", lambda n: glyphs(min(n, 400)))
    monkeypatch.setattr(demo.main, "quick", demo.QUICK | SMALL)
    with coarse_pictures():
        demo.main(["--quick", "--out", str(out)])
    return summary_of(out)


@pytest.fixture
def line():
    """Logistic regression with random weights on 7 x 7 pixels, and w and b in float64; one pixel is of no importance."""
    model, rng = demo.linear(7), np.random.default_rng(0)
    w = rng.standard_normal(49).astype(np.float32)
    w[5] = 0
    model.model[1].weight.data[:, 0], model.model[1].bias.data[:] = w, 0.25
    return model, w.astype(np.float64), 0.25


@pytest.fixture
def x():
    return np.random.default_rng(1).random((31, 1, 7, 7), np.float32)


# --- what a run leaves --------------------------------------------------------------------------------------------------


def test_a_quick_run_shows_the_sum(tmp_path, monkeypatch):
    summary = run(tmp_path, monkeypatch)
    assert summary["holds"] == {
        "margin lost - epsilon |w|_1, worst image": True,
        "linear: epsilon beside |margin| / |w|_1, worst share": True,
    }
    m = summary["metrics"]
    for name in demo.MODELS:
        values = [m[f"{name}: epsilon at {side} x {side}"] for side in (7, 14, 28)]
        slope = np.polyfit(np.log([7, 14, 28]) * 2, np.log(values), 1)[0]
        assert m[f"{name}: exponent of epsilon"] == pytest.approx(slope)
    half = m["linear: epsilon at 28 x 28"]
    assert half * m["epsilon |w|_1 at 0.25"] / 0.25 == pytest.approx(m["linear: median margin"], rel=1e-3)
    losses = [float(row["linear 28 x 28_loss"]) for row in history_of(tmp_path)]
    assert losses[-1] < losses[0]


def runs(off=1e-12, formula=1.0, error=2.0, untrained=-0.5, trained=0.0, spread=0.5):
    """Possible results of two seeds; the second is as given."""
    n = np.array([49.0, 196.0, 784.0])

    def seed(off, formula, error, untrained, trained, spread):
        row = {"error": [error] * 3, "epsilon": list(n**trained), "spread": list(n**spread)}
        parts = [{"off": off, "margin": formula * e * 7, "norm": 7.0, "distance": 1.0} for e in n**trained]
        return {"models": {"linear": row, "network": row, "untrained": row | {"epsilon": list(n**untrained)}}, "parts": parts}

    return [seed(1e-12, 1.0, 2.0, -0.5, 0.0, 0.5), seed(off, formula, error, untrained, trained, spread)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"off": 2e-6}, ["margin lost - epsilon |w|_1, worst image"]),
        ({"formula": 1.01}, ["linear: epsilon beside |margin| / |w|_1, worst share"]),
        ({"error": 6.0}, ["errors, %, worst model"]),
        ({"untrained": -0.2}, ["untrained: exponent of epsilon, highest"]),
        ({"untrained": -1.0}, ["untrained: exponent of epsilon, lowest"]),
        ({"trained": -0.3}, [f"{name}: exponent of epsilon, lowest" for name in demo.TRAINED]),
        ({"spread": 0.0}, [f"{name}: {w}, exponent, lowest" for name, w in demo.RATIOS.items()]),
        ({"spread": 1.0}, [f"{name}: {w}, exponent, highest" for name, w in demo.RATIOS.items()]),
    ],
)
def test_the_bounds_are_for_every_seed(wrong, said):
    assert broken(judged(demo.measure, runs(**wrong), Settings())) == set(said)


# --- the figures --------------------------------------------------------------------------------------------------------


def test_what_fgsm_takes_off_a_linear_models_margins_is_epsilon_times_the_1_norm(line, x):
    model, w, b = line
    y = np.random.default_rng(2).integers(2, size=len(x))
    found = demo.of_the_linear(model, x, y, 0.25)
    score = x.reshape(31, 49).astype(np.float64) @ w + b
    assert found["off"] < 1e-12
    assert found["norm"] == pytest.approx(np.abs(w).sum(), abs=1e-12)
    assert found["margin"] == pytest.approx(np.median(np.abs(score)), abs=1e-12)
    assert found["distance"] == pytest.approx(np.median(np.abs(score)) / np.linalg.norm(w), abs=1e-12)


def test_a_step_that_misses_one_pixel_is_seen(line, x, monkeypatch):
    model, w, _ = line
    attacked = classifiers.Classifier.attacked

    def misses(self, x, *how, **options):
        found = attacked(self, x, *how, **options)
        found[:, 0, 0, 0] = x[:, 0, 0, 0]
        return found

    monkeypatch.setattr(classifiers.Classifier, "attacked", misses)
    found = demo.of_the_linear(model, x, np.zeros(31, int), 0.25)
    assert found["off"] == pytest.approx(0.25 * abs(w[0]))


def test_the_epsilon_that_turns_half_is_the_median_of_margin_over_1_norm(line, x):
    model, w, b = line
    each = np.abs(x.reshape(31, 49) @ w + b) / np.abs(w).sum()
    assert demo.turns_half(model, x) == pytest.approx(np.median(each), rel=1e-5)


def test_a_model_that_is_too_sure_for_the_log_losss_gradient_is_turned_as_soon(line, x):
    """sigma(-|v|) is 0 in float32 for |v| above 104: its sign is no attack, and a model seems robust that is none."""
    model, _, _ = line
    half = demo.turns_half(model, x)
    for p in model.model.parameters():
        p.data = 1000 * p.data
    says = demo.logits(model, x) > 0
    assert ((demo.logits(model, model.attacked(x, says, 2 * half, clip=None)) > 0) == says).mean() > 0.5  # the log-loss
    assert demo.turns_half(model, x) == pytest.approx(half, rel=1e-4)


def test_the_spread_of_the_gradients_is_that_of_plain_numpy(x, line):
    model, w, _ = line
    assert demo.spread(model, x) == pytest.approx(np.abs(w).sum() / np.linalg.norm(w), rel=1e-5)
    model = demo.network(7, 6)
    a, b, c, _ = (p.numpy().astype(np.float64) for p in model.model.parameters())
    on = x.reshape(31, 49) @ a + b > 0
    g = (on * c[:, 0]) @ a.T
    ratio = np.abs(g).sum(axis=1) / np.sqrt((g**2).sum(axis=1))
    assert demo.spread(model, x) == pytest.approx(np.median(ratio), rel=1e-5)


def test_pooling_takes_the_means_of_squares():
    x = np.random.default_rng(0).random((3, 1, 28, 28))
    small = demo.pooled(x, 7)
    assert small.shape == (3, 1, 7, 7)
    assert small[2, 0, 1, 6] == pytest.approx(x[2, 0, 4:8, 24:28].mean())
    np.testing.assert_array_equal(demo.pooled(x, 28), x)


def test_the_pair_is_3s_as_0_and_7s_as_1():
    x, y = np.arange(5.0).reshape(5, 1, 1, 1), np.array([3, 0, 7, 7, 9])
    images, labels = demo.of_the_pair(x, y)
    assert images.ravel().tolist() == [0, 2, 3]
    assert labels.tolist() == [0, 1, 1]


def test_the_weight_of_a_pixel_that_is_always_black_is_0():
    x, y = np.random.default_rng(0).random((40, 1, 7, 7), np.float32), np.arange(40) % 2
    x[:, 0, 3, 3] = 0
    model = demo.linear(7)
    classifiers.train(model, x, y, "it", 5, 10, 1e-2)
    w = demo.weights(model).reshape(7, 7)
    assert w[3, 3] == 0
    assert np.count_nonzero(w) == 48
