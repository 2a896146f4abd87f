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
TINY = replace(QUICK, steps=20, width=8, judged=40, batch=10)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conditioning")
    demo.main(["--quick", "--out", str(folder)])
    return folder


@pytest.mark.slow
def test_in_a_quick_run_chance_is_all_there_is_where_one_is_not_told(out):
    summary = summary_of(out)
    assert summary["holds"]["accuracy_neither"]
    assert summary["holds"]["accuracy_G alone"]
    assert set(summary["holds"]) == {"accuracy_neither", "accuracy_G alone"}
    assert {path.name for path in out.iterdir()} == {"conditioning.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "conditioning.png")
    assert summary["metrics"]["accuracy_real"] > 0.8


@pytest.mark.slow
def test_the_claim_holds_on_glyphs(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "QUICK", demo.QUICK | {"steps": 4000, "width": 128, "lr": 2e-3})
    demo.main(["--quick", "--out", str(tmp_path)])
    summary = summary_of(tmp_path)
    assert all(summary["holds"].values())
    assert summary["metrics"]["accuracy_both"] >= 0.9
    assert summary["metrics"]["frechet_separate"] > summary["metrics"]["frechet_both"]


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
    samples = demo.play(TINY, 0, demo.TOLD[name], x, y, name)
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
        demo.play(TINY, 0, told, x, y, "game")
    assert [steps for _, _, steps, _ in calls] == 4 * [20]
    assert {rule.lr for game, *_ in calls for rule in (game.opt_G, game.opt_D)} == {TINY.lr}
    images, labels = next(calls[0][1])
    where = [np.flatnonzero((demo.small(x) == image).all(axis=1))[0] for image in images]
    np.testing.assert_array_equal(y[where], labels)


def test_each_separate_game_sees_its_class_for_a_tenth_of_the_iterations(monkeypatch):
    calls = []

    def note(game, batches, steps, name):
        calls.append((game, next(batches), steps))
        for p in game.G.parameters():
            p.data = 0 * p.data  # grey
        game.G[-2].bias.data = game.G[-2].bias.data + len(calls) / 10  # of a shade for each class

    monkeypatch.setattr(demo, "train", note)
    x = np.repeat(np.arange(10, dtype=np.float32) / 10, 7).reshape(70, 1, 1, 1) * np.ones((1, 1, 28, 28), np.float32)
    order = np.random.default_rng(0).permutation(70)
    samples = demo.play_separate(TINY, 0, x[order], np.repeat(np.arange(10), 7)[order])
    assert all(isinstance(game, GAN) and steps == 2 for game, _, steps in calls)
    for c, (_, images, _) in enumerate(calls):
        np.testing.assert_allclose(images, np.full((7, 196), 2 * c / 10 - 1), atol=1e-6)  # its 7 images, not 10
    shades = (np.tanh(np.arange(1, 11) / 10) + 1) / 2
    np.testing.assert_allclose(samples.reshape(40, -1).mean(axis=1), np.repeat(shades, 4), atol=1e-5)


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


NAMES = (*demo.TOLD, "separate", "both, few images", "separate, few images")


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
    claim = Claim(start(digits.options(""), ["--data", "glyphs", "--out", str(tmp_path)], "conditioning"), {})
    accuracies = dict.fromkeys(NAMES, (0.3, 0.4)) | {"both": (both, 0.99), "neither": (0.1, neither), "G alone": (G_alone, 0.1)}
    found = {name: [{"accuracy": a, "frechet": 100 * a, "spread": a / 2} for a in pair] for name, pair in accuracies.items()}
    demo.measure(claim, found, 0.97)
    expected = {f"accuracy_{name}": name.split()[0] in holds for name in ("both", "neither", "G alone")}
    assert claim.holds == expected
    assert claim.metrics["accuracy_D alone"] == 0.4
    assert claim.metrics["accuracy_separate"] == claim.metrics["accuracy_both, few images"] == 0.3
    assert claim.metrics["frechet_separate"] == pytest.approx(35)
    assert claim.metrics["spread_both"] == pytest.approx((both + 0.99) / 4)
    assert claim.metrics["accuracy_real"] == 0.97


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_each_comparison_has_its_images_and_its_seeds(main, record, two_sets):
    x, others = (demo.large(demo.small(images)) for images in (two_sets.x, two_sets.others))
    y = two_sets.y
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    quality = record(metrics, "image_quality", lambda *arguments: {"accuracy": 0.875})
    played = record(demo, "play", lambda s, seed, told, x, y, name: np.full(20, 1000 * sum(told) + 10 * len(x) + seed))
    apart = record(demo, "play_separate", lambda s, seed, x, y: np.full(20, 9000 + 10 * len(x) + seed))
    looked = record(demo, "look", lambda samples, *rest: {})
    measured = record(demo, "measure")
    main(demo, few=2)

    expected = {"neither": 0, "G alone": 1, "D alone": 1, "both": 2, "separate": 9}  # which game, in thousands
    expected = {
        name: [1000 * game + 605, 1000 * game + 606] for name, game in expected.items()
    }  # of 60 images, by seeds 5 and 6
    expected |= {"both, few images": [2205, 2206], "separate, few images": [9205, 9206]}  # of 20
    assert {name: [set(run["samples"]) for run in runs] for name, runs in measured[0].found.items()} == {
        name: [{sample} for sample in samples] for name, samples in expected.items()
    }
    assert {call.told for call in played if len(call.x) == 20} == {demo.TOLD["both"]}
    assert measured[0].real == 0.875

    for call in (*played, *apart):
        if len(call.x) == 60:
            np.testing.assert_array_equal(call.x, x)
            np.testing.assert_array_equal(call.y, y)
        else:  # the first two of each class
            for c in range(10):
                np.testing.assert_array_equal(call.x[call.y == c], x[y == c][:2])
    for call in (*judge, *looked):
        np.testing.assert_array_equal(call.x, x)
        np.testing.assert_array_equal(call.y, y)
    assert {call.judge for call in (*looked, *quality)} == {"judge"}
    np.testing.assert_array_equal(quality[0].samples, others)
    np.testing.assert_array_equal(quality[0].labels, two_sets.classes)
    np.testing.assert_array_equal(quality[0].train, x)


@pytest.mark.parametrize("separate", [False, True])
def test_samples_are_the_seeds(separate, record, two_sets):
    record(demo, "train")  # as G draws from the start
    x, y, s = two_sets.x, two_sets.y, replace(TINY, batch=4)

    def play(seed):
        return demo.play_separate(s, seed, x, y) if separate else demo.play(s, seed, demo.TOLD["both"], x, y, "both")

    one, same, other = (play(seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
