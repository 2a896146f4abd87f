"""The chapter's models and measurements, against closed forms, sums over all states, quadrature and loops."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.special import expit, logsumexp
from scipy.stats import chi2, kstest, norm

import minigan as mg
from demos.generative_models import adversarial_autoencoder as aae
from demos.generative_models import (
    autoencoder,
    autoencoders,
    bayesian_gan,
    boltzmann,
    fair,
    fillings,
    latent,
    parzen,
    pretraining,
    vae,
)
from demos.generative_models import variational_bayes as avb
from demos.generative_models.boltzmann_machine import RBM, draw, from_noise
from demos.generative_models.damage import TASKS, Damage
from demos.generative_models.sghmc import SGHMC
from demos.kit import digits
from minigan import Tensor, data, metrics
from tests.games import players, reference

SMALL = autoencoder.Settings(code=3, width=8, channels=1, dense_steps=2, dense_batch=16, conv_steps=2, conv_batch=16)
LAYERS = pretraining.Settings(unlabelled=50, width=6, depth=3, pretraining_steps=3, steps=3, batch=20, labels=(20, 40), seeds=1)


def glyphs(n):
    return data.glyphs(n, np.random.default_rng(0))[0]


@pytest.fixture(scope="module")
def images():
    return glyphs(200)


@pytest.fixture
def harm(images):
    return Damage(images.mean(axis=0), noise=0.5, side=8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_pca_and_the_linear_map_are_the_best():
    x = normal(200, 1, 6, 6) * np.linspace(0.1, 2, 6) + 1.0
    mean, others = x[:150].mean(axis=0), x[150:]
    directions = np.linalg.svd((x[:150] - mean).reshape(150, -1), full_matrices=False)[2][:12]
    expected = mean.ravel() + (others - mean).reshape(50, -1) @ directions.T @ directions
    np.testing.assert_allclose(autoencoders.pca(x[:150], others, 12).reshape(50, -1), expected, atol=1e-10)
    x -= 1
    mapped = (x.reshape(200, -1) @ normal(36, 36, seed=1) / 6 + 3).reshape(x.shape)
    np.testing.assert_allclose(autoencoders.linear_map(x[:150], mapped[:150], x[150:]), mapped[150:], atol=0.2)


def test_noise_is_cut_off_a_hole_is_a_square_in_the_middle_and_coarse_pixels_are_interpolated_in_shares(harm, images):
    grey, _ = harm("denoising", np.full((500, 1, 28, 28), 0.5, np.float32), np.random.default_rng(0))
    shares = [share.mean() for share in (grey == 0, grey == 1, abs(grey - 0.5) < 0.25)]
    assert shares == pytest.approx([0.1587, 0.1587, 0.3829], abs=0.005)  # beyond one standard deviation; within half of one
    seen, known = harm("inpainting", images, np.random.default_rng(0))
    np.testing.assert_array_equal(seen, np.where(known, images, harm.mean))
    for missing in (~known[:, 0], ~known[:, 0].swapaxes(1, 2)):
        assert set(missing.sum(axis=(1, 2))) == {64}
        assert set(missing.any(axis=1).sum(axis=1)) == {8}
        assert set(missing.any(axis=1).argmax(axis=1)) == set(range(4, 17))
    means, at = images[:5].reshape(5, 7, 4, 7, 4).mean(axis=(2, 4)), (np.arange(28) + 0.5) / 4 - 0.5
    expected = [map_coordinates(image, np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest") for image in means]
    np.testing.assert_allclose(harm("super-resolution", images[:5], None)[0][:, 0], expected, atol=1e-6)
    mixed, rng = harm.mixed(images[:64], np.random.default_rng(5)), np.random.default_rng(5)
    parts = zip(TASKS, np.split(images[:64], [8, 24, 48]), strict=True)
    np.testing.assert_array_equal(mixed, np.concatenate([harm(task, part, rng)[0] for task, part in parts]))


@pytest.mark.parametrize("name", autoencoder.NETWORKS)
def test_the_networks_learn_what_was_before_the_damage_and_known_pixels_stay(name, harm, images, record):
    learnt = record(autoencoders, "train")
    Q, P = autoencoder.train(name, images, harm, SMALL, 0)
    test = {task: harm(task, images, np.random.default_rng(0)) for task in TASKS}
    found = autoencoder.restorations(Q, P, test, images)
    for task, (seen, known) in test.items():
        expected = np.where(known, seen, expit(P(Q(Tensor(seen))).numpy()))
        np.testing.assert_allclose(found[task]["images"], expected[: autoencoder.SHOWN], rtol=1e-4)
        assert found[task]["error"] == pytest.approx(((expected - images) ** 2).mean(), rel=1e-5)
    record(harm, "mixed", lambda x, rng: 1 - x)
    p = expit(P(Q(Tensor(1 - images))).numpy().astype(float))
    expected = -(images * np.log(p) + (1 - images) * np.log(1 - p)).mean()
    assert learnt[0].objective(images)[0].item() == pytest.approx(expected, rel=1e-4)


def test_a_start_is_the_nearest_sample_of_its_class_and_what_is_found_has_the_known_pixels_error(images):
    s, game, known = (
        fillings.Settings(starts=3, samples=5, descents=1, lr=1e-9),
        digits.gallery_generator(),
        fillings.outside(8),
    )
    assert not known[10:18, 10:18].any()
    assert known.sum() == 784 - 64
    mg.seed(0)
    z = fillings.nearest(game, images[:4], known, s)
    mg.seed(0)
    rng = mg.backend.random_numbers.spawn()
    for start in range(3):
        candidates = game.prior(5, rng=rng)
        drawn = digits.pixels(game, 5, start, candidates)
        errors = (((drawn[None] - images[:4, None]) * known) ** 2).sum(axis=(2, 3, 4))
        np.testing.assert_array_equal(z[:, start], candidates[errors.argmin(axis=1)])
    found = fillings.searched(game.G, images[:4], known, z, metrics.Judge(np.random.default_rng(0)), s)
    np.testing.assert_allclose(found["error"][:, 2], errors.min(axis=1), rtol=1e-4)
    best = found["fillings"][:, 0]
    np.testing.assert_array_equal(best[..., known], images[:4][..., known])
    y = found["error"].argmin(axis=1)
    expected = digits.pixels(game, 4, y, z[np.arange(4), y])
    np.testing.assert_allclose(best[..., ~known], expected[..., ~known], atol=1e-4)


def test_regression_learns_the_squared_error_in_the_holes_and_the_linear_map_sees_no_hole(images, record):
    s, learnt, x = fillings.Settings(width=8, steps=2, batch=9), record(autoencoders, "train"), images[:9]
    f = fillings.regression(images, s)
    expected = 0.0
    for i, side in enumerate((8, 12, 16) * 3):
        known = fillings.outside(side)
        seen = np.where(known, x[i], images.mean(axis=0))
        expected += (((f(Tensor(seen)).numpy().reshape(28, 28) - x[i, 0]) * ~known) ** 2).sum()
    assert learnt[0].objective(x)[0].item() == pytest.approx(expected / x.size, rel=1e-5)
    known = fillings.outside(16)
    mapped = fillings.mapped(images, x, known)
    np.testing.assert_array_equal(mapped, fillings.mapped(images, np.where(known, x, 0.7), known))


def test_the_best_filling_comes_first_then_other_classes_and_none_that_is_not_acceptable():
    error, classes = np.array([3.0, 2.1, 2.0, 2.9, 2.4, 9.0]), np.array([7, 7, 7, 1, 7, 2])
    assert fillings.varied(error, classes, fillings.Settings(acceptable=1.5)) == [2, 3, 1, 4, 0]
    assert fillings.entropy(np.array([7, 1, 1, 7])) == pytest.approx(np.log(2))
    assert fillings.entropy(np.array([3, 3])) == 0


def test_a_parzen_window_is_a_mean_of_gaussians(images):
    x, samples, sigmas = images[:7].astype(float), images[20:50].astype(float), (0.1, 0.4)
    squares = ((x[:, None] - samples) ** 2).sum(axis=(2, 3, 4))
    for sigma, found in zip(sigmas, parzen.parzen(images[:7], images[20:50], sigmas), strict=True):
        expected = logsumexp(-squares / 2 / sigma**2, axis=1) - 392 * np.log(2 * np.pi * sigma**2) - np.log(30)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_centres_are_the_means_of_the_images_that_are_nearest_to_them(images):
    rng = np.random.default_rng(3)
    centres = np.random.default_rng(3).permutation(images.reshape(200, -1))[:9].astype(float)
    for _ in range(3):
        own = ((images.reshape(200, 1, -1) - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.stack([images[own == c].mean(axis=0).ravel() if (own == c).any() else centres[c] for c in range(9)])
    found = parzen.centres(images, 9, 3, 784, rng)
    np.testing.assert_allclose(found.reshape(9, -1), centres, atol=1e-5)


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
    right = model(Tensor(images)).numpy().argmax(axis=1)
    assert pretraining.wrong(model, images, np.append(right[:150], right[150:] - 1)) == pytest.approx(25)


def test_the_distance_is_that_of_kolmogorov_and_draws_like_the_codes_have_their_moments():
    codes = normal(2000, 3) * [1, 1, 2] + [0, 1, 0]
    for column, found in zip(codes.T, aae.distances(codes), strict=True):
        assert found == pytest.approx(kstest(column, "norm").statistic, rel=1e-12)
    codes, z = codes @ normal(3, 3, seed=1), normal(2000, 3, seed=2)
    z = (z - z.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T  # exactly white
    drawn = aae.like(codes, z)
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=1e-9)


LINEAR = np.random.default_rng(0).random((3, 784), np.float32) / 3


def linear(z):
    return (z @ Tensor(LINEAR)).reshape(-1, 1, 28, 28)


def test_the_jacobian_and_steps_along_singular_vectors_of_a_linear_g_by_its_singular_values():
    def pixels(z):
        a, b = z[:, 0], z[:, 1]
        return mg.stack([a * a, a * b, 3.0 * b, 0.0 * a], axis=1).reshape(-1, 1, 2, 2)

    np.testing.assert_allclose(latent.jacobian(pixels, np.array([2.0, 5.0])), [[4, 0], [5, 2], [0, 3], [0, 0]])
    assert latent.overlap(np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 1.0]])) == pytest.approx(2 * np.sqrt(0.5) / 3)
    found, A = latent.look_around(linear, np.zeros(3, np.float32)), LINEAR
    U, S, _ = np.linalg.svd(A)
    np.testing.assert_allclose(np.abs(found["V"] @ U), np.eye(3), atol=1e-4)
    moved = [found[f"moved_{name}"] for name in ("first", "last", "axis")]
    np.testing.assert_allclose(moved, [6 * S[0], 6 * S[-1], 6 * np.linalg.norm(A, axis=1).mean()], rtol=1e-4)
    assert found["predicted_error"] < 1e-3
    np.testing.assert_allclose(found["singular"], S**2 / (S**2).sum(), rtol=1e-4)
    lengths = np.sort((A**2).sum(axis=1))[::-1]
    np.testing.assert_allclose(found["axes"], lengths / lengths.sum(), rtol=1e-4)


def test_the_elbos_terms_are_those_of_quadrature_and_means_over_all_images():
    model, x, epsilon = vae.VAE(3, 8), glyphs(1300), normal(1300, 3).astype(np.float32)
    parts = iter([epsilon, epsilon[:1000], epsilon[1000:]])
    model.prior = lambda n: next(parts)
    mu, log_var = np.split(model.Q(Tensor(x)).numpy().astype(float), 2, axis=1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z, sigma = mu[..., None] + np.exp(log_var / 2)[..., None] * nodes, np.exp(log_var / 2)[..., None]
    divergence = ((norm.logpdf(z, mu[..., None], sigma) - norm.logpdf(z)) @ weights / np.sqrt(2 * np.pi)).sum(axis=1).mean()
    p = expit(model.P(Tensor(mu + np.exp(log_var / 2) * epsilon)).numpy())
    expected = [-(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=(1, 2, 3)).mean(), divergence]
    np.testing.assert_allclose([term.item() for term in model(x)], expected, rtol=1e-4)
    np.testing.assert_allclose(vae.terms(model, x), expected, rtol=1e-4)
    x, p = np.zeros((2, 1, 28, 28), np.float32), np.full((1, 28, 28), 0.5, np.float32)
    x[0, 0, 0, :2], p[0, 0, 0] = (1.0, 0.25), 0.8
    assert vae.cross_entropy(x, p) == pytest.approx(783 * np.log(2) - (np.log(0.8) + np.log(0.2)) / 2, rel=1e-6)
    assert vae.downwards(np.repeat(np.tile([3.0, 2.0, 5.0, 4.0], 5), 3)) == pytest.approx((10 + 4 * 1) / (10 + 4 * 1 + 5 * 3))


def test_the_fair_vae_is_told_s_and_its_terms_are_those_of_the_paper():
    a, b = normal(5, 3), normal(7, 3, seed=2) + 0.5

    def mean(xs, ys):
        pairs = [(x, y) for i, x in enumerate(xs) for j, y in enumerate(ys) if xs is not ys or i != j]
        return np.mean([np.exp(-np.sum((x - y) ** 2) / 3) for x, y in pairs])

    assert fair.squared_mmd(Tensor(a), Tensor(b)).item() == pytest.approx(mean(a, a) + mean(b, b) - 2 * mean(a, b), rel=1e-12)
    model, s, y = fair.FairVAE(2, 4), np.array([0, 1, 0, 1, 1]), np.array([3, 0, 9, 3, 1])
    x, z = abs(normal(5, fair.PIXELS)).astype("float32").clip(0, 1), Tensor(normal(5, 2).astype("float32"))
    assert not np.allclose(*(model.encode(x, 0 * s + way)[0].numpy() for way in (0, 1)))
    assert not np.allclose(*(model.decode(z, 0 * s + way).numpy() for way in (0, 1)))
    model.prior = lambda n: np.full((n, 2), 3.0)
    mu, log_var, drawn = (part.numpy() for part in model.encode(x, s))
    np.testing.assert_allclose(drawn, mu + 3.0 * np.exp(log_var / 2), rtol=1e-5)
    red, green = fair.coloured(np.tile(glyphs(1), (2, 1, 1, 1)), np.array([0, 1]))
    np.testing.assert_array_equal(red, np.roll(green, fair.GREY))
    np.testing.assert_allclose(*(model.encode(v[None], s[:1])[0].numpy() for v in (red, green)), rtol=1e-4)  # at the start
    model.encode = lambda x, s: (z, z, z)
    p, q = expit(model.decode(z, s).numpy()), model.q(z).numpy()
    expected = [-(x * np.log(p) + (1 - x) * np.log(1 - p)).sum() / 5, vae.divergence(z, z).item()]
    expected += [-2 * (q - logsumexp(q, axis=1, keepdims=True))[range(5), y].mean()]
    expected += [50 * fair.squared_mmd(z[s == 0], z[s == 1]).item()]
    np.testing.assert_allclose([term.item() for term in model.terms(x, s, y, 2.0, 50.0)], expected, rtol=1e-4)


def test_gaps_are_the_divergence_of_the_codes_from_the_prior_and_log_p_is_an_integral_over_it():
    z = autoencoders.quantiles(100)  # as even as can be
    found = [avb.gaps(codes) for codes in (z, z[z[:, 0] > 0], np.full((7, 2), 30.0))]  # half empty; one cell
    assert found == pytest.approx([0, np.log(2), np.log(100)], abs=1e-9)
    np.testing.assert_allclose(norm.cdf(autoencoders.quantiles(5)[:5, 0]), np.arange(0.1, 1, 0.2), atol=1e-6)

    def quadrants(sure):  # P tells the image by the quadrant of z: its pixel is white, and the others are black
        return lambda z: Tensor(sure * (2 * np.eye(4)[2 * (z.numpy()[:, 0] > 0) + (z.numpy()[:, 1] > 0)] - 1))

    likely = -4 * np.log1p(np.exp(-1.0))  # two pixels wrong cost 2 nats, by logits of 1
    expected = [-np.log(4), -4 * np.log(2), np.log(0.25 * np.exp(likely) + 0.75 * np.exp(likely - 2.0))]
    assert [avb.log_likelihood(quadrants(sure)) for sure in (50.0, 0.0, 1.0)] == pytest.approx(expected, rel=1e-6)


def test_the_mean_of_the_best_t_is_the_divergence():
    """mu = (x_1, -2 x_2), sigma^2 = e; T* = log Q(z | x) - log P(z)."""

    def moments(x):
        return mg.concatenate([x[:, :2] * Tensor(np.array([1.0, -2.0])), Tensor(np.ones((len(x), 2)))], axis=1)

    def log_ratio(x, z):
        log_q = -((z.numpy() - x.numpy()[:, :2] * [1.0, -2.0]) ** 2) / (2 * np.e) - 0.5
        return Tensor((log_q + z.numpy() ** 2 / 2).sum(axis=1, keepdims=True))

    Q, epsilon = avb.Normal(moments), data.noise(2, rng=np.random.default_rng(0))
    expected = ((1 + 4) / 4 + 2 * (np.e - 1 - 1)) / 2  # the mean of mu^2 over the images; sigma^2 - 1 - log sigma^2, twice
    assert avb.divergence(Q) == pytest.approx(expected, rel=1e-6)
    assert avb.mean_of_t(Q, log_ratio, epsilon, 20_000) == pytest.approx(expected, rel=0.02)


STATES = np.array([*product((0.0, 1.0), repeat=4)])  # of four pixels, or of four hidden units


@pytest.fixture
def small():
    """A machine with so few units that all its states can be listed."""
    rbm = RBM(4, np.full(4, 0.4, np.float32))
    for i, p in enumerate(rbm.parameters()):
        p.data = normal(*p.shape, seed=i)
    return rbm


def energies(rbm):
    """-(v.b + h.c + v W h) of every v (rows) with every h (columns); and p(v, h)."""
    W, b, c = (p.numpy() for p in (rbm.W, rbm.b, rbm.c))
    E = -((STATES @ b)[:, None] + STATES @ c + STATES @ W @ STATES.T)
    return E, np.exp(-E - logsumexp(-E))


def test_free_energies_and_probabilities_are_sums_over_all_states_and_the_gradient_is_the_textbooks(small):
    E, p = energies(small)
    F = -logsumexp(-E, axis=1)
    np.testing.assert_allclose(small.free_energy(Tensor(STATES)).numpy(), F, rtol=1e-12)
    h_given_v, v_given_h = p @ STATES / p.sum(axis=1, keepdims=True), p.T @ STATES / p.sum(axis=0)[:, None]
    np.testing.assert_allclose(small.hidden(Tensor(STATES)).numpy(), h_given_v, rtol=1e-10)
    np.testing.assert_allclose(small.visible(Tensor(STATES)).numpy(), v_given_h, rtol=1e-10)
    v, samples = (Tensor(STATES[rows]) for rows in ([3, 5, 5, 14], [0, 7]))
    expected = F[[3, 5, 5, 14]].mean() - F[[0, 7]].mean()
    assert boltzmann.contrastive_divergence(small, v, samples).item() == pytest.approx(expected, rel=1e-12)
    machine, seen = RBM(8, np.full(784, 0.3, np.float32)), Tensor(glyphs(10).reshape(10, 784))
    found = boltzmann.gradients(machine, seen, np.random.default_rng(0))
    assert found["error"] < 1e-12  # float64 throughout
    assert found["differing"] == 0


def test_gibbs_steps_lead_to_the_machines_own_distribution_and_look_compares_free_energies(small):
    (E, p), rng, v = energies(small), np.random.default_rng(2), Tensor(np.zeros((40_000, 4)))
    for _ in range(30):
        v = small.gibbs(v, rng)
    found = np.bincount((v.numpy() @ 2 ** np.arange(4)[::-1]).astype(int), minlength=16) / len(v)
    assert np.abs(found - p.sum(axis=1)).sum() < 0.04  # 0.016 is sampling's
    F = -logsumexp(-E, axis=1)
    found = boltzmann.look(small, *(Tensor(STATES[i : i + 3]) for i in (0, 4, 9)), STATES)
    again = small.visible(small.hidden(Tensor(STATES))).numpy()
    expected = {"error": ((again - STATES) ** 2).sum(axis=1).mean(), "gap": F[4:7].mean() - F[:3].mean()}
    assert found == pytest.approx(expected | {"loss": F[:3].mean() - F[9:12].mean()})
    untrained = from_noise(RBM(4, np.full(784, 0.25, np.float32)), 50, 3, rng)
    np.testing.assert_allclose([untrained[t].mean() for t in (0, 1, 3)], [0.5, 0.255, 0.255], atol=0.01)


@pytest.mark.parametrize("how", boltzmann.LONG + boltzmann.SHORT)
def test_the_samples_go_on_from_the_last_ones_or_from_the_data_and_probabilities_are_not_drawn(how, small, record):
    small.W.data, small.b.data, small.c.data = 200 * np.eye(4), *np.full((2, 4), -100.0)  # copies v
    rng, grey = np.random.default_rng(0), Tensor(np.full((7, 4), 0.5))
    v, last = draw(grey, rng), draw(grey, rng)
    found = boltzmann.negative(small, v, last, how, rng)
    np.testing.assert_allclose(found.numpy(), (last if how == "persistent" else v).numpy(), atol=1e-6)
    assert found.requires_grad == (how == "attached")
    small.W.data = 0 * small.W.data
    small.b.data = small.c.data = np.zeros(4)
    assert (boltzmann.negative(small, v, last, how, rng).numpy() == 0.5).all() == (how in boltzmann.SHORT)


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0])
def test_sghmcs_gaussian_posterior_has_its_mean_and_its_variance(alpha):
    """5,000 chains, for the mean theta, with prior N(0, 1), of 10 data of mean 0.5. A right rule fails once in 10,000."""
    theta = Tensor(np.full(5000, 3.0), requires_grad=True)
    n, lr, precision = len(theta), 2e-3, 10 + 1
    rule = SGHMC([theta], lr, alpha, np.random.default_rng(0))
    for _ in range(600):
        theta.grad = Tensor(10 * (theta.numpy() - 0.5) + theta.numpy())
        rule.step()
    variance = 1 / precision / (1 - lr * precision / (4 - 2 * alpha))  # exact, for steps of this size
    assert abs(theta.numpy().mean() - 5 / precision) < norm.ppf(1 - 0.25e-4) * np.sqrt(variance / n)
    low, high = chi2.ppf([0.25e-4, 1 - 0.25e-4], n - 1) / (n - 1)
    assert low < theta.numpy().var(ddof=1) / variance < high


def chains():
    """Small networks in float64, with tanh."""
    mg.seed(0)
    Gs, D = [players.mlp(3, 5, 2) for _ in range(2)], players.mlp(2, 5, 1)
    players.in_float64(*Gs, D)
    played = bayesian_gan.BayesianGAN(Gs, D, mg.data.noise(3), N=50, lr=1e-3)
    played.start_chains(1e-3, 0.1)
    return played


def test_the_landscapes_are_minus_the_logarithms_of_the_posteriors(monkeypatch):
    N, played, x, seen = 50, chains(), normal(6, 2), []
    played.prior, descend = players.Draws(3), bayesian_gan.descend

    def seen_after(rule, U):
        descend(rule, U)
        seen.append((U.item(), [p.grad for p in played.opt_G.params]))

    monkeypatch.setattr(bayesian_gan, "descend", seen_after)
    Gs, D = [players.by_hand(G) for G in played.Gs], players.by_hand(played.D)
    played.step(iter([x]))
    zs, moved = played.prior.taken(), [players.by_hand(G) for G in played.Gs]

    def likely(x, sign):
        return N * np.log(reference.sigma(sign * D(x))).mean()

    squares = [sum((p**2).sum() for p in network.params) / 2 for network in (*Gs, D)]
    U_G = sum(squares[:2]) - sum(likely(G(z), 1) for G, z in zip(Gs, zs[:2], strict=True))
    fakes = np.concatenate([G(z) for G, z in zip(moved, zs[2:], strict=True)])
    assert [U for U, _ in seen] == pytest.approx([U_G, squares[2] - likely(x, 1) - likely(fakes, -1)])
    assert all(a is b for a, b in zip(seen[0][1], seen[1][1], strict=True))  # D's step leaves none in a generator


def test_a_chain_that_was_stopped_goes_on_bit_for_bit():
    one, other, x = chains(), chains(), normal(6, 2)
    one.step(iter([x]))
    for name, part in other.parts().items():
        part.load_state_dict(one.parts()[name].state_dict())
    for played in (one, other):
        played.step(iter([x]))
    for a, b in zip(one.parts().values(), other.parts().values(), strict=True):
        np.testing.assert_equal(a.state_dict(), b.state_dict())


def test_the_divergence_is_in_the_plane_of_largest_variance_and_the_data_are_standardised():
    x = bayesian_gan.toy(6000, 5, replace(bayesian_gan.Settings(), planes=3, space=20))
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0) - 1], 0, atol=0.1)
    points, again = (normal(800, 5, seed=i) * [1, 9, 0.1, 5, 0.1] for i in range(2))
    plane = bayesian_gan.Plane(points)
    assert np.abs(plane.axes[[1, 3]]).max(axis=0) == pytest.approx([1, 1], abs=0.01)
    assert plane.divergence(again) < 0.02
    assert plane.divergence(again + np.array([0, 27, 0, 0, 0])) > 0.4
    assert plane.divergence(again[:1].repeat(9, axis=0) + 1e6) == pytest.approx(np.log(2), abs=0.01)  # in one place, far off
