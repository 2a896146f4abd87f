"""What many tests begin with."""

import numpy as np

from minigan import Tensor


def leaf(values=(1.0, -2.0, 3.0), **options):
    """A tensor of float64 that requires a gradient."""
    return Tensor(np.array(values, dtype=options.pop("dtype", "float64")), requires_grad=True, **options)
