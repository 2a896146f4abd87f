"""Shapes and indexing: each op against NumPy's, gradients, and errors that name the shapes."""

import array
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigan as mg
from minigan.testing import arrays, assert_gradients, axes, shapes
from tests.helpers.examples import few

SHORT = shapes(max_side=3)
LONG = shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)


def same(y, expected):
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.numpy(), expected)


# --- shape --------------------------------------------------------------------------------------------------------------


@few
@given(arrays(SHORT))
def test_reshape(x):
    same(mg.reshape(x, -1), x.reshape(-1))
    same(mg.reshape(x, (*x.shape, 1)), x[..., None])
    assert_gradients(lambda x: x.reshape(-1), x)
    assert_gradients(lambda x: x.reshape(1, *x.shape), x)


def test_reshape_to_a_scalar_and_back():
    assert_gradients(lambda x: mg.exp(x.reshape(())).reshape((1, 1)), np.ones((1, 1)))


def test_reshape_is_a_view_where_possible():
    x = mg.Tensor(np.ones((2, 3)))
    assert np.shares_memory(x.reshape(6).data, x.data)


@pytest.mark.parametrize("shape", [(4,), (2, 2), (-1, -1), (-1, 4)])
def test_reshape_names_the_shapes_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"reshape: 6 elements of shape \(2, 3\) do not fill shape"):
        mg.reshape(np.ones((2, 3)), shape)


@few
@given(st.data())
def test_transpose(data):
    x = data.draw(arrays(SHORT))
    order = data.draw(st.permutations([data.draw(st.sampled_from([i, i - x.ndim])) for i in range(x.ndim)]))
    same(mg.transpose(x), x.T)
    same(mg.transpose(x, None), x.T)
    same(mg.transpose(x, tuple(order)), x.transpose(order))
    assert_gradients(lambda x: mg.transpose(x, tuple(order)), x)
    assert_gradients(lambda x: x.T, x)


def test_transpose_takes_axes_with_and_without_a_tuple():
    x = np.ones((2, 3, 4))
    assert mg.transpose(x, 1, 2, 0).shape == mg.transpose(x, (1, 2, 0)).shape == (3, 4, 2)
    with pytest.raises(ValueError, match=r"transpose: axes \(0, 1\) do not name every axis of shape \(2, 3, 4\)"):
        mg.transpose(x, 0, 1)


@few
@given(st.data())
def test_moveaxis(data):
    x = data.draw(arrays(shapes(min_dims=1, max_side=3)))
    i, j = (data.draw(st.integers(-x.ndim, x.ndim - 1)) for _ in range(2))
    same(mg.moveaxis(x, i, j), np.moveaxis(x, i, j))
    assert_gradients(lambda x: mg.moveaxis(x, i, j), x)


@few
@given(st.data())
def test_broadcast_to(data):
    x = data.draw(arrays(shapes(max_dims=2, max_side=3)))
    shape = data.draw(hnp.broadcastable_shapes(x.shape, min_dims=x.ndim, max_dims=3, min_side=0, max_side=3))
    if np.broadcast_shapes(x.shape, shape) == shape:
        same(mg.broadcast_to(x, shape), np.broadcast_to(x, shape))
        assert_gradients(lambda x: mg.broadcast_to(x, shape), x)
    else:
        with pytest.raises(ValueError, match=r"broadcast_to: shape .* does not broadcast to"):
            mg.broadcast_to(x, shape)


def test_broadcast_to_a_number_is_one_axis():
    assert mg.broadcast_to(1.0, 3).shape == mg.broadcast_to(1.0, [3]).shape == (3,)


@few
@given(st.data())
def test_expand_dims_and_squeeze(data):
    x = data.draw(arrays(shapes(max_dims=2, max_side=3)))
    axis = data.draw(st.sampled_from([0, -1, (0, -1), (0, 1), ()]))
    expected = np.expand_dims(x, axis)
    same(mg.expand_dims(x, axis), expected)
    same(mg.squeeze(expected, axis), x)
    same(mg.squeeze(expected), expected.squeeze())
    assert_gradients(lambda x: mg.expand_dims(x, axis), x)
    assert_gradients(lambda x: mg.squeeze(x, axis), expected)


@pytest.mark.parametrize("axis", [3, -4, (0, 0)])
def test_expand_dims_names_an_axis_that_does_not_fit(axis):
    with pytest.raises(ValueError, match=r"expand_dims: axis .* does not fit shape \(2, 3\)"):
        mg.expand_dims(np.ones((2, 3)), axis)


def test_squeeze_refuses_an_axis_of_another_size():
    with pytest.raises(ValueError, match=r"squeeze: axis 1 of shape \(1, 3\) is not of size 1"):
        mg.squeeze(np.ones((1, 3)), 1)


@few
@given(st.data())
def test_flip(data):
    x = data.draw(arrays(SHORT))
    axis = data.draw(axes(x.ndim))
    same(mg.flip(x, axis), np.flip(x, axis))
    assert_gradients(lambda x: mg.flip(x, axis), x)


# --- pad, concatenate, stack, split -------------------------------------------------------------------------------------


@few
@given(st.data())
def test_pad(data):
    x = data.draw(arrays(shapes(max_dims=2, max_side=3)))
    widths = [data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(x.ndim)]
    expected = np.pad(x, widths, constant_values=1.5) if x.ndim else x
    same(mg.pad(x, widths, value=1.5), expected)
    same(mg.pad(x, 1), np.pad(x, 1) if x.ndim else x)
    assert_gradients(lambda x: mg.pad(x, widths, value=1.5), x)


@pytest.mark.parametrize("widths", [[(1, 1)], [(1, 1), (0, -1)], [(1, 1), (1,)], (1, 2), -1])
def test_pad_refuses_widths_that_do_not_fit(widths):
    with pytest.raises(ValueError, match=r"pad: widths .* for each axis of shape \(2, 3\)"):
        mg.pad(np.ones((2, 3)), widths)


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


@few
@given(st.data())
def test_concatenate_and_stack(data):
    shape = data.draw(shapes(min_dims=1, max_side=2))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    a, b = (data.draw(arrays(shape)) for _ in range(2))
    longer = np.concatenate([b, b], axis)
    same(mg.concatenate([a, longer], axis), np.concatenate([a, longer], axis))
    same(mg.stack([a, b], axis), np.stack([a, b], axis))
    assert_gradients(lambda a, b: mg.concatenate([a, b, a], axis), a, longer)
    assert_gradients(lambda a, b: mg.stack([a, b, a], axis), a, b)


def test_stack_of_scalars():
    assert_gradients(lambda a, b: mg.stack([a, b, a]), np.array(1.0), np.array(2.0))


def test_concatenate_of_different_dtypes_gives_each_its_own():
    parts = [mg.Tensor(np.ones(2, d), requires_grad=d != "int64") for d in ("float32", "int64", "float64")]
    y = mg.concatenate(parts)
    g, h = mg.grad(y.sum(), [parts[0], parts[2]])
    assert (y.dtype, g.dtype, h.dtype) == (np.float64, np.float32, np.float64)


def test_concatenate_refuses_what_does_not_fit_together():
    with pytest.raises(ValueError, match=r"concatenate: shapes \[\(2, 3\), \(2, 2\)\] differ"):
        mg.concatenate([np.ones((2, 3)), np.ones((2, 2))], 0)
    with pytest.raises(ValueError, match=r"concatenate: shapes \[\(2,\), \(2, 2\)\] differ"):
        mg.concatenate([np.ones(2), np.ones((2, 2))], 0)
    with pytest.raises(ValueError, match=r"stack: the shapes differ: \[\(2,\), \(1,\)\]"):
        mg.stack([np.ones(2), np.ones(1)])
    for op in (mg.concatenate, mg.stack):
        with pytest.raises(ValueError, match=f"{op.__name__}: expected a list of tensors"):
            op([])
        with pytest.raises(ValueError, match=f"{op.__name__}: expected a list of tensors"):
            op(mg.Tensor([1, 2]))
        with pytest.raises(TypeError, match=f"{op.__name__}: argument 2 is a str"):
            op([np.ones(1), "a"])


@pytest.mark.parametrize(
    ("sections", "axis"), [(2, 0), (1, -1), (3, 1), ([1], 0), ([0, 2, 2], 1), ([], 0), ((1, 9), 0), ([-1], 0)]
)
def test_split(sections, axis):
    x = np.arange(12.0).reshape(4, 3)
    for part, expected in zip(mg.split(x, sections, axis), np.split(x, sections, axis), strict=True):
        same(part, expected)
    assert_gradients(lambda x: mg.concatenate([3 * p for p in mg.split(x, sections, axis)], axis), x)
    assert mg.gradcheck(lambda x: mg.split(x, sections, axis), x)


def test_split_of_nothing_gives_empty_parts():
    assert [p.shape for p in mg.split(np.ones((0, 2)), 3)] == [(0, 2)] * 3


@pytest.mark.parametrize("sections", [0, -1, 3])
def test_split_refuses_parts_that_are_not_equal(sections):
    with pytest.raises(ValueError, match=rf"split: axis 0 of shape \(4, 3\) does not divide into {sections} equal parts"):
        mg.split(np.ones((4, 3)), sections)


# --- take and getitem ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize(
    "indices",
    [0, -1, [0, 0, 1], (1, 1), np.array([[0, 1], [1, 1]]), np.int64(1), np.array(1), mg.Tensor(np.array([0, 0]))],
    ids=["int", "negative", "list", "tuple", "array", "int64", "0-d", "tensor"],
)
def test_take_counts_repeats(indices, axis):
    x = np.arange(6.0).reshape(2, 3)
    expected = np.take(x, indices.numpy() if isinstance(indices, mg.Tensor) else indices, axis)
    same(mg.take(x, indices, axis), np.asarray(expected))
    assert_gradients(lambda x: mg.take(x, indices, axis), x)


INDICES = {
    "integer": 1,
    "negative": -1,
    "numpy integer": np.int64(1),
    "0-d array": np.array(1),
    "slice": slice(0, 2),
    "negative step": slice(None, None, -2),
    "empty slice": slice(2, 1),
    "none": None,
    "ellipsis": Ellipsis,
    "none and ellipsis": (None, Ellipsis, 0, None),
    "all": (),
    "element": (1, 2, 0),
    "list with repeats": [0, 0, 1],
    "tuple with repeats inside a tuple": ((0, 0, 1), slice(None)),
    "tuple alone inside a tuple": ((0, 0, 1),),
    "array with repeats": np.array([[0, 0], [1, -1]]),
    "two arrays": (np.array([0, 1, 0]), np.array([2, 1, 2])),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([2, 2])),
    "arrays around a slice": ([0, 0], slice(None), [1, 1]),
    "array and integer": (0, [1, 1]),
    "int8 array": np.array([1, 1], "int8"),
    "uint8 array": np.array([1, 1], "uint8"),
    "mask": np.arange(12).reshape(2, 3, 2) % 3 == 0,
    "mask of the first axis": np.array([False, True]),
    "mask as a list": [True, False],
    "mask in a tuple": (slice(None), [True, False, True], 0),
    "mask and array": (np.array([True, True]), np.array([2, 2])),
    "empty mask": np.zeros((2, 3), bool),
    "true": True,
    "false": False,
    "empty list": [],
    "empty array": np.array([], int),
    "tensor": mg.Tensor(np.array([1, 1])),
    "mask tensor": mg.Tensor([True, False]),
    "tensor in a tuple": (mg.Tensor(np.array([1, 1])), 0),
}


@pytest.mark.parametrize("name", INDICES)
def test_getitem_is_numpys_and_counts_repeats(name):
    index = INDICES[name]
    plain = tuple(i.numpy() if isinstance(i, mg.Tensor) else i for i in index) if isinstance(index, tuple) else index
    plain = plain.numpy() if isinstance(plain, mg.Tensor) else plain
    x = np.arange(12.0).reshape(2, 3, 2)
    same(mg.Tensor(x)[index], np.asarray(x[plain]))
    assert_gradients(lambda x: x[index], x)


@given(st.data())
def test_getitem_with_basic_indices(data):
    x = data.draw(arrays(SHORT))
    index = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True))
    same(mg.Tensor(x)[index], np.asarray(x[index]))
    assert_gradients(lambda x: x[index], x)


@given(st.data())
def test_getitem_with_integer_arrays(data):
    x = data.draw(arrays(LONG))
    index = data.draw(hnp.integer_array_indices(x.shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
    same(mg.Tensor(x)[index], x[index])
    assert_gradients(lambda x: x[index], x)


def test_repeats_add_up():
    x = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    np.testing.assert_array_equal(mg.grad(x[[0, 0, 1]].sum(), x)[0].numpy(), [2, 1, 0])


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: (a,), lambda a: mg.Tensor(a)])
@pytest.mark.parametrize("index", [np.array([0, 0]), np.array([True, False, False])])
def test_index_that_is_changed_after_the_forward_pass_does_no_harm(index, wrap):
    x, index = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True), index.copy()
    y = x[wrap(index)].sum()
    index[:] = 1
    np.testing.assert_array_equal(mg.grad(y, x)[0].numpy(), [y.item(), 0, 0])


@pytest.mark.parametrize(
    "index", [9, -9, "a", 0.5, (0, 0, 0, 0), [9], np.ones(5, bool), np.array([0.5]), mg.Tensor([0.5])], ids=repr
)
def test_index_that_does_not_fit_is_named_with_the_shape(index):
    with pytest.raises(IndexError, match=r"getitem: index .* does not fit shape \(2, 3\)"):
        mg.Tensor(np.ones((2, 3)))[index]


def test_slice_of_a_result_shares_its_memory_but_an_array_index_copies():
    x = mg.Tensor(np.ones((2, 3)))
    assert np.shares_memory(x[0].data, x.data)
    assert not np.shares_memory(x[[0]].data, x.data)


# --- one_hot ------------------------------------------------------------------------------------------------------------


@given(arrays(shapes(max_dims=2), low=0, high=4))
def test_one_hot_rows_have_a_single_1_at_the_label(labels):
    labels = labels.astype(int)
    y = mg.one_hot(labels, 5)
    assert y.shape == (*labels.shape, 5)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), labels[..., None] == np.arange(5))


@pytest.mark.parametrize("labels", [[0, 2], (0, 2), np.array([0, 2], "uint8"), mg.Tensor(np.array([0, 2]))], ids=str)
def test_one_hot_takes_lists_arrays_and_tensors_of_integers(labels):
    np.testing.assert_array_equal(mg.one_hot(labels, 3).numpy(), [[1, 0, 0], [0, 0, 1]])


def test_one_hot_of_one_label_is_a_vector():
    np.testing.assert_array_equal(mg.one_hot(1, 3).numpy(), [0, 1, 0])


def test_one_hot_is_a_constant_of_the_dtype_that_is_asked_for():
    y = mg.one_hot(np.array([1, 0]), 2, dtype="float64")
    assert y.dtype == np.float64
    assert not y.requires_grad


@pytest.mark.parametrize(("labels", "found"), [([0, 3], "0 to 3"), ([-1, 2], "-1 to 2")])
def test_one_hot_refuses_labels_outside_the_classes(labels, found):
    with pytest.raises(ValueError, match=f"one_hot: labels from {found}; expected 0 to 2"):
        mg.one_hot(np.array(labels), 3)


@pytest.mark.parametrize("labels", [np.array([0.0]), np.array([True]), mg.Tensor([0, 1]), [0.5]], ids=str)
def test_one_hot_refuses_labels_that_are_no_integers(labels):
    with pytest.raises(TypeError, match=r"one_hot: labels are (float|bool).*; expected integers"):
        mg.one_hot(labels, 3)


@pytest.mark.parametrize("index", [array.array("q", [0, 0, 1]), memoryview(array.array("q", [0, 0, 1])), range(-3, 1)])
def test_repeats_count_in_every_kind_of_index_sequence(index):
    x = mg.Tensor(np.ones(3), requires_grad=True)
    x[index].sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.bincount(np.asarray(index) % 3, minlength=3))


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


@pytest.mark.parametrize("labels", [2, [], [[0, 1], [2, 2]], np.zeros((0, 3), int), np.array([[1]], "uint8")], ids=repr)
def test_one_hot_of_labels_of_any_shape(labels):
    labels = np.asarray(labels, dtype=int)
    for dtype in ("float32", "float64", "int64", "bool"):
        codes = mg.one_hot(labels, 3, dtype=dtype)
        assert codes.dtype == dtype
        np.testing.assert_array_equal(codes.numpy(), np.eye(3, dtype=dtype)[labels])


@pytest.mark.parametrize(("labels", "says"), [([-1], "labels from -1 to -1"), ([0, 3], "labels from 0 to 3; expected 0 to 2")])
def test_one_hot_refuses_labels_out_of_range(labels, says):
    with pytest.raises(ValueError, match=f"one_hot: {says}"):
        mg.one_hot(labels, 3)
