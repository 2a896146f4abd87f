"""Who is told the class: the players' inputs, the separate games' data and iterations, and bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

from demos.architectures import conditioning as demo
from minigan import Tensor, data, metrics
from minigan.games import GAN, ConditionalGAN
from tests.demos.experiments import broken, judged

QUICK = replace(demo.Settings(), **demo.QUICK)
TINY = replace(QUICK, steps=20, width=8, judged=40, batch=10, rare_steps=6, looks=3, few=4)


@pytest.fixture(scope="module")
def accuracy():
    """The share of the class asked for, after a longer game with glyphs."""
    x, y = data.glyphs(3000)
    x = demo.large(demo.small(x))
    judge = metrics.train_judge(x, y, 100)
    settings = replace(demo.Settings(), steps=3000, judged=1000)
    return lambda kind: demo.experiment(kind, 1000, x, y, judge, settings)["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "shift", "low", "high"), [("both", 0, 0.9, 1), ("G alone", 0, 0, 0.15), ("both", 1, 0, 0.5)])
def test_told_to_both_the_class_is_obeyed_unless_d_is_told_the_classes_of_the_next_images(
    kind, shift, low, high, accuracy, monkeypatch
):
    class Shifted(demo.Conditional):
        def forward(self, x, y):
            return super().forward(x, np.roll(y, shift) if x.shape[1] == demo.PIXELS else y)

    monkeypatch.setattr(demo, "Conditional", Shifted)
    assert low <= accuracy(kind) <= high


def test_small_images_are_means_of_four_pixels_and_large_ones_repeat_them():
    x = np.random.default_rng(0).random((3, 1, 28, 28)).astype(np.float32)
    means = x.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4))
    found = demo.small(x)
    np.testing.assert_allclose(found, 2 * means.reshape(3, 196) - 1, atol=1e-6)
    np.testing.assert_allclose(demo.large(found), np.kron(means, np.ones((2, 2)))[:, None], atol=1e-6)
    np.testing.assert_array_equal(demo.asked(20), np.repeat(np.arange(10), 2))


# --- the games ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [("neither", (False, False)), ("G alone", (True, False)), ("D alone", (False, True)), ("both", (True, True))],
)
def test_a_player_depends_on_the_class_if_it_is_told_and_the_games_differ_in_nothing_else(name, told, record):
    seen = record(demo, "train")
    x, y = data.glyphs(50)
    samples = demo.experiment(name, 3, x, y, metrics.Judge(np.random.default_rng(0)), TINY)
    assert samples["samples"].shape[1:] == (1, 28, 28)
    game = seen[0].game
    assert isinstance(game, ConditionalGAN)
    for player, size, tells in ((game.G, TINY.z, told[0]), (game.D, 196, told[1])):
        a = Tensor(np.random.default_rng(0).standard_normal((1, size)).astype(np.float32))
        assert (not np.array_equal(*(player(a, np.array([c])).numpy() for c in (3, 7)))) == tells
        assert player.parameters()[0].shape == (size + 10 * tells, TINY.width)
    assert (seen[0].steps, game.opt_G.lr, game.opt_D.lr) == (20, TINY.lr, TINY.lr)
    images, labels = next(seen[0].batches)
    where = [np.flatnonzero((demo.small(x) == image).all(axis=1))[0] for image in images]
    np.testing.assert_array_equal(y[where], labels)


@pytest.mark.parametrize("kind", demo.RARE)
def test_of_the_rare_class_few_images_are_seen_and_of_the_others_all(kind, monkeypatch):
    nine, calls, asked = kind == "with nine", [], []
    distances = iter([9.0, 2.0, 5.0, 7.0])  # of three moments, and of the few images themselves
    monkeypatch.setattr(metrics, "frechet_distance", lambda a, b: next(distances))

    def note(game, batches, steps, name, every, look, seen):
        calls.append((game, [next(batches) for _ in range(40)], steps))
        sample = game.sample
        game.sample = lambda n, *y: asked.append((n, *y)) or sample(n, *y)
        for t in range(steps // every):
            look(game)
            game.G.parameters()[-1].data[:] = t  # another image

    monkeypatch.setattr(demo, "train", note)
    x = np.arange(70, dtype=np.float32).reshape(70, 1, 1, 1) / 70 * np.ones((1, 1, 28, 28), np.float32)
    y = np.arange(70) % 10
    found = demo.experiment(kind, 13, x, y, metrics.Judge(np.random.default_rng(0)), TINY)
    [(game, batches, steps)] = calls
    assert isinstance(game, ConditionalGAN if nine else GAN)
    assert (steps, game.opt_G.lr, game.opt_D.lr) == (TINY.rare_steps, TINY.rare_lr, TINY.rare_lr)
    assert [n for n, *_ in asked] == [TINY.judged // 2] * 3
    assert all(set(of[0]) == ({3} if nine else set()) for _, *of in asked if nine)

    np.testing.assert_array_equal(found["frechet"], [9, 2, 5])
    assert found["copies"] == 7
    assert (found["best"] != found["end"]).any()
    assert found["nearest"] == np.median(metrics.nearest_distances(found["end"], found["few"]))

    images = np.concatenate([batch[0] for batch in batches] if nine else batches)
    rows = np.rint((images[:, 0] + 1) / 2 * 70).astype(int)  # which of the 70
    rare = set(rows[y[rows] == 3])
    assert len(rare) == 4
    assert {int(i) for i in np.rint(found["few"][:, 0, 0, 0] * 70)} == rare
    assert set(rows[y[rows] != 3]) == (set(np.flatnonzero(y != 3)) if nine else set())
    if nine:
        np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), y[rows])
        assert (y[rows] == 3).mean() == pytest.approx(0.1, abs=0.03)  # as frequent as the others


# --- the figures --------------------------------------------------------------------------------------------------------


def test_the_spread_is_within_the_classes():
    x, y = np.zeros((40, 1, 28, 28)), np.repeat(np.arange(10), 4)
    x += y[:, None, None, None]  # differences between classes do not count
    assert demo.spread(x, y) == 0
    x[::2] += 1.0
    assert demo.spread(x, y) == pytest.approx(0.5)


def test_the_datas_own_images_are_right_near_and_as_spread_as_the_data():
    x, y = data.glyphs(300)
    x = demo.large(demo.small(x))
    judge = metrics.train_judge(x, y, 60)
    own = np.concatenate([x[y == c][:20] for c in range(10)])
    found, other = (demo.look(images, judge, x, y) for images in (own, np.roll(own, 20, axis=0)))
    assert other["accuracy"] < 0.2 < 0.7 < found["accuracy"]
    assert found["spread"] == pytest.approx(1, abs=0.1)
    assert other["frechet"] == pytest.approx(found["frechet"], rel=1e-3)  # blind to what was asked for


@pytest.mark.parametrize(
    ("both", "neither", "G_alone", "misses"),
    [
        (0.91, 0.14, 0.14, []),
        (0.89, 0.14, 0.14, ["accuracy_both"]),
        (0.91, 0.16, 0.14, ["accuracy_neither"]),
        (0.91, 0.1, 0.16, ["accuracy_G alone"]),
    ],
)
def test_the_worst_seed_decides(both, neither, G_alone, misses):
    accuracies = {"both": (both, 0.99), "neither": (0.1, neither), "G alone": (G_alone, 0.1), "D alone": (0.3, 0.4)}
    found = {name: [{"accuracy": a, "frechet": 100 * a, "spread": a / 2} for a in pair] for name, pair in accuracies.items()}
    assert broken(judged(demo.measure, found, 0.97)) == set(misses)
    m = judged(demo.measure, found, 0.97).metrics
    assert [m["accuracy_D alone"], m["frechet_D alone"], m["accuracy_real"]] == pytest.approx([0.4, 35, 0.97])
    assert m["spread_both"] == pytest.approx((both + 0.99) / 4)


@pytest.mark.parametrize(
    ("nine", "holds"),
    [([[4, 5], [5, 6], [3, 5]], True), ([[9, 19], [10, 22], [11, 22]], False), ([[20, 19], [30, 2], [20, 22]], False)],
)
def test_what_sharing_does_follows_from_the_interval_of_the_pairs(nine, holds):
    rare = {
        kind: [{"frechet": np.array(row, float), "copies": 5.0, "nearest": 2.0} for row in rows]
        for kind, rows in zip(demo.RARE, (nine, [[10, 11], [10, 12], [9, 10]]), strict=True)
    }
    claim = judged(demo.measure_rare, rare)
    assert claim.holds == {"sharing_end": holds}
    expected = {"rare_alone_end": 11, "rare_alone_best": 29 / 3, "rare_with_nine_end": np.mean(nine, axis=0)[1]}
    assert {name: claim.metrics[name] for name in expected} == pytest.approx(expected)
    assert claim.metrics["rare_copies"] == 5


def test_each_comparison_has_its_seeds_and_the_judge_learns_from_what_the_games_see(main, record, two_sets):
    for name in ("picture_of_games", "picture_of_rare"):
        record(demo, name)
    x, others = (demo.large(demo.small(images)) for images in (two_sets.x, two_sets.others))
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    quality = record(metrics, "image_quality", lambda *arguments: {"accuracy": 0.875})
    played = record(demo, "experiment", lambda kind, seed, x, y, judge, s: f"{kind} {seed}")
    measured, compared = record(demo, "measure"), record(demo, "measure_rare")
    main(demo, rare_seeds=3)
    assert measured[0].games == {kind: [f"{kind} {seed}" for seed in (5, 6)] for kind in demo.TOLD}
    assert compared[0].rare == {kind: [f"{kind} {seed}" for seed in (5, 6, 7)] for kind in demo.RARE}
    assert measured[0].real == 0.875
    for call in (*judge, *played):
        np.testing.assert_array_equal(call.x, x)
        np.testing.assert_array_equal(call.y, two_sets.y)
    assert {call.judge for call in (*played, *quality)} == {"judge"}
    np.testing.assert_array_equal(quality[0].samples, others)
    np.testing.assert_array_equal(quality[0].labels, two_sets.classes)
