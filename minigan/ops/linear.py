"""Matrix products."""

from typing import Any

from minigan.ops.operands import check_broadcast, pair
from minigan.tensor import Tensor, record


def matmul(a: Any, b: Any) -> Tensor:
    """a @ b as in NumPy: matrices in the last two axes, (..., n, k) @ (..., k, m) -> (..., n, m), the others broadcast.

    A vector on the left is a row, on the right a column; its axis is dropped from the result.
    With Y = A B: dA = G B^T, dB = A^T G.
    """
    a, b = pair("matmul", a, b)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit: (..., n, k) @ (..., k, m) needs equal k")
    if a.ndim == 1:
        return matmul(a.reshape(1, -1), b).squeeze(-2 if b.ndim > 1 else 0)
    if b.ndim == 1:
        return matmul(a, b.reshape(-1, 1)).squeeze(-1)
    check_broadcast("matmul", a.shape[:-2], b.shape[:-2])
    return record("matmul", a.data @ b.data, (a, lambda g, y: g @ _flipped(b)), (b, lambda g, y: _flipped(a) @ g))


def _flipped(x: Tensor) -> Tensor:
    """The transpose of each matrix."""
    return x.T if x.ndim == 2 else x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
