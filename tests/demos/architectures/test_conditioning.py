"""Who is told the class: the players' inputs, the separate games' data and iterations, and the figures of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

from demos.architectures import conditioning as demo
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, data, metrics
from minigan.games import GAN, ConditionalGAN
from tests.demos.running import assert_shows_something, summary_of

QUICK = replace(demo.Settings(), **demo.QUICK)
TINY = replace(QUICK, steps=20, width=8, judged=40, batch=10, rare_steps=6, looks=3, few=4)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conditioning")
    demo.main(["--quick", "--out", str(folder)])
    return folder


@pytest.mark.slow
def test_in_a_quick_run_chance_is_all_there_is_where_one_is_not_told(out):
    summary = summary_of(out)
    assert summary["holds"] == {"accuracy_neither": True, "accuracy_G alone": True}
    assert {path.name for path in out.iterdir()} == {"conditioning.png", "rare.png", "summary.json", "checkpoint.npz"}
    for name in ("conditioning.png", "rare.png"):
        assert_shows_something(out / name)
    assert summary["metrics"]["accuracy_real"] > 0.8


@pytest.fixture(scope="module")
def accuracy():
    """The share of the class asked for, after a longer game with glyphs."""
    x, y = data.glyphs(3000)
    x = demo.large(demo.small(x))
    judge = metrics.train_judge(x, y, 100)
    settings = replace(demo.Settings(), steps=3000, judged=1000)
    return lambda kind: demo.experiment(kind, 1000, x, y, judge, settings)["accuracy"]


@pytest.mark.slow
def test_told_to_both_the_class_is_obeyed(accuracy):
    assert accuracy("both") >= 0.9


@pytest.mark.slow
def test_told_to_g_alone_it_is_chance(accuracy):
    assert accuracy("G alone") <= 0.15


@pytest.mark.slow
def test_a_d_that_is_told_another_class_than_g_is_found(accuracy, monkeypatch):
    """Planted: D gets the classes of the neighbouring images."""

    class Shuffled(demo.Conditional):
        def forward(self, x, y):
            return super().forward(x, np.roll(y, 1) if x.shape[1] == demo.PIXELS else y)

    monkeypatch.setattr(demo, "Conditional", Shuffled)
    assert accuracy("both") < 0.5


# --- images -------------------------------------------------------------------------------------------------------------


def test_small_images_are_means_of_four_pixels_and_large_ones_repeat_them():
    x = np.random.default_rng(0).random((3, 1, 28, 28)).astype(np.float32)
    means = x.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4))
    found = demo.small(x)
    np.testing.assert_allclose(found, 2 * means.reshape(3, 196) - 1, atol=1e-6)
    np.testing.assert_allclose(demo.large(found), np.kron(means, np.ones((2, 2)))[:, None], atol=1e-6)
    np.testing.assert_allclose(demo.small(demo.large(found)), found, atol=1e-6)


def test_as_many_samples_of_each_class():
    np.testing.assert_array_equal(demo.asked(20), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9])


# --- the games ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(demo.TOLD))
def test_a_player_depends_on_the_class_if_it_is_told(name, monkeypatch):
    seen = []
    monkeypatch.setattr(demo, "train", lambda game, *rest: seen.append(game))
    x, y = data.glyphs(50)
    samples = demo.play(TINY, demo.TOLD[name], x, y, name)
    assert samples.shape == (40, 1, 28, 28)
    game, told = seen[0], {"neither": (False, False), "G alone": (True, False), "D alone": (False, True), "both": (True, True)}
    assert isinstance(game, ConditionalGAN)
    rng = np.random.default_rng(0)
    for player, size, tells in ((game.G, TINY.z, told[name][0]), (game.D, 196, told[name][1])):
        a = Tensor(rng.standard_normal((1, size)).astype(np.float32))
        changes = not np.array_equal(*(player(a, np.array([c])).numpy() for c in (3, 7)))
        assert changes == tells
        assert player.parameters()[0].shape == (size + 10 * tells, TINY.width)


def test_the_four_games_differ_in_nothing_else(monkeypatch):
    calls = []
    monkeypatch.setattr(demo, "train", lambda *call: calls.append(call))
    x, y = data.glyphs(50)
    for told in demo.TOLD.values():
        demo.play(TINY, told, x, y, "game")
    assert [steps for _, _, steps, _ in calls] == 4 * [20]
    assert {rule.lr for game, *_ in calls for rule in (game.opt_G, game.opt_D)} == {TINY.lr}
    images, labels = next(calls[0][1])
    where = [np.flatnonzero((demo.small(x) == image).all(axis=1))[0] for image in images]
    np.testing.assert_array_equal(y[where], labels)


@pytest.mark.parametrize("nine", [True, False])
def test_of_the_rare_class_few_images_are_seen_and_of_the_others_all(nine, monkeypatch):
    calls = []

    def note(game, batches, steps, name, every, look, seen):
        calls.append((game, [next(batches) for _ in range(40)], steps))
        for _ in range(steps // every):
            look(game)

    monkeypatch.setattr(demo, "train", note)
    x = np.arange(70, dtype=np.float32).reshape(70, 1, 1, 1) / 70 * np.ones((1, 1, 28, 28), np.float32)
    y = np.arange(70) % 10
    judge = metrics.Judge(np.random.default_rng(0))
    found = demo.play_rare(nine, 13, x, y, judge, TINY)
    game, batches, steps = calls[0]
    assert isinstance(game, ConditionalGAN if nine else GAN)
    assert steps == TINY.rare_steps
    assert {rule.lr for rule in (game.opt_G, game.opt_D)} == {TINY.rare_lr}

    images = np.concatenate([batch[0] for batch in batches] if nine else batches)
    rows = np.rint((images[:, 0] + 1) / 2 * 70).astype(int)  # which of the 70
    rare = set(rows[y[rows] == 3])
    assert len(rare) == 4
    assert {int(i) for i in np.rint(found["few"][:, 0, 0, 0] * 70)} == rare
    if nine:
        np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), y[rows])
        assert set(rows[y[rows] != 3]) == set(np.flatnonzero(y != 3))
        assert (y[rows] == 3).mean() == pytest.approx(0.1, abs=0.03)  # as frequent as the others
    else:
        assert set(rows) == rare


def test_the_best_moment_and_the_end_are_those_of_the_distances(monkeypatch):
    distances = iter([9.0, 2.0, 5.0, 7.0])  # of three moments, and of the few images themselves
    monkeypatch.setattr(metrics, "frechet_distance", lambda a, b: next(distances))
    x, y = data.glyphs(60)
    found = demo.play_rare(False, 3, x, y, metrics.Judge(np.random.default_rng(0)), TINY)
    np.testing.assert_array_equal(found["frechet"], [9, 2, 5])
    assert found["copies"] == 7
    assert found["best"].shape == found["end"].shape == (10, 1, 28, 28)
    assert (found["best"] != found["end"]).any()
    assert found["nearest"] == np.median(metrics.nearest_distances(found["end"], found["few"]))


@pytest.mark.parametrize("told", [True, False])
def test_the_samples_of_the_rare_class_are_those_that_were_asked_for(told, monkeypatch):
    asked = []
    monkeypatch.setattr(demo, "train", lambda game, batches, steps, name, every, look, seen: look(game))
    kind = ConditionalGAN if told else GAN
    sample = kind.sample
    monkeypatch.setattr(kind, "sample", lambda game, n, *y: asked.append((n, *y)) or sample(game, n, *y))
    x, y = data.glyphs(60)
    demo.play_rare(told, 14, x, y, metrics.Judge(np.random.default_rng(0)), TINY)
    assert asked[0][0] == TINY.judged // 2
    if told:
        assert set(asked[0][1]) == {4}


# --- the figures --------------------------------------------------------------------------------------------------------


def test_the_spread_is_within_the_classes():
    x, y = np.zeros((40, 1, 28, 28)), np.repeat(np.arange(10), 4)
    x += y[:, None, None, None]  # differences between classes do not count
    assert demo.spread(x, y) == 0
    x[::2] += 1.0
    assert demo.spread(x, y) == pytest.approx(0.5)


def test_the_datas_own_images_are_right_near_and_as_spread_as_the_data():
    x, y = data.glyphs(400)
    x = demo.large(demo.small(x))
    judge = metrics.train_judge(x, y, 100)
    own = np.concatenate([x[y == c][:20] for c in range(10)])
    found = demo.look(own, judge, x, y)
    assert found["accuracy"] > 0.8
    assert found["spread"] == pytest.approx(1, abs=0.1)
    other = demo.look(np.roll(own, 20, axis=0), judge, x, y)
    assert other["accuracy"] < 0.2
    assert other["frechet"] == pytest.approx(found["frechet"], rel=1e-3)  # blind to what was asked for


def a_claim(tmp_path):
    return Claim(start(digits.options(""), ["--data", "glyphs", "--out", str(tmp_path)], "conditioning"), {})


@pytest.mark.parametrize(
    ("both", "neither", "G_alone", "holds"),
    [
        (0.91, 0.14, 0.14, "both neither G"),
        (0.89, 0.14, 0.14, "neither G"),
        (0.91, 0.16, 0.14, "both G"),
        (0.91, 0.1, 0.16, "both neither"),
    ],
)
def test_the_worst_seed_decides(tmp_path, both, neither, G_alone, holds):
    claim = a_claim(tmp_path)
    accuracies = {"both": (both, 0.99), "neither": (0.1, neither), "G alone": (G_alone, 0.1), "D alone": (0.3, 0.4)}
    found = {name: [{"accuracy": a, "frechet": 100 * a, "spread": a / 2} for a in pair] for name, pair in accuracies.items()}
    demo.measure(claim, found, 0.97)
    expected = {f"accuracy_{name}": name.split()[0] in holds for name in ("both", "neither", "G alone")}
    assert claim.holds == expected
    assert claim.metrics["accuracy_D alone"] == 0.4
    assert claim.metrics["frechet_D alone"] == pytest.approx(35)
    assert claim.metrics["spread_both"] == pytest.approx((both + 0.99) / 4)
    assert claim.metrics["accuracy_real"] == 0.97


def rare(nine, alone):
    """Runs of the rare class with these distances."""
    return {
        kind: [{"frechet": np.array(row, float), "copies": 5.0, "nearest": 2.0} for row in rows]
        for kind, rows in zip(demo.RARE, (nine, alone), strict=True)
    }


@pytest.mark.parametrize(
    ("nine", "end", "best", "holds"),
    [
        ([[4, 5], [5, 6], [3, 5]], "helps", "helps", True),
        ([[9, 19], [10, 22], [11, 22]], "hurts", "no difference beyond chance", False),
        ([[20, 19], [30, 2], [20, 22]], "no difference beyond chance", "no difference beyond chance", False),
    ],
)
def test_what_sharing_does_follows_from_the_interval_of_the_pairs(tmp_path, nine, end, best, holds):
    claim = a_claim(tmp_path)
    demo.measure_rare(claim, rare(nine, [[10, 11], [10, 12], [9, 10]]))
    assert claim.holds == {"sharing_end": holds}
    assert claim.metrics["rare_alone_end"] == 11
    assert claim.metrics["rare_alone_best"] == pytest.approx(29 / 3)
    assert claim.metrics["rare_with_nine_end"] == np.mean(nine, axis=0)[1]
    said = claim.words(demo.SHARING)
    assert f"(sharing: {end})" in said
    assert said.endswith(f"({best})")
    assert claim.metrics["rare_copies"] == 5


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_each_comparison_has_its_seeds_and_the_judge_learns_from_what_the_games_see(main, record, two_sets, monkeypatch):
    for where, name in ((demo, "picture_of_games"), (demo, "picture_of_rare"), (Claim, "words")):
        record(where, name)
    x, others = (demo.large(demo.small(images)) for images in (two_sets.x, two_sets.others))
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    quality = record(metrics, "image_quality", lambda *arguments: {"accuracy": 0.875})
    played = record(demo, "experiment", lambda kind, seed, x, y, judge, s: {"who": f"{kind} {seed}"})
    measured, compared = record(demo, "measure"), record(demo, "measure_rare")
    main(demo, rare_seeds=3)

    expected = {kind: [{"who": f"{kind} {seed}"} for seed in (5, 6)] for kind in demo.TOLD}
    assert measured[0].games == expected
    assert compared[0].rare == {kind: [{"who": f"{kind} {seed}"} for seed in (5, 6, 7)] for kind in demo.RARE}
    assert measured[0].real == 0.875
    for call in (*judge, *played):
        np.testing.assert_array_equal(call.x, x)
        np.testing.assert_array_equal(call.y, two_sets.y)
    assert {call.judge for call in (*played, *quality)} == {"judge"}
    np.testing.assert_array_equal(quality[0].samples, others)
    np.testing.assert_array_equal(quality[0].labels, two_sets.classes)


def test_every_kind_of_game_is_the_one_that_is_played(record):
    played = record(demo, "play", lambda s, told, x, y, name: np.zeros((40, 1, 28, 28), np.float32))
    rare = record(demo, "play_rare", lambda *arguments: {})
    record(demo, "look", lambda *arguments: {})
    for kind in (*demo.TOLD, *demo.RARE):
        demo.experiment(kind, 3, None, None, None, TINY)
    assert [call.told for call in played] == [(False, False), (True, False), (False, True), (True, True)]
    assert [call.nine for call in rare] == [True, False]


@pytest.mark.parametrize("kind", ["both", "alone"])
def test_samples_are_the_seeds(kind, two_sets):
    s, judge = replace(TINY, steps=3, batch=4), metrics.Judge(np.random.default_rng(0))
    one, same, other = (demo.experiment(kind, seed, two_sets.x, two_sets.y, judge, s) for seed in (3, 3, 13))
    key = "samples" if kind == "both" else "end"
    np.testing.assert_array_equal(one[key], same[key])
    assert (one[key] != other[key]).any()
