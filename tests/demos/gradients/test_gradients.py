"""The engine in 80 lines against minigan; the demos of gradients against formulas, and with planted faults."""

import numpy as np
import pytest

from demos.gradients import detach, engine, ladder, saddle
from minigan import Tensor, losses
from tests.demos.experiments import broken, judged


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
    assert broken(judged(saddle.second_derivatives, x, "")) == set()
    assert broken(judged(saddle.where_descents_go, [saddle.descents(x, s)], [x])) == set()
    for direction in (1, -1):  # a step along the eigenvector multiplies the distance
        path = saddle.descend((1e-8, 1e-8 * direction), x, s)
        np.testing.assert_allclose(path[20] / path[0], (1 + direction * 2 * np.mean(x**2) * s.lr) ** 20, rtol=1e-9)


@pytest.mark.parametrize(
    ("link", "fault", "fails"),
    [
        ("without", lambda b: b, 0),
        ("detach", lambda b: b, 3),  # gradients in f, that SGD changes, and derivatives called for f's sake
        ("without", Tensor.detach, 3),
    ],
)
def test_a_wrong_link_in_one_seed_breaks_these_many_bounds(monkeypatch, link, fault, fails):
    runs = [detach.two_networks(detach.Settings(), 3)]
    monkeypatch.setitem(detach.LINKS, link, fault)
    runs.append(detach.two_networks(detach.Settings(), 4))
    assert len(broken(judged(detach.measure, "chain", "f", "g", runs))) == fails


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


@pytest.mark.parametrize(
    ("where", "name", "fault", "fails"),
    [
        (engine, "tanh", engine.tanh, 0),
        (engine.Tensor, "detach", lambda tensor: tensor, 2),  # the gradients of D's loss, and which are None
        (ladder.Tensor, "detach", lambda tensor: tensor, 2),
        (engine, "tanh", lambda x: x, 5),  # all gradients, and the parameters after iterations
    ],
)
def test_a_fault_in_either_engine_breaks_these_many_bounds(monkeypatch, where, name, fault, fails):
    monkeypatch.setattr(where, name, fault)
    found = judged(ladder.compare_gradients, range(1), ladder.Settings())
    ladder.compare_iterations(found, range(2), ladder.Settings(iterations=20))
    assert len(broken(found)) == fails
