"""The Wasserstein distance beside JSD: distances by formula, critics with known values, and the claim after a short run."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.wasserstein import critics
from demos.wasserstein import earth_mover as demo
from minigan import data, nn, optim
from minigan.games import GAN, WGAN, WGANGP
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    small = {"thetas": (-0.5, 0.0, 1.0), "steps": 80, "batch": 128, "lr": 9e-3, "width": 24}
    return smaller_run(demo, tmp_path_factory.mktemp("earth_mover"), **small)


def linear(*slope):
    """A critic with this slope everywhere."""
    layer = nn.Dense(2, 1)
    layer.weight.data = np.array(slope, np.float32)[:, None]
    return layer


def game(D, theta):
    settings = demo.QUICK
    made = demo.make_game(settings, "clip", critics.line, theta, 0.0)
    made.D = D
    return made


def test_the_claim_holds(out):
    summary = summary_of(out)
    assert len(summary["holds"]) == 13  # all but the summits of the penalised critic, which come late
    assert all(summary["holds"].values())
    assert {path.name for path in out.iterdir()} == {"earth_mover.png", "critics.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "earth_mover.png")
    assert_shows_something(out / "critics.png")


def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


@pytest.mark.parametrize(
    "defect", ["a critic that does not train", "an estimate of the wrong sign", "weights that are not clipped"]
)
def test_a_defect_breaks_the_claim(defect, tmp_path, monkeypatch):
    small, gap = {"thetas": (-0.5, 0.0, 1.0), "steps": 60, "batch": 128, "lr": 9e-3, "width": 24}, critics.gap
    if defect == "a critic that does not train":
        small["lr"], broken = 1e-9, "JSD - log 2, by a trained D, worst"
    elif defect == "an estimate of the wrong sign":
        monkeypatch.setattr(critics, "gap", lambda game, real: -gap(game, real))
        broken = "clipped critic and W1, rank correlation"
    else:
        small["clip"], broken = 1e6, "clipped: share of weights at -c, c"
    with pytest.raises(SystemExit, match=broken):
        smaller_run(demo, tmp_path, **small)


def test_the_figures_are_those_of_the_formulas(out):
    found = summary_of(out)["metrics"]
    assert found["W = 1.0, lambda = 1: gap"] == pytest.approx(1.5, rel=0.05)
    assert found["W = 1.0, lambda = 10: gap"] == pytest.approx(1.05, rel=0.05)
    assert found["W = 1.0, lambda = 1: slope"] == pytest.approx(1.5, rel=0.05)
    assert found["W = 1.0, lambda = 10: slope"] == pytest.approx(1.05, rel=0.05)
    assert found["clipped: share of weights at -c, c"] > 10 * found["penalised: share of weights at the largest"]


@pytest.mark.parametrize("theta", [-1.0, -0.3, 0.07, 0.5, 1.0])
def test_lines_apart_have_jsd_log_2_and_w1_theta(theta):
    jsd, W = critics.exact_distances(theta)
    assert jsd == pytest.approx(np.log(2), abs=1e-12)
    assert abs(W - abs(theta)) <= 1e-12


def test_a_line_is_no_distance_from_itself():
    assert critics.exact_distances(0.0) == (0.0, 0.0)


def test_the_generator_moves_its_noise_and_does_not_learn():
    made = demo.train(replace(demo.QUICK, steps=3), 0, "clip", theta=0.5)
    np.testing.assert_array_equal(made.sample(2, z=np.array([[0, 1], [0, -1]])), [[0.5, 1], [0.5, -1]])


@pytest.mark.parametrize(
    ("kind", "game", "optimizer"),
    [("gan", GAN, optim.Adam), ("clip", WGAN, optim.RMSProp), ("penalty", WGANGP, optim.Adam)],
)
def test_a_discriminator_and_a_critic_play_their_own_games(kind, game, optimizer):
    made = demo.make_game(demo.QUICK, kind, critics.line, 0.5, 7.0)
    assert type(made) is game
    assert type(made.opt_D) is optimizer
    assert made.prior is critics.line
    assert getattr(made, "clip", demo.QUICK.clip) == demo.QUICK.clip
    assert getattr(made, "penalty", 7.0) == 7.0


def test_on_the_ring_the_fakes_are_the_blurred_ring(monkeypatch):
    monkeypatch.setattr(critics, "line", None)
    made = demo.train(replace(demo.QUICK, steps=1), 0, "penalty", penalty=0.1, ring=True)
    assert made.prior is critics.blurred_ring


@pytest.mark.parametrize("theta", [-0.5, 0.25])
def test_a_linear_critic_finds_the_distance_along_its_slope(theta):
    mg.seed(0)
    made = game(linear(-3.0, 0.0), theta)
    assert critics.gap(made, critics.line) == pytest.approx(3 * theta, rel=1e-5)
    made = game(linear(3.0, 4.0), theta)
    assert critics.slope(made, critics.line) == pytest.approx(5, rel=1e-5)


def test_a_discriminator_that_can_only_guess_sees_no_divergence():
    made = game(linear(0.0, 0.0), 1.0)
    made.D.bias.data = np.zeros(1, np.float32)
    assert critics.jsd_by_discriminator(made, critics.line) == pytest.approx(0, abs=1e-6)


def test_a_discriminator_that_knows_finds_log_2():
    made = game(linear(-100.0, 0.0), 1.0)  # real at 0, fakes at 1
    made.D.bias.data = np.full(1, 50.0, np.float32)
    assert critics.jsd_by_discriminator(made, critics.line) == pytest.approx(np.log(2), abs=1e-6)


def hills(places, side=121, reach=3.0):
    """A surface with a summit at each of these places."""
    line = np.linspace(-reach, reach, side)
    x, y = np.meshgrid(line, line)
    return np.max([-np.hypot(x - a, y - b) for a, b in places], axis=0)


@pytest.mark.parametrize("n", [1, 2, 8])
def test_summits_are_found_where_they_are_and_counted_at_the_modes(n):
    centres = data.ring_centres(8)[:n]
    found = critics.summits(hills(centres), 3.0)
    assert len(found) == n
    assert critics.modes_at(found) == n
    assert min(np.abs(found - centres[-1]).max(axis=1)) < 0.05


def test_a_summit_between_two_modes_or_in_the_centre_is_at_none():
    between = data.ring_centres(16)[1::2]
    for places in (between, [(0.0, 0.0)]):
        found = critics.summits(hills(places), 3.0)
        assert len(found) == len(places)
        assert critics.modes_at(found) == 0


def test_a_slope_has_no_summit_and_its_highest_point_is_a_corner():
    line = np.linspace(-1, 1, 11)
    slope = line[None] - 2 * line[:, None]
    assert len(critics.summits(slope, 1.0)) == 0
    np.testing.assert_allclose(critics.highest(slope, 1.0), [1, -1])
    assert critics.modes_at(critics.summits(slope, 1.0)) == 0


def test_weights_at_the_bounds_are_counted():
    D = linear(0.1, -0.1)
    D.bias.data = np.array([0.05], np.float32)
    assert critics.share_at_the_bounds(game(D, 0.0)) == pytest.approx(2 / 3)


def test_the_surface_runs_from_the_lower_left():
    f = critics.surface(game(linear(1.0, 10.0), 0.0), 1.0, side=3)
    np.testing.assert_allclose(f - f[1, 1], [[-11, -10, -9], [-1, 0, 1], [9, 10, 11]], rtol=1e-5)
