"""The tricks: each changes what it says and nothing else; and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.kit import digits
from demos.training import hacks, tricks
from demos.training.tricks import TrickedGAN, Tricks, players
from minigan import Tensor, data, losses, metrics, nn, optim
from minigan.games import GAN
from tests.demos.experiments import broken, judged

QUICK = replace(hacks.Settings(), **hacks.QUICK)
DEFECTS = {
    "none": lambda m: None,
    "no penalty": lambda m: m.setattr(losses, "squared_gradient_norm", lambda v, x: 0.0),
    "D does not train": lambda m: m.setattr(
        TrickedGAN, "descend", lambda self, opt, loss: opt is self.opt_G and GAN.descend(self, opt, loss)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_g_is_worse_where_something_is_wrong(defect, monkeypatch):
    x, y = data.glyphs(3000)
    judge = metrics.train_judge(x, y, steps=300)
    DEFECTS[defect](monkeypatch)
    found = hacks.play_and_judge(Tricks(), 1000, replace(hacks.Settings(), steps=400, samples=500), x, judge)
    assert (found["frechet"] < 800) == (defect == "none")


def runs(*distances, classes=10):
    return [{"frechet": d, "classes": classes} for d in distances]


BETTER, WORSE = (runs(100, 110, 120), runs(200, 210, 220)), (runs(200, 210, 220), runs(100, 110, 120))
ALIKE = runs(100, 110, 120), runs(110, 115, 125)


def made_up(classes=10, **others):
    sides = dict.fromkeys(hacks.ROWS, ALIKE) | {"leaky": BETTER, "norm_dense": WORSE, "norm_conv_r1": BETTER} | others
    return [*runs(100, 100), *runs(100, classes=classes)], {"frechet": 9.0}, sides


@pytest.mark.parametrize(
    ("changed", "misses"),
    [
        ({}, []),
        ({"soft": WORSE, "tanh": BETTER, "noise": BETTER}, []),  # whichever way
        ({"leaky": ALIKE}, ["leaky_log_ratio"]),
        ({"leaky": WORSE}, ["leaky_log_ratio"]),
        ({"norm_dense": ALIKE}, ["norm_dense_log_ratio"]),
        ({"norm_conv_r1": WORSE}, ["norm_conv_r1_log_ratio"]),
        ({"classes": 9}, ["base_classes"]),  # in one seed
    ],
)
def test_what_the_claim_asks_for(changed, misses):
    assert broken(judged(hacks.measure, *made_up(**changed))) == set(misses)


def test_the_ratio_is_of_geometric_means_and_a_verdict_needs_one_beyond_chance():
    m = judged(hacks.measure, *made_up(soft=WORSE, tanh=BETTER)).metrics
    assert m["soft_log_ratio"] == pytest.approx(np.log(200 * 210 * 220 / (100 * 110 * 120)) / 3)
    assert m["soft_with"] == pytest.approx((200 * 210 * 220) ** (1 / 3))
    assert [m[f"tips_that_{name}"] for name in ("help", "hurt", "make_no_difference")] == [2, 1, 4]


# --- the tricks ---------------------------------------------------------------------------------------------------------


def game(chosen, G=None, D=None, steps=10, r1=0.0):
    mg.seed(0)
    if G is None:
        G, D = players(chosen, 4, 8)
    rules = [optim.SGD(player.parameters(), 0.1) for player in (G, D)]
    return TrickedGAN(G, D, data.noise(4), *rules, tricks=chosen, steps=steps, r1=r1)


@pytest.mark.parametrize("chosen", [Tricks(), Tricks(r1=False)])
def test_the_base_is_the_gan_of_the_other_demos(chosen):
    x = 2 * data.glyphs(40)[0] - 1
    mg.seed(0)
    G, D = digits.dense_players(4, 8)
    plain = GAN(G, D, data.noise(4), *(optim.SGD(player.parameters(), 0.1) for player in (G, D)), r1=2.0 * chosen.r1)
    tricked = game(chosen, r1=2.0)
    for _ in range(3):
        assert tricked.step(iter([x])) == plain.step(iter([x]))


def test_every_trick_changes_its_own_layers():
    def layers(chosen):
        return [[type(layer).__name__ for layer in player] for player in players(chosen, 4, 8)]

    G, D = layers(Tricks())
    assert layers(Tricks(tanh=False)) == [[name.replace("Tanh", "Sigmoid") for name in G], D]
    assert layers(Tricks(leaky=False)) == [[name.replace("LeakyReLU", "ReLU") for name in names] for names in (G, D)]
    for norm in ("apart", "mixed"):
        assert layers(Tricks(norm=norm)) == [G, [*D[:4], "BatchNorm1d", *D[4:]]]
    dropped, same = layers(Tricks(dropout=0.5))
    assert [name for name in dropped if name != "Dropout"] == G == dropped[:2] + dropped[3:5] + dropped[6:]
    assert layers(Tricks(soft=True, sgd=True, noise=0.3, sphere=False)) == [G, D] == [G, same]


@pytest.mark.parametrize("norm", ["apart", "mixed"])
def test_batch_norm_sees_the_minibatches_apart_or_as_one(norm):
    x, fake = (np.random.default_rng(0).normal(shift, 1, (50, 2)).astype(np.float32) for shift in (-5, 5))
    played = game(Tricks(norm=norm), nn.Dense(4, 2), nn.BatchNorm1d(2))
    both = np.concatenate([x, fake])
    for v, a in zip(played.logits(Tensor(x), Tensor(fake)), (x, fake), strict=True):
        of = a if norm == "apart" else both
        np.testing.assert_allclose(v.numpy(), (a - of.mean(axis=0)) / np.sqrt(of.var(axis=0) + 1e-5), atol=1e-4)


def test_labels_are_within_three_tenths_of_the_right_one_but_for_one_in_twenty():
    real, fake = (tricks.soft_labels(label, (20_000, 1), np.random.default_rng(0)) for label in (1, 0))
    for off in (1 - real, fake):
        assert 0 <= off.min() < off.max() <= 1
        assert not ((off > 0.3) & (off < 0.7)).any()
        assert (off > 0.5).mean() == pytest.approx(0.05, abs=0.01)
        assert off[off < 0.5].mean() == pytest.approx(0.15, abs=0.01)
    sure, unsure = (Tensor(np.full((100, 1), v, np.float32)) for v in (20.0, 1.5))
    for soft in (True, False):  # a D that is sure pays for it
        loss = game(Tricks(soft=soft)).objective
        assert (loss(sure, -1.0 * sure).item() > loss(unsure, -1.0 * unsure).item()) == soft
        assert loss(unsure, -1.0 * unsure).item() < loss(-1.0 * unsure, unsure).item()


def test_over_a_game_the_noise_that_d_sees_falls_step_by_step_to_0():
    seen, played = [], game(Tricks(noise=0.4), nn.Dense(4, 100), nn.Dense(100, 1), steps=4)
    forward = played.blurred
    played.blurred = lambda x: seen.append(forward(x)) or seen[-1]
    for std in (0.4, 0.3, 0.2, 0.1, 0.0):
        seen.clear()
        played.step(iter([np.zeros((100, 100), np.float32)]))
        assert seen[0].numpy().std() == pytest.approx(std, rel=0.05)  # without noise, all pixels are 0


def test_the_penalty_is_on_the_same_change_of_the_image_in_either_unit():
    assert [game(chosen, r1=2.0).r1 for chosen in (Tricks(), Tricks(tanh=False), Tricks(r1=False))] == [2.0, 0.5, 0]


@pytest.mark.parametrize(
    ("chosen", "length", "lr", "batch", "kind"),
    [
        (Tricks(), 1, 0.1, 3, "sphere"),
        (Tricks(tanh=False, sphere=False), 1, 0.1, 3, "uniform"),
        (Tricks(sgd=True), 1, 0.15, 3, "sphere"),
        (Tricks(norm="mixed"), 2, 0.2, 3, "sphere"),
        (Tricks(norm="apart", conv=True), 3, 0.2, 4, "sphere"),
    ],
)
def test_a_game_is_played_as_it_was_chosen_and_its_samples_are_pixels(chosen, length, lr, batch, kind, monkeypatch, record):
    steps, priors = [], record(data, "noise", data.noise)

    def step(game, batches):
        images = next(batches)
        steps.append((game.steps, game.opt_D.lr, len(images), images.min()))

    monkeypatch.setattr(TrickedGAN, "step", step)
    s = replace(QUICK, steps=1, lr=0.1, batch=3, norm_steps=2, norm_lr=0.2, conv_steps=3, conv_batch=4)
    samples = hacks.play(chosen, data.glyphs(40)[0], s, 0)
    assert samples.shape == (200, 1, 28, 28)
    assert 0.3 < samples.mean() < 0.7  # a G that has learnt nothing draws grey
    assert len(steps) == hacks.length(chosen, s) == length
    assert steps[0] == pytest.approx((length, lr, batch, -1 if chosen.tanh else 0))
    assert [call.kind for call in priors] == [kind]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_with_dropout_the_same_z_gives_other_samples(dropout, monkeypatch):
    monkeypatch.setattr(data, "noise", lambda d, kind: lambda m: np.ones((m, d), np.float32))
    samples = hacks.play(Tricks(dropout=dropout), data.glyphs(40)[0], replace(QUICK, steps=1), 0)
    assert (np.ptp(samples, axis=0).max() > 1e-3) == (dropout > 0)


def test_every_trick_is_played_with_and_without_on_the_same_seeds_and_images(main, record, two_sets):
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    played = record(hacks, "play", lambda chosen, x, s, seed: (repr(chosen), seed))
    quality = record(metrics, "image_quality", lambda samples, *rest: samples)
    measured = record(hacks, "measure")
    main(hacks, conv_seeds=3)
    for key, row in hacks.ROWS.items():
        for runs, change in zip(measured[0].sides[key], (row.on, row.off), strict=True):
            chosen = replace(Tricks(), **change)
            assert runs == [(repr(chosen), seed) for seed in ((5, 6, 7) if chosen.conv else (5, 6))]
    assert measured[0].base == [(repr(Tricks()), seed) for seed in (5, 6)]
    assert measured[0].real is quality[-1].samples
    np.testing.assert_array_equal(measured[0].real, two_sets.others)
    assert all((call.x == two_sets.x).all() for call in (*played, *judge))
    assert all(call.judge == "judge" and (call.train == two_sets.x).all() for call in quality)
