"""What happens to an op's arguments: numbers are weak, integers and masks keep float32, errors name the op and the shapes."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses
from minigan.ops.linear import affine
from tests.contracts.losses import FUNCTIONS

BINARY = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"]
COUNT = np.array([1, 2])
BESIDE = [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), [1, 2], COUNT, COUNT.astype("uint8"), COUNT > 0]


@pytest.mark.parametrize("beside", [*BESIDE, Tensor(COUNT)], ids=repr)
@pytest.mark.parametrize("name", [*BINARY, "where"])
def test_float_dtype_survives_numbers_integers_and_masks(name, beside):
    op = (lambda a, b: mg.where(np.array(True), a, b)) if name == "where" else getattr(mg, name)
    for shape, dtype in itertools.product([(), (2,)], ["float16", "float32", "float64"]):
        x = Tensor(np.full(shape, 1.5, dtype), requires_grad=True)
        for y in (op(x, beside), op(beside, x)):
            (g,) = mg.grad(y.sum(), x)
            assert y.dtype == g.dtype == dtype


SHAPES = {mg.conv2d: [(1, 2, 3, 3), (2, 2, 2, 2), (2,)], mg.conv_transpose2d: [(1, 2, 3, 3), (2, 2, 2, 2), (2,)]}

SHAPES |= {lambda a, b: mg.add(a, b): [(), ()], lambda a, b: mg.einsum("i,i->", a, b): [(2,), (2,)]}  # of one number
SHAPES |= {affine: [(2, 2), (2, 3), (3,)]} | {getattr(mg, name): [(2, 2), (2, 2)] for name in [*BINARY, "matmul"]}


@pytest.mark.parametrize("dtypes", list(itertools.product(["float16", "float32", "float64"], repeat=2)), ids="-".join)
@pytest.mark.parametrize("op", SHAPES, ids=lambda op: op.__name__)
def test_among_floats_the_wider_wins_and_each_gradient_has_its_inputs_dtype(op, dtypes):
    for order in set(itertools.permutations([*dtypes, dtypes[0]][: len(SHAPES[op])])):
        inputs = [Tensor(np.full(s, 1.5, d), requires_grad=True) for s, d in zip(SHAPES[op], order, strict=True)]
        y = op(*inputs)
        assert y.dtype == max(map(np.dtype, dtypes))
        assert [g.dtype for g in mg.grad(y.sum(), inputs)] == [*order]
        np.testing.assert_allclose(y.numpy(), op(*[x.astype("float64") for x in inputs]).numpy(), rtol=1e-3)


MASK, BYTE = np.array([True, False]), np.array([255], np.uint8)
INTEGERS = {  # name: (what is computed, its dtype, its values)
    "divided": (lambda: Tensor(COUNT) / np.array([2, 4]), "float32", [0.5, 0.5]),
    "add a number": (lambda: mg.add(Tensor(COUNT), 3), "int64", [4, 5]),
    "a power": (lambda: Tensor(COUNT) ** 2, "int64", [1, 4]),
    "clipped": (lambda: mg.clip(COUNT, None, 1), "int64", [1, 1]),
    "maximum with a float": (lambda: mg.maximum(Tensor(COUNT), 1.5), "float32", [1.5, 2]),
    "the wider of two floats": (
        lambda: mg.stack([np.array([2**24 + 1]), Tensor(np.ones(1, "float32")), Tensor(np.ones(1))]).reshape(-1),
        "float64",
        [2**24 + 1, 1, 1],  # as float32, the first would be 2^24
    ),
    "masks stacked": (lambda: mg.stack([MASK, MASK])[0], "bool", MASK),
    "a mask and 0": (lambda: mg.add(MASK, 0), "int64", [1, 0]),
    "a mask and True": (lambda: mg.add(MASK, True), "bool", [True, True]),
    "a mask's sum": (lambda: Tensor(MASK).sum(), "int64", 1),
    "numbers alone": (lambda: mg.add(1, 2), "float32", 3),
    "bytes reshaped": (lambda: mg.reshape(Tensor(BYTE), 1), "uint8", [255]),
    "bytes below a number": (lambda: Tensor(BYTE) < 300, "bool", [True]),
    "bytes equal to a number": (lambda: Tensor(BYTE) == -1, "bool", [False]),
    "a power of bytes": (lambda: Tensor(BYTE) ** 2, "int64", [65025]),
    "a sum of bytes below 0": (lambda: Tensor(BYTE).sum() - 300, "int64", -45),
    "bytes as logits": (lambda: losses.log_loss_with_logits(Tensor(BYTE), BYTE > 0), "float32", 0),
    "int8 and uint8": (lambda: Tensor(np.array([-1], np.int8)) + Tensor(BYTE), "int64", [254]),
}


@pytest.mark.parametrize(("compute", "dtype", "expected"), INTEGERS.values(), ids=INTEGERS)
def test_integers_and_masks_have_their_dtype(compute, dtype, expected):
    y = compute()
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), expected)


FLOATS_ALONE = {"affine", "batch_norm", "log_loss", "log_loss_with_logits", "squared_gradient_norm", "gradient_penalty"}
FLOATS_ALONE |= {"feature_matching_loss", "power"}  # the inputs of the former are cast; powers leave int64


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint32", "uint64", "int64"])
@pytest.mark.parametrize("name", [name for name, entry in FUNCTIONS.items() if entry.cases and name not in FLOATS_ALONE])
def test_small_integers_do_not_wrap_around(name, dtype):
    function, inputs = FUNCTIONS[name].cases[0]
    arrays = [np.round(40 * np.abs(x)).clip(1, 80).astype(dtype) for x in inputs()]
    found = function(*map(Tensor, arrays))
    expected = function(*[Tensor(x.astype("float64")) for x in arrays])
    for integers, floats in zip(*(y if isinstance(y, tuple) else (y,) for y in (found, expected)), strict=True):
        np.testing.assert_allclose(integers.numpy().astype("float64"), floats.numpy(), rtol=1e-5, atol=1e-5)


BIG = np.array([2**63 + 5, 7], np.uint64)
BEYOND_INT64 = {  # name: (the op, what it makes of BIG)
    "sum": (mg.sum, 2**63 + 12), "cumsum": (mg.cumsum, [2**63 + 5, 2**63 + 12]),
    "prod": (lambda x: mg.prod(x[1:] * 2**60), 7 * 2**60), "einsum": (lambda x: mg.einsum("i->", x), 2**63 + 12),
    "matmul": (lambda x: mg.matmul(x, np.array([1, 2], np.uint64)), 2**63 + 19), "add": (lambda x: x + 1, [2**63 + 6, 8]),
    "multiply": (lambda x: x * 1, BIG.tolist()), "square": (lambda x: mg.square(x[1:] + (2**32 - 8)), [(2**32 - 1) ** 2]),
    "equal": (lambda x: x == 2**63 + 5, [True, False]), "clip": (lambda x: mg.clip(x, 10, 2**63 + 1), [2**63 + 1, 10]),
    "stack": (lambda x: mg.stack([x, x])[1], BIG.tolist()),
}  # fmt: skip


@pytest.mark.parametrize(("op", "expected"), BEYOND_INT64.values(), ids=BEYOND_INT64)
def test_uint64_is_right_beyond_int64(op, expected):
    y = op(Tensor(BIG))
    assert y.dtype in (np.uint64, np.bool_)
    assert y.numpy().tolist() == expected


def test_uint64_that_fits_int64_is_signed_where_signs_come_in():
    x = Tensor(np.array([3, 2**62], "uint64"))
    for y in (x - 1, -x, x + (-1), x * np.int64(-1), mg.concatenate([x, np.array([1])])):
        assert y.dtype == np.int64
