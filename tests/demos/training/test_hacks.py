"""The tricks: each changes what it says and nothing else, and the table says what the figures say."""

from copy import deepcopy
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, NOTHING
from demos.kit.run import start
from demos.training import hacks, tricks
from demos.training.tricks import TrickedGAN, Tricks, players
from demos.training.verdicts import verdict_on
from minigan import Tensor, data, losses, metrics, nn, optim
from minigan.games import GAN
from tests.demos.running import assert_shows_something, summary_of

QUICK = replace(hacks.Settings(), **hacks.QUICK)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hacks")
    hacks.main(["--quick", "--jobs", "1", "--out", str(folder)])
    return folder


@pytest.mark.slow
def test_a_quick_run_has_every_tricks_figures_and_of_one_seed_judges_none(out):
    summary = summary_of(out)
    found = summary["metrics"]
    assert summary["holds"] == {}
    for key in hacks.ROWS:
        assert found[f"{key}_log_ratio"] == pytest.approx(np.log(found[f"{key}_with"] / found[f"{key}_without"]))
    assert found["tips_that_make_no_difference"] == len(hacks.TIPS) == 7
    assert {path.name for path in out.iterdir()} == {"hacks.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "hacks.png")


@pytest.mark.slow
def test_the_base_is_the_same_for_all(out):
    found = summary_of(out)["metrics"]
    sides = [
        found[f"{key}_{side}"]
        for key, row in hacks.TIPS.items()
        for side, change in (("with", row.on), ("without", row.off))
        if not change
    ]
    assert len(sides) == 7
    assert {*sides} == {found["base_frechet"]}


DEFECTS = {
    "none": lambda m: None,
    "no penalty": lambda m: m.setattr(losses, "squared_gradient_norm", lambda v, x: 0.0),
    "D does not train": lambda m: m.setattr(
        TrickedGAN, "descend", lambda self, opt, loss: opt is self.opt_G and descend(self, opt, loss)
    ),
}
descend = GAN.descend


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_g_is_worse_where_something_is_wrong(defect, monkeypatch):
    x, y = data.glyphs(3000)
    judge = metrics.train_judge(x, y, steps=300)
    DEFECTS[defect](monkeypatch)
    s = replace(hacks.Settings(), steps=400, samples=500)
    found = hacks.play_and_judge(Tricks(), 1000, s, x, judge)
    assert (found["frechet"] < 800) == (defect == "none")


# --- the figures --------------------------------------------------------------------------------------------------------


def runs(*distances, classes=10):
    return [{"frechet": d, "classes": classes} for d in distances]


BETTER, WORSE = (runs(100, 110, 120), runs(200, 210, 220)), (runs(200, 210, 220), runs(100, 110, 120))
ALIKE = runs(100, 110, 120), runs(110, 115, 125)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """The claim that follows from made-up runs, of which those named are other than expected."""
    monkeypatch.setattr(Claim, "judged", True)

    def call(classes=10, **others):
        claim = Claim(start(digits.options(""), ["--quick", "--out", str(tmp_path)], "hacks"), {})
        sides = dict.fromkeys(hacks.ROWS, ALIKE) | {"leaky": BETTER, "norm_dense": WORSE, "norm_conv_r1": BETTER} | others
        base = [*runs(100, 100), *runs(100, classes=classes)]
        hacks.measure(claim, base, {"frechet": 9.0}, sides)
        return claim, sides

    return call


@pytest.mark.parametrize(
    ("made_up", "missed"),
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
def test_what_the_claim_asks_for(measured, made_up, missed):
    claim, _ = measured(**made_up)
    assert [name for name, holds in claim.holds.items() if not holds] == missed


def test_a_verdict_needs_a_ratio_beyond_chance(measured):
    m = measured(soft=WORSE, tanh=BETTER)[0].metrics
    words = {key: verdict_on(m, f"{key}_log_ratio") for key in hacks.TIPS}
    assert words == dict.fromkeys(hacks.TIPS, NOTHING) | {"leaky": HELPS, "tanh": HELPS, "soft": HURTS}
    assert m["soft_log_ratio"] == pytest.approx(np.log(200 * 210 * 220 / (100 * 110 * 120)) / 3)
    assert m["soft_with"] == pytest.approx((200 * 210 * 220) ** (1 / 3))
    assert [m[f"tips_that_{name}"] for name in ("help", "hurt", "make_no_difference")] == [2, 1, 4]


def test_the_picture_has_the_most_helpful_tip_first(measured):
    claim, sides = measured(soft=WORSE)
    figure = hacks.picture(claim.metrics, sides)
    assert figure.axes[0].get_yticklabels()[0].get_text() == "LeakyReLU, not ReLU"
    plt.close(figure)


# --- the tricks ---------------------------------------------------------------------------------------------------------


def game(chosen, G=None, D=None, steps=10, r1=0.0):
    mg.seed(0)
    if G is None:
        G, D = players(chosen, 4, 8)
    rules = [optim.SGD(player.parameters(), 0.1) for player in (G, D)]
    return TrickedGAN(G, D, data.noise(4), *rules, tricks=chosen, steps=steps, r1=r1)


def weights(played):
    return [p.numpy().copy() for player in (played.G, played.D) for p in player.parameters()]


@pytest.mark.parametrize("chosen", [Tricks(), Tricks(r1=False)])
def test_the_base_is_the_gan_of_the_other_demos(chosen):
    x = 2 * data.glyphs(40)[0] - 1
    mg.seed(0)
    G, D = digits.dense_players(4, 8)
    plain = GAN(G, D, data.noise(4), *(optim.SGD(player.parameters(), 0.1) for player in (G, D)), r1=2.0 * chosen.r1)
    tricked = game(chosen, r1=2.0)
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
        samples = hacks.play(chosen, x, replace(QUICK, steps=1), 0)
        assert samples.shape == (200, 1, 28, 28)
        assert samples.min() >= 0
        assert samples.max() <= 1
        assert 0.3 < samples.mean() < 0.7  # a G that has learnt nothing draws grey
    monkeypatch.setattr(data, "noise", lambda d, kind: lambda m: np.ones((m, d), np.float32))
    assert np.ptp(hacks.play(Tricks(), x, replace(QUICK, steps=1), 0), axis=0).max() < 1e-5
    assert np.ptp(hacks.play(Tricks(dropout=0.5), x, replace(QUICK, steps=1), 0), axis=0).max() > 1e-3


def test_z_lies_on_a_sphere_or_in_a_cube(monkeypatch):
    asked = []
    noise = data.noise
    monkeypatch.setattr(data, "noise", lambda d, kind: asked.append(kind) or noise(d, kind))
    for sphere in (True, False):
        hacks.play(Tricks(sphere=sphere), data.glyphs(40)[0], replace(QUICK, steps=1), 0)
    assert asked == ["sphere", "uniform"]


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_every_trick_is_played_with_and_without_on_the_same_seeds_and_images(main, record, two_sets):
    judge = record(metrics, "train_judge", lambda *arguments, **named: "judge")
    played = record(hacks, "play", lambda chosen, x, s, seed: (repr(chosen), seed))
    quality = record(metrics, "image_quality", lambda samples, *rest: samples)
    measured = record(hacks, "measure")
    main(hacks, conv_seeds=3)
    for key, (on, off) in measured[0].sides.items():
        for runs, change in ((on, hacks.ROWS[key].on), (off, hacks.ROWS[key].off)):
            chosen = replace(Tricks(), **change)
            assert runs == [(repr(chosen), seed) for seed in ((5, 6, 7) if chosen.conv else (5, 6))]
    assert measured[0].sides.keys() == hacks.ROWS.keys()
    assert measured[0].base == [(repr(Tricks()), seed) for seed in (5, 6)]
    np.testing.assert_array_equal(measured[0].real, two_sets.others)
    for x in (*(call.x for call in (*played, *judge)), *(call.train for call in quality)):
        np.testing.assert_array_equal(x, two_sets.x)
    assert {call.judge for call in quality} == {"judge"}


def test_the_penalty_is_on_the_same_change_of_the_image_in_either_unit():
    assert game(Tricks(), r1=2.0).r1 == 2.0
    assert game(Tricks(tanh=False), r1=2.0).r1 == 0.5
    assert game(Tricks(r1=False), r1=2.0).r1 == 0


def test_batch_norm_and_convolutions_have_settings_of_their_own(monkeypatch):
    made = []

    class Noted(TrickedGAN):
        def step(self, batches):
            made.append((self.steps, self.opt_D.lr, len(next(batches))))

    monkeypatch.setattr(hacks, "TrickedGAN", Noted)
    s = replace(QUICK, steps=1, lr=0.1, batch=3, norm_steps=2, norm_lr=0.2, conv_steps=3, conv_batch=4)
    for chosen, expected in (
        (Tricks(), (1, 0.1, 3)),
        (Tricks(norm="mixed"), (2, 0.2, 3)),
        (Tricks(norm="apart", conv=True), (3, 0.2, 4)),
    ):
        made.clear()
        hacks.play(chosen, data.glyphs(40)[0], s, 0)
        assert len(made) == hacks.length(chosen, s)
        assert made[0] == pytest.approx(expected)


def test_a_games_samples_are_the_seeds():
    x, s = data.glyphs(40)[0], replace(QUICK, steps=1)
    one, same, other = (hacks.play(Tricks(), x, s, seed) for seed in (0, 0, 1))
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
