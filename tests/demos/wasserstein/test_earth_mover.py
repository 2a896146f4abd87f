"""The Wasserstein distance beside JSD: distances by formula, critics with known values, and the claim after a short run."""

from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

import minigan as mg
from demos.wasserstein import critics
from demos.wasserstein import earth_mover as demo
from minigan import Tensor, nn, optim
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
    assert len(summary["holds"]) == 13
    broken = {name for name, holds in summary["holds"].items() if not holds}
    assert broken <= {"penalised: modes of the ring at a peak"}  # the last peaks come late
    assert {path.name for path in out.iterdir()} == {"earth_mover.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "earth_mover.png")


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


def test_the_figures_are_those_of_the_formulas(out):
    found = summary_of(out)["metrics"]
    assert found["W = 1.0, lambda = 1: gap"] == pytest.approx(1.5, rel=0.05)
    assert found["W = 1.0, lambda = 10: gap"] == pytest.approx(1.05, rel=0.05)
    assert found["W = 1.0, lambda = 1: slope"] == pytest.approx(1.5, rel=0.05)
    assert found["W = 1.0, lambda = 10: slope"] == pytest.approx(1.05, rel=0.05)
    assert found["clipped: share of weights at -c, c"] > 10 * found["penalised: share at its largest"]


@pytest.mark.parametrize("theta", [-1.0, -0.3, 0.07, 0.5, 1.0])
def test_lines_apart_have_jsd_log_2_and_w1_theta(theta):
    jsd, W = critics.exact_distances(theta)
    assert jsd == pytest.approx(np.log(2), abs=1e-12)
    assert abs(W - abs(theta)) <= 1e-12


def test_a_line_is_no_distance_from_itself():
    assert critics.exact_distances(0.0) == (0.0, 0.0)


def test_the_generator_moves_its_noise_and_does_not_learn():
    made = demo.train(replace(demo.QUICK, steps=3), tqdm(disable=True), 0, "clip", theta=0.5)
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
    made = demo.train(replace(demo.QUICK, steps=1), tqdm(disable=True), 0, "penalty", penalty=0.1, ring=True)
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


class Cosine(nn.Module):
    """f = cos(n angle): n peaks on the way round, the first at angle 0."""

    def __init__(self, n):
        self.n = n

    def forward(self, x):
        return Tensor(np.cos(self.n * np.arctan2(x.numpy()[:, 1], x.numpy()[:, 0]))[:, None])


@pytest.mark.parametrize(("n", "found"), [(8, 8), (4, 4), (1, 1), (2, 2)])
def test_peaks_are_counted_at_the_modes(n, found):
    assert critics.peaks(game(Cosine(n), 0.0)) == found


def test_a_peak_between_two_modes_is_at_none():
    class Between(Cosine):
        def forward(self, x):
            return -super().forward(x)

    assert critics.peaks(game(Between(8), 0.0)) == 0


def test_weights_at_the_bounds_are_counted():
    D = linear(0.1, -0.1)
    D.bias.data = np.array([0.05], np.float32)
    assert critics.share_at_the_bounds(game(D, 0.0)) == pytest.approx(2 / 3)


def test_the_surface_runs_from_the_lower_left():
    f = critics.surface(game(linear(1.0, 10.0), 0.0), 1.0, side=3)
    np.testing.assert_allclose(f - f[1, 1], [[-11, -10, -9], [-1, 0, 1], [9, 10, 11]], rtol=1e-5)
