"""Another engine's functions, tested by minigan's gradcheck: a toy engine's, and those that are installed."""

import os

import numpy as np
import pytest
from hypothesis import given, settings

from demos.checking import adapters
from demos.checking.verdicts import ORDERS
from minigan import GradcheckError, gradcheck
from minigan.gradcheck.lift import lift
from minigan.testing import arrays, assert_gradients
from tests.gradcheck.toy_engine import Toy, half_sine, sine, sine_then_wrong, vjp

X, Y = np.array([[0.5, -1.5], [2.0, 0.7]]), np.array([[1.0, 0.3], [-0.8, 1.9]])


def lifted(f):
    return lift(f, vjp, Toy, Toy.numpy)


def test_a_right_function_passes_to_order_3():
    assert gradcheck(lifted(lambda x, y: sine(x * y) + x * x), X, Y, order=3)


@given(arrays())
@settings(max_examples=20)
def test_a_right_function_passes_in_every_shape_order_and_dtype(x):
    assert_gradients(lifted(lambda x: sine(x) * x), x)


def test_a_wrong_first_derivative_is_found():
    with pytest.raises(GradcheckError, match=r"they differ by the factor 0\.5"):
        gradcheck(lifted(half_sine), X)


def test_a_wrong_second_derivative_is_found_at_order_2():
    assert gradcheck(lifted(sine_then_wrong), X, order=1)
    with pytest.raises(GradcheckError):
        gradcheck(lifted(sine_then_wrong), X, order=2)


def not_summed(x, y):
    """x y, whose gradient for y stays as large as the output."""
    return Toy(x.value * y.value, (x, lambda g: g * y), (y, lambda g: g * x))


def test_a_gradient_in_the_outputs_shape_is_refused_and_not_summed():
    with pytest.raises(GradcheckError, match=r"lift: the gradient for input 1 is float64 \(2, 2\), not float64 \(2,\)"):
        gradcheck(lift(not_summed, vjp_of_leaves, Toy, Toy.numpy), X, np.array([1.0, 2.0]))


def vjp_of_leaves(f):
    """The same, without the zeros that broadcast along."""

    def gradients(g, *xs):
        found = {id(parent): derivative(g) for parent, derivative in f(*xs).parents}
        return [found[id(x)] for x in xs]

    return gradients


def test_a_gradient_in_another_dtype_is_refused_and_not_cast():
    leaky = lift(lambda x: x * x, lambda f: lambda g, x: [2.0 * np.float64(1) * g * x])
    assert gradcheck(leaky, X, order=1)
    with pytest.raises(GradcheckError, match=r"is float64 \(2, 2\), not float32"):
        assert_gradients(leaky, X, order=1)


# --- the engines that are installed -------------------------------------------------------------------------------------


@pytest.fixture(params=["minigan", "autograd", "jax", "torch", "mygrad", "tinygrad"])
def engine(request):
    """An engine's name, its adapter, its order, and its sine."""
    name = request.param
    os.environ.setdefault("DEV", "PYTHON")  # tinygrad's: it needs no compiler
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    if name == "jax":
        module.config.update("jax_enable_x64", True)
    sines = {"jax": "numpy.sin", "autograd": "numpy.sin", "tinygrad": "Tensor.sin"}
    sin = module
    for part in sines.get(name, "sin").split("."):
        sin = getattr(sin, part) if part != "numpy" else __import__(f"{name}.numpy", fromlist=["sin"])
    return name, getattr(adapters, name)(), ORDERS.get(name, 2), sin


@pytest.mark.filterwarnings("ignore:Output seems independent of input")  # autograd, of a gradient that is 0
def test_every_engine_passes_with_its_adapter(engine):
    _, adapter, order, sin = engine
    assert gradcheck(lift(lambda x, y: sin(x) * y * x, *adapter), X, Y[0], order=order)


def test_every_engine_fails_with_a_gradient_that_is_too_large(engine):
    _, (vjp, *conversions), _, sin = engine

    def doubled(f):
        return lambda *arguments: [2 * g for g in vjp(f)(*arguments)]

    with pytest.raises(GradcheckError, match="they differ by the factor 2"):
        gradcheck(lift(lambda x: sin(x) * x, doubled, *conversions), X, order=1)
