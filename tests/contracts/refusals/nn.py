"""What the layers refuse. Numbers out of bounds are in `tests/contracts/test_numbers.py`."""

import numpy as np

import minigan as mg
from minigan import Tensor, nn
from minigan.nn import Dense, ReLU, Sequential
from tests.contracts.refusals import each

NO_SIZES = [0, -1, 1.5, "2", None, True]
SIZED = {  # (a layer of this size, a layer with another argument of this size)
    "Dense": (lambda n: nn.Dense(n, 1), lambda n: nn.Dense(1, n)),
    "Conv2d": (lambda n: nn.Conv2d(n, 1, 3), lambda n: nn.Conv2d(1, n, 3)),
    "ConvTranspose2d": (lambda n: nn.ConvTranspose2d(n, 1, 3), lambda n: nn.ConvTranspose2d(1, n, 3)),
    "Embedding": (lambda n: nn.Embedding(n, 1), lambda n: nn.Embedding(1, n)),
    "MinibatchDiscrimination": (lambda n: nn.MinibatchDiscrimination(n, 1, 1), lambda n: nn.MinibatchDiscrimination(1, 1, n)),
    "BatchNorm1d": (nn.BatchNorm1d, nn.BatchNorm2d),
    "VirtualBatchNorm": (lambda n: nn.VirtualBatchNorm(n, 2),),
    "GroupNorm": (lambda n: nn.GroupNorm(n, 1), lambda n: nn.GroupNorm(1, n)),
}
WHOLE = NO_SIZES, ValueError, "sizes must be whole numbers"
SIZES = [row for pair in SIZED.values() for layer in pair for row in each(*WHOLE, layer)]


def ones(layer):
    """A call of the layer with ones of this shape."""
    return lambda shape: layer(Tensor(np.ones(shape)))


NO_PAIRS = [0, 2.0, "3", (1, 2, 3), True]
NO_ROWS, NO_IMAGES = [(3,), (5, 4), (5, 3, 2, 2)], [(5, 3), (5, 3, 2), (5, 2, 3, 3)]
NO_LABELS = [[4], [-1], [[0, 9]], [0.0], [True], [], "a", Tensor([1, 2])]
SHAPES = [
    *each([(4, 2), (3, 4), (), (4, 1)], ValueError, r"Dense\(3, 2\): the input has shape VALUE; expected", ones(Dense(3, 2))),
    *each(NO_PAIRS, ValueError, "Conv2d: kernel_size is .*; expected", lambda size: nn.Conv2d(1, 1, size)),
    *each(NO_ROWS, ValueError, r"BatchNorm1d\(3, .*\): the input has shape VALUE; expected \(N, 3", ones(nn.BatchNorm1d(3))),
    *each(NO_IMAGES, ValueError, r"BatchNorm2d\(3, .*\): the input has shape VALUE; expected \(N, 3", ones(nn.BatchNorm2d(3))),
    *each([(6,), (6, 4), (3, 3)], ValueError, r"VirtualBatchNorm\(3, 4, .*: the input has shape VALUE; expected \(4 \+ N, 3",
          ones(nn.VirtualBatchNorm(3, 4))),
    *each([(3,), (6, 4)], ValueError, r"WithReference: the input has shape VALUE, the reference \(4, 3\)",
          ones(nn.WithReference(nn.VirtualBatchNorm(3, 4), np.ones((4, 3))))),
    *each([(), (3, 3)], ValueError, r"the reference has shape VALUE; VirtualBatchNorm.* expects 4 rows",
          lambda shape: nn.WithReference(nn.VirtualBatchNorm(3, 4), np.ones(shape))),
    *each([(5, 4), (5, 1), ()], ValueError, r"LayerNorm\(.*\): the input has shape VALUE; expected", ones(nn.LayerNorm(3))),
    *each([(4,), (5, 3)], ValueError, r"GroupNorm\(2, 4, .*: the input has shape VALUE; expected", ones(nn.GroupNorm(2, 4))),
    *each([(5, 3), (5, 3, 0)], ValueError, "VALUE, fewer than two numbers a group; use fewer", ones(nn.GroupNorm(3, 3))),
    *each([3, 8], ValueError, "GroupNorm: 4 channels do not form VALUE groups of equal size", lambda n: nn.GroupNorm(n, 4)),
    *each([(3,), (5, 2), (5, 3, 1)], ValueError, r"MinibatchDiscrimination\(3, 2, 4\): the input has shape VALUE; expected",
          ones(nn.MinibatchDiscrimination(3, 2, 4))),
    *each(NO_LABELS, (TypeError, ValueError), r"Embedding\(4, 2\): labels .*expected (integers|0 to 3)", nn.Embedding(4, 2)),
    *each([1.5, "2", None, (2, 3), np.nan, -2, True], ValueError, "^Reshape: shape is .*; expected a whole number, at least -1",
          lambda size: nn.Reshape(2, size)),
]  # fmt: skip

NO_WEIGHTS = {
    r"weight_init returned float32 \(3, 3\); expected floats of": lambda shape: np.ones((3, 3), np.float32),
    "weight_init returned int64 .*; expected floats of shape": lambda shape: np.ones(shape, int),
    "weight_init returned a nan or an infinity": lambda shape: np.full(shape, np.inf),
    "expected real numbers": lambda shape: None,
    "masked array": lambda shape: np.ma.ones(shape),
}
INITIALISED = {  # a layer of this initialiser
    "Dense": lambda f: nn.Dense(2, 3, weight_init=f),
    "ConvTranspose2d": lambda f: nn.ConvTranspose2d(2, 3, 1, weight_init=f),
}
INIT = [
    (lambda layer=layer, make=make: layer(lambda shape, rng: make(shape)), (TypeError, ValueError), match)
    for layer in INITIALISED.values()
    for match, make in NO_WEIGHTS.items()
]
INIT += [
    (lambda layer=layer: layer(np.ones((2, 3))), TypeError, f"^{name}: weight_init is a ndarray; expected a function")
    for name, layer in INITIALISED.items()
]
INIT += each([nn.init.xavier_uniform, nn.init.he_normal], ValueError, r"\(3,\) has no fan-in", lambda init: init((3,), None))


class Empty(nn.Module):
    """A module without forward."""


MASKED = {"weight": np.ma.ones((1, 1))}
MODULES = [
    (lambda: Empty()(1), NotImplementedError, "Empty has no forward"),
    (lambda: nn.init.he_normal((2, 3), 0), TypeError, "init: rng is 0; expected a generator"),
    (lambda: nn.init.xavier_uniform({1: 2}, None), ValueError, "init: shape is .*; expected sizes"),
    (lambda: Dense(2, 3).to(np.ones(3)), mg.backend.BackendError, "unknown backend array"),
    (lambda: Dense(1, 1, False).load_state_dict(MASKED), ValueError, "weight is a MaskedArray; expected"),
    *each([ReLU(), Dense, nn.SpectralNorm(Dense(2, 3))], TypeError, "SpectralNorm: layer is a TYPE; expected", nn.SpectralNorm),
    *each(
        [nn.init.zeros], ValueError, "the weight of .* is 0 everywhere", lambda f: nn.SpectralNorm(Dense(2, 3, weight_init=f))
    ),
    (lambda: nn.WithReference(ReLU, np.ones((2, 3))), TypeError, "WithReference: network is a type; expected a Module"),
    (lambda: nn.MovingAverage("G"), TypeError, "MovingAverage: module is a str; expected a Module"),
    (lambda: Sequential(ReLU(), 3), TypeError, "argument 2 is a int; expected a layer"),
    *each([0, 1], TypeError, "default_rng", lambda seed: Dense(2, 2, rng=seed)),
]
REFUSED = [*SIZES, *SHAPES, *INIT, *MODULES]
