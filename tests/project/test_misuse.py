"""Arrays of other kinds, wherever arrays go in. What one package refuses alone is in tests/contracts/refusals."""

import re

import numpy as np
import pytest

import minigan as mg
from minigan import data, losses, metrics, nn
from minigan.engine.tensor import Tensor


def ones(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


NUMBERS_GO_IN = {
    "Tensor": Tensor, "operand on the right": lambda x: ones(2) + x, "operand on the left": lambda x: x * ones(2),
    "op": mg.exp, "part": lambda x: mg.stack([ones(2), x]), "data": lambda x: setattr(ones(2), "data", x),
    "gradient": lambda x: (ones(2) * 2).backward(x), "loss": lambda x: losses.mse(ones(2), x),
    "attack": lambda x: mg.attacks.fgsm(lambda v: v, x, None, 0.1, loss=lambda v, y: v.sum(), clip=None),
}  # fmt: skip
ARRAYS_GO_IN = NUMBERS_GO_IN | {
    "Tensor with a dtype": lambda x: Tensor(x, dtype="float32"),
    "layer": nn.Dense(2, 1),
    "labels of a loss": lambda x: losses.log_loss_with_logits(ones(2), x),
    "minibatches": lambda x: next(data.batches(x, size=1)),
    "metric": lambda x: metrics.wasserstein1(x, x),
    "prior's ends": lambda x: data.lerp(x, x, 2),
    "gradcheck": lambda x: mg.gradcheck(mg.exp, x),
    "condition": lambda x: mg.where(x, ones(2), 0.0),
}
LABELS_GO_IN = {
    "cross_entropy": lambda y: losses.cross_entropy(ones(2, 3), y),
    "one_hot": lambda y: mg.one_hot(y, 3),
    "Embedding": nn.Embedding(3, 2),
    "index": lambda y: ones(3)[y],
}


@pytest.mark.parametrize("name", [*ARRAYS_GO_IN, *LABELS_GO_IN])
def test_a_masked_array_is_refused_wherever_arrays_go_in(name):
    call, array = (ARRAYS_GO_IN | LABELS_GO_IN)[name], np.array([0, 1] if name in LABELS_GO_IN else [1.0, 0.5])
    with pytest.raises(TypeError, match=r"masked array would lose its mask here: pass \.filled"):
        call(np.ma.masked_array(array, [False, True]))
    call(array)


OTHERS = [np.array([1.0, None]), np.array(["1", "2"]), np.array([b"1", b"2"]), np.zeros(2, "V4"), np.zeros(2, [("a", float)])]
OTHERS += [np.zeros(2, kind) for kind in ("datetime64[s]", "timedelta64[s]")]


@pytest.mark.parametrize("array", OTHERS, ids=[str(array.dtype) for array in OTHERS])
@pytest.mark.parametrize("call", NUMBERS_GO_IN.values(), ids=NUMBERS_GO_IN)
def test_arrays_of_anything_but_numbers_are_refused(call, array):
    with pytest.raises(TypeError, match=rf"{re.escape(str(array.dtype))} data .*; expected real numbers"):
        call(array)
