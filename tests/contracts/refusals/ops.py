"""What the ops refuse."""

import numpy as np

import minigan as mg
from minigan import Tensor
from tests.contracts.refusals import each, of

COMPARISONS = "equal not_equal less less_equal greater greater_equal"
BINARY = f"add subtract multiply divide power maximum minimum {COMPARISONS}"
NONEMPTY = "mean var std max min logsumexp softmax log_softmax"
REDUCTIONS = f"sum prod norm flip {NONEMPTY}"
POOLS, CONVOLUTIONS = "max_pool2d avg_pool2d", "conv2d conv_transpose2d"
ONES, X, EMPTY, Y = np.ones(2), np.ones((2, 3)), np.ones((2, 0)), np.ones((1, 3, 4, 4))
IMAGE, KERNEL = np.ones((1, 1, 5, 5)), np.ones((1, 1, 2, 2))
NO_NUMBERS = ["text", None, {}, 1j, object()]
BIG = Tensor(np.array([2**63 + 5, 7], np.uint64))

GENERAL = [
    *of(BINARY, [0], ValueError, r"NAME: shapes \(2, 3\) and \(2,\) do not broadcast", lambda op, _: op(X, ONES)),
    *of(f"{BINARY} matmul", NO_NUMBERS, TypeError, "NAME: argument 2 is a TYPE", lambda op, bad: op(ONES, bad)),
    *of(f"{BINARY} matmul", NO_NUMBERS, TypeError, "NAME: argument 1 is a TYPE", lambda op, bad: op(bad, ONES)),
    # axes
    *of(REDUCTIONS, [2, -3, (0, 2)], ValueError, r"NAME: axis -?\d does not exist in shape", lambda op, i: op(X, axis=i)),
    *of(f"{REDUCTIONS} cumsum squeeze", ["a", 1.0, True, (0, "a")], TypeError, "NAME: axis is", lambda op, i: op(X, axis=i)),
    *of(
        "sum mean max flip squeeze transpose", [(0, -2)], ValueError, r"NAME: axis \(0, -2\) names an axis of shape .* twice",
        lambda op, axis: op(np.ones((1, 1)), axis),
    ),
    *of("concatenate", [None, (0, 1), [0]], TypeError, "NAME: axis is .*; expected an integer", lambda op, i: op([X, X], i)),
    *of(NONEMPTY, [-1], ValueError, r"NAME: no elements along axes \(1,\) of shape \(2, 0\)", lambda op, i: op(EMPTY, axis=i)),
    # unsigned integers that are too large for int64, where signs come in
    (lambda: BIG - 1, ValueError, "^subtract: 9223372036854775813 is too large for int64"),
    (lambda: -BIG, ValueError, "^negative: 9223372036854775813 is too large for int64"),
    (lambda: np.array([1]) > BIG, ValueError, "^less: 9223372036854775813 is too large for int64"),
]  # fmt: skip

ELEMENTWISE = [
    (lambda: mg.clip(ONES, 2, 1), ValueError, "clip: low is 2, above high, 1"),
    (lambda: mg.clip(ONES, Tensor(0.0), 1), TypeError, "clip: the bounds are constants"),
    (lambda: mg.clip(ONES, np.zeros(3)), ValueError, r"clip: shapes \(2,\) and \(3,\) do not broadcast"),
    *each([None, "abc"], TypeError, "where: argument 1 is a TYPE", lambda condition: mg.where(condition, ONES, 0)),
    *of("var std", [2], ValueError, r"NAME: ddof=2 needs more than 2 elements \(shape", lambda op, n: op(X, axis=0, ddof=n)),
    (lambda: Tensor(ONES).astype(None), TypeError, "astype: dtype is None; name one"),
    *each(["no", "complex64", object], TypeError, "^astype: dtype is .*; expected one such as", Tensor(ONES).astype),
    (lambda: Tensor(ONES).to(3), TypeError, "to: the backend is 3; expected 'numpy' or 'cupy'"),
]

NO_INDICES = [9, -9, "a", 0.5, (0, 0, 0, 0), [9], np.ones(5, bool), np.array([0.5]), Tensor([0.5])]
NO_WIDTHS = [[(1, 1)], [(1, 1), (0, -1)], [(1, 1), (1,)], (1, 2), -1]
NO_LABELS = [np.array([0.0]), np.array([True]), Tensor([0, 1]), [0.5]]
NO_SHAPES = [(3, 2), (2,), (2, 2), (2, -1), "a"]
SHAPING = [
    *each([(4,), (2, 2), (-1, 4)], ValueError, r"reshape: 6 elements of shape \(2, 3\) do not fill", Tensor(X).reshape),
    (lambda: mg.transpose(Y, 0, 1), ValueError, r"transpose: axes \(0, 1\) do not name every axis of shape \(1, 3, 4, 4\)"),
    *each(NO_SHAPES, ValueError, r"broadcast_to: shape \(2, 3\) does not broadcast", lambda shape: mg.broadcast_to(X, shape)),
    *each([3, -4, (0, 0)], ValueError, r"expand_dims: axis VALUE does not fit shape \(2, 3\)", lambda i: mg.expand_dims(X, i)),
    (lambda: mg.squeeze(np.ones((1, 3)), 1), ValueError, r"squeeze: axis 1 of shape \(1, 3\) is not of size 1"),
    *each(NO_WIDTHS, ValueError, r"pad: widths .* for each axis of shape \(2, 3\)", lambda widths: mg.pad(X, widths)),
    (lambda: mg.pad(X, 1, "a"), TypeError, "pad: value is 'a'; expected a number"),
    (lambda: mg.concatenate([X, X[:, :2]], 0), ValueError, r"concatenate: shapes \[\(2, 3\), \(2, 2\)\] differ"),
    (lambda: mg.stack([ONES, np.ones(1)]), ValueError, r"stack: the shapes differ: \[\(2,\), \(1,\)\]"),
    *of("concatenate stack", [[], Tensor(1.0), 3], ValueError, "NAME: expected a list of tensors", lambda op, parts: op(parts)),
    *each([0, -1, 2], ValueError, r"split: axis 1 of shape \(2, 3\) does not divide into", lambda n: mg.split(X, n, 1)),
    (lambda: mg.split(X, "a"), TypeError, "split: sections is 'a'; expected a number of parts"),
    *each(NO_INDICES, IndexError, r"getitem: index .* does not fit shape \(2, 3\)", Tensor(X).__getitem__),
    (lambda: mg.one_hot(np.array([0, 3]), 3), ValueError, "one_hot: labels from 0 to 3; expected 0 to 2"),
    *each(NO_LABELS, TypeError, "one_hot: labels are (float|bool).*; expected integers", lambda labels: mg.one_hot(labels, 3)),
]

NO_MATRICES = [((2, 3), (2, 3)), ((3,), (2,)), ((), (3,)), ((3,), ()), ((2, 3), (4, 2, 3)), ((0,), (1,))]
NO_SUBSCRIPTS = ["i", "i,j,k->", "...i,i->...", "i1,i->", "i,j->i->j", "i-j,j", ",,", "i,j>i", "é,é->"]
UNFIT = {"ij,jk->ik": [(2, 3), (2, 3)], "ij->ji": [(2,)], "i->i": [(2, 3)], "ii->i": [(2, 3)], "i,i->i": [(1,), (3,)]}
PRODUCTS = [
    *each(NO_MATRICES, ValueError, r"matmul: shapes .* and .* do not fit", lambda shapes: mg.matmul(*map(np.ones, shapes))),
    (lambda: mg.matmul(np.ones((2, 1, 1)), np.ones((3, 1, 1))), ValueError, r"matmul: shapes \(2,\) and \(3,\) do not"),
    *each(UNFIT, ValueError, "einsum: 'VALUE' does not fit the shapes", lambda s: mg.einsum(s, *map(np.ones, UNFIT[s]))),
    *each(NO_SUBSCRIPTS, ValueError, r"einsum: 'VALUE' names \d operands by letters", lambda s: mg.einsum(s, ONES, ONES)),
    *each(
        ["ij->ii", "ij->k", "ij->ijk"], ValueError, "einsum: in 'VALUE' an output letter occurs twice or in no operand",
        lambda subscripts: mg.einsum(subscripts, X),
    ),
    (lambda: mg.einsum(X, "ij->ji"), TypeError, "einsum: the first argument is a ndarray; expected subscripts such as"),
]  # fmt: skip

NO_PAIRS = [-1, 1.0, True, np.True_, "1", None, (1, 1, 1), (1,), (1, -1), (1, 1.5), (True, 1), np.array([1, 2]), 2**31]
FROM_0, FROM_1 = "is .*; expected one integer, or two, of at least 0", "is .*; expected one integer, or two, of at least 1"
TOO_LARGE = [((2, 5), {}), ((5, 1), {}), ((1, 3), {"padding": (0, 9)}), ((4, 4), {"dilation": 2}), ((0, 3), {})]
NO_KERNELS = [(2, 4, 2, 2), (3, 2, 2), (3, 3), (0, 0, 2, 2), (3, 3, 0, 2)]
NO_WINDOWS = [((1, 4), 3, 0), ((4, 2), 3, 0), ((4, 0), 3, 1), ((0, 4), 2, 1)]
HALF = [(1, 1), (3, 2), ((4, 1), (2, 1)), ((1, 4), (1, 2))]
NO_WINDOW = r"NAME: a window of \(\d, \d\) does not fit on x \(1, 1, \d, \d\) with padding"


def pool(op, **options):
    return op(np.ones((1, 1, 6, 6)), **({"kernel_size": 2} | options))


IMAGES = [
    *of(CONVOLUTIONS, [*NO_PAIRS, 0, (1, 0)], ValueError, f"NAME: stride {FROM_1}", lambda op, v: op(IMAGE, KERNEL, stride=v)),
    *of("conv2d", [0, (1, 0)], ValueError, f"NAME: dilation {FROM_1}", lambda op, v: op(IMAGE, KERNEL, dilation=v)),
    *of(CONVOLUTIONS, [-1], ValueError, f"NAME: padding {FROM_0}", lambda op, v: op(IMAGE, KERNEL, padding=v)),
    *each(NO_PAIRS, ValueError, f"output_padding {FROM_0}", lambda v: mg.conv_transpose2d(IMAGE, KERNEL, None, 3, 0, v)),
    *each(
        [2, (0, 2), (3, 0)], ValueError, r"conv_transpose2d: output_padding .* must be smaller than stride \(2, 2\)",
        lambda extra: mg.conv_transpose2d(IMAGE, KERNEL, None, 2, 0, extra),
    ),
    *of("conv2d", TOO_LARGE, ValueError, NO_WINDOW, lambda op, v: op(np.ones((1, 1, *v[0])), np.ones((1, 1, 3, 3)), **v[1])),
    *of(CONVOLUTIONS, NO_KERNELS, ValueError, "NAME: x .* and weight VALUE do not fit", lambda op, v: op(Y, np.ones(v))),
    *of(CONVOLUTIONS, [(3, 4, 4), ()], ValueError, "NAME: x VALUE and .* do not fit", lambda op, v: op(np.ones(v), KERNEL)),
    (lambda: mg.conv_transpose2d(Y, np.ones((2, 3, 2, 2))), ValueError, r"conv_transpose2d: .*\(C, O, KH, KW\)"),
    (lambda: mg.conv_transpose2d(IMAGE, KERNEL, None, 3, 9), ValueError, "conv_transpose2d: x .* leaves an output of size"),
    *of(
        CONVOLUTIONS, [(), (1,), (2,), (3, 1, 1), (1, 3)], ValueError, "NAME: bias VALUE does not fit the output's 3 channels",
        lambda op, shape: op(Y, np.ones((3, 3, 2, 2)), np.ones(shape)),
    ),
    *of(
        f"{POOLS} upsample2d", [(), (4, 4), (1, 4, 4), (1, 1, 1, 4, 4)], ValueError, "NAME: x has shape VALUE; expected images",
        lambda op, shape: op(np.ones(shape), 2),
    ),
    *of(POOLS, NO_WINDOWS, ValueError, NO_WINDOW, lambda op, v: op(np.ones((1, 1, *v[0])), v[1], padding=v[2])),
    *of(POOLS, HALF, ValueError, "NAME: padding .* more than half of", lambda op, v: pool(op, kernel_size=v[0], padding=v[1])),
    *of(POOLS, [0], ValueError, f"NAME: kernel_size {FROM_1}", lambda op, v: pool(op, kernel_size=v)),
    *of("upsample2d", [0, 1.5, None, (2, 2, 2), (2, 0)], ValueError, f"NAME: scale {FROM_1}", lambda op, v: op(IMAGE, v)),
]  # fmt: skip
REFUSED = [*GENERAL, *ELEMENTWISE, *SHAPING, *PRODUCTS, *IMAGES]
