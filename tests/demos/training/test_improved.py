"""Techniques of Salimans et al. 2016: each is its formula, goes on from a checkpoint, and is what the claim says."""

import copy
from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.mixtures import RING
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.training import improved as demo
from demos.training.techniques import History, ImprovedGAN, smoothed_loss
from minigan import Tensor, data, losses, nn, optim
from minigan.games import GAN, FeatureMatchingGAN
from tests.demos.running import assert_shows_something, smaller_run, summary_of
from tests.games import players

SMALL = {"steps": 3, "line_steps": 5, "toy_steps": 20, "samples": 50}
TINY = replace(demo.QUICK, **SMALL)


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, **SMALL)
    assert {path.name for path in out.iterdir()} == {"improved.png", "summary.json", "checkpoint.npz"}
    assert summary_of(out)["holds"] == {}
    assert_shows_something(out / "improved.png")


# --- label smoothing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "beta"), [(0.9, 0.0), (0.9, 0.1), (1.0, 0.0)])
def test_the_best_d_is_alpha_p_plus_beta_q_over_p_plus_q(alpha, beta):
    """At a place where both densities are the same it is (alpha + beta) / 2, and 0.45, not 0.475, with one side: the
    smoothed loss has the term (1 - alpha) log(1 - D), without which it would be 0.9 / 1.9."""
    v = Tensor(np.zeros((1, 1)), requires_grad=True)
    descent = optim.SGD([v], 1.0)
    for _ in range(300):
        descent.zero_grad()
        smoothed_loss(v, v, alpha, beta).backward()
        descent.step()
    assert 1 / (1 + np.exp(-v.item())) == pytest.approx((alpha + beta) / 2, abs=1e-9)


def test_with_alpha_1_the_loss_is_that_of_every_gan_and_one_sided_is_the_default():
    real, fake = (Tensor(np.random.default_rng(i).standard_normal((5, 1))) for i in range(2))
    assert smoothed_loss(real, fake, 1.0).item() == pytest.approx(losses.discriminator_loss(real, fake).item(), rel=1e-14)
    one_sided = losses.log_loss_with_logits(real, 0.9).item() + np.logaddexp(0, fake.numpy()).mean()
    assert smoothed_loss(real, fake, 0.9).item() == pytest.approx(one_sided, rel=1e-12)


def test_only_the_real_samples_are_smoothed_in_the_game_and_not_in_gs_loss():
    figures = {}
    for alpha in (1.0, 0.7):
        mg.seed(0)
        recorder = players.Recorder(improved(alpha=alpha, lr=0.0), iter([RING.sample(8)]))
        found = recorder.play()
        (_, real), (_, fake), (_, again) = recorder.passes("D")
        smoothed = alpha * np.logaddexp(0, -real) + (1 - alpha) * np.logaddexp(0, real)
        assert found["loss_D"] == pytest.approx(smoothed.mean() + np.logaddexp(0, fake).mean(), rel=1e-5)
        assert found["loss_G"] == pytest.approx(np.logaddexp(0, -again).mean(), rel=1e-5)
        figures[alpha] = dict(found)
    assert figures[1.0]["loss_G"] == figures[0.7]["loss_G"]


def test_d_on_the_line_is_trained_with_the_labels_of_its_side(monkeypatch):
    used = []
    loss = demo.smoothed_loss
    monkeypatch.setattr(demo, "smoothed_loss", lambda real, fake, *labels: used.append(labels) or loss(real, fake, *labels))
    for side in demo.SIDES:
        assert demo.smooth(side, 0, TINY).shape == demo.X.shape
    assert set(used[:5]) == {(0.9, 0.0)}
    assert set(used[5:]) == {(0.9, 0.1)}


def test_d_star_on_the_line_is_the_formula():
    p, q = demo.P.density(demo.X), demo.Q.density(demo.X)
    np.testing.assert_allclose(demo.best("one-sided", TINY), 0.9 * p / (p + q))
    np.testing.assert_allclose(demo.best("two-sided", TINY), (0.9 * p + 0.1 * q) / (p + q))


# --- historical averaging -------------------------------------------------------------------------------------------------


def improved(lr=0.01, **options):
    G, D = players.mlp(2, 6, 2), players.mlp(2, 6, 1)
    rules = (optim.Adam(player.parameters(), lr) for player in (G, D))
    return ImprovedGAN(G, D, data.noise(2), *rules, **options)


def test_the_price_is_the_squared_distance_from_the_mean_of_the_past_which_is_a_constant():
    p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    past, seen = History([p]), []
    for value in ([1.0, 2.0], [3.0, 2.0], [8.0, -1.0]):
        p.data = np.array(value)
        seen.append(value)
        past.add()
    p.data = np.array([5.0, 5.0])
    mean = np.mean(seen, axis=0)
    assert past.price().item() == pytest.approx(((p.numpy() - mean) ** 2).sum(), rel=1e-14)
    (g,) = mg.grad(past.price(), p)
    np.testing.assert_allclose(g.numpy(), 2 * (p.numpy() - mean), rtol=1e-14)  # all of it: the mean does not follow p


def test_the_means_do_not_change_with_the_parameters_in_place():
    layer = nn.Dense(2, 2)
    past, before = History(layer.parameters()), layer.weight.numpy().copy()
    layer.weight.data[...] = 7.0
    np.testing.assert_array_equal(past.means[0], before)


def test_each_player_pays_for_its_own_past_alone():
    mg.seed(0)
    game = improved(weight=0.5)
    batches = data.batches(RING.sample(100), size=20)
    for _ in range(4):
        game.step(batches)
    assert (game.past_G.t, game.past_D.t) == (4, 4)
    assert [p is q for p, q in zip(game.past_G.parameters, game.G.parameters(), strict=True)] == [True] * 4
    assert [p is q for p, q in zip(game.past_D.parameters, game.D.parameters(), strict=True)] == [True] * 4


def test_a_high_price_keeps_the_parameters_near_their_past():
    moved = []
    for weight in (0.0, 100.0):
        mg.seed(0)
        game, batches = improved(weight=weight), data.batches(RING.sample(100), size=20)
        before = players.values(game.G)
        for _ in range(30):
            game.step(batches)
        moved.append(sum(np.abs(a - b).sum() for a, b in zip(before, players.values(game.G), strict=True)))
    assert moved[1] < moved[0] / 2


def test_the_toy_game_is_the_papers():
    """A step by hand on either side of 0, where f changes; and with its past, the step after the first pays for it."""
    s = replace(TINY, toy_lr=0.1, toy_steps=2)
    first, second, _ = demo.toy(s, 0.0)
    np.testing.assert_allclose(first, [2, 0])
    np.testing.assert_allclose(second, [2 - 0.1 * (2 * 2) * (0 - 1), 0 + 0.1 * (4 - 1)])
    (x, y), (x_plain, y_plain), (x_paid, y_paid) = second, demo.toy(s, 0.0)[2], demo.toy(s, 0.5)[2]
    assert x_paid == pytest.approx(x_plain - 0.1 * 0.5 * 2 * (x - 2), rel=1e-6)
    assert y_paid == pytest.approx(y_plain - 0.1 * 0.5 * 2 * (y - 0), rel=1e-6)


# --- the games ------------------------------------------------------------------------------------------------------------


def test_without_any_technique_it_is_the_gan_of_the_other_demos():
    found = []
    for kind in (GAN, ImprovedGAN):
        mg.seed(0)
        G, D = players.mlp(2, 6, 2), players.mlp(2, 6, 1)
        game = kind(G, D, data.noise(2), *(optim.Adam(player.parameters(), 0.01) for player in (G, D)))
        batches = data.batches(RING.sample(100), size=20)
        for _ in range(3):
            game.step(batches)
        found.append(players.values(G) + players.values(D))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("options", [{"alpha": 0.9}, {"weight": 0.1}])
def test_a_game_goes_on_from_its_state_bit_for_bit(options):
    def fresh():
        mg.seed(0)
        return improved(**options), data.batches(RING.sample(100), size=20)

    one, batches = fresh()
    for _ in range(3):
        one.step(batches)
    state = copy.deepcopy([one.state_dict(), batches.state_dict()])
    expected = [one.step(batches)["loss_D"] for _ in range(3)]
    other, batches = fresh()
    other.load_state_dict(state[0])
    batches.load_state_dict(state[1])
    assert [other.step(batches)["loss_D"] for _ in range(3)] == expected
    assert other.past_D.t == 6


def test_each_technique_changes_one_thing():
    made = {}
    for kind in (demo.PLAIN, *demo.TECHNIQUES):
        mg.seed(0)
        made[kind] = demo.make_game(kind, TINY)
    first = made[demo.PLAIN]
    for kind, game in made.items():
        np.testing.assert_array_equal(game.G[0].weight.numpy(), first.G[0].weight.numpy())
        assert (game.opt_G.lr, game.opt_D.lr) == (first.opt_G.lr, first.opt_D.lr)
        assert isinstance(game, FeatureMatchingGAN) == (kind == "feature matching")
        assert any(isinstance(layer, nn.MinibatchDiscrimination) for layer in game.D) == (kind == "minibatch discrimination")
        if isinstance(game, ImprovedGAN):
            assert (game.alpha < 1) == (kind == "label smoothing")
            assert (game.weight > 0) == (kind == "historical averaging")


@pytest.mark.parametrize("kind", [demo.PLAIN, *demo.TECHNIQUES])
def test_every_game_can_be_played(kind):
    found = demo.play(kind, 0, TINY)
    assert 0 <= found["modes"] <= 8
    assert 0 <= found["share"] <= 1


# --- the claim ------------------------------------------------------------------------------------------------------------

EVEN, LOST = {"modes": 8, "share": 1.0}, {"modes": 3, "share": 1.0}
NEAR, FAR = np.full((100, 2), 1.01), np.full((100, 2), 3.0)


def measured(out, curve_error=0.0, near=NEAR, far=FAR, **runs):
    """Of four seeds, all alike but one."""
    claim = Claim(start(common_options(""), ["--out", str(out)], "improved"), {})
    s = demo.Settings()
    curves = {side: [demo.best(side, s) + curve_error] * 3 for side in demo.SIDES}
    played = {kind: [LOST] * 4 for kind in (demo.PLAIN, *demo.TECHNIQUES)} | {k.replace("_", " "): v for k, v in runs.items()}
    demo.measure(claim, curves, {"without": far, "with": near}, played, s)
    return claim, curves, played


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"curve_error": 0.03}, [f"{side}: |D - D*|, worst" for side in demo.SIDES]),
        ({"near": FAR}, ["toy game, with its past: distance from (1, 1)"]),
        ({"far": NEAR}, ["toy game, without: distance from (1, 1)"]),
    ],
)
def test_what_is_otherwise_is_noticed(tmp_path, changed, broken):
    claim = measured(tmp_path, **changed)[0]
    assert [name for name, held in claim.holds.items() if not held] == broken
    assert len(claim.holds) == 4


def test_the_title_has_the_techniques_by_their_verdicts(tmp_path):
    better = [{"modes": 8, "share": 1.1}] * 4
    title = demo.title(measured(tmp_path, feature_matching=better)[0].metrics)
    assert "helps: feature matching; no difference beyond chance: label smoothing, minibatch" in title


def test_the_picture_has_all_seeds(tmp_path):
    claim, curves, runs = measured(tmp_path)
    figure = demo.picture(claim.metrics, curves, {"without": FAR, "with": NEAR}, runs, demo.Settings())
    ring = figure.axes[2]
    assert sum(len(points.get_offsets()) for points in ring.collections) == 4 * 5
    assert [text.get_text() for text in ring.get_yticklabels()] == [demo.PLAIN, *demo.TECHNIQUES]
