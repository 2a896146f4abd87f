"""What is special to single losses: certain answers, large logits, and where the gradient penalty looks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, losses
from tests.contracts.losses import LOSSES
from tests.helpers.leaves import leaf

SHAPES = st.tuples(st.integers(2, 5), st.integers(1, 3)) | st.tuples(*[st.integers(2, 3)] * 4)


@pytest.mark.parametrize("name", LOSSES)
def test_no_gradient_of_a_loss_vanishes(name):
    ((loss, inputs),) = LOSSES[name].cases
    tensors = [Tensor(x, requires_grad=True) for x in inputs()]
    assert all(np.abs(g.numpy()).max() > 1e-3 for g in mg.grad(loss(*tensors), tensors))


@pytest.mark.parametrize(("p", "y", "expected"), [(0, 0, 0), (1, 1, 0), (0, 1, math.inf), (1, 0, math.inf), (0, 0.5, math.inf)])
def test_log_loss_of_certain_answers_is_0_or_infinite(p, y, expected):
    with np.errstate(divide="ignore"):
        assert losses.log_loss(np.array([float(p)]), np.array([float(y)])).item() == expected


def test_log_loss_keeps_its_gradients_at_certain_answers_and_labels():
    p, y = leaf([0.0, 1.0]), leaf([0.0, 1.0])
    np.testing.assert_array_equal(mg.grad(losses.log_loss(p, y.detach()), p)[0].numpy(), [0.5, -0.5])
    g = mg.grad(losses.log_loss(np.array([0.3, 0.3]), y), y)[0].numpy()
    np.testing.assert_allclose(2 * g, np.log(0.7) - np.log(0.3) + np.zeros(2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [-1000.0, -40.0, 0.0, 15.0, 36.0, 80.0, 1000.0])
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_the_fused_log_loss_is_exact_at_any_logit(v, y, dtype):
    t = leaf([[v]], dtype=dtype)
    loss = losses.log_loss_with_logits(t, np.full((1, 1), y, dtype))
    assert loss.item() == pytest.approx((max(v, 0) - y * v) + math.log1p(math.exp(-abs(v))), rel=1e-6, abs=0)
    sigma_v = math.exp(min(v, 0)) / (1 + math.exp(-abs(v)))
    np.testing.assert_allclose(mg.grad(loss, t)[0].numpy(), sigma_v - y, rtol=1e-6, atol=np.finfo(dtype).eps)


# --- the gradient penalty -----------------------------------------------------------------------------------------------


def real_and_fake(shape, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [leaf(rng.standard_normal(shape) + shift, dtype=dtype) for shift in (4, -4)]


def squares(x):
    return (x * x).reshape(len(x), -1).sum(1, keepdims=True)


@given(SHAPES, st.integers(0, 1000))
def test_the_penalty_is_that_of_the_slopes_length_over_all_axes_with_one_weight_from_0_to_1_a_sample(shape, seed):
    """Of the critic |x|^2, whose slope is 2 x."""
    real, fake = real_and_fake(shape, seed)
    penalty = losses.gradient_penalty(squares, real, fake, rng=np.random.default_rng(seed))
    u = np.random.default_rng(seed).random((len(real), *[1] * (len(shape) - 1)))
    x_hat = u * real.numpy() + (1 - u) * fake.numpy()
    lengths = 2 * np.sqrt((x_hat**2).reshape(len(real), -1).sum(axis=1))
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx(np.mean((lengths - 1) ** 2), rel=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_penalty_of_a_flat_critic_is_1_and_its_gradient_finite(dtype):
    w = leaf(np.zeros((3, 1)), dtype=dtype)
    penalty = losses.gradient_penalty(lambda x: x @ w, *real_and_fake((4, 3), dtype=dtype))
    assert penalty.item() == 1
    (g,) = mg.grad(penalty, w)
    assert g.dtype == dtype
    assert np.isfinite(g.numpy()).all()
    assert losses.gradient_penalty(lambda x: Tensor(np.ones((4, 1), dtype)), *real_and_fake((4, 3), dtype=dtype)).item() == 1


def test_nothing_flows_back_from_the_penalty_to_real_fake_and_the_points_between():
    real, fake = real_and_fake((4, 3))
    w, seen = leaf(np.ones((3, 1))), []
    losses.gradient_penalty(lambda x: seen.append(x) or (x * x) @ w, real, fake * 2.0).backward()
    assert [x.grad for x in (real, fake, seen[0])] == [None] * 3
    assert np.abs(w.grad.numpy()).max() > 0
    assert (real.requires_grad, seen[0].requires_grad) == (True, False)


def test_the_penalty_draws_from_the_generator_given_or_from_minigans_own_also_without_a_graph():
    real, fake = real_and_fake((4, 3))

    def value(rng=None):
        return losses.gradient_penalty(squares, real, fake, rng).item()

    mg.seed(5)
    own = value()
    mg.seed(5)
    given_one = value(np.random.default_rng(1))
    assert value() == own != given_one  # a generator that is given leaves minigan's where it was
    with mg.no_grad():
        assert value(np.random.default_rng(1)) == given_one
