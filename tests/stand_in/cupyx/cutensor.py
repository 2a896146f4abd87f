"""cuTENSOR's contraction, which may be recorded, unlike cuBLAS's products."""

import cupy
import numpy as _np


def contraction(alpha, A, mode_A, B, mode_B, beta, C, mode_C):
    """C <- alpha A B + beta C, summed over the letters that C has not."""
    if not (A.dtype == B.dtype == C.dtype and A.flags.c_contiguous and B.flags.c_contiguous and C.flags.c_contiguous):
        raise ValueError("contraction: arrays of one dtype, contiguous")
    letters = ["".join(mode) for mode in (mode_A, mode_B, mode_C)]
    if not set(letters[2]) <= set(letters[0]) | set(letters[1]):
        raise ValueError("contraction: unknown letter")
    subscripts = f"{letters[0]},{letters[1]}->{letters[2]}"
    return cupy._in_place(C, lambda: _np.copyto(C._a, alpha * _np.einsum(subscripts, A._a, B._a) + beta * C._a))
