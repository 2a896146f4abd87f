"""What is special to shapes and indexing: views, borders of any dtype, every kind of index, one-hot codes."""

import array
import tracemalloc

import numpy as np
import pytest

import minigan as mg
from minigan.testing import assert_gradients


def same(y, expected):
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.numpy(), expected)


X = mg.Tensor(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("view", "shares"), [(lambda x: x.reshape(6), True), (lambda x: x[0], True), (lambda x: x[[0]], False)]
)
def test_memory_is_shared_where_numpy_shares_it(view, shares):
    assert np.shares_memory(view(X).data, X.data) == shares


def test_shapes_axes_and_sections_may_be_given_in_several_ways():
    assert mg.broadcast_to(1.0, 3).shape == mg.broadcast_to(1.0, [3]).shape == (3,)
    assert X.reshape((3, 2)).shape == X.reshape(3, -1).shape == X.T.shape == mg.transpose(X, 1, 0).shape == (3, 2)
    assert [p.shape for p in mg.split(np.ones((0, 2)), 3)] == [(0, 2)] * 3
    assert_gradients(lambda x: mg.exp(x.reshape(())).reshape((1, 1)), np.ones((1, 1)))


BORDERS = [0, 1, 7, -1, 200, 300, 0.5, -2.0, True, np.nan, -np.inf, 2**40, np.float64(3), np.int16(-3)]


@pytest.mark.parametrize(
    ("dtype", "held"),
    [
        ("bool", [0, 1, True]),
        ("uint8", [0, 1, 7, 200, True, 3]),
        ("int8", [0, 1, 7, -1, -2, True, 3, -3]),
        ("int64", [0, 1, 7, -1, 200, 300, -2, True, 2**40, 3, -3]),
        ("uint64", [0, 1, 7, 200, 300, True, 2**40, 3]),
    ],
)
def test_pad_keeps_a_dtype_that_holds_the_value_and_widens_others_as_where_does(dtype, held):
    x = np.array([[1, 0], [1, 1]], dtype)
    for value in BORDERS:
        y = mg.pad(x, 1, value)
        np.testing.assert_array_equal(y.numpy(), np.pad(x.astype(object), 1, constant_values=value).astype(y.dtype))
        assert y.dtype == (dtype if value in held else mg.where(True, x, value).dtype), value


INDICES = {
    "integer": 1, "0-d array": np.array(1), "slice": slice(0, 2), "negative step": slice(None, None, -2),
    "none and ellipsis": (None, Ellipsis, 0, None), "element": (1, 2, 0), "list with repeats": [0, 0, 1],
    "tuple with repeats inside a tuple": ((0, 0, 1), slice(None)), "two arrays": (np.array([0, 1, 0]), np.array([2, 1, 2])),
    "arrays around a slice": ([0, 0], slice(None), [1, 1]), "uint8 array": np.array([1, 1], "uint8"),
    "mask": np.arange(12).reshape(2, 3, 2) % 3 == 0, "mask of the first axis": np.array([False, True]),
    "mask as a list": [True, False], "mask in a tuple": (slice(None), [True, False, True], 0),
    "mask and array": (np.array([True, True]), np.array([2, 2])), "true": True, "false": False, "empty list": [],
    "empty array": np.array([], int), "tensor": mg.Tensor(np.array([1, 1])), "array of Python's": array.array("q", [0, 0, 1]),
    "memory": memoryview(array.array("q", [0, 0, 1])), "range": range(-2, 1), "mask tensor": mg.Tensor([True, False]),
}  # fmt: skip


@pytest.mark.parametrize("name", INDICES)
def test_getitem_is_numpys_and_counts_repeats(name):
    index = INDICES[name]
    plain = tuple(i.numpy() if isinstance(i, mg.Tensor) else i for i in index) if isinstance(index, tuple) else index
    plain = plain.numpy() if isinstance(plain, mg.Tensor) else plain
    x = np.arange(12.0).reshape(2, 3, 2)
    same(mg.Tensor(x)[index], np.asarray(x[plain]))
    assert_gradients(lambda x: x[index], x)


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: (a,), lambda a: mg.Tensor(a)])
@pytest.mark.parametrize("index", [np.array([0, 0]), np.array([True, False, False])])
def test_index_that_is_changed_after_the_forward_pass_does_no_harm(index, wrap):
    x, index = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True), index.copy()
    y = x[wrap(index)].sum()
    index[:] = 1
    np.testing.assert_array_equal(mg.grad(y, x)[0].numpy(), [y.item(), 0, 0])


def test_one_hot_makes_nothing_larger_than_its_result():
    tracemalloc.start()
    try:
        codes = mg.one_hot([99_999, 3], 100_000)  # an identity of this size would have 37 GiB
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert codes.shape == (2, 100_000)
    assert codes.numpy()[[0, 1], [99_999, 3]].tolist() == [1, 1]
    assert codes.numpy().sum() == 2
    assert most < 2e6
    for labels in (1, [], np.array([[1]], "uint8"), mg.Tensor(np.array([0, 2]))):
        plain = labels.numpy() if isinstance(labels, mg.Tensor) else np.asarray(labels, dtype=int)
        same(mg.one_hot(plain if isinstance(labels, list) else labels, 3), np.eye(3, dtype="float32")[plain])
