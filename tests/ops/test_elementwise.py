"""Elementwise functions: values, gradients away from kinks, and the side that is taken at each kink."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.testing import arrays, assert_gradients, broadcastable, shapes
from tests.helpers.examples import few


def slope(op, *values, wrt=0):
    """d op / d argument at these scalars, each as an array of one element."""
    leaves = [mg.Tensor(np.array([float(v)]), requires_grad=True) for v in values]
    return mg.grad(op(*leaves).sum(), leaves[wrt])[0].item()


SMOOTH = {
    "exp": (np.exp, {}),
    "expm1": (np.expm1, {}),
    "log": (np.log, {"low": 0.3}),
    "log1p": (np.log1p, {"low": -0.7}),
    "sqrt": (np.sqrt, {"low": 0.3}),
    "square": (np.square, {}),
    "sin": (np.sin, {}),
    "cos": (np.cos, {}),
    "tanh": (np.tanh, {}),
    "abs": (np.abs, {"away_from": (0,)}),
    "sign": (np.sign, {"away_from": (0,)}),
}


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_value_and_gradients(name, data):
    reference, options = SMOOTH[name]
    x = data.draw(arrays(shapes(max_dims=2, max_side=3), **options))
    op = getattr(mg, name)
    np.testing.assert_allclose(op(x).numpy(), reference(x), rtol=1e-13)
    assert_gradients(op, x)


@pytest.mark.parametrize(("name", "exact"), [("expm1", math.expm1(1e-12)), ("log1p", math.log1p(1e-12))])
def test_small_arguments_keep_their_digits(name, exact):
    assert getattr(mg, name)(np.array(1e-12)).item() == pytest.approx(exact, rel=1e-14)


# --- power --------------------------------------------------------------------------------------------------------------


@few
@given(broadcastable(low=0.3, high=2))
def test_power_of_tensors(pair):
    np.testing.assert_allclose(mg.power(*pair).numpy(), np.power(*pair))
    assert_gradients(mg.power, *pair)


@pytest.mark.parametrize("p", [-2, -1, 0, 1, 2, 3, 2.0, -1.0, 0.0])
@few
@given(x=arrays(shapes(max_dims=2, max_side=3), away_from=(0,), low=-2, high=2))
def test_power_of_a_number_at_either_sign(p, x):
    x = np.where(np.abs(x) < 0.3, 0.5, x)
    np.testing.assert_allclose(mg.power(x, p).numpy(), x**p)
    assert_gradients(lambda x: mg.power(x, p), x)


@pytest.mark.parametrize("p", [np.float64(2), np.int64(2), np.array(2), mg.Tensor(2.0), [2.0]], ids=repr)
def test_power_takes_exponents_of_any_kind_also_for_negative_bases(p):
    assert_gradients(lambda x: x**p, np.array([-1.5, 2.0]))


def test_number_to_a_tensor():
    assert_gradients(lambda x: 2**x, np.array([-1.5, 2.0]))


@pytest.mark.parametrize("p", [0, 0.0, np.array([0.0])])
def test_x_to_the_0_is_1_with_gradient_0_also_at_0(p):
    for at in (0.0, 2.0):
        assert mg.power(np.array([at]), p).item() == 1
        assert slope(lambda x: mg.power(x, p), at) == 0


@pytest.mark.parametrize("p", [1, 2, 3, 1.0, np.array([1.0]), np.array([2.0])])
def test_power_at_0_is_differentiable_three_times(p):
    x = mg.Tensor([0.0], requires_grad=True)
    g = mg.power(x, p)
    for k in range(1, 4):
        (g,) = mg.grad(g, x, create_graph=True)
        assert g.item() == (math.factorial(k) if float(np.squeeze(p)) == k else 0)


def test_exponents_0_1_and_2_have_right_mixed_derivatives():
    assert_gradients(mg.power, np.array([0.5, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]))


def test_exponents_gradient_at_base_0_is_0():
    assert slope(mg.power, 0, 2, wrt=1) == 0


def test_exponents_gradient_at_a_negative_base_is_nan():
    with np.errstate(invalid="ignore"):
        assert math.isnan(slope(mg.power, -2, 2, wrt=1))


def test_integers_to_integer_powers():
    x = mg.Tensor(np.array([1, 2]))
    assert (x**2).dtype == np.int64
    np.testing.assert_array_equal((x**-1).numpy(), np.array([1, 0.5], "float32"))
    assert (x**0.5).dtype == np.float32


# --- kinks --------------------------------------------------------------------------------------------------------------


def test_abs_and_sign_have_gradient_0_at_0():
    assert slope(mg.abs, 0) == slope(mg.sign, 0) == 0


def test_clip_has_gradient_0_on_its_edges_and_outside_and_1_inside():
    assert [slope(lambda x: mg.clip(x, -1, 1), v) for v in (-2, -1, -0.5, 0.5, 1, 2)] == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("op", [mg.maximum, mg.minimum])
def test_tie_gives_half_of_the_gradient_to_each(op):
    assert [slope(op, 2, 2, wrt=i) for i in (0, 1)] == [0.5, 0.5]


@pytest.mark.parametrize("op", [mg.sqrt, mg.log])
def test_where_no_subgradient_exists_the_gradient_is_infinite(op):
    with np.errstate(divide="ignore"):
        assert slope(op, 0) == math.inf


@pytest.mark.parametrize("low", [3.0, np.float64(3), 3])
def test_maximum_with_a_number_at_a_tie(low):
    assert slope(lambda x: mg.maximum(x, low), 3) == 0.5


@pytest.mark.parametrize("op", [mg.maximum, mg.minimum])
def test_second_derivative_at_a_tie_is_0(op):
    assert mg.gradcheck(op, np.array([1.0, -2.0]), np.array([1.0, -2.0]), kinks=True)


def test_a_product_of_two_shares_at_a_tie_has_a_right_first_and_a_wrong_second_derivative():
    x = np.array([1.0])
    both = lambda x: mg.maximum(x, 1.0) * mg.minimum(x, 1.0)  # noqa: E731 (this is x)
    assert mg.gradcheck(both, x, order=1)
    with pytest.raises(mg.GradcheckError, match="second derivative"):
        mg.gradcheck(both, x, kinks=True)
    t = mg.Tensor(x, requires_grad=True)
    (g,) = mg.grad(both(t), t, create_graph=True)
    assert (g.item(), mg.grad(g, t)[0].item()) == (1.0, 0.5)


# --- maximum, minimum, clip, where --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "reference"), [(mg.maximum, np.maximum), (mg.minimum, np.minimum)])
@few
@given(pair=broadcastable())
def test_maximum_and_minimum(op, reference, pair):
    a, b = pair
    b = np.where(np.abs(b - 0.25) < 0.01, 1.0, b)
    np.testing.assert_array_equal(op(a, b).numpy(), reference(a, b))
    assert_gradients(lambda b: op(0.25, b), b)


@few
@given(broadcastable(low=0.1, high=1))
def test_maximum_and_minimum_share_out_the_gradient_over_broadcast_shapes(pair):
    a, b = pair
    assert_gradients(mg.maximum, -a, b)
    assert_gradients(mg.minimum, -a, b)


BOUNDS = [(-1, 1), (None, 1), (-1, None), (None, None), (-1.0, np.float64(1)), (np.float32(-1), np.array(1.0, "float32"))]


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@few
@given(x=arrays(shapes(max_dims=2, max_side=3), away_from=(-1, 1)))
def test_clip(low, high, x):
    expected = x if low is None and high is None else np.clip(x, low, high)  # NumPy 2.0 refuses to clip without a bound
    np.testing.assert_array_equal(mg.clip(x, low, high).numpy(), expected)
    assert_gradients(lambda x: mg.clip(x, low, high), x)


def test_clip_with_bounds_for_each_element():
    low = np.array([-1.0, 0.0], "float32")
    np.testing.assert_array_equal(mg.clip(np.array([[-2.0, -2.0]]), low, [0, 1]).numpy(), [[-1, 0]])
    assert_gradients(lambda x: mg.clip(x, low, [0, 1]), np.array([[-2.0, 0.5], [-0.5, -0.5]]))


@pytest.mark.parametrize(("low", "high"), BOUNDS[:4])
def test_clip_keeps_integers(low, high):
    x = np.array([-3, 0, 3])
    expected = x if low is None and high is None else np.clip(x, low, high)
    assert mg.clip(x, low, high).dtype == np.int64
    np.testing.assert_array_equal(mg.clip(x, low, high).numpy(), expected)


def test_clip_refuses_crossed_bounds_tensors_and_text():
    with pytest.raises(ValueError, match="clip: low is 2, above high, 1"):
        mg.clip(np.ones(2), 2, 1)
    with pytest.raises(TypeError, match="clip: the bounds are constants"):
        mg.clip(np.ones(2), mg.Tensor(0.0), 1)
    with pytest.raises(TypeError, match="clip: argument 2 is a str"):
        mg.clip(np.ones(2), "a", 1)
    with pytest.raises(ValueError, match=r"clip: shapes \(2,\) and \(3,\) do not broadcast"):
        mg.clip(np.ones(2), np.zeros(3))


@few
@given(broadcastable(3))
def test_where(group):
    mask, a, b = group[0] > 0, *group[1:]
    np.testing.assert_array_equal(mg.where(mask, a, b).numpy(), np.where(mask, a, b))
    assert_gradients(lambda a, b: mg.where(mask, a, b), a, b)


@pytest.mark.parametrize(
    "mask", [[True, False], [1, 0], np.array([2, 0]), mg.Tensor([1.5, 0]), mg.Tensor([True, False])], ids=repr
)
def test_where_takes_conditions_of_any_kind(mask):
    np.testing.assert_array_equal(mg.where(mask, [1, 2], 3.0).numpy(), [1, 3])


def test_where_wider_condition_stretches_both_branches():
    assert_gradients(lambda a, b: mg.where(np.eye(2, dtype=bool), a, b), np.array(1.0), np.array([2.0, 3.0]))


@pytest.mark.parametrize("condition", [None, "abc"])
def test_where_refuses_conditions_that_are_no_numbers(condition):
    with pytest.raises(TypeError, match="where: argument 1 is a"):
        mg.where(condition, np.ones(3), 0)


def test_where_names_the_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"where: shapes \(3,\) and \(2,\) do not broadcast"):
        mg.where(np.ones(3, bool), np.ones(2), 0)


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


def test_nan_that_the_branch_not_taken_makes_reaches_its_arguments_gradient():
    x = mg.Tensor([-1.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        (g,) = mg.grad(mg.where(x > 0, mg.sqrt(x), 0.0), x)
    assert np.isnan(g.item())


def test_choosing_the_argument_first_keeps_nan_out_of_the_gradient():
    x = mg.Tensor([4.0, -1.0], requires_grad=True)
    y = mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1.0)), 0.0)
    np.testing.assert_array_equal(mg.grad(y.sum(), x)[0].numpy(), [0.25, 0])


def test_mask_that_is_changed_after_the_forward_pass_does_no_harm():
    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    mask = np.array([True, False])
    y = mg.where(mask, x, 0.0).sum()
    mask[:] = False
    np.testing.assert_array_equal(mg.grad(y, x)[0].numpy(), [1, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [-1000.0, -40.0, 0.0, 40.0, 1000.0])
def test_tanh_is_stable(v, dtype):
    x = mg.Tensor(np.array([v], dtype), requires_grad=True)
    y = mg.tanh(x)
    assert y.item() == pytest.approx(np.sign(v))
    assert mg.grad(y, x)[0].item() == (1 if v == 0 else 0)
