"""The same computation on the CPU and on a device: what the tests of this folder compare."""

import numpy as np

import minigan as mg
from minigan import Tensor, backend


def on_both(compute):
    """compute() under NumPy and under CuPy, from the same seed and with the same noise, drawn on the CPU."""
    results = []
    for name in ("numpy", "cupy"):
        with backend.using(name, noise="numpy"):
            mg.seed(0)
            results.append(compute())
    return results


def assert_agree(here, there, tolerance=1e-9):
    """Two nested results, NumPy's first, of the same structure, shapes and dtypes, and of nearly the same values."""
    if isinstance(here, dict):
        assert here.keys() == there.keys()
        here, there = list(here.values()), [there[key] for key in here]
    if isinstance(here, list | tuple):
        assert len(here) == len(there)
        for a, b in zip(here, there, strict=True):
            assert_agree(a, b, tolerance)
    elif isinstance(here, str):
        assert here == there
    else:
        a, b = (value.numpy() if isinstance(value, Tensor) else backend.to_numpy(value) for value in (here, there))
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)


def everything_is_on(xp, *values):
    """Whether all these tensors and arrays live there."""
    arrays = [v.data if isinstance(v, Tensor) else v for v in values]
    return all(type(array) is xp.ndarray for array in arrays)
