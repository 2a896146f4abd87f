"""ALI's demo: pairs and independent pairs, what is measured of P(Q(x)), and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import ali as demo
from demos.generative_models.damage import coarse
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, data, nn
from minigan.games import Joint
from tests.demos.running import assert_shows_something, smaller_run, summary_of

TINY = replace(demo.Settings(), **demo.QUICK | {"steps": 2, "grid_steps": 2, "judge_steps": 2, "width": 8, "judged": 60})


@pytest.mark.slow
def test_a_quick_run_leaves_its_pictures_and_figures(tmp_path):
    demo.main(["--quick", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"ali.png", "plane.png", "summary.json", "checkpoint.npz"}
    for name in ("ali", "plane"):
        assert_shows_something(tmp_path / f"{name}.png")


def test_a_smaller_run_measures_all_and_judges_nothing(tmp_path):
    summary = summary_of(smaller_run(demo, tmp_path, steps=2, grid_steps=2, judge_steps=2, width=8, D_width=8, judged=60))
    assert summary["holds"] == {}
    assert {"same class", "same class, independent pairs", "same mode", "way of z"} <= set(summary["metrics"])


# --- the games ------------------------------------------------------------------------------------------------------------


def test_apart_shows_d_every_x_beside_the_z_of_another():
    x, z = Tensor(np.arange(3.0)[:, None]), Tensor(10 * np.arange(3.0)[:, None])
    np.testing.assert_array_equal(demo.Apart(Joint(Same()))(x, z).numpy(), [[0, 10], [1, 20], [2, 0]])


class Same(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize("kind", demo.KINDS)
def test_both_kinds_of_game_have_the_same_networks_and_only_ds_view_differs(kind, monkeypatch):
    found = []
    monkeypatch.setattr(demo, "train", lambda game, batches, steps, name: found.append((game, next(batches))))
    judge = demo.judge_of(*small_digits(), TINY)
    demo.learn_digits(kind, 3, small_digits()[0], small_digits()[0][:30], judge, TINY)
    [(game, x)] = found
    assert x.min() >= -1
    assert x.max() > 0.9
    assert isinstance(game.D, demo.Apart) == (kind == demo.INDEPENDENT)
    assert isinstance(game.D.D if kind == demo.INDEPENDENT else game.D, Joint)
    mg.seed(3)
    again = nn.Dense(TINY.z, TINY.width)
    np.testing.assert_array_equal(game.G[0].weight.numpy(), again.weight.numpy())


def small_digits():
    x, y = data.glyphs(200, np.random.default_rng(0))
    return coarse(x, demo.SIDE), y


def test_one_of_each_class_comes_first_and_no_image_is_lost():
    classes = np.random.default_rng(0).integers(0, 10, 100)
    order = demo.in_turn(classes)
    assert classes[order[:20]].tolist() == [*range(10), *range(10)]
    assert sorted(order) == list(range(100))


def test_a_game_whose_p_and_q_are_inverse_has_every_class_and_mode(monkeypatch):
    monkeypatch.setattr(demo, "train", lambda game, *others: make_inverse(game))

    def make_inverse(game):
        game.G.forward = game.Q.forward = lambda v: v
        game.sample = lambda n, z=None: z if z is not None else game.prior(n)
        game.encode = lambda x: x

    run = demo.learn_grid(0, TINY)
    assert run["same mode"] == 1
    assert run["way of z"] == 0

    def return_digits(game, *others):
        game.encode = lambda x: x
        game.sample = lambda n, z=None: x[:1].repeat(n, axis=0) * 2 - 1 if z is None else z

    x, y = small_digits()
    monkeypatch.setattr(demo, "train", return_digits)
    run = demo.learn_digits(demo.PAIRS, 0, x, x[:30], demo.judge_of(x, y, TINY), TINY)
    assert run["same class"] == 1
    assert run["classes"] == 1  # all samples are alike
    np.testing.assert_allclose(run["back"], run["x"], atol=1e-6)


# --- the claim ----------------------------------------------------------------------------------------------------------

GOOD = {"same class": 0.8, "classes": 10, "clear": 0.5}
PLANE = {"same mode": 0.8, "way of z": 0.2, "modes": 25}


@pytest.mark.parametrize(("independent", "holds"), [((0.1, 0.15, 0.1), True), ((0.1, 0.9, 0.7), False)])
def test_pairs_have_to_help_and_the_worst_seed_is_told(tmp_path, independent, holds):
    claim = Claim(start(digits.options(""), ["--out", str(tmp_path)], "ali"), {})
    runs = {demo.PAIRS: [GOOD | {"same class": v} for v in (0.8, 0.75, 0.7)]}
    runs[demo.INDEPENDENT] = [GOOD | {"same class": v} for v in independent]
    demo.measure(claim, runs, [PLANE, PLANE | {"same mode": 0.1, "way of z": 1.6}])
    expected = {"same class": True, "same class, independent pairs": holds, "same class: pairs, not independent ones": holds}
    assert claim.holds == expected | {"same mode": False, "way of z": False}
    assert claim.metrics["same class"] == 0.7
    assert claim.metrics["same class, independent pairs"] == max(independent)
    assert (claim.metrics["same mode"], claim.metrics["way of z"]) == (0.1, 1.6)
