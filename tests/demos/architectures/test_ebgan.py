"""EBGAN's demo: what it measures on the line, against numbers by hand; and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from demos.architectures import began
from demos.architectures import ebgan as demo
from minigan import Tensor, data, nn, optim
from minigan.games import EBGAN
from tests.demos.experiments import broken, judged

TINY = replace(demo.Settings(), **demo.QUICK | {"alone_steps": 3, "line_steps": 12, "line_width": 4, "line_batch": 8})


def test_the_variation_is_that_of_two_normal_distributions():
    same = demo.TARGET.draw(100_000, np.random.default_rng(0))[:, 0]
    assert demo.total_variation(same) < 0.02
    assert demo.total_variation(np.abs(same)) == pytest.approx(0.5, abs=0.02)  # one of two modes
    assert demo.total_variation(same + 100) == pytest.approx(1, abs=1e-3)


def test_d_alone_plays_against_the_shifted_noise_and_g_stands_still(record):
    seen = record(demo, "loss_of_d", lambda *arguments: 0.5)
    run = demo.play_alone(2.0, 0, TINY)
    z = np.array([[-1.0], [0.5]], np.float32)
    np.testing.assert_allclose(seen[0].game.G(Tensor(z)).numpy(), z + 2)
    assert seen[0].mixture.density(np.array([0.3])) == pytest.approx(norm.pdf(0.3))
    assert run == {"shift": 2.0, "loss": 0.5, "theory": pytest.approx(1 - 0.6827, abs=1e-4)}  # TV: within one std


@pytest.mark.parametrize(("fake", "hinge"), [(3.0, 0.0), (0.5, 1.5)])
def test_the_loss_is_that_of_the_paper_over_m(fake, hinge):
    """D reconstructs everything as 0: E(v) = |v|. E |x| of N(0, 1) is sqrt(2 / pi); a fake at 3 is above the margin of 2."""
    G, D = nn.Dense(1, 1), nn.Dense(1, 1)
    for player, value in ((G, fake), (D, 0.0)):
        player.weight.data, player.bias.data = np.zeros((1, 1), np.float32), np.full(1, value, np.float32)
    game = EBGAN(G, D, data.noise(1), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), margin=2.0)
    found = demo.loss_of_d(game, demo.line.Mixture((1.0,), (0.0,), (1.0,)), 0)
    assert found == pytest.approx((np.sqrt(2 / np.pi) + hinge) / 2, abs=0.01)


def test_the_game_on_the_line_returns_what_the_picture_shows(record):
    figures = record(demo, "train", lambda *arguments: [{"loss_D": 3.0}] * 12)
    run = demo.play_on_the_line(0, TINY)
    assert run["loss"] == pytest.approx([3.0 / TINY.line_margin] * 12)
    assert run["energy"].shape == demo.GRID.shape
    assert (run["energy"] >= 0).all()
    assert run["density"].shape == (len(demo.GRID) - 1,)
    assert 0 <= run["variation"] <= 1
    assert figures[0].game.opt_G.lr == TINY.line_lr_generator


@pytest.mark.parametrize(("kind", "weight"), [(demo.WITHOUT, 0.0), (demo.WITH, 0.1), (demo.STRONG, 20.0)])
def test_each_kind_has_its_weight_and_the_players_are_begans_with_d_cut_at_its_narrowest(kind, weight, record, monkeypatch):
    monkeypatch.setattr(demo.digits, "SAMPLES", 20)
    played = record(demo, "train")
    judge = demo.digits.metrics.Judge(np.random.default_rng(0))
    demo.play(kind, 0, judge, np.zeros((64, 1, 28, 28), np.float32), TINY)
    game = played[0].game
    assert (game.pull_away, game.margin) == (weight, TINY.margin)
    images = game.G(game.noise(3))
    assert images.shape == game.D(images).shape == (3, 1, 28, 28)
    assert game.D.encoder(images).shape == (3, TINY.code)
    assert [p.shape for p in game.D.parameters()] == [p.shape for p in began.autoencoder(TINY).parameters()]


def on_line(end):
    return {"loss": np.array([1.0] * 90 + [end] * 10), "variation": 0.1}


@pytest.mark.parametrize(("loss", "end", "misses"), [(0.62, 0.95, 0), (0.7, 0.95, 1), (0.62, 0.85, 1), (0.62, 1.15, 1)])
def test_a_loss_away_from_theory_is_noticed(loss, end, misses):
    alone = [{"shift": 1.0, "loss": loss, "theory": 0.617}]
    assert len(broken(judged(demo.theory, alone, [on_line(1.0), on_line(end)], TINY))) == misses


FEW, ALL = [5, 6, 5, 6], [10] * 4  # classes
APART, ALIKE = [0.1] * 4, [0.5, 0.6, 0.5, 0.6]


@pytest.mark.parametrize(
    ("with_it", "without", "misses"),
    [
        ((ALL, APART), (FEW, ALIKE), 0),
        ((ALL, APART), (ALL, ALIKE), 0),
        (([10, 9, 10, 10], APART), (ALL, ALIKE), 1),
        ((FEW, APART), (ALL, ALIKE), 2),
        ((ALL, ALIKE), (ALL, APART), 1),
    ],
)
def test_what_the_term_does_is_decided_by_an_interval(with_it, without, misses):
    def runs(classes, alike):
        rows = zip(classes, alike, strict=True)
        return [{"classes": n, "Frechet distance": 100.0 + i, "f_PT": a} for i, (n, a) in enumerate(rows)]

    found = {demo.WITHOUT: runs(*without), demo.WITH: runs(*with_it), demo.STRONG: runs(*with_it)}
    assert len(broken(judged(demo.pull_away, found))) == misses
