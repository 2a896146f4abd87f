"""The demo of limit cycles: its figures, and its paths against the same recursions written out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.wasserstein import limit_cycles, optimism
from demos.wasserstein.limit_cycles import GAMES, PLAYS, distance, run
from demos.wasserstein.predictors import ETAS, PREDICTORS
from minigan import data, metrics
from tests.demos.running import broken_claims, coarse_pictures, summary_of

LATE = {f"{game}, OMD: distance" for game in GAMES}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Of half of the steps, without Adam's plays, and nearly nothing on digits."""
    out = tmp_path_factory.mktemp("limit_cycles")
    with pytest.MonkeyPatch.context() as m, coarse_pictures():
        m.setattr(limit_cycles, "STEPS", 1000)
        m.setattr(limit_cycles, "PLAYS", {how: play for how, play in PLAYS.items() if "Adam" not in how})
        m.setattr(limit_cycles, "PANELS", (*limit_cycles.PANELS[:3], ("OMD",)))
        m.setattr(limit_cycles.main, "quick", replace(optimism.QUICK, updates=6, width=8, samples=40))
        m.setattr(digits, "load", lambda args: (*data.glyphs(100), None))
        m.setattr(metrics, "train_judge", lambda x, y, steps: metrics.Judge())
        with pytest.raises(SystemExit, match="OMD: distance"):  # which arrives later
            limit_cycles.main(["--quick", "--out", str(out)])
    assert (out / "limit_cycles.png").is_file()
    assert (out / "optimism.png").is_file()
    return summary_of(out)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(limit_cycles, "STEPS", 500)


@pytest.mark.slow
def test_after_half_of_the_steps_the_claim_holds_but_for_those_that_are_still_on_their_way(summary):
    assert {name for name, holds in summary["holds"].items() if not holds} == LATE
    assert len(summary["holds"]) == 2 + 4 * len(GAMES) + 3 + 4 + len(PREDICTORS) * len(ETAS) + 1
    assert all(summary["metrics"][name] < 0.05 for name in LATE)


@pytest.mark.slow
def test_the_claim_holds_after_all_steps(tmp_path):
    assert broken_claims(limit_cycles, tmp_path) == []
    found = summary_of(tmp_path)
    assert len(found["holds"]) == 2 + 6 * len(GAMES) + 3 + 4 + len(PREDICTORS) * len(ETAS) + 1
    assert "GD at once 29,641" in limit_cycles.ends(found["metrics"], "bilinear game")


def test_descent_without_optimism_breaks_the_claim(tmp_path, monkeypatch):
    monkeypatch.setitem(PLAYS, "OMD", replace(PLAYS["GD at once"], arrives=True))
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "limit_cycles"), {})
    game = GAMES["bilinear game"]
    limit_cycles.arrivals(claim, "bilinear game", {how: distance(run(game, PLAYS[how]), game) for how in ("OMD", "GD in turn")})
    assert claim.holds == {
        "bilinear game, OMD: distance": False,
        "bilinear game, GD in turn: distance, least of the last 500 steps": True,
    }


def test_optimistic_adam_arrives_without_momentum_only(short):
    game = GAMES["bilinear game"]
    assert distance(run(game, PLAYS["optimistic Adam"]), game)[-1] < 0.02
    assert distance(run(game, PLAYS["optimistic Adam, momentum"]), game)[-100:].min() > 0.5


def test_gradient_descent_grows_by_the_formula_at_every_step(short):
    """|z_t|^2 = 2 (1 + eta^2)^t: the step is orthogonal to where the players stand."""
    norms = distance(run(GAMES["bilinear game"], PLAYS["GD at once"]), GAMES["bilinear game"])
    np.testing.assert_allclose(norms, np.sqrt(2 * 1.01 ** np.arange(501)), rtol=1e-12)


def test_the_paths_on_theta_w_are_the_recursions(short):
    """With z = theta + i w, where -i z is the direction in which the players descend and ascend."""
    eta, z = 0.1, [1 + 1j]
    for t in range(500):
        before = z[t - 1] if t else 0.0
        z.append(z[t] + 1j * eta * (2 * z[t] - before))
    theta, w = run(GAMES["bilinear game"], PLAYS["OMD"])[:, :, 0].T
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


@pytest.mark.slow
@pytest.mark.parametrize(("eta", "holds"), [(0.57, True), (0.60, False)])
def test_omd_is_stable_below_one_over_the_root_of_three_only(eta, holds, summary):
    factor = summary["metrics"][f"bilinear game, OMD, eta {eta:.4f}: factor"]
    assert factor == pytest.approx({0.57: 0.981, 0.60: 1.057}[eta], abs=1e-3)
    assert (factor < 1) == holds == (eta < 3**-0.5)


# --- optimism on digits -------------------------------------------------------------------------------------------------


def figures(adam, optimistic):
    """A claim's figures of runs with these Frechet distances."""
    noted = {}

    class Noted(Claim):
        def __init__(self):
            self.args, self.metrics, self.expected, self.holds, self.short = None, noted, {}, {}, ""

    runs = {f"{rule}, 5:1": [{"frechet": d} for d in row] for rule, row in zip(optimism.RULES, (adam, optimistic), strict=True)}
    claim = Noted()
    optimism.report(claim, optimism.Settings(), runs)
    return claim


def test_who_arrives_is_said_by_the_distances():
    far = {f"{name}, {how}: at the end": 1.0 for name in GAMES for how in PLAYS}
    assert limit_cycles.arrived(far) == f"nobody arrived in all 3 games; in none: {', '.join(PLAYS)}"
    near = (
        far | {f"{name}, OMD: at the end": 1e-5 for name in GAMES} | {"Dirac GAN, optimistic Adam, momentum: at the end": 0.0}
    )
    others = ", ".join(how for how in PLAYS if how not in ("OMD", "optimistic Adam, momentum"))
    assert limit_cycles.arrived(near) == f"OMD arrived in all 3 games; in none: {others}"


def test_the_conclusion_follows_the_interval_whichever_way():
    a, b = [100.0, 101.0, 102.0], [200.0, 201.0, 202.0]
    for adam, optimistic, effect in ((a, b, "hurts"), (b, a, "helps"), (a, a, "no difference beyond chance")):
        assert f"optimism {effect}" in figures(adam, optimistic).words(optimism.EFFECT)


def test_a_generator_that_has_not_learnt_is_a_broken_bound():
    assert figures([100.0, 110.0], [120.0, 130.0]).holds == {"digits: Frechet distance, worst run": True}
    assert figures([100.0, 110.0], [120.0, 2500.0]).holds == {"digits: Frechet distance, worst run": False}


def test_all_rules_and_tempi_cost_as_many_updates():
    s = optimism.Settings()
    assert {(tempo + 1) * optimism.iterations(s, tempo) for tempo in (1, 2, 5)} == {s.updates}


def test_the_rules_differ_in_nothing_else():
    x = data.glyphs(50)[0]
    s = replace(optimism.QUICK, updates=12, width=8, batch=16, samples=20, rates=(1e-3, 1e-3))
    judge = metrics.Judge()
    same = [optimism.play("Adam", 5, 7, x, judge, s)["frechet"] for _ in range(2)]
    assert same[0] == same[1]
    assert optimism.play("optimistic Adam", 5, 7, x, judge, s)["frechet"] != same[0]
