"""The Wasserstein distance compared with JSD: distances by formula, critics with known values, planted faults."""

from dataclasses import replace

import numpy as np
import pytest

from demos.wasserstein import critics
from demos.wasserstein import earth_mover as demo
from minigan import data, nn, optim
from minigan.games import GAN, WGAN, WGANGP
from tests.demos.running import broken_claims, smaller_run, summary_of

SMALL = {"thetas": (-0.5, 0.0, 1.0), "steps": 60, "batch": 128, "lr": 9e-3, "width": 24}


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run_and_the_penaltys_law_is_the_formula(tmp_path):
    assert broken_claims(demo, tmp_path) == []
    found = summary_of(tmp_path)["metrics"]
    for penalty, slope in ((1, 1.5), (10, 1.05)):  # 1 + W / (2 lambda)
        for measure in ("gap", "slope"):
            assert found[f"W = 1.0, lambda = {penalty}: {measure}"] == pytest.approx(slope, rel=0.05)
    assert found["clipped: share of weights at -c, c"] > 10 * found["penalised: share of weights at the largest"]


DEFECTS = {
    "JSD - log 2, by a trained D, worst": ({"lr": 1e-9}, 1),
    "clipped critic and W1, rank correlation": ({}, -1),  # the wrong sign
    "clipped: share of weights at -c, c": ({"clip": 1e6}, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", DEFECTS)
def test_a_defect_breaks_the_claim(broken, tmp_path, monkeypatch):
    changes, sign = DEFECTS[broken]
    monkeypatch.setattr(critics, "gap", lambda game, real, gap=critics.gap: sign * gap(game, real))
    with pytest.raises(SystemExit, match=broken):
        smaller_run(demo, tmp_path, **SMALL | changes)


@pytest.mark.parametrize("theta", [-1.0, -0.3, 0.0, 0.07, 0.5, 1.0])
def test_lines_apart_have_jsd_log_2_and_w1_theta(theta):
    assert critics.exact_distances(theta) == pytest.approx((np.log(2) * (theta != 0), abs(theta)), abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "game", "optimizer"),
    [("gan", GAN, optim.Adam), ("clip", WGAN, optim.RMSProp), ("penalty", WGANGP, optim.Adam)],
)
def test_each_kind_plays_its_own_game_and_g_moves_its_noise_and_does_not_learn(kind, game, optimizer):
    made = demo.train(replace(demo.QUICK, steps=3), 0, kind, theta=0.5, penalty=7.0)
    np.testing.assert_array_equal(made.sample(2, z=np.array([[0, 1], [0, -1]])), [[0.5, 1], [0.5, -1]])
    assert (type(made), type(made.opt_D), made.prior) == (game, optimizer, critics.line)
    assert getattr(made, "clip", demo.QUICK.clip) == demo.QUICK.clip
    assert getattr(made, "penalty", 7.0) == 7.0
    assert demo.train(replace(demo.QUICK, steps=1), 0, kind, penalty=7.0, ring=True).prior is critics.blurred_ring


def game(*slope, bias=0.0, theta=0.0):
    """Against a critic with this slope everywhere."""
    made = demo.make_game(demo.QUICK, "clip", critics.line, theta, 0.0)
    made.D = nn.Dense(2, 1)
    made.D.weight.data, made.D.bias.data = np.array(slope, np.float32)[:, None], np.full(1, bias, np.float32)
    return made


@pytest.mark.parametrize("theta", [-0.5, 0.25])
def test_a_linear_critic_finds_the_distance_along_its_slope(theta):
    assert critics.gap(game(-3.0, 0.0, theta=theta), critics.line) == pytest.approx(3 * theta, rel=1e-5)
    assert critics.slope(game(3.0, 4.0, theta=theta), critics.line) == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize(("slope", "bias", "jsd"), [(0.0, 0.0, 0.0), (-100.0, 50.0, np.log(2))])
def test_a_discriminator_that_can_only_guess_sees_no_divergence_and_one_that_knows_log_2(slope, bias, jsd):
    made = game(slope, 0.0, bias=bias, theta=1.0)  # real at 0, fakes at 1
    assert critics.jsd_by_discriminator(made, critics.line) == pytest.approx(jsd, abs=1e-6)


@pytest.mark.parametrize(
    ("places", "at_modes"),
    [(data.ring_centres(8)[:1], 1), (data.ring_centres(8), 8), (data.ring_centres(16)[1::2], 0), (np.zeros((1, 2)), 0)],
)
def test_summits_are_found_where_they_are_and_counted_at_the_modes_not_between_them(places, at_modes):
    x, y = np.meshgrid(*[np.linspace(-3, 3, 121)] * 2)
    found = critics.summits(np.max([-np.hypot(x - a, y - b) for a, b in places], axis=0), 3.0)
    assert len(found) == len(places)
    assert critics.modes_at(found) == at_modes
    assert min(np.abs(found - places[-1]).max(axis=1)) < 0.05


def test_a_surface_runs_from_the_lower_left_and_a_slope_has_no_summit_and_its_highest_point_in_a_corner():
    f = critics.surface(game(1.0, 10.0), 1.0, side=3)
    np.testing.assert_allclose(f - f[1, 1], [[-11, -10, -9], [-1, 0, 1], [9, 10, 11]], rtol=1e-5)
    assert len(critics.summits(f, 1.0)) == 0
    np.testing.assert_allclose(critics.highest(-f.T, 1.0), [-1, -1])
    np.testing.assert_allclose(critics.highest(critics.surface(game(1.0, -2.0), 1.0, side=11), 1.0), [1, -1])


def test_weights_at_the_bounds_are_counted():
    assert critics.share_at_the_bounds(game(0.1, -0.1, bias=0.05)) == pytest.approx(2 / 3)
