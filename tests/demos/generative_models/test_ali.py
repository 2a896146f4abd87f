"""ALI's demo: pairs and independent pairs, what is measured of P(Q(x)), and faults that break the claim."""

from dataclasses import replace

import numpy as np
import pytest

from demos.generative_models import ali as demo
from demos.generative_models.damage import coarse
from minigan import Tensor, data, nn
from minigan.games import Joint
from tests.demos.experiments import broken

TINY = replace(demo.Settings(), **demo.QUICK | {"steps": 2, "grid_steps": 2, "judge_steps": 2, "width": 8, "judged": 60})


def test_apart_shows_d_every_x_beside_the_z_of_another():
    same = nn.Sequential()
    x, z = Tensor(np.arange(3.0)[:, None]), Tensor(10 * np.arange(3.0)[:, None])
    np.testing.assert_array_equal(demo.Apart(Joint(same))(x, z).numpy(), [[0, 10], [1, 20], [2, 0]])


@pytest.fixture(scope="module")
def digits():
    x, y = data.glyphs(200, np.random.default_rng(0))
    x = coarse(x, demo.SIDE)
    return x, demo.judge_of(x, y, TINY)


@pytest.mark.parametrize("kind", demo.KINDS)
def test_ds_view_differs_and_a_p_and_q_that_are_inverse_have_every_class(kind, digits, monkeypatch):
    (x, judge), games = digits, []

    def make_inverse(game, batches, *others):
        game.encode = lambda x: x
        game.sample = lambda n, z=None: x[:1].repeat(n, axis=0) * 2 - 1 if z is None else z
        games.append((game, next(batches)))

    monkeypatch.setattr(demo, "train", make_inverse)
    run = demo.learn_digits(kind, 3, x, x[:30], judge, TINY)
    assert (run["same class"], run["classes"]) == (1, 1)  # all samples are alike
    np.testing.assert_allclose(run["back"], run["x"], atol=1e-6)
    [(game, batch)] = games
    assert -1 <= batch.min() < -0.9 < 0.9 < batch.max()
    assert isinstance(game.D, demo.Apart) == (kind == demo.INDEPENDENT)
    assert isinstance(game.D.D if kind == demo.INDEPENDENT else game.D, Joint)


def test_a_p_and_q_that_are_inverse_have_every_mode(monkeypatch):
    def make_inverse(game, *others):
        game.sample = lambda n, z=None: game.prior(n) if z is None else z
        game.encode = lambda x: x

    monkeypatch.setattr(demo, "train", make_inverse)
    run = demo.learn_grid(0, TINY)
    assert (run["same mode"], run["way of z"]) == (1, 0)


def test_one_of_each_class_comes_first_and_no_image_is_lost():
    classes = np.random.default_rng(0).integers(0, 10, 100)
    order = demo.in_turn(classes)
    assert classes[order[:20]].tolist() == [*range(10), *range(10)]
    assert sorted(order) == list(range(100))


GOOD = {"same class": 0.8, "classes": 10, "clear": 0.5}
PLANE = {"same mode": 0.8, "way of z": 0.2, "modes": 25}
APART = {"same class, independent pairs", "same class: pairs, not independent ones"}


@pytest.mark.parametrize(
    ("pairs", "independent", "plane", "fails"),
    [
        ((0.8, 0.75, 0.7), (0.1, 0.15, 0.1), {}, set()),
        ((0.8, 0.75, 0.69), (0.1, 0.15, 0.1), {}, {"same class"}),
        ((0.8, 0.75, 0.7), (0.1, 0.9, 0.7), {}, APART),
        ((0.8, 0.75, 0.7), (0.1, 0.15, 0.1), {"same mode": 0.1, "way of z": 1.6}, {"same mode", "way of z"}),
    ],
)
def test_pairs_have_to_help_and_the_worst_seed_decides(claim, pairs, independent, plane, fails):
    shares = {demo.PAIRS: pairs, demo.INDEPENDENT: independent}
    runs = {kind: [GOOD | {"same class": share} for share in shares[kind]] for kind in demo.KINDS}
    demo.measure(claim, runs, [PLANE, PLANE | plane])
    assert broken(claim) == fails
