"""Gradients of every op and loss, to order 2: at fixed points, at drawn ones, and at kinks, ties and huge numbers.

`assert_gradients` also compares float32 with float64, memory orders and broadcasting, and finds what is written in place.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.testing import assert_gradients
from tests.contracts.losses import ALL_CASES, FUNCTIONS, IDS
from tests.contracts.ops import CONSTANT
from tests.helpers.examples import fewer, fewest

SCALES = [1.0, 1e-100, 1e-30, 1e-8, 1e8, 1e30, 1e100]
THIRD = ["divide", "matmul", "norm", "power", "prod", "sigmoid", "softmax", "tanh", "var", "log", "elu", "einsum", "conv2d"]


POINTS = [(name, *point) for name, entry in FUNCTIONS.items() for point in entry.points]


def scaled(fn, size, change=lambda y: y):
    """size fn(*inputs), changed, where fn may have several outputs."""

    def function(*inputs):
        y = fn(*inputs)
        return tuple([change(part * size) for part in y]) if isinstance(y, tuple) else change(y * size)

    return function


@pytest.mark.parametrize(("case", "size"), [(i, SCALES[i % len(SCALES)]) for i in range(len(ALL_CASES))], ids=IDS)
def test_gradient_and_its_gradient_are_right(case, size):
    _, fn, inputs = ALL_CASES[case]
    assert mg.gradcheck(scaled(fn, size), *inputs(), order=2)


@pytest.mark.parametrize("name", THIRD)
def test_third_derivative_is_right(name):
    fn, inputs = FUNCTIONS[name].cases[0]
    assert mg.gradcheck(fn, *[x[..., :2] for x in inputs()] if name == "prod" else inputs(), order=3)


@pytest.mark.parametrize(
    "name", [name for name, entry in FUNCTIONS.items() if entry.draws is not None and name not in CONSTANT]
)
@fewer
@given(data=st.data())
def test_gradients_are_right_at_drawn_arguments(name, data):
    inputs, options = data.draw(FUNCTIONS[name].draws)
    order = 2 if sum(x.size for x in inputs) <= 12 else 1
    assert_gradients(lambda *xs: FUNCTIONS[name].call(*xs, **options), *inputs, order=order)


@pytest.mark.parametrize("name", [name for name, entry in FUNCTIONS.items() if entry.special is not None])
@fewest
@given(data=st.data())
def test_gradients_are_right_at_special_points(name, data):
    assert_gradients(FUNCTIONS[name].call, *data.draw(FUNCTIONS[name].special), kinks=name != "power")


@pytest.mark.parametrize(("name", "fn", "x", "expected"), POINTS, ids=[f"{row[0]}-{i}" for i, row in enumerate(POINTS)])
def test_the_derivative_at_a_special_point_is_the_documented_one(name, fn, x, expected):
    x = mg.Tensor(np.array(x, "float64"), requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(mg.grad(fn(x).sum(), x)[0].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", CONSTANT)
@fewest
@given(data=st.data())
def test_no_gradient_flows_through_a_constant(name, data):
    inputs, options = data.draw(FUNCTIONS[name].draws)
    y = FUNCTIONS[name].call(*[mg.Tensor(x, requires_grad=True) for x in inputs], **options)
    assert not y.requires_grad
    assert y.dtype == (np.float64 if name == "one_hot" else bool)
