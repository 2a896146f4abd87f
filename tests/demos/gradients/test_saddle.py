"""The demo of the saddle: its metrics, and the derivatives of the loss compared with the formulas of m (1 - w1 w2)^2."""

import json

import numpy as np
import pytest

from demos.gradients import saddle
from minigan import Tensor
from tests.demos.running import coarse_pictures


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    out = tmp_path_factory.mktemp("saddle")
    with coarse_pictures():
        saddle.main(["--quick", "--out", str(out)])
    assert (out / "saddle.png").is_file()
    return json.loads((out / "summary.json").read_text())


@pytest.fixture
def x():
    return np.random.default_rng(5).standard_normal(40)


def test_the_claim_holds(summary):
    assert len(summary["holds"]) == len(summary["metrics"]) - 1 == 9
    assert all(summary["holds"].values()), summary["holds"]


def test_the_eigenvalues_are_plus_and_minus_2m(summary):
    m = np.mean(np.random.default_rng(0).standard_normal(100) ** 2)
    assert summary["metrics"]["data 0: eigenvalue - at (0, 0)"] == pytest.approx(-2 * m, abs=1e-6)
    assert summary["metrics"]["data 0: eigenvalue + at (0, 0)"] == pytest.approx(2 * m, abs=1e-6)


@pytest.mark.slow
def test_with_a_wrong_sign_the_run_fails(tmp_path, monkeypatch):
    """The loss of x_hat = -w2 w1 x is 0 where w1 w2 = -1."""
    right = saddle.loss
    monkeypatch.setattr(saddle, "loss", lambda w, x: right(w * np.array([-1.0, 1.0]), x))
    with coarse_pictures(), pytest.raises(SystemExit, match="largest loss where w1 w2 = 1"):
        saddle.main(["--quick", "--jobs", "1", "--out", str(tmp_path)])


@pytest.mark.parametrize("w", [(0.0, 0.0), (0.5, -2.0), (3.0, 1 / 3)])
def test_loss_gradient_and_hessian_are_the_formulas(w, x):
    w1, w2 = w
    m, product = np.mean(x**2), w1 * w2
    assert saddle.loss(Tensor(np.array(w)), x).item() == pytest.approx(m * (1 - product) ** 2, abs=1e-12)
    gradient, hessian = saddle.gradient_and_hessian(np.array(w), x)
    np.testing.assert_allclose(gradient, -2 * m * (1 - product) * np.array([w2, w1]), atol=1e-12)
    beside = 2 * m * (2 * product - 1)
    np.testing.assert_allclose(hessian, [[2 * m * w2**2, beside], [beside, 2 * m * w1**2]], atol=1e-12)


def test_only_a_start_on_the_falling_side_gets_away(x):
    paths = saddle.descents(x, saddle.Settings(steps=150))
    assert not paths["saddle"].any()
    assert np.prod(paths["beside"][-1]) == pytest.approx(1, abs=1e-3)
    distance = np.linalg.norm(paths["opposite"], axis=1)
    assert (np.diff(distance[:100]) < 0).all()
    assert distance[100] < 1e-3


def test_near_the_saddle_the_steps_follow_the_eigenvalues(x):
    """Along (1, 1) a step multiplies the distance by 1 + 2 m lr, along (1, -1) by 1 - 2 m lr."""
    settings, m = saddle.Settings(steps=20), np.mean(x**2)
    for direction, sign in ((1, 1), (-1, -1)):
        path = saddle.descend((1e-8, 1e-8 * direction), x, settings)
        np.testing.assert_allclose(path[-1] / path[0], (1 + sign * 2 * m * settings.lr) ** 20, rtol=1e-9)
