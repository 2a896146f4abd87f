"""What is said where a game goes wrong: when, once, and not too early."""

import numpy as np
import pytest

from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.runner import hints
from demos.kit.runner.hints import Hints
from demos.kit.runner.progress import progress
from demos.kit.training import adams
from minigan import data
from minigan.games import GAN

FINE = {"D_real": 0.6, "D_fake": 0.4}


@pytest.fixture
def game():
    G, D = generator(8), discriminator(8)
    game = GAN(G, D, data.noise(2), *adams(G, D, 1e-3, 1e-3))
    game.step(RING.batches(8))  # so that there are gradients
    return game


@pytest.fixture
def said(game, monkeypatch):
    """Looks at the game for a number of rows with the figures, and snapshots with the samples; what was said."""
    lines = []
    monkeypatch.setattr(hints.tqdm, "write", lambda line, file: lines.append(line))

    def look(figures=FINE, samples=None, first=0, rows=100, change=None):
        x = RING.sample(500)
        looks, bar = Hints(game, x, steps=1000), progress(total=1000)
        for t in range(first, first + rows):
            if change:
                change(t)
            looks.check_metrics(t, figures, bar)
            looks.check_samples(t, x if samples is None else samples, bar)
        return lines

    return look


def test_nothing_is_said_of_a_healthy_game(said):
    assert said(first=300) == []


def test_a_collapse_is_noticed_once(said):
    [line] = said(samples=np.full((100, 2), 1.5) + 0.05 * np.random.default_rng(0).standard_normal((100, 2)), first=300)
    assert "mode collapse" in line
    assert "--no-hints" in line


def test_a_discriminator_that_is_far_ahead_is_noticed_once(said):
    [line] = said({"D_real": 0.999, "D_fake": 0.001}, first=300)
    assert "D is 1 at the data and 0 at G's samples" in line


def test_a_gradient_that_vanishes_is_noticed_once(said, game):
    def shrink(t):
        for p in game.opt_G.params:
            p.grad = p.grad * (1e-5 if t == 330 else 1.0)

    [line] = said(first=300, change=shrink)
    assert "gradient has all but vanished" in line


def test_what_goes_wrong_early_or_for_a_moment_is_left_alone(said):
    assert said({"D_real": 0.999, "D_fake": 0.001}, np.zeros((10, 2)), first=100, rows=90) == []
    assert said({"D_real": 0.999, "D_fake": 0.001}, first=300, rows=hints.PATIENCE - 1) == []


def test_a_critic_has_no_probabilities_to_look_at(said):
    assert said({"loss_D": 1.0, "w_estimate": 3.0}, first=300) == []
