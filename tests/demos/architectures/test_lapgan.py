"""LAPGAN's demo: the pyramid, its levels as games of pairs, a step of one by hand, and a claim that mistakes break."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.architectures import lapgan as demo
from demos.architectures import pyramid, shortcomings
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, nn, optim
from minigan.games import GAN
from tests.demos.running import assert_shows_something, smaller_run, summary_of
from tests.games import players, reference
from tests.helpers.states import assert_same

TINY = replace(demo.Settings(), steps=2, z=3, width=6, channels=2, batch=4, conv_batch=4)


def images(n=10, side=28, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, side, side)).astype(np.float32)


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=3, coarse_steps=4, single_steps=4, width=8)
    assert {path.name for path in out.iterdir()} == {"lapgan.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "lapgan.png")
    assert summary_of(out)["holds"] == {"largest error of a pixel that is taken apart and rebuilt": True}


# --- the pyramid --------------------------------------------------------------------------------------------------------


def test_a_pyramid_is_rebuilt_exactly():
    x = images()
    parts = pyramid.build(x, 2)
    assert [part.shape[2] for part in parts] == [28, 14, 7]
    np.testing.assert_allclose(pyramid.rebuild(parts), x, atol=1e-6)
    np.testing.assert_allclose(parts[-1], x.reshape(10, 1, 7, 4, 7, 4).mean(axis=(3, 5)), atol=1e-6)


def test_up_and_down_are_partners():
    x = images(side=14)
    np.testing.assert_allclose(pyramid.down(pyramid.up(x)), x, atol=1e-6)
    for h in pyramid.build(x, 1)[:-1]:
        np.testing.assert_allclose(pyramid.down(h), 0, atol=1e-6)  # nothing is left in h that the coarse image says


def test_another_up_than_the_one_that_it_was_built_with_is_noticed(monkeypatch):
    x = images()
    parts = pyramid.build(x, 2)
    monkeypatch.setattr(pyramid, "up", lambda v: np.kron(v, np.array([[1.0, 0.0], [0.0, 0.0]])))
    assert np.abs(pyramid.rebuild(parts) - x).max() > 0.1


def test_enlarged_images_are_as_large_as_asked_for():
    assert pyramid.enlarged(images(side=7), 28).shape == pyramid.enlarged(images(), 28).shape == (10, 1, 28, 28)


# --- a level as a game ----------------------------------------------------------------------------------------------------


def test_a_real_pair_is_the_residual_and_what_it_is_added_to():
    x = images()
    pair = next(pyramid.Pairs(x, 10))
    whole = pair.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(whole[np.lexsort(whole[:, 0, 0, :3].T)], x[np.lexsort(x[:, 0, 0, :3].T)], atol=1e-6)
    np.testing.assert_allclose(pair[:, 1:], pyramid.up(pyramid.down(whole)), atol=1e-6)


def test_gs_condition_is_a_real_coarse_image_and_its_noise_is_fresh():
    """A known mistake: levels that learn from what the level above has made, not from real coarse images."""
    mg.seed(0)
    small = images(5, 14)
    prior = pyramid.RealCondition(small)
    drawn = np.concatenate([prior(8), prior(8)])
    assert {image.tobytes() for image in drawn[:, 0].copy()} <= {image.tobytes() for image in small}
    assert len(np.unique(drawn[:, 1])) == drawn[:, 1].size
    assert drawn[:, 1].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("make", [lambda x: pyramid.Pairs(x, 4), lambda x: Called(pyramid.RealCondition(x))])
def test_a_levels_data_and_prior_go_on_where_they_stood(make):
    mg.seed(1)
    there = make(images())
    next(there)
    state = there.state_dict()
    expected = [next(there) for _ in range(3)]
    mg.seed(2)
    again = make(images())
    again.load_state_dict(state)
    for array in expected:
        np.testing.assert_array_equal(next(again), array)


class Called:
    """A prior as an iterator."""

    def __init__(self, prior):
        self.prior, self.state_dict, self.load_state_dict = prior, prior.state_dict, prior.load_state_dict

    def __next__(self):
        return self.prior(4)


def level(dtype="float32"):
    """The game of 8 x 8 pixels: small networks, and smooth ones, so that finite differences meet no kink."""
    mg.seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 4, 3, padding=1))
    judge = nn.Sequential(nn.Conv2d(1, 2, 4, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Dense(32, 1))
    G, D = pyramid.Residual(network), pyramid.OfSum(judge)
    if dtype == "float64":
        players.in_float64(G, D)
    rules = optim.Adam(G.parameters(), 0.01), optim.Adam(D.parameters(), 0.01)
    return GAN(G, D, pyramid.RealCondition(images(8, 4)), *rules)


def under(four):
    """(N, 4, H, W) -> (N, 1, 2 H, 2 W): the first two channels are the upper pixels under each place, from left to right."""
    whole = np.zeros((len(four), 1, 2 * four.shape[2], 2 * four.shape[3]), four.dtype)
    for channel, (i, j) in enumerate(itertools.product((0, 1), (0, 1))):
        whole[:, 0, i::2, j::2] = four[:, channel]
    return whole


def test_g_makes_the_residual_and_hands_its_condition_on():
    game, small = level(), images(4, 4)
    planes = game.prior.beside_noise(small)
    pair = game.sample(4, z=planes)
    np.testing.assert_array_equal(planes[:, :1], small)
    np.testing.assert_array_equal(pair[:, 1:], pyramid.up(small))
    np.testing.assert_allclose(pair[:, :1], under(game.G.network(Tensor(planes)).numpy()), rtol=1e-5, atol=1e-6)


def test_d_sees_the_residual_together_with_its_condition():
    """A known mistake: a D that judges h without l takes any residual for real, wherever it belongs."""
    game = level()
    h, low, other = (images(4, 8, seed) for seed in range(3))
    judged = [game.D(Tensor(np.concatenate([h, l], axis=1))).numpy() for l in (low, other)]
    assert np.abs(judged[0] - judged[1]).min() > 1e-4
    np.testing.assert_allclose(judged[0], game.D.network(Tensor(h + low)).numpy(), rtol=1e-5, atol=1e-6)


def test_a_levels_gradients_are_the_slopes_of_its_losses():
    game = level("float64")
    assert mg.gradcheck(game, next(pyramid.Pairs(images(4, 8), 4)), rtol=1e-6)


def test_25_iterations_of_a_level_agree_with_a_reference_by_hand():
    """The pair's two halves enter D as their sum: what comes back for the sum is what comes back for h."""
    game = level("float64")
    rules = reference.Adam(0.01), reference.Adam(0.01)

    class ByHand(reference.Net):
        """The network, its pixels put in their places, and l added: what D takes."""

        def forward(self, planes, y=None):
            four, caches = super().forward(planes)
            return under(four) + pyramid.up(planes[:, :1]), caches

        def backward(self, d_whole, caches):
            d_four = [d_whole[:, 0, i::2, j::2] for i, j in itertools.product((0, 1), (0, 1))]
            return super().backward(np.stack(d_four, axis=1), caches)

    G, D = ByHand(*players.by_hand(game.G.network).layers), players.by_hand(game.D.network)
    drawn, prior = [], game.prior
    game.prior = lambda m: drawn.append(prior(m).astype("float64")) or drawn[-1]
    batches = pyramid.Pairs(images(40, 8).astype("float64"), 6)
    for _ in range(25):
        pair = next(batches)
        figures = dict(game.step(iter([pair])))
        whole = pair.sum(axis=1, keepdims=True)
        expected = reference.gan_step(G, D, *rules, [whole], drawn[-2:])
        assert figures.pop("D_accuracy") == pytest.approx(expected.pop("D_accuracy"))  # a share, in float32
        assert figures == pytest.approx(expected, abs=1e-8)
    players.assert_agree(game.G.network, G)
    players.assert_agree(game.D.network, D)


def test_a_saved_level_goes_on_bit_for_bit():
    game, batches = level(), pyramid.Pairs(images(20, 8), 4)
    game.step(batches)
    state, position = game.state_dict(), batches.state_dict()
    for _ in range(3):
        figures = dict(game.step(batches))
    resumed, again = level(), pyramid.Pairs(images(20, 8), 4)
    resumed.load_state_dict(state)
    again.load_state_dict(position)
    for _ in range(3):
        last = dict(resumed.step(again))
    assert last == figures
    assert_same(resumed.state_dict(), game.state_dict())


# --- all levels, and one scale --------------------------------------------------------------------------------------------


def test_every_level_learns_from_real_images_of_its_own_size(monkeypatch):
    seen = []
    monkeypatch.setattr(demo, "train", lambda game, batches, steps, name: seen.append((game, next(batches))))
    monkeypatch.setattr(demo, "look", lambda *rest: {"Frechet distance": 1.0})
    monkeypatch.setattr(digits, "SAMPLES", 8)
    x = (images(8) + 1) / 2
    demo.play(demo.LAPGAN, 0, None, x, TINY)
    real = pyramid.gaussian(2 * x - 1, 2)
    assert [batch.shape[1:] for _, batch in seen] == [(2, 28, 28), (2, 14, 14), (1, 7, 7)]
    for (_, batch), images_of_level in zip(seen[:2], real, strict=False):
        whole = batch.sum(axis=1, keepdims=True)
        assert max(np.abs(images_of_level - image).max(axis=(1, 2, 3)).min() for image in whole) < 1e-6
    for (game, _), small in itertools.islice(zip(seen, real[1:], strict=False), 2):
        np.testing.assert_allclose(game.prior.small, small, atol=1e-6)


def test_a_sample_is_built_from_the_coarsest_on():
    mg.seed(0)
    games = demo.levels(images(8), TINY)
    course = demo.refine(games, games[-1].sample(5))
    assert [v.shape for v in course] == [(5, 1, 7, 7), (5, 1, 14, 14), (5, 1, 28, 28)]
    for game in games[:-1]:
        for p in game.G.network[-1].parameters():
            p.data = np.zeros_like(p.data)  # no residual
    course = demo.refine(games, course[0])
    np.testing.assert_array_equal(course[-1], pyramid.enlarged(course[0], 28))


def test_a_single_gan_has_as_many_parameters():
    s = demo.Settings()
    games, one = demo.levels(images(1), s), demo.single(s)
    for player in "GD":
        total = sum(shortcomings.parameters(getattr(game, player)) for game in games)
        assert shortcomings.parameters(getattr(one, player)) == pytest.approx(total, rel=0.01)


# --- the claim ----------------------------------------------------------------------------------------------------------


def runs(distances, real=50.0):
    return [
        {"Frechet distance": d, "clear digits": 0.5 + i / 100, "seconds": 10.0, "Frechet distance, real coarse images": real}
        for i, d in enumerate(distances)
    ]


@pytest.mark.parametrize(
    ("lapgan", "one", "holds", "word"),
    [
        ([100, 110, 105], [200, 210, 220], True, "(LAPGAN: helps)"),
        ([100, 300, 105], [200, 210, 220], True, "no difference"),
        ([300, 310, 305], [200, 210, 220], False, "(LAPGAN: hurts)"),
    ],
)
def test_which_is_nearer_is_decided_by_the_means_and_said_by_the_interval(lapgan, one, holds, word, tmp_path):
    claim = Claim(start(digits.options(""), ["--out", str(tmp_path)], "lapgan"), {})
    demo.measure(claim, {demo.LAPGAN: runs(lapgan), demo.SINGLE: runs(one)})
    assert claim.holds == {"Frechet distance, LAPGAN / one scale": holds}
    assert word in claim.words(demo.DISTANCES)
    assert claim.metrics["seconds of the single GAN for each of LAPGAN"] == 1
