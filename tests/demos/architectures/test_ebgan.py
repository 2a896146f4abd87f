"""EBGAN's demo: what it measures on the line, against numbers by hand; and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from demos.architectures import began
from demos.architectures import ebgan as demo
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, data, nn, optim
from minigan.games import EBGAN
from tests.demos.running import assert_shows_something, smaller_run, summary_of

TINY = replace(demo.Settings(), **demo.QUICK | {"alone_steps": 3, "line_steps": 12, "line_width": 4, "line_batch": 8})


@pytest.mark.slow
def test_a_run_leaves_its_pictures_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=4, alone_steps=4, line_steps=12)
    pictures = {"equilibrium.png", "pull_away.png"}
    assert {path.name for path in out.iterdir()} == pictures | {"summary.json", "checkpoint.npz"}
    for name in pictures:
        assert_shows_something(out / name)
    assert summary_of(out)["holds"] == {}  # too short for all of them


# --- on the line --------------------------------------------------------------------------------------------------------


def test_the_variation_is_that_of_two_normal_distributions():
    rng = np.random.default_rng(0)
    same = demo.TARGET.draw(100_000, rng)[:, 0]
    assert demo.total_variation(same) < 0.02
    assert demo.total_variation(np.abs(same)) == pytest.approx(0.5, abs=0.02)  # one of two modes
    assert demo.total_variation(same + 100) == pytest.approx(1, abs=1e-3)


def test_d_alone_plays_against_the_shifted_noise_and_g_stands_still(monkeypatch):
    seen = []
    monkeypatch.setattr(demo, "loss_of_d", lambda game, mixture, seed: seen.append((game, mixture)) or 0.5)
    run = demo.play_alone(2.0, 0, TINY)
    [(game, normal)] = seen
    z = np.array([[-1.0], [0.5]], np.float32)
    np.testing.assert_allclose(game.G(Tensor(z)).numpy(), z + 2)
    assert normal.density(np.array([0.3])) == pytest.approx(norm.pdf(0.3))
    assert run == {"shift": 2.0, "loss": 0.5, "theory": pytest.approx(1 - 0.6827, abs=1e-4)}  # TV: within one std


def test_the_loss_is_that_of_the_paper_over_m():
    """D reconstructs everything as 0: E(v) = |v|. E |x| of N(0, 1) is sqrt(2 / pi); a fake at 3 is above the margin of 2."""
    G, D = nn.Dense(1, 1), nn.Dense(1, 1)
    G.weight.data, G.bias.data = np.zeros((1, 1), np.float32), np.full(1, 3.0, np.float32)
    D.weight.data, D.bias.data = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)
    rules = optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1)
    normal = demo.line.Mixture((1.0,), (0.0,), (1.0,))
    for fake, hinge in ((3.0, 0.0), (0.5, 1.5)):
        G.bias.data = np.full(1, fake, np.float32)
        found = demo.loss_of_d(EBGAN(G, D, data.noise(1), *rules, margin=2.0), normal, 0)
        assert found == pytest.approx((np.sqrt(2 / np.pi) + hinge) / 2, abs=0.01)


def test_the_game_on_the_line_returns_what_the_picture_shows():
    run = demo.play_on_the_line(0, TINY)
    assert run["loss"].shape == (12,)
    assert run["energy"].shape == demo.GRID.shape
    assert (run["energy"] >= 0).all()
    assert run["density"].shape == (len(demo.GRID) - 1,)
    assert 0 <= run["variation"] <= 1


# --- on digits ----------------------------------------------------------------------------------------------------------


def test_the_players_are_begans_with_d_cut_at_its_narrowest():
    G, D = demo.players(TINY)
    images = G(Tensor(data.noise(TINY.z)(3)))
    assert images.shape == D(images).shape == (3, 1, 28, 28)
    assert D.encoder(images).shape == (3, TINY.code)
    sizes = [p.shape for p in began.autoencoder(TINY).parameters()]
    assert [p.shape for p in D.parameters()] == sizes


@pytest.mark.parametrize(("kind", "weight"), [(demo.WITHOUT, 0.0), (demo.WITH, 0.1), (demo.STRONG, 20.0)])
def test_each_kind_has_its_weight(kind, weight, monkeypatch):
    seen = []

    def stop(game, *rest):
        seen.append(game)
        raise StopIteration

    monkeypatch.setattr(demo, "train", stop)
    with pytest.raises(StopIteration):
        demo.play(kind, 0, None, np.zeros((64, 1, 28, 28), np.float32), TINY)
    assert (seen[0].pull_away, seen[0].margin) == (weight, TINY.margin)


# --- the claim ----------------------------------------------------------------------------------------------------------


def a_claim(out, options=digits.options):
    return Claim(start(options(""), ["--out", str(out)], "ebgan"), {})


def on_line(end, way=1.0):
    return {"loss": np.array([way] * 90 + [end] * 10), "variation": 0.1}


@pytest.mark.parametrize(("loss", "end", "broken"), [(0.62, 0.95, 0), (0.7, 0.95, 1), (0.62, 0.85, 1), (0.62, 1.15, 1)])
def test_a_loss_beside_theory_is_noticed(loss, end, broken, tmp_path):
    claim = a_claim(tmp_path)
    demo.theory(claim, [{"shift": 1.0, "loss": loss, "theory": 0.617}], [on_line(1.0), on_line(end)], TINY)
    assert list(claim.holds.values()).count(False) == broken
    assert len(claim.holds) == 2


def runs(classes, alike):
    return [
        {"classes": n, "Frechet distance": 100.0 + i, "f_PT": a} for i, (n, a) in enumerate(zip(classes, alike, strict=True))
    ]


@pytest.mark.parametrize(
    ("with_it", "without", "broken", "word"),
    [
        (runs([10] * 4, [0.1] * 4), runs([5, 6, 5, 6], [0.5, 0.6, 0.5, 0.6]), 0, "(helps)"),
        (runs([10] * 4, [0.1] * 4), runs([10] * 4, [0.5] * 4), 0, "(no difference beyond chance)"),
        (runs([10, 9, 10, 10], [0.1] * 4), runs([10] * 4, [0.5] * 4), 1, "(no difference beyond chance)"),
        (runs([5] * 4, [0.1] * 4), runs([10] * 4, [0.5] * 4), 2, "(hurts)"),
        (runs([10] * 4, [0.5] * 4), runs([10] * 4, [0.1] * 4), 1, "(no difference beyond chance)"),
    ],
)
def test_what_the_term_does_is_decided_by_an_interval_and_said(with_it, without, broken, word, tmp_path):
    claim = a_claim(tmp_path)
    demo.pull_away(claim, {demo.WITHOUT: without, demo.WITH: with_it, demo.STRONG: with_it})
    assert list(claim.holds.values()).count(False) == broken
    assert word in claim.words(demo.ON_DIGITS)
