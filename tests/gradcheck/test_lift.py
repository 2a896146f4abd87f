"""Another engine's functions, tested by minigan's gradcheck: a toy engine's. Its mistakes: `tests/demos/checking`."""

import numpy as np
import pytest
from hypothesis import given, settings

from minigan import GradcheckError, gradcheck
from minigan.gradcheck.lift import lift
from minigan.testing import arrays, assert_gradients
from tests.gradcheck.toy_engine import Toy, sine, vjp

X = np.array([[0.5, -1.5], [2.0, 0.7]])


def lifted(f):
    return lift(f, vjp, Toy, Toy.numpy)


@given(arrays())
@settings(max_examples=20)
def test_a_right_function_passes_in_every_shape_order_and_dtype(x):
    assert_gradients(lifted(lambda x: sine(x) * x), x)


def test_a_gradient_in_the_outputs_shape_is_refused_and_not_summed():
    product = lift(lambda x, y: x * y, lambda f: lambda g, x, y: [g * y, g * x])
    with pytest.raises(GradcheckError, match=r"lift: the gradient for input 1 is float64 \(2, 2\), not float64 \(2,\)"):
        gradcheck(product, X, np.array([1.0, 2.0]))


def test_a_gradient_in_another_dtype_is_refused_and_not_cast():
    leaky = lift(lambda x: x * x, lambda f: lambda g, x: [2.0 * np.float64(1) * g * x])
    assert gradcheck(leaky, X, order=1)
    with pytest.raises(GradcheckError, match=r"is float64 \(2, 2\), not float32"):
        assert_gradients(leaky, X, order=1)
