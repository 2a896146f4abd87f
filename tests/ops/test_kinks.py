"""Where an op has a kink or a tie, the gradient is the subgradient of the smallest norm: the table in `minigan.ops`."""

import math

import numpy as np
import pytest

import minigan as mg

CLIPPED = [-2, -1, -0.5, 0.5, 1, 2]
KINKS = {  # name: (the op, x, the gradient of its sum)
    "relu": (mg.relu, [-1, 0, 1], [0, 0, 1]),
    "leaky_relu": (mg.leaky_relu, [-1, 0, 1], [0.2, 0.2, 1]),
    "leaky_relu, slope 0": (lambda x: mg.leaky_relu(x, 0), [0], [0]),
    "leaky_relu, slope 1/2": (lambda x: mg.leaky_relu(x, 0.5), [0], [0.5]),
    "elu, alpha 1/2": (lambda x: mg.elu(x, 0.5), [0], [0.5]),
    "elu, alpha 1": (mg.elu, [0], [1]),
    "elu, alpha 2.5": (lambda x: mg.elu(x, 2.5), [0], [1]),
    "abs": (mg.abs, [-2, 0, 3], [-1, 0, 1]),
    "sign": (mg.sign, [-2, 0, 3], [0, 0, 0]),
    "clip": (lambda x: mg.clip(x, -1, 1), CLIPPED, [0, 0, 1, 1, 0, 0]),
    "clip below": (lambda x: mg.clip(x, -1), CLIPPED, [0, 0, 1, 1, 1, 1]),
    "maximum": (lambda x: mg.maximum(x, 3), [2, 3, 4], [0, 0.5, 1]),
    "maximum with NumPy's number": (lambda x: mg.maximum(np.float64(3), x), [2, 3, 4], [0, 0.5, 1]),
    "minimum": (lambda x: mg.minimum(x, 3.0), [2, 3, 4], [1, 0.5, 0]),
    "maximum with itself": (lambda x: mg.maximum(x, x), [2], [1]),
    "max": (lambda x: mg.max(x, axis=1), [[2, 2, 1, 2], [3, 1, 1, 1]], [[1 / 3, 1 / 3, 0, 1 / 3], [1, 0, 0, 0]]),
    "max of equal numbers": (mg.max, [[1, 1, 1], [1, 1, 1]], np.full((2, 3), 1 / 6)),
    "min": (lambda x: mg.min(x, axis=0), [[1, 1], [1, 2]], [[0.5, 1], [0.5, 0]]),
    "max_pool2d, one": (lambda x: mg.max_pool2d(x, 2), [[[[1, 2], [3, 0]]]], [[[[0, 0], [1, 0]]]]),
    "max_pool2d, two": (lambda x: mg.max_pool2d(x, 2), [[[[3, 1], [3, 0]]]], [[[[0.5, 0], [0.5, 0]]]]),
    "max_pool2d, all": (lambda x: mg.max_pool2d(x, 2), [[[[2, 2], [2, 2]]]], np.full((1, 1, 2, 2), 0.25)),
    "norm": (lambda x: mg.norm(x, axis=1), [[0, 0], [3, 4]], [[0, 0], [0.6, 0.8]]),
    "var of constants": (mg.var, [3, 3, 3, 3], [0, 0, 0, 0]),
    "x ** 0": (lambda x: x**0, [0, 2], [0, 0]),
    "x ** 0.0": (lambda x: x**0.0, [0, 2], [0, 0]),
    "x ** [0]": (lambda x: x ** np.array([0.0]), [0, 2], [0, 0]),
    "x ** 1": (lambda x: x**1, [0, 2], [1, 1]),
    "2 ** p": (lambda p: mg.power(2.0, p), [0, 1], [math.log(2), 2 * math.log(2)]),
    "0 ** p": (lambda p: mg.power(0.0, p), [2], [0]),
    "(-2) ** p, which has no derivative": (lambda p: mg.power(-2.0, p), [2], [math.nan]),
    "prod, no zero": (mg.prod, [2, -3, 0.5], [-1.5, 1, -6]),
    "prod, one zero": (mg.prod, [0, -3, 0.5], [-1.5, 0, 0]),
    "prod, two zeros": (mg.prod, [0, 0, 0.5], [0, 0, 0]),
    "sqrt, which has no subgradient": (mg.sqrt, [0, 4], [math.inf, 0.25]),
    "log, which has none": (mg.log, [0, 4], [math.inf, 0.25]),
    "logsumexp of minus infinity": (mg.logsumexp, [-math.inf, 0], [0, 1]),
    "cumsum": (mg.cumsum, [1, 2, 3], [3, 2, 1]),
    "repeats": (lambda x: x[[0, 0, 1]], [1, 2, 3], [2, 1, 0]),
}


@pytest.mark.parametrize(("op", "x", "expected"), KINKS.values(), ids=KINKS)
def test_gradient(op, x, expected):
    x = mg.Tensor(np.array(x, "float64"), requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(mg.grad(op(x).sum(), x)[0].numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("op", [mg.maximum, mg.minimum])
def test_a_tie_of_two_tensors_gives_half_to_each_and_has_second_derivative_0(op):
    a, b = (mg.Tensor(np.array([1.0, -2.0]), requires_grad=True) for _ in range(2))
    assert [g.numpy().tolist() for g in mg.grad(op(a, b).sum(), [a, b])] == [[0.5, 0.5]] * 2
    assert mg.gradcheck(op, a.numpy(), b.numpy(), kinks=True)


def test_norm_at_0_has_second_derivative_0():
    x = mg.Tensor(np.zeros(2), requires_grad=True)
    (g,) = mg.grad(mg.norm(x), x, create_graph=True)
    np.testing.assert_array_equal(mg.grad(g.sum(), x)[0].numpy(), 0)


def test_a_product_of_two_shares_at_a_tie_has_a_right_first_and_a_wrong_second_derivative():
    x = np.array([1.0])
    both = lambda x: mg.maximum(x, 1.0) * mg.minimum(x, 1.0)  # noqa: E731 (this is x)
    assert mg.gradcheck(both, x, order=1)
    with pytest.raises(mg.GradcheckError, match="second derivative"):
        mg.gradcheck(both, x, kinks=True)
    t = mg.Tensor(x, requires_grad=True)
    (g,) = mg.grad(both(t), t, create_graph=True)
    assert (g.item(), mg.grad(g, t)[0].item()) == (1.0, 0.5)


@pytest.mark.parametrize("p", [1, 2, 3, 1.0, np.array([1.0]), np.array([2.0])])
def test_power_at_0_is_differentiable_three_times(p):
    x = mg.Tensor([0.0], requires_grad=True)
    g = mg.power(x, p)
    for k in range(1, 4):
        (g,) = mg.grad(g, x, create_graph=True)
        assert g.item() == (math.factorial(k) if float(np.squeeze(p)) == k else 0)


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


@pytest.mark.parametrize("axis", [0, -1, (0, 2), (2, 0), (), None])
def test_prod_over_axes_with_zeros_is_differentiable_twice(axis):
    x = np.arange(12.0).reshape(2, 3, 2) % 5 * 0.5
    assert mg.gradcheck(lambda x: mg.prod(x, axis), x)


@pytest.mark.parametrize("zeros", range(4))
def test_prod_with_any_number_of_zeros(zeros):
    x = np.array([2.0, -3.0, 0.5])
    x[:zeros] = 0
    assert mg.gradcheck(mg.prod, x, order=3)
