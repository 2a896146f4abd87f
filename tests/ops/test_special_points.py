"""Ops at zeros of both signs, kinks, ties, tiny and huge numbers and infinities: gradients, without overflow on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.testing import arrays, assert_gradients, broadcastable, shapes
from tests.helpers.examples import fewest

ROWS = shapes(min_dims=1, max_dims=2, min_side=1, max_side=4) | st.just((3, 4))
ALSO_INFINITE = {"low": -np.inf, "high": np.inf}
ELEMENTWISE = {
    **{name: {} for name in ("exp", "expm1", "sign", "sin", "cos", "square", "negative", "elu")},
    **{name: ALSO_INFINITE for name in ("abs", "relu", "leaky_relu", "sigmoid", "softplus", "log_sigmoid", "tanh")},
    **{"log": {"low": 0.5}, "sqrt": {"low": 0.5, "high": np.inf}, "log1p": {"low": -0.5}},
}
REDUCTIONS = ["sum", "mean", "var", "max", "min", "prod", "logsumexp", "softmax", "log_softmax", "cumsum"]
PAIRS = {name: {} for name in ("add", "subtract", "multiply", "maximum", "minimum")} | {"divide": {"low": 0.5}}


@pytest.mark.parametrize("name", ELEMENTWISE)
@fewest
@given(data=st.data())
def test_elementwise(name, data):
    assert_gradients(getattr(mg, name), data.draw(arrays(special=True, **ELEMENTWISE[name])), kinks=True)


@pytest.mark.parametrize("name", REDUCTIONS)
@fewest
@given(x=arrays(ROWS, special=True))
def test_reductions(name, x):
    assert_gradients(getattr(mg, name), x, kinks=True)


@pytest.mark.parametrize("name", PAIRS)
@fewest
@given(data=st.data())
def test_pairs(name, data):
    assert_gradients(getattr(mg, name), *data.draw(broadcastable(special=True, **PAIRS[name])), kinks=True)


@fewest
@given(arrays(ROWS, special=True))
def test_norm(x):
    assert_gradients(mg.norm, np.where(np.abs(x) < 1e-20, 0.0, x), kinks=True)


@fewest
@given(arrays(special=True))
def test_clip(x):
    assert_gradients(lambda x: mg.clip(x, -1, 1), x, kinks=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 1.0, 2.0])
def test_powers_of_numbers_next_to_0_whose_inverse_or_its_square_is_infinite(p, dtype):
    least = 1 / float(np.finfo(dtype).max)
    x = np.array([0, 0.5 * least, least, 1.5 * least, 0.5 * least**0.5, 1.0], dtype)
    leaf = mg.Tensor(np.concatenate([x, -x]), requires_grad=True)
    (first,) = mg.grad(mg.power(leaf, mg.Tensor(np.full(12, p, dtype))).sum(), leaf, create_graph=True)
    (second,) = mg.grad(first.sum(), leaf)
    np.testing.assert_array_equal(first.numpy(), {0.0: 0, 1.0: 1, 2.0: 2 * leaf.data}[p] + np.zeros(12, dtype))
    np.testing.assert_array_equal(second.numpy(), {0.0: 0, 1.0: 0, 2.0: 2}[p])


@pytest.mark.parametrize("p", [0, 1, 2, 3])
@fewest
@given(x=arrays(special=True))
def test_power_of_a_number(p, x):
    assert_gradients(lambda x: mg.power(x, p), x)


@fewest
@given(arrays((1, 1, 3, 3), special=True))
def test_max_pool(x):
    assert_gradients(lambda x: mg.max_pool2d(x, 2, 1), x, kinks=True)
