"""The stand-in refuses what CuPy refuses; and a call of the wrong module in an op or a layer does not get past it."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn

A = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def a(stand_in):
    """An array of the device."""
    return stand_in.asarray(A)


REFUSED = [
    *[np.asarray, np.exp, np.sum, lambda a: np.array([a, a]), lambda a: np.concatenate([a, a]), lambda a: np.where(a, 1, 0)],
    *[lambda a: a + A, lambda a: A @ a.T, lambda a: a.__iadd__(A), lambda a: a.__setitem__(0, A[0])],
    *[lambda a: backend.of(a).maximum(a, A), lambda a: backend.of(a).concatenate([a, A])],
    *[lambda a: backend.of(a).where(a > 0, A, a), lambda a: backend.of(a).full((2,), A[0, :1])],
]


@pytest.mark.parametrize("do", REFUSED)
def test_numpys_functions_and_arrays_and_the_devices_do_not_meet(a, do):
    with pytest.raises(TypeError):
        do(a)


class Planted(nn.Dense):
    """A layer with NumPy in it."""

    def forward(self, x):
        return super().forward(x) + np.maximum(x.data, 0).mean()


PLANTED = [
    lambda x: mg.record("planted", np.exp(x.data), (x, lambda g, y: g * y)),
    lambda x: mg.record("planted", x.data * 2, (x, lambda g, y: Tensor(np.multiply(g.data, 2)))).sum().backward(),
    lambda x: Planted(3, 2)(x),
]


@pytest.mark.parametrize("planted", PLANTED)
def test_numpy_in_an_op_a_derivative_or_a_layer_is_caught(planted, stand_in):
    with backend.using("cupy"), pytest.raises(TypeError, match=r"numpy\.\w+ was called on an array of the device"):
        planted(Tensor(A, requires_grad=True))
