"""Another engine's functions, tested by minigan's gradcheck: a toy engine's here, and those that are installed."""

import os

import numpy as np
import pytest
from hypothesis import given, settings

from demos.checking import adapters
from demos.checking.verdicts import ORDERS
from minigan import GradcheckError, gradcheck
from minigan.lifting import lift
from minigan.testing import arrays, assert_gradients

X, Y = np.array([[0.5, -1.5], [2.0, 0.7]]), np.array([[1.0, 0.3], [-0.8, 1.9]])


class Toy:
    """The other engine: an array, and for each parent what the arriving gradient, a Toy, becomes on its way there."""

    def __init__(self, value, *parents):
        self.value, self.parents = np.asarray(value), parents

    def __add__(self, other):
        return Toy(self.value + other.value, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other):
        return Toy(self.value * other.value, (self, lambda g: g * other), (other, lambda g: g * self))


def sine(x):
    return Toy(np.sin(x.value), (x, lambda g: g * cosine(x)))


def cosine(x):
    return Toy(np.cos(x.value), (x, lambda g: g * sine(x) * Toy(-np.ones_like(x.value))))


def vjp(f):
    def gradients(g, *xs):
        total = {id(x): Toy(np.zeros_like(x.value)) for x in xs}

        def go_back(y, g):  # path by path: slow, and right
            if id(y) in total:
                total[id(y)] = total[id(y)] + g
            for parent, derivative in y.parents:
                go_back(parent, derivative(g))

        go_back(f(*xs), g)
        return [total[id(x)] for x in xs]

    return gradients


def value(t):
    return t.value


def lifted(f):
    return lift(f, vjp, Toy, value)


def test_a_right_function_passes_to_order_3():
    assert gradcheck(lifted(lambda x, y: sine(x * y) + x * x), X, Y, order=3)


@given(arrays())
@settings(max_examples=20)
def test_a_right_function_passes_in_every_shape_order_and_dtype(x):
    assert_gradients(lifted(lambda x: sine(x) * x), x)


def wrong_cosine(x):
    return Toy(np.cos(x.value), (x, lambda g: g * sine(x)))


def half_sine(x):
    return Toy(np.sin(x.value), (x, lambda g: g * cosine(x) * Toy(np.full(x.value.shape, 0.5))))


def sine_then_wrong(x):
    return Toy(np.sin(x.value), (x, lambda g: g * wrong_cosine(x)))


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
        gradcheck(lift(not_summed, vjp_of_leaves, Toy, value), X, np.array([1.0, 2.0]))


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


def test_every_engine_passes_with_its_adapter(engine):
    _, adapter, order, sin = engine
    assert gradcheck(lift(lambda x, y: sin(x) * y * x, *adapter), X, Y[0], order=order)


def test_every_engine_fails_with_a_gradient_that_is_too_large(engine):
    _, (vjp, *conversions), _, sin = engine

    def doubled(f):
        return lambda *arguments: [2 * g for g in vjp(f)(*arguments)]

    with pytest.raises(GradcheckError, match="they differ by the factor 2"):
        gradcheck(lift(lambda x: sin(x) * x, doubled, *conversions), X, order=1)
