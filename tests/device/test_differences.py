"""What CuPy does otherwise than NumPy without a word: minigan gives NumPy's result, or an error in debug mode."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, losses, nn
from tests.device.comparing import assert_agree, on_both

# --- views whose elements share memory: CuPy writes into them ---------------------------------------------------------------


def test_a_broadcast_parameter_is_copied_before_it_is_loaded_or_clipped(device):
    def compute():
        net = nn.Dense(2, 3)
        net.bias = Tensor(backend.xp().broadcast_to(backend.asarray(np.ones(1, np.float32)), (3,)), requires_grad=True)
        net.load_state_dict({**net.state_dict(), "bias": np.float32([1.0, 2.0, 3.0])})
        loaded = net.bias.numpy().copy()
        mg.optim.clip_weights(net.parameters(), 2.5)
        return loaded, net.bias

    assert_agree(*on_both(compute), 0)


# --- integers out of range: CuPy wraps them around --------------------------------------------------------------------------

OUT_OF_RANGE = {
    "too large": (lambda x: x[[0, 7]], "index 7 is out of bounds for axis 0 with size 3"),
    "too small": (lambda x: x[:, [-5, 1]], "index -5 .* axis 1 with size 4"),
    "a single one": (lambda x: x[Tensor(np.array(3))], "index 3 .* axis 0"),
    "after an ellipsis": (lambda x: x[..., [4]], "index 4 .* axis 1"),
    "after a mask": (lambda x: x.reshape(2, 2, 3)[np.ones((2, 2), bool), [3]], "index 3 .* axis 2"),
    "take": (lambda x: mg.take(x, [1, 4], axis=1), "index 4 .* axis 1"),
}


@pytest.mark.parametrize("taken", [False, True], ids=["", "though the backend takes them"])
@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_indices_out_of_range_are_refused_in_debug_mode(name, taken, stand_in, monkeypatch):
    """The stand-in indexes as NumPy does; where it takes anything, it is as CuPy."""
    index, says = OUT_OF_RANGE[name]
    with backend.using("cupy"):
        x = Tensor(np.zeros((3, 4)))
        if taken:
            monkeypatch.setattr(stand_in.ndarray, "__getitem__", lambda self, index: self)
        with mg.debug(), pytest.raises(IndexError, match=f"(?s)^getitem: index .* does not fit shape .*: {says}"):
            index(x)


def test_indices_in_range_are_numpys_in_debug_mode(device):
    def compute():
        x = Tensor(np.arange(12.0).reshape(3, 4))
        with mg.debug():
            return x[[-3, 2]], x[..., [-4, 3]], x[None, [0], 1:], x[np.zeros((0,), int)], mg.take(x, [-12, 11])

    assert_agree(*on_both(compute), 0)


LOOKUPS = {
    "one_hot": lambda labels: mg.one_hot(labels, 4),
    "Embedding": lambda labels: nn.Embedding(4, 2)(labels),
    "cross_entropy": lambda labels: losses.cross_entropy(Tensor(np.zeros((2, 4))), labels),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_labels_out_of_range_are_refused_in_debug_mode(name, device):
    with backend.using("cupy"):
        labels = Tensor(np.array([0, 7]))
        with mg.debug(), pytest.raises(ValueError, match=rf"^{name}.*: labels from 0 to 7; expected 0 to 3$"):
            LOOKUPS[name](labels)


# --- the sign of nan: CuPy 13 says 0 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sign_of_nan_is_nan(dtype, device):
    def compute():
        x = Tensor(np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 2.0, -3.0], dtype), requires_grad=True)
        return mg.sign(x), mg.grad(mg.abs(x).sum(), x)[0], mg.sign(Tensor(np.array([-2, 0, 3])))

    assert_agree(*on_both(compute), 0)
