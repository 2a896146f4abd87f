"""Autoencoders, and what they are asked: damaged digits, layers that learn alone, codes with a prior, z of a generator."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.special import expit
from scipy.stats import norm

import minigan as mg
from demos.generative_models import adversarial_autoencoder, ali, autoencoder, autoencoders, damage, latent, pretraining
from demos.kit import digits
from minigan import Tensor, data, metrics, nn
from minigan.games import Joint

SMALL = autoencoder.Settings(code=3, width=8, channels=1, dense_steps=2, dense_batch=16, conv_steps=2, conv_batch=16)
LAYERS = pretraining.Settings(unlabelled=50, width=6, depth=3, pretraining_steps=3, steps=3, batch=20, labels=(20, 40), seeds=1)
AAE = replace(adversarial_autoencoder.Settings(), code=3, width=8, d_width=8, steps=3, batch=16, codes=20, judged=30)
ALI = replace(ali.Settings(), **ali.QUICK | {"steps": 2, "grid_steps": 2, "width": 8, "judged": 60})
Z = replace(latent.Settings(), z=3, points=4, pairs=300, images=5, descents=300, restarts=2)


@pytest.fixture(scope="module")
def images():
    return data.glyphs(200, np.random.default_rng(0))[0]


@pytest.fixture
def harm(images):
    return damage.Damage(images.mean(axis=0), noise=0.5, side=8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# --- what the demos share -----------------------------------------------------------------------------------------------


def test_the_loop_follows_adam_with_a_rate_that_falls_to_0_and_takes_arrays_side_by_side():
    one, a, seen = nn.Module(), np.arange(10.0), []
    one.w = Tensor(np.array([1.0]), requires_grad=True)

    def objective(x, y):
        seen.append((x, y))
        return 2.0 * mg.sum(one.w), mg.sum(one.w)

    rows = autoencoders.train(objective, [one], [a, a + 100], "w", steps=5, batch=2, lr=0.1)
    at = 1.0 - 0.1 * np.cumsum([0, 1, 0.8, 0.6, 0.4, 0.2])  # a constant gradient: each step of Adam is as long as the rate
    np.testing.assert_allclose(rows, np.outer(at[:5], [2, 1]), rtol=1e-6)
    assert one.w.item() == pytest.approx(at[5])
    assert sorted(np.concatenate([x for x, _ in seen])) == list(a)
    assert all((y == x + 100).all() for x, y in seen)


def test_pca_and_the_linear_map_are_the_best():
    x = normal(200, 1, 6, 6) * np.linspace(0.1, 2, 6) + 1.0
    mean, others = x[:150].mean(axis=0), x[150:]
    directions = np.linalg.svd((x[:150] - mean).reshape(150, -1), full_matrices=False)[2][:12]
    expected = mean.ravel() + (others - mean).reshape(50, -1) @ directions.T @ directions
    np.testing.assert_allclose(autoencoders.pca(x[:150], others, 12).reshape(50, -1), expected, atol=1e-10)
    mapped = (x.reshape(200, -1) @ normal(36, 36, seed=1) / 6 + 0.3).reshape(x.shape)
    np.testing.assert_allclose(autoencoders.linear_map(x[:150], mapped[:150], others), mapped[150:], atol=0.2)


# --- damage and restoration ---------------------------------------------------------------------------------------------


def test_noise_is_gaussian_and_cut_off(harm):
    seen, _ = harm("denoising", np.full((500, 1, 28, 28), 0.5, np.float32), np.random.default_rng(0))
    shares = [share.mean() for share in (seen == 0, seen == 1, abs(seen - 0.5) < 0.25)]
    assert shares == pytest.approx([0.1587, 0.1587, 0.3829], abs=0.005)  # beyond one standard deviation; within half of one


def test_a_hole_is_a_square_in_the_middle_and_has_the_mean_image_in_it(harm, images):
    seen, known = harm("inpainting", images, np.random.default_rng(0))
    np.testing.assert_array_equal(seen, np.where(known, images, harm.mean))
    inside = [(~known[:, 0]).any(axis=axis) for axis in (1, 2)]
    assert all((sides.sum(axis=1) == 8).all() for sides in inside)
    assert ((~known).sum(axis=(1, 2, 3)) == 64).all()
    ends = [sides.argmax(axis=1) for sides in inside]
    assert (np.min(ends), np.max(ends)) == (4, 16)
    assert len(set(zip(*ends, strict=True))) > 80


def test_coarse_pixels_are_means_and_the_interpolation_is_bilinear(harm, images):
    small, at = damage.coarse(images[:5]), (np.arange(28) + 0.5) / 4 - 0.5
    assert small[3, 0, 2, 5] == pytest.approx(images[3, 0, 8:12, 20:24].mean(), rel=1e-5)
    places = np.stack(np.meshgrid(at, at, indexing="ij"))
    expected = [map_coordinates(image, places, order=1, mode="nearest") for image in small[:, 0]]
    np.testing.assert_allclose(harm("super-resolution", images[:5], None)[0][:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("name", autoencoder.NETWORKS)
def test_the_networks_learn_what_was_before_the_damage_and_known_pixels_stay(name, harm, images, record):
    learnt = record(autoencoders, "train")
    Q, P = autoencoder.train(name, images, harm, SMALL, 0)

    def output(x):
        return expit(P(Q(Tensor(x))).numpy().astype(float))

    seen = record(harm, "mixed", lambda x, rng: 1 - x)
    p = output(1 - images)
    expected = -(images * np.log(p) + (1 - images) * np.log(1 - p)).mean()
    assert learnt[0].objective(images)[0].item() == pytest.approx(expected, rel=1e-4)
    assert len(seen) == 1
    test = {task: harm(task, images, np.random.default_rng(0)) for task in damage.TASKS}
    found = autoencoder.restorations(Q, P, test, images)
    for task, (seen, known) in test.items():
        expected = np.where(known, seen, output(seen))
        np.testing.assert_allclose(found[task]["images"], expected[: autoencoder.SHOWN], rtol=1e-5)
        assert found[task]["error"] == pytest.approx(((expected - images) ** 2).mean(), rel=1e-5)


def test_each_task_has_its_share_of_a_minibatch_and_a_linear_map_leaves_known_pixels(harm, images, monkeypatch):
    seen, rng = harm.mixed(images[:64], np.random.default_rng(5)), np.random.default_rng(5)
    parts = zip(damage.TASKS, np.split(images[:64], [8, 24, 48]), strict=True)
    np.testing.assert_array_equal(seen, np.concatenate([harm(task, part, rng)[0] for task, part in parts]))
    monkeypatch.setattr(autoencoders, "linear_map", lambda seen, x, others: np.full(others.shape, 7.0))
    seen, known = harm("inpainting", images, np.random.default_rng(0))
    found = autoencoder.mapped(images, harm, "inpainting", seen, known)
    np.testing.assert_array_equal(found, np.where(known, images, 7.0))


def test_middles_are_compared_with_the_training_images(images):
    players = autoencoders.dense_encoder(3, 8), autoencoders.dense_decoder(3, 8)
    found = autoencoder.middles(*players, images[:40], np.concatenate([(images[:20] + images[20:40]) / 2, images[100:]]))
    assert found["pixels"] == pytest.approx(0, abs=1e-6)
    assert min(found["codes"], found["digit"]) > 1


# --- greedy pretraining -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "corruption"), [*product(pretraining.ACTIVATIONS, (0.0, 1.0))])
def test_layer_after_layer_learns_to_encode_what_is_below_and_sees_a_part_of_it(units, corruption, images, record):
    """Pixels and sigmoids by the log-loss; of ReLUs, the upper layers by the squared error."""
    loops, h = record(autoencoders, "train"), images.reshape(len(images), -1).astype(float)
    model = pretraining.network(units, LAYERS)
    pretraining.pretrain(model, images, replace(LAYERS, corruption=corruption), "it")
    assert len(loops) == 3
    for l, call in enumerate(loops):
        np.testing.assert_allclose(call.arrays[0], h, rtol=1e-4, atol=1e-6)
        assert call.modules[0] is model[1 + 2 * l]
        W, b, V, c = (p.numpy().astype(float) for module in call.modules for p in module.parameters())
        activation = expit if units == "sigmoid" else lambda v: np.maximum(v, 0)
        v = activation((1 - corruption) * h @ W + b) @ V + c
        likely = -(h * np.log(expit(v)) + (1 - h) * np.log(1 - expit(v)))
        expected = (likely if units == "sigmoid" or l == 0 else (v - h) ** 2).mean()
        assert call.objective(call.arrays[0])[0].item() == pytest.approx(expected, rel=1e-4)
        h = activation(h @ W + b)


def test_both_starts_have_the_same_labels_and_minibatches_and_the_errors_are_those_on_unseen_and_labelled_digits(
    record, two_sets, monkeypatch
):
    starts, train = [], autoencoders.train

    def finetune(model, x, y, s, name):
        starts.append((model[1].weight.numpy().copy(), x, y))

    monkeypatch.setattr(pretraining, "finetune", finetune)
    pretrained = record(autoencoders, "train", train)
    asked = record(pretraining, "wrong", lambda model, x, y: f"{len(x)}, {'un' if x.min() > 0.5 else ''}seen")
    unseen = two_sets.others, two_sets.classes
    found = pretraining.from_both_starts("ReLU", 0, two_sets.x, two_sets.y, unseen, LAYERS)
    assert len(pretrained[0].arrays[0]) == 50
    for i, (name, n) in enumerate(product(pretraining.STARTS, (20, 40))):  # 40 is the number of the unseen ones, too
        assert found[name, n] == ("40, unseen", f"{n}, seen")
        weights, x, y = starts[i]
        np.testing.assert_array_equal(weights, found["weights"][name])
        where = [np.flatnonzero((two_sets.x == image).all(axis=(1, 2, 3)))[0] for image in x]
        np.testing.assert_array_equal(y, two_sets.y[where])
        np.testing.assert_array_equal(x, starts[i % 2][1])
        np.testing.assert_array_equal(x, asked[2 * i + 1].x)
    assert not np.array_equal(*found["weights"].values())


# --- codes with a prior -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "d_learns"), [("plain", False), ("adversarial", True)])
def test_d_learns_in_one_model_alone_and_error_and_codes_are_those_of_unseen_images(kind, d_learns, images, monkeypatch):
    networks = adversarial_autoencoder.players(AAE)
    before = [network.parameters()[0].numpy().copy() for network in networks]
    monkeypatch.setattr(adversarial_autoencoder, "players", lambda s: networks)
    judge = metrics.Judge(np.random.default_rng(0))
    found = adversarial_autoencoder.learn(kind, 3, images[20:80], images[:20], judge, AAE)
    moved = [not np.array_equal(a, network.parameters()[0].numpy()) for a, network in zip(before, networks, strict=True)]
    assert moved == [True, True, d_learns]
    Q, P, _ = networks
    code = Q(Tensor(images[:20]))
    assert found["error"] == pytest.approx(np.mean((P(code).numpy() - images[:20]) ** 2), rel=1e-5)
    np.testing.assert_allclose(found["codes"], code.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["distances"], adversarial_autoencoder.distances(code.numpy()), atol=1e-6)


def test_the_distance_is_that_of_kolmogorov_and_draws_like_the_codes_have_their_moments():
    codes = normal(2000, 3) * [1, 1, 2] + [0, 1, 0]
    for column, found in zip(codes.T, adversarial_autoencoder.distances(codes), strict=True):
        F, steps = norm.cdf(np.sort(column)), np.arange(2001) / 2000
        assert found == pytest.approx(max(np.abs(F - steps[1:]).max(), np.abs(F - steps[:-1]).max()), rel=1e-12)
    codes, z = codes @ normal(3, 3, seed=1), normal(2000, 3, seed=2)
    z = (z - z.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T  # exactly white
    drawn = adversarial_autoencoder.like(codes, z)
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=1e-9)


def test_apart_shows_d_every_x_beside_the_z_of_another():
    x, z = Tensor(np.arange(3.0)[:, None]), Tensor(10 * np.arange(3.0)[:, None])
    np.testing.assert_array_equal(ali.Apart(Joint(nn.Sequential()))(x, z).numpy(), [[0, 10], [1, 20], [2, 0]])


@pytest.mark.parametrize("kind", ali.KINDS)
def test_a_p_and_q_that_are_inverse_have_every_class_and_every_mode(kind, images, monkeypatch):
    games = []

    def make_inverse(game, *others):
        game.sample = lambda n, z=None: game.real[:n] if z is None else z
        game.encode, game.real = lambda x: x, 2 * x - 1
        games.append(game)

    x = damage.coarse(images, ali.SIDE)
    monkeypatch.setattr(ali, "train", make_inverse)
    judge = SimpleNamespace(probabilities=lambda images: np.eye(10)[np.arange(len(images)) // 10 % 10 * (len(images) == 30)])
    found = ali.learn_digits(kind, 3, x, x[:30], judge, ALI)
    assert (found["same class"], found["classes"], found["clear"]) == (1, 1, 1)
    np.testing.assert_allclose(found["back"], found["x"], atol=1e-6)
    assert isinstance(games[0].D, ali.Apart) == (kind == ali.INDEPENDENT)
    grid = ali.learn_grid(0, ALI)
    assert (grid["same mode"], grid["way of z"]) == (1, 0)


# --- a generator's z ----------------------------------------------------------------------------------------------------


class Linear(nn.Module):
    """Images A z."""

    def __init__(self, d=3, dtype=np.float32):
        self.A = Tensor(np.random.default_rng(0).random((d, 784)).astype(dtype) / d)

    def forward(self, z):
        return (z @ self.A).reshape(-1, 1, 28, 28)


JUDGE = metrics.Judge(np.random.default_rng(0))


def test_the_jacobian_and_the_overlap_of_its_columns():
    def pixels(z):
        a, b = z[:, 0], z[:, 1]
        return mg.stack([a * a, a * b, 3.0 * b, 0.0 * a], axis=1).reshape(-1, 1, 2, 2)

    np.testing.assert_allclose(latent.jacobian(pixels, np.array([2.0, 5.0])), [[4, 0], [5, 2], [0, 3], [0, 0]])
    assert latent.overlap(np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 1.0]])) == pytest.approx(2 * np.sqrt(0.5) / 3)


def test_of_a_linear_g_steps_along_singular_vectors_move_by_singular_values():
    found, A = latent.look_around(Linear(), np.zeros(3, np.float32)), Linear().A.numpy()
    U, S, _ = np.linalg.svd(A)
    np.testing.assert_allclose(np.abs(found["V"] @ U), np.eye(3), atol=1e-4)
    moved = [found[f"moved_{name}"] for name in ("first", "last", "axis")]
    np.testing.assert_allclose(moved, [6 * S[0], 6 * S[-1], 6 * np.linalg.norm(A, axis=1).mean()], rtol=1e-4)
    assert found["predicted_error"] < 1e-3
    np.testing.assert_allclose(found["singular"], S**2 / (S**2).sum(), rtol=1e-4)
    lengths = np.sort((A**2).sum(axis=1))[::-1]
    np.testing.assert_allclose(found["axes"], lengths / lengths.sum(), rtol=1e-4)


def test_the_great_circle_keeps_the_length_and_the_straight_line_does_not():
    found = latent.ways(Linear(64), data.noise(64), JUDGE, replace(Z, z=64))
    assert found["slerp"].shape == (300, 11)
    np.testing.assert_allclose(found["slerp"], 1, atol=1e-12)
    np.testing.assert_allclose(found["lerp"][:, [0, -1]], 1, atol=1e-12)
    assert found["lerp"][:, 5].mean() == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_images_that_g_can_make_are_found_others_as_near_as_can_be_and_the_ways_lead_from_one_to_the_next():
    G, z = Linear(), np.array([[1.0, 0.2, 0.5], [0.1, 0.9, -0.2], [0.4, 0.4, 1.0], [1.2, 0.0, 0.3]])
    real = np.concatenate([digits.draw(G, z).clip(0, 1), np.random.default_rng(1).random((1, 1, 28, 28), np.float32)])
    found, A, flat = latent.inversion(G, data.noise(3), JUDGE, real[[0, 2]], real, Z), G.A.numpy().T, real.reshape(5, -1).T
    expected = np.linalg.norm(A @ np.linalg.lstsq(A, flat, rcond=None)[0] - flat, axis=0)
    np.testing.assert_allclose(found["error"], expected, rtol=1e-2, atol=0.1)
    np.testing.assert_allclose(found["nearest"][[0, 2]], 0, atol=1e-3)
    assert (found["nearest"][[1, 3]] > 1).all()
    np.testing.assert_allclose(found["length"][:4], np.linalg.norm(z, axis=1) / np.sqrt(3), atol=0.15)
    for pair, ends in enumerate((real[:2], real[2:4])):
        np.testing.assert_allclose(found["through_z"][pair, [0, -1]], ends, atol=0.1)
        np.testing.assert_allclose(found["through_pixels"][pair, [0, 4, -1]], [ends[0], ends.mean(axis=0), ends[1]], atol=1e-6)
