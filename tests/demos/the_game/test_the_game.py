"""The game's theory: each demo's formulas and measurements against SciPy's."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import log_expit, softmax
from scipy.stats import norm

from demos.kit.line import Mixture
from demos.the_game import convergence, optimal_discriminator, transform
from tests.demos.experiments import broken, judged


def test_a_mixtures_samples_have_its_density():
    m = Mixture((0.3, 0.7), (-1.0, 2.0), (0.6, 0.8))
    x = m.draw(100_000, np.random.default_rng(0))
    assert (x.shape, x.dtype) == ((100_000, 1), np.float32)
    for low, high in ((-2, -1), (-1, 0.5), (0.5, 2), (2, 3)):
        assert np.mean((low < x) & (x < high)) == pytest.approx(quad(m.density, low, high)[0], abs=0.007)


def test_a_step_of_the_table_goes_down_the_gradient_of_the_best_ds_value():
    p, theta = convergence.DATA.density(np.linspace(-4, 4, 50)), np.random.default_rng(5).standard_normal(50)
    p, q, settings = p / p.sum(), softmax(theta), convergence.Settings(table_steps=2)
    by_q = np.log(q / (p + q))
    table = convergence.descend_table(settings, 5)
    assert table["value"][0] == pytest.approx(np.sum(p * np.log(p / (p + q)) + q * by_q), rel=1e-12)
    after = softmax(theta - settings.table_lr * q * (by_q - q @ by_q))
    np.testing.assert_allclose(table["TV"], [np.abs(now - p).sum() / 2 for now in (q, after)])


def test_a_snapshots_value_and_distance_are_those_of_samples():
    real = convergence.DATA.draw(1000, np.random.default_rng(0))
    game = SimpleNamespace(D=lambda x: 2.0 * x, sample=lambda n, z=None: real + np.float32(0.5) if z is None else z)
    found = convergence.snapshot(game, 7, real)
    assert found["value"] == pytest.approx(np.mean(log_expit(2 * real) + log_expit(-2 * real - 1)), rel=1e-5)
    assert found["W1"] == pytest.approx(0.5 / real.std(), rel=0.03)


@pytest.mark.parametrize("case", optimal_discriminator.CASES)
def test_no_ds_value_exceeds_that_of_d_star(case):
    def best_value(x):
        p, q = (m.density(x) for m in optimal_discriminator.CASES[case])
        return p * np.log(p / (p + q)) + q * np.log(q / (p + q))

    p, q = optimal_discriminator.CASES[case]
    v = np.log(p.density(optimal_discriminator.X) / q.density(optimal_discriminator.X))
    values = [optimal_discriminator.value(logits, p, q) for logits in (v, v + 0.1)]
    assert values[1] < values[0] == pytest.approx(quad(best_value, -6, 6, limit=200)[0], abs=1e-6)
    assert optimal_discriminator.optimum(p, q)[1] == pytest.approx(values[0], abs=1e-6)


def test_a_trained_d_is_d_star_and_the_scalar_function_is_ascended_to_its_maximum():
    s = replace(optimal_discriminator.Settings(), steps=300, batch=128, lr=5e-3, sup=0.09, mean=0.03, pairs=10)
    found = judged(optimal_discriminator.measure, "gaussians", [optimal_discriminator.train(1, "gaussians", s)], s)
    assert broken(found) == set()
    assert optimal_discriminator.scalar_error(s, 7) <= 1e-8


@pytest.mark.parametrize(("name", "scipys"), [("exponential", stats.expon), ("Gaussian", norm)])
def test_the_exact_transform_gives_the_target_and_another_one_is_noticed(name, scipys, monkeypatch):
    target, u, s = transform.TARGETS[name], np.linspace(0.001, 0.999, 999), transform.Settings()
    np.testing.assert_allclose(target.inverse(u), scipys.ppf(u), rtol=1e-9, atol=1e-12)
    assert broken(judged(transform.exact, name, s)) == set()
    monkeypatch.setitem(transform.TARGETS, name, replace(target, inverse=lambda u: target.inverse(u) + 0.1))
    assert broken(judged(transform.exact, name, s)) == {f"{name}: F^-1(u), times that"}
