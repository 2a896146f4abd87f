"""G's two losses: their derivatives are closed forms, and a short run finds their ratio in G's parameters."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.line import network
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.training import saturation as demo
from minigan import Tensor, losses, nn, optim
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run
QUICK = replace(demo.Settings(), **demo.QUICK)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return smaller_run(demo, tmp_path_factory.mktemp("saturation"), pretraining=200, steps=60, batch=32)


def test_the_claim_holds(out):
    summary = summary_of(out)
    assert len(summary["holds"]) == 6
    assert all(summary["holds"].values()), summary["holds"]
    assert {path.name for path in out.iterdir()} == {"saturation.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "saturation.png")


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


@given(st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=50))
def test_labels_1_make_the_log_loss_minus_log_d_bit_for_bit(logits):
    for dtype in (np.float32, np.float64):
        v = np.array(logits, dtype)
        labelled, minus_log_d = losses.log_loss_with_logits(Tensor(v), 1.0), losses.generator_loss(Tensor(v))
        assert labelled.numpy().tobytes() == minus_log_d.numpy().tobytes()
        assert labelled.item() == pytest.approx(np.logaddexp(0, -v.astype(float)).mean(), rel=1e-5)


def test_the_derivatives_by_the_logit_are_minus_d_and_minus_1_minus_d():
    v = np.linspace(-30, 30, 61)
    np.testing.assert_allclose(demo.logit_gradient(v, saturating=True), -expit(v), rtol=1e-12)
    np.testing.assert_allclose(demo.logit_gradient(v, saturating=False), -expit(-v), rtol=1e-12)


@pytest.mark.parametrize("d", [0.5, 0.1, 0.01, 0.001])
def test_the_ratio_is_1_at_one_half_and_99_at_one_hundredth(d):
    v = np.array([np.log(d / (1 - d))])
    ratio = demo.logit_gradient(v, saturating=False) / demo.logit_gradient(v, saturating=True)
    assert ratio == pytest.approx((1 - d) / d, rel=1e-10)


def test_for_a_single_z_the_ratio_of_gs_gradients_is_that_of_the_logits():
    G, D, z = network(8, nn.ReLU), network(8, nn.LeakyReLU), Tensor([[0.7]])
    D[-1].bias.data = D[-1].bias.data - 3
    d = expit(D(G(z)).item())
    ratio = demo.gradient_norm(G, D, z, saturating=False) / demo.gradient_norm(G, D, z, saturating=True)
    assert ratio == pytest.approx((1 - d) / d, rel=1e-4)


def test_the_norm_is_that_of_the_change_of_the_loss():
    G, D, z = network(4), network(4), Tensor([[0.7], [-1.0]])
    for player in (G, D):
        for p in player.parameters():
            p.data = p.data.astype(np.float64)
    slopes = []
    for p in G.parameters():
        for i in np.ndindex(p.shape):
            change = np.zeros(p.shape)
            change[i] = 1e-6
            there, back = (losses.generator_loss(D(G(_shifted(p, s * change, z)))).item() for s in (1, -2))
            _shifted(p, change, z)
            slopes.append((there - back) / 2e-6)
    assert demo.gradient_norm(G, D, z, saturating=False) == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


def _shifted(p, change, z):
    """z, after a change of the parameter."""
    p.data = p.data + change
    return z


def test_the_optimizers_are_momentum_and_adam():
    momentum, adam = (demo.RULES[name](nn.Dense(1, 1), QUICK) for name in ("momentum", "Adam"))
    assert (type(momentum), momentum.lr, momentum.momentum) == (optim.SGD, QUICK.lr, 0.9)
    assert (type(adam), adam.lr, adam.betas) == (optim.Adam, QUICK.adam, (0.5, 0.999))


def test_only_d_learns_in_the_pretraining():
    mg.seed(0)
    G, D = network(8, nn.ReLU), network(8, nn.LeakyReLU)
    before = [p.numpy().copy() for p in G.parameters()], [p.numpy().copy() for p in D.parameters()]
    rows = demo.pretrain(G, D, demo.DATA.draw(1000, np.random.default_rng(0)), replace(QUICK, pretraining=20))
    assert rows.shape == (21, 3)
    assert rows[-1, 0] < rows[0, 0]
    assert all(np.array_equal(a, p.numpy()) for a, p in zip(before[0], G.parameters(), strict=True))
    assert not any(np.array_equal(a, p.numpy()) for a, p in zip(before[1], D.parameters(), strict=True))


def test_half_way_is_the_first_measurement_that_is_near_enough_or_never():
    assert demo.time_to_half(np.array([4.0, 3.0, 2.0, 1.0, 5.0]), 10) == 20
    assert demo.time_to_half(np.array([4.0, 3.0, 2.1]), 10) == np.inf


def measured(out, slow, fast):
    """The figures of two seeds by both rules: W1 over four measurements, by log(1 - D), and by -log D."""
    claim = Claim(start(common_options(""), ["--out", str(out)], "saturation"), {})
    run = {(rule, loss): np.array(w) for rule in demo.RULES for loss, w in zip(demo.LOSSES, (slow, fast), strict=True)}
    demo.measure_speed(claim, [run, run], replace(demo.Settings(), steps=30))
    return claim


def test_what_is_never_half_way_takes_infinitely_long(tmp_path):
    claim = measured(tmp_path, [4.0, 4.0, 4.0, 4.0], [4.0, 2.0, 1.0, 1.0])
    assert list(claim.holds.values()) == [True]
    assert claim.metrics["momentum, log(1 - D): half way after, median"] == np.inf


def test_losses_that_are_alike_or_exchanged_are_noticed(tmp_path):
    near, far = [4.0, 2.0, 1.0, 1.0], [4.0, 4.0, 4.0, 4.0]
    assert list(measured(tmp_path / "alike", near, near).holds.values()) == [False]
    assert list(measured(tmp_path / "exchanged", near, far).holds.values()) == [False]
