"""The registry of layers: how one is made, the shape of its input, its formula in NumPy, and how it is shown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import minigan as mg
from minigan import Tensor, nn
from tests.contracts.ops import OPS, normalised

IMAGE, ROW = (2, 3, 6, 4), (4, 3)
REFERENCE = [[0, 1, 3], [1, 0, 2]]
LABELS = np.array([[0, 4, 2], [2, 2, 1]])


@dataclass(frozen=True)
class Layer:
    """One layer."""

    make: Callable  # make(**options)
    shape: tuple[int, ...] | None  # of its input; None: LABELS
    twin: Callable | None = None  # twin(x, *parameters)
    text: str = ""
    atol: float = 1e-12

    def input(self):
        return LABELS if self.shape is None else np.random.default_rng(1).standard_normal(self.shape)


def parameters_of(layer, seed=2):
    """Numbers for the parameters."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(p.shape) for p in layer.parameters()]


def applied(layer, x, *parameters):
    """The layer's output for these parameters, Tensors. What it draws is the same each time."""
    mg.seed(5)
    for name, value in zip(("weight", "bias"), parameters, strict=False):
        setattr(getattr(layer, "network", getattr(layer, "layer", layer)), name, value)
    return layer(x)


def in_eval():
    """A batch norm that has seen other minibatches."""
    layer = nn.BatchNorm1d(3, eps=0.1).eval()
    layer.running_mean[:], layer.running_var[:] = [1, 2, 3], [0.5, 1, 2]
    return layer


def converged(layer):
    """In eval mode, with the singular vectors of the weight that `parameters_of` gives."""
    layer.weight.data = parameters_of(layer)[0].astype("float32")
    return nn.SpectralNorm(layer, 200).eval()


def over_sigma(w, out):
    """The weight divided by its largest singular value."""
    return w / np.linalg.svd(np.moveaxis(w, out, 0).reshape(w.shape[out], -1))[1][0]


def in_groups(x, w, b, groups, eps=1e-5):
    """Group norm: of each sample over each group of channels."""
    ones, rows = np.ones(()), x.reshape(len(x), groups, -1)
    per_channel = (-1, *[1] * (x.ndim - 2))
    return normalised(rows, ones, 0 * ones, (2,), eps).reshape(x.shape) * w.reshape(per_channel) + b.reshape(per_channel)


def with_reference(x, w, b, n, eps=1e-5):
    """Virtual batch norm: the reference batch alone, and of each other sample the last row of n + 1."""
    axes = (0, *range(2, x.ndim))
    rows = [normalised(np.concatenate([x[:n], x[i : i + 1]]), w, b, axes, eps)[-1] for i in range(n, len(x))]
    return np.stack([*normalised(x[:n], w, b, axes, eps), *rows])


def nearness(x, T):
    """x, and o(x)_b for 2 kernels of 4 numbers: Salimans et al. 2016, section 3.2, number by number."""
    M = np.einsum("na,abc->nbc", x, T.reshape(-1, 2, 4))
    pairs = [[[np.exp(-np.sum(np.abs(m[b] - other[b]))) for other in M] for b in range(2)] for m in M]
    return np.concatenate([x, np.sum(pairs, axis=2)], axis=1)


def op(function, *options, **named):
    """The layer's twin is an op, which has a twin of its own."""
    return lambda x, *parameters: function(x, *map(Tensor, parameters), *options, **named).numpy()


def twin(name, **options):
    return lambda x: OPS[name].twin(x, **options)


EVAL = (np.array([1, 2, 3]), np.array([0.5, 1, 2]))
LAYERS = {
    "Dense": Layer(lambda **o: nn.Dense(3, 2, **o), ROW, lambda x, w, b: x @ w + b, "Dense(3, 2)"),
    "Dense, no bias": Layer(lambda **o: nn.Dense(3, 2, bias=False, **o), ROW, lambda x, w: x @ w, "Dense(3, 2, bias=False)"),
    "Dense, no rows": Layer(lambda **o: nn.Dense(3, 2, **o), (4, 0, 3), lambda x, w, b: x @ w + b),
    "Conv2d": Layer(
        lambda **o: nn.Conv2d(3, 2, (2, 3), (1, 2), (0, 1), **o), (1, 3, 3, 4),
        lambda x, w, b: mg.conv2d(x, w, b, (1, 2), (0, 1)).numpy(), "Conv2d(3, 2, (2, 3), stride=(1, 2), padding=(0, 1))",
    ),
    "ConvTranspose2d": Layer(
        lambda **o: nn.ConvTranspose2d(3, 2, (2, 3), (1, 2), (0, 1), (0, 1), **o), (1, 3, 2, 3),
        lambda x, w, b: mg.conv_transpose2d(x, w, b, (1, 2), (0, 1), (0, 1)).numpy(),
        "ConvTranspose2d(3, 2, (2, 3), stride=(1, 2), padding=(0, 1), output_padding=(0, 1))",
    ),
    "Embedding": Layer(lambda **o: nn.Embedding(5, 2, **o), None, lambda x, w: w[x], "Embedding(5, 2)"),
    "MinibatchDiscrimination": Layer(
        lambda **o: nn.MinibatchDiscrimination(3, 2, 4, **o), (5, 3), nearness, "MinibatchDiscrimination(3, 2, 4)"
    ),
    "BatchNorm1d": Layer(
        lambda: nn.BatchNorm1d(3, 0.2), ROW, lambda x, w, b: normalised(x, w, b, (0,)),
        "BatchNorm1d(3, momentum=0.2, eps=1e-05)",
    ),
    "BatchNorm1d, eval": Layer(in_eval, ROW, lambda x, w, b: normalised(x, w, b, (0,), 0.1, EVAL), atol=1e-6),
    "BatchNorm2d": Layer(
        lambda: nn.BatchNorm2d(3), (2, 3, 2, 1), lambda x, w, b: normalised(x, w, b, (0, 2, 3)),
        "BatchNorm2d(3, momentum=0.1, eps=1e-05)",
    ),
    "LayerNorm": Layer(
        lambda: nn.LayerNorm(3, eps=0.1), (2, 2, 3), lambda x, w, b: normalised(x, w, b, (-1,), 0.1), "LayerNorm((3,), eps=0.1)"
    ),
    "LayerNorm, 2 axes": Layer(
        lambda: nn.LayerNorm((2, 3)), (2, 2, 3), lambda x, w, b: normalised(x, w, b, (1, 2)), "LayerNorm((2, 3), eps=1e-05)"
    ),
    "GroupNorm": Layer(
        lambda: nn.GroupNorm(2, 4, 0.1), (2, 4, 1, 2), lambda x, w, b: in_groups(x, w, b, 2, 0.1), "GroupNorm(2, 4, eps=0.1)"
    ),
    "GroupNorm, rows": Layer(lambda: nn.GroupNorm(2, 6), (2, 6), lambda x, w, b: in_groups(x, w, b, 2)),
    "GroupNorm, instances": Layer(
        lambda: nn.GroupNorm(3, 3), IMAGE, lambda x, w, b: normalised(x, w[:, None, None], b[:, None, None], (2, 3))
    ),
    "VirtualBatchNorm": Layer(
        lambda: nn.VirtualBatchNorm(3, 4, 0.1), (6, 3), lambda x, w, b: with_reference(x, w, b, 4, 0.1),
        "VirtualBatchNorm(3, 4, eps=0.1)",
    ),
    "VirtualBatchNorm, images": Layer(
        lambda: nn.VirtualBatchNorm(3, 2), (4, 3, 2, 1), lambda x, w, b: with_reference(x, w, b, 2)
    ),
    "WithReference": Layer(
        lambda: nn.WithReference(nn.VirtualBatchNorm(3, 2), REFERENCE), ROW,
        lambda x, w, b: with_reference(np.concatenate([REFERENCE, x]), w, b, 2)[2:],
    ),
    "SpectralNorm": Layer(
        lambda: converged(nn.Dense(3, 2)), ROW, lambda x, w, b: x @ over_sigma(w, 1) + b,
        "SpectralNorm(Dense(3, 2), iterations=200)", atol=1e-6,
    ),
    "SpectralNorm, Conv2d": Layer(
        lambda: converged(nn.Conv2d(3, 2, (2, 3), 1, 1)), (1, 3, 3, 4),
        lambda x, w, b: mg.conv2d(x, over_sigma(w, 0), b, 1, 1).numpy(), atol=1e-6,
    ),
    "SpectralNorm, ConvTranspose2d": Layer(
        lambda: converged(nn.ConvTranspose2d(3, 2, (2, 3), 2, 1, 1, bias=False)), (1, 3, 2, 3),
        lambda x, w: mg.conv_transpose2d(x, over_sigma(w, 1), None, 2, 1, 1).numpy(), atol=1e-6,
    ),
    "Dropout": Layer(lambda: nn.Dropout(0.3), ROW, text="Dropout(0.3)"),
    "Sequential": Layer(lambda: nn.Sequential(nn.Dense(3, 2), nn.BatchNorm1d(2), nn.Tanh(), nn.Dense(2, 1)), ROW),
    "Flatten": Layer(lambda: nn.Flatten(), IMAGE, lambda x: x.reshape(2, 72), "Flatten()"),
    "Reshape": Layer(lambda: nn.Reshape(3, -1), IMAGE, lambda x: x.reshape(2, 3, 24), "Reshape(3, -1)"),
    "MaxPool2d": Layer(
        lambda: nn.MaxPool2d((3, 2), 1, (1, 0)), (1, 1, 4, 3), op(mg.max_pool2d, (3, 2), 1, (1, 0)),
        "MaxPool2d((3, 2), stride=1, padding=(1, 0))",
    ),
    "AvgPool2d": Layer(
        lambda: nn.AvgPool2d((3, 2), (1, 3), 1), (1, 1, 4, 3), op(mg.avg_pool2d, (3, 2), (1, 3), 1),
        "AvgPool2d((3, 2), stride=(1, 3), padding=1)",
    ),
    "Upsample": Layer(lambda: nn.Upsample((1, 3)), (1, 1, 4, 3), op(mg.upsample2d, (1, 3)), "Upsample((1, 3))"),
    "ReLU": Layer(lambda: nn.ReLU(), ROW, twin("relu"), "ReLU()"),
    "LeakyReLU": Layer(lambda: nn.LeakyReLU(0.1), ROW, twin("leaky_relu", slope=0.1), "LeakyReLU(0.1)"),
    "ELU": Layer(nn.ELU, ROW, twin("elu", alpha=1), "ELU(1.0)"),
    "ELU, alpha": Layer(lambda: nn.ELU(2.0), ROW, twin("elu", alpha=2), "ELU(2.0)"),
    "Sigmoid": Layer(lambda: nn.Sigmoid(), ROW, twin("sigmoid"), "Sigmoid()"),
    "Softmax": Layer(lambda: nn.Softmax(), ROW, twin("softmax", axis=-1), "Softmax()"),
    "Softplus": Layer(lambda: nn.Softplus(), ROW, twin("softplus"), "Softplus()"),
    "Tanh": Layer(lambda: nn.Tanh(), ROW, twin("tanh"), "Tanh()"),
}  # fmt: skip
SEEDED = [name for name in LAYERS if name.startswith(("Dense", "Conv", "Embedding", "Minibatch"))]
