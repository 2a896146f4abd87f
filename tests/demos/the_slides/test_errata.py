"""The errata: each experiment against closed forms, and faults that break its claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_expit

import minigan as mg
from demos.kit.line import jensen_shannon
from demos.the_slides import errata as demo
from demos.the_slides import errata_digits, errata_formulas, errata_games
from minigan import Tensor, data, nn, optim
from minigan.games import WGANGP
from tests.demos.experiments import DRAWING, broken

QUICK = replace(demo.Settings(), **demo.QUICK)


@pytest.fixture(autouse=True)
def _nothing_is_drawn(monkeypatch):
    for module in (errata_digits, errata_formulas, errata_games):
        for name in [name for name in vars(module) if name.startswith(DRAWING)]:
            monkeypatch.setattr(module, name, lambda *arguments: None)


# --- one f_acc for both players -----------------------------------------------------------------------------------------


def test_in_the_literal_game_d_ascends_f_acc_and_then_g_descends_it():
    G, D = nn.Dense(1, 1, bias=False), nn.Dense(1, 1, bias=False)
    G.weight.data, D.weight.data = np.array([[0.5]], np.float32), np.array([[2.0]], np.float32)
    rules = (optim.SGD(p.parameters(), 0.1) for p in (G, D))
    game = errata_digits.OneLossGAN(G, D, lambda m: np.full((m, 1), -1.0, np.float32), *rules)
    found = game.step(iter([np.full((3, 1), 3.0, np.float32)]))
    # f_acc = log sigma(3 d) - log sigma(-g d)
    d = 2.0 + 0.1 * (3.0 * expit(-6.0) + 0.5 * expit(1.0))
    g = 0.5 - 0.1 * (d * expit(0.5 * d))
    assert D.weight.item() == pytest.approx(d, rel=1e-6)
    assert G.weight.item() == pytest.approx(g, rel=1e-6)
    assert found["loss_D"] == pytest.approx(-(log_expit(6.0) - log_expit(-1.0)), rel=1e-6)


@pytest.mark.parametrize(("correct", "literal", "fails"), [([10, 10], [6, 1], 0), ([10, 9], [7, 1], 2), ([10, 9], [6, 1], 1)])
def test_all_classes_by_one_loss_and_at_most_six_by_the_other(claim, correct, literal, fails):
    errata_digits.measure_classes(claim, correct, literal)
    assert len(broken(claim)) == fails


def test_alone_d_climbs_without_end_by_one_objective_and_to_0_by_the_other():
    x, still, ends = data.noise(1), Tensor(np.full((50, 1), 5.0, np.float32), requires_grad=True), {}
    for objective in (errata_games.correct, errata_games.literal):
        values = errata_games.train_alone(
            nn.Dense(1, 1), lambda m: still * 1.0, (x(50) for _ in range(300)), 300, 0.1, objective
        )
        assert values[-1] > values[100] > values[0]
        ends[objective.__name__] = values[-1]
    assert ends["correct"] < 0 < 10 < ends["literal"]
    assert still.grad is None


# --- robust discriminators, no memory -----------------------------------------------------------------------------------


def test_what_flips_is_what_lies_nearer_to_the_border_than_the_step_reaches():
    D = nn.Sequential(nn.Flatten(), nn.Dense(784, 1))
    D[1].weight.data, D[1].bias.data = np.full((784, 1), 1.0, np.float32), np.zeros(1, np.float32)
    levels = np.array([0.52, 0.58, 0.7, 0.45, 0.3, 0.2], np.float32)  # the logit is 784 (2 level - 1)
    x = np.broadcast_to(levels[:, None, None, None], (6, 1, 28, 28)).copy()
    y = np.array([1, 1, 1, 0, 0, 1])  # of the last one, D is wrong from the start
    assert errata_digits.flips(errata_digits.judging(D), x, y, 0.1) == pytest.approx(3 / 5)


class Copies:
    """What remains of a game that has learnt its images by heart."""

    def __init__(self, images):
        self.images, self.G = images, nn.Dense(2, 3)

    def sample(self, n):
        return 2 * self.images[np.arange(n) % len(self.images)] - 1


@pytest.mark.parametrize("learns_others", [False, True])
def test_a_g_that_copies_has_distance_0_to_its_images(claim, monkeypatch, learns_others):
    x, _ = data.glyphs(60)
    taught = x[30:] if learns_others else x[:16]
    monkeypatch.setattr(errata_digits, "play", lambda *arguments: {"correct": [(Copies(taught), [])]})
    errata_digits.memory(claim, [Copies(x)], x, x[30:], replace(QUICK, memorised=16), range(1))
    assert broken(claim) == ({"memory_ratio"} if learns_others else set())
    assert claim.metrics["nearest_of_few" if not learns_others else "nearest_stranger_of_few"] == pytest.approx(0, abs=1e-4)
    assert claim.metrics["nearest_of_all"] == pytest.approx(0, abs=1e-4)
    assert claim.metrics["weights_for_each_pixel"] == 9 / (16 * 784)


def test_the_game_is_played_on_pixels_from_minus_1_to_1(monkeypatch):
    x, seen = data.glyphs(40)[0], []
    monkeypatch.setattr(data, "batches", lambda x, size, make=data.batches: seen.append(x) or make(x, size=size))
    ((game, believed),) = errata_digits.play(["correct"], x, QUICK, range(1), 3, 4)["correct"]
    np.testing.assert_allclose(seen[0], 2 * x - 1)
    assert len(believed) == 3
    assert 0 <= errata_digits.pixels(game, 5).min() < 0.5 < errata_digits.pixels(game, 5).max() <= 1
    assert game.opt_G.lr == 0


# --- formulas -----------------------------------------------------------------------------------------------------------


def test_the_best_value_is_twice_the_jensen_shannon_divergence_minus_log_4():
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), (2, 7))
    q[0, 0] = p[1, 1] = 0.0
    expected = [2 * jensen_shannon(a, b) - np.log(2) * (a.sum() + b.sum()) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(errata_formulas.best_value(p, q), expected)
    np.testing.assert_allclose(errata_formulas.shifted_value(np.array([0.0, 15.0, -15.0])), [-np.log(4), 0, 0], atol=1e-6)


def test_a_curve_above_its_chord_is_found():
    a, b = np.array([-1.0, 2.0]), np.array([1.0, 3.0])
    assert not errata_formulas.above_the_chord(np.square, a, b).any()
    assert not errata_formulas.above_the_chord(lambda t: 3 * t, a, b).any()
    assert errata_formulas.above_the_chord(np.sin, a, b).tolist() == [False, True]


def test_the_d_that_stands_still_is_the_best_one_where_it_has_learnt():
    value = errata_formulas.value_for_one_d(replace(demo.Settings(), pretraining=300, line_batch=128), 0)
    assert value(np.array([3.0])) == pytest.approx(errata_formulas.shifted_value(np.array([3.0])), abs=0.15)
    assert value(np.array([-3.0]))[0] < -2  # fakes on the other side, which this D takes for real


def test_the_loop_as_printed_has_a_step_too_many_and_optimistic_adams_formula_begins_with_nan(claim):
    errata_formulas.critic_steps(claim, 7)
    assert claim.metrics == {"critic_steps_as_printed": 8, "critic_steps_of_WGAN": 7}
    found = errata_formulas.optimism(claim, QUICK, 0)
    assert broken(claim) == set()
    assert np.isnan(found["as printed"][1:]).all()
    assert found["Adam"][:2] == pytest.approx([1, 1 - 0.125])
    assert found["OptimisticAdam"][:2] == pytest.approx([1, 1 - 0.25])


# --- games on the line and on the ring ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "holds"), [((9, 9), True), ((9, 8), False)])
def test_the_pretrained_d_has_to_cost_three_times_the_iterations_in_the_worst_seed(claim, monkeypatch, times, holds):
    def distances(seed, pretraining, s):
        return np.where(np.arange(10) < (times[seed] if pretraining else 3), 4.0, 1.0)

    monkeypatch.setattr(errata_games, "distances", distances)
    errata_games.pretrained(claim, replace(QUICK, every=1), range(2))
    assert claim.metrics["pretrained_D_slows_G_down"] == pytest.approx(min(times) / 3)
    assert claim.holds == {"pretrained_D_slows_G_down": holds}


GOOD, BAD = ({"kl": kl, "high_quality": near, "modes_1pct": modes} for kl, near, modes in ((0.05, 0.8, 8), (0.6, 0.4, 7)))


@pytest.mark.parametrize(
    ("keeps_up", "lags", "fails"),
    [
        ((GOOD, GOOD), (BAD, BAD), set()),
        ((GOOD, BAD), (BAD, BAD), {"WGAN_kl_keeps_up", "WGAN_modes_keeps_up", "WGAN_within_3_std_keeps_up"}),
        ((GOOD, GOOD), (BAD, GOOD), {"WGAN_kl_lags"}),
    ],
)
def test_only_the_critic_that_lags_may_and_must_collapse(claim, monkeypatch, keeps_up, lags, fails):
    monkeypatch.setattr(errata_games, "ring_game", lambda seed, n, rate, s: [(keeps_up if n == 5 else lags)[seed]] * 6)
    errata_games.collapse(claim, QUICK, range(2))
    assert broken(claim) == fails


def test_the_games_on_the_ring_are_played_by_their_settings_and_measured_six_times(monkeypatch):
    games, step = [], WGANGP.step

    def noted(self, batches):
        games.append((self.n_critic, self.penalty, self.opt_G.lr, self.opt_D.lr))
        return step(self, batches)

    monkeypatch.setattr(WGANGP, "step", noted)
    mg.seed(0)
    s = replace(QUICK, ring_steps=6, ring_width=8, ring_lr=0.5, ring_penalty=0.25, ring_samples=50)
    assert [found["samples"].shape for found in errata_games.ring_game(0, 3, 0.1, s)] == [(50, 2)] * 6
    assert games[0] == pytest.approx((3, 0.25, 0.5, 0.05))
    assert games[3] == pytest.approx((3, 0.25, 0.25, 0.025))
