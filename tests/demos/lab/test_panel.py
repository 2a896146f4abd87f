"""A panel's run: sub-steps, undo, and the picture."""

import json
import random

import numpy as np
import pytest

import minigan as mg
from demos.lab.code import DATA, GAMES, RULES, Settings
from demos.lab.panel import EVERY, PLANE, Panel
from minigan import Tensor, no_grad
from minigan.backend import random_numbers

SMALL = Settings(width=8, batch=16)


def parameters(objects):
    return [p.numpy().copy() for p in (*objects["G"].parameters(), *objects["D"].parameters())]


def played(settings, n):
    panel = Panel(settings)
    for _ in range(n):
        panel.iterate()
    return panel


def substeps(panel):
    """The next iteration's sub-steps, played one by one."""
    panel.substep()
    while panel.stepper:
        yield panel.stepper.substep
        panel.substep()


def test_a_gans_substeps_are_those_of_the_algorithms_box_and_their_rows_have_formulas_and_lines():
    found = list(substeps(Panel(Settings(width=8, batch=16, k=2, l=3))))
    of_d = ["x and z", "G(z)", "D(x)", "D(G(z))", "loss_D", "backward", "update D: Adam"]
    of_g = ["x and z", "G(z)", "D(G(z))", "loss_G", "backward", "update G: Adam"]
    assert [substep["name"] for substep in found] == 2 * of_d + 3 * of_g
    rows = [row for substep in found for row in substep["rows"]]
    assert {row["kind"] for row in rows} == {"forward", "backward", "update", "backward pass", "cut"}
    assert all(row["at"].rpartition(":")[2].isdigit() for row in rows)
    assert all(row["formula"] and row["value"] for row in rows if row["kind"] in ("forward", "backward", "update"))
    affine = next(row for row in rows if row["kind"] == "backward" and "affine" in row["text"])
    assert (affine["formula"], affine["at"].partition(":")[0]) == ("_times_transposed(g, weight)", "ops/linear.py")


@pytest.mark.parametrize("game", GAMES)
def test_substeps_compute_what_an_iteration_computes_to_the_last_bit(game):
    settings = Settings(game=game, width=8, batch=16)
    panel, other = Panel(settings), played(settings, 2)
    list(substeps(panel))
    panel.substep()  # and the next one from its midst
    panel.iterate()
    np.testing.assert_equal(parameters(panel.objects), parameters(other.objects))
    assert (panel.iteration, dict(panel.figures)) == (2, dict(other.figures))


def test_undo_goes_back_one_by_one_to_the_bit_and_gives_up_what_is_under_way_and_an_error_too(monkeypatch):
    panel, seen = Panel(Settings(game="WGAN-GP", width=8, batch=16)), []
    for _ in range(EVERY + 4):
        seen.append(parameters(panel.objects))
        panel.iterate()
    seen.append(parameters(panel.objects))
    for _ in range(9):  # beyond D's update
        panel.substep()
    for i in (*reversed(range(EVERY + 5)), 0):  # before the first there is nothing
        panel.undo()
        assert (panel.iteration, panel.stepper) == (i, None)
        np.testing.assert_equal(parameters(panel.objects), seen[i])
    monkeypatch.setattr(panel.objects["opt_G"], "step", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        panel.iterate()  # after D's update
    np.testing.assert_equal(parameters(panel.objects), seen[0])


@pytest.mark.parametrize("asked", [{"lr_D": 0.5}, {"data": "grid"}, {"game": "WGAN-GP"}, {"seed": 3}])
def test_a_change_is_undone_to_the_bit_and_a_new_beginning_too(asked):
    panel, other = played(SMALL, EVERY + 3), played(SMALL, EVERY + 3)
    before = other.frame(), panel.frame()
    panel.substep()  # a change gives up what is under way
    panel.change(asked)
    assert panel.settings != SMALL
    panel.iterate()
    assert panel.frame() != before[0]
    panel.undo(), panel.undo()
    assert panel.settings == SMALL
    assert panel.frame() == before[1] == before[0]
    for _ in range(EVERY):
        panel.iterate(), other.iterate()
    np.testing.assert_equal(parameters(panel.objects), parameters(other.objects))
    panel.undo(), other.undo()
    assert panel.iteration == other.iteration == 2 * EVERY + 2


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.slow] * (seed > 0)) for seed in range(4)])
def test_the_script_of_any_sequence_is_the_run_to_the_last_bit(seed):
    rng, panel = random.Random(seed), Panel(Settings(width=4, batch=4, points=((0.5, 0.25), (-1.0, 1.0))))
    choices = [("game", [*GAMES]), ("optimizer", [*RULES]), ("lr_D", [0.0, 0.1]), ("lr_G", [0.0, 0.1]), ("k", [1, 3])]
    choices += [("l", [1, 4]), ("data", [*DATA]), ("batch", [1, 8]), ("seed", [1, 2])]
    for _ in range(60):
        match rng.choice(["iterate", "iterate", "substep", "substep", "undo", "change"]):
            case "change":
                name, values = rng.choice(choices[: -1 if rng.random() < 0.9 else None])
                asked = {name: rng.choice(values)}
                panel.change(asked)
                assert asked.items() <= panel.settings.shown().items()
            case name:
                getattr(panel, name)()
    panel.iterate()
    replay = {"print": lambda *_: None}
    with random_numbers.own_generators():
        exec(panel.script(), replay)
    np.testing.assert_equal(parameters(panel.objects), parameters(replay))
    assert "demos" not in panel.script()


def test_two_panels_and_looking_at_them_disturb_neither_the_other_nor_minigans_generator():
    settings = Settings(game="WGAN-GP", width=8, batch=16)  # draws from minigan's default generator
    mg.seed(5)
    a, b, alone = Panel(settings), Panel(settings), Panel(settings)
    for _ in range(3):
        a.iterate(), a.frame(), b.substep(), b.frame(), b.iterate()
    for _ in range(3):
        alone.iterate()
    np.testing.assert_equal(parameters(a.objects), parameters(alone.objects))
    np.testing.assert_equal(parameters(b.objects), parameters(alone.objects))
    assert random_numbers.generator().random() == np.random.default_rng(5).random()


@pytest.mark.parametrize("game", GAMES)
def test_arrows_are_minus_the_gradient_and_the_map_is_d(game):
    panel = played(Settings(game=game, width=8, batch=16), 1)
    frame, playing = panel.frame(), panel.objects["game"]
    x = Tensor(np.array(frame["samples"]), requires_grad=True, dtype="float32")
    logits = playing.D(x)
    if game.startswith("GAN"):  # -log D, or log(1 - D), of each sample
        p = mg.sigmoid(logits)
        loss = mg.log(1 - p).sum() if game == "GAN, saturating" else -mg.log(p).sum()
    else:
        loss = ((logits - 1) ** 2).sum() / 2 if game == "least squares" else -logits.sum()
    np.testing.assert_allclose(frame["arrows"], -mg.grad(loss, x)[0].numpy(), atol=1e-6)
    assert (PLANE[0].tolist(), PLANE[-1].tolist()) == ([-1.5, -1.5], [1.5, 1.5])
    with no_grad():
        opinion = playing.D(Tensor(PLANE))
        opinion = mg.sigmoid(opinion) if game.startswith("GAN") else opinion
    np.testing.assert_allclose(frame["opinion"], opinion.numpy().reshape(-1), atol=1e-6)


@pytest.mark.parametrize(
    ("player", "value", "who"), [("D", np.nan, "parameters of D and then of G"), ("G", np.inf, "parameters of G")]
)
def test_who_breaks_down_is_known_from_the_first_iteration_on(player, who, value, monkeypatch):
    panel = played(SMALL, 6)
    step = type(panel.objects["opt_D"]).step

    def diverges(rule):
        step(rule)
        if rule is panel.objects[f"opt_{player}"] and panel.iteration == 6:
            rule.params[0].data = np.full(rule.params[0].shape, value, "float32")

    monkeypatch.setattr(type(panel.objects["opt_D"]), "step", diverges)
    assert not panel.trouble
    with np.errstate(all="ignore"):
        panel.iterate()
        frame = panel.frame()
    assert frame["trouble"].startswith(f"Iteration 7: {who} became nan or infinite.")
    assert [None, None] in frame["samples"]  # and not [0, 0]
    json.dumps(frame, allow_nan=False)  # a browser reads no nan
    panel.undo()
    assert not panel.trouble
    assert panel.iteration == 6
    panel.ended({"loss_D": 1.0, "loss_G": np.inf})  # an infinite loss, though all parameters are finite
    assert panel.trouble.startswith("Iteration 7: loss_G became nan or infinite.")
