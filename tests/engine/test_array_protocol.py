"""What a Tensor can do as an array: what it is made of, its data, conversions, Python's protocols, operators beside NumPy."""

import copy
import operator
import pickle

import numpy as np
import pytest

from minigan import Tensor
from tests.helpers.leaves import leaf

# --- construction -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [1, 2.5, [1, 2], [1.0, 2.0], [[1], [2]], (1, 2), [np.float64(1)], []])
def test_numbers_and_lists_become_float32(data):
    assert Tensor(data).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_arrays_keep_their_dtype(dtype):
    assert Tensor(np.ones(2, dtype)).dtype == dtype


def test_lists_of_booleans_stay_boolean():
    assert Tensor([True, False]).dtype == bool


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_dtype_converts(dtype):
    assert Tensor([1, 2], dtype=dtype).dtype == dtype


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integers_and_booleans_refuse_a_gradient_and_name_the_remedy(dtype):
    with pytest.raises(TypeError, match=rf"{dtype}; only floats have gradients: .astype\('float32'\)"):
        Tensor(np.ones(2, dtype), requires_grad=True)


@pytest.mark.parametrize("data", ["abc", None, ["a", 1], {1, 2}, 1j, np.array([None])])
def test_what_is_not_numbers_is_refused(data):
    with pytest.raises(TypeError, match=f"from a {type(data).__name__}.*expected real numbers"):
        Tensor(data)


def test_ragged_list_is_refused():
    with pytest.raises(ValueError, match="Tensor: cannot make an array of this list"):
        Tensor([[1], [1, 2]])


def test_tensor_of_tensor_is_refused():
    with pytest.raises(TypeError, match="is a Tensor already"):
        Tensor(Tensor(1.0))


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::2]])
def test_array_is_shared_whatever_its_strides(view):
    array = view(np.arange(6.0).reshape(2, 3))
    t = Tensor(array)
    assert t.data is array
    array[0, 0] = 9
    assert t.numpy()[0, 0] == 9


def test_attributes_are_the_arrays():
    t = Tensor(np.zeros((2, 3), "float32"), name="w")
    assert (t.shape, t.ndim, t.size, t.dtype, t.name, t.is_leaf, t.grad) == ((2, 3), 2, 6, np.float32, "w", True, None)


@pytest.mark.parametrize("options", [{"requires_grad": "False"}, {"requires_grad": "float64"}])
def test_requires_grad_is_true_or_false(options):
    with pytest.raises(TypeError, match="expected True or False"):
        Tensor([1.0], **options)


# --- assignment to .data and .writable() --------------------------------------------------------------------------------


def test_data_attribute_takes_the_same_shape_and_floats_only():
    x = leaf(name="w")
    with pytest.raises(ValueError, match=r"'w' of shape \(3,\) cannot take an array of shape \(2,\)"):
        x.data = np.ones(2)
    with pytest.raises(TypeError, match="cannot take int64"):
        x.data = np.array([1, 2, 3])
    x.grad = Tensor(np.ones(3))
    x.data = np.ones(3, "float32")
    assert x.dtype == x.grad.dtype == np.float32


def test_assigned_data_is_copied_so_that_no_optimizer_writes_into_the_users_array():
    array, w = np.zeros(2), leaf([1.0, 1.0])
    w.data = array
    w.writable()[...] = 5.0
    np.testing.assert_array_equal(array, [0.0, 0.0])


def test_writable_copies_where_numpy_refuses_to_write():
    x = Tensor(np.broadcast_to(np.array([2.0]), (3,)))
    x.writable()[0] = 5
    np.testing.assert_array_equal(x.numpy(), [5, 2, 2])


# --- Python's protocols -------------------------------------------------------------------------------------------------


def test_item_of_several_elements_is_refused():
    with pytest.raises(ValueError, match=r"'w' of shape \(2,\) has 2 elements"):
        Tensor([1, 2], name="w").item()


def test_numbers_from_one_element():
    t = Tensor([[2.5]])
    assert (float(t), int(t), bool(t), t.item()) == (2.5, 2, True, 2.5)
    assert bool(Tensor(0.0)) is False


def test_truth_of_several_elements_is_refused():
    with pytest.raises(ValueError, match="2 elements"):
        bool(Tensor([1, 2]))


def test_integer_tensor_indexes_and_float_tensor_does_not():
    assert [10, 20, 30][Tensor(np.array(1))] == 20
    with pytest.raises(TypeError, match="only integers can index"):
        [10][Tensor(0.0)]


def test_iteration_stops_and_rows_are_differentiable():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    rows = list(x)
    assert len(rows) == len(x) == 2
    (rows[0] * rows[1]).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[3, 4], [1, 2]])


@pytest.mark.parametrize("use", [len, iter, list])
def test_scalar_has_no_length_and_no_rows(use):
    with pytest.raises(TypeError, match="no length"):
        use(Tensor(1.0))


def test_in_compares_values():
    t = Tensor([1, 2])
    assert 2 in t
    assert 3 not in t


def test_hash_is_by_identity():
    a, b = Tensor([1, 2]), Tensor([1, 2])
    assert {a: 1}.get(b) is None
    assert len({a, b, a}) == 2


def test_comparison_gives_booleans_without_history():
    y = leaf() > 0
    assert y.dtype == bool
    assert not y.requires_grad
    np.testing.assert_array_equal(y.numpy(), [True, False, True])


def test_repr_shows_values_name_and_op():
    x = leaf([1.5], name="w")
    assert "1.5" in repr(x)
    assert "'w'" in repr(x)
    assert "requires_grad" in repr(x)
    assert "op=multiply" in repr(x * 2)


# --- how it was made ----------------------------------------------------------------------------------------------------


def test_a_leaf_has_no_op_and_no_inputs():
    for t in (leaf(), Tensor([1.0]), (leaf() * 2).detach()):
        assert (t.op, t.inputs, t.derivatives) == (None, (), ())


def test_a_result_has_the_op_its_inputs_and_a_derivative_for_each_that_wants_one():
    x, c = leaf(), Tensor([2.0, 3.0, 4.0])
    y = x * c
    assert y.op == "multiply"
    assert len(y.inputs) == len(y.derivatives) == 2
    assert y.inputs[0] is x
    assert y.inputs[1] is c
    assert y.derivatives[1] is None
    np.testing.assert_array_equal(y.derivatives[0](Tensor(np.ones(3)), y).numpy(), c.numpy())


@pytest.mark.parametrize("name", ["op", "inputs", "derivatives"])
def test_how_a_tensor_was_made_cannot_be_assigned(name):
    with pytest.raises(AttributeError):
        setattr(leaf(), name, None)


# --- copies -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_hold_values_and_flag_in_their_own_memory(make_copy):
    x = leaf(dtype="float32", name="w")
    twin, result = make_copy(x), make_copy((x * 2).detach())
    assert (twin.requires_grad, twin.name, twin.dtype) == (True, "w", np.float32)
    assert not np.shares_memory(twin.data, x.data)
    assert (result.requires_grad, result.is_leaf) == (False, True)
    np.testing.assert_array_equal(result.numpy(), x.numpy() * 2)


@pytest.mark.parametrize("inside", [lambda y: y, lambda y: [y], lambda y: {"loss": y}], ids=["alone", "list", "dict"])
@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_history_is_not_copied_and_a_copy_without_it_is_refused(make_copy, inside):
    y = leaf([1.0])
    for _ in range(5_000):
        y = y + 1.0
    with pytest.raises(RuntimeError, match=r"copy: a tensor of shape \(1,\) is the result of add, .*\.detach\(\)"):
        make_copy(inside(y))
    with pytest.raises(RuntimeError, match=r"\.detach\(\)"):
        copy.copy(y)


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_of_a_frozen_parameter_is_a_frozen_parameter(make_copy):
    x = leaf()
    x.requires_grad = False
    twin = make_copy(x)
    assert (twin.requires_grad, twin.is_parameter) == (False, True)
    assert not make_copy((leaf() * 2).detach()).is_parameter
    assert not make_copy(Tensor([1.0])).is_parameter


# --- operators beside NumPy ---------------------------------------------------------------------------------------------


BESIDE_NUMPY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "@": lambda a, b: a @ b,
}


@pytest.mark.parametrize("left", [np.array([1.5, 2.0, 2.5]), [1.5, 2.0, 2.5], np.float64(2), np.array(2.0), 2, 2.0], ids=repr)
@pytest.mark.parametrize("sign", BESIDE_NUMPY)
def test_operators_keep_the_graph_with_numpy_or_python_on_the_left(sign, left):
    if sign == "@" and np.ndim(left) == 0:
        left = np.full(3, left)
    x, f = leaf(), BESIDE_NUMPY[sign]
    y = f(left, x)
    assert isinstance(y, Tensor)
    assert y.requires_grad
    np.testing.assert_allclose(y.numpy(), f(np.asarray(left), x.numpy()))


@pytest.mark.parametrize("compare", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_with_numpy_on_the_left(compare):
    a, t = np.array([1.0, 2.0, 3.0]), Tensor([2.0, 2.0, 2.0])
    y = compare(a, t)
    assert isinstance(y, Tensor)
    np.testing.assert_array_equal(y.numpy(), compare(a, t.numpy()))


def test_in_place_operator_on_an_array_is_refused():
    array = np.ones(3)
    with pytest.raises(TypeError, match="Tensor"):
        array *= leaf()
    np.testing.assert_array_equal(array, 1)


@pytest.mark.parametrize("ufunc", [np.exp, np.negative, np.sqrt])
def test_numpy_ufuncs_refuse_tensors_aloud(ufunc):
    with pytest.raises(TypeError, match="does not support ufuncs"):
        ufunc(leaf())


def test_asarray_refuses_to_lose_a_gradient_and_takes_a_constant():
    with pytest.raises(TypeError, match="which NumPy would lose"):
        np.asarray(leaf())
    t = Tensor([1, 2])
    assert np.shares_memory(np.asarray(t), t.data)
    assert not np.shares_memory(np.array(t, copy=True), t.data)
    assert np.asarray(t, dtype="float64").dtype == np.float64


@pytest.mark.parametrize("change", ["p += 1.0", "p -= 1.0", "p *= 2.0", "p /= 2.0"])
def test_in_place_operators_on_a_parameter_are_refused_and_name_the_remedy(change):
    with pytest.raises(TypeError, match=r"p\.data ="):
        exec(change, {"p": leaf()})


def test_in_place_operators_on_results_make_a_new_tensor():
    x = leaf()
    y = before = x * 2.0
    y += 1.0
    assert y is not before
    np.testing.assert_array_equal(y.numpy(), before.numpy() + 1)


def test_an_error_of_the_constructor_names_the_tensor():
    with pytest.raises(TypeError, match=r"tensor 'w' of shape \(3,\) is int64"):
        Tensor(np.arange(3), requires_grad=True, name="w")
