"""Published tricks and techniques: each is its formula, and changes nothing else."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import minigan as mg
from demos.kit import digits
from demos.training import improved, semi_supervised, tricks
from demos.training.techniques import History, ImprovedGAN, smoothed_loss
from demos.training.tricks import TrickedGAN, Tricks, players
from minigan import Tensor, data, nn, optim
from minigan.games import GAN

IMAGES = 2 * data.glyphs(20)[0] - 1


def game(kind=GAN, G=None, D=None, lr=0.1, **options):
    """Of the dense players, unless others are given."""
    mg.seed(0)
    G, D = digits.dense_players(4, 8) if G is None else (G, D)
    return kind(G, D, data.noise(4), *(optim.SGD(player.parameters(), lr) for player in (G, D)), **options)


def tricked(G=None, D=None, steps=10, r1=0.0, **chosen):
    return game(TrickedGAN, G, D, tricks=Tricks(**chosen), steps=steps, r1=r1)


@pytest.mark.parametrize(("other", "r1"), [(tricked, 0.0), (tricked, 2.0), (partial(game, ImprovedGAN), None)])
def test_without_any_technique_the_games_are_the_gan_of_the_other_demos(other, r1):
    option = {} if r1 is None else {"r1": r1}
    one, twin = ([played.step(iter([IMAGES])) for _ in range(3)] for played in (game(**option), other(**option)))
    assert twin == [pytest.approx(figures, rel=1e-5) for figures in one]


def test_every_trick_changes_its_own_layers():
    def layers(**chosen):
        return [[type(layer).__name__ for layer in player] for player in players(Tricks(**chosen), 4, 8)]

    G, D = layers()
    assert layers(tanh=False) == [[name.replace("Tanh", "Sigmoid") for name in G], D]
    assert layers(leaky=False) == [[name.replace("LeakyReLU", "ReLU") for name in names] for names in (G, D)]
    assert layers(norm="apart") == layers(norm="mixed") == [G, [*D[:4], "BatchNorm1d", *D[4:]]]
    assert layers(dropout=0.5) == [[*G[:2], "Dropout", *G[2:4], "Dropout", *G[4:]], D]
    assert layers(soft=True, sgd=True, noise=0.3, sphere=False) == [G, D]


@pytest.mark.parametrize("norm", ["apart", "mixed"])
def test_batch_norm_sees_the_minibatches_apart_or_as_one(norm):
    x, fake = (np.random.default_rng(0).normal(shift, 1, (50, 2)).astype(np.float32) for shift in (-5, 5))
    played = tricked(nn.Dense(4, 2), nn.BatchNorm1d(2), norm=norm)
    for v, a in zip(played.logits(Tensor(x), Tensor(fake)), (x, fake), strict=True):
        seen = a if norm == "apart" else np.concatenate([x, fake])
        np.testing.assert_allclose(v.numpy(), (a - seen.mean(axis=0)) / np.sqrt(seen.var(axis=0) + 1e-5), atol=1e-4)


def test_labels_are_within_three_tenths_of_the_right_one_but_for_one_in_twenty():
    real, fake = (tricks.soft_labels(label, (20_000, 1), np.random.default_rng(0)) for label in (1, 0))
    for off in (1 - real, fake):
        assert 0 <= off.min() < off.max() <= 1
        assert not ((off > 0.3) & (off < 0.7)).any()
        assert (off > 0.5).mean() == pytest.approx(0.05, abs=0.01)
        assert off[off < 0.5].mean() == pytest.approx(0.15, abs=0.01)
    sure, unsure = (Tensor(np.full((100, 1), v, np.float32)) for v in (20.0, 1.5))
    for soft in (True, False):  # a D that is sure pays for it
        loss = tricked(soft=soft).objective
        assert (loss(sure, -1.0 * sure).item() > loss(unsure, -1.0 * unsure).item()) == soft


def test_over_a_game_the_noise_falls_to_0_and_the_penalty_is_on_the_same_change_of_the_image_in_either_unit():
    played, still = tricked(nn.Dense(4, 9), nn.Dense(9, 1), steps=4, noise=0.4), Tensor(np.zeros((99, 99), np.float32))
    for std in (0.4, 0.3, 0.2, 0.1, 0.0):
        assert played.blurred(still).numpy().std() == pytest.approx(std, rel=0.05)
        played.step(iter([np.zeros((20, 9), np.float32)]))
    assert [tricked(r1=2.0, tanh=tanh).r1 for tanh in (True, False)] == [2.0, 0.5]


@pytest.mark.parametrize(("side", "beta"), [("one-sided", 0.0), ("two-sided", 0.1)])
def test_the_best_d_is_alpha_p_plus_beta_q_over_p_plus_q(side, beta):
    """Where both densities are the same, it is (alpha + beta) / 2: 0.45, not 0.475, with one side."""
    p, q = improved.P.density(improved.X), improved.Q.density(improved.X)
    best = (0.9 * p + beta * q) / (p + q)
    np.testing.assert_allclose(improved.best(side, improved.QUICK), best)
    assert np.abs(improved.smooth(side, 0, improved.QUICK) - best)[p + q > 0.05].max() < 0.15
    v = Tensor(np.full((1, 1), np.log((0.9 + beta) / (1.1 - beta))), requires_grad=True)
    assert abs(mg.grad(smoothed_loss(v, v, 0.9, beta), v)[0].item()) < 1e-9


def test_only_the_real_samples_are_smoothed_in_the_game_and_not_in_gs_loss():
    plain, smooth = (game(ImprovedGAN, lr=0.0, alpha=alpha) for alpha in (1.0, 0.7))
    one, other = (played.step(iter([IMAGES])) for played in (plain, smooth))
    v = plain.D(Tensor(IMAGES)).numpy()
    assert other["loss_D"] - one["loss_D"] == pytest.approx(0.3 * v.mean(), rel=1e-3)  # of -log D and -log(1 - D)
    assert other["loss_G"] == one["loss_G"]


def test_the_price_is_the_squared_distance_from_the_mean_of_the_past_which_is_a_constant():
    p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    past, seen = History([p]), [[1.0, 2.0], [3.0, 2.0], [8.0, -1.0]]
    for value in seen:
        p.data[...] = value  # in place: the past must not follow
        past.add()
    p.data = np.array([5.0, 5.0])
    off = p.numpy() - np.mean(seen, axis=0)
    assert past.price().item() == pytest.approx((off**2).sum(), rel=1e-14)
    np.testing.assert_allclose(mg.grad(past.price(), p)[0].numpy(), 2 * off, rtol=1e-14)  # the mean does not follow p


def test_the_toy_game_is_the_papers():
    """A step by hand where f is x^2; and with its past, the step after the first pays for it."""
    s = replace(improved.QUICK, toy_lr=0.1, toy_steps=2)
    first, (x, y), (x_plain, y_plain) = improved.toy(s, 0.0)
    assert (*first, x, y) == pytest.approx((2, 0, 2 - 0.1 * (2 * 2) * (0 - 1), 0 + 0.1 * (4 - 1)))
    paid = x_plain - 0.1 * 0.5 * 2 * (x - 2), y_plain - 0.1 * 0.5 * 2 * (y - 0)
    assert improved.toy(s, 0.5)[2] == pytest.approx(paid, rel=1e-6)


def test_alone_d_sees_only_labelled_images_which_are_as_many_of_each_class():
    s = semi_supervised.Settings(steps=4, width=8, batch=25, z=4, labels=20, looks=2)
    x, y = data.glyphs(200)
    one = {kind: semi_supervised.train(kind, 3, s, x, y, (x, y)) for kind in ("gan", "alone")}
    known = np.isin([image.tobytes() for image in x], [image.tobytes() for image in one["alone"]["labelled"]])
    assert np.bincount(y[known]).tolist() == [2] * 10
    np.testing.assert_array_equal(one["gan"]["labelled"], one["alone"]["labelled"])
    other = np.where(known[:, None, None, None], x, 1 - x)
    for kind in ("gan", "alone"):
        again = semi_supervised.train(kind, 3, s, other, y, (x, y))
        assert np.array_equal(again["error"], one[kind]["error"]) == (kind == "alone")


def test_noise_is_on_in_training_alone():
    x, noise = Tensor(np.zeros((200, 50), np.float32)), semi_supervised.Noise(0.3)
    assert (noise(x).numpy().std(), noise(x).numpy().mean()) == pytest.approx((0.3, 0), abs=0.02)
    assert noise.eval()(x) is x
