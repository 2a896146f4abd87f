"""A generator's z: its Jacobian and singular vectors, the ways between two z, real images; and what a quick run finds."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import latent as demo
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, data, metrics, nn
from tests.demos.running import assert_shows_something, summary_of

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


@pytest.fixture
def claim(tmp_path):
    return Claim(start(digits.options(""), ["--out", str(tmp_path)], "latent"), {})


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latent")
    demo.main(["--quick", "--out", str(folder)])
    return folder


@pytest.mark.slow
def test_in_a_quick_run_the_rules_hold_that_are_every_gs(out):
    summary = summary_of(out)
    names = {"predicted_change_error", "slerp_norm_error", "lerp_half_way"}
    assert summary["holds"] == {name: True for name in names}
    assert {path.name for path in out.iterdir()} == {"latent.png", "ways.png", "summary.json", "checkpoint.npz"}
    for name in ("latent.png", "ways.png"):
        assert_shows_something(out / name)


@pytest.mark.slow
@pytest.mark.parametrize("trained", [True, False])
def test_an_untrained_g_is_found(trained, claim, monkeypatch):
    """Planted: G does not learn."""
    settings = replace(demo.Settings(), **demo.QUICK | {"steps": 1000, "descents": 100})
    if not trained:
        settings = replace(settings, lr=0.0)
    x, _ = data.glyphs(1000)
    demo.measure(claim, [demo.experiment(0, settings, x[20:], x[:20], metrics.Judge(np.random.default_rng(0)))])
    fails = {name for name, holds in claim.holds.items() if not holds}
    assert fails == (set() if trained else {"singular_share", "inversion_to_nearest"})


# --- directions ---------------------------------------------------------------------------------------------------------


def test_the_jacobian_in_closed_form_and_of_a_linear_g():
    J = demo.jacobian(Square(), np.array([2.0, 5.0]))
    np.testing.assert_allclose(J, [[4, 0], [5, 2], [0, 3], [0, 0]])
    G = Linear(dtype=np.float64)
    np.testing.assert_allclose(demo.jacobian(G, np.ones(3)), G.A.numpy().T, rtol=1e-12)


def test_the_jacobian_of_a_network_beside_finite_differences():
    G = nn.Sequential(nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, 5))
    for p in G.parameters():
        p.data = p.data.astype(np.float64)
    z = np.array([0.3, -1.0, 0.7])
    slopes = [(G(Tensor((z + e)[None])) - G(Tensor((z - e)[None]))).numpy()[0] / 2e-6 for e in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(demo.jacobian(G, z), np.transpose(slopes), atol=1e-8)


def test_shares_are_of_the_sum_and_the_greatest_comes_first():
    np.testing.assert_allclose(demo.shares(np.array([1.0, 5.0, 4.0])), [0.5, 0.4, 0.1])


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


def test_directions_are_looked_for_at_several_points():
    found = demo.directions(Linear(), data.noise(3), SMALL)
    assert found["z"].shape == (4, 3)
    assert found["V"].shape == (4, 3, 3)
    assert found["axes"].shape == found["singular"].shape == (4, 3)
    assert len({tuple(z) for z in found["z"]}) == 4


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
    real = np.random.default_rng(1).random((4, 1, 28, 28), dtype=np.float32)
    found = demo.inversion(Linear(), data.noise(3), Fixed(), real, real, SMALL)
    for i, error in enumerate(found["error"]):
        A = Linear().A.numpy().T
        best = A @ np.linalg.lstsq(A, real[i].ravel(), rcond=None)[0]
        assert error == pytest.approx(np.linalg.norm(best - real[i].ravel()), rel=1e-2)


def test_the_trained_generator_is_in_eval_mode_and_follows_the_seed():
    settings = replace(SMALL, steps=5, z=4, width=8, batch=10)
    x = np.random.default_rng(0).random((40, 1, 28, 28), dtype=np.float32)

    def train(seed):
        mg.seed(seed)
        return digits.train_generator(x, settings)

    one, same, other = (train(seed) for seed in (0, 0, 1))
    assert not one.training
    z = data.noise(4)(3)
    images = digits.draw(digits.in_pixels(one), z)
    assert images.shape == (3, 1, 28, 28)
    assert ((images >= 0) & (images <= 1)).all()
    np.testing.assert_allclose(2 * images - 1, one(Tensor(z)).numpy(), atol=1e-6)
    np.testing.assert_array_equal(images, digits.draw(digits.in_pixels(same), z))
    assert (images != digits.draw(digits.in_pixels(other), z)).any()


# --- the figures --------------------------------------------------------------------------------------------------------


def a_run(singular=0.095, axes=0.04, slerp=1.0, lerp=0.707, predicted=0.01, error=5.0, by_z=0.9, by_pixels=0.5):
    run = {"singular": np.full((2, 20), singular), "axes": np.full((2, 20), axes), "untrained": np.full((2, 20), 0.03)}
    run |= {"overlap": np.array([0.2]), "predicted_error": np.array([0.0, predicted])}
    run |= {f"moved_{name}": np.array([1.0]) for name in ("first", "axis", "last")}
    run |= {"slerp": np.array([[1.0] * 10 + [slerp]]), "lerp": np.full((3, 11), lerp)}
    run |= {f"{name}_sure": 0.5 for name in ("random", "lerp", "slerp")}
    run |= {"through_z_sure": by_z, "through_pixels_sure": by_pixels}
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
    assert {name for name, holds in claim.holds.items() if not holds} == fails
    assert len(claim.holds) == 6
    assert claim.metrics["closer_than_nearest"] == 0.5


def test_what_is_said_of_z_and_pixels_are_the_ends_of_the_interval(claim):
    demo.measure(claim, [a_run(by_z=share) for share in (0.9, 0.8, 0.85)])
    half = 4.3027 * 0.05 / np.sqrt(3)  # Student's t of three seeds
    said = f"85 % of the images by way of z, 50 % in a cross-fade of pixels (difference: from {100 * (0.35 - half):.0f} to"
    assert f"{said} {100 * (0.35 + half):.0f} points)" in demo.title_of_ways(claim)


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_generators_learn_from_the_training_images_and_the_real_images_are_others(main, record, two_sets):
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    generators = [Linear(seed=seed) for seed in (0, 1)]
    trained = record(digits, "train_generator", lambda *arguments: generators[len(trained) - 1])
    looked = record(demo, "directions", lambda G, *rest: {"singular": digits.draw(G, np.ones((4, 3))), "z": [0], "V": [0]})
    walked, inverted = (record(demo, name, lambda *arguments: {}) for name in ("ways", "inversion"))
    drawn = record(demo, "walks")
    measured = record(demo, "measure")
    for name in ("picture_of_directions", "picture_of_ways", "title_of_ways"):
        record(demo, name)
    main(demo, z=3, images=30, width=8)

    for call in (*judge, *trained, *inverted):
        np.testing.assert_array_equal(call.x, two_sets.x)
    np.testing.assert_array_equal(judge[0].y, two_sets.y)
    assert len(trained) == len(walked) == len(inverted) == 2
    for call in inverted:
        np.testing.assert_array_equal(call.real, two_sets.others[:30])
    assert {call.judge for call in (*walked, *inverted)} == {"judge"}
    z = np.ones((4, 3))
    for run, G, *calls in zip(measured[0].runs, generators, walked, inverted, drawn, strict=True):
        images = digits.draw(digits.in_pixels(G), z)
        for found in (run["singular"], *(digits.draw(call.G, z) for call in calls)):
            np.testing.assert_array_equal(found, images)
        assert run["untrained"].mean() == pytest.approx(0.5, abs=0.1) != images.mean()  # a G that has learnt nothing draws grey
    assert len(looked) == 4


def test_every_seed_starts_from_another_generator(main, record):
    record(metrics, "train_judge")
    record(digits, "train_generator", lambda *arguments: Linear(4, seed=0))
    looked = record(demo, "directions", lambda G, *rest: {"singular": digits.draw(G, np.ones((1, 4))), "z": [0], "V": [0]})
    for name in ("walks", "ways", "inversion"):
        record(demo, name, lambda *arguments: {})
    measured = record(demo, "measure")
    for name in ("picture_of_directions", "picture_of_ways", "title_of_ways"):
        record(demo, name)
    main(demo, z=4, width=8)
    one, other = (run["untrained"] for run in measured[0].runs)
    assert (one != other).any()
    mg.seed(6)
    np.testing.assert_array_equal(other, digits.draw(digits.in_pixels(digits.dense_players(4, 8)[0]), np.ones((1, 4))))
    one, other = (call.prior(5) for call in looked[1::2])
    assert (one != other).any()
