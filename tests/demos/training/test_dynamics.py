"""Demos of what goes wrong in training: their formulas and measurements against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import minigan as mg
from demos.training import coadaptation, collapse, equilibrium, saturation, tempo
from demos.training import perfect_discriminator as perfect
from minigan import Tensor, data, nn
from minigan.games import GAN


def test_saturation_by_the_logit_and_the_first_measurement_half_way():
    v = np.linspace(-30, 30, 13)
    np.testing.assert_allclose(saturation.logit_gradient(v, saturating=True), -expit(v), rtol=1e-12)
    np.testing.assert_allclose(saturation.logit_gradient(v, saturating=False), -expit(-v), rtol=1e-12)
    assert [saturation.time_to_half(np.array(w), 10) for w in ([4, 3, 2, 1, 5], [4, 3, 2.1])] == [20, np.inf]


def test_in_the_pretraining_d_learns_alone_and_gs_gradients_by_both_losses_are_measured():
    G, D, x = nn.Dense(1, 1), nn.Dense(1, 1), np.full((1000, 1), 3, np.float32)
    (w, b), (u, c) = before = [[p.item() for p in player.parameters()] for player in (G, D)]
    mg.seed(0)
    rows = saturation.pretrain(G, D, x, saturation.Settings(pretraining=20))
    mg.seed(0)
    _, _, z = data.noise(1), data.batches(x, size=256), data.noise(1)(500)
    d = expit((z * w + b) * u + c)
    norms = [np.hypot(np.mean(slope * u * z), np.mean(slope * u)) for slope in (d, 1 - d)]
    np.testing.assert_allclose(rows[0], [d.mean(), *norms], rtol=1e-4)
    assert [p.item() for p in G.parameters()] == before[0]
    assert D.weight.item() > u  # the data lie at 3, the fakes near 0


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


def test_the_line_leads_from_a_fake_to_the_image_next_to_it():
    fakes, images = np.array([[0.0, 0], [5, 5], [9, 0]]), np.array([[0.0, 1], [5, 7], [9, 9]])  # 1, 2 and 8 or so apart
    line = perfect.between(fakes, images)
    np.testing.assert_allclose(line[np.searchsorted(perfect.T, [-0.001, 0.999])], [[5, 5], [5, 7]], atol=1e-6)


def test_shares_and_modes_are_of_all_samples():
    places = [*collapse.DATA.centres, [0.0, 0.0]]
    some, few = (np.repeat(places, counts, axis=0) for counts in ((50, 30, 0, 20), (991, 9, 0, 0)))
    np.testing.assert_allclose(collapse.shares(some), [0.5, 0.3, 0.0])
    assert [collapse.modes(some), collapse.modes(few)] == [2, 1]  # below 1 %


def test_the_minibatchs_deviation_is_one_feature_the_same_for_all_and_a_pair_is_two_samples_side_by_side():
    h = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0], [1.0, 0.0]])
    deviation = np.full((4, 1), h.std(axis=0).mean())
    np.testing.assert_allclose(collapse.MinibatchStd()(Tensor(h)).numpy(), np.hstack([h, deviation]), rtol=1e-6)
    np.testing.assert_array_equal(collapse.Pairs()(Tensor(h)).numpy(), h.reshape(2, 4))


def test_every_tempo_costs_the_same_and_its_summary_is_over_the_last_quarter(monkeypatch):
    taken, descend = [], GAN.descend
    monkeypatch.setattr(GAN, "descend", lambda game, rule, loss: taken.append(rule is game.opt_D) or descend(game, rule, loss))
    seen = tempo.play((5, 2), 0, replace(tempo.QUICK, cost=42, moments=3))
    assert (len(taken), sum(taken), seen[-1]["cost"]) == (42, 30, 42)
    first, last = ({"modes_1pct": n, "high_quality": 0.5, "kl": n, "accuracy": n / 10, "mean": n * np.ones(4)} for n in (8, 1))
    expected = {"modes_1pct": 1, "high_quality": 0.5, "kl": 1, "accuracy": 0.1, "swing": 2, "first_accuracy": 0.8}
    assert tempo.summary([first] * 6 + [last] * 2) == pytest.approx(expected)


def test_what_d_says_of_each_kind():
    trained, others, fake = (np.array(x, np.float32)[:, None] for x in ([1, 1, 1, -1], [1, 1, -1, -1, -1], [-1, -1, 1, -1, -1]))
    found = equilibrium.judged(lambda x: 2.0 * x, trained, others, fake)
    expected = {"trained": 3 / 4, "held_out": 2 / 5, "fake": 1 / 5, "accuracy": (2 / 5 + 4 / 5) / 2}
    expected |= {f"D_{name}": expit(2 * x).mean() for name, x in (("trained", trained), ("held_out", others), ("fake", fake))}
    assert found == pytest.approx(expected)
    assert equilibrium.late(np.arange(8.0)) == 6.5


def test_a_game_is_looked_at_after_ds_step_and_after_gs_and_the_controls_fakes_are_images_not_given_to_its_d(record, two_sets):
    s = equilibrium.Settings(width=16, z=4, batch=20, images=30, looks=4)
    game, run = equilibrium.play(two_sets.x, two_sets.others, 12, s, 0)
    assert [list(run[player]["step"]) for player in "DG"] == [[3, 6, 9, 12]] * 2
    assert (run["D"]["D_fake"] != run["G"]["D_fake"]).any()
    np.testing.assert_array_equal(run["D"]["D_held_out"], run["G"]["D_held_out"])  # G's step changes no D
    record(equilibrium, "play", lambda *rest: (game, {}))
    alone = record(equilibrium, "go_on")
    equilibrium.experiments(4, s, two_sets.x, two_sets.others)
    assert [call.D is game.D for call in alone] == [True, False]
    fakes, real, every = ({image.tobytes() for image in x} for x in (alone[1].fakes(500), alone[1].x, two_sets.x))
    assert len(fakes) == len(real) == 30
    assert fakes | real == every


def test_d_sees_the_size_of_a_x1_minus_a_x2_and_by_dropout_one_pixel_alone():
    D = coadaptation.pathways(2.0, 0.2)
    v = D(Tensor(np.ones((20_000, 2), np.float32))).numpy()
    assert set(np.round(v - v.max(), 4).ravel()) == {0.0, -2.5}  # a x1 / 0.8, where x2 is dropped
    assert (v < v.max()).mean() == pytest.approx(2 * 0.2 * 0.8, abs=0.02)
    x = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    c = D.eval()(Tensor(np.zeros((1, 2), np.float32))).item()
    np.testing.assert_allclose(D(Tensor(x)).numpy()[:, 0], c - 2 * np.abs(x[:, 0] - x[:, 1]), rtol=1e-5, atol=1e-5)


def test_dropped_ink_is_black_and_the_rest_is_scaled():
    layer, x = coadaptation.InkDropout(0.2), np.repeat(np.array([[-1.0, 0.0, 0.6]], np.float32), 2000, axis=0)
    found = layer(Tensor(x)).numpy()
    assert [set(np.round(column, 5)) for column in found.T] == [{-1.0}, {-1.0, 0.25}, {-1.0, 1.0}]  # ink 1/2, or 5/8
    np.testing.assert_allclose(layer.eval()(Tensor(x)).numpy(), x, atol=1e-6)


def test_the_border_and_opposite_weights_are_those_by_hand():
    x = np.ones((2, 784), np.float32)
    x[0, 143:148] = x[:, 30:33] = x[:, 196] = 0  # black in some images is not enough
    assert [coadaptation.border_of(x, most).tolist() for most in (100, 3)] == [[30, 31, 32, 196], [30, 31]]  # an even number
    W, half = np.array([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), np.sqrt(0.5)
    np.testing.assert_allclose(coadaptation.cosines(W), [-1, 0, half, 0, -half, half], atol=1e-12)  # 01 02 03 12 13 23


def test_a_planted_d_sees_border_pixels_by_pairs_and_stays_so():
    D = nn.Dense(6, 6)
    rule = coadaptation.Planted(D, D.weight, np.array([0, 1, 3, 5]), 2.0, 0.1)
    free = D.weight.numpy()[[2, 4], 4:].copy()
    D(Tensor(np.ones((1, 6), np.float32))).sum().backward()
    rule.step()
    pair = np.array([[2, -2], [-2, 2]])
    np.testing.assert_array_equal(D.weight.numpy()[[0, 1, 3, 5]], np.hstack([np.kron(np.eye(2), pair), np.zeros((4, 2))]))
    assert (D.weight.numpy()[[2, 4], :4] == 0).all()
    assert (D.weight.numpy()[[2, 4], 4:] != free).all()
