"""What happens to an op's arguments: numbers are weak, integers and masks keep float32, errors name the op and the shapes."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses

BINARY = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
BESIDE = {
    "int": 2,
    "float": 2.0,
    "bool": True,
    "float64 scalar": np.float64(2),
    "float32 scalar": np.float32(2),
    "int64 scalar": np.int64(2),
    "list": [1, 2],
    "int array": np.array([1, 2]),
    "uint8 array": np.array([1, 2], "uint8"),
    "mask": np.array([True, True]),
    "int tensor": Tensor(np.array([1, 2])),
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("name", [*BINARY, "where"])
def test_float_dtype_survives_numbers_integers_and_masks(name, beside):
    op = (lambda a, b: mg.where(np.array(True), a, b)) if name == "where" else getattr(mg, name)
    for shape, dtype in itertools.product([(), (2,)], ["float16", "float32", "float64"]):
        x = Tensor(np.full(shape, 1.5, dtype), requires_grad=True)
        for y in (op(x, BESIDE[beside]), op(BESIDE[beside], x)):
            (g,) = mg.grad(y.sum(), x)
            assert y.dtype == g.dtype == dtype


def test_integers_beside_two_floats_take_the_wider():
    parts = [np.array([2**24 + 1]), Tensor(np.ones(1, "float32")), Tensor(np.ones(1, "float64"))]
    np.testing.assert_array_equal(mg.stack(parts).numpy(), [[2**24 + 1], [1], [1]])  # as float32, it would be 2^24


@pytest.mark.parametrize("narrow", ["float16", "float32"])
@pytest.mark.parametrize("name", [*BINARY, "matmul"])
def test_among_floats_the_wider_wins_and_each_gradient_has_its_inputs_dtype(name, narrow):
    a = Tensor(np.full((2, 2), 1.5, narrow), requires_grad=True)
    b = Tensor(np.full((2, 2), 2.5), requires_grad=True)
    y = getattr(mg, name)(a, b)
    ga, gb = mg.grad(y.sum(), [a, b])
    assert (y.dtype, ga.dtype, gb.dtype) == (np.float64, narrow, np.float64)


@pytest.mark.parametrize("name", [*BINARY, *COMPARISONS])
def test_shapes_that_do_not_broadcast_are_named(name):
    with pytest.raises(ValueError, match=rf"{name}: shapes \(2, 3\) and \(2,\) do not broadcast"):
        getattr(mg, name)(np.ones((2, 3)), np.ones(2))


@pytest.mark.parametrize("name", [*BINARY, *COMPARISONS, "matmul"])
@pytest.mark.parametrize("bad", ["text", None, {}, 1j, object()], ids=["str", "None", "dict", "complex", "object"])
def test_what_is_not_numbers_is_refused_with_op_and_position(name, bad):
    op = getattr(mg, name)
    with pytest.raises(TypeError, match=f"{name}: argument 2 is a {type(bad).__name__}"):
        op(np.ones(2), bad)
    with pytest.raises(TypeError, match=f"{name}: argument 1 is a {type(bad).__name__}"):
        op(bad, np.ones(2))


UNARY = [
    "exp",
    "log",
    "sqrt",
    "abs",
    "relu",
    "softmax",
    "sum",
    "mean",
    "norm",
    "reshape",
    "transpose",
    "flip",
    "square",
    "clip",
]


@pytest.mark.parametrize("name", UNARY)
def test_single_argument_that_is_not_numbers_is_refused(name):
    with pytest.raises(TypeError, match=f"{name}: argument 1 is a str"):
        getattr(mg, name)("text")


@pytest.mark.parametrize("name", ["add", "matmul", "where"])
def test_ragged_lists_are_refused_with_the_ops_name(name):
    op = (lambda a, b: mg.where(a, b, b)) if name == "where" else getattr(mg, name)
    with pytest.raises(ValueError, match=f"{name}: .*cannot make an array of this list"):
        op([[1], [1, 2]], np.array([1, 2]))


def test_complex_scalars_are_refused():
    with pytest.raises(TypeError, match=r"add: .*complex128"):
        mg.add(np.ones(2), np.complex128(1j))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "tanh", "sigmoid", "softplus", "mean", "var", "norm", "relu"])
def test_integers_become_float32_where_a_float_is_needed(name):
    x = np.array([1, 2, 3])
    y = getattr(mg, name)(Tensor(x))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), getattr(mg, name)(x.astype("float64")).numpy(), rtol=1e-6)


def test_integers_are_divided_as_float32():
    y = Tensor(np.array([1, 2])) / np.array([2, 4])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), [0.5, 0.5])


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum"])
def test_integers_beside_integers_stay_integers(name):
    x = Tensor(np.array([1, 2]))
    assert getattr(mg, name)(x, 3).dtype == np.int64
    assert getattr(mg, name)(x, True).dtype == np.int64
    assert getattr(mg, name)(x, np.array([1, 2], "int8")).dtype == np.int64
    assert getattr(mg, name)(x, 3.5).dtype == np.float32


@pytest.mark.parametrize("op", [lambda m: mg.reshape(m, 1, 2), lambda m: mg.stack([m, m]), lambda m: mg.concatenate([m, m])])
def test_masks_that_are_only_moved_stay_masks(op):
    mask = np.array([True, False])
    assert op(mask).dtype == op(Tensor(mask)).dtype == bool


@pytest.mark.parametrize("value", [0, 1, True])
def test_mask_beside_a_number_counts(value):
    y = mg.add(np.array([True, False]), value)
    np.testing.assert_array_equal(y.numpy(), np.array([True, False]) + value)


def test_plain_numbers_and_lists_alone_become_float32():
    assert mg.add(1, 2).dtype == mg.exp(1).dtype == mg.add([1, 2], 3).dtype == mg.sum([1, 2]).dtype == np.float32


@pytest.mark.parametrize("axis", [2, -3, (0, 2)])
@pytest.mark.parametrize(
    "name", ["sum", "mean", "var", "max", "min", "prod", "norm", "logsumexp", "softmax", "log_softmax", "flip"]
)
def test_axis_that_does_not_exist_is_named_with_the_shape(name, axis):
    with pytest.raises(ValueError, match=rf"{name}: axis -?\d does not exist in shape \(2, 3\)"):
        getattr(mg, name)(np.ones((2, 3)), axis=axis)


@pytest.mark.parametrize("axis", ["a", 1.0, True, (0, "a")])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "cumsum", "softmax", "squeeze", "flip"])
def test_axis_that_is_no_integer_is_refused(name, axis):
    with pytest.raises(TypeError, match=f"{name}: axis is"):
        getattr(mg, name)(np.ones((2, 3)), axis=axis)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "flip", "squeeze", "transpose"])
def test_axis_named_twice_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name}: axis \(0, -2\) names an axis of shape \(1, 1\) twice"):
        getattr(mg, name)(np.ones((1, 1)), (0, -2))


@pytest.mark.parametrize("axis", [None, (0, 1), [0]])
@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("concatenate", lambda x, axis: mg.concatenate([x, x], axis)),
        ("split", lambda x, axis: mg.split(x, 1, axis)),
        ("moveaxis", lambda x, axis: mg.moveaxis(x, axis, 0)),
        ("take", lambda x, axis: mg.take(x, [0], axis if axis else (0,))),
        ("cumsum", lambda x, axis: mg.cumsum(x, axis if axis else (0,))),
    ],
)
def test_ops_along_one_axis_refuse_several(name, op, axis):
    with pytest.raises(TypeError, match=f"{name}: axis is .*; expected an integer"):
        op(np.ones((2, 3)), axis)


def test_numpy_integers_are_axes():
    assert mg.sum(np.ones((2, 3)), axis=np.int64(1)).shape == (2,)


def test_integers_beside_numbers_do_not_wrap():
    x = mg.Tensor(np.array([255], np.uint8))
    assert (x < 300).numpy().all()
    assert not (x == -1).numpy().any()
    assert (x * 300).item() == 76_500
    assert (mg.Tensor(np.array([-1], np.int8)) + mg.Tensor(np.array([200], np.uint8))).item() == 199


SMALL = np.array([[200, 100], [50, 0]], np.uint8)
ARITHMETIC = {
    "add": lambda a, b: mg.add(a, b),
    "subtract": lambda a, b: mg.subtract(a, b),
    "multiply": lambda a, b: mg.multiply(a, b),
    "power": lambda a, b: mg.power(a, mg.minimum(b, 3)),
    "power of a number": lambda a, b: a**2 + b**2,
    "matmul": lambda a, b: mg.matmul(a, b),
    "matmul of a vector": lambda a, b: a[0] @ b,
    "einsum": lambda a, b: mg.einsum("ij,kj->ik", a, b),
    "einsum of one": lambda a, b: mg.einsum("ij->i", a) - mg.einsum("ij->i", b),
    "square": lambda a, b: mg.square(a) + mg.square(b),
    "negative": lambda a, b: -a + -b,
    "abs": lambda a, b: mg.abs(-a) + mg.abs(b),
    "sums": lambda a, b: a.sum() - 2 * b.sum(),  # NumPy's sum of uint8 is a uint64, which wraps below 0
    "products": lambda a, b: mg.prod(a + 1) - mg.prod(b),
    "running sums": lambda a, b: mg.cumsum(a) - 2 * mg.cumsum(b),
    "divide": lambda a, b: mg.divide(a, b + 1),
    "mean": lambda a, b: mg.mean(a) - mg.mean(b),
    "maximum": lambda a, b: mg.maximum(a, b),
    "where": lambda a, b: mg.where(a > b, a, b),
    "clip": lambda a, b: mg.clip(a, -1, 300) + mg.clip(b, 3, 50),
    "l1": lambda a, b: losses.l1(a, b),
    "mse": lambda a, b: losses.mse(a, b),
    "log_loss": lambda a, b: losses.log_loss(mg.minimum(a, 1), mg.minimum(a, 1)) + losses.log_loss_with_logits(a, a == b),
    "conv2d": lambda a, b: mg.conv2d(a.reshape(1, 1, 2, 2), b.reshape(1, 1, 2, 2), padding=1),
}


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint32", "uint64", "int64"])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_small_integers_do_not_wrap_around(name, dtype):
    most = 127 if dtype == "int8" else 255
    a, b = [np.minimum(x, most).astype(dtype) for x in (SMALL, np.array([[255, 3], [2, 250]]))]
    found = ARITHMETIC[name](Tensor(a), Tensor(b))
    expected = ARITHMETIC[name](Tensor(a.astype("float64")), Tensor(b.astype("float64")))
    np.testing.assert_allclose(found.numpy().astype("float64"), expected.numpy(), rtol=1e-5)


BIG = np.array([2**63 + 5, 7], np.uint64)
BEYOND_INT64 = {  # name: (the op, what it makes of BIG)
    "sum": (mg.sum, 2**63 + 12),
    "cumsum": (mg.cumsum, [2**63 + 5, 2**63 + 12]),
    "prod": (lambda x: mg.prod(x[1:] * 2**60), 7 * 2**60),
    "einsum": (lambda x: mg.einsum("i->", x), 2**63 + 12),
    "matmul": (lambda x: mg.matmul(x, np.array([1, 2], np.uint64)), 2**63 + 19),
    "add": (lambda x: x + 1, [2**63 + 6, 8]),
    "add its own kind": (lambda x: x[:1] + x[1:], [2**63 + 12]),
    "multiply": (lambda x: x * 1, BIG.tolist()),
    "square": (lambda x: mg.square(x[1:] + (2**32 - 8)), [(2**32 - 1) ** 2]),
    "abs": (mg.abs, BIG.tolist()),
    "greater": (lambda x: x > 0, [True, True]),
    "equal": (lambda x: x == 2**63 + 5, [True, False]),
    "maximum": (lambda x: mg.maximum(x, 9), [2**63 + 5, 9]),
    "clip": (lambda x: mg.clip(x, 10, 2**63 + 1), [2**63 + 1, 10]),
    "where": (lambda x: mg.where(x > 9, x, 0), [2**63 + 5, 0]),
    "stack": (lambda x: mg.stack([x, x])[1], BIG.tolist()),
}
REFUSED = {
    "subtract": lambda x: x - 1,
    "negative": lambda x: -x,
    "add": lambda x: x + (-1),
    "multiply": lambda x: x * np.int64(-2),
    "less": lambda x: x < np.array([1]),
    "concatenate": lambda x: mg.concatenate([x, np.array([1])]),
}


@pytest.mark.parametrize(("op", "expected"), BEYOND_INT64.values(), ids=BEYOND_INT64)
def test_uint64_is_right_beyond_int64(op, expected):
    y = op(Tensor(BIG))
    assert y.dtype in (np.uint64, np.bool_)
    assert y.numpy().tolist() == expected


@pytest.mark.parametrize("name", REFUSED)
def test_uint64_that_does_not_fit_int64_is_refused_where_signs_come_in(name):
    with pytest.raises(ValueError, match=f"^{name}: 9223372036854775813 is too large for int64"):
        REFUSED[name](Tensor(BIG))
    assert REFUSED[name](Tensor(BIG[1:])).dtype in (np.int64, np.bool_)


@pytest.mark.parametrize(
    "op", [lambda m: mg.reshape(m, 4), lambda m: mg.stack([m, m]), lambda m: mg.where(m > 9, m, m), mg.flip]
)
def test_small_integers_that_are_only_moved_keep_their_dtype(op):
    assert op(SMALL).dtype == op(Tensor(SMALL)).dtype == np.uint8
