"""What hostile arguments have found, made small: each call is refused, by an error that says what is wrong."""

import re

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, attacks, data, games, losses, metrics, nn
from tests.helpers.leaves import leaf


def _images(n=2):
    return np.full((n, 1, 4, 4), 0.5, np.float32)


def _model(x):
    return x.reshape(len(x), -1)[:, :3]


Y = np.array([0, 1])
PATCH = np.ones((1, 2, 2), np.float32)
VECTOR = np.ones(3)

FOUND = [  # (the call, the error, what its message says)
    # a crash of the interpreter
    (lambda: mg.seed(np.ones((2, 3)).view(np.matrix)), ValueError, "seed: n is "),
    # AttributeError, KeyError, OverflowError
    (lambda: mg.record("op", np.ones(3), 5), TypeError, "record: expected pairs (input, derivative)"),
    (lambda: nn.init.he_normal((2, 3), 0), TypeError, "init: rng is 0; expected a generator"),
    (lambda: nn.init.normal(0.1)((2, 3), VECTOR), TypeError, "init: rng is array"),
    (lambda: nn.init.xavier_uniform({1: 2}, None), ValueError, "init: shape is {1: 2}; expected sizes"),
    (lambda: data.noise(3)(2, rng=5), TypeError, "rng is 5; expected a generator"),
    (
        lambda: attacks.minimal_perturbation(_model, _images(), Y, c={}),
        ValueError,
        "minimal_perturbation: c is {}; expected (low, high)",
    ),
    (lambda: mg.expand_dims(leaf(), 2**70), ValueError, "expand_dims: axis 1180591620717411303424 does not fit"),
    (lambda: leaf()[np.uint64(2**64 - 1)], IndexError, "getitem: index"),
    (lambda: mg.conv2d(_images(), _images(1), padding=10**30), ValueError, "conv2d: padding is 1000"),
    (lambda: Tensor([True]) + 10**30, ValueError, "add: 1000000000000000000000000000000 is too large for int64"),
    (
        lambda: attacks.adversarial_patch(_model, _images(), 1, 0.2, clip=(0, np.inf)),
        ValueError,
        "adversarial_patch: clip[1] is inf",
    ),
    # complex numbers, of which only the real part went on
    (lambda: metrics.wasserstein1(1j * VECTOR, VECTOR), TypeError, "a is complex128: give an array of numbers"),
    (lambda: metrics.frechet_distance(1j * np.ones((3, 2)), np.ones((3, 2))), TypeError, "frechet_distance: a is complex128"),
    (lambda: data.lerp(1j * VECTOR, VECTOR, 3), TypeError, "lerp: a is complex128"),
    (lambda: Tensor(1j * VECTOR, dtype="float32"), TypeError, "Tensor: complex128 data (from a ndarray); expected real"),
    # errors of NumPy's or Python's own
    (lambda: mg.grad(leaf().sum(), 5), ValueError, "grad: input 0 is a int that requires no gradient"),
    (lambda: losses.squared_gradient_norm(5, leaf()), ValueError, "squared_gradient_norm: the output has no graph"),
    (lambda: games.Conditional(nn.Dense(5, 2), 3)("x", Y), TypeError, "Conditional: argument 1 is a str"),
    (lambda: nn.Dense(2, 3).to(VECTOR), mg.backend.BackendError, "unknown backend array"),
    (lambda: mg.backend.use("numpy", VECTOR), mg.backend.BackendError, "choose None or 'numpy'"),
    (lambda: attacks.project(lambda z: None, _images(), data.noise(3)), ValueError, "project: G returns a NoneType"),
    (lambda: data.noise(3, kind=["normal"]), ValueError, "kind is ['normal']: choose one of"),
    (lambda: metrics.wasserstein1([[1], [1, 2]], VECTOR), ValueError, "a is not an array of numbers"),
    (lambda: attacks.fgsm(_model, _images(), Y, 0.1, clip=3), ValueError, "fgsm: clip is 3; expected (low, high), or None"),
    (lambda: attacks.fgsm(_model, _images(), [[0], [0, 1]], 0.1), ValueError, "fgsm: y is not an array of labels"),
    (lambda: attacks.fooled(_model, 5), ValueError, "fooled: x has shape ()"),
    (lambda: attacks.rubbish(3), TypeError, "rubbish: shape is 3; expected sizes"),
    (lambda: attacks.patch_success(_model, _images(), 1, PATCH, 1, 0.1), ValueError, "patch_success: x (2, 1, 4, 4), y ()"),
]


@pytest.mark.parametrize(("call", "error", "message"), FOUND, ids=[message[:40] for *_, message in FOUND])
def test_hostile_argument_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
