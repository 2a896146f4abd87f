"""D's accuracy over a game, after D's steps and after G's; D alone; and the bounds of made-up runs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from demos.training import equilibrium as demo
from minigan import Tensor, data, nn, optim
from tests.demos.experiments import broken, judged

SMALL = replace(demo.Settings(), alone=40, width=16, z=4, batch=20, images=50, looks=4)
X = (2 * np.random.default_rng(0).random((120, 1, 28, 28), dtype=np.float32) - 1) / 4


class Brightness(nn.Module):
    """D(x) = sigmoid(a times the first pixel)."""

    def __init__(self, a=1.0):
        self.a = Tensor([[a]], requires_grad=True)

    def forward(self, x):
        return x.reshape(len(x), -1)[:, :1] @ self.a


def pixels(*values):
    """Images of one brightness each."""
    return np.array(values, np.float32)[:, None, None, None] * np.ones((1, 1, 28, 28), np.float32)


def test_what_d_says_of_each_kind():
    found = demo.judged(Brightness(2.0), pixels(1, 1, 1, -1), pixels(1, 1, -1, -1, -1), pixels(-1, -1, -1, -1, 1))
    expected = {"trained": 3 / 4, "held_out": 2 / 5, "fake": 1 / 5, "accuracy": (2 / 5 + 4 / 5) / 2}
    expected["D_trained"] = (3 * expit(2) + expit(-2)) / 4
    expected["D_held_out"] = (2 * expit(2) + 3 * expit(-2)) / 5
    expected["D_fake"] = (4 * expit(-2) + expit(2)) / 5
    assert found == pytest.approx(expected)


def test_a_look_comes_after_ds_step_and_after_gs_and_sees_that_player_changed():
    G, D = nn.Sequential(nn.Dense(2, 784), nn.Reshape(1, 28, 28)), Brightness()
    rules = [optim.SGD(player.parameters(), 0.1) for player in (G, D)]
    game, calls = demo.Watched(G, D, data.noise(2), *rules), []
    batches = data.batches(X, size=10)
    game.step(batches)  # no look, nothing called

    def state():
        return [p.numpy().copy() for p in (G.parameters()[0], D.parameters()[0])]

    before = state()
    game.look = lambda player: calls.append((player, state()))
    game.step(batches)
    (first, (g1, d1)), (second, (g2, d2)) = calls
    assert (first, second) == ("D", "G")
    np.testing.assert_array_equal(g1, before[0])
    np.testing.assert_array_equal(d2, d1)
    assert (d1 != before[1]).any()
    assert (g2 != g1).any()


def test_a_game_is_looked_at_evenly_from_both_sides_at_the_first_images_of_each_kind(record, two_sets):
    x, others = two_sets.x, two_sets.others
    settings = replace(SMALL, images=30)
    seen = record(demo, "judged", demo.judged)
    learnt = record(demo.data, "batches", demo.data.batches)
    game, run = demo.play(x, others, 12, settings, 0)
    for player in "DG":
        np.testing.assert_array_equal(run[player]["step"], [3, 6, 9, 12])
    assert (run["D"]["D_fake"] != run["G"]["D_fake"]).any()
    np.testing.assert_array_equal(run["D"]["D_held_out"], run["G"]["D_held_out"])  # G's step changes no D
    assert game.opt_D.lr == pytest.approx(0)
    assert len(seen) == 8
    black = np.zeros((20, 1, 28, 28), np.float32)
    before = [p.numpy().copy() for p in game.G.parameters()]
    alone = demo.go_on(game.D, x, lambda n: black, others, settings)
    assert (alone["step"][0], alone["step"][-1]) == (0, settings.alone)
    for a, p in zip(before, game.G.parameters(), strict=True):
        np.testing.assert_array_equal(a, p.numpy())
    for call in seen:
        assert call.D is game.D
        np.testing.assert_array_equal(call.trained, x[:30])
        np.testing.assert_array_equal(call.others, others[:30])
    assert all(call.fake is black for call in seen[8:])
    assert all(call.arrays[0] is x for call in learnt)


def test_d_alone_learns_what_can_be_told_apart_and_no_more():
    rng = np.random.default_rng(1)
    bright = np.abs(X) + 0.1
    settings = replace(SMALL, alone=60, lr=0.05)
    for sign, end in ((-1, 1.0), (1, 0.5)):
        run = demo.go_on(
            Brightness(0.0), bright, lambda n, sign=sign: sign * bright[rng.integers(120, size=n)], bright, settings
        )
        assert run["accuracy"][[0, -1]] == pytest.approx([0.5, end])


RIGHT_G = "a right G: D's accuracy away from 0.5"


def a_run(accuracy=0.9, turn=0.02, few=0.1, alone=0.995, control=0.5):
    def rows(accuracy, trained=0.8):
        table = {"accuracy": accuracy, "trained": trained, "held_out": 0.8, "D_held_out": 0.7, "D_fake": 0.2}
        return {key: np.full(8, value) for key, value in table.items()}

    return {
        "all": {"D": rows(accuracy + turn), "G": rows(accuracy)},
        "few": {"D": rows(0.9), "G": rows(0.9, 0.8 + few)},
        "alone": rows(alone),
        "control": rows(control),
    }


@pytest.mark.parametrize(
    ("worse", "misses"),
    [
        ({}, []),
        ({"accuracy": 0.5}, ["accuracy at rest, least seed"]),
        ({"turn": -0.01}, ["gained by D's own step"]),
        ({"few": -0.01}, ["few images: trained on, accepted more often by"]),
        ({"alone": 0.98}, ["accuracy of D alone, G frozen"]),
        ({"control": 0.56}, [RIGHT_G]),
        ({"control": 0.44}, [RIGHT_G]),
    ],
)
def test_the_worst_seed_decides(worse, misses):
    assert broken(judged(demo.measure, [a_run(), a_run(**worse)])) == set(misses)


def test_late_is_the_last_quarter():
    assert demo.late(np.arange(8.0)) == 6.5
    assert demo.late(np.array([3.0])) == 3


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_every_seed_plays_with_the_training_images_and_the_others(main, record, two_sets):
    played = record(demo, "experiments", lambda seed, *rest: seed)
    measured = record(demo, "measure")
    main(demo)
    assert measured[0].runs == [5, 6]
    for call in played:
        np.testing.assert_allclose(call.x, 2 * two_sets.x - 1, atol=1e-6)
        np.testing.assert_allclose(call.others, 2 * two_sets.others - 1, atol=1e-6)


def test_the_controls_fakes_are_training_images_which_its_d_never_gets_as_real(record, two_sets):
    x, others = two_sets.x, two_sets.others
    D = Brightness()
    game = SimpleNamespace(D=D, prior=lambda n: n, sample=lambda n, z: ("samples", n, z))
    played = record(demo, "play", lambda x, *rest: (game if len(x) == 60 else None, {}))
    alone = record(demo, "go_on", lambda D, *rest, **changing: D)
    run = demo.experiments(4, replace(SMALL, few=20, few_steps=7, steps=9), x, others)

    assert sorted((len(call.x), call.steps, call.seed) for call in played) == [(20, 7, 4), (60, 9, 4)]
    assert all(call.others is others for call in (*played, *alone))
    after, control = alone
    assert run["alone"] is after.D is D
    assert len(after.x) == 60
    assert after.fakes(3) == ("samples", 3, 3)
    assert run["control"] is control.D is not D
    fakes, real, every = ({image.tobytes() for image in images} for images in (control.fakes(500), control.x, x))
    assert len(fakes) == len(real) == 30
    assert fakes | real == every
