"""G's two losses: their derivatives are closed forms, and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

import minigan as mg
from demos.kit.line import network
from demos.training import saturation as demo
from minigan import Tensor, losses, nn, optim
from tests.demos.experiments import broken, judged
from tests.demos.running import broken_claims

QUICK = replace(demo.Settings(), **demo.QUICK)


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=50))
def test_the_derivatives_by_the_logit_are_minus_d_and_minus_1_minus_d_and_label_1_is_the_same_loss_bit_for_bit(logits):
    for dtype in (np.float32, np.float64):
        v = np.array(logits, dtype)
        labelled, minus_log_d = losses.log_loss_with_logits(Tensor(v), 1.0), losses.generator_loss(Tensor(v))
        assert labelled.numpy().tobytes() == minus_log_d.numpy().tobytes()
    np.testing.assert_allclose(demo.logit_gradient(v, saturating=True), -expit(v), rtol=1e-12)
    np.testing.assert_allclose(demo.logit_gradient(v, saturating=False), -expit(-v), rtol=1e-12)


def test_both_derivatives_of_a_sound_engine_are_right():
    found = judged(demo.measure_logits, 0)
    assert all(found.holds.values())
    assert found.metrics["derivatives by the logit: ratio at D = 0.01"] == pytest.approx(99)


@pytest.mark.parametrize(("at_one_hundredth", "later", "misses"), [(99, 999, 0), (9, 999, 1), (99, 9, 1)])
def test_the_seed_with_the_least_ratio_of_the_gradients_decides(at_one_hundredth, later, misses):
    tables = [np.array([[0.5, 1, 1], [0.01, 1, a], [0.001, 1, b]]) for a, b in ((99, 999), (at_one_hundredth, later))]
    assert len(broken(judged(demo.measure_gradients, tables))) == misses


def test_the_norm_is_that_of_the_change_of_the_loss_and_for_one_z_the_ratio_is_that_of_the_logits():
    G, D, z = network(4, nn.ReLU), network(4, nn.LeakyReLU), Tensor([[0.7]])
    for p in (*G.parameters(), *D.parameters()):
        p.data = p.data.astype(np.float64)
    D[-1].bias.data = D[-1].bias.data - 3
    slopes = []
    for p in G.parameters():
        for i in np.ndindex(p.shape):
            sides = []
            for change in (1e-6, -2e-6):  # there, and back beyond
                p.data[i] += change
                sides.append(losses.generator_loss(D(G(z))).item())
            p.data[i] += 1e-6
            slopes.append((sides[0] - sides[1]) / 2e-6)
    norm = demo.gradient_norm(G, D, z, saturating=False)
    assert norm == pytest.approx(np.linalg.norm(slopes), rel=1e-6)
    d = expit(D(G(z)).item())
    assert norm / demo.gradient_norm(G, D, z, saturating=True) == pytest.approx((1 - d) / d, rel=1e-4)


def test_the_optimizers_are_momentum_and_adam():
    momentum, adam = (demo.RULES[name](nn.Dense(1, 1), QUICK) for name in ("momentum", "Adam"))
    assert (type(momentum), momentum.lr, momentum.momentum) == (optim.SGD, QUICK.lr, 0.9)
    assert (type(adam), adam.lr, adam.betas) == (optim.Adam, QUICK.adam, (0.5, 0.999))


def test_only_d_learns_in_the_pretraining():
    mg.seed(0)
    G, D = network(8, nn.ReLU), network(8, nn.LeakyReLU)
    before = [[p.numpy().copy() for p in player.parameters()] for player in (G, D)]
    rows = demo.pretrain(G, D, demo.DATA.draw(1000, np.random.default_rng(0)), replace(QUICK, pretraining=20))
    assert rows.shape == (21, 3)
    assert rows[-1, 0] < rows[0, 0]
    for player, values, learns in zip((G, D), before, (False, True), strict=True):
        assert all((a != p.numpy()).any() == learns for a, p in zip(values, player.parameters(), strict=True))


def test_half_way_is_the_first_measurement_that_is_near_enough_or_never():
    assert demo.time_to_half(np.array([4.0, 3.0, 2.0, 1.0, 5.0]), 10) == 20
    assert demo.time_to_half(np.array([4.0, 3.0, 2.1]), 10) == np.inf


NEAR, FAR = [4.0, 2.0, 1.0, 1.0], [4.0, 4.0, 4.0, 4.0]  # W1 over four measurements


@pytest.mark.parametrize(("slow", "fast", "holds"), [(FAR, NEAR, True), (NEAR, NEAR, False), (NEAR, FAR, False)])
def test_losses_that_are_alike_or_exchanged_are_noticed(slow, fast, holds):
    run = {(rule, loss): np.array(w) for rule in demo.RULES for loss, w in zip(demo.LOSSES, (slow, fast), strict=True)}
    claim = judged(demo.measure_speed, [run, run], replace(demo.Settings(), steps=30))
    assert list(claim.holds.values()) == [holds]
    assert (claim.metrics["momentum, log(1 - D): half way after, median"] == np.inf) == holds
