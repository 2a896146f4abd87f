"""The demo of limit cycles: its figures, and its paths against the same recursions written out by hand."""

import numpy as np
import pytest

from demos.wasserstein import limit_cycles
from demos.wasserstein.limit_cycles import GAMES, PLAYS, distance, run
from tests.demos.running import broken_claims, coarse_pictures, summary_of

LATE = {f"{game}, OMD: distance" for game in GAMES}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Of half of the steps, without Adam's plays."""
    out = tmp_path_factory.mktemp("limit_cycles")
    with pytest.MonkeyPatch.context() as m, coarse_pictures():
        m.setattr(limit_cycles, "STEPS", 1000)
        m.setattr(limit_cycles, "PLAYS", {how: play for how, play in PLAYS.items() if "Adam" not in how})
        limit_cycles.main(["--quick", "--out", str(out)])
    assert (out / "limit_cycles.png").is_file()
    return summary_of(out)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(limit_cycles, "STEPS", 500)


def test_after_half_of_the_steps_the_claim_holds_but_for_those_that_are_still_on_their_way(summary):
    assert len(summary["metrics"]) == 28 - 2 * len(GAMES)
    assert len(summary["holds"]) == 27 - 2 * len(GAMES)  # not the norm: the next figure is its error
    assert {name for name, holds in summary["holds"].items() if not holds} == LATE
    assert all(summary["metrics"][name] < 0.05 for name in LATE)


@pytest.mark.slow
def test_the_claim_holds_after_all_steps(tmp_path):
    assert broken_claims(limit_cycles, tmp_path) == []
    assert len(summary_of(tmp_path)["holds"]) == 27


def test_optimistic_adam_arrives_without_momentum_only(short):
    game = GAMES["theta w"]
    assert distance(run(game, PLAYS["optimistic Adam"]), game)[-1] < 0.02
    assert distance(run(game, PLAYS["optimistic Adam, momentum"]), game)[-100:].min() > 0.5


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
