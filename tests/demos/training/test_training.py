"""What goes wrong in training, and published remedies: formulas and measurements against closed forms."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.special import expit

import minigan as mg
from demos.kit import digits
from demos.training import collapse, equilibrium, improved, saturation, semi_supervised, tips, tricks
from demos.training import perfect_discriminator as perfect
from demos.training.techniques import History, ImprovedGAN, smoothed_loss
from minigan import Tensor, data, nn, optim
from minigan.games import GAN

IMAGES = 2 * data.glyphs(20)[0] - 1


def game(kind=GAN, G=None, D=None, lr=0.1, **options):
    mg.seed(0)
    G, D = digits.dense_players(4, 8) if G is None else (G, D)
    return kind(G, D, data.noise(4), *(optim.SGD(player.parameters(), lr) for player in (G, D)), **options)


def tricked(G=None, D=None, steps=10, r1=0.0, **chosen):
    return game(tricks.TrickedGAN, G, D, tricks=tricks.Tricks(**chosen), steps=steps, r1=r1)


def test_saturation_by_the_logit_and_the_first_measurement_half_way():
    v = np.linspace(-30, 30, 13)
    np.testing.assert_allclose(saturation.logit_gradient(v, saturating=True), -expit(v), rtol=1e-12)
    np.testing.assert_allclose(saturation.logit_gradient(v, saturating=False), -expit(-v), rtol=1e-12)
    assert [saturation.time_to_half(np.array(w), 10) for w in ([4, 3, 2, 1, 5], [4, 3, 2.1])] == [20, np.inf]


def test_saturations_norm_is_that_of_gs_gradient_by_all_its_parameters():
    G, D, z = nn.Dense(1, 1), nn.Dense(1, 1), np.linspace(-2, 1, 9, dtype=np.float32)[:, None]
    (w, b), (u, c) = ([p.item() for p in player.parameters()] for player in (G, D))
    d = expit((z * w + b) * u + c)
    for saturating, slope in ((True, d), (False, 1 - d)):
        expected = np.hypot(np.mean(slope * u * z), np.mean(slope * u))
        assert saturation.gradient_norm(G, D, Tensor(z), saturating) == pytest.approx(expected, rel=1e-4)


def test_a_perfect_ds_gradients_norm_variance_and_bound_are_those_by_hand():
    """G = z W + b, D = sigma(x w + c). By each logit v, the loss has the derivative -D, if saturating, or else -(1 - D)."""
    rng = np.random.default_rng(0)
    G, D, z, noise = nn.Dense(2, 3), nn.Dense(3, 1), rng.standard_normal((4, 2)), rng.standard_normal((4, 3))
    for p in (*G.parameters(), *D.parameters()):
        p.data = rng.standard_normal(p.shape)
    D.bias.data -= 9
    W, b, w, c = (p.numpy() for p in (*G.parameters(), *D.parameters()))
    M = perfect.jacobian_norm(G, Tensor(z))  # each of three outputs: z by its weights and 1 by its bias
    assert pytest.approx(np.sqrt(3 * (np.sum(z**2, axis=1) + 1).mean()), rel=1e-12) == M
    found = perfect.measure(G, D, Tensor(z), Tensor(noise), M, 2)
    v, d = (z @ W + b + noise) @ w + c, expit((z @ W + b) @ w + c)
    for name, slopes in (("log(1 - D)", -expit(v)), ("-log D", -expit(-v))):
        by_x = (slopes @ w.T).reshape(2, 2, 3)  # parts, samples, outputs
        gradients = np.hstack([(z.reshape(2, 2, 2).swapaxes(1, 2) @ by_x / 2).reshape(2, -1), by_x.mean(axis=1)])
        assert found[f"{name}: norm"] == pytest.approx(np.linalg.norm(gradients.mean(axis=0)), rel=1e-12)
        assert found[f"{name}: variance"] == pytest.approx(np.var(gradients, axis=0, ddof=1).sum(), rel=1e-12)
    e = np.max(d + d * (1 - d) * np.linalg.norm(w))
    assert found["bound"] == pytest.approx(M * e / (1 - e), rel=1e-12)
    D.bias.data += 99  # this D takes all fakes for real
    assert perfect.theorem_2_4(G, D, Tensor(z), M) == np.inf


def test_the_minibatchs_deviation_is_one_feature_the_same_for_all_and_a_pair_is_two_samples_side_by_side():
    h = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0], [1.0, 0.0]])
    deviation = np.full((4, 1), h.std(axis=0).mean())
    np.testing.assert_allclose(collapse.MinibatchStd()(Tensor(h)).numpy(), np.hstack([h, deviation]), rtol=1e-6)
    np.testing.assert_array_equal(collapse.Pairs()(Tensor(h)).numpy(), h.reshape(2, 4))


def test_what_d_says_of_each_kind():
    trained, others, fake = (np.array(x, np.float32)[:, None] for x in ([1, 1, 1, -1], [1, 1, -1, -1, -1], [-1, -1, 1, -1, -1]))
    found = equilibrium.judged(lambda x: 2.0 * x, trained, others, fake)
    expected = {"trained": 3 / 4, "held_out": 2 / 5, "fake": 1 / 5, "accuracy": (2 / 5 + 4 / 5) / 2}
    expected |= {f"D_{name}": expit(2 * x).mean() for name, x in (("trained", trained), ("held_out", others), ("fake", fake))}
    assert found == pytest.approx(expected)
    assert equilibrium.late(np.arange(8.0)) == 6.5


@pytest.mark.parametrize(("other", "r1"), [(tricked, 0.0), (tricked, 2.0), (partial(game, ImprovedGAN), None)])
def test_without_any_technique_the_games_are_the_gan_of_the_other_demos(other, r1):
    option = {} if r1 is None else {"r1": r1}
    one, twin = ([played.step(iter([IMAGES])) for _ in range(3)] for played in (game(**option), other(**option)))
    assert twin == [pytest.approx(figures, rel=1e-5) for figures in one]


@pytest.mark.parametrize("norm", ["apart", "mixed"])
def test_batch_norm_sees_the_minibatches_apart_or_as_one(norm):
    x, fake = (np.random.default_rng(0).normal(shift, 1, (50, 2)).astype(np.float32) for shift in (-5, 5))
    played = tricked(nn.Dense(4, 2), nn.BatchNorm1d(2), norm=norm)
    for v, a in zip(played.logits(Tensor(x), Tensor(fake)), (x, fake), strict=True):
        seen = a if norm == "apart" else np.concatenate([x, fake])
        np.testing.assert_allclose(v.numpy(), (a - seen.mean(axis=0)) / np.sqrt(seen.var(axis=0) + 1e-5), atol=1e-4)


def test_replay_adds_a_quarter_of_old_fakes_of_which_all_of_the_game_are_kept_with_equal_probability():
    played = tips.make_game("experience replay", tips.Settings(z=4, width=8, kept=500))
    before, moments = played.old.copy(), np.arange(1, 101, dtype=np.float32)
    for moment in moments:  # its fakes have this number in all pixels
        fake, old = np.full((20, 1, 28, 28), 10 * moment), played.old.copy()
        shown = played.replayed(Tensor(fake)).numpy()
        np.testing.assert_array_equal(shown[:20], fake)
        assert len(shown) == 25
        assert all((image == old).all(axis=(1, 2, 3)).any() for image in shown[20:])
    kept = played.old.max(axis=(1, 2, 3)) / 10
    np.testing.assert_array_equal(played.old[kept < 1], before[kept < 1])
    thirds = [((low < kept) & (kept <= low + 33)).sum() for low in (0.5, 33.5, 66.5)]  # each about 500 * 660 / 2500
    assert all(90 < n < 175 for n in thirds), thirds


def test_the_hybrids_term_is_the_vaes_objective_by_hand():
    rng = np.random.default_rng(0)
    mean, log_var, x = (rng.standard_normal((3, n)).astype(np.float32) for n in (4, 4, 784))
    played = tips.make_game("hybrid model", tips.Settings(z=4, width=8))
    played.Q, played.rng = lambda x: Tensor(np.hstack([mean, log_var])), np.random.default_rng(5)
    z = mean + np.exp(log_var / 2) * np.random.default_rng(5).standard_normal((3, 4), dtype=np.float32)
    squares = (x - played.G(Tensor(z)).numpy().reshape(3, 784)) ** 2
    kl = 0.5 * (mean**2 + np.exp(log_var) - log_var - 1)
    expected = (squares.sum() / 2 + kl.sum()) / 3
    assert played.vae(Tensor(x.reshape(3, 1, 28, 28))).item() == pytest.approx(expected, rel=1e-5)


def test_labels_are_within_three_tenths_of_the_right_one_but_for_one_in_twenty():
    real, fake = (tricks.soft_labels(label, (20_000, 1), np.random.default_rng(0)) for label in (1, 0))
    for off in (1 - real, fake):
        assert 0 <= off.min() < off.max() <= 1
        assert not ((off > 0.3) & (off < 0.7)).any()
        assert (off > 0.5).mean() == pytest.approx(0.05, abs=0.01)
        assert off[off < 0.5].mean() == pytest.approx(0.15, abs=0.01)
    v, loss = Tensor(np.full((100, 1), 3.0, np.float32)), tricked(soft=True).objective
    assert loss(v, -1.0 * v).item() < min(loss(v, v).item(), loss(-1.0 * v, -1.0 * v).item())


def test_over_a_game_the_noise_falls_to_0_and_the_penalty_is_on_the_same_change_of_the_image_in_either_unit():
    played, still = tricked(nn.Dense(4, 9), nn.Dense(9, 1), steps=4, noise=0.4), Tensor(np.zeros((99, 99), np.float32))
    for std in (0.4, 0.3, 0.2, 0.1, 0.0):
        assert played.blurred(still).numpy().std() == pytest.approx(std, rel=0.05)
        played.step(iter([np.zeros((20, 9), np.float32)]))
    assert [tricked(r1=2.0, tanh=tanh).r1 for tanh in (True, False)] == [2.0, 0.5]


@pytest.mark.parametrize(("side", "beta"), [("one-sided", 0.0), ("two-sided", 0.1)])
def test_the_best_d_is_alpha_p_plus_beta_q_over_p_plus_q(side, beta):
    """Where both densities are the same, it is (alpha + beta) / 2: 0.45, not 0.475, with one side."""
    p, q = improved.P.density(improved.X), improved.Q.density(improved.X)
    best = (0.9 * p + beta * q) / (p + q)
    np.testing.assert_allclose(improved.best(side, improved.QUICK), best)
    assert np.abs(improved.smooth(side, 0, improved.QUICK) - best)[p + q > 0.05].max() < 0.15
    v = Tensor(np.full((1, 1), np.log((0.9 + beta) / (1.1 - beta))), requires_grad=True)
    assert abs(mg.grad(smoothed_loss(v, v, 0.9, beta), v)[0].item()) < 1e-9


def test_only_the_real_samples_are_smoothed_in_the_game_and_not_in_gs_loss():
    plain, smooth = (game(ImprovedGAN, lr=0.0, alpha=alpha) for alpha in (1.0, 0.7))
    one, other = (played.step(iter([IMAGES])) for played in (plain, smooth))
    v = plain.D(Tensor(IMAGES)).numpy()
    assert other["loss_D"] - one["loss_D"] == pytest.approx(0.3 * v.mean(), rel=1e-3)  # of -log D and -log(1 - D)
    assert other["loss_G"] == one["loss_G"]


def test_the_price_is_the_squared_distance_from_the_mean_of_the_past_which_is_a_constant():
    p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    past, seen = History([p]), [[1.0, 2.0], [3.0, 2.0], [8.0, -1.0]]
    for value in seen:
        p.data[...] = value  # in place: the past must not follow
        past.add()
    p.data = np.array([5.0, 5.0])
    off = p.numpy() - np.mean(seen, axis=0)
    assert past.price().item() == pytest.approx((off**2).sum(), rel=1e-14)
    np.testing.assert_allclose(mg.grad(past.price(), p)[0].numpy(), 2 * off, rtol=1e-14)  # the mean does not follow p


@pytest.mark.parametrize("kind", [improved.NORM, improved.VIRTUAL])
def test_only_batch_norms_g_depends_on_the_rest_of_its_minibatch(kind):
    mg.seed(0)
    assert (improved.moved(improved.make_game(kind, improved.QUICK), 32) > 0.01) == (kind == improved.NORM)


def test_the_toy_game_is_the_papers():
    s = replace(improved.QUICK, toy_lr=0.1, toy_steps=2)
    first, (x, y), (x_plain, y_plain) = improved.toy(s, 0.0)
    assert (*first, x, y) == pytest.approx((2, 0, 2 - 0.1 * (2 * 2) * (0 - 1), 0 + 0.1 * (4 - 1)))
    paid = x_plain - 0.1 * 0.5 * 2 * (x - 2), y_plain - 0.1 * 0.5 * 2 * (y - 0)
    assert improved.toy(s, 0.5)[2] == pytest.approx(paid, rel=1e-6)


def test_noise_is_on_in_training_and_alone_d_sees_only_labelled_images_which_are_as_many_of_each_class():
    still, noise = Tensor(np.zeros((200, 50), np.float32)), semi_supervised.Noise(0.3)
    assert noise(still).numpy().std() == pytest.approx(0.3, abs=0.02)
    assert noise.eval()(still) is still
    s = semi_supervised.Settings(steps=20, width=16, batch=25, z=4, labels=20, batch_labelled=20, looks=10)
    x, y = data.glyphs(200)
    one = {kind: semi_supervised.train(kind, 3, s, x, y, (x, y)) for kind in ("gan", "alone")}
    known = np.isin([image.tobytes() for image in x], [image.tobytes() for image in one["alone"]["labelled"]])
    assert np.bincount(y[known]).tolist() == [2] * 10
    np.testing.assert_array_equal(one["gan"]["labelled"], one["alone"]["labelled"])
    other = np.where(known[:, None, None, None], x, 1 - x)
    for kind in ("gan", "alone"):
        again = semi_supervised.train(kind, 3, s, other, y, (x, y))
        assert np.array_equal(again["error"], one[kind]["error"]) == (kind == "alone")
