"""The chapter's networks, the data of each game, and what is measured: against formulas by hand."""

import itertools
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from demos.architectures import began, conditioning, dcgan, ebgan, lapgan, pyramid
from demos.kit import digits, line
from minigan import Tensor, data, metrics, nn, optim
from minigan.games import EBGAN

TOLD = replace(conditioning.Settings(), width=8, judged=40, batch=10, looks=1, few=4)
PYRAMID = replace(lapgan.Settings(), steps=2, middle_steps=2, z=3, width=6, channels=2, batch=4, conv_batch=4)


def images(n=10, side=28, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, side, side)).astype(np.float32)


def test_images_are_found_as_near_as_g_can_make_them_and_the_ways_lead_from_one_to_the_next():
    A = np.random.default_rng(0).random((3, 784), np.float32) / 3
    game = SimpleNamespace(G=lambda z: (2.0 * z @ Tensor(A)).reshape(-1, 1, 28, 28) - 1.0, prior=data.noise(3))
    made = (np.float32([[1.0, 0.2, 0.5]]) @ A).reshape(-1, 1, 28, 28)
    real = np.concatenate([made, np.random.default_rng(1).random((2, 1, 28, 28), np.float32)])
    found = began.embed(game, real, replace(began.Settings(), descents=300, restarts=2))
    z, squares, *_ = np.linalg.lstsq(A.T, real.reshape(3, -1).T)
    np.testing.assert_allclose(found["error"], np.sqrt(squares), rtol=1e-2, atol=0.1)
    for way, ends in zip(began.WAYS, ((z.T @ A).reshape(real.shape), real), strict=True):
        assert found[way].shape == (1, began.POINTS, 1, 28, 28)
        middle = ends[:2].mean(axis=0)
        np.testing.assert_allclose(found[way][0, [0, began.POINTS // 2, -1]], [ends[0], middle, ends[1]], atol=1e-3)


def test_dcgan_compares_nothing_after_a_single_game(monkeypatch):
    monkeypatch.setattr(dcgan, "digits", MagicMock())
    claim = MagicMock(settings={"steps": dcgan.Settings().steps}, **{"args.seed": 0})
    dcgan.main.experiment(claim, replace(dcgan.Settings(), seeds=1))
    assert not claim.compare.called


def test_the_total_variation_is_that_of_normal_distributions_and_d_alone_plays_against_shifted_noise(record):
    same = ebgan.TARGET.draw(100_000, np.random.default_rng(0))[:, 0]
    found = [ebgan.total_variation(samples) for samples in (same, np.abs(same), same + 100)]  # np.abs: one of two modes
    assert found == pytest.approx([0, 0.5, 1], abs=0.02)
    seen = record(ebgan, "loss_of_d", lambda *arguments: 0.5)
    theory = ebgan.play_alone(2.0, 0, replace(ebgan.Settings(), alone_steps=3))["theory"]
    assert theory == pytest.approx(1 - 0.6827, abs=1e-4)  # TV: within one standard deviation
    np.testing.assert_allclose(seen[0].game.G(Tensor(np.array([[-1.0]], np.float32))).numpy(), [[1]])  # G stands still


@pytest.mark.parametrize(("fake", "hinge"), [(3.0, 0.0), (0.5, 1.5)])
def test_the_loss_is_that_of_the_paper_over_m(fake, hinge):
    """D reconstructs everything as 0: E(v) = |v|. E |x| of N(0, 1) is sqrt(2 / pi); a fake at 3 is above the margin of 2."""
    G, D = nn.Dense(1, 1), nn.Dense(1, 1)
    for player, value in ((G, fake), (D, 0.0)):
        player.weight.data, player.bias.data = np.zeros((1, 1), np.float32), np.full(1, value, np.float32)
    game = EBGAN(G, D, data.noise(1), *(optim.SGD(player.parameters(), 0.1) for player in (G, D)), margin=2.0)
    found = ebgan.loss_of_d(game, line.Mixture((1.0,), (0.0,), (1.0,)), 0)
    assert found == pytest.approx((np.sqrt(2 / np.pi) + hinge) / 2, abs=0.01)


@pytest.mark.parametrize(("name", "G", "D"), [("neither", 0, 0), ("G alone", 1, 0), ("D alone", 0, 1), ("both", 1, 1)])
def test_a_player_depends_on_the_class_if_it_is_told(name, G, D):
    game = conditioning.conditional_game(TOLD, conditioning.TOLD[name], 0.1)
    for player, size, tells in ((game.G, TOLD.z, G), (game.D, 196, D)):
        a = Tensor(np.random.default_rng(0).standard_normal((1, size)).astype(np.float32))
        assert np.array_equal(*(player(a, np.array([c])).numpy() for c in (3, 7))) != tells
        assert player.parameters()[0].shape == (size + 10 * tells, TOLD.width)


@pytest.mark.parametrize("kind", conditioning.RARE)
def test_of_the_rare_class_few_images_are_seen_and_of_the_others_all(kind, record):
    nine, calls = kind == "with nine", record(conditioning, "train", lambda game, *rest, seen: rest[-1](game))
    x, y = np.arange(70.0).reshape(70, 1, 1, 1) / 70 * np.ones((1, 1, 28, 28)), np.arange(70) % 10
    found = conditioning.experiment(kind, 13, x, y, metrics.Judge(np.random.default_rng(0)), TOLD)
    batches = [next(calls[0].batches) for _ in range(40)]
    seen = np.concatenate([batch[0] for batch in batches] if nine else batches)
    rows = np.rint((seen[:, 0] + 1) / 2 * 70).astype(int)  # which of the 70
    few = set(rows[y[rows] == 3])
    assert few == {int(i) for i in np.rint(found["few"][:, 0, 0, 0] * 70)}
    assert len(few) == TOLD.few
    assert set(rows[y[rows] != 3]) == (set(np.flatnonzero(y != 3)) if nine else set())
    if nine:
        np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), y[rows])
        assert (y[rows] == 3).mean() == pytest.approx(0.1, abs=0.03)  # as frequent as the others
    assert found["nearest"] == np.median(metrics.nearest_distances(found["end"], found["few"]))


def test_a_pyramid_is_rebuilt_exactly_and_gs_condition_is_a_real_coarse_image_with_fresh_noise():
    x = images()
    parts = pyramid.build(x, 2)
    np.testing.assert_allclose(pyramid.rebuild(parts), x, atol=1e-6)
    np.testing.assert_allclose(parts[-1], x.reshape(10, 1, 7, 4, 7, 4).mean(axis=(3, 5)), atol=1e-6)
    np.testing.assert_allclose(pyramid.down(pyramid.up(x)), x, atol=1e-6)
    # A known mistake: levels that learn from what the level above has made, not from real coarse images.
    small = images(5, 14)
    prior = pyramid.RealCondition(small)
    drawn = np.concatenate([prior(8), prior(8)])
    assert {image.tobytes() for image in drawn[:, 0].copy()} <= {image.tobytes() for image in small}
    assert len({plane.tobytes() for plane in drawn[:, 1:].reshape(64, 14, 14)}) == 64
    assert drawn[:, 1:].std() == pytest.approx(1, abs=0.05)


def test_g_makes_the_residual_of_its_condition_which_d_sees_too_and_a_sample_is_built_level_by_level():
    """A known mistake: a D that judges h without l takes any residual for real, wherever it belongs.

    The channels of G's network are the upper left pixel under each place, the upper right one, ...
    """
    games, coarse = lapgan.levels(pyramid.gaussian(images(8), 2), PYRAMID), images(4, 7)
    for game, side in zip(games, (14, 7), strict=False):
        game.prior.noise = partial(lambda side, n: np.zeros((n, 4, side, side), np.float32), side)
    _, small, large = lapgan.refine(games[:2], coarse)
    G = games[0].average.module
    four = (G.network(Tensor(np.concatenate([small, *[0 * small] * 4], axis=1))) + G.linear(Tensor(small))).numpy()
    for channel, (i, j) in enumerate(itertools.product((0, 1), (0, 1))):
        np.testing.assert_allclose((large - pyramid.up(small))[:, 0, i::2, j::2], four[:, channel], rtol=1e-4, atol=1e-6)
    pair = np.concatenate([large - pyramid.up(small), pyramid.up(small)], axis=1)
    of_pair, of_sum = games[0].D(Tensor(pair)).numpy(), games[0].D.network(Tensor(large)).numpy()
    np.testing.assert_allclose(of_pair, of_sum, rtol=1e-4, atol=1e-6)


def test_a_level_begins_at_the_linear_map_with_the_least_squared_error():
    rng = np.random.default_rng(0)
    weight, bias = (v - v.mean(axis=0) for v in (rng.standard_normal((4, 1, 5, 5)), rng.standard_normal(4)))
    G = pyramid.Residual(lambda small_and_z: 0.0, np.float32(weight), np.float32(bias))
    pair = G(Tensor(rng.standard_normal((50, 5, 7, 7)).astype(np.float32))).numpy()
    for true, found in zip((weight, bias), pyramid.least_squares(pair.sum(axis=1, keepdims=True)), strict=True):
        np.testing.assert_allclose(found, true, atol=1e-3)


def test_every_level_learns_from_real_images_of_its_own_size(record, monkeypatch):
    seen = record(lapgan, "train", lambda game, batches, steps, name: [])
    record(lapgan, "look", lambda *rest: {})
    monkeypatch.setattr(digits, "SAMPLES", 8)
    x = (images(8) + 1) / 2
    lapgan.play(lapgan.LAPGAN, 0, None, x, x, PYRAMID)
    real, batches = pyramid.gaussian(2 * x - 1, 2), [next(call.batches) for call in seen]
    for call, batch, own in zip(seen, batches, real, strict=True):
        whole = batch.sum(axis=1, keepdims=True)
        assert max(np.abs(own - image).max(axis=(1, 2, 3)).min() for image in whole) < 1e-6
        if call is not seen[-1]:
            np.testing.assert_allclose(batch[:, 1:], pyramid.up(pyramid.down(whole)), atol=1e-6)
            np.testing.assert_allclose(call.game.prior.small, pyramid.down(own), atol=1e-6)
