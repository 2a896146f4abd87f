"""The tricks: each changes what it says and nothing else, and the table says what the figures say."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

import minigan as mg
from demos.kit import digits
from demos.training import hacks, tricks
from demos.training.tricks import TrickedGAN, Tricks, players
from minigan import Tensor, data, metrics, nn, optim
from minigan.games import GAN
from tests.demos.running import assert_shows_something, summary_of

QUICK = replace(hacks.Settings(), **hacks.QUICK)
BAR = tqdm(disable=True)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hacks")
    hacks.main(["--quick", "--out", str(folder)])
    return folder


@pytest.mark.slow
def test_a_quick_run_has_every_tricks_figures_and_of_one_seed_judges_none(out):
    found = summary_of(out)["metrics"]
    for key in hacks.ROWS:
        assert found[f"{key}_difference"] == pytest.approx(found[f"{key}_frechet_with"] - found[f"{key}_frechet_without"])
    assert found["tricks_that_make_no_difference"] == len(hacks.ROWS) == 8
    assert {path.name for path in out.iterdir()} == {"hacks.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "hacks.png")


@pytest.mark.slow
def test_the_base_is_the_same_for_all(out):
    found = summary_of(out)["metrics"]
    sides = [
        found[f"{key}_frechet_{side}"]
        for key, (_, *pair) in hacks.ROWS.items()
        for side, change in zip(("with", "without"), pair, strict=True)
        if not change
    ]
    assert len(sides) == 7
    assert len(set(sides)) == 1


# --- the table ----------------------------------------------------------------------------------------------------------


def runs(*distances):
    return [{"frechet": d, "classes": 10, "confident": 0.5} for d in distances]


@pytest.mark.parametrize(
    ("with_it", "without", "verdict"),
    [
        ((100, 110, 120), (200, 210, 220), hacks.HELPS),
        ((200, 210, 220), (100, 110, 120), hacks.HURTS),
        ((100, 110, 120), (122, 132, 142), hacks.NOTHING),  # 22 apart; 2.776 standard errors are 22.67
        ((100, 110, 120), (123, 133, 143), hacks.HELPS),  # 23 apart
        ((100,), (200,), hacks.NOTHING),  # one seed
        ((100, 100), (200, 200), hacks.NOTHING),  # no spread to judge by
    ],
)
def test_a_verdict_needs_a_difference_beyond_chance(with_it, without, verdict):
    row = hacks.compare("soft", runs(*with_it), runs(*without))
    assert row["verdict"] == verdict
    assert row["difference"] == np.mean(with_it) - np.mean(without)
    if len(with_it) == 3:
        assert row["margin"] == pytest.approx(2.7764 * np.sqrt(100 / 3 + 100 / 3), rel=1e-4)  # 4 degrees of freedom


def test_the_sentence_has_the_verdict_and_the_figures():
    said = hacks.sentence(hacks.compare("sgd", runs(100, 110, 120), runs(200, 210, 220)))
    assert said.startswith("SGD for D, Adam for G: helps (Frechet distance 110 +- 10 with, 210 +- 10 without;")


# --- the tricks ---------------------------------------------------------------------------------------------------------


def game(chosen, G=None, D=None, steps=10):
    mg.seed(0)
    if G is None:
        G, D = players(chosen, 4, 8)
    rules = [optim.SGD(player.parameters(), 0.1) for player in (G, D)]
    return TrickedGAN(G, D, data.noise(4), *rules, tricks=chosen, steps=steps)


def weights(played):
    return [p.numpy().copy() for player in (played.G, played.D) for p in player.parameters()]


def test_the_base_is_the_gan_of_the_other_demos():
    x = 2 * data.glyphs(40)[0] - 1
    mg.seed(0)
    G, D = digits.dense_players(4, 8)
    plain = GAN(G, D, data.noise(4), *(optim.SGD(player.parameters(), 0.1) for player in (G, D)))
    tricked = game(Tricks())
    for _ in range(3):
        plain.step(iter([x]))
        tricked.step(iter([x]))
    for a, b in zip(weights(plain), weights(tricked), strict=True):
        np.testing.assert_array_equal(a, b)


def layers(chosen):
    return [[type(layer).__name__ for layer in player] for player in players(chosen, 4, 8)]


def test_every_trick_changes_its_own_layers():
    G, D = layers(Tricks())
    assert layers(Tricks(tanh=False)) == [[name.replace("Tanh", "Sigmoid") for name in G], D]
    assert layers(Tricks(leaky=False)) == [[name.replace("LeakyReLU", "ReLU") for name in names] for names in (G, D)]
    for norm in ("apart", "mixed"):
        assert layers(Tricks(norm=norm)) == [G, [*D[:4], "BatchNorm1d", *D[4:]]]
    assert [name for name in layers(Tricks(dropout=0.5))[0] if name != "Dropout"] == G
    assert layers(Tricks(dropout=0.5))[0].count("Dropout") == 2
    assert layers(Tricks(dropout=0.5))[1] == layers(Tricks(soft=True, sgd=True, noise=0.3, sphere=False))[1] == D


def test_batch_norm_sees_the_minibatches_apart_or_as_one():
    norm = nn.BatchNorm1d(2)
    x, fake = (np.random.default_rng(0).normal(shift, 1, (50, 2)).astype(np.float32) for shift in (-5, 5))

    def standardised(a, of):
        return (a - of.mean(axis=0)) / np.sqrt(of.var(axis=0) + 1e-5)

    both = np.concatenate([x, fake])
    for kind, own in (("apart", (x, fake)), ("mixed", (both, both))):
        played = game(Tricks(norm=kind), nn.Dense(4, 2), nn.Sequential(norm, nn.Dense(2, 2)))
        played.D[1].weight.data, played.D[1].bias.data = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
        for v, a, of in zip(played.logits(Tensor(x), Tensor(fake)), (x, fake), own, strict=True):
            np.testing.assert_allclose(v.numpy(), standardised(a, of), atol=1e-4)


def test_labels_are_within_three_tenths_of_the_right_one_but_for_one_in_twenty():
    rng = np.random.default_rng(0)
    real, fake = (tricks.soft_labels(label, (20_000, 1), rng) for label in (1, 0))
    assert real.min() >= 0
    assert fake.max() <= 1
    assert not ((real > 0.3) & (real < 0.7)).any()
    assert (real < 0.5).mean() == pytest.approx(0.05, abs=0.01)
    assert (fake > 0.5).mean() == pytest.approx(0.05, abs=0.01)
    assert real[real > 0.5].mean() == pytest.approx(0.85, abs=0.01)
    assert fake[fake < 0.5].mean() == pytest.approx(0.15, abs=0.01)


def test_with_soft_labels_a_d_that_is_sure_pays_for_it():
    sure, unsure = (Tensor(np.full((100, 1), v, np.float32)) for v in (20.0, 1.5))
    soft, hard = game(Tricks(soft=True)), game(Tricks())
    assert soft.objective(sure, -1.0 * sure).item() > soft.objective(unsure, -1.0 * unsure).item()
    assert soft.objective(unsure, -1.0 * unsure).item() < soft.objective(-1.0 * unsure, unsure).item()
    assert hard.objective(sure, -1.0 * sure).item() < hard.objective(unsure, -1.0 * unsure).item()


def test_the_noise_falls_linearly_to_0():
    played, x = game(Tricks(noise=0.4), steps=8), Tensor(np.zeros((100, 100), np.float32))
    for t, std in ((0, 0.4), (4, 0.2), (6, 0.1)):
        played.t = t
        assert played.blurred(x).numpy().std() == pytest.approx(std, rel=0.05)
    played.t = 8
    assert played.blurred(x) is x


def test_samples_are_pixels_and_with_dropout_the_same_z_gives_others(monkeypatch):
    x = data.glyphs(40)[0]
    for chosen in (Tricks(), Tricks(tanh=False), Tricks(sgd=True)):
        samples = hacks.play(chosen, x, replace(QUICK, steps=1), 0, BAR)
        assert samples.shape == (200, 1, 28, 28)
        assert samples.min() >= 0
        assert samples.max() <= 1
        assert 0.3 < samples.mean() < 0.7  # a G that has learnt nothing draws grey
    monkeypatch.setattr(data, "noise", lambda d, kind: lambda m: np.ones((m, d), np.float32))
    assert np.ptp(hacks.play(Tricks(), x, replace(QUICK, steps=1), 0, BAR), axis=0).max() < 1e-5
    assert np.ptp(hacks.play(Tricks(dropout=0.5), x, replace(QUICK, steps=1), 0, BAR), axis=0).max() > 1e-3


def test_z_lies_on_a_sphere_or_in_a_cube(monkeypatch):
    asked = []
    noise = data.noise
    monkeypatch.setattr(data, "noise", lambda d, kind: asked.append(kind) or noise(d, kind))
    for sphere in (True, False):
        hacks.play(Tricks(sphere=sphere), data.glyphs(40)[0], replace(QUICK, steps=1), 0, BAR)
    assert asked == ["sphere", "uniform"]


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_every_trick_is_played_with_and_without_on_the_same_seeds_and_images(main, record, two_sets):
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    played = record(hacks, "play", lambda chosen, x, s, seed, bar: (repr(chosen), seed))
    quality = record(metrics, "image_quality", lambda samples, *rest: samples)
    compared = record(hacks, "compare", lambda key, *sides: {"key": key, "difference": 0.0})
    measured = record(hacks, "measure")
    record(hacks, "sentence", lambda row: row["key"])
    main(hacks)
    assert {call.key for call in compared} == {row["key"] for row in measured[0].table} == set(hacks.ROWS)
    for call in compared:
        _, *pair = hacks.ROWS[call.key]
        for runs, change in zip((call.with_it, call.without), pair, strict=True):
            assert runs == [(repr(replace(Tricks(), **change)), seed) for seed in (5, 6)]
    for call in (*played, *judge):
        np.testing.assert_array_equal(call.x, two_sets.x)
    for call in quality:
        assert call.judge == "judge"
        np.testing.assert_array_equal(call.train, two_sets.x)


def test_a_games_samples_are_the_seeds():
    x, s = data.glyphs(40)[0], replace(QUICK, steps=1)
    one, same, other = (hacks.play(Tricks(), x, s, seed, BAR) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_over_a_game_the_noise_that_d_sees_falls_step_by_step():
    seen = []

    class Listening(nn.Module):
        def forward(self, x):
            seen.append(x.numpy().std())
            return x

    played = game(Tricks(noise=0.4), nn.Dense(4, 100), nn.Sequential(Listening(), nn.Dense(100, 1)), steps=4)
    for std in (0.4, 0.3, 0.2, 0.1, 0.0):
        seen.clear()
        played.step(iter([np.zeros((100, 100), np.float32)]))
        real = seen[0]  # without noise, all pixels are 0
        assert real == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("chosen", [Tricks(noise=0.2), Tricks(soft=True), Tricks(dropout=0.5)])
def test_a_game_goes_on_from_its_state_bit_for_bit(chosen):
    def game():
        mg.seed(0)
        G, D = players(chosen, 4, 8)
        rules = (optim.Adam(player.parameters(), 1e-2) for player in (G, D))
        return TrickedGAN(G, D, data.noise(4), *rules, tricks=chosen, steps=8), data.batches(data.glyphs(40)[0], size=20)

    one, batches = game()
    for _ in range(3):
        one.step(batches)
    state = deepcopy([one.state_dict(), batches.state_dict()])
    expected = [one.step(batches)["loss_D"] for _ in range(3)]
    other, batches = game()
    other.load_state_dict(state[0])
    batches.load_state_dict(state[1])
    assert [other.step(batches)["loss_D"] for _ in range(3)] == expected
