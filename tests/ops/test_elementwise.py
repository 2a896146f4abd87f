"""What is special to power, clip, where and conversions."""

import numpy as np
import pytest

import minigan as mg
from tests.helpers.leaves import leaf


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 1.0, 2.0])
def test_powers_of_numbers_next_to_0_whose_inverse_or_its_square_is_infinite(p, dtype):
    least = 1 / float(np.finfo(dtype).max)
    x = np.array([0, 0.5 * least, least, 1.5 * least, 0.5 * least**0.5, 1.0], dtype)
    x = mg.Tensor(np.concatenate([x, -x]), requires_grad=True)
    (first,) = mg.grad(mg.power(x, mg.Tensor(np.full(12, p, dtype))).sum(), x, create_graph=True)
    (second,) = mg.grad(first.sum(), x)
    np.testing.assert_array_equal(first.numpy(), {0.0: 0, 1.0: 1, 2.0: 2 * x.data}[p] + np.zeros(12, dtype))
    np.testing.assert_array_equal(second.numpy(), {0.0: 0, 1.0: 0, 2.0: 2}[p])


def test_a_product_of_two_shares_at_a_tie_has_a_right_first_and_a_wrong_second_derivative():
    both = lambda x: mg.maximum(x, 1.0) * mg.minimum(x, 1.0)  # noqa: E731 (this is x)
    assert mg.gradcheck(both, np.ones(1), order=1)
    t = leaf([1.0])
    (g,) = mg.grad(both(t), t, create_graph=True)
    assert (g.item(), mg.grad(g, t)[0].item()) == (1.0, 0.5)


# --- where --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mask", [[True, False], [1, 0], np.array([2, 0]), mg.Tensor([1.5, 0]), mg.Tensor([True, False])], ids=repr
)
def test_where_takes_conditions_of_any_kind(mask):
    np.testing.assert_array_equal(mg.where(mask, [1, 2], 3.0).numpy(), [1, 3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_or_inf_in_the_branch_not_taken_reaches_neither_value_nor_gradient(bad):
    a, b = leaf([1.0, 2.0]), leaf([1.0, bad])
    for y in (mg.where([True, True], a, b), mg.where([False, False], b, a)):
        ga, gb = mg.grad((y * y).sum(), [a, b])
        assert [v.numpy().tolist() for v in (y, ga, gb)] == [[1, 2], [2, 4], [0, 0]]
    for mask in ([True, False], [False, True]):  # nan that arrives for one branch does not reach the other
        ga, gb = mg.grad(mg.where(mask, a, b), [a, b], gradient=[3.0, bad])
        np.testing.assert_array_equal(ga.numpy(), np.where(mask, [3, bad], 0))
        np.testing.assert_array_equal(gb.numpy(), np.where(mask, 0, [3, bad]))


# --- what was changed after the forward pass ----------------------------------------------------------------------------


@pytest.mark.parametrize("op", [lambda x, a: mg.where(a, x, 0.0), lambda x, a: mg.clip(x, a - 9), lambda x, a: mg.clip(x, a)])
def test_a_condition_or_a_bound_that_is_changed_after_the_forward_pass_does_no_harm(op):
    x, argument = leaf([1.0, 2.0]), np.array([0.5, 2.5])
    y = op(x, argument)
    (expected,) = mg.grad(y.sum(), x)
    argument[:] = [5.0, 0.0]
    np.testing.assert_array_equal(mg.grad(y.sum(), x)[0].numpy(), expected.numpy())


@pytest.mark.parametrize("activation", [mg.relu, mg.leaky_relu])
def test_a_slope_whose_x_or_y_has_changed_before_it_is_used_again_is_refused(activation):
    x, w = leaf([1.0, -2.0]), leaf([3.0, 4.0])
    y = activation(x)
    (g,) = mg.grad((y * w).sum(), x, create_graph=True)
    changed = y if activation is mg.relu else x  # what the slope is computed from
    changed.data = -changed.data
    with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
        g.sum().backward()


# --- conversions --------------------------------------------------------------------------------------------------------


def test_astype_passes_gradients_of_both_orders_between_float_dtypes_and_none_to_integers():
    x = leaf(dtype="float32")
    (g,) = mg.grad((x.astype("float64") ** 3).sum(), x, create_graph=True)
    (h,) = mg.grad(g.sum(), x)
    assert g.dtype == h.dtype == np.float32
    np.testing.assert_allclose(h.numpy(), 6 * x.numpy())
    assert not x.astype("int64").requires_grad
    assert x.astype("float32") is x.to("numpy") is x
