"""The engine in 80 lines against minigan; the demos of gradients against formulas, and with planted faults."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from demos.gradients import detach, engine, ladder, saddle
from minigan import Tensor, losses
from tests.demos.experiments import broken, judged

# --- saddle ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [(0.0, 0.0), (0.5, -2.0), (3.0, 1 / 3)])
def test_loss_gradient_and_hessian_are_the_formulas(w):
    w1, w2 = w
    x, product = np.random.default_rng(5).standard_normal(40), w1 * w2
    m = np.mean(x**2)
    assert saddle.loss(Tensor(np.array(w)), x).item() == pytest.approx(m * (1 - product) ** 2, abs=1e-12)
    gradient, hessian = saddle.gradient_and_hessian(np.array(w), x)
    np.testing.assert_allclose(gradient, -2 * m * (1 - product) * np.array([w2, w1]), atol=1e-12)
    off_diagonal = 2 * m * (2 * product - 1)
    np.testing.assert_allclose(hessian, [[2 * m * w2**2, off_diagonal], [off_diagonal, 2 * m * w1**2]], atol=1e-12)


def test_only_a_start_on_the_falling_side_gets_away_and_by_the_eigenvalues():
    x, s = np.random.default_rng(5).standard_normal(40), saddle.Settings(steps=300)
    assert broken(judged(saddle.where_descents_go, [saddle.descents(x, s)], [x])) == set()
    for direction in (1, -1):  # a step along the eigenvector multiplies the distance
        path = saddle.descend((1e-8, 1e-8 * direction), x, s)
        np.testing.assert_allclose(path[20] / path[0], (1 + direction * 2 * np.mean(x**2) * s.lr) ** 20, rtol=1e-9)


# --- detach ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "fault", "fails"),
    [
        ("without", detach.LINKS["without"], ()),
        ("detach", lambda b: b, ("f with detach", "f that SGD changed with detach", "f's sake with detach")),
        ("detach", lambda b: Tensor(1.0001 * b.numpy()), ("in c that differ", "in g's gradients that differ")),
        ("without", Tensor.detach, ("f without", "f that SGD changed without", "f's sake without")),
    ],
)
def test_a_wrong_link_in_one_seed_breaks_the_claim(monkeypatch, link, fault, fails):
    runs = [detach.two_networks(detach.Settings(), 3)]
    monkeypatch.setitem(detach.LINKS, link, fault)
    found = broken(judged(detach.measure, "chain", "f", "g", [*runs, detach.two_networks(detach.Settings(), 4)]))
    assert len(found) == len(fails)
    assert all(any(name.endswith(end) for name in found) for end in fails)


def test_detach_saves_eight_derivatives_and_five_gradients():
    found = judged(detach.measure, "GAN", "G", "D", [detach.discriminator_step(detach.Settings(), seed=3)]).metrics
    # a dense layer has three inputs, the activation one; the one more is that of b in D's first layer
    assert found["GAN: derivatives called for G's sake without"] == 2 * 3 + 1 + 1
    assert found["GAN: gradients in G without"] == 5  # z's, and those of both layers' parameters


# --- the engine in 80 lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", [True, False])
def test_the_losses_are_minigans_and_never_overflow(real):
    v = np.array([[-1000.0], [-40.0], [0.0], [3.0], [1000.0]])
    mine, other = engine.Tensor(v), Tensor(v, requires_grad=True)
    loss, minigans = engine.log_loss(mine, real), losses.log_loss_with_logits(other, float(real))
    (loss + loss).backward()
    minigans.backward()
    np.testing.assert_allclose(loss.data, minigans.item(), rtol=1e-12)
    np.testing.assert_allclose(mine.grad, 2 * other.grad.numpy(), rtol=1e-12)


def test_b_waits_until_both_of_its_gradients_are_there_and_a_long_way_and_a_short_one_meet():
    a = engine.Tensor(np.array([3.0]))
    b = a + a
    c = b + b
    c.backward()
    assert (c.data, a.grad, b.grad, c.grad) == (12, 4, 2, 1)
    long = b
    for _ in range(1100):  # deeper than Python's recursion
        long = long + engine.Tensor(np.zeros(1))
    (b + long).backward()
    assert (a.grad, b.grad) == (4, 2)


@pytest.mark.slow
def test_80_lines_run_as_a_script_and_their_gan_learns_mean_3_and_standard_deviation_2(capsys):
    assert len(Path(engine.__file__).read_text(encoding="utf-8").splitlines()) <= 80
    runpy.run_path(engine.__file__, run_name="__main__")
    last = capsys.readouterr().out.splitlines()[-1]
    assert [float(last.split()[i].strip(",")) for i in (-3, -1)] == pytest.approx([3, 2], abs=0.2)


NO_GRADIENT = "D's loss: parameters without gradient, "
DIFFER = [f"{name}: difference of gradients" for name in (*ladder.LOSSES, "broadcast bias, used again")]


@pytest.mark.parametrize(
    ("where", "name", "fault", "fails"),
    [
        (engine, "tanh", engine.tanh, []),
        (engine.Tensor, "detach", lambda tensor: tensor, [NO_GRADIENT + "80 lines", DIFFER[0]]),
        (ladder.Tensor, "detach", lambda tensor: tensor, [NO_GRADIENT + "minigan", DIFFER[0]]),
        (engine, "tanh", lambda x: x, [*DIFFER, "20 iterations: difference of the parameters"]),
    ],
)
def test_a_fault_in_either_engine_breaks_the_claim(monkeypatch, where, name, fault, fails):
    monkeypatch.setattr(where, name, fault)
    found = judged(ladder.compare_gradients, range(1), ladder.Settings())
    ladder.compare_iterations(found, range(2), ladder.Settings(iterations=20))
    assert broken(found) == set(fails)


def test_differences_are_relative_to_the_largest_number_and_a_gradient_that_one_engine_lacks_is_one():
    one = [np.ones(2)]
    assert ladder.difference([None, *one], [*one, *one]) == np.inf
    assert ladder.difference([None, *one], [None, *one]) == 0
    assert ladder.difference([np.array([1.0, 4.0])], [np.array([2.0, 5.0])]) == 0.2
