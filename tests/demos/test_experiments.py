"""What holds for every demo of these chapters: a small run leaves its results; a game is its seed's, and can be resumed."""

import copy
import importlib
import inspect
from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos import catalogue
from demos.architectures import conditioning, dcgan, ebgan, lapgan, pyramid, shortcomings
from demos.kit.mixtures import RING, discriminator, generator
from demos.training import (
    coadaptation,
    collapse,
    equilibrium,
    hacks,
    improved,
    perfect_discriminator,
    saturation,
    semi_supervised,
    tempo,
)
from demos.training.techniques import ImprovedGAN
from demos.training.tricks import TrickedGAN, Tricks, players
from demos.wasserstein import earth_mover, learning_curves, optimism, stability
from minigan import data, metrics, optim
from minigan.games import GAN
from tests.demos.running import DEMOS, assert_shows_something, smaller_run, summary_of

CHAPTERS = ("training", "architectures", "wasserstein")
STABILITY = replace(stability.QUICK, steps=3, hidden=(1,), width=8, points=40)
SMALL = {  # demo -> settings that are smaller still than those of --quick
    "coadaptation": {"toy_steps": 500},
    "collapse": {"width": 32, "batch": 32, "iterations": 12, "samples": 200},
    "equilibrium": {"looks": 8},
    "hacks": {"steps": 10, "norm_steps": 10},
    "improved": {"steps": 3, "line_steps": 5, "toy_steps": 20, "samples": 50},
    "perfect_discriminator": {"steps": 20, "every": 10, "probes": 8, "width": 8, "batch": 16},
    "saturation": {"pretraining": 200, "steps": 60, "batch": 32},
    "semi_supervised": {"steps": 6, "width": 16},
    "tempo": {"cost": 24, "moments": 4},
    "conditioning": {"looks": 2},
    "ebgan": {"steps": 4, "alone_steps": 4, "line_steps": 12},
    "lapgan": {"steps": 3, "coarse_steps": 4, "single_steps": 4, "width": 8},
    "earth_mover": {"thetas": (-0.5, 0.0, 1.0), "steps": 80, "batch": 128, "lr": 9e-3, "width": 24},
    "learning_curves": {"curves": replace(learning_curves.QUICK, steps=8, moments=4), "stability": STABILITY},
    "limit_cycles": {"updates": 6, "width": 8, "samples": 40},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_run_holds_what_it_judges_and_leaves_its_pictures(name, tmp_path):
    out = smaller_run(importlib.import_module(f"demos.{catalogue.chapter_of(name)}.{name}"), tmp_path, **SMALL[name])
    summary = summary_of(out)
    assert all(summary["holds"].values())
    assert summary["metrics"]
    pictures = {f"{picture}.png" for picture in summary["pictures"]}
    assert {path.name for path in out.iterdir()} == pictures | {"summary.json", "checkpoint.npz"}
    for picture in pictures:
        assert_shows_something(out / picture)


def test_no_demo_is_forgotten():
    """DEMOS: those with a quick run of their own."""
    assert SMALL.keys() | DEMOS.keys() >= {name for chapter in CHAPTERS for name in catalogue.CHAPTERS[chapter]}


# --- the same seed, the same numbers --------------------------------------------------------------------------------------


def settings(demo, **smaller):
    return replace(demo.main.chosen(quick=True), **smaller)


def with_images(play, *first, **named):
    """seed -> play(..., seed, ...) with a judge, images x and their classes y."""
    x, y = data.glyphs(120, np.random.default_rng(0))
    named |= {"x": x, "y": y, "judge": metrics.Judge(np.random.default_rng(0)), "unseen": (x, y), "others": x}
    taken = inspect.signature(play).parameters
    return lambda seed: play(*first, seed=seed, **{name: value for name, value in named.items() if name in taken})


def of_digits(demo, *first, play="play", **smaller):
    s = settings(demo, **smaller)
    return with_images(getattr(demo, play), *first, s=s, settings=s)


LINE = {"line_steps": 3, "line_width": 4, "line_batch": 8, "alone_steps": 3}
RARE = {"rare_steps": 3, "looks": 1, "width": 8, "judged": 20, "batch": 10, "few": 4}
PLAYED = {  # game -> what is called with a seed
    "coadaptation, toy": lambda seed: coadaptation.play_toy((True, 0.2), seed, settings(coadaptation, toy_steps=2)),
    "coadaptation, digits": lambda seed: of_digits(coadaptation, (False, 0.2), play="play_digits", steps=2, every=1)(seed),
    "collapse": lambda seed: collapse.play(collapse.COLLAPSE, seed, settings(collapse, iterations=4)),
    "conditioning, both": lambda seed: of_digits(conditioning, "both", play="experiment", steps=2, judged=20)(seed),
    "conditioning, rare": lambda seed: of_digits(conditioning, "alone", play="experiment", **RARE)(seed),
    "dcgan": lambda seed: with_images(shortcomings.play, shortcomings.ITERATIONS, steps=2, s=settings(dcgan))(seed),
    "earth_mover": lambda seed: earth_mover.train(settings(earth_mover, steps=2), seed, "clip", theta=0.5).D,
    "ebgan, D alone": lambda seed: ebgan.play_alone(1.0, seed, settings(ebgan, **LINE)),
    "ebgan, line": lambda seed: ebgan.play_on_the_line(seed, settings(ebgan, **LINE)),
    "ebgan": lambda seed: of_digits(ebgan, ebgan.WITH, steps=2)(seed),
    "equilibrium": lambda seed: with_images(equilibrium.play, steps=2, settings=settings(equilibrium, looks=1))(seed)[1],
    "hacks": lambda seed: of_digits(hacks, Tricks(), steps=1)(seed),
    "improved, line": lambda seed: improved.smooth("one-sided", seed, settings(improved, line_steps=2)),
    "lapgan": lambda seed: of_digits(lapgan, lapgan.LAPGAN, steps=1, coarse_steps=1)(seed),
    "learning_curves": lambda seed: learning_curves.train("GAN", seed, replace(learning_curves.QUICK, steps=2, moments=2)),
    "limit_cycles": lambda seed: with_images(optimism.play, "Adam", 5, s=replace(optimism.QUICK, updates=12))(seed),
    "perfect_discriminator": lambda seed: perfect_discriminator.train(
        "with noise", seed, settings(perfect_discriminator, **SMALL["perfect_discriminator"])
    ),
    "saturation": lambda seed: saturation.play(seed, settings(saturation, pretraining=2, steps=2, every=1, batch=16)),
    "semi_supervised": lambda seed: of_digits(semi_supervised, "gan", play="train", steps=3, width=8, batch=20)(seed),
    "tempo": lambda seed: tempo.play((1, 1), seed, settings(tempo, cost=4, moments=2)),
}


def numbers(found):
    """All numbers in it; but seconds, which differ."""
    if isinstance(found, mg.nn.Module):
        found = found.state_dict()
    if isinstance(found, dict):
        found = [value for name, value in found.items() if name != "seconds"]
    if isinstance(found, list | tuple):
        return np.concatenate([numbers(part) for part in found]) if found else np.zeros(0)
    return np.ravel(np.asarray(found, float)) if not isinstance(found, str | GAN) else np.zeros(0)


@pytest.mark.parametrize("name", PLAYED)
def test_a_game_is_its_seeds(name, monkeypatch):
    monkeypatch.setattr("demos.kit.digits.SAMPLES", 40)
    monkeypatch.setattr(ebgan, "DRAWN", 200)
    one, same, other = (numbers(PLAYED[name](seed)) for seed in (3, 3, 13))
    np.testing.assert_array_equal(one, same)
    assert one.shape != other.shape or (one != other).any()


# --- a game of a demo's own goes on from its state ------------------------------------------------------------------------


def tricked(**tricks):
    chosen = Tricks(**tricks)
    return (
        TrickedGAN,
        players(chosen, 4, 8),
        data.noise(4),
        {"tricks": chosen, "steps": 8},
        data.batches(data.glyphs(40)[0], size=20),
    )


def improved_game(**options):
    return ImprovedGAN, (generator(6), discriminator(6)), data.noise(2), options, data.batches(RING.sample(100), size=20)


def level():
    images = data.glyphs(40)[0]
    G, D = pyramid.Residual(lapgan.painter(2)), pyramid.OfSum(lapgan.critic(28, 2))
    return GAN, (G, D), pyramid.RealCondition(pyramid.down(images)), {}, pyramid.Pairs(images, 20)


OWN_GAMES = {
    "noise": lambda: tricked(noise=0.2),
    "soft labels": lambda: tricked(soft=True),
    "dropout": lambda: tricked(dropout=0.5),
    "label smoothing": lambda: improved_game(alpha=0.9),
    "historical averaging": lambda: improved_game(weight=0.1),
    "a level of LAPGAN": level,
}


@pytest.mark.parametrize("name", OWN_GAMES)
def test_a_game_goes_on_from_its_state_bit_for_bit(name):
    def made():
        mg.seed(0)
        kind, (G, D), prior, options, batches = OWN_GAMES[name]()
        return kind(G, D, prior, *(optim.Adam(player.parameters(), 1e-2) for player in (G, D)), **options), batches

    one, batches = made()
    for _ in range(3):
        one.step(batches)
    state = copy.deepcopy([one.state_dict(), batches.state_dict()])
    expected = [one.step(batches) for _ in range(3)]
    other, batches = made()
    other.load_state_dict(state[0])
    batches.load_state_dict(state[1])
    assert [other.step(batches) for _ in range(3)] == expected
    np.testing.assert_array_equal(numbers(other.G), numbers(one.G))
