"""The demo of the VAE: the ELBO's two terms against closed forms and quadrature, its gradient, and that the claim holds."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models import vae as demo
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, data, metrics
from tests.demos.running import assert_shows_something, summary_of

SMALL = demo.Settings(z=3, width=8, steps=4, batch=16, gan_steps=40, gan_z=4, gan_width=8, judged=20)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    demo.main(["--quick", "--out", str(folder)])
    return folder


@pytest.fixture
def claim(tmp_path):
    return Claim(start(digits.options(""), ["--out", str(tmp_path)], "vae"), {})


def images(n):
    return data.glyphs(n, np.random.default_rng(0))[0]


def vae_with(epsilon, z=3):
    """A VAE that draws this epsilon."""
    mg.seed(0)
    vae = demo.VAE(z, 8)
    vae.prior = lambda n: epsilon[:n]
    return vae


def normal(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@pytest.mark.slow
def test_the_claim_holds(out):
    summary = summary_of(out)
    assert summary["holds"] == dict.fromkeys(("elbo", "downwards_vae", "downwards_G", "frechet_gan_end_to_quarter"), True)
    assert {path.name for path in out.iterdir()} == {"vae.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "vae.png")


@pytest.mark.slow
def test_the_figures_agree_with_one_another(out):
    found = summary_of(out)["metrics"]
    assert found["elbo"] == pytest.approx(-found["minus_log_P"] - found["D_KL"])
    assert found["D_KL"] > 0
    assert found["every_pixel_by_itself"] < found["elbo_of_a_plane"] < found["elbo"] < found["grey_levels_minus_entropy"] < 0
    assert found["frechet_unseen_images"] < found["frechet_gan"]


# --- the ELBO -----------------------------------------------------------------------------------------------------------


def test_the_divergence_is_that_of_quadrature():
    mu, log_var = 1.5 * normal(5, 4), normal(5, 4) - 1.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z = mu[..., None] + np.exp(log_var / 2)[..., None] * nodes  # (5, 4, 60)
    log_ratio = norm.logpdf(z, mu[..., None], np.exp(log_var / 2)[..., None]) - norm.logpdf(z)
    expected = ((log_ratio * weights).sum(axis=-1) / np.sqrt(2 * np.pi)).sum(axis=1).mean()
    assert demo.divergence(Tensor(mu), Tensor(log_var)).item() == pytest.approx(expected, rel=1e-5)


def test_the_divergence_of_the_prior_from_itself_is_0():
    assert demo.divergence(Tensor(np.zeros((3, 2))), Tensor(np.zeros((3, 2)))).item() == 0


def test_the_terms_by_hand():
    x, epsilon = images(6), normal(6, 3)
    vae = vae_with(epsilon)
    said = vae.Q(Tensor(x)).numpy().astype(float)
    mu, log_var = said[:, :3], said[:, 3:]
    p = expit(vae.P(Tensor(mu + np.exp(log_var / 2) * epsilon)).numpy())
    reconstruction, kl = vae(x)
    log_p = (x * np.log(p) + (1 - x) * np.log(1 - p)).reshape(6, -1).sum(axis=1)
    assert reconstruction.item() == pytest.approx(-log_p.mean(), rel=1e-4)
    assert kl.item() == pytest.approx(demo.divergence(Tensor(mu), Tensor(log_var)).item(), rel=1e-4)


def test_a_decoder_that_ignores_z_and_an_encoder_that_ignores_x_have_the_exact_log_likelihood():
    x, vae = images(6), vae_with(normal(6, 3))
    for layer in (vae.Q[-1], vae.P[2]):
        layer.weight.data = np.zeros_like(layer.weight.data)
    vae.Q[-1].bias.data = np.zeros(6, np.float32)
    reconstruction, kl = vae(x)
    p = expit(vae.P[2].bias.numpy()).reshape(1, 28, 28)
    assert kl.item() == 0
    assert reconstruction.item() == pytest.approx(demo.cross_entropy(x, p), rel=1e-5)


@pytest.mark.parametrize("i", [1, 4])  # one of the mu, one of the log sigma^2
def test_the_gradient_of_the_encoder_passes_through_the_sampled_z(i):
    x, vae = images(6).astype(float), vae_with(normal(6, 3).astype(float))
    for p in vae.parameters():
        p.data = p.data.astype(float)
    bias, values = vae.Q[-1].bias, []
    (slope,) = mg.grad(sum(vae(x)), [bias])
    for h in (1e-5, -2e-5):
        bias.data = bias.data + h * np.eye(6)[i]
        values.append(sum(vae(x)).item())
    assert slope.numpy()[i] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


def test_the_terms_are_means_over_all_images_whatever_the_parts():
    x, vae = images(1300), vae_with(np.zeros((1300, 3), np.float32))
    np.testing.assert_allclose(demo.terms(vae, x), [term.item() for term in vae(x)], rtol=1e-5)


def test_the_cross_entropy_by_hand():
    x = np.zeros((2, 1, 28, 28), np.float32)
    x[0, 0, 0, :2] = 1.0, 0.25
    p = np.full((1, 28, 28), 0.5, np.float32)
    p[0, 0, 0] = 0.8
    half = (784 - 1) * np.log(2)
    expected = (2 * half - np.log(0.8) - np.log(0.2)) / 2
    assert demo.cross_entropy(x, p) == pytest.approx(expected, rel=1e-6)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / 2
    assert demo.cross_entropy(x, x) == pytest.approx(entropy, abs=0.01)  # black and white pixels have next to none


@pytest.mark.parametrize(("worst", "holds"), [(109.9, True), (110.1, False)])
def test_the_worst_seed_has_to_reach_what_is_asked_for_on_mnist(claim, worst, holds):
    runs = [{"terms": np.array([80.0, 20.0])}, {"terms": np.array([worst - 25, 25.0])}]
    x = images(30)
    demo.measure_elbo(claim, runs, {"terms": np.array([150.0, 5.0])}, x, x)
    assert claim.holds == {"elbo": holds}
    assert claim.metrics["elbo"] == pytest.approx(-worst)
    assert claim.metrics["D_KL"] == pytest.approx(22.5)
    assert claim.metrics["elbo_of_a_plane"] == -155


def test_other_data_have_to_beat_pixels_that_know_nothing_of_one_another(claim):
    claim.args.data, x = "glyphs", images(30)
    alone = demo.cross_entropy(x, x.mean(axis=0))
    for worst, holds in ((alone - 1, True), (alone + 1, False)):
        demo.measure_elbo(claim, [{"terms": np.array([worst - 5, 5.0])}], {"terms": np.array([150.0, 5.0])}, x, x)
        assert claim.holds == {"elbo": holds}


# --- the curves and the samples -----------------------------------------------------------------------------------------


def test_the_share_that_goes_down():
    assert demo.downwards(np.linspace(9, 1, 100)) == 1
    assert demo.downwards(np.linspace(1, 9, 100)) == 0
    assert demo.downwards(np.repeat(np.tile([3.0, 2.0, 5.0, 4.0], 5), 3)) == pytest.approx((10 + 4 * 1) / (10 + 4 * 1 + 5 * 3))


def test_the_worst_seed_decides_about_the_curves(claim):
    falls, rises, mixed = np.linspace(9, 1, 40), np.linspace(1, 9, 40), np.repeat(np.tile([1.0, 0.0], 10), 2)
    demo.measure_descent(claim, [{"curve": falls}], [{"loss_D": falls, "loss_G": rises}])
    assert claim.holds == {"downwards_vae": True, "downwards_G": True}
    gans = [{"loss_D": mixed, "loss_G": rises}, {"loss_D": falls, "loss_G": mixed}]
    demo.measure_descent(claim, [{"curve": mixed}, {"curve": falls}], gans)
    assert claim.holds == {"downwards_vae": False, "downwards_G": False}
    assert claim.metrics["downwards_vae"] == claim.metrics["downwards_G"] == pytest.approx(10 / 19)
    assert claim.metrics["downwards_D"] == pytest.approx((1 + 10 / 19) / 2)


def test_the_worst_seed_decides_about_the_samples(claim):
    gans = [{"early": 4.0, "frechet": 2.0}, {"early": 5.0, "frechet": 6.0}]
    demo.measure_samples(claim, [{"frechet": 3.0}, {"frechet": 4.0}], gans, 1.0)
    assert claim.holds == {"frechet_gan_end_to_quarter": False}
    expected = {"gan_after_a_quarter": 4.5, "gan": 4, "gan_end_to_quarter": 1.2, "vae": 3.5, "unseen_images": 1}
    assert claim.metrics == pytest.approx({f"frechet_{name}": value for name, value in expected.items()})


def test_a_gan_that_begins_knows_nothing():
    seen = []
    run = demo.train_gan(images(60), SMALL, 0, lambda samples: seen.append(samples) or float(len(seen)))
    assert run["loss_D"].shape == run["loss_G"].shape == (40,)
    assert run["loss_D"][0] == pytest.approx(2 * np.log(2), abs=0.1)
    assert run["loss_G"][0] == pytest.approx(np.log(2), abs=0.1)
    for samples in seen:
        assert samples.shape == (20, 1, 28, 28)
        assert 0 <= samples.min() < 0.5 < samples.max() <= 1
    assert np.abs(seen[0] - seen[-1]).max() > 0.01
    assert (run["early"], run["frechet"]) == (1, len(seen))  # after a quarter, and at the end
    np.testing.assert_array_equal(run["samples"], seen[-1])


def test_a_training_is_the_seeds():
    x = images(60)
    one, same, other = (demo.train_vae(x, x, 3, SMALL, seed, np.mean) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one["curve"], same["curve"])
    assert one["curve"].shape == (4,)
    assert one["curve"][0] > one["curve"][-1]
    assert (one["curve"] != other["curve"]).all()
    assert one["samples"].shape == (20, 1, 28, 28)
    assert one["frechet"] == one["samples"].mean()
    assert demo.train_vae(x, x, 2, SMALL, 0, np.mean)["plane"].shape == (demo.SIDE**2, 1, 28, 28)


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_the_models_learn_from_the_training_images_and_are_measured_on_the_others(main, record, two_sets):
    x, y, others = two_sets.x, two_sets.y, two_sets.others
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    quality = record(metrics, "image_quality", lambda *arguments: {"frechet": 3.0})
    vaes = record(demo, "train_vae", lambda x, others, z, s, seed, distance: f"VAE of {z}, {seed}")
    gans = record(demo, "train_gan", lambda x, s, seed, distance: f"GAN, {seed}")
    elbo, descent, samples = (record(demo, f"measure_{name}") for name in ("elbo", "descent", "samples"))
    main(demo, z=7)

    assert {(call.z, call.seed) for call in vaes} == {(7, 5), (7, 6), (2, 5)}
    assert [call.seed for call in gans] == [5, 6]
    for call in (*vaes, *gans, *judge, *elbo):
        np.testing.assert_array_equal(call.x, x)
    for call in (*vaes, *elbo):
        np.testing.assert_array_equal(call.others, others)
    np.testing.assert_array_equal(judge[0].y, y)
    for call in (*elbo, *descent, *samples):
        assert call.vaes == ["VAE of 7, 5", "VAE of 7, 6"]
    for call in (*descent, *samples):
        assert call.gans == ["GAN, 5", "GAN, 6"]
    assert elbo[0].plane == "VAE of 2, 5"
    assert samples[0].unseen == 3
    np.testing.assert_array_equal(quality[0].samples, others)
    for call in (*vaes, *gans):
        assert call.distance(others) == 3
    np.testing.assert_array_equal(quality[0].train, x)
    assert quality[0].judge == "judge"


def test_a_vae_learns_from_some_images_and_its_elbo_is_that_of_others(record, two_sets):
    trained = record(autoencoders, "train", lambda *arguments, **changing: np.zeros((4, 2)))
    measured = record(demo, "terms", lambda *arguments: np.array([2.0, 1.0]))
    found = demo.train_vae(two_sets.x, two_sets.others, 3, SMALL, 0, np.mean)
    (x,) = trained[0].arrays
    np.testing.assert_array_equal(x, two_sets.x)
    np.testing.assert_array_equal(measured[0].x, two_sets.others)
    assert trained[0].modules == [measured[0].vae]
    np.testing.assert_array_equal(found["terms"], [2, 1])


def test_what_takes_no_model_knows_the_training_images_and_is_measured_on_the_others(claim, two_sets):
    run = {"terms": np.array([80.0, 20.0])}
    x, others = two_sets.x, two_sets.others
    demo.measure_elbo(claim, [run], run, x, others)
    assert claim.metrics["every_pixel_by_itself"] == pytest.approx(-demo.cross_entropy(others, x.mean(axis=0)))
    assert claim.metrics["grey_levels_minus_entropy"] == pytest.approx(-demo.cross_entropy(others, others))


def test_a_game_is_the_seeds():
    settings = demo.replace(SMALL, gan_steps=4)
    one, same, other = (demo.train_gan(images(60), settings, seed, np.mean)["samples"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
