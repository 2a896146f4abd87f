"""LAPGAN's demo: the pyramid, its levels as games of pairs, and the bounds of made-up runs."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.architectures import lapgan as demo
from demos.architectures import pyramid, shortcomings
from demos.kit import digits
from minigan import Tensor, nn, optim
from minigan.games import GAN
from tests.demos.experiments import judged

TINY = replace(demo.Settings(), steps=2, z=3, width=6, channels=2, batch=4, conv_batch=4)


def images(n=10, side=28, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, side, side)).astype(np.float32)


def test_a_pyramid_is_rebuilt_exactly_and_up_and_down_are_partners():
    x = images()
    parts = pyramid.build(x, 2)
    assert [part.shape[2] for part in parts] == [28, 14, 7]
    np.testing.assert_allclose(pyramid.rebuild(parts), x, atol=1e-6)
    np.testing.assert_allclose(parts[-1], x.reshape(10, 1, 7, 4, 7, 4).mean(axis=(3, 5)), atol=1e-6)
    np.testing.assert_allclose(pyramid.down(pyramid.up(x)), x, atol=1e-6)
    for h in parts[:-1]:
        np.testing.assert_allclose(pyramid.down(h), 0, atol=1e-6)  # nothing is left in h that the coarse image has
    np.testing.assert_array_equal(pyramid.enlarged(parts[-1], 28), np.kron(parts[-1], np.ones((4, 4))))


def test_a_real_pair_is_the_residual_and_what_it_is_added_to():
    x = images()
    pair = next(pyramid.Pairs(x, 10))
    whole = pair.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(whole[np.lexsort(whole[:, 0, 0, :3].T)], x[np.lexsort(x[:, 0, 0, :3].T)], atol=1e-6)
    np.testing.assert_allclose(pair[:, 1:], pyramid.up(pyramid.down(whole)), atol=1e-6)


def test_gs_condition_is_a_real_coarse_image_and_its_noise_is_fresh():
    """A known mistake: levels that learn from what the level above has made, not from real coarse images."""
    small = images(5, 14)
    prior = pyramid.RealCondition(small)
    drawn = np.concatenate([prior(8), prior(8)])
    assert {image.tobytes() for image in drawn[:, 0].copy()} <= {image.tobytes() for image in small}
    assert len(np.unique(drawn[:, 1])) == drawn[:, 1].size
    assert drawn[:, 1].std() == pytest.approx(1, abs=0.05)


def level():
    """The game of 8 x 8 pixels in float64: small networks, and smooth ones, so that finite differences meet no kink."""
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 4, 3, padding=1))
    judge = nn.Sequential(nn.Conv2d(1, 2, 4, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Dense(32, 1))
    G, D = pyramid.Residual(network), pyramid.OfSum(judge)
    for p in (*G.parameters(), *D.parameters()):
        p.data = p.data.astype("float64")
    rules = optim.Adam(G.parameters(), 0.01), optim.Adam(D.parameters(), 0.01)
    return GAN(G, D, pyramid.RealCondition(images(8, 4)), *rules)


def test_g_makes_the_residual_and_hands_its_condition_on():
    """The network's channels are the upper left pixel under each place, the upper right one, ..."""
    game, small = level(), images(4, 4)
    planes = game.prior.beside_noise(small)
    pair, four = game.sample(4, z=planes), game.G.network(Tensor(planes)).numpy()
    np.testing.assert_array_equal(planes[:, :1], small)
    np.testing.assert_array_equal(pair[:, 1:], pyramid.up(small))
    for channel, (i, j) in enumerate(itertools.product((0, 1), (0, 1))):
        np.testing.assert_allclose(pair[:, 0, i::2, j::2], four[:, channel], rtol=1e-5, atol=1e-6)


def test_d_sees_the_residual_together_with_its_condition():
    """A known mistake: a D that judges h without l takes any residual for real, wherever it belongs."""
    game = level()
    h, low = (images(4, 8, seed) for seed in range(2))
    judged = game.D(Tensor(np.concatenate([h, low], axis=1))).numpy()
    np.testing.assert_allclose(judged, game.D.network(Tensor(h + low)).numpy(), rtol=1e-5, atol=1e-6)


def test_a_levels_gradients_are_the_slopes_of_its_losses():
    assert mg.gradcheck(level(), next(pyramid.Pairs(images(4, 8), 4)), rtol=1e-6)


def test_every_level_learns_from_real_images_of_its_own_size(record, monkeypatch):
    seen = record(demo, "train", lambda game, batches, steps, name: [])
    record(demo, "look", lambda *rest: {"Frechet distance": 1.0})
    monkeypatch.setattr(digits, "SAMPLES", 8)
    x = (images(8) + 1) / 2
    demo.play(demo.LAPGAN, 0, None, x, TINY)
    real = pyramid.gaussian(2 * x - 1, 2)
    batches = [next(call.batches) for call in seen]
    assert [batch.shape[1:] for batch in batches] == [(2, 28, 28), (2, 14, 14), (1, 7, 7)]
    assert [call.steps for call in seen] == [TINY.steps, TINY.steps, TINY.coarse_steps]
    for call, batch, own, small in zip(seen[:2], batches, real, real[1:], strict=False):
        assert max(np.abs(own - image).max(axis=(1, 2, 3)).min() for image in batch.sum(axis=1, keepdims=True)) < 1e-6
        np.testing.assert_allclose(call.game.prior.small, small, atol=1e-6)


def test_a_sample_is_built_from_the_coarsest_on():
    games = demo.levels(images(8), TINY)
    coarse = games[-1].sample(5)
    assert [v.shape for v in demo.refine(games, coarse)] == [(5, 1, 7, 7), (5, 1, 14, 14), (5, 1, 28, 28)]
    for game in games[:-1]:
        for p in game.G.network[-1].parameters():
            p.data = np.zeros_like(p.data)  # no residual
    np.testing.assert_array_equal(demo.refine(games, coarse)[-1], pyramid.enlarged(coarse, 28))


def test_a_single_gan_has_as_many_parameters():
    s = demo.Settings()
    games, one = demo.levels(images(1), s), demo.single(s)
    for player in "GD":
        total = sum(shortcomings.parameters(getattr(game, player)) for game in games)
        assert shortcomings.parameters(getattr(one, player)) == pytest.approx(total, rel=0.01)


@pytest.mark.parametrize(("lapgan", "holds"), [([100, 110, 105], True), ([100, 300, 105], True), ([300, 310, 305], False)])
def test_which_is_nearer_is_decided_by_the_means(lapgan, holds):
    def runs(distances):
        rest = {"clear digits": 0.5, "seconds": 10.0, "Frechet distance, real coarse images": 50.0}
        return [{"Frechet distance": d, **rest} for d in distances]

    claim = judged(demo.measure, {demo.LAPGAN: runs(lapgan), demo.SINGLE: runs([200, 210, 220])})
    assert claim.holds == {"Frechet distance, LAPGAN / one scale": holds}
    assert claim.metrics["seconds of the single GAN for each of LAPGAN"] == 1
