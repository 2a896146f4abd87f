"""im2col on a GPU, as one kernel. Strided views, as under NumPy, would need a padded copy of the images first."""

import functools
from collections.abc import Callable

from minigan.backend.arrays import Array, ArrayModule, of

HeightWidth = tuple[int, int]
INPUTS = "raw T x, int64 top, int64 left, int64 sh, int64 sw, int64 dh, int64 dw"
CODE = """
    const auto at = _ind.get();  // n, p, q, i, j, c: the position in y
    const ptrdiff_t h = at[1] * sh + at[3] * dh - top, w = at[2] * sw + at[4] * dw - left;
    const ptrdiff_t from[] = {at[0], at[5], h, w};
    y = 0 <= h && h < x.shape()[2] && 0 <= w && w < x.shape()[3] ? x[from] : T(0);
"""


def im2col(x: Array, y: Array, start: HeightWidth, stride: HeightWidth, gap: HeightWidth) -> Array:
    """Write y[n, p, q, i, j, c] = x[n, c, p stride + i gap - start, q stride + j gap - start], and 0 outside of x (N, C, H, W).

    start, stride, gap: two integers each, for height and width. Returns y.
    """
    return _kernel(of(x))(x, *start, *stride, *gap, y)


@functools.cache
def _kernel(xp: ArrayModule) -> Callable[..., Array]:
    return xp.ElementwiseKernel(INPUTS, "T y", CODE, "im2col", reduce_dims=False)
