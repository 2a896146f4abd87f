"""Techniques of Salimans et al. 2016: each is its formula, and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.kit.mixtures import RING, discriminator, generator
from demos.training import improved as demo
from demos.training.techniques import History, ImprovedGAN, smoothed_loss
from minigan import Tensor, data, losses, nn, optim
from minigan.games import GAN, FeatureMatchingGAN
from tests.demos.experiments import broken, judged

TINY = replace(demo.QUICK, steps=3, line_steps=5, toy_steps=20, samples=50)


def improved(kind=ImprovedGAN, lr=0.01, **options):
    mg.seed(0)
    G, D = generator(6), discriminator(6)
    rules = (optim.Adam(player.parameters(), lr) for player in (G, D))
    return kind(G, D, data.noise(2), *rules, **options), data.batches(RING.sample(100), size=20)


# --- label smoothing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "beta"), [(0.9, 0.0), (0.9, 0.1), (1.0, 0.0)])
def test_the_best_d_is_alpha_p_plus_beta_q_over_p_plus_q(alpha, beta):
    """Where both densities are the same, it is (alpha + beta) / 2: 0.45, not 0.475, with one side. Without the smoothed
    loss's term (1 - alpha) log(1 - D), it would be 0.9 / 1.9."""
    best = (alpha + beta) / 2
    v = Tensor(np.full((1, 1), np.log(best / (1 - best))), requires_grad=True)
    (g,) = mg.grad(smoothed_loss(v, v, alpha, beta), v)
    assert abs(g.item()) < 1e-9
    real, fake = (Tensor(np.random.default_rng(i).standard_normal((5, 1))) for i in range(2))
    expected = losses.log_loss_with_logits(real, alpha).item() + losses.log_loss_with_logits(fake, beta).item()
    assert smoothed_loss(real, fake, alpha, *([beta] if beta else [])).item() == pytest.approx(expected, rel=1e-12)


def test_only_the_real_samples_are_smoothed_in_the_game_and_not_in_gs_loss():
    figures = [dict(game.step(batches)) for game, batches in (improved(lr=0.0, alpha=alpha) for alpha in (1.0, 0.7))]
    game, batches = improved(lr=0.0)
    v = game.D(Tensor(next(batches))).numpy()
    assert figures[1]["loss_D"] - figures[0]["loss_D"] == pytest.approx(0.3 * v.mean(), rel=1e-3)  # of -log D and -log(1 - D)
    assert figures[1]["loss_G"] == figures[0]["loss_G"]


def test_d_on_the_line_is_trained_with_the_labels_of_its_side(record):
    used = record(demo, "smoothed_loss", smoothed_loss)
    p, q = demo.P.density(demo.X), demo.Q.density(demo.X)
    for side, beta in (("one-sided", 0.0), ("two-sided", 0.1)):
        assert demo.smooth(side, 0, TINY).shape == demo.X.shape
        assert {(call.alpha, call.beta) for call in used[-5:]} == {(0.9, beta)}
        np.testing.assert_allclose(demo.best(side, TINY), (0.9 * p + beta * q) / (p + q))


# --- historical averaging -------------------------------------------------------------------------------------------------


def test_the_price_is_the_squared_distance_from_the_mean_of_the_past_which_is_a_constant():
    p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    past, seen = History([p]), [[1.0, 2.0], [3.0, 2.0], [8.0, -1.0]]
    for value in seen:
        p.data[...] = value  # in place: the past must not follow
        past.add()
    p.data = np.array([5.0, 5.0])
    mean = np.mean(seen, axis=0)
    assert past.price().item() == pytest.approx(((p.numpy() - mean) ** 2).sum(), rel=1e-14)
    (g,) = mg.grad(past.price(), p)
    np.testing.assert_allclose(g.numpy(), 2 * (p.numpy() - mean), rtol=1e-14)  # all of it: the mean does not follow p


def test_each_player_pays_for_its_own_past_alone_and_stays_near_it():
    moved = []
    for weight in (0.0, 100.0):
        game, batches = improved(weight=weight)
        before = [p.numpy().copy() for p in (*game.G.parameters(), *game.D.parameters())]
        for _ in range(10):
            game.step(batches)
        for past, player in ((game.past_G, game.G), (game.past_D, game.D)):
            assert past.t == 10
            assert list(map(id, past.parameters)) == list(map(id, player.parameters()))
        after = [p.numpy() for p in (*game.G.parameters(), *game.D.parameters())]
        moved.append([np.abs(a - b).sum() for a, b in zip(before, after, strict=True)])
    half = len(game.G.parameters())
    assert sum(moved[1][:half]) < sum(moved[0][:half]) / 1.5
    assert sum(moved[1][half:]) < sum(moved[0][half:]) / 1.5


def test_the_toy_game_is_the_papers():
    """A step by hand where f is x^2; and with its past, the step after the first pays for it."""
    s = replace(TINY, toy_lr=0.1, toy_steps=2)
    first, (x, y), (x_plain, y_plain) = demo.toy(s, 0.0)
    np.testing.assert_allclose(first, [2, 0])
    assert (x, y) == pytest.approx((2 - 0.1 * (2 * 2) * (0 - 1), 0 + 0.1 * (4 - 1)))
    paid = x_plain - 0.1 * 0.5 * 2 * (x - 2), y_plain - 0.1 * 0.5 * 2 * (y - 0)
    assert demo.toy(s, 0.5)[2] == pytest.approx(paid, rel=1e-6)


# --- the games ------------------------------------------------------------------------------------------------------------


def test_without_any_technique_it_is_the_gan_of_the_other_demos():
    one, other = ([game.step(batches) for _ in range(3)] for game, batches in (improved(GAN), improved()))
    assert one == [pytest.approx(figures, rel=1e-5) for figures in other]


def test_each_technique_changes_one_thing():
    made = {}
    for kind in (demo.PLAIN, *demo.TECHNIQUES):
        mg.seed(0)
        made[kind] = demo.make_game(kind, TINY)
    first = made[demo.PLAIN]
    for kind, game in made.items():
        np.testing.assert_array_equal(game.G[0].weight.numpy(), first.G[0].weight.numpy())
        assert (game.opt_G.lr, game.opt_D.lr) == (TINY.lr, TINY.lr)
        assert isinstance(game, FeatureMatchingGAN) == (kind == "feature matching")
        assert len(getattr(game, "features", game.D[:-1])) == len(game.D) - 1
        assert any(isinstance(layer, nn.MinibatchDiscrimination) for layer in game.D) == (kind == "minibatch discrimination")
        if isinstance(game, ImprovedGAN):
            assert game.alpha == (0.9 if kind == "label smoothing" else 1)
            assert game.weight == (TINY.weight if kind == "historical averaging" else 0)
        found = demo.play(kind, 0, TINY)
        assert 0 <= found["modes"] <= 8
        assert 0 <= found["share"] <= 1


NEAR, FAR = np.full((100, 2), 1.01), np.full((100, 2), 3.0)


@pytest.mark.parametrize(
    ("changed", "misses"),
    [
        ({}, []),
        ({"error": 0.03}, [f"{side}: |D - D*|, worst" for side in demo.SIDES]),
        ({"near": FAR}, ["toy game, with its past: distance from (1, 1)"]),
        ({"far": NEAR}, ["toy game, without: distance from (1, 1)"]),
    ],
)
def test_what_is_otherwise_is_noticed(changed, misses):
    made_up, s = {"error": 0.0, "near": NEAR, "far": FAR} | changed, demo.Settings()
    curves = {side: [demo.best(side, s) + made_up["error"]] * 3 for side in demo.SIDES}
    played = dict.fromkeys((demo.PLAIN, *demo.TECHNIQUES), [{"modes": 3, "share": 1.0}] * 4)
    assert broken(judged(demo.measure, curves, {"without": made_up["far"], "with": made_up["near"]}, played, s)) == set(misses)
