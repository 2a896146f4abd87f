"""The demo of limit cycles: its figures, and its paths against the same recursions written out by hand."""

import json

import numpy as np
import pytest

from demos.wasserstein import limit_cycles
from demos.wasserstein.limit_cycles import GAMES, PLAYS, distance, run


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    out = tmp_path_factory.mktemp("limit_cycles")
    limit_cycles.main(["--quick", "--out", str(out)])
    assert (out / "limit_cycles.png").is_file()
    return json.loads((out / "summary.json").read_text())


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(limit_cycles, "STEPS", 500)


def test_the_claim_holds(summary):
    assert len(summary["metrics"]) == 28
    assert len(summary["holds"]) == 27  # the norm itself stands beside the formula, whose error is the next figure
    assert all(summary["holds"].values()), summary["holds"]


def test_gradient_descent_grows_by_the_formula_at_every_step(short):
    """|z_t|^2 = 2 (1 + eta^2)^t: the step is orthogonal to where the players stand."""
    norms = distance(run(GAMES["theta w"], PLAYS["GD at once"]), GAMES["theta w"])
    np.testing.assert_allclose(norms, np.sqrt(2 * 1.01 ** np.arange(501)), rtol=1e-12)


def test_the_paths_on_theta_w_are_the_recursions(short):
    """With z = theta + i w, where -i z is the direction in which the players descend and ascend."""
    eta, z = 0.1, [1 + 1j]
    for t in range(500):
        before = z[t - 1] if t else 0.0
        z.append(z[t] + 1j * eta * (2 * z[t] - before))
    theta, w = run(GAMES["theta w"], PLAYS["OMD"])[:, :, 0].T
    np.testing.assert_allclose(theta + 1j * w, np.array(z), rtol=0, atol=1e-12)


def test_the_dirac_gans_radii(short):
    """D(x) = sigma(w x), data at 0: g_theta = -w sigma(w theta), g_w = -theta sigma(w theta)."""
    theta, w = 1.0, -1.0
    for _ in range(500):
        p = 1 / (1 + np.exp(-w * theta))
        theta, w = theta + 0.2 * w * p, w - 0.2 * theta * p
    game = GAMES["Dirac GAN"]
    at_once = distance(run(game, PLAYS["GD at once"]), game)
    assert at_once[-1] == pytest.approx(np.hypot(theta, w), rel=1e-9)
    assert at_once[-1] == pytest.approx(3.097, abs=1e-3)
    in_turn = distance(run(game, PLAYS["GD in turn"]), game)
    assert in_turn.min() > 1.3
    assert in_turn.max() < 1.5


def test_the_published_cycle_comes_from_clipping_the_critics_weights():
    """The same experiment in plain NumPy: 999 steps at once, w clipped to [-1, 1]."""
    theta, w = np.full(2, 1.7), np.full(2, 1.4)
    for _ in range(999):
        theta, w = theta + 0.1 * w, np.clip(w + 0.1 * (np.array([3.0, 4.0]) - theta), -1, 1)
    np.testing.assert_allclose(theta, (3.48000545, 5.07760794), atol=1e-8)


@pytest.mark.parametrize(("eta", "holds"), [(0.57, True), (0.60, False)])
def test_omd_is_stable_below_one_over_the_root_of_three_only(eta, holds, summary):
    factor = summary["metrics"][f"theta w, OMD, eta {eta:.4f}: factor"]
    assert factor == pytest.approx({0.57: 0.981, 0.60: 1.057}[eta], abs=1e-3)
    assert (factor < 1) == holds == (eta < 3**-0.5)
