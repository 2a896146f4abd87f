"""Models with a density: VAEs, a Boltzmann machine, posteriors; against closed forms, sums over all states and quadrature."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import chi2, norm

import minigan as mg
from demos.generative_models import autoencoders, bayesian_gan, boltzmann, fair, step_effects, vae, variational_bayes
from demos.generative_models.boltzmann_machine import RBM, draw, from_noise
from demos.generative_models.sghmc import SGHMC
from minigan import Tensor, data, optim
from tests.games import players, reference

SMALL = vae.Settings(z=3, width=8, steps=4, batch=16, gan_steps=8, gan_z=4, gan_width=8, gan_batch=16, judged=20, watched=10)
AVB = replace(variational_bayes.Settings(), width=8, t_width=8, steps=6, moving=3, batch=16, codes=20, every=1)
PLANES = replace(bayesian_gan.Settings(), **bayesian_gan.QUICK | {"steps": 20, "kept": 4, "judged": 16, "burn_in": 0.2})


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def images(n):
    return data.glyphs(n, np.random.default_rng(0))[0]


def slopes(loss, parameters, h=1e-5):
    """Central differences of loss(), for each number of the parameters."""
    found = []
    for p in parameters:
        values = p.numpy().copy()
        for i in np.ndindex(p.shape):
            ends = []
            for change in (h, -h):
                p.data = values.copy()
                p.data[i] += change
                ends.append(loss())
            found.append((ends[0] - ends[1]) / (2 * h))
        p.data = values
    return np.array(found)


# --- the VAE ------------------------------------------------------------------------------------------------------------


def test_the_elbos_terms_are_those_of_quadrature_and_means_over_all_images_whatever_the_parts():
    model, x, epsilon = vae.VAE(3, 8), images(1300), normal(1300, 3).astype(np.float32)
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


def test_the_gradient_of_the_encoder_passes_through_the_sampled_z():
    x, model, epsilon = images(6).astype(float), vae.VAE(3, 8), normal(6, 3)
    model.prior = lambda n: epsilon
    for p in model.parameters():
        p.data = p.data.astype(float)
    (found,) = mg.grad(sum(model(x)), [model.Q[-1].bias])
    np.testing.assert_allclose(found.numpy(), slopes(lambda: sum(model(x)).item(), [model.Q[-1].bias]), rtol=1e-6)


def test_the_cross_entropy_and_the_share_that_goes_down_by_hand():
    x, p = np.zeros((2, 1, 28, 28), np.float32), np.full((1, 28, 28), 0.5, np.float32)
    x[0, 0, 0, :2], p[0, 0, 0] = (1.0, 0.25), 0.8
    assert vae.cross_entropy(x, p) == pytest.approx(783 * np.log(2) - (np.log(0.8) + np.log(0.2)) / 2, rel=1e-6)
    assert vae.downwards(np.repeat(np.tile([3.0, 2.0, 5.0, 4.0], 5), 3)) == pytest.approx((10 + 4 * 1) / (10 + 4 * 1 + 5 * 3))


def test_looking_at_a_game_changes_nothing_and_each_player_lowers_its_own_loss(record, monkeypatch):
    seen, x = record(vae, "frechet", lambda samples, judge, x: float(len(seen))), images(60)
    run = vae.learn("GAN", 0, x, x, None, SMALL)
    assert run["changes"][0, 0] < 0 < run["changes"][1, 0]
    assert run["changes"][1, 1] < 0
    assert (run["early"], run["frechet"]) == (1, len(seen))  # after a quarter, and at the end
    monkeypatch.setattr(step_effects, "EVERY", 3)
    other = vae.learn("GAN", 0, x, x, None, SMALL)
    np.testing.assert_array_equal(run["loss_G"], other["loss_G"])
    assert (run["changes"] != other["changes"]).all()


def test_a_vae_in_the_frame_of_a_game_learns_as_by_one_optimizer_and_its_changes_add_up(record):
    record(vae, "frechet", lambda *arguments: 1.0)
    kept, x = record(step_effects, "totals", step_effects.totals), images(60)
    run = vae.learn("VAE", 0, x, x, None, replace(SMALL, steps=step_effects.EVERY + 2))
    rows = np.array([row["changes"] for row in kept[0].figures if "changes" in row])
    np.testing.assert_array_equal(rows[:, :, 0], [[0, 1]] * 2)  # of the first iteration, and of the one EVERY later
    np.testing.assert_allclose(rows[..., 1], rows[..., 2])
    np.testing.assert_allclose(run["changes"], rows[..., 1:].sum(axis=0))
    mg.seed(0)
    model = vae.VAE(SMALL.z, SMALL.width)
    adams = (optim.Adam(player.parameters(), SMALL.lr) for player in (model.P, model.Q))
    step_effects.WatchedVAE(model, *adams).look_at(x[: SMALL.watched])
    again = autoencoders.train(model, [model], [x], "VAE", len(run["curve"]), SMALL.batch, SMALL.lr, prior=model.prior)
    np.testing.assert_allclose(run["curve"], again.sum(axis=1), rtol=1e-5)


# --- the fair VAE -------------------------------------------------------------------------------------------------------


def test_mmd_is_the_naive_double_sum():
    a, b = normal(5, 3), normal(7, 3, seed=2) + 0.5

    def mean(xs, ys):
        pairs = [(x, y) for i, x in enumerate(xs) for j, y in enumerate(ys) if xs is not ys or i != j]
        return np.mean([np.exp(-np.sum((x - y) ** 2) / 3) for x, y in pairs])

    assert fair.squared_mmd(Tensor(a), Tensor(b)).item() == pytest.approx(mean(a, a) + mean(b, b) - 2 * mean(a, b), rel=1e-12)


def test_encoder_and_decoder_are_told_s_and_the_term_compares_the_codes_of_both_colours():
    model, s, y = fair.FairVAE(2, 4), np.array([0, 1, 0, 1, 1]), np.array([3, 0, 9, 3, 1])
    x, z = normal(5, fair.PIXELS).astype("float32"), Tensor(normal(5, 2).astype("float32"))
    assert not np.allclose(model.encode(x, 0 * s)[0].numpy(), model.encode(x, 0 * s + 1)[0].numpy())
    assert not np.allclose(model.decode(z, 0 * s).numpy(), model.decode(z, 0 * s + 1).numpy())
    model.encode, x = lambda x, s: (z, z, z), np.abs(x).clip(0, 1)
    p, q = expit(model.decode(z, s).numpy()), model.q(z).numpy()
    expected = [-(x * np.log(p) + (1 - x) * np.log(1 - p)).sum() / 5, vae.divergence(z, z).item()]
    expected += [-2 * (q - logsumexp(q, axis=1, keepdims=True))[range(5), y].mean()]
    expected += [50 * fair.squared_mmd(z[s == 0], z[s == 1]).item()]
    np.testing.assert_allclose([term.item() for term in model.terms(x, s, y, 2.0, 50.0)], expected, rtol=1e-4)


def test_s_is_a_digits_colour_and_a_network_reads_what_a_code_says_and_guesses_what_it_does_not():
    x = np.random.default_rng(0).random((3, 1, 28, 28))
    red, green = fair.coloured(x, np.array([0, 1, 0])).reshape(3, 2, 14, 14).transpose(1, 0, 2, 3)
    assert red[0, 2, 5] == pytest.approx(x[0, 0, 4:6, 10:12].mean(), rel=1e-6)
    assert green[1, 2, 5] == pytest.approx(x[1, 0, 4:6, 10:12].mean(), rel=1e-6)
    assert not np.any([green[[0, 2]].any(), red[1].any()])
    z, other, s = normal(400, 16).astype("float32"), normal(400, 16, seed=2).astype("float32"), np.arange(400) % 2
    settings, says = fair.Settings(width=32, judge_steps=80, batch=100), z.copy()
    says[:, 0] += 4 * s
    assert fair.rightly_read(says, s, says, s, 2, settings, "says") > 0.95
    assert fair.rightly_read(z, s, other, s, 2, settings, "silent") < 0.6


# --- adversarial variational Bayes --------------------------------------------------------------------------------------


def quadrants(sure=50.0):
    """P that tells the image by the quadrant of z: its pixel is white, and the others are black."""
    return lambda z: Tensor(sure * (2 * np.eye(4)[2 * (z.numpy()[:, 0] > 0) + (z.numpy()[:, 1] > 0)] - 1))


def test_p_and_q_come_to_rest():
    D_KL = variational_bayes.learn(variational_bayes.BOTH, 0, AVB)["curve"][:, 1]
    assert len(set(D_KL[:3])) == 3
    assert len(set(D_KL[2:])) == 1


def test_log_p_is_the_integral_over_the_prior():
    likely = -4 * np.log1p(np.exp(-1.0))  # two pixels wrong cost 2 nats, by logits of 1
    expected = [-np.log(4), -4 * np.log(2), np.log(0.25 * np.exp(likely) + 0.75 * np.exp(likely - 2.0))]
    found = [variational_bayes.log_likelihood(quadrants(sure)) for sure in (50.0, 0.0, 1.0)]
    assert found == pytest.approx(expected, rel=1e-6)


def test_gaps_are_the_divergence_of_the_codes_from_the_prior():
    z = autoencoders.quantiles(100)  # as even as can be
    found = [variational_bayes.gaps(codes) for codes in (z, z[z[:, 0] > 0], np.full((7, 2), 30.0))]  # half empty; one cell
    assert found == pytest.approx([0, np.log(2), np.log(100)], abs=1e-9)


def test_the_mean_of_the_best_t_is_the_divergence_and_images_that_p_tells_are_counted():
    """mu = (x_1, -2 x_2), sigma^2 = e; T* = log Q(z | x) - log P(z)."""

    def moments(x):
        return mg.concatenate([x[:, :2] * Tensor(np.array([1.0, -2.0])), Tensor(np.ones((len(x), 2)))], axis=1)

    def log_ratio(x, z):
        log_q = -((z.numpy() - x.numpy()[:, :2] * [1.0, -2.0]) ** 2) / (2 * np.e) - 0.5
        return Tensor((log_q + z.numpy() ** 2 / 2).sum(axis=1, keepdims=True))

    Q, epsilon = variational_bayes.Normal(moments), data.noise(2, rng=np.random.default_rng(0))
    expected = ((1 + 4) / 4 + 2 * (np.e - 1 - 1)) / 2  # the mean of mu^2 over the images; sigma^2 - 1 - log sigma^2, twice
    assert variational_bayes.divergence(Q) == pytest.approx(expected, rel=1e-6)
    assert variational_bayes.mean_of_t(Q, log_ratio, epsilon, 20_000) == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(variational_bayes.codes(Q, epsilon, 20_000).var(axis=1), np.e, rtol=0.05)
    at = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])  # image 4 in the quadrant of image 1
    found = variational_bayes.look(lambda x, epsilon: Tensor(x.numpy() @ at), quadrants(), data.noise(2), AVB)
    assert found["right"] == 0.75


# --- the Boltzmann machine ----------------------------------------------------------------------------------------------

PIXELS, HIDDEN = 4, 3
ALL_V, ALL_H = (np.array(list(product((0.0, 1.0), repeat=n))) for n in (PIXELS, HIDDEN))


@pytest.fixture
def small():
    """A machine with so few units that all its states can be listed."""
    rbm = RBM(HIDDEN, np.full(PIXELS, 0.4, np.float32))
    for i, p in enumerate(rbm.parameters()):
        p.data = normal(*p.shape, seed=i)
    return rbm


def energies(rbm):
    """-(v.b + h.c + v W h) of every v (rows) with every h (columns)."""
    W, b, c = (p.numpy() for p in (rbm.W, rbm.b, rbm.c))
    return -((ALL_V @ b)[:, None] + ALL_H @ c + ALL_V @ W @ ALL_H.T)


def distribution(rbm):
    """p(v, h), by listing all states."""
    E = energies(rbm)
    return np.exp(-E - logsumexp(-E))


def copying(n):
    """A machine whose Gibbs step returns v as it is: each hidden unit is its own pixel's."""
    rbm = RBM(n, np.full(n, 0.5, np.float32))
    for p, value in ((rbm.W, 200 * np.eye(n)), (rbm.b, np.full(n, -100.0)), (rbm.c, np.full(n, -100.0))):
        p.data = value.astype(np.float32)
    return rbm


def test_free_energy_and_conditional_probabilities_are_sums_over_all_states(small):
    p = distribution(small)
    np.testing.assert_allclose(small.free_energy(Tensor(ALL_V)).numpy(), -logsumexp(-energies(small), axis=1), rtol=1e-12)
    h_given_v, v_given_h = p @ ALL_H / p.sum(axis=1, keepdims=True), p.T @ ALL_V / p.sum(axis=0)[:, None]
    np.testing.assert_allclose(small.hidden(Tensor(ALL_V)).numpy(), h_given_v, rtol=1e-10)
    np.testing.assert_allclose(small.visible(Tensor(ALL_H)).numpy(), v_given_h, rtol=1e-10)


def test_gibbs_steps_lead_to_the_machines_own_distribution_and_chains_go_on_from_where_they_were(small):
    p, rng, v = distribution(small).sum(axis=1), np.random.default_rng(2), Tensor(np.zeros((40_000, PIXELS)))
    for _ in range(30):
        v = small.gibbs(v, rng)
    assert (v.dtype, v.requires_grad) == (np.float64, False)
    found = np.bincount((v.numpy() @ 2 ** np.arange(PIXELS)[::-1]).astype(int), minlength=len(p)) / len(v)
    assert np.abs(found - p).sum() < 0.04  # 0.016 is sampling's
    chains = from_noise(copying(784), 50, 30, np.random.default_rng(0))
    assert list(chains) == [0, 1, 10, 30]
    assert chains[0].mean() == pytest.approx(0.5, abs=0.01)
    assert all(np.allclose(chains[t], chains[0]) for t in (1, 10, 30))


def test_a_machine_that_has_learnt_nothing_draws_the_mean_image():
    rbm = RBM(5, np.array([0.0, 0.25, 1.0], np.float32))
    np.testing.assert_allclose(rbm.visible(Tensor(np.zeros((1, 5)))).numpy()[0], [0.01, 0.255, 0.99], rtol=1e-5)


def test_the_loss_and_its_gradient_are_those_of_minus_log_p_if_the_samples_are_the_models_own(small):
    """Every v with frequency p, in 10,000ths; against finite differences of -log p(v), by listing all states."""
    rows, weights = [3, 5, 5, 14], np.round(1e4 * distribution(small).sum(axis=1)).astype(int)
    v, samples = Tensor(ALL_V[rows]), Tensor(np.repeat(ALL_V, weights, axis=0))
    F = -logsumexp(-energies(small), axis=1)
    expected = F[rows].mean() - np.average(F, weights=weights)
    assert boltzmann.contrastive_divergence(small, v, samples).item() == pytest.approx(expected, rel=1e-12)
    expected = slopes(lambda: -np.log(distribution(small).sum(axis=1)[rows]).mean(), small.parameters())
    for gradient in (boltzmann.gradient, boltzmann.textbook):
        np.testing.assert_allclose(gradient(small, v, samples), expected, atol=2e-3)  # the rounding of p
    right = boltzmann.gradients(
        RBM(8, np.full(784, 0.3, np.float32)), Tensor(images(10).reshape(10, 784)), np.random.default_rng(0)
    )
    assert right["error"] < 1e-12  # float64 throughout
    assert right["differing"] == 0


@pytest.mark.parametrize("how", boltzmann.LONG + boltzmann.SHORT)
def test_the_samples_go_on_from_the_last_ones_or_from_the_data_and_probabilities_are_not_drawn(how, small, record):
    rng, machine, p = np.random.default_rng(0), copying(6), Tensor(ALL_V)
    v, last = (draw(Tensor(np.full((7, 6), 0.5, np.float32)), rng) for _ in range(2))
    found = boltzmann.negative(machine, v, last, how, rng)
    np.testing.assert_allclose(found.numpy(), (last if how == "persistent" else v).numpy(), atol=1e-6)
    assert found.requires_grad == (how == "attached")
    assert (set(np.unique(boltzmann.negative(small, p, p, how, rng).numpy())) == {0, 1}) == (how in boltzmann.LONG)
    settings = replace(boltzmann.Settings(), hidden=4, steps=40, mean_field_steps=40, batch=5, images=10)
    made = []
    learnt = record(
        boltzmann, "negative", lambda *arguments, right=boltzmann.negative: made.append(right(*arguments)) or made[-1]
    )
    looks = record(boltzmann, "look", lambda *arguments: {"error": 0.0})
    boltzmann.train(np.full((30, 784), 0.4, np.float32), np.ones((20, 784), np.float32), how, settings, 0)
    assert all(call.seen.numpy().mean() == pytest.approx(0.4, abs=0.05) for call in looks)
    assert all((call.unseen.numpy() == 1).all() for call in looks)
    assert all(set(np.unique(call.v.numpy())) == {0, 1} for call in learnt)
    np.testing.assert_array_equal(learnt[-1].samples.numpy(), made[-1].numpy())


def test_a_look_compares_the_right_free_energies(small):
    F, others = -logsumexp(-energies(small), axis=1), np.random.default_rng(0).random((5, PIXELS))
    found = boltzmann.look(small, *(Tensor(ALL_V[i : i + 3]) for i in (0, 4, 9)), others)
    W, b, c = (p.numpy() for p in (small.W, small.b, small.c))
    error = ((expit(expit(others @ W + c) @ W.T + b) - others) ** 2).sum(axis=1).mean()
    expected = {"error": error, "gap": F[4:7].mean() - F[:3].mean(), "loss": F[:3].mean() - F[9:12].mean()}
    assert found == pytest.approx(expected)


# --- the Bayesian GAN ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0])
def test_sghmcs_gaussian_posterior_has_its_mean_and_its_variance(alpha):
    """Chains are independent: their mean is normal, their variance chi-squared; a right rule fails once in 10,000.

    Each element is a chain, for the mean theta, with prior N(0, 1), of 10 data of mean 0.5 and variance 1.
    """
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


def test_frictions_and_states_of_other_rules_are_refused():
    p = Tensor(np.zeros(2), requires_grad=True)
    state = SGHMC([p], 0.1, 0.1).state_dict()
    for friction in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="SGHMC: friction"):
            SGHMC([p], 0.1, friction)
    for name, friction, bad in (("rng", 0.1, {k: v for k, v in state.items() if k != "rng"}), ("friction", 0.2, state)):
        with pytest.raises(ValueError, match=name):
            SGHMC([p], 0.1, friction).load_state_dict(bad)


def chains(N=50, eta=1e-3):
    """Small networks in float64, with tanh."""
    mg.seed(0)
    Gs, D = [players.mlp(3, 5, 2) for _ in range(2)], players.mlp(2, 5, 1)
    players.in_float64(*Gs, D)
    played = bayesian_gan.BayesianGAN(Gs, D, mg.data.noise(3), N, lr=1e-3)
    played.start_chains(eta, 0.1)
    return played


def test_25_steps_agree_with_algorithm_1_by_hand():
    """By NumPy: gradients by backward passes written out, noise from generators in the same state as the rules'."""
    N, eta, alpha = 50, 1e-3, 0.1
    played = chains(N, eta)
    played.prior = players.Draws(3)
    for i, rule in enumerate((played.opt_G, played.opt_D)):
        rule._rng = np.random.default_rng(i)
    noises = [np.random.default_rng(i) for i in range(2)]
    Gs, D = [players.by_hand(G) for G in played.Gs], players.by_hand(played.D)
    v_G, v_D = [[np.zeros_like(p) for p in G.params] for G in Gs], [np.zeros_like(p) for p in D.params]

    def moved(params, gradients, v, noise):
        for i, g in enumerate(gradients):  # of log p: upwards
            v[i] = (1 - alpha) * v[i] + eta * g + np.sqrt(2 * alpha * eta) * noise.standard_normal(g.shape)
        return [p + step for p, step in zip(params, v, strict=True)]

    for t in range(25):
        x = normal(6, 2, seed=t)
        played.step(iter([x]))
        zs = played.prior.taken()
        m, at = len(x), len(Gs)
        gradients = []
        for G, z in zip(Gs, zs[:at], strict=True):
            fake, in_G = G.forward(z)
            v, in_D = D.forward(fake)
            d_fake, _ = D.backward(N * (1 - reference.sigma(v)) / m, in_D)
            gradients.append([g - p for g, p in zip(G.backward(d_fake, in_G)[1], G.params, strict=True)])
        for G, g, v in zip(Gs, gradients, v_G, strict=True):
            G.params = moved(G.params, g, v, noises[0])
        fakes = np.concatenate([G.forward(z)[0] for G, z in zip(Gs, zs[at:], strict=True)])
        real, in_real = D.forward(x)
        fake, in_fake = D.forward(fakes)
        of_real = D.backward(N * (1 - reference.sigma(real)) / m, in_real)[1]
        of_fake = D.backward(-N * reference.sigma(fake) / len(fakes), in_fake)[1]
        D.params = moved(D.params, [a + b - p for a, b, p in zip(of_real, of_fake, D.params, strict=True)], v_D, noises[1])
    for network, by_hand in zip([*played.Gs, played.D], [*Gs, D], strict=True):
        players.assert_agree(network, by_hand)


def test_a_chain_that_was_stopped_goes_on_bit_for_bit():
    one, other, x = chains(), chains(), normal(6, 2)
    one.step(iter([x]))
    for name, part in other.parts().items():
        part.load_state_dict(one.parts()[name].state_dict())
    for played in (one, other):
        played.step(iter([x]))
    for a, b in zip(one.parts().values(), other.parts().values(), strict=True):
        np.testing.assert_equal(a.state_dict(), b.state_dict())


def test_the_data_are_standardised_and_lie_on_planes_that_the_seed_decides():
    s = replace(PLANES, planes=3, space=20)
    x, other = bayesian_gan.toy(6000, 5, s), bayesian_gan.toy(6000, 5, s)
    assert not np.array_equal(x, other)
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0) - 1], 0, atol=0.1)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert values[8] < 1e-3 * values[0]  # three planes span 3 * 2 dimensions, their centres 2
    assert np.abs(np.cov(x.T) - np.cov(bayesian_gan.toy(6000, 6, s).T)).max() > 1


def test_jensen_shannon_by_hand_and_in_the_plane_of_largest_variance():
    pairs = ([1, 1, 0], [3, 3, 0]), ([1, 0], [0, 1]), ([1, 0], [0.5, 0.5])
    expected = [0, np.log(2), (np.log(4 / 3) + 0.5 * np.log(2 / 3) + 0.5 * np.log(2)) / 2]
    found = [bayesian_gan.jensen_shannon(*map(np.array, pair)) for pair in pairs]
    assert found == pytest.approx(expected, abs=1e-9)
    points, again = (normal(800, 5, seed=i) * [1, 9, 0.1, 5, 0.1] for i in range(2))
    plane = bayesian_gan.Plane(points)
    assert np.abs(plane.axes[[1, 3]]).max(axis=0) == pytest.approx([1, 1], abs=0.01)
    assert plane.divergence(again) < 0.02
    assert plane.divergence(again + np.array([0, 27, 0, 0, 0])) > 0.4
    assert plane.divergence(again[:1].repeat(9, axis=0) + 1e6) == pytest.approx(np.log(2), abs=0.01)  # in one place, far off


def test_samples_are_kept_after_the_burn_in_equally_many_of_each_generator():
    taken, steps, started = [], [], []
    game = SimpleNamespace(
        step=lambda batches: steps.append(1),
        start_chains=lambda *settings: started.append((len(steps), *settings)),
        sample=lambda n: (taken.append((len(steps), n)), np.zeros((n, 2)))[1],
        parts=dict,
    )
    points = bayesian_gan.sample_posterior(game, iter([]), lambda points: None, [], PLANES)
    assert [(t, n) for t, n in taken if n == 4] == [(8, 4), (12, 4), (16, 4), (20, 4)]
    assert started == [(4, PLANES.eta, PLANES.friction)]
    assert len(points) == 16
