"""What is special to power, clip, where and the activations: odd exponents, bounds and conditions, nan behind a condition."""

import numpy as np
import pytest

import minigan as mg
from minigan.testing import assert_gradients


@pytest.mark.parametrize("p", [np.float64(2), np.int64(2), np.array(2), mg.Tensor(2.0), [2.0]], ids=repr)
def test_power_takes_exponents_of_any_kind_also_for_negative_bases(p):
    x = np.array([-1.5, 2.0])
    np.testing.assert_allclose((mg.Tensor(x) ** p).numpy(), x**2)
    assert_gradients(lambda x: x**p, x)


def test_integers_to_integer_powers():
    x = mg.Tensor(np.array([1, 2]))
    assert (x**2).dtype == np.int64
    np.testing.assert_array_equal((x**-1).numpy(), np.array([1, 0.5], "float32"))
    assert (x**0.5).dtype == np.float32


@pytest.mark.parametrize("op", [mg.add, mg.subtract, mg.multiply, mg.divide])
@pytest.mark.parametrize("number", [2, -0.5])
def test_numbers_on_either_side(op, number):
    x = np.array([[0.5, -1.5], [2.0, 3.0]])
    assert_gradients(lambda x: op(x, number), x)
    assert_gradients(lambda x: op(number, x), x)


def test_clip_with_bounds_for_each_element():
    low = np.array([-1.0, 0.0], "float32")
    np.testing.assert_array_equal(mg.clip(np.array([[-2.0, -2.0]]), low, [0, 1]).numpy(), [[-1, 0]])
    assert_gradients(lambda x: mg.clip(x, low, [0, 1]), np.array([[-2.0, 0.5], [-0.5, -0.5]]))


@pytest.mark.parametrize(("low", "high", "expected"), [(-1, 1, [-1, 0, 1]), (None, 1, [-3, 0, 1]), (None, None, [-3, 0, 3])])
def test_clip_keeps_integers(low, high, expected):
    y = mg.clip(np.array([-3, 0, 3]), low, high)
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y.numpy(), expected)


# --- where --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mask", [[True, False], [1, 0], np.array([2, 0]), mg.Tensor([1.5, 0]), mg.Tensor([True, False])], ids=repr
)
def test_where_takes_conditions_of_any_kind(mask):
    np.testing.assert_array_equal(mg.where(mask, [1, 2], 3.0).numpy(), [1, 3])


def test_where_wider_condition_stretches_both_branches():
    assert_gradients(lambda a, b: mg.where(np.eye(2, dtype=bool), a, b), np.array(1.0), np.array([2.0, 3.0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_or_inf_in_the_branch_not_taken_reaches_neither_value_nor_gradient(bad):
    a, b = (mg.Tensor([1.0, v], requires_grad=True) for v in (2.0, bad))
    for y in (mg.where([True, True], a, b), mg.where([False, False], b, a)):
        ga, gb = mg.grad((y * y).sum(), [a, b])
        np.testing.assert_array_equal(y.numpy(), [1, 2])
        np.testing.assert_array_equal(ga.numpy(), [2, 4])
        np.testing.assert_array_equal(gb.numpy(), 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_that_arrives_for_one_branch_does_not_reach_the_other(bad):
    a, b = (mg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    for mask in ([True, False], [False, True]):
        ga, gb = mg.grad(mg.where(mask, a, b), [a, b], gradient=[3.0, bad])
        np.testing.assert_array_equal(ga.numpy(), np.where(mask, [3, bad], 0))
        np.testing.assert_array_equal(gb.numpy(), np.where(mask, 0, [3, bad]))


def test_choosing_the_argument_first_keeps_nan_out_of_the_gradient():
    x = mg.Tensor([4.0, -1.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        (g,) = mg.grad(mg.where(x > 0, mg.sqrt(x), 0.0).sum(), x)
    np.testing.assert_array_equal(g.numpy(), [0.25, np.nan])
    y = mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1.0)), 0.0)
    np.testing.assert_array_equal(mg.grad(y.sum(), x)[0].numpy(), [0.25, 0])


# --- what was changed after the forward pass ----------------------------------------------------------------------------


def test_mask_that_is_changed_after_the_forward_pass_does_no_harm():
    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    mask = np.array([True, False])
    y = mg.where(mask, x, 0.0).sum()
    mask[:] = False
    np.testing.assert_array_equal(mg.grad(y, x)[0].numpy(), [1, 0])


def test_bounds_that_are_changed_after_the_forward_pass_do_no_harm():
    x, low = mg.Tensor([1.0, 2.0], requires_grad=True), np.zeros(2)
    y = mg.clip(x, low).sum()
    low[:] = 5.0
    np.testing.assert_array_equal(mg.grad(y, x)[0].numpy(), [1, 1])


@pytest.mark.parametrize("activation", [mg.relu, mg.leaky_relu])
def test_a_slope_whose_x_or_y_has_changed_before_it_is_used_again_is_refused(activation):
    x, w = (mg.Tensor(np.array(values), requires_grad=True) for values in ([1.0, -2.0], [3.0, 4.0]))
    y = activation(x)
    (g,) = mg.grad((y * w).sum(), x, create_graph=True)
    changed = y if activation is mg.relu else x  # what the slope is computed from
    changed.data = -changed.data
    with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
        g.sum().backward()
