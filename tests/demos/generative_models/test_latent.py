"""A generator's z: its Jacobian and singular vectors, the ways between two z, real images; and faults."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import latent as demo
from demos.kit import digits
from minigan import Tensor, data, metrics, nn
from tests.demos.experiments import broken

SMALL = replace(demo.Settings(), z=3, points=4, pairs=50, images=5, descents=300, restarts=2)


class Linear(nn.Module):
    """Images A z."""

    def __init__(self, d=3, dtype=np.float32, seed=0):
        self.A = Tensor(np.random.default_rng(seed).random((d, 784)).astype(dtype) / d)

    def forward(self, z):
        return (z @ self.A).reshape(-1, 1, 28, 28)


class Square(nn.Module):
    """Four pixels: z_1^2, z_1 z_2, 3 z_2, 0."""

    def forward(self, z):
        a, b = z[:, 0], z[:, 1]
        return mg.stack([a * a, a * b, 3.0 * b, 0.0 * a], axis=1).reshape(-1, 1, 2, 2)


class Fixed(nn.Module):
    """A judge that is sure of bright images."""

    def features(self, x):
        return Tensor(x.reshape(len(x), -1)[:, :1])

    def head(self, pixel):
        return pixel @ Tensor(np.array([[10.0] + 9 * [0.0]], np.float32))


# --- directions ---------------------------------------------------------------------------------------------------------


def test_the_jacobian_in_closed_form_and_of_a_linear_g():
    J = demo.jacobian(Square(), np.array([2.0, 5.0]))
    np.testing.assert_allclose(J, [[4, 0], [5, 2], [0, 3], [0, 0]])
    G = Linear(dtype=np.float64)
    np.testing.assert_allclose(demo.jacobian(G, np.ones(3)), G.A.numpy().T, rtol=1e-12)


def test_the_overlap_is_0_of_independent_dimensions_and_1_of_parallel_ones():
    assert demo.overlap(np.diag([1.0, 2.0, 3.0])) == 0
    assert demo.overlap(np.outer([1.0, 2.0], [1.0, -5.0, 3.0])) == pytest.approx(1)
    assert demo.overlap(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])) == pytest.approx(2 * np.sqrt(0.5) / 3)


def test_of_a_linear_g_steps_along_singular_vectors_move_by_singular_values_and_no_direction_beats_the_first():
    G = Linear()
    found, A = demo.look_around(G, np.zeros(3, np.float32)), G.A.numpy()
    U, S, _ = np.linalg.svd(A)
    np.testing.assert_allclose(np.abs(found["V"] @ U), np.eye(3), atol=1e-4)
    assert found["moved_first"] == pytest.approx(6 * S[0], rel=1e-4)
    assert found["moved_last"] == pytest.approx(6 * S[-1], rel=1e-4)
    assert found["moved_axis"] == pytest.approx(6 * np.linalg.norm(A, axis=1).mean(), rel=1e-4)
    assert found["predicted_error"] < 1e-3
    np.testing.assert_allclose(found["singular"], S**2 / (S**2).sum(), rtol=1e-4)
    lengths = np.sort((A**2).sum(axis=1))[::-1]
    np.testing.assert_allclose(found["axes"], lengths / lengths.sum(), rtol=1e-4)


# --- ways ---------------------------------------------------------------------------------------------------------------


def test_the_great_circle_keeps_the_length_and_the_straight_line_does_not():
    settings = replace(SMALL, z=64, pairs=300)
    found = demo.ways(Linear(64), data.noise(64), Fixed(), settings)
    assert found["slerp"].shape == found["lerp"].shape == (300, 11)
    np.testing.assert_allclose(found["slerp"], 1, atol=1e-12)
    np.testing.assert_allclose(found["lerp"][:, [0, -1]], 1, atol=1e-12)
    assert found["lerp"][:, 5].mean() == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_a_judge_is_sure_above_nine_tenths():
    images = np.zeros((4, 1, 28, 28), np.float32)
    images[:, 0, 0, 0] = [0.0, 0.4, 0.5, 1.0]  # e^4 / (e^4 + 9) = 0.86, e^5 / (e^5 + 9) = 0.94
    assert demo.sure(Fixed(), images) == 0.5


def test_images_that_g_can_make_are_found_and_the_ways_lead_from_one_to_the_next():
    G, z = Linear(), np.array([[1.0, 0.2, 0.5], [0.1, 0.9, -0.2], [0.4, 0.4, 1.0], [1.2, 0.0, 0.3], [0.0, 0.3, 0.8]])
    real = digits.draw(G, z).clip(0, 1)
    found = demo.inversion(G, data.noise(3), Fixed(), real[[0, 2, 4]], real, SMALL)
    assert (found["error"] < 0.05 * np.linalg.norm(real.reshape(5, -1), axis=1)).all()
    np.testing.assert_allclose(found["nearest"][[0, 2, 4]], 0, atol=1e-3)
    assert (found["nearest"][[1, 3]] > 1).all()
    np.testing.assert_allclose(found["length"], np.linalg.norm(z, axis=1) / np.sqrt(3), atol=0.15)
    assert found["through_z"].shape == found["through_pixels"].shape == (2, 9, 1, 28, 28)
    for pair in range(2):
        ends = real[2 * pair : 2 * pair + 2]
        np.testing.assert_allclose(found["through_z"][pair, [0, -1]], ends, atol=0.1)
        np.testing.assert_allclose(found["through_pixels"][pair, [0, -1]], ends, atol=1e-6)
        np.testing.assert_allclose(found["through_pixels"][pair, 4], ends.mean(axis=0), atol=1e-6)


def test_the_error_of_an_image_that_g_cannot_make_is_its_distance_from_the_nearest_that_it_can():
    real = np.random.default_rng(1).random((2, 1, 28, 28), dtype=np.float32)
    found, A = demo.inversion(Linear(), data.noise(3), Fixed(), real, real, SMALL), Linear().A.numpy().T
    for image, error in zip(real.reshape(2, -1), found["error"], strict=True):
        best = A @ np.linalg.lstsq(A, image, rcond=None)[0]
        assert error == pytest.approx(np.linalg.norm(best - image), rel=1e-2)


# --- faults -------------------------------------------------------------------------------------------------------------


def a_run(singular=0.095, axes=0.04, slerp=1.0, lerp=0.707, predicted=0.01, error=5.0, by_z=0.9):
    run = {"singular": np.full((2, 20), singular), "axes": np.full((2, 20), axes), "untrained": np.full((2, 20), 0.03)}
    run |= {"overlap": np.array([0.2]), "predicted_error": np.array([0.0, predicted])}
    run |= {f"moved_{name}": np.array([1.0]) for name in ("first", "axis", "last")}
    run |= {"slerp": np.array([[1.0] * 10 + [slerp]]), "lerp": np.full((3, 11), lerp)}
    run |= {f"{name}_sure": 0.5 for name in ("random", "lerp", "slerp")}
    run |= {"through_z_sure": by_z, "through_pixels_sure": 0.5}
    return run | {"error": np.array([error - 2, error + 2]), "nearest": np.array([5.0, 5.0]), "length": np.array([1.0])}


@pytest.mark.parametrize(
    ("worse", "fails"),
    [
        ({}, set()),
        ({"singular": 0.085}, {"singular_share"}),
        ({"axes": 0.05}, {"axes_to_singular"}),
        ({"slerp": 1 + 2e-6}, {"slerp_norm_error"}),
        ({"slerp": 1 - 2e-6}, {"slerp_norm_error"}),
        ({"lerp": 0.76}, {"lerp_half_way"}),
        ({"predicted": 0.06}, {"predicted_change_error"}),
        ({"error": 6.5}, {"inversion_to_nearest"}),
    ],
)
def test_the_worst_seed_decides(claim, worse, fails):
    demo.measure(claim, [a_run(), a_run(**worse)])
    assert broken(claim) == fails
    assert claim.metrics["closer_than_nearest"] == 0.5


def test_what_is_said_of_z_and_pixels_are_the_ends_of_the_interval(claim):
    demo.measure(claim, [a_run(by_z=share) for share in (0.9, 0.8, 0.85)])
    half = 4.3027 * 0.05 / np.sqrt(3)  # Student's t of three seeds
    assert f"(difference: from {100 * (0.35 - half):.0f} to {100 * (0.35 + half):.0f} points)" in demo.title_of_ways(claim)


@pytest.mark.slow
@pytest.mark.parametrize(("lr", "fails"), [(1e-3, set()), (0.0, {"singular_share", "inversion_to_nearest"})])
def test_a_g_that_does_not_learn_breaks_the_claim(claim, lr, fails):
    settings = replace(demo.Settings(), **demo.QUICK | {"steps": 1000, "descents": 100, "lr": lr})
    x, judge = data.glyphs(1000)[0], metrics.Judge(np.random.default_rng(0))
    demo.measure(claim, [demo.experiment(0, settings, x[20:], x[:20], judge)])
    assert broken(claim) == fails
