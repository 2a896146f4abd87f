"""Proposition 1: what the demo compares with is what SciPy computes, a trained D reaches it, and faults break the claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm

from demos.kit.line import Mixture, jensen_shannon
from demos.the_game import optimal_discriminator as demo
from minigan import losses
from tests.demos.experiments import broken

SMALL = replace(demo.Settings(), steps=300, batch=128, lr=5e-3, pairs=10, sup=0.09, mean=0.03)


@pytest.mark.parametrize("case", demo.CASES)
def test_d_star_and_the_highest_value_are_those_of_their_definitions(case):
    def p_and_q(x):
        sides = [zip(m.weights, m.means, m.stds, strict=True) for m in demo.CASES[case]]
        return [sum(w * norm.pdf(x, mean, std) for w, mean, std in side) for side in sides]

    def to_the_middle(x):
        p, q = p_and_q(x)
        m = (p + q) / 2
        return (p * np.log(p / m) + q * np.log(q / m)) / 2

    best, highest = demo.optimum(*demo.CASES[case])
    assert highest == pytest.approx(-np.log(4) + 2 * quad(to_the_middle, -6, 6, limit=200)[0], abs=1e-6)
    p, q = p_and_q(demo.X)
    np.testing.assert_allclose(best, p / (p + q), rtol=1e-10)
    v = np.log(p / q)  # the logit of D*
    assert demo.value(v, *demo.CASES[case]) == pytest.approx(highest, abs=1e-6)  # the tails beyond X
    for other in (v + 0.1, 0.9 * v, v + np.sin(demo.X)):
        assert demo.value(other, *demo.CASES[case]) < highest


@pytest.mark.parametrize("fault", [None, "labels", "steps", "curve"])
def test_a_trained_d_is_d_star_and_no_other(claim, monkeypatch, fault):
    right = losses.discriminator_loss
    if fault == "labels":
        monkeypatch.setattr(losses, "discriminator_loss", lambda real, fake: right(fake, real))
    s = replace(SMALL, steps={"labels": 30, "steps": 2}.get(fault, 300))
    run = demo.train(1, "gaussians", s)
    bad = run | {"D": 1 - run["D"]} if fault == "curve" else run
    demo.measure(claim, "gaussians", [run, bad], s)  # the worst seed decides
    if fault is None:
        assert broken(claim) == set()
    else:
        assert {"gaussians_sup_error", "gaussians_mean_error"} <= broken(claim)


def test_the_scalar_function_is_ascended_to_its_maximum():
    assert demo.scalar_error(SMALL, 7) <= 1e-8
    assert demo.scalar_error(replace(SMALL, ascents=10), 7) > 1e-8


def test_a_mixtures_samples_have_its_density():
    m = Mixture((0.3, 0.7), (-1.0, 2.0), (0.6, 0.8))
    x = m.draw(100_000, np.random.default_rng(0))
    assert (x.shape, x.dtype) == ((100_000, 1), np.float32)
    assert quad(m.density, -10, 10)[0] == pytest.approx(1)
    for low, high in ((-2, -1), (-1, 0.5), (0.5, 2), (2, 3)):
        assert np.mean((low < x) & (x < high)) == pytest.approx(quad(m.density, low, high)[0], abs=0.007)


def test_jsd_is_scipys():
    p, q = np.random.default_rng(0).dirichlet(np.ones(20), size=2)
    p[3] = 0
    p /= p.sum()
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-12)
