"""A panel's run: sub-steps, undo, and the picture."""

import json
import random
import threading

import numpy as np
import pytest

import minigan as mg
from demos.lab import panel as panel_module
from demos.lab.code import GAMES, Settings
from demos.lab.panel import EVERY, PLANE, Panel
from minigan import Tensor, no_grad
from minigan.backend import random_numbers
from tests.demos.lab.test_code import parameters

SMALL = Settings(width=8, batch=16)


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def substeps(panel):
    """The names of an iteration's sub-steps, played one by one."""
    names, start = [], panel.iteration
    while panel.iteration == start:
        panel.substep()
        names += [panel.stepper.substep["name"]] if panel.stepper else []
    return names


def test_a_gans_substeps_are_those_of_the_algorithms_box():
    of_d = ["x and z", "G(z)", "D(x)", "D(G(z))", "loss_D", "loss", "backward", "update D: Adam"]
    of_g = ["x and z", "G(z)", "D(G(z))", "loss_G", "backward", "update G: Adam"]
    assert substeps(Panel(SMALL)) == of_d + of_g


def test_k_and_l_repeat_the_players_substeps():
    panel = Panel(Settings(width=8, batch=16, k=3, l=2))
    names = substeps(panel)
    assert names.count("update D: Adam") == 3
    assert names.count("update G: Adam") == 2


@pytest.mark.parametrize("game", GAMES)
def test_substeps_compute_what_an_iteration_computes_to_the_last_bit(game):
    settings = Settings(game=game, width=8, batch=16)
    a, b = Panel(settings), Panel(settings)
    substeps(a)
    a.substep()  # and the next one from its midst
    a.iterate()
    b.iterate()
    b.iterate()
    assert (a.iteration, b.iteration) == (2, 2)
    assert same(parameters(a), parameters(b))
    assert dict(a.figures) == dict(b.figures)


def test_d_has_changed_after_its_update_and_g_has_not():
    panel = Panel(SMALL)
    before = panel.frame()
    while panel.stepper is None or not panel.stepper.substep["name"].startswith("update D"):
        panel.substep()
        at = panel.stepper.substep["name"].startswith("update D")
        now = panel.frame()
        assert (now["opinion"] == before["opinion"]) is not at
        assert now["samples"] == before["samples"]


def test_every_row_of_a_substep_has_its_formula_and_its_line():
    panel = Panel(SMALL)
    rows = []
    while panel.iteration == 0:
        panel.substep()
        rows += panel.stepper.substep["rows"] if panel.stepper else []
    kinds = {row["kind"] for row in rows}
    assert kinds == {"forward", "backward", "update", "backward pass", "cut"}
    assert all(row["at"].rpartition(":")[2].isdigit() for row in rows)
    assert all(row["formula"] and row["value"] for row in rows if row["kind"] in ("forward", "backward", "update"))
    softplus = next(row for row in rows if row["kind"] == "backward" and "softplus" in row["text"])
    assert (softplus["formula"], softplus["at"].partition(":")[0]) == ("g * sigmoid(x)", "ops/activations.py")


def test_an_iteration_that_is_given_up_has_not_been():
    panel, other = Panel(SMALL), Panel(SMALL)
    for _ in range(3):
        panel.iterate(), other.iterate()
    for _ in range(9):  # beyond D's update
        panel.substep()
    panel.undo()
    assert panel.stepper is None
    assert panel.iteration == 3
    assert same(parameters(panel), parameters(other))
    panel.iterate(), other.iterate()
    assert same(parameters(panel), parameters(other))


@pytest.mark.parametrize("game", ["GAN", "WGAN-GP"])
def test_undo_goes_back_one_by_one_to_the_bit(game):
    panel, seen = Panel(Settings(game=game, width=8, batch=16)), []
    for _ in range(EVERY + 4):
        seen.append(parameters(panel))
        panel.iterate()
    for i in reversed(range(EVERY + 4)):
        panel.undo()
        assert panel.iteration == i
        assert same(parameters(panel), seen[i])
    panel.undo()  # there is nothing before
    assert panel.iteration == 0


def test_what_is_undone_has_left_no_figures():
    panel = Panel(SMALL)
    for _ in range(EVERY):
        panel.iterate()
    before = panel.frame()
    panel.iterate()
    panel.undo()
    assert panel.frame()["figures"] == before["figures"]


def test_what_is_undone_is_no_longer_shown():
    panel = Panel(SMALL)
    panel.iterate()
    before = panel.frame()
    assert before["figures"].keys() > {"loss_D", "distance", "modes"}
    history = list(before["history"])
    panel.change({"data": "grid"})
    assert panel.frame()["figures"]["of"] == 25
    panel.iterate()
    assert panel.frame()["history"][-1]["iteration"] == 2
    for _ in range(3):
        panel.undo()
    panel.iterate()
    after = panel.frame()
    assert (after["data"], after["history"]) == (before["data"], history)


def test_an_optimizer_a_rate_and_l_change_together():
    panel = Panel(SMALL)
    panel.change({"l": 4})
    assert panel.objects["game"].l == 4
    panel.change({"optimizer": "SGD", "lr_D": 0.5})
    assert type(panel.objects["game"].opt_D).__name__ == "SGD"
    assert panel.objects["game"].opt_D.lr == 0.5


def test_the_plane_and_the_grid_of_z_reach_as_far_as_they_say():
    assert (PLANE[0].tolist(), PLANE[-1].tolist()) == ([-1.5, -1.5], [1.5, 1.5])
    for noise, reach in (("uniform", 1.0), ("normal", 2.0)):
        assert np.abs(Panel(Settings(noise=noise, width=2)).lattice()).max() == reach


def test_a_change_in_the_midst_of_an_iteration_stays():
    panel = Panel(SMALL)
    panel.iterate()
    for asked in ({"lr_D": 0.5}, {"k": 3}):
        panel.substep()
        panel.change(asked)
    assert (panel.settings.lr_D, panel.settings.k) == (0.5, 3)
    assert (panel.objects["game"].opt_D.lr, panel.objects["game"].k) == (0.5, 3)


def test_a_step_that_fails_has_not_been(monkeypatch):
    for play in (Panel.iterate, substeps):
        panel, other = Panel(SMALL), Panel(SMALL)
        panel.iterate(), other.iterate()
        with monkeypatch.context() as patch:
            patch.setattr(type(panel.objects["opt_G"]), "step", lambda _: 1 / 0)
            panel.save()  # so that the way back needs no step
            with pytest.raises(ZeroDivisionError):
                play(panel)
        panel.iterate(), other.iterate()
        assert same(parameters(panel), parameters(other))


def test_a_new_beginning_leaves_no_thread_behind():
    panel, before = Panel(SMALL), threading.active_count()
    for _ in range(3):
        panel.substep()
        panel.begin(SMALL)
    assert threading.active_count() == before


@pytest.mark.parametrize("seed", range(2))
def test_any_sequence_is_what_its_lines_compute(seed):
    rng, panel = random.Random(seed), Panel(Settings(width=4, batch=4))
    choices = [("game", list(GAMES)), ("optimizer", ["Adam", "SGD", "OMD"]), ("lr_D", [0.0, 0.1]), ("k", [1, 3])]
    choices += [("data", ["ring", "moons"]), ("batch", [1, 8]), ("seed", [1, 2])]
    for _ in range(60):
        match rng.choice(["iterate", "iterate", "substep", "substep", "undo", "change"]):
            case "change":
                name, values = rng.choice(choices[: -1 if rng.random() < 0.9 else None])
                asked = {name: rng.choice(values)}
                panel.change(asked)
                assert asked.items() <= panel.settings.shown().items()
            case name:
                getattr(panel, name)()
    if panel.stepper is not None:
        panel.undo()
    replay = {"print": lambda *_: None}
    with random_numbers.own_generators():
        exec(panel.script(), replay)
    assert same(parameters(panel), [p.numpy() for p in (*replay["G"].parameters(), *replay["D"].parameters())])


def test_two_panels_do_not_disturb_each_other():
    settings = Settings(game="WGAN-GP", width=8, batch=16)  # draws from minigan's default generator
    a, b, alone = Panel(settings), Panel(settings), Panel(settings)
    for _ in range(3):
        a.iterate(), b.substep(), b.iterate()
    for _ in range(3):
        alone.iterate()
    assert same(parameters(a), parameters(alone))
    assert same(parameters(b), parameters(alone))


def test_minigans_own_generator_is_left_alone():
    mg.seed(5)
    Panel(Settings(game="WGAN-GP", width=8, batch=16)).iterate()
    assert random_numbers.generator().random() == np.random.default_rng(5).random()


def test_a_setting_that_is_refused_changes_nothing():
    panel = Panel(SMALL)
    panel.substep()
    with pytest.raises(ValueError, match="whole number"):
        panel.change({"k": 0})
    assert panel.settings == SMALL
    assert panel.stepper is not None


def test_a_rate_changes_in_the_midst_of_a_run_and_the_networks_stay():
    panel = Panel(SMALL)
    panel.iterate()
    before = parameters(panel)
    panel.change({"lr_D": 0.5, "game": "hinge", "optimizer": "SGD"})
    assert same(parameters(panel), before)
    assert panel.objects["game"].opt_D.lr == 0.5
    panel.change({"width": 4})
    assert panel.iteration == 0


# --- what it shows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_arrows_are_minus_the_gradient_and_the_map_is_d(game):
    panel = Panel(Settings(game=game, width=8, batch=16))
    panel.iterate()
    frame, playing = panel.frame(), panel.objects["game"]
    x = Tensor(np.array(frame["samples"]), requires_grad=True, dtype="float32")
    logits = playing.D(x)
    if game.startswith("GAN"):  # -log D, or log(1 - D), of each sample
        p = mg.sigmoid(logits)
        loss = mg.log(1 - p).sum() if game == "GAN, saturating" else -mg.log(p).sum()
    else:
        loss = -logits.sum()
    np.testing.assert_allclose(frame["arrows"], -mg.grad(loss, x)[0].numpy(), atol=1e-6)
    with no_grad():
        opinion = playing.D(Tensor(PLANE))
        opinion = mg.sigmoid(opinion) if game.startswith("GAN") else opinion
    np.testing.assert_allclose(frame["opinion"], opinion.numpy().reshape(-1), atol=1e-6)


def test_looking_changes_nothing():
    a, b = Panel(SMALL), Panel(SMALL)
    for _ in range(3):
        a.iterate(), b.iterate()
        a.frame()
        b.substep(), b.frame(), b.undo()
    assert same(parameters(a), parameters(b))


def test_the_curves_keep_their_ends_and_stay_short(monkeypatch):
    monkeypatch.setattr(panel_module, "ROWS", 20)
    panel = Panel(Settings(width=2, batch=2))
    for _ in range(100):
        panel.iterate()
        panel.measure(np.full((256, 2), np.nan))
    steps = [row["iteration"] for row in panel.history]
    assert len(steps) <= 20
    assert (steps[0], steps[-1]) == (1, 100)
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("player", "who"), [("D", "parameters of D and then of G"), ("G", "parameters of G")])
def test_who_breaks_down_is_known_from_the_first_iteration_on(player, who, value, monkeypatch):
    panel = Panel(SMALL)
    step = type(panel.objects["opt_D"]).step

    def diverges(rule):
        step(rule)
        if panel.iteration == 6 and rule is panel.objects[f"opt_{player}"]:
            rule.params[0].data = np.full(rule.params[0].shape, value, "float32")

    monkeypatch.setattr(type(panel.objects["opt_D"]), "step", diverges)
    with np.errstate(all="ignore"):
        for _ in range(7):
            assert not panel.trouble
            panel.iterate()
        frame = panel.frame()
    assert frame["trouble"].startswith(f"Iteration 7: {who} became nan or infinite.")
    assert [None, None] in frame["samples"]  # and not [0, 0]
    json.dumps(frame, allow_nan=False)  # a browser reads no nan
    panel.undo()
    assert not panel.trouble
    assert panel.iteration == 6


def test_an_infinite_loss_is_trouble_though_all_parameters_are_finite():
    panel = Panel(SMALL)
    panel.ended({"loss_D": 1.0, "loss_G": np.inf})
    assert panel.trouble.startswith("Iteration 1: loss_G became nan or infinite.")


@pytest.mark.parametrize("asked", [{"lr_D": 0.5}, {"data": "grid"}, {"game": "WGAN-GP"}, {"seed": 3}])
def test_a_change_is_undone_to_the_bit_and_a_new_beginning_too(asked):
    panel, other = Panel(SMALL), Panel(SMALL)
    for _ in range(EVERY + 3):
        panel.iterate(), other.iterate()
    before = other.frame(), panel.frame()
    panel.substep()  # a change gives up what is under way
    panel.change(asked)
    assert panel.settings != SMALL
    panel.undo()
    assert panel.settings == SMALL
    assert panel.frame() == before[1] == before[0]
    for _ in range(EVERY):
        panel.iterate(), other.iterate()
    assert same(parameters(panel), parameters(other))
    panel.undo(), other.undo()
    assert panel.iteration == other.iteration == 2 * EVERY + 2


@pytest.mark.parametrize("game", ["WGAN-GP", "hinge"])
def test_a_copy_goes_on_and_back_as_the_run_itself(game):
    panel = Panel(Settings(width=8, batch=16))
    for _ in range(EVERY + 3):
        panel.iterate()
    panel.change({"game": game})
    panel.iterate()
    panel.substep()
    twin = panel.copy()
    assert twin.frame() == panel.frame()
    for _ in range(3):
        twin.iterate()
    assert panel.iteration == EVERY + 4
    for _ in range(3):
        panel.iterate()
    assert twin.script() == panel.script()
    assert same(parameters(panel), parameters(twin))
    for _ in range(9):
        panel.undo(), twin.undo()
    assert (panel.iteration, panel.settings) == (twin.iteration, twin.settings)
    assert panel.settings.game == "GAN"
    assert same(parameters(panel), parameters(twin))
