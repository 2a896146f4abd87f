"""Critics and estimates against known distances: the earth mover, learning curves, stability, the WGAN's demo."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

import minigan as mg
from demos.kit import ring_and_grid
from demos.wasserstein import critics, earth_mover, learning_curves, stability
from minigan import data, metrics, nn
from tests.demos.running import column, snapshots_of, summary_of, training_of

RING = data.ring_centres(8)

# --- the earth mover ----------------------------------------------------------------------------------------------------


def game(*slope, bias=0.0, theta=0.0):
    """Against a critic with this slope everywhere."""
    made = earth_mover.make_game(earth_mover.QUICK, "clip", critics.line, theta, 0.0)
    made.D = nn.Dense(2, 1)
    made.D.weight.data, made.D.bias.data = np.array(slope, np.float32)[:, None], np.full(1, bias, np.float32)
    return made


def test_a_linear_critic_finds_the_distance_along_its_slope_and_a_discriminator_what_it_can_tell():
    for theta in (-1.0, 0.0, 0.07):  # lines apart have JSD log 2, and W1 |theta|
        assert critics.exact_distances(theta) == pytest.approx((np.log(2) * (theta != 0), abs(theta)), abs=1e-12)
    assert critics.gap(game(-3.0, 0.0, theta=0.25), critics.line) == pytest.approx(0.75, rel=1e-5)
    assert critics.slope(game(3.0, 4.0, theta=0.25), critics.line) == pytest.approx(5, rel=1e-5)
    assert critics.share_at_the_bounds(game(0.1, -0.1, bias=0.05)) == pytest.approx(2 / 3)
    for slope, bias, jsd in ((0.0, 0.0, 0.0), (-100.0, 50.0, np.log(2))):  # it guesses; it knows: real at 0, fakes at 1
        found = critics.jsd_by_discriminator(game(slope, 0.0, bias=bias, theta=1.0), critics.line)
        assert found == pytest.approx(jsd, abs=1e-6)


@pytest.mark.parametrize(("places", "at_modes"), [(RING, 8), (RING[:1], 1), (data.ring_centres(16)[1::2], 0)])
def test_summits_are_found_where_they_are_and_counted_at_the_modes_not_between_them(places, at_modes):
    x, y = np.meshgrid(*[np.linspace(-3, 3, 121)] * 2)
    found = critics.summits(np.max([-np.hypot(x - a, y - b) for a, b in places], axis=0), 3.0)
    assert (len(found), critics.modes_at(found)) == (len(places), at_modes)
    assert min(np.abs(found - places[-1]).max(axis=1)) < 0.05


# --- learning curves ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "loss"), [("GAN", np.log1p(np.exp(-2)) + np.log1p(np.exp(-4))), ("WGAN, clipped", -6)])
def test_the_estimate_is_minus_ds_loss_on_the_points_whose_distance_is_measured_in_even_ratios(name, loss, record):
    made = learning_curves.make_game(learning_curves.QUICK, name)
    assert (made.k if name == "GAN" else made.n_critic) == learning_curves.QUICK.n_critic
    made.D = game(1.0, 0.0).D
    x, samples = np.array([[2.0, 5.0]], np.float32), np.array([[-4.0, 5.0]], np.float32)
    assert learning_curves.loss_of(made, x, samples) == pytest.approx(loss, rel=1e-6)
    lost, measured = record(learning_curves, "loss_of", lambda *_: 3.0), record(metrics, "wasserstein1", lambda *_: 7.0)
    run = learning_curves.train(name, 0, replace(learning_curves.QUICK, steps=6, first=2, moments=3))
    assert (run["estimate"].tolist(), run["exact"].tolist()) == ([-3] * 3, [7] * 3)
    assert (measured[0].a is lost[0].x, measured[0].b is lost[0].samples) == (True, True)
    at, s = learning_curves.moments(learning_curves.Curves()), learning_curves.Curves()
    assert (at[0], at[-1]) == (s.first, s.steps)
    assert at[-1] / at[-2] == pytest.approx((s.steps / s.first) ** (1 / (s.moments - 1)), rel=0.01)


# --- stability ------------------------------------------------------------------------------------------------------------


def test_halved_images_are_means_and_the_sliced_distance_of_a_shift_is_its_mean_length_along_the_directions():
    images = np.zeros((2, 1, 28, 28), np.float32)
    images[1, 0, :2, 2:4] = [[1, 1], [0, 0]]
    rows = stability.halved(images)
    assert (rows.shape, rows[1, 1], rows.sum()) == ((2, 196), 0, -391)
    a = np.random.default_rng(0).standard_normal((50, 196))
    assert stability.distance(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    once, twice = stability.distance(a, a + 1), stability.distance(a, a + 2)
    assert twice == pytest.approx(2 * once)
    assert once == pytest.approx(np.sqrt(2 / np.pi), rel=0.15)  # |(1, ..., 1)| = 14, times E |u| = 14 sqrt(2 / pi) / sqrt(196)


def test_the_end_is_the_last_quarter_and_a_game_diverges_at_more_than_twice_its_least_distance_so_far():
    distances = np.array([[9.0, 4, 3, 3, 3, 1, 2, 3], [1, 2, 2, 2, 2, 2, 1, 2], [5, 3, 2, 4, 4.1, 1, 1, 1]])
    np.testing.assert_array_equal(stability.at_the_end(distances), [2.5, 1.5, 1])
    np.testing.assert_array_equal(stability.diverges(distances), [True, False, True])


# --- the WGAN's demo ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_estimate_and_exact_distance_are_those_of_the_samples_and_ranks_leave_out_untrained_critics(quick):
    out = quick("wgan").out
    found, distance, settings = snapshots_of(out), summary_of(out)["metrics"]["distance"], summary_of(out)["settings"]
    samples, exact, n = found["samples"], found["exact"], found["samples"].shape[1]
    mg.seed(0)
    x = data.ring(100_000, **ring_and_grid.RING)
    for i in (0, len(exact) // 2, -1):
        assert exact[i] == pytest.approx(metrics.wasserstein1(x[:n], samples[i]), rel=1e-6)
    assert distance["last_exact"] == exact[-1]
    floor = np.mean([metrics.wasserstein1(x[:n], x[i * n : (i + 1) * n]) for i in (1, 2, 3, 4, 5)])
    assert distance["between_two_samples_of_the_data"] == pytest.approx(floor, rel=1e-6)
    learnt = found["step"] > found["step"][-1] / 10
    assert 0 < (~learnt).sum() < 4
    assert distance["rank_correlation"] == pytest.approx(spearmanr(found["estimate"][learnt], exact[learnt]).statistic)
    np.testing.assert_array_equal(column(out, "w_estimate"), -column(out, "loss_D"))
    critic = nn.Sequential(nn.Dense(2, 64), nn.LeakyReLU(0.2), nn.Dense(64, 64), nn.LeakyReLU(0.2), nn.Dense(64, 1))
    critic.load_state_dict(training_of(out)["game"]["D"])
    f_real, f_fake = (critic(points).numpy().mean() for points in (x[:n], samples[-1]))
    assert found["estimate"][-1] == pytest.approx(f_real - f_fake, rel=1e-3)
    assert max(np.abs(p.numpy()).max() for p in critic.parameters()) == pytest.approx(settings["clip"])
