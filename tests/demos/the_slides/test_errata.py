"""The errata: each experiment against closed forms, and the figures of a quick run."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.special import expit, log_expit

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.line import jensen_shannon
from demos.kit.run import start
from demos.the_slides import errata, errata_digits, errata_formulas, errata_games
from minigan import Tensor, data, metrics, nn, optim
from minigan.games import GAN, WGANGP
from tests.demos.running import coarse_pictures, summary_of

QUICK = replace(errata.Settings(), **errata.QUICK)


@pytest.fixture
def claim(tmp_path):
    claim = Claim(start(digits.options(""), ["--jobs", "1", "--out", str(tmp_path)], "errata"), {})
    yield claim
    claim.args.checkpoint.close(finished=False)


@pytest.mark.slow
def test_what_a_quick_run_can_show_holds(tmp_path):
    with coarse_pictures():
        errata.main(["--quick", "--jobs", "1", "--out", str(tmp_path)])
    summary = summary_of(tmp_path)
    assert all(summary["holds"].values())
    assert len(summary["holds"]) == 8
    assert "classes_lost" not in summary["holds"]  # so few iterations teach no G ten classes
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert len(pictures) == 8
    assert pictures == {f"{name}.png" for name in summary["pictures"]}


# --- one f_acc for both players -----------------------------------------------------------------------------------------


def test_both_objectives_are_the_slides():
    v_real, v_fake = np.array([[2.0], [-1.0]]), np.array([[0.5], [-30.0]])
    real, fake = log_expit(v_real).mean(), log_expit(v_fake).mean()
    assert errata_games.correct(Tensor(v_real), Tensor(v_fake)).item() == pytest.approx(real + log_expit(-v_fake).mean())
    assert errata_games.literal(Tensor(v_real), Tensor(v_fake)).item() == pytest.approx(real - fake)


def test_in_the_literal_game_d_ascends_f_acc_and_then_g_descends_it():
    G, D = nn.Dense(1, 1, bias=False), nn.Dense(1, 1, bias=False)
    G.weight.data, D.weight.data = np.array([[0.5]], np.float32), np.array([[2.0]], np.float32)
    game = errata_digits.OneLossGAN(
        G, D, lambda m: np.full((m, 1), -1.0, np.float32), *(optim.SGD(p.parameters(), 0.1) for p in (G, D))
    )
    found = game.step(iter([np.full((3, 1), 3.0, np.float32)]))
    # f_acc = log sigma(3 d) - log sigma(-g d)
    d = 2.0 + 0.1 * (3.0 * expit(-6.0) + 0.5 * expit(1.0))
    g = 0.5 - 0.1 * (d * expit(0.5 * d))
    assert D.weight.item() == pytest.approx(d, rel=1e-6)
    assert G.weight.item() == pytest.approx(g, rel=1e-6)
    assert found["loss_D"] == pytest.approx(-(log_expit(6.0) - log_expit(-1.0)), rel=1e-6)


@pytest.mark.parametrize(("correct", "literal", "holds"), [([10, 10], [6, 1], (True, True)), ([10, 9], [7, 1], (False, False))])
def test_all_classes_by_one_loss_and_at_most_six_by_the_other(claim, correct, literal, holds):
    errata_digits.measure_classes(claim, correct, literal)
    assert tuple(claim.holds.values()) == holds


def test_alone_d_climbs_without_end_by_one_objective_and_to_0_by_the_other():
    mg.seed(0)
    x, still = data.noise(1), Tensor(np.full((50, 1), 5.0, np.float32), requires_grad=True)
    ends = {}
    for objective in (errata_games.correct, errata_games.literal):
        D = nn.Dense(1, 1)
        values = errata_games.train_alone(D, lambda m: still * 1.0, (x(50) for _ in range(300)), 300, 0.1, objective)
        assert len(values) == 300
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


def test_a_g_that_copies_has_distance_0_to_its_images(claim, monkeypatch):
    x, _ = data.glyphs(60)
    monkeypatch.setattr(errata_digits, "play", lambda kinds, images, *_: {"correct": [(Copies(images), [])]})
    errata_digits.memory(claim, [Copies(x)], x, x[30:], replace(QUICK, memorised=16), range(1))
    assert claim.metrics["nearest_of_few"] == pytest.approx(0, abs=1e-4)
    assert claim.metrics["nearest_stranger_of_few"] > 1
    assert claim.metrics["memory_ratio"] < 1e-3
    assert claim.metrics["weights_for_each_pixel"] == 9 / (16 * 784)


# --- formulas -----------------------------------------------------------------------------------------------------------


def test_the_best_value_is_twice_the_jensen_shannon_divergence_minus_log_4():
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), (2, 7))
    q[0, 0] = p[1, 1] = 0.0
    expected = [2 * jensen_shannon(a, b) - np.log(2) * (a.sum() + b.sum()) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(errata_formulas.best_value(p, q), expected)


def test_of_shifted_gaussians_the_value_is_lowest_at_0_and_goes_to_0():
    np.testing.assert_allclose(errata_formulas.shifted_value(np.array([0.0, 15.0, -15.0])), [-np.log(4), 0, 0], atol=1e-6)


def test_a_curve_above_its_chord_is_found():
    a, b = np.array([-1.0, 2.0]), np.array([1.0, 3.0])
    assert not errata_formulas.above_the_chord(np.square, a, b).any()
    assert not errata_formulas.above_the_chord(lambda t: 3 * t, a, b).any()
    assert errata_formulas.above_the_chord(np.sin, a, b).tolist() == [False, True]


def test_the_d_that_stands_still_is_the_best_one_where_it_has_learnt():
    value = errata_formulas.value_for_one_d(errata.Settings(pretraining=600), 0)
    assert value(np.array([3.0])) == pytest.approx(errata_formulas.shifted_value(np.array([3.0])), abs=0.1)
    assert value(np.array([-3.0]))[0] < -2  # fakes on the other side, which this D takes for real


def test_the_loop_as_printed_has_a_step_too_many(claim):
    errata_formulas.critic_steps(claim, 7)
    assert claim.metrics == {"critic_steps_as_printed": 8, "critic_steps_of_WGAN": 7}


def test_optimistic_adams_printed_formula_begins_with_nan_and_the_rule_with_twice_adams_step(claim):
    found = errata_formulas.optimism(claim, QUICK, 0)
    assert all(claim.holds.values())
    assert np.isnan(found["as printed"][1:]).all()
    assert found["Adam"][:2] == pytest.approx([1, 1 - 0.125])
    assert found["OptimisticAdam"][:2] == pytest.approx([1, 1 - 0.25])


# --- games on the line and on the ring ----------------------------------------------------------------------------------


def test_the_pretrained_d_has_to_cost_three_times_the_iterations(claim, monkeypatch):
    monkeypatch.setattr(errata_games, "distances", lambda seed, steps, s: [4.0] * (3 if not steps else 8) + [1.0])
    errata_games.pretrained(claim, replace(QUICK, every=1), range(2))
    assert claim.metrics["pretrained_D_slows_G_down"] == pytest.approx(8 / 3)
    assert claim.holds == {"pretrained_D_slows_G_down": False}


LOOK = {"kl": 0.3, "high_quality": 0.4, "modes_1pct": 7, "samples": np.zeros((5, 2))}


def test_only_the_critic_that_lags_may_and_must_collapse_and_the_other_gs_samples_lie_near_modes(claim, monkeypatch):
    monkeypatch.setattr(errata_games, "ring_game", lambda *_: [LOOK] * 6)
    errata_games.collapse(claim, QUICK, range(2))
    assert claim.metrics["WGAN_modes_keeps_up"] == 7
    names = {"WGAN_kl_lags", "WGAN_kl_keeps_up", "WGAN_modes_keeps_up", "WGAN_within_3_std_keeps_up"}
    assert claim.holds == dict.fromkeys(names, False)


def test_a_game_on_the_ring_is_looked_at_six_times():
    found = errata_games.ring_game(0, 1, 1.0, replace(QUICK, ring_steps=13, ring_width=8))
    assert len(found) == 6
    assert found[-1]["samples"].shape == (2500, 2)


def test_the_game_is_played_on_pixels_from_minus_1_to_1(monkeypatch):
    seen = []

    class Watched(GAN):
        def step(self, batches):
            x = next(batches)
            seen.append((x.min(), x.max(), len(x)))
            return {"D_fake": 0.5}

    monkeypatch.setitem(errata_digits.KINDS, "watched", Watched)
    ((game, believed),) = errata_digits.play(["watched"], data.glyphs(40)[0], QUICK, range(1), 3, 4)["watched"]
    assert believed.tolist() == [0.5] * 3
    assert np.allclose(seen, [(-1, 1, 40)] * 3)
    assert errata_digits.pixels(game, 5).min() >= 0
    assert game.opt_G.lr == 0


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_the_digits_that_are_attacked_and_the_strangers_are_held_out(main, record, two_sets):
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    one_loss = record(errata_digits, "one_loss", lambda *arguments: "games")
    robustness, memory = (record(errata_digits, name) for name in ("robustness", "memory"))
    others = [record(errata_formulas, name) for name in ("convexity", "critic_steps", "optimism")]
    others += [record(errata_games, name) for name in ("pretrained", "collapse")]
    main(errata)
    for (call,) in (judge, one_loss, robustness, memory):
        np.testing.assert_array_equal(call.x, two_sets.x)
    for (call,) in (judge, robustness):
        np.testing.assert_array_equal(call.y, two_sets.y)
    for found, held_out in zip(robustness[0].others, (two_sets.others, two_sets.classes), strict=True):
        np.testing.assert_array_equal(found, held_out)
    np.testing.assert_array_equal(memory[0].others, two_sets.others)
    assert one_loss[0].judge == "judge"
    assert robustness[0].games == memory[0].games == "games"
    assert [len(calls) for calls in others] == 5 * [1]
    for (call,) in (one_loss, robustness, memory, *others[3:]):
        assert list(call.seeds) == [5, 6]
    for (call,) in (others[0], others[2]):
        assert call.seed == 5


def test_all_three_judges_are_attacked_with_held_out_digits(claim, record, two_sets):
    x, y, others = two_sets.x, two_sets.y, (two_sets.others, two_sets.classes)
    s = replace(QUICK, attacked=30, epsilons=(0.1, 0.2))
    games = []
    for level in (0.4, 0.5):  # fakes of one grey
        game = Copies(np.full((1, 1, 28, 28), level, np.float32))
        game.D = errata_digits.dense_players(4, 8)[1]
        games.append(game)
    alone = record(errata_digits, "train_alone")
    learnt = record(errata_digits.classifiers, "train")

    def share(classifier, *rest):
        if len(classifier.digits) == 10:
            return 0.5
        return 0.95 if any(classifier.model[1] is game.D for game in games) else 0.1

    flips = record(errata_digits, "flips", share)
    drawn = record(errata_digits, "draw_robustness", lambda found, s: plt.figure())
    errata_digits.robustness(claim, games, x, y, others, s, range(5, 7))
    for name, value in (("the GAN's D", 0.95), ("a classifier", 0.5), ("a D of digits and noise", 0.1)):
        np.testing.assert_array_equal(drawn[0].found[name], np.full((2, 2), value))
    shares = {"flipped_GANs_D": 0.95, "flipped_classifier": 0.5, "flipped_D_of_noise": 0.1}
    assert {name: claim.metrics[name] for name in shares} == pytest.approx(shares)

    for call in flips:
        np.testing.assert_array_equal(call.x[:30], others[0][:30])
        if len(call.classifier.digits) == 10:
            assert len(call.x) == 30
            np.testing.assert_array_equal(call.y, others[1][:30])
            assert any(call.classifier is other.classifier for other in learnt)
        else:
            np.testing.assert_array_equal(call.y, np.repeat([1, 0], 30))
            D, fakes = call.classifier.model[1], call.x[30:]
            which = [i for i, game in enumerate(games) if game.D is D]
            if which:
                np.testing.assert_allclose(fakes, 0.4 + 0.1 * which[0], atol=1e-6)
            else:
                assert any(D is other.D for other in alone)
                assert fakes.std() == pytest.approx(np.sqrt(1 / 12), rel=0.05)  # noise, from 0 to 1
    for call in learnt:
        np.testing.assert_array_equal(call.x, x)
        np.testing.assert_array_equal(call.y, y)
    for call in alone:
        assert next(call.batches).max() < 0  # the training's dark digits
    one, other = (call.D[1].weight.numpy() for call in alone)
    assert (one != other).any()


def test_memory_compares_what_g_has_learnt_from_with_many_strangers(claim, record, two_sets):
    x, strangers = two_sets.x, two_sets.others[:30]
    s = replace(QUICK, memorised=4, strangers=30)
    taught = record(errata_digits, "play", lambda kinds, x, *rest: {"correct": [(Copies(x), []), (Copies(x), [])]})
    measured = record(metrics, "nearest_distances", lambda samples, images: np.full(3, float(len(images))))
    errata_digits.memory(claim, [Copies(x), Copies(x)], x, two_sets.others, s, range(5, 7))
    (call,) = taught
    assert list(call.seeds) == [5, 6]
    np.testing.assert_array_equal(call.x, x[:4])
    assert len(measured) == 8
    compared = [tuple(vars(call).values())[:2] for call in measured]
    for i, (samples, images) in enumerate(compared):
        own = x[:4] if i < 4 else x[:30]  # first the games of few images; then those of all, with as many as strangers
        np.testing.assert_array_equal(images, strangers if i % 2 else own)
        np.testing.assert_allclose(samples, own[np.arange(30) % len(own)], atol=1e-6)
    assert claim.metrics["nearest_stranger_of_few"] == claim.metrics["nearest_stranger_of_all"] == 30
    assert claim.metrics["nearest_of_few"] == 4
    assert claim.metrics["memory_ratio"] == pytest.approx(4 / 30)


def test_the_games_on_the_ring_are_played_by_their_settings(monkeypatch):
    games = []

    class Noted(WGANGP):
        def step(self, batches):
            games.append((self.n_critic, self.penalty, self.opt_G.lr, self.opt_D.lr))
            return super().step(batches)

    monkeypatch.setattr(errata_games, "WGANGP", Noted)
    errata_games.ring_game(0, 3, 0.1, replace(QUICK, ring_steps=6, ring_width=8, ring_lr=0.5, ring_penalty=0.25))
    assert games[0] == pytest.approx((3, 0.25, 0.5, 0.05))
    assert games[3] == pytest.approx((3, 0.25, 0.25, 0.025))


def test_both_critics_play_with_their_own_settings_and_every_seed(claim, record):
    played = record(errata_games, "ring_game", lambda *arguments: [LOOK] * 6)
    errata_games.collapse(claim, QUICK, range(5, 7))
    settings = [(call.seed, (call.n_critic, call.critic_rate)) for call in played]
    assert settings == [(seed, critic) for critic in errata_games.CRITICS.values() for seed in (5, 6)]


def test_a_critic_that_does_not_train_fails(claim, monkeypatch):
    monkeypatch.setattr(errata_games, "CRITICS", {"keeps up": (5, 0.0), "lags": (1, 0.0)})
    errata_games.collapse(claim, replace(QUICK, ring_steps=12, ring_width=8), range(1))
    assert not claim.holds["WGAN_modes_keeps_up"]
    assert not claim.holds["WGAN_within_3_std_keeps_up"]


S = replace(QUICK, width=8, z=4, alone_steps=2, pretraining=2, line_steps=2, every=1, ring_steps=6, ring_width=8)


@pytest.mark.parametrize(
    "play",
    [
        lambda x, seed: errata_digits.pixels(
            errata_digits.play(["correct"], x, S, range(seed, seed + 1), 1, 4)["correct"][0][0], 5
        ),
        lambda x, seed: errata_digits.d_alone(seed, "correct", x, S),
        lambda x, seed: errata_games.distances(seed, 2, S),
        lambda x, seed: errata_games.ring_game(seed, 1, 1.0, S)[-1]["samples"],
    ],
)
def test_games_are_the_seeds(play, two_sets):
    one, same, other = (np.array(play(two_sets.x, seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
