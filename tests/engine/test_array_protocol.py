"""What a Tensor can do as an array: what it is made of, its data, conversions, Python's protocols, operators beside NumPy."""

import copy
import operator
import pickle

import numpy as np
import pytest

from minigan import Tensor
from tests.helpers.leaves import leaf

MADE = [  # (of what, its dtype)
    *[(data, "float32") for data in (1, 2.5, [1, 2], [1.0, 2.0], [[1], [2]], (1, 2), [], [np.float64(1)])],
    *[(np.ones(2, d), d) for d in ("float16", "float32", "float64", "int8", "int64", "uint8", "bool")],
    ([True, False], "bool"),
]


@pytest.mark.parametrize(("data", "dtype"), MADE)
def test_numbers_and_lists_become_float32_and_arrays_keep_their_dtype(data, dtype):
    t = Tensor(data, name="w")
    assert (t.dtype, t.name, t.is_leaf, t.grad, t.op, t.inputs, t.derivatives) == (dtype, "w", True, None, None, (), ())
    assert (t.shape, t.ndim, t.size) == (np.shape(data), np.ndim(data), np.size(data))
    assert Tensor(data, dtype="float16").dtype == np.float16


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::2]])
def test_array_is_shared_whatever_its_strides(view):
    array = view(np.arange(6.0).reshape(2, 3))
    t = Tensor(array)
    assert t.data is array
    array[0, 0] = 9
    assert t.numpy()[0, 0] == 9


# --- assignment to .data and .writable() --------------------------------------------------------------------------------


def test_assigned_data_gives_its_dtype_to_the_gradient_too():
    x = leaf()
    x.grad = Tensor(np.ones(3))
    x.data = np.ones(3, "float32")
    assert x.dtype == x.grad.dtype == np.float32
    x.grad = Tensor(np.ones(3))
    assert x.grad.dtype == np.float32


def test_assigned_or_read_only_data_is_copied_so_that_no_optimizer_writes_into_the_users_array():
    array, w = np.zeros(2), leaf([1.0, 1.0])
    w.data = array
    w.writable()[...] = 5.0
    np.testing.assert_array_equal(array, [0.0, 0.0])
    x = Tensor(np.broadcast_to(np.array([2.0]), (3,)))
    x.writable()[0] = 5
    np.testing.assert_array_equal(x.numpy(), [5, 2, 2])


# --- Python's protocols -------------------------------------------------------------------------------------------------


def test_one_element_is_a_number_and_hash_is_by_identity_but_in_by_value():
    t, a, b = Tensor([[2.5]]), Tensor([1, 2]), Tensor([1, 2])
    assert (float(t), int(t), bool(t), t.item(), bool(Tensor(0.0))) == (2.5, 2, True, 2.5, False)
    assert [10, 20, 30][Tensor(np.array(1))] == 20
    assert ({a: 1}.get(b), len({a, b, a})) == (None, 2)
    assert (2 in a, 3 in a) == (True, False)


def test_iteration_stops_and_rows_are_differentiable():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    rows = list(x)
    assert len(rows) == len(x) == 2
    (rows[0] * rows[1]).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[3, 4], [1, 2]])


def test_a_result_has_the_op_its_inputs_and_a_derivative_for_each_that_wants_one():
    x, c = leaf(), Tensor([2.0, 3.0, 4.0])
    y = x * c
    assert (y.op, [id(t) for t in y.inputs]) == ("multiply", [id(x), id(c)])
    assert y.derivatives[1] is None
    np.testing.assert_array_equal(y.derivatives[0](Tensor(np.ones(3)), y).numpy(), c.numpy())


# --- copies -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_hold_values_and_flag_in_their_own_memory(make_copy):
    x = leaf(dtype="float32", name="w")
    twin, result = make_copy(x), make_copy((x * 2).detach())
    assert (twin.requires_grad, twin.name, twin.dtype) == (True, "w", np.float32)
    assert not np.shares_memory(twin.data, x.data)
    assert (result.requires_grad, result.is_leaf) == (False, True)
    np.testing.assert_array_equal(result.numpy(), x.numpy() * 2)
    x.requires_grad = False
    frozen = make_copy(x)
    assert (frozen.requires_grad, frozen.is_parameter, result.is_parameter) == (False, True, False)


@pytest.mark.parametrize("inside", [lambda y: y, lambda y: {"loss": [y]}], ids=["alone", "in a dict"])
@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_history_is_not_copied_and_a_copy_without_it_is_refused(make_copy, inside):
    y = leaf([1.0])
    for _ in range(5_000):
        y = y + 1.0
    for call in (lambda: make_copy(inside(y)), lambda: copy.copy(y)):
        with pytest.raises(RuntimeError, match=r"copy: a tensor of shape \(1,\) is the result of add, .*\.detach\(\)"):
            call()


# --- operators beside NumPy ---------------------------------------------------------------------------------------------


OPERATORS = ["add", "sub", "mul", "truediv", "pow", "matmul", "eq", "ne", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("left", [np.array([1.5, 2.0, 2.5]), [1.5, 2.0, 2.5], np.float64(2), np.array(2.0), 2, 2.0], ids=repr)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_keep_the_graph_with_numpy_or_python_on_the_left(name, left):
    left = np.full(3, left) if name == "matmul" and np.ndim(left) == 0 else left
    x, f = leaf(), getattr(operator, name)
    y = f(left, x)
    assert isinstance(y, Tensor)
    assert y.requires_grad == (y.dtype != bool)
    np.testing.assert_allclose(y.numpy(), f(np.asarray(left), x.numpy()))


def test_asarray_takes_a_constant_and_in_place_operators_on_results_make_a_new_tensor():
    t = Tensor([1, 2])
    assert np.shares_memory(np.asarray(t), t.data)
    assert not np.shares_memory(np.array(t, copy=True), t.data)
    assert np.asarray(t, dtype="float64").dtype == np.float64
    assert (np.shape(leaf()), np.argmax(t), np.median(t), np.allclose(t, [1, 2])) == ((3,), 1, 1.5, True)  # no op of minigan's
    y = before = leaf() * 2.0
    y += 1.0
    assert y is not before
