"""D's accuracy over a game, after D's steps and after G's; D alone; and what a quick run finds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

import minigan as mg
from demos.kit.digits import options
from demos.kit.run import open_claim, start
from demos.training import equilibrium as demo
from minigan import Tensor, data, nn, optim
from tests.demos.running import assert_shows_something, summary_of

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


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("equilibrium")
    demo.main(["--quick", "--jobs", "1", "--out", str(folder)])
    return folder


@pytest.mark.slow
def test_the_claim_holds(out):
    summary = summary_of(out)
    assert summary["holds"] == {"gained by D's own step": True}  # all that so few iterations show
    assert {path.name for path in out.iterdir()} == {"equilibrium.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "equilibrium.png")


def test_what_d_says_of_each_kind():
    found = demo.judged(Brightness(2.0), pixels(1, 1, 1, -1), pixels(1, 1, -1, -1, -1), pixels(-1, -1, -1, -1, 1))
    assert found["trained"] == pytest.approx(3 / 4)
    assert found["held_out"] == pytest.approx(2 / 5)
    assert found["fake"] == pytest.approx(1 / 5)
    assert found["accuracy"] == pytest.approx((2 / 5 + 4 / 5) / 2)  # training images do not count
    assert found["D_trained"] == pytest.approx((3 * expit(2) + expit(-2)) / 4)
    assert found["D_held_out"] == pytest.approx((2 * expit(2) + 3 * expit(-2)) / 5)
    assert found["D_fake"] == pytest.approx((4 * expit(-2) + expit(2)) / 5)


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
    assert [player for player, _ in calls] == ["D", "G"]
    (_, (g1, d1)), (_, (g2, d2)) = calls
    np.testing.assert_array_equal(g1, before[0])
    np.testing.assert_array_equal(d2, d1)
    assert (d1 != before[1]).any()
    assert (g2 != g1).any()


def test_a_game_is_looked_at_evenly_from_both_sides_and_plays_as_gan_does():
    mg.seed(3)
    game, run = demo.play(X, X[:50], 12, SMALL, seed=3)
    for player in "DG":
        np.testing.assert_array_equal(run[player]["step"], [3, 6, 9, 12])
    assert (run["D"]["D_fake"] != run["G"]["D_fake"]).any()
    np.testing.assert_array_equal(run["D"]["D_held_out"], run["G"]["D_held_out"])  # G's step changes no D
    assert game.opt_D.lr == pytest.approx(0)
    again, other = (demo.play(X, X[:50], 12, SMALL, seed)[1] for seed in (3, 4))
    np.testing.assert_array_equal(run["G"]["D_fake"], again["G"]["D_fake"])
    assert (run["G"]["D_fake"] != other["G"]["D_fake"]).any()


def test_d_alone_learns_what_can_be_told_apart_and_no_more():
    rng = np.random.default_rng(1)
    bright = np.abs(X) + 0.1
    settings = replace(SMALL, alone=60, lr=0.05)
    apart = demo.go_on(Brightness(0.0), bright, lambda n: -bright[rng.integers(120, size=n)], bright, settings)
    assert apart["accuracy"][0] == pytest.approx(0.5)
    assert apart["accuracy"][-1] == 1
    alike = demo.go_on(Brightness(0.0), bright, lambda n: bright[rng.integers(120, size=n)], bright, settings)
    assert alike["accuracy"][-1] == pytest.approx(0.5)
    assert apart["step"][0] == 0
    assert apart["step"][-1] == settings.alone


def test_d_alone_leaves_g_as_it_is():
    game, _ = demo.play(X, X[:50], 4, SMALL, seed=0)
    before = [p.numpy().copy() for p in game.G.parameters()]
    mine = [p.numpy().copy() for p in game.D.parameters()]
    demo.go_on(game.D, X, lambda n: game.sample(n, z=game.prior(n)), X[:50], SMALL)
    assert all(np.array_equal(a, p.numpy()) for a, p in zip(before, game.G.parameters(), strict=True))
    assert not any(np.array_equal(a, p.numpy()) for a, p in zip(mine, game.D.parameters(), strict=True))


def test_late_is_the_last_quarter():
    assert demo.late(np.arange(8.0)) == 6.5
    assert demo.late(np.array([3.0])) == 3


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
    ("worse", "fails"),
    [
        ({}, set()),
        ({"accuracy": 0.5}, {"accuracy at rest, least seed"}),
        ({"turn": -0.01}, {"gained by D's own step"}),
        ({"few": -0.01}, {"few images: trained on, accepted more often by"}),
        ({"alone": 0.98}, {"accuracy of D alone, G frozen"}),
        ({"control": 0.56}, {RIGHT_G}),
        ({"control": 0.44}, {RIGHT_G}),
    ],
)
def test_the_worst_seed_decides(tmp_path, worse, fails):
    args = start(options(""), ["--out", str(tmp_path)], "equilibrium")
    claim = open_claim(args, {})
    demo.measure(claim, [a_run(), a_run(**worse)])
    assert {name for name, holds in claim.holds.items() if not holds} == fails
    assert len(claim.holds) == 5


# --- what reaches what --------------------------------------------------------------------------------------------------


def rows(images):
    return {image.tobytes() for image in images}


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
    settings = replace(SMALL, few=20, few_steps=7, steps=9)
    run = demo.experiments(4, settings, x, others)

    assert sorted((len(call.x), call.steps, call.seed) for call in played) == [(20, 7, 4), (60, 9, 4)]
    for call in (*played, *alone):
        np.testing.assert_array_equal(call.others, others)
        assert rows(call.x) <= rows(x)
    after, control = alone
    assert run["alone"] is after.D is D
    assert len(after.x) == 60
    assert after.fakes(3) == ("samples", 3, 3)
    assert run["control"] is control.D
    assert control.D is not D
    fakes = rows(control.fakes(500))
    assert fakes == rows(x) - rows(control.x)
    assert len(fakes) == 30


def test_looks_see_the_first_training_images_and_the_first_held_out_ones(record, two_sets):
    x, others = two_sets.x, two_sets.others
    settings = replace(SMALL, images=30, looks=2, alone=2)
    seen = record(demo, "judged", demo.judged)
    learnt = record(demo.data, "batches", demo.data.batches)
    game, _ = demo.play(x, others, 4, settings, 0)
    assert len(seen) == 4  # from both sides
    demo.go_on(game.D, x, lambda n: np.zeros((n, 1, 28, 28), np.float32), others, settings)
    for call in seen:
        np.testing.assert_array_equal(call.trained, x[:30])
        np.testing.assert_array_equal(call.others, others[:30])
        assert call.D is game.D
    for call in seen[4:]:
        assert (call.fake == 0).all()
    for call in learnt:
        np.testing.assert_array_equal(call.arrays[0], x)
