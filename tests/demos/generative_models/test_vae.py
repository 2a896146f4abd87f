"""The demo of the VAE: the ELBO's two terms against closed forms and quadrature, its gradient, whose steps do what, faults."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import minigan as mg
from demos.generative_models import autoencoders, step_effects
from demos.generative_models import vae as demo
from minigan import Tensor, data, losses, metrics
from minigan.games import gan
from tests.demos.experiments import broken

SMALL = demo.Settings(z=3, width=8, steps=4, plane_steps=3, batch=16, gan_steps=8, gan_z=4, gan_width=8, gan_batch=16)
SMALL = replace(SMALL, judged=20, watched=10)
LONGER = replace(SMALL, width=64, steps=300, batch=64, gan_steps=300, gan_width=64, gan_z=16, gan_batch=64, watched=200)


def images(n):
    return data.glyphs(n, np.random.default_rng(0))[0]


def normal(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def vae_with(epsilon):
    """A VAE that draws this epsilon."""
    vae = demo.VAE(3, 8)
    vae.prior = lambda n: epsilon[:n]
    return vae


@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, "G descends D's loss", "D does not learn"])
def test_players_that_are_no_opponents_break_the_claim(claim, monkeypatch, fault):
    x, judge, adams = images(300), metrics.Judge(np.random.default_rng(0)), demo.adams
    if fault == "G descends D's loss":
        monkeypatch.setattr(gan, "generator_loss", lambda logits, saturating: -losses.generator_loss(logits, saturating))
    if fault == "D does not learn":
        monkeypatch.setattr(demo, "adams", lambda G, D, lr_G, lr_D: adams(G, D, lr_G, 0.0))
    vae, game = (demo.learn(kind, 0, x, x, judge, LONGER) for kind in ("VAE", "GAN"))
    demo.measure_descent(claim, [vae], [game])
    demo.measure_steps(claim, [vae], [game])
    assert broken(claim) == set() if fault is None else {"undone_of_D", "undone_of_G"} <= broken(claim)


# --- the ELBO -----------------------------------------------------------------------------------------------------------


def test_the_divergence_is_that_of_quadrature():
    mu, log_var = 1.5 * normal(5, 4), normal(5, 4) - 1.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z = mu[..., None] + np.exp(log_var / 2)[..., None] * nodes  # (5, 4, 60)
    log_ratio = norm.logpdf(z, mu[..., None], np.exp(log_var / 2)[..., None]) - norm.logpdf(z)
    expected = ((log_ratio * weights).sum(axis=-1) / np.sqrt(2 * np.pi)).sum(axis=1).mean()
    assert demo.divergence(Tensor(mu), Tensor(log_var)).item() == pytest.approx(expected, rel=1e-5)


def test_the_terms_by_hand_are_means_over_all_images_whatever_the_parts():
    x, epsilon = images(1300), normal(1300, 3)
    vae = vae_with(epsilon)
    mu, log_var = np.split(vae.Q(Tensor(x)).numpy().astype(float), 2, axis=1)
    p = expit(vae.P(Tensor(mu + np.exp(log_var / 2) * epsilon)).numpy())
    log_p = (x * np.log(p) + (1 - x) * np.log(1 - p)).reshape(1300, -1).sum(axis=1)
    expected = [-log_p.mean(), demo.divergence(Tensor(mu), Tensor(log_var)).item()]
    np.testing.assert_allclose([term.item() for term in vae(x)], expected, rtol=1e-4)
    parts = iter([epsilon[:1000], epsilon[1000:]])
    vae.prior = lambda n: next(parts)
    np.testing.assert_allclose(demo.terms(vae, x), expected, rtol=1e-4)


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


def test_the_cross_entropy_by_hand():
    x = np.zeros((2, 1, 28, 28), np.float32)
    x[0, 0, 0, :2] = 1.0, 0.25
    p = np.full((1, 28, 28), 0.5, np.float32)
    p[0, 0, 0] = 0.8
    expected = 783 * np.log(2) - (np.log(0.8) + np.log(0.2)) / 2
    assert demo.cross_entropy(x, p) == pytest.approx(expected, rel=1e-6)
    assert demo.cross_entropy(x, x) == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / 2, abs=0.01)


@pytest.mark.parametrize("name", ["mnist", "glyphs"])
@pytest.mark.parametrize(("off", "holds"), [(-0.1, True), (0.1, False)])
def test_the_worst_seed_has_to_reach_the_bound_on_mnist_and_else_to_beat_pixels_by_themselves(claim, name, off, holds):
    claim.args.data, x, others = name, images(30), images(50)[30:]
    alone = demo.cross_entropy(others, x.mean(axis=0))
    worst = (110.0 if name == "mnist" else alone) + off
    runs = [{"terms": np.array([10.0, 20.0])}, {"terms": np.array([worst - 25, 25.0])}]
    demo.measure_elbo(claim, runs, {"terms": np.array([150.0, 5.0])}, x, others)
    assert claim.holds == {"elbo": holds}
    found = {"D_KL": 22.5, "elbo_of_a_plane": -155, "every_pixel_by_itself": -alone}
    found["grey_levels_minus_entropy"] = -demo.cross_entropy(others, others)
    assert {key: claim.metrics[key] for key in found} == pytest.approx(found)


# --- the curves, the steps and the samples --------------------------------------------------------------------------------


def test_the_share_that_goes_down():
    assert demo.downwards(np.linspace(9, 1, 100)) == 1
    assert demo.downwards(np.linspace(1, 9, 100)) == 0
    assert demo.downwards(np.repeat(np.tile([3.0, 2.0, 5.0, 4.0], 5), 3)) == pytest.approx((10 + 4 * 1) / (10 + 4 * 1 + 5 * 3))


FALLS, RISES, MIXED = np.linspace(9, 1, 40), np.linspace(1, 9, 40), np.repeat(np.tile([1.0, 0.0], 10), 2)
GOOD = [[-4.0, 3.0], [2.0, -3.0]]


@pytest.mark.parametrize(
    ("vae", "gan", "fails"),
    [
        ({}, {}, set()),
        ({"curve": MIXED}, {}, {"downwards_vae"}),
        ({}, {"loss_G": FALLS}, {"downwards_gan"}),
        ({}, {"loss_D": FALLS}, {"downwards_gan"}),
        ({"changes": np.array([[0.1, 0.1], [-9.0, -9.0]])}, {}, {"objective_by_encoder"}),
        ({"changes": np.array([[-9.0, -9.0], [0.1, 0.1]])}, {}, {"objective_by_decoder"}),
        ({}, {"changes": np.array([[-4.0, 0.1], [2.0, -3.0]])}, {"undone_of_G"}),
        ({}, {"changes": np.array([[-4.0, 3.0], [-2.0, -3.0]])}, {"undone_of_D"}),
        ({}, {"changes": np.array([[-4.0, 3.0], [2.0, 3.0]])}, {"undone_of_G"}),
        ({}, {"changes": np.array([[0.0, 3.0], [2.0, -3.0]])}, {"undone_of_D"}),
        ({}, {"early": 5.0, "frechet": 3.0}, {"frechet_gan_end_to_quarter"}),
    ],
)
def test_the_worst_seed_decides(claim, vae, gan, fails):
    right = {"curve": FALLS, "changes": np.array([[-3.0, -3.0], [-9.0, -9.0]]), "frechet": 3.0}
    game = {"loss_D": MIXED, "loss_G": RISES, "changes": np.array(GOOD), "early": 4.0, "frechet": 2.0}
    vaes, gans = [right, right | vae], [game | gan, game]
    demo.measure_descent(claim, vaes, gans)
    demo.measure_steps(claim, vaes, gans)
    demo.measure_samples(claim, vaes, gans, 1.0)
    assert broken(claim) == fails
    if not fails:
        assert (claim.metrics["undone_of_D"], claim.metrics["loss_D_by_G"], claim.metrics["frechet_vae"]) == (0.5, 2, 3)


def test_the_distance_of_the_data_from_itself_is_0_and_noise_is_far():
    x, judge = images(600), metrics.Judge(np.random.default_rng(0))
    assert demo.frechet(x[:300], judge, x) == pytest.approx(0, abs=1e-3)
    near, far = demo.frechet(x[300:], judge, x), demo.frechet(normal(300, 1, 28, 28).clip(0, 1), judge, x)
    assert near < far / 10


def test_looking_at_a_game_changes_nothing_and_each_player_lowers_its_own_loss_and_raises_the_others(record, monkeypatch):
    seen, x = record(demo, "frechet", lambda samples, judge, x: float(len(seen))), images(60)
    run = demo.learn("GAN", 0, x, x, None, SMALL)
    assert run["changes"][0, 0] < 0 < run["changes"][1, 0]
    assert run["changes"][1, 1] < 0
    assert (run["early"], run["frechet"]) == (1, len(seen))  # after a quarter, and at the end
    assert run["loss_D"][0] == pytest.approx(2 * np.log(2), abs=0.1)  # it knows nothing
    assert all(0 <= call.samples.min() < 0.5 < call.samples.max() <= 1 for call in seen)
    monkeypatch.setattr(step_effects, "EVERY", 3)
    other = demo.learn("GAN", 0, x, x, None, SMALL)
    np.testing.assert_array_equal(run["loss_G"], other["loss_G"])
    assert (run["changes"] != other["changes"]).all()


def test_a_vae_in_the_frame_of_a_game_learns_as_by_one_optimizer_and_its_changes_add_up(record):
    record(demo, "frechet", lambda *arguments: 1.0)
    kept, x = record(step_effects, "totals", step_effects.totals), images(60)
    run = demo.learn("VAE", 0, x, x, None, replace(SMALL, steps=step_effects.EVERY + 2))
    rows = [row["changes"] for row in kept[0].figures if "changes" in row]
    assert len(rows) == 2  # of the first iteration, and of the one EVERY later
    for (first, of_Q, same_Q), (second, of_P, same_P) in rows:
        assert (first, second) == (0, 1)
        assert (of_Q, of_P) == (same_Q, same_P)
        assert of_P < 0
    mg.seed(0)
    vae = demo.VAE(SMALL.z, SMALL.width)
    game = step_effects.WatchedVAE(vae, *(demo.optim.Adam(player.parameters(), SMALL.lr) for player in (vae.P, vae.Q)))
    game.look_at(x[: SMALL.watched])
    again = autoencoders.train(vae, [vae], [x], "VAE", len(run["curve"]), SMALL.batch, SMALL.lr, prior=vae.prior)
    np.testing.assert_allclose(run["curve"], again.sum(axis=1), rtol=1e-5)
