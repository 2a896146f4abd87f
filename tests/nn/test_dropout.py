import math

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients

ONES = Tensor(np.ones((100, 100), np.float32))


def test_in_eval_nothing_happens():
    layer = nn.Sequential(nn.Dropout(0.9)).eval()
    np.testing.assert_array_equal(layer(ONES).numpy(), ONES.numpy())


def test_dropout_of_probability_0_changes_nothing():
    np.testing.assert_array_equal(nn.Dropout(0)(ONES).numpy(), ONES.numpy())


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_in_training_the_share_p_becomes_0_and_the_mean_stays(p):
    y = nn.Dropout(p)(ONES).numpy()
    assert np.mean(y == 0) == pytest.approx(p, abs=0.02)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-6)
    assert y.mean(dtype="float64") == pytest.approx(1, abs=0.06)


def test_the_default_is_one_half():
    assert np.mean(nn.Dropout()(ONES).numpy() == 0) == pytest.approx(0.5, abs=0.02)


def test_the_gradient_is_the_mask():
    x = Tensor(np.full((20, 30), 3.0), requires_grad=True)
    y = nn.Dropout(0.3)(x)
    (g,) = mg.grad(y.sum(), x)
    np.testing.assert_allclose(g.numpy(), y.numpy() / 3)


def test_dropout_is_differentiable_twice():
    layer = nn.Dropout(0.3)

    def fn(x):
        mg.seed(5)
        return layer(x) ** 2

    assert_gradients(fn, np.random.default_rng(0).standard_normal((3, 4)))


def test_every_call_draws_anew_and_the_seed_reproduces_it():
    layer = nn.Dropout()
    mg.seed(1)
    a, b = layer(ONES).numpy(), layer(ONES).numpy()
    mg.seed(1)
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(layer(ONES).numpy(), a)
    np.testing.assert_array_equal(layer(ONES).numpy(), b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays(dtype):
    assert nn.Dropout()(Tensor(np.ones(3, dtype))).dtype == dtype


@pytest.mark.parametrize("p", [1, 1.5, -0.1, math.nan])
def test_probabilities_outside_0_to_1_are_refused(p):
    with pytest.raises(ValueError, match=r"Dropout: p is .*; expected 0 <= p < 1"):
        nn.Dropout(p)


def test_repr_shows_the_probability():
    assert repr(nn.Dropout(0.2)) == "Dropout(0.2)"
