"""Matrix products, and general sums of products."""

import string

from minigan.backend import threads
from minigan.engine.tensor import Derivative, Tensor, record
from minigan.ops.operands import Operand, check_broadcast, pair, tensors
from minigan.ops.reductions import HALF
from minigan.ops.shaping import broadcast_to


def matmul(a: Operand, b: Operand) -> Tensor:
    """a @ b as in NumPy: matrices in the last two axes, (..., n, k) @ (..., k, m) -> (..., n, m), the others broadcast.

    A vector on the left is a row, on the right a column; its axis is dropped from the result.
    With Y = A B, and g the gradient for Y: dA = g B^T, dB = A^T g.
    """
    a, b = pair("matmul", a, b)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit: (..., n, k) @ (..., k, m) needs equal k")
    if a.ndim == 1:
        return matmul(a.reshape(1, -1), b).squeeze(-2 if b.ndim > 1 else 0)
    if b.ndim == 1:
        return matmul(a, b.reshape(-1, 1)).squeeze(-1)
    if a.ndim > 2 or b.ndim > 2:
        check_broadcast("matmul", a.shape[:-2], b.shape[:-2])
    return _product(a, b)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W + b as one op, for `nn.Dense`: x (N, n), weight (n, m), bias (m,) -> (N, m).

    dx = g W^T, dW = x^T g, and db = the sum of g over its N rows, since b was added to each.
    """
    y = threads.matmul(x.data, weight.data)
    if bias.dtype == y.dtype:
        y += bias.data  # in place: a second array of this size would double the time
    else:
        y = y + bias.data
    return record(
        "affine",
        y,
        (x, lambda g, y: _times_transposed(g, weight)),
        (weight, lambda g, y: _transposed_times(x, g)),
        (bias, lambda g, y: _sum_of_rows(g)),
    )


# --- three products, each the others' derivative ------------------------------------------------------------------------
# With g @ b.T and a.T @ g, where each transpose is an op too, a small game's step would take 6 % longer.


def _product(a: Tensor, b: Tensor) -> Tensor:
    """A B"""
    return record(
        "matmul",
        threads.matmul(a.data, b.data),
        (a, lambda g, y: _times_transposed(g, b)),
        (b, lambda g, y: _transposed_times(a, g)),
    )


def _times_transposed(a: Tensor, b: Tensor) -> Tensor:
    """A B^T"""
    y = threads.matmul(a.data, b.data.swapaxes(-1, -2))
    return record("matmul", y, (a, lambda g, y: _product(g, b)), (b, lambda g, y: _transposed_times(g, a)))


def _transposed_times(a: Tensor, b: Tensor) -> Tensor:
    """A^T B"""
    y = threads.matmul(a.data.swapaxes(-1, -2), b.data)
    return record("matmul", y, (a, lambda g, y: _times_transposed(b, g)), (b, lambda g, y: _product(a, g)))


def _sum_of_rows(g: Tensor) -> Tensor:
    """sum g over the rows, (N, m) -> (m,)

    With the general `sum`, a small game's step has 2 % more instructions and 10 % more Python calls.
    """
    if g._data.dtype.char == HALF:
        return _sum_of_rows(g.astype("float32")).astype("float16")
    return record("sum", g.data.sum(0), (g, lambda h, y: broadcast_to(h, g.shape)))


def einsum(subscripts: str, *operands: Operand) -> Tensor:
    """Sums of products in Einstein's notation, as in NumPy: `einsum("ij,jk->ik", a, b)` is a @ b.

    Without "->" the output has the letters that occur once, in alphabetical order. The gradient for one operand is an einsum
    of g and the other operands, with that operand's letters as the output. A letter may occur twice in one operand (the
    diagonal, "ii->i"). Ellipses raise ValueError.
    """
    terms, out = _parsed(subscripts, len(operands))
    xs = tensors("einsum", *operands, widen=True)
    sizes: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        if len(term) != x.ndim or any(sizes.setdefault(letter, n) != n for letter, n in zip(term, x.shape, strict=True)):
            raise ValueError(f"einsum: {subscripts!r} does not fit the shapes {[x.shape for x in xs]}")
    terms, xs = _without_diagonals(terms, xs, sizes)
    return _einsum(terms, out, xs, sizes)


def _einsum(terms: list[str], out: str, xs: list[Tensor], sizes: dict[str, int]) -> Tensor:
    """einsum of operands without diagonals, as a recorded op."""

    def derivative(i: int) -> Derivative:
        others, other_terms = xs[:i] + xs[i + 1 :], terms[:i] + terms[i + 1 :]
        lost = [c for c in terms[i] if c not in out and not any(c in term for term in other_terms)]  # letters of x_i only
        ones = [Tensor._of(xs[i].xp.ones(sizes[c], dtype=xs[i].dtype)) for c in lost]
        return lambda g, y: _einsum([out, *other_terms, *lost], terms[i], [g, *others, *ones], sizes)

    with threads.one_blas_thread:
        data = xs[0].xp.einsum(f"{','.join(terms)}->{out}", *[x.data for x in xs], optimize=len(xs) > 2)
    return record("einsum", data, *[(x, derivative(i)) for i, x in enumerate(xs)])


def _without_diagonals(terms: list[str], xs: list[Tensor], sizes: dict[str, int]) -> tuple[list[str], list[Tensor]]:
    """Replace a repeated letter by a new one, and add an operand: an identity matrix of the two letters."""
    unused = iter(c for c in string.ascii_letters if c not in sizes)
    terms, xs = list(terms), list(xs)
    for i, term in enumerate(terms):
        seen = ""
        for letter in term:
            if letter in seen:
                fresh = next(unused)
                sizes[fresh] = sizes[letter]
                terms.append(letter + fresh)
                xs.append(Tensor._of(xs[i].xp.eye(sizes[letter], dtype=xs[i].dtype)))
                letter = fresh
            seen += letter
        terms[i] = seen
    return terms, xs


def _parsed(subscripts: str, count: int) -> tuple[list[str], str]:
    """The letters of each operand, and those of the output."""
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: the first argument is a {type(subscripts).__name__}; expected subscripts such as 'ij,jk->ik'")
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    letters = "".join(terms)
    if len(terms) != count or not set(letters + out) <= set(string.ascii_letters):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands by letters (no ellipses); {count} were given")
    out = out if arrow else "".join(c for c in sorted(set(letters)) if letters.count(c) == 1)
    if len(set(out)) < len(out) or not set(out) <= set(letters):
        raise ValueError(f"einsum: in {subscripts!r} an output letter occurs twice or in no operand")
    return terms, out
