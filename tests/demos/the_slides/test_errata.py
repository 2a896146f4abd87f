"""The errata: each experiment against closed forms, and faults that break its claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_expit

from demos.kit.claim import Claim
from demos.kit.line import jensen_shannon
from demos.the_slides import errata as demo
from demos.the_slides import errata_digits, errata_formulas, errata_games
from minigan import nn, optim
from tests.demos.experiments import DRAWING, broken, judged

QUICK = replace(demo.Settings(), **demo.QUICK)


@pytest.fixture(autouse=True)
def _nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(Claim, "show", lambda *arguments: None)
    for module in (errata_digits, errata_formulas, errata_games):
        for name in [name for name in vars(module) if name.startswith(DRAWING)]:
            monkeypatch.setattr(module, name, lambda *arguments: None)


def test_in_the_literal_game_d_ascends_f_acc_and_then_g_descends_it():
    G, D = nn.Dense(1, 1, bias=False), nn.Dense(1, 1, bias=False)
    G.weight.data, D.weight.data = np.array([[0.5]]), np.array([[2.0]])
    rules = (optim.SGD(p.parameters(), 0.1) for p in (G, D))
    game = errata_digits.OneLossGAN(G, D, lambda m: np.full((m, 1), -1.0), *rules)
    found = game.step(iter([np.full((3, 1), 3.0)]))
    # f_acc = log sigma(3 d) - log sigma(-g d)
    d = 2.0 + 0.1 * (3.0 * expit(-6.0) + 0.5 * expit(1.0))
    assert D.weight.item() == pytest.approx(d, rel=1e-6)
    assert G.weight.item() == pytest.approx(0.5 - 0.1 * (d * expit(0.5 * d)), rel=1e-6)
    assert found["loss_D"] == pytest.approx(-(log_expit(6.0) - log_expit(-1.0)), rel=1e-6)


def test_what_flips_is_what_lies_nearer_to_the_border_than_the_step_reaches():
    D = nn.Sequential(nn.Flatten(), nn.Dense(784, 1))
    D[1].weight.data, D[1].bias.data = np.full((784, 1), 1.0, np.float32), np.zeros(1, np.float32)
    levels = np.array([0.52, 0.58, 0.7, 0.45, 0.3, 0.2], np.float32)  # the logit is 784 (2 level - 1)
    x = np.broadcast_to(levels[:, None, None, None], (6, 1, 28, 28)).copy()
    y = np.array([1, 1, 1, 0, 0, 1])  # of the last one, D is wrong from the start
    assert errata_digits.flips(errata_digits.judging(D), x, y, 0.1) == pytest.approx(3 / 5)


def test_the_best_value_is_twice_the_jensen_shannon_divergence_minus_log_4_and_a_curve_above_its_chord_is_found():
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), (2, 7))
    q[0, 0] = p[1, 1] = 0.0
    expected = [2 * jensen_shannon(a, b) - np.log(2) * (a.sum() + b.sum()) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(errata_formulas.best_value(p, q), expected)
    np.testing.assert_allclose(errata_formulas.shifted_value(np.array([0.0, 15.0, -15.0])), [-np.log(4), 0, 0], atol=1e-6)
    value = errata_formulas.value_for_one_d(replace(QUICK, pretraining=300, line_batch=128), 0)  # of a D that has learnt 3
    assert value(np.array([3.0])) == pytest.approx(errata_formulas.shifted_value(np.array([3.0])), abs=0.15)
    a, b = np.array([-1.0, 2.0]), np.array([1.0, 3.0])
    assert errata_formulas.above_the_chord(np.sin, a, b).tolist() == [False, True]


def test_the_loop_as_printed_has_a_step_too_many_and_optimistic_adams_formula_begins_with_nan():
    found = judged(errata_formulas.critic_steps, 7)
    assert found.metrics == {"critic_steps_as_printed": 8, "critic_steps_of_WGAN": 7}
    paths = errata_formulas.optimism(found, QUICK, 0)
    assert broken(found) == set()
    assert np.isnan(paths["as printed"][1:]).all()
    assert [paths[rule][1] for rule in ("Adam", "OptimisticAdam")] == pytest.approx([1 - 0.125, 1 - 0.25])
