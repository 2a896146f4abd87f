"""The demo of the autoencoder: its damage and the obvious remedies by other means, its figures, and that the claim holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import minigan as mg
from demos.generative_models import autoencoder as demo
from demos.generative_models import autoencoders, damage
from demos.generative_models.damage import TASKS, Damage
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from minigan import Tensor, data
from tests.demos.running import assert_shows_something, summary_of

SMALL = demo.Settings(code=3, width=8, channels=1, dense_steps=5, dense_batch=16, conv_steps=5, conv_batch=16)


PICTURES = ("autoencoder.png", "autoencoder_errors.png")


def demo_bounds(other, tasks):
    return {f"{task}, {name}: {other}'s error over its own, worst seed" for task in tasks for name in demo.NETWORKS}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    demo.main(["--quick", "--out", str(folder)])
    return folder


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def claim(tmp_path):
    return Claim(start(common_options(""), ["--out", str(tmp_path)], "autoencoder"), {})


@pytest.fixture(scope="module")
def images():
    return data.glyphs(200, np.random.default_rng(0))[0]


@pytest.fixture
def harm(images):
    return Damage(images.mean(axis=0), noise=0.5, side=8)


@pytest.mark.slow
def test_the_claim_holds(out):
    summary = summary_of(out)
    assert summary["holds"] == {name: True for name in demo_bounds("remedy", TASKS[:3])}
    assert {path.name for path in out.iterdir()} == {*PICTURES, "summary.json", "checkpoint.npz"}
    for name in PICTURES:
        assert_shows_something(out / name)


@pytest.mark.slow
def test_the_figures_agree_with_one_another(out):
    found = summary_of(out)["metrics"]
    for task in TASKS:
        for name in demo.NETWORKS:  # one seed: the mean is the worst
            ratio = found[f"{task}: error of the remedy"] / found[f"{task}, {name}: error"]
            assert found[f"{task}, {name}: remedy's error over its own, worst seed"] == pytest.approx(ratio)
    assert found["reconstruction: error of the best linear map"] < found["reconstruction: error of the remedy"] / 2


@pytest.mark.slow
def test_a_decoder_that_does_not_train_is_found_out(tmp_path, monkeypatch):
    """Planted: the decoder's parameters are kept from Adam."""
    loop = autoencoders.train
    monkeypatch.setattr(
        autoencoders, "train", lambda objective, modules, *rest, **more: loop(objective, modules[:1], *rest, **more)
    )
    with pytest.raises(SystemExit, match="does not hold: reconstruction, dense: remedy's"):
        demo.main(["--quick", "--out", str(tmp_path)])


# --- the damage ---------------------------------------------------------------------------------------------------------


def test_nothing_is_done_to_what_is_only_reconstructed(harm, images, rng):
    seen, known = harm("reconstruction", images, rng)
    np.testing.assert_array_equal(seen, images)
    assert known is False


def test_noise_is_gaussian_and_cut_off(harm, rng):
    grey = np.full((500, 1, 28, 28), 0.5, np.float32)
    seen, known = harm("denoising", grey, rng)
    assert seen.dtype == np.float32
    assert (seen == 0).mean() == pytest.approx(0.1587, abs=0.005)  # one standard deviation below, and above
    assert (seen == 1).mean() == pytest.approx(0.1587, abs=0.005)
    within = (seen > 0.25) & (seen < 0.75)
    assert within.mean() == pytest.approx(0.3829, abs=0.005)
    assert known is False


def test_a_hole_is_a_square_in_the_middle_and_has_the_mean_image_in_it(harm, images, rng):
    seen, known = harm("inpainting", images, rng)
    np.testing.assert_array_equal(seen[known], images[known])
    np.testing.assert_array_equal(seen[~known], np.broadcast_to(harm.mean, images.shape)[~known])
    corners = []
    for missing in ~known[:, 0]:
        rows, columns = np.flatnonzero(missing.any(axis=1)), np.flatnonzero(missing.any(axis=0))
        assert np.ptp(rows) == np.ptp(columns) == 7
        assert missing.sum() == 64
        corners.append((rows[0], columns[0]))
    assert np.min(corners, axis=0).tolist() == [4, 4]
    assert np.max(corners, axis=0).tolist() == [16, 16]
    assert len(set(corners)) > 80


def test_coarse_pixels_are_means(images):
    small = damage.coarse(images)
    assert small.shape == (200, 1, 7, 7)
    assert small[3, 0, 2, 5] == pytest.approx(images[3, 0, 8:12, 20:24].mean(), rel=1e-5)
    assert damage.coarse(images, 14)[1, 0, 3, 5] == pytest.approx(images[1, 0, 6:8, 10:12].mean(), rel=1e-5)


def test_the_interpolation_is_bilinear(harm, images, rng):
    small = damage.coarse(images[:5])
    at = (np.arange(28) + 0.5) / 4 - 0.5
    places = np.stack(np.meshgrid(at, at, indexing="ij"))
    expected = [map_coordinates(image, places, order=1, mode="nearest") for image in small[:, 0]]
    seen, known = harm("super-resolution", images[:5], rng)
    np.testing.assert_allclose(seen[:, 0], expected, atol=1e-6)
    assert seen.dtype == np.float32
    assert known is False


def test_each_task_has_its_share_of_a_minibatch(harm, images):
    x = images[:64]
    seen = harm.mixed(x, np.random.default_rng(5))
    rng, start = np.random.default_rng(5), 0
    for task, size in zip(TASKS, (8, 16, 24, 16), strict=True):
        part = slice(start, start + size)
        np.testing.assert_array_equal(seen[part], harm(task, x[part], rng)[0])
        start = part.stop
    assert start == len(seen) == 64


# --- the networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", demo.NETWORKS)
def test_the_networks_learn_what_was_before_the_damage(name, harm, images, monkeypatch):
    losses, loop = [], autoencoders.train

    def watched(objective, *rest, **changing):
        losses.append(objective)
        return loop(objective, *rest, **changing)

    monkeypatch.setattr(autoencoders, "train", watched)
    monkeypatch.setattr(harm, "mixed", lambda x, rng: 1 - x)
    Q, P = demo.train(name, images, harm, SMALL, 0)
    assert not Q.training
    assert not P.training
    p = autoencoders.pixels(P, autoencoders.encode(Q, 1 - images)).astype(float)
    expected = -(images * np.log(p) + (1 - images) * np.log(1 - p)).mean()
    assert losses[0](images)[0].item() == pytest.approx(expected, rel=1e-4)


def test_convolutions_halve_the_sides_four_times_and_double_the_channels():
    Q, P = autoencoders.conv_encoder(5, 2), autoencoders.conv_decoder(5, 2)
    h, shapes = Tensor(np.zeros((3, 1, 28, 28), np.float32)), []
    for layer in Q:
        h = layer(h)
        shapes.append(h.shape[1:])
    assert shapes[0::3][:4] == [(2, 14, 14), (4, 7, 7), (8, 4, 4), (16, 2, 2)]
    assert h.shape == (3, 5)
    assert P(h).shape == (3, 1, 28, 28)


def test_known_pixels_stay_and_the_others_are_the_networks(images, rng):
    mg.seed(0)
    Q, P = autoencoders.dense_encoder(3, 8), autoencoders.dense_decoder(3, 8)
    known = rng.random(images.shape) < 0.5
    found, said = demo.restore(Q, P, images, known), autoencoders.pixels(P, Q(Tensor(images)).numpy())
    np.testing.assert_array_equal(found[known], images[known])
    np.testing.assert_allclose(found[~known], said[~known], rtol=1e-5)
    np.testing.assert_allclose(demo.restore(Q, P, images, False), said, rtol=1e-5)


def test_what_is_restored_is_compared_with_what_was_before_the_damage(harm, images, rng):
    mg.seed(0)
    Q, P = autoencoders.dense_encoder(3, 8), autoencoders.dense_decoder(3, 8)
    test = {task: harm(task, images, rng) for task in TASKS}
    found = demo.restorations(Q, P, test, images)
    assert list(found) == list(TASKS)
    for task in TASKS:
        restored = demo.restore(Q, P, *test[task])
        assert found[task]["error"] == pytest.approx(((restored - images) ** 2).mean(), rel=1e-5)
        np.testing.assert_array_equal(found[task]["images"], restored[: demo.SHOWN])


def test_pca_is_the_best_linear_code(images):
    x, others = images[:150], images[150:]
    mean = x.mean(axis=0)
    directions = np.linalg.svd((x - mean).reshape(150, -1).astype(float), full_matrices=False)[2][:12]
    residual = (others - mean).reshape(50, -1)
    expected = mean.ravel() + residual @ directions.T @ directions
    np.testing.assert_allclose(autoencoders.pca(x, others, 12).reshape(50, -1), expected, atol=1e-4)


def test_ways_lead_from_one_image_to_the_other(images):
    mg.seed(0)
    Q, P = autoencoders.dense_encoder(3, 8), autoencoders.dense_decoder(3, 8)
    a, b = images[:2], images[2:4]
    codes, fades = demo.between(Q, P, a, b)
    assert codes.shape == fades.shape == (2, 8, 1, 28, 28)
    np.testing.assert_allclose(fades[:, 0], a)
    np.testing.assert_allclose(fades[:, -1], b)
    np.testing.assert_allclose(fades[:, 2], (5 * a + 2 * b) / 7, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(codes[:, 0], demo.restore(Q, P, a, False), rtol=1e-5)
    z = (5 * autoencoders.encode(Q, a) + 2 * autoencoders.encode(Q, b)) / 7
    np.testing.assert_allclose(codes[:, 2], autoencoders.pixels(P, z), rtol=1e-4)


# --- the figures --------------------------------------------------------------------------------------------------------


def test_the_error_is_the_mean_over_all_pixels(images):
    assert demo.error(images + np.float32(0.5), images) == pytest.approx(0.25, rel=1e-5)
    assert demo.error(np.zeros((1, 1, 28, 28), np.float32), images) == pytest.approx((images.astype(float) ** 2).mean())


@pytest.mark.parametrize(("worst", "fails"), [(0.7, set()), (0.72, {"remedy"}), (0.9, {"remedy", "linear map"})])
def test_the_worst_seed_has_to_have_half_the_remedys_error(claim, worst, fails):
    x = np.zeros((4, 1, 28, 28))
    good = {task: {"error": 0.1**2} for task in TASKS}
    runs = {"dense": [good, {**good, "denoising": {"error": worst**2}}], "conv": [good, good]}
    runs = {name: [{"restored": run} for run in both] for name, both in runs.items()}
    demo.measure(claim, x, runs, dict.fromkeys(TASKS, x + 1.0), dict.fromkeys(TASKS, x + 0.8), demo.Settings())
    assert set(claim.holds) == demo_bounds("remedy", TASKS) | demo_bounds("linear map", TASKS[1:])
    broken = {name for name, holds in claim.holds.items() if not holds}
    assert broken == {f"denoising, dense: {other}'s error over its own, worst seed" for other in fails}
    assert claim.metrics["denoising, dense: remedy's error over its own, worst seed"] == pytest.approx(1 / worst**2)
    assert claim.metrics["denoising, dense: error"] == pytest.approx((worst**2 + 0.01) / 2)
    assert claim.metrics["reconstruction: error of the best linear map"] == pytest.approx(0.64)
    if not fails:
        assert demo.least(claim, "remedy") == "2.0"


def test_middles_are_compared_with_the_training_images(claim, images):
    mg.seed(0)
    Q, P = autoencoders.dense_encoder(3, 8), autoencoders.dense_decoder(3, 8)
    x = np.concatenate([(images[:20] + images[20:40]) / 2, images[100:]])
    found = demo.middles(Q, P, images[:40], x)
    assert found["pixels"] == pytest.approx(0, abs=1e-6)
    assert min(found["codes"], found["digit"]) > 1


@pytest.mark.parametrize(("worst", "holds"), [(4.9, True), (5.1, False)])
def test_codes_have_to_be_nearer_than_pixels(claim, worst, holds):
    runs = [{"middles": {"codes": codes, "pixels": 5.0, "digit": 2.0}} for codes in (3.0, worst)]
    demo.measure_middles(claim, {"dense": runs, "conv": runs[:1]})
    key = "nearest training image, {}: codes over pixels, worst seed"
    assert claim.holds == {key.format("dense"): holds, key.format("conv"): True}
    assert claim.metrics["nearest training image, dense: half way between codes"] == pytest.approx((3 + worst) / 2)


def test_the_best_linear_map_finds_a_linear_map(rng):
    M, x = rng.standard_normal((784, 784)) / 28, rng.standard_normal((3000, 1, 28, 28))

    def damaged(x):
        return (x.reshape(len(x), -1) @ M + 0.3).reshape(x.shape)

    found = autoencoders.linear_map(damaged(x), x, damaged(x[:10]))
    assert np.square(found - x[:10]).mean() < 0.3  # the unknown part is along M's smallest singular values
    np.testing.assert_allclose(autoencoders.linear_map(x, damaged(x), x[:10]), damaged(x[:10]), atol=0.05)


def test_known_pixels_stay_after_a_linear_map(monkeypatch):
    monkeypatch.setattr(autoencoders, "linear_map", lambda seen, x, others: np.full(others.shape, 7.0))
    seen, known = np.zeros((2, 1, 28, 28)), np.arange(28) < 5
    found = demo.mapped(np.ones((4, 1, 28, 28)), lambda task, x, rng: (x, known), "inpainting", seen, known)
    np.testing.assert_array_equal(found, np.broadcast_to(np.where(known, 0.0, 7.0), found.shape))


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_the_networks_learn_from_the_training_images_and_are_measured_on_the_others(main, record, two_sets):
    x, others, classes = two_sets.x, two_sets.others, two_sets.classes
    trained = record(demo, "train", lambda name, x, damage, s, seed: (f"{name}, {seed}", None))
    judged = record(demo, "restorations", lambda Q, *rest: Q)
    middled = record(demo, "middles")
    pca = record(autoencoders, "pca", lambda *arguments: "projected")
    mapped = record(demo, "mapped", lambda x, damage, task, seen, known: (task, seen))
    measured, ways = (record(demo, name) for name in ("measure", "between"))
    for name in ("measure_middles", "second_picture", "least"):
        record(demo, name)
    main(demo, mapped=50)

    assert [(call.name, call.seed) for call in trained] == [(name, seed) for name in demo.NETWORKS for seed in (5, 6)]
    for call in trained:
        np.testing.assert_array_equal(call.x, x)
        np.testing.assert_array_equal(call.damage.mean, x.mean(axis=0))

    (call,) = measured
    np.testing.assert_array_equal(call.x, others)
    np.testing.assert_array_equal(call.remedies["reconstruction"], x.mean(axis=0)[None])
    for name in demo.NETWORKS:
        assert [run["restored"] for run in call.runs[name]] == [f"{name}, {seed}" for seed in (5, 6)]
    assert len(judged) == 4
    for restoring in judged:
        np.testing.assert_array_equal(restoring.x, others)
        np.testing.assert_array_equal(restoring.test["reconstruction"][0], others)
        for task in TASKS[1:]:
            seen = restoring.test[task][0]
            assert seen is call.remedies[task]
            assert len(seen) == len(others)
            assert seen.mean() > 0.6  # bright, as the others are

    for linear in mapped:
        np.testing.assert_array_equal(linear.x, x[:50])
        assert linear.damage is trained[0].damage
        assert call.maps[linear.task] == (linear.task, linear.seen)
        assert linear.seen is call.remedies[linear.task]
    np.testing.assert_array_equal(pca[0].x, x)
    np.testing.assert_array_equal(pca[0].others, others)
    assert call.maps["reconstruction"] == "projected"
    np.testing.assert_array_equal(middled[0].images, others)
    np.testing.assert_array_equal(middled[0].x, x)
    for ends, wanted in ((ways[0].a, (1, 3)), (ways[0].b, (0, 6))):
        np.testing.assert_array_equal(ends, [others[classes == c][0] for c in wanted])


@pytest.mark.parametrize("name", demo.NETWORKS)
def test_a_training_is_the_seeds(name, harm, images):
    settings = replace(SMALL, dense_steps=1, conv_steps=1)
    pairs = [demo.train(name, images, harm, settings, seed) for seed in (0, 0, 1)]
    one, same, other = (autoencoders.pixels(P, autoencoders.encode(Q, images[:5])) for Q, P in pairs)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
