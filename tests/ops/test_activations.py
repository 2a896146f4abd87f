"""Activations: values, gradients, kinks, and no overflow at any argument."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.testing import arrays, assert_gradients, shapes
from tests.helpers.examples import few

FORMULAS = {
    "relu": (mg.relu, lambda x: np.where(x > 0, x, 0), (0,)),
    "leaky_relu": (mg.leaky_relu, lambda x: np.where(x > 0, x, 0.2 * x), (0,)),
    "leaky_relu 0": (lambda x: mg.leaky_relu(x, 0), lambda x: np.where(x > 0, x, 0), (0,)),
    "leaky_relu 0.5": (lambda x: mg.leaky_relu(x, np.float64(0.5)), lambda x: np.where(x > 0, x, 0.5 * x), (0,)),
    "elu": (mg.elu, lambda x: np.where(x > 0, x, np.expm1(x)), (0,)),
    "elu 0.5": (lambda x: mg.elu(x, np.float64(0.5)), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), (0,)),
    "elu 3": (lambda x: mg.elu(x, 3), lambda x: np.where(x > 0, x, 3 * np.expm1(x)), (0,)),
    "sigmoid": (mg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), ()),
    "softplus": (mg.softplus, lambda x: np.log(1 + np.exp(x)), ()),
    "log_sigmoid": (mg.log_sigmoid, lambda x: -np.log(1 + np.exp(-x)), ()),
}
PLAIN = ["relu", "leaky_relu", "elu", "sigmoid", "softplus", "log_sigmoid"]


def slope(op, value):
    x = mg.Tensor(np.array([float(value)]), requires_grad=True)
    return mg.grad(op(x), x)[0].item()


@pytest.mark.parametrize("name", FORMULAS)
@few
@given(data=st.data())
def test_value_and_gradients(name, data):
    op, formula, kinks = FORMULAS[name]
    x = data.draw(arrays(shapes(max_dims=2, max_side=3), away_from=kinks))
    np.testing.assert_allclose(op(x).numpy(), formula(x), rtol=1e-12, atol=1e-14)
    assert_gradients(op, x)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@few
@given(data=st.data())
def test_softmax_value_and_gradients(name, data):
    x = data.draw(arrays(shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    expected = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    y = getattr(mg, name)(x, axis)
    np.testing.assert_allclose(y.numpy(), expected if name == "softmax" else np.log(expected), rtol=1e-12)
    assert_gradients(lambda x: getattr(mg, name)(x, axis), x, order=2 if x.size <= 12 else 1)


@pytest.mark.parametrize("op", [mg.softmax, mg.log_softmax])
def test_softmax_of_no_rows_is_no_rows(op):
    assert_gradients(op, np.ones((0, 3)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("p", [0, 0.5, np.float64(0.25)])
def test_dropout_scales_what_it_keeps_and_its_gradient_alike(p, dtype):
    x = mg.Tensor(np.ones((50, 40), dtype), requires_grad=True)
    y = mg.dropout(x, p, rng=np.random.default_rng(0))
    (g,) = mg.grad(y.sum(), x)
    assert y.dtype == g.dtype == dtype
    np.testing.assert_array_equal(g.numpy(), y.numpy())
    assert set(np.unique(y.numpy())) <= {0, np.array(1 / (1 - p), dtype)[()]}
    assert y.numpy().mean(dtype="float64") == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("p", [1, -0.1, 1.5, math.nan])
def test_dropout_refuses_probabilities_outside_0_to_1(p):
    with pytest.raises(ValueError, match=r"dropout: p is .*; expected 0 <= p < 1"):
        mg.dropout(np.ones(2), p)


def test_dropout_keeps_where_what_was_drawn_is_p():
    """It draws from [0, 1): with p = 0 and 0 drawn, the element stays."""
    drawn = np.random.default_rng(0).random(8, dtype="float32")
    kept = mg.dropout(np.ones(8), float(drawn[3]), rng=np.random.default_rng(0)).numpy() > 0
    np.testing.assert_array_equal(kept, drawn >= drawn[3])


def test_dropout_follows_the_seed_or_its_own_generator():
    x = np.ones(100)
    mg.seed(0)
    first = mg.dropout(x).numpy()
    mg.dropout(x, rng=np.random.default_rng(5))
    mg.seed(0)
    np.testing.assert_array_equal(mg.dropout(x).numpy(), first)


# --- kinks --------------------------------------------------------------------------------------------------------------


def test_relu_has_gradient_0_at_0():
    assert [slope(mg.relu, v) for v in (-1, 0, 1)] == [0, 0, 1]


@pytest.mark.parametrize("a", [0.0, 0.2, 0.5])
def test_leaky_relu_has_its_slope_at_0(a):
    assert slope(lambda x: mg.leaky_relu(x, a), 0) == a


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.5])
def test_elu_has_the_smaller_of_both_slopes_at_0(alpha):
    assert slope(lambda x: mg.elu(x, alpha), 0) == min(1, alpha)


@pytest.mark.parametrize("a", [1, 1.5, -0.1, math.nan])
def test_leaky_relu_refuses_slopes_outside_0_to_1(a):
    with pytest.raises(ValueError, match=r"leaky_relu: slope is .*; expected 0 <= slope < 1"):
        mg.leaky_relu(np.ones(2), a)


# --- stability ----------------------------------------------------------------------------------------------------------

AT_INFINITY = {  # name -> (value, slope) far below 0, (value, slope) far above 0; x stands for the argument itself
    "relu": ((0, 0), ("x", 1)),
    "leaky_relu": (("x/5", 0.2), ("x", 1)),
    "elu": ((-1, 0), ("x", 1)),
    "sigmoid": ((0, 0), (1, 0)),
    "softplus": ((0, 0), ("x", 1)),
    "log_sigmoid": (("x", 1), (0, 0)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [-1000.0, -40.0, 40.0, 1000.0])
@pytest.mark.parametrize("name", PLAIN)
def test_far_from_0_values_and_gradients_are_finite_and_right(name, v, dtype):
    value, derivative = AT_INFINITY[name][v > 0]
    x = mg.Tensor(np.array([v], dtype), requires_grad=True)
    y = getattr(mg, name)(x)
    (g,) = mg.grad(y, x, create_graph=True)
    expected = {"x": v, "x/5": 0.2 * v}.get(value, value)
    assert y.dtype == g.dtype == dtype
    assert y.item() == pytest.approx(expected, rel=1e-6, abs=1e-15)
    assert g.item() == pytest.approx(derivative, rel=1e-6, abs=1e-15)
    assert mg.grad(g + x * 0, x)[0].item() == pytest.approx(0, abs=1e-15)


def test_small_probabilities_keep_their_digits():
    assert mg.sigmoid(np.array(-40.0)).item() == pytest.approx(math.exp(-40), rel=1e-12)
    assert mg.softplus(np.array(-40.0)).item() == pytest.approx(math.exp(-40), rel=1e-12)
    assert slope(mg.sigmoid, -40) == pytest.approx(math.exp(-40), rel=1e-12)
    assert mg.log_sigmoid(np.array(40.0)).item() == pytest.approx(-math.exp(-40), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [-1000.0, -40.0, 40.0, 1000.0])
def test_softmax_is_stable_in_each_row_by_itself(v, dtype):
    x = mg.Tensor(np.array([[v, v], [0, 1], [v, -v]], dtype), requires_grad=True)
    y, z = mg.softmax(x), mg.log_softmax(x)
    p = 1 / (1 + math.e)
    np.testing.assert_allclose(y.numpy(), [[0.5, 0.5], [p, 1 - p], [v > 0, v < 0]], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(z.numpy()[2], [min(2 * v, 0), min(-2 * v, 0)], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(z.numpy()[:2], np.log(y.numpy()[:2]), rtol=1e-5)
    for out in (y, z):
        (g,) = mg.grad(out[:, 0].sum(), x)
        assert np.isfinite(g.numpy()).all()
        np.testing.assert_allclose(g.numpy().sum(1), 0, atol=1000 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", PLAIN)
def test_nan_goes_through(name):
    assert math.isnan(getattr(mg, name)(np.array([math.nan])).item())


@pytest.mark.parametrize("activation", [mg.relu, mg.leaky_relu])
def test_a_slope_whose_x_or_y_has_changed_before_it_is_used_again_is_refused(activation):
    x, w = (mg.Tensor(np.array(values), requires_grad=True) for values in ([1.0, -2.0], [3.0, 4.0]))
    y = activation(x)
    (g,) = mg.grad((y * w).sum(), x, create_graph=True)
    changed = y if activation is mg.relu else x  # what the slope is computed from
    changed.data = -changed.data
    with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
        g.sum().backward()
