"""Co-adaptation: the slide's D is a closed form, what it does not see has no gradient, and the figures of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.training import coadaptation as demo
from minigan import Tensor
from tests.demos.running import assert_shows_something, summary_of

QUICK = replace(demo.Settings(), **demo.QUICK)


@pytest.fixture
def claim(tmp_path):
    return Claim(start(digits.options(""), ["--quick", "--out", str(tmp_path)], "coadaptation"), {})


@pytest.mark.slow
def test_the_claim_holds(tmp_path):
    demo.main(["--quick", "--out", str(tmp_path)])
    summary = summary_of(tmp_path)
    assert summary["holds"] == {"toy": True, "toy_dropout": True}
    assert {path.name for path in tmp_path.iterdir()} == {"coadaptation.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(tmp_path / "coadaptation.png")
    assert summary["metrics"]["toy_difference"] < 0.01
    assert summary["metrics"]["toy_D_learns"] < 0.1 < summary["metrics"]["toy"]


# --- the toy ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.5, 2.0])
def test_d_sees_the_size_of_a_x1_minus_a_x2_and_nothing_else(a):
    D = demo.pathways(a, 0.2).eval()
    x = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    c = D(Tensor(np.zeros((1, 2), np.float32))).item()
    np.testing.assert_allclose(D(Tensor(x)).numpy()[:, 0], c - a * np.abs(x[:, 0] - x[:, 1]), rtol=1e-5, atol=1e-5)


def test_dropout_shows_the_pathways_one_pixel_alone():
    D = demo.pathways(2.0, 0.2)
    v = D(Tensor(np.ones((20_000, 2), np.float32))).numpy()[:, 0]
    v = v - v.max()
    alone = -2.0 / 0.8  # a x1, where x2 is dropped
    assert set(np.round(v, 4)) == {0.0, alone}
    assert (v < -1).mean() == pytest.approx(2 * 0.2 * 0.8, abs=0.02)


def test_what_a_still_d_does_not_see_stays_in_every_sample():
    run = demo.play_toy(QUICK, 0, learns=False, dropout=0.0)
    before, after = run["before"], run["after"]
    np.testing.assert_allclose(after.sum(axis=1), before.sum(axis=1), atol=1e-3)
    assert np.abs(after[:, 0] - after[:, 1]).max() < 0.01 < np.abs(before[:, 0] - before[:, 1]).max()
    assert before.std(axis=0) == pytest.approx([1, 1], abs=0.4)  # a noise of size 1


@pytest.mark.parametrize(("learns", "dropout"), [(False, 0.2), (True, 0.0), (True, 0.2)])
def test_dropout_or_a_d_that_learns_takes_the_noise_away(learns, dropout):
    assert demo.noise(demo.play_toy(QUICK, 1, learns, dropout)["after"]) < 0.1


def test_the_noise_is_the_deviation_of_the_sum_or_of_the_difference():
    x = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 5.0]])
    assert demo.noise(x) == pytest.approx(np.std([3, 5, 7]))
    assert demo.noise(x, -1) == pytest.approx(np.std([-1, 1, -3]))


def cloud(plus, minus=0.0):
    """Four samples with std(x1 + x2) = plus and std(x1 - x2) = minus."""
    s, d = plus * np.array([1, 1, -1, -1]), minus * np.array([1, -1, 1, -1])
    return np.stack([(s + d) / 2, (s - d) / 2], axis=1)


def toys(fixed, fixed_dropout, learns=0.01):
    """Made-up runs of two seeds: the first as given, the second so that it is not the worst."""
    runs = {(False, 0.0): (fixed, 2.0), (False, 0.2): (fixed_dropout, 0.0), (True, 0.0): (learns, 0.0), (True, 0.2): (0.002, 0)}
    return {key: [{"before": cloud(1.4 + plus), "after": cloud(plus, 0.3)} for plus in pair] for key, pair in runs.items()}


@pytest.mark.parametrize(
    ("fixed", "dropout", "holds"), [(1.01, 0.049, (True, True)), (0.99, 0.049, (False, True)), (1.01, 0.051, (True, False))]
)
def test_the_worst_seed_decides(claim, fixed, dropout, holds):
    demo.measure_toys(claim, toys(fixed, dropout), 0.2)
    assert claim.holds == dict(zip(("toy", "toy_dropout"), holds, strict=True))
    figures = {"toy_before": 1.4 + fixed, "toy": fixed, "toy_difference": 0.3, "toy_dropout": dropout}
    assert claim.metrics == pytest.approx(figures | {"toy_D_learns": 0.01, "toy_D_learns_dropout": 0.002})


# --- digits -------------------------------------------------------------------------------------------------------------


def test_dropped_ink_is_black_and_the_rest_is_scaled():
    layer = demo.InkDropout(0.2)
    x = np.repeat(np.array([[-1.0, 0.0, 0.6]], np.float32), 20_000, axis=0)
    found = layer(Tensor(x)).numpy()
    assert set(np.round(found[:, 0], 5)) == {-1.0}  # black stays black
    assert set(np.round(found[:, 1], 5)) == {-1.0, 0.25}  # ink 1/2, or 5/8
    assert set(np.round(found[:, 2], 5)) == {-1.0, 1.0}
    assert (found[:, 1] == -1).mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_allclose(layer.eval()(Tensor(x)).numpy(), x, atol=1e-6)


def test_opposite_rows_have_cosine_minus_1():
    W = np.array([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(demo.cosines(W), [-1, 0, half, 0, -half, half], atol=1e-12)  # 01 02 03 12 13 23


def test_digits_are_looked_at_where_all_images_are_black():
    x = np.zeros((200, 1, 28, 28), np.float32)
    x[50:, 0, 4:, :] = np.random.default_rng(0).uniform(0.1, 1, (150, 24, 28))  # black in some images is not enough
    run = demo.play_digits(replace(QUICK, digit_steps=4, every=2), 0, 0.2, x)
    pairs = 112 * 111 / 2
    assert len(run["before"]) == len(run["after"]) == pairs
    assert 0 < np.abs(run["after"] - run["before"]).max() < 0.5
    assert run["learnt"].mean() > 0.5  # four steps: all black pixels' weights have the same gradient from the data
    assert run["ink"] == pytest.approx([0.25, 0.25], abs=0.01)  # tanh starts near 0: half of the ink


def test_the_figures_of_digits(claim):
    def runs(*lows):
        pairs = [{"before": (0.1, -0.2), "after": (0.3, low), "learnt": (0.5, 1.5 * low), "ink": (0.5, low**2)} for low in lows]
        return [{key: np.array(pair) for key, pair in run.items()} for run in pairs]

    demo.measure_digits(claim, {0.0: runs(-0.3, -0.5), 0.2: runs(-0.2, -0.1)})
    assert claim.holds == {}
    assert claim.metrics == pytest.approx(
        {"digits_cosine_before": -0.2, "digits_cosine": -0.5, "digits_dropout_cosine": -0.2}
        | {"digits_cosine_learnt": -0.75, "digits_dropout_cosine_learnt": -0.3}
        | {"digits_ink_least": 0.09, "digits_ink_most": 0.25}
        | {"digits_dropout_ink_least": 0.01, "digits_dropout_ink_most": 0.04}
    )


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_toys_and_digits_are_played_without_dropout_and_with_it(main, record, two_sets):
    def note(s, seed, *rest):
        return (seed, *(value for value in rest if not isinstance(value, np.ndarray)))

    record(demo, "play_toy", note)
    games = record(demo, "play_digits", note)
    toys_measured, digits_measured = (record(demo, f"measure_{name}") for name in ("toys", "digits"))
    main(demo, dropout=0.3)
    expected = {(learns, p): [(seed, learns, p) for seed in (5, 6)] for learns in (False, True) for p in (0.0, 0.3)}
    assert toys_measured[0].toys == expected
    assert toys_measured[0].dropout == 0.3
    assert digits_measured[0].games == {p: [(seed, p) for seed in (5, 6)] for p in (0.0, 0.3)}
    for call in games:
        np.testing.assert_array_equal(call.x, two_sets.x)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_on_digits_dropout_hides_as_many_of_ds_pixels_as_it_says(dropout, record, two_sets):
    trained = record(demo, "train", demo.train)
    two_sets.x[:, :, :4] = 0  # the border
    demo.play_digits(replace(QUICK, digit_steps=2, every=1, batch=20), 0, dropout, two_sets.x)
    D, x = trained[0].game.D, next(trained[0].batches)
    assert x.min() >= -1
    assert x.max() < -0.15  # the dark digits, from -1 to 1
    seen = D[0](Tensor(np.ones((500, 1, 28, 28), np.float32))).numpy()
    assert (seen == -1).mean() == pytest.approx(dropout, abs=0.01)


def test_games_on_digits_are_the_seeds(two_sets):
    x, settings = two_sets.x, replace(QUICK, digit_steps=2, every=1, width=8, batch=20)
    x[:, :, :4] = 0  # the border
    one, same, other = (demo.play_digits(settings, seed, 0.2, x)["after"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_toys_are_the_seeds():
    settings = replace(QUICK, steps=2)
    one, same, other = (demo.play_toy(settings, seed, learns=True, dropout=0.2)["after"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
