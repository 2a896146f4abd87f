"""SGHMC: its steps by hand, a Gaussian posterior's mean and variance, and what published versions get wrong."""

import numpy as np
import pytest
from scipy.stats import chi2, norm

from demos.generative_models.sghmc import SGHMC
from minigan import Tensor
from tests.optim.stepping import parameter, step


def by_hand(theta, gradients, noise, lr, alpha):
    """v and theta written out: friction on the old v, downhill along g, noise of variance 2 alpha lr; theta by the new v."""
    v = np.zeros_like(theta)
    for g, n in zip(gradients, noise, strict=True):
        v = (1 - alpha) * v - lr * g + np.sqrt(2 * alpha * lr) * n
        theta = theta + v
    return theta


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0])
def test_50_steps_follow_the_rule(alpha):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((3, 2)), rng.standard_normal((50, 3, 2))
    noise = np.random.default_rng(7).standard_normal((50, 3, 2))
    p = parameter(start)
    rule = SGHMC([p], 0.01, alpha, np.random.default_rng(7))
    for g in gradients:
        step(rule, g)
    np.testing.assert_allclose(p.numpy(), by_hand(start, gradients, noise, 0.01, alpha), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0])
def test_a_gaussian_posterior_has_its_mean_and_its_variance(alpha):
    """Chains are independent: their mean is normal, their variance chi-squared; a right rule fails once in 10,000.

    Each element is a chain, for the mean theta, with prior N(0, 1), of 10 data of mean 0.5 and variance 1.
    """
    theta = Tensor(np.full(5000, 3.0), requires_grad=True)
    n, lr, precision = len(theta), 2e-3, 10 + 1
    rule = SGHMC([theta], lr, alpha, np.random.default_rng(0))
    for _ in range(600):
        theta.grad = Tensor(10 * (theta.numpy() - 0.5) + theta.numpy())
        rule.step()
    variance = 1 / precision / (1 - lr * precision / (4 - 2 * alpha))  # exact, for steps of this size
    assert abs(theta.numpy().mean() - 5 / precision) < norm.ppf(1 - 0.25e-4) * np.sqrt(variance / n)
    low, high = chi2.ppf([0.25e-4, 1 - 0.25e-4], n - 1) / (n - 1)
    assert low < theta.numpy().var(ddof=1) / variance < high


def test_a_saved_rule_goes_on_bit_for_bit_with_the_same_noise():
    p, q = parameter(), parameter()
    rule, other = SGHMC([p], 0.1), SGHMC([q], 0.5)
    step(rule, [1.0, 2.0, 3.0])
    saved, value = rule.state_dict(), p.numpy().copy()
    step(rule, [1.0, 2.0, 3.0])
    other.load_state_dict(saved)
    q.data = value
    step(other, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_state_without_the_noise_or_of_another_friction_is_refused():
    rule = SGHMC([parameter()], 0.1, 0.1)
    state = rule.state_dict()
    with pytest.raises(ValueError, match="rng"):
        rule.load_state_dict({name: value for name, value in state.items() if name != "rng"})
    with pytest.raises(ValueError, match="friction"):
        SGHMC([parameter()], 0.1, 0.2).load_state_dict(state)


@pytest.mark.parametrize("friction", [0.0, -0.1, 1.1, float("nan")])
def test_a_friction_that_is_none_is_refused(friction):
    with pytest.raises(ValueError, match="SGHMC: friction"):
        SGHMC([parameter()], 0.1, friction)


def test_noise_is_of_the_parameters_dtype_and_of_each_parameter_by_itself():
    p, q = parameter(np.zeros(3), "float32"), parameter(np.zeros(3), "float32")
    rule = SGHMC([p, q], 0.1)
    step(rule, np.zeros(3), np.zeros(3))
    assert p.dtype == rule.state[0]["v"].dtype == np.float32
    assert not np.array_equal(p.numpy(), q.numpy())
