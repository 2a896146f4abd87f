"""The demo of the VAE: the ELBO's two terms against closed forms and quadrature, its gradient, and that the claim holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import minigan as mg
from demos.generative_models import autoencoders, step_effects
from demos.generative_models import vae as demo
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, data, losses, metrics
from tests.demos.running import assert_shows_something, summary_of

SMALL = demo.Settings(
    z=3, width=8, steps=4, plane_steps=3, batch=16, gan_steps=40, gan_z=4, gan_width=8, gan_batch=16, judged=20, watched=10
)


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
def test_a_quick_run_beats_pixels_that_know_nothing_of_one_another(out):
    assert summary_of(out)["holds"] == {"elbo": True}
    pictures = {f"{name}.png" for name in ("vae", "steps", "plane")}
    assert {path.name for path in out.iterdir()} == pictures | {"summary.json", "checkpoint.npz"}
    for name in pictures:
        assert_shows_something(out / name)


@pytest.mark.slow
def test_the_figures_agree_with_one_another(out):
    found = summary_of(out)["metrics"]
    assert found["elbo"] == pytest.approx(-found["minus_log_P"] - found["D_KL"])
    assert found["D_KL"] > 0
    assert found["every_pixel_by_itself"] < found["elbo"] < found["grey_levels_minus_entropy"] < 0
    assert found["elbo_of_a_plane"] < found["elbo"]
    assert found["frechet_unseen_images"] < found["frechet_gan"]


LONGER = replace(SMALL, width=64, steps=300, batch=64, gan_steps=300, gan_width=64, gan_z=16, gan_batch=64, watched=200)


def played(claim, kinds=("VAE", "GAN")):
    """The figures of a game that is long enough for the losses to move."""
    x = images(1000)
    judge = metrics.Judge(np.random.default_rng(0))
    vae, gan = (demo.learn(kind, 1000, x[200:], x[:200], judge, LONGER) for kind in kinds)
    demo.measure_descent(claim, [vae], [gan])
    demo.measure_steps(claim, [vae], [gan])
    return {name for name, holds in claim.holds.items() if not holds}


@pytest.mark.slow
def test_in_a_longer_run_the_claim_holds(claim):
    assert played(claim) == set()


@pytest.mark.slow
def test_a_g_that_descends_ds_loss_is_no_opponent(claim, monkeypatch):
    """Planted: G's loss has the wrong sign, so that its steps help D."""
    from minigan.games import gan

    monkeypatch.setattr(gan, "generator_loss", lambda logits, saturating: -losses.generator_loss(logits, saturating))
    assert {"undone_of_D", "undone_of_G"} <= played(claim)


@pytest.mark.slow
def test_a_d_that_does_not_learn_is_no_opponent(claim, monkeypatch):
    """Planted: D's learning rate is 0."""
    adams = demo.adams
    monkeypatch.setattr(demo, "adams", lambda G, D, lr_G, lr_D: adams(G, D, lr_G, 0.0))
    assert {"undone_of_D", "undone_of_G"} <= played(claim)


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


def forget(claim):
    """A claim notes a figure once."""
    claim.metrics.clear()
    claim.holds.clear()


def test_other_data_have_to_beat_pixels_that_know_nothing_of_one_another(claim):
    claim.args.data, x = "glyphs", images(30)
    alone = demo.cross_entropy(x, x.mean(axis=0))
    for worst, holds in ((alone - 1, True), (alone + 1, False)):
        demo.measure_elbo(claim, [{"terms": np.array([worst - 5, 5.0])}], {"terms": np.array([150.0, 5.0])}, x, x)
        assert claim.holds == {"elbo": holds}
        forget(claim)


# --- the curves and the samples -----------------------------------------------------------------------------------------


def test_the_share_that_goes_down():
    assert demo.downwards(np.linspace(9, 1, 100)) == 1
    assert demo.downwards(np.linspace(1, 9, 100)) == 0
    assert demo.downwards(np.repeat(np.tile([3.0, 2.0, 5.0, 4.0], 5), 3)) == pytest.approx((10 + 4 * 1) / (10 + 4 * 1 + 5 * 3))


def test_the_worst_seed_decides_about_the_curves(claim):
    falls, rises, mixed = np.linspace(9, 1, 40), np.linspace(1, 9, 40), np.repeat(np.tile([1.0, 0.0], 10), 2)
    demo.measure_descent(claim, [{"curve": falls}], [{"loss_D": mixed, "loss_G": rises}])
    assert claim.holds == {"downwards_vae": True, "downwards_gan": True}
    forget(claim)
    gans = [{"loss_D": mixed, "loss_G": rises}, {"loss_D": rises, "loss_G": falls}]
    demo.measure_descent(claim, [{"curve": mixed}, {"curve": falls}], gans)
    assert claim.holds == {"downwards_vae": False, "downwards_gan": False}
    assert claim.metrics["downwards_vae"] == pytest.approx(10 / 19)
    assert claim.metrics["downwards_gan"] == 1
    assert claim.metrics["downwards_D"] == pytest.approx(5 / 19)
    assert claim.metrics["downwards_G"] == 0.5


@pytest.mark.parametrize(
    ("encoder", "gan", "fails"),
    [
        (-2.0, [[-4.0, 3.0], [2.0, -3.0]], set()),
        (0.1, [[-4.0, 3.0], [2.0, -3.0]], {"objective_by_encoder"}),
        (-2.0, [[-4.0, 0.1], [2.0, -3.0]], {"undone_of_G"}),
        (-2.0, [[-4.0, 3.0], [-2.0, -3.0]], {"undone_of_D"}),
        (-2.0, [[-4.0, 3.0], [2.0, 3.0]], {"undone_of_G"}),
        (-2.0, [[0.0, 3.0], [2.0, -3.0]], {"undone_of_D"}),
    ],
)
def test_the_worst_seed_decides_about_the_steps(claim, encoder, gan, fails):
    vaes = [{"changes": np.array([[by, by], [-9.0, -9.0]])} for by in (-3.0, encoder)]
    demo.measure_steps(claim, vaes, [{"changes": np.array([[-4.0, 3.0], [3.0, -3.0]])}, {"changes": np.array(gan)}])
    assert {name for name, holds in claim.holds.items() if not holds} == fails
    if not fails:
        assert claim.metrics["undone_of_D"] == 0.5
        assert claim.metrics["loss_D_by_G"] == 2.5


def test_the_worst_seed_decides_about_the_samples(claim):
    gans = [{"early": 4.0, "frechet": 2.0}, {"early": 5.0, "frechet": 6.0}]
    demo.measure_samples(claim, [{"frechet": 3.0}, {"frechet": 4.0}], gans, 1.0)
    assert claim.holds == {"frechet_gan_end_to_quarter": False}
    expected = {"gan_after_a_quarter": 4.5, "gan": 4, "gan_end_to_quarter": 1.2, "vae": 3.5, "unseen_images": 1}
    assert claim.metrics == pytest.approx({f"frechet_{name}": value for name, value in expected.items()})


def test_a_gan_that_begins_knows_nothing(record):
    seen = record(demo, "frechet", lambda samples, judge, x: float(len(seen)))
    x = images(60)
    run = demo.learn("GAN", 0, x, x, None, SMALL)
    assert run["loss_D"].shape == run["loss_G"].shape == (40,)
    assert run["loss_D"][0] == pytest.approx(2 * np.log(2), abs=0.1)
    assert run["loss_G"][0] == pytest.approx(np.log(2), abs=0.1)
    for call in seen:
        assert call.samples.shape == (20, 1, 28, 28)
        assert 0 <= call.samples.min() < 0.5 < call.samples.max() <= 1
    assert np.abs(seen[0].samples - seen[-1].samples).max() > 0.01
    assert (run["early"], run["frechet"]) == (1, len(seen))  # after a quarter, and at the end
    np.testing.assert_array_equal(run["samples"], seen[-1].samples)


def test_a_training_is_the_seeds(record):
    record(demo, "frechet", lambda samples, judge, x: float(samples.mean()))
    x = images(60)
    one, same, other = (demo.learn("VAE", seed, x, x, None, SMALL) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one["curve"], same["curve"])
    assert one["curve"].shape == (4,)
    assert one["curve"][0] > one["curve"][-1]
    assert (one["curve"] != other["curve"]).all()
    assert one["samples"].shape == (20, 1, 28, 28)
    assert one["frechet"] == pytest.approx(one["samples"].mean())
    plane = demo.learn("plane", 0, x, x, None, SMALL)
    assert plane["plane"].shape == (demo.SIDE**2, 1, 28, 28)
    assert plane["curve"].shape == (3,)


def test_the_distance_of_the_data_from_itself_is_0_and_noise_is_far():
    x, judge = images(600), metrics.Judge(np.random.default_rng(0))
    assert demo.frechet(x, judge, x) == pytest.approx(0, abs=1e-3)
    near, far = demo.frechet(x[300:], judge, x), demo.frechet(normal(300, 1, 28, 28).clip(0, 1), judge, x)
    assert near < far / 10


# --- whose steps do what ------------------------------------------------------------------------------------------------


def test_the_changes_of_a_vae_add_up_to_that_of_its_objective(record):
    record(demo, "frechet", lambda *arguments: 1.0)
    kept = record(step_effects, "totals", step_effects.totals)
    x = images(60)
    demo.learn("VAE", 0, x, x, None, replace(SMALL, steps=step_effects.EVERY + 2))
    rows = [row["changes"] for row in kept[0].figures if "changes" in row]
    assert len(rows) == 2  # of the first iteration, and of the one EVERY later
    for (first, of_Q, same_Q), (second, of_P, same_P) in rows:
        assert (first, second) == (0, 1)
        assert (of_Q, of_P) == (same_Q, same_P)
        assert of_P < 0


def test_each_player_of_a_gan_lowers_its_own_loss_at_first_and_raises_the_others(record):
    record(demo, "frechet", lambda *arguments: 1.0)
    x = images(60)
    changes = demo.learn("GAN", 0, x, x, None, replace(SMALL, gan_steps=8))["changes"]
    assert changes.shape == (2, 2)
    assert changes[0, 0] < 0 < changes[1, 0]
    assert changes[1, 1] < 0


def test_looking_changes_nothing(monkeypatch):
    x, judge = images(60), metrics.Judge(np.random.default_rng(0))
    one = demo.learn("GAN", 0, x, x, judge, SMALL)
    monkeypatch.setattr(step_effects, "EVERY", 7)
    other = demo.learn("GAN", 0, x, x, judge, SMALL)
    np.testing.assert_array_equal(one["loss_G"], other["loss_G"])
    assert (one["changes"] != other["changes"]).all()


def test_a_vae_in_the_frame_of_a_game_learns_as_by_one_optimizer(record):
    record(demo, "frechet", lambda *arguments: 1.0)
    x = images(60)
    run = demo.learn("VAE", 0, x, x, None, SMALL)
    mg.seed(0)
    vae = demo.VAE(SMALL.z, SMALL.width)
    game = step_effects.WatchedVAE(vae, *(demo.optim.Adam(player.parameters(), SMALL.lr) for player in (vae.P, vae.Q)))
    game.look_at(x[: SMALL.watched])
    rows = autoencoders.train(vae, [vae], [x], "VAE", SMALL.steps, SMALL.batch, SMALL.lr, prior=vae.prior)
    np.testing.assert_allclose(run["curve"], rows.sum(axis=1), rtol=1e-5)


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_the_models_learn_from_the_training_images_and_are_measured_on_the_others(main, record, two_sets):
    x, y, others = two_sets.x, two_sets.y, two_sets.others
    for name in ("learning", "steps", "plane"):
        record(demo, f"picture_of_{name}")
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    distance = record(demo, "frechet", lambda samples, judge, x: 3.0)
    learnt = record(demo, "learn", lambda kind, seed, *rest: f"{kind} {seed}")
    elbo, descent, steps, samples = (record(demo, f"measure_{name}") for name in ("elbo", "descent", "steps", "samples"))
    main(demo, z=7)

    assert {(call.kind, call.seed) for call in learnt} == {("VAE", 5), ("VAE", 6), ("GAN", 5), ("GAN", 6), ("plane", 5)}
    for call in (*learnt, *judge, *elbo):
        np.testing.assert_array_equal(call.x, x)
    for call in (*learnt, *elbo):
        np.testing.assert_array_equal(call.others, others)
    np.testing.assert_array_equal(judge[0].y, y)
    for call in (*elbo, *descent, *steps, *samples):
        assert call.vaes == ["VAE 5", "VAE 6"]
    for call in (*descent, *steps, *samples):
        assert call.gans == ["GAN 5", "GAN 6"]
    assert elbo[0].plane == "plane 5"
    assert samples[0].unseen == 3
    np.testing.assert_array_equal(distance[0].samples, others)
    np.testing.assert_array_equal(distance[0].x, x)
    assert {call.judge for call in (*learnt, *distance)} == {"judge"}


def test_a_vae_learns_from_some_images_and_its_elbo_is_that_of_others(record, two_sets):
    record(demo, "frechet", lambda *arguments: 1.0)
    trained = record(demo, "train", lambda game, batches, steps, name: [{"loss": 1.0, "changes": [[0, 1, 1], [1, 2, 2]]}])
    measured = record(demo, "terms", lambda vae, x: np.array([2.0, 1.0]))
    found = demo.learn("VAE", 0, two_sets.x, two_sets.others, None, SMALL)
    assert next(trained[0].batches).max() < 0.5  # x is dark, the others are bright
    np.testing.assert_array_equal(measured[0].x, two_sets.others)
    assert trained[0].game.vae is measured[0].vae
    np.testing.assert_array_equal(trained[0].game.held[0], two_sets.others[: SMALL.watched])
    np.testing.assert_array_equal(found["terms"], [2, 1])


def test_what_takes_no_model_knows_the_training_images_and_is_measured_on_the_others(claim, two_sets):
    run = {"terms": np.array([80.0, 20.0])}
    x, others = two_sets.x, two_sets.others
    demo.measure_elbo(claim, [run], run, x, others)
    assert claim.metrics["every_pixel_by_itself"] == pytest.approx(-demo.cross_entropy(others, x.mean(axis=0)))
    assert claim.metrics["grey_levels_minus_entropy"] == pytest.approx(-demo.cross_entropy(others, others))


def test_a_game_is_the_seeds(record):
    record(demo, "frechet", lambda *arguments: 1.0)
    settings, x = replace(SMALL, gan_steps=4), images(60)
    one, same, other = (demo.learn("GAN", seed, x, x, None, settings)["samples"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
