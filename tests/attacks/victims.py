"""What the attacks' tests share: small classifiers, and their loss and its gradient by hand, in NumPy without minigan."""

import numpy as np

from minigan import nn

CLASSES = 4


def dense(dtype="float64"):
    """Images (N, 1, 6, 6) -> logits (N, 4), by way of 12 hidden units."""
    return as_dtype(nn.Sequential(nn.Flatten(), nn.Dense(36, 12), nn.ReLU(), nn.Dense(12, CLASSES)), dtype)


def convolutional(dtype="float64"):
    """The same by a convolution with stride 2 and padding."""
    layers = nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Dense(27, CLASSES)
    return as_dtype(nn.Sequential(*layers), dtype)


def moody():
    """A network with all that a mode can change."""
    return nn.Sequential(nn.Flatten(), nn.Dense(36, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Dense(12, CLASSES))


class Watched(nn.Module):
    """Notes the mode of each forward pass; the one with number `fails` raises."""

    def __init__(self, fails=None):
        self.modes, self.fails = [], fails

    def forward(self, x):
        self.modes.append(self.training)
        if len(self.modes) == self.fails:
            raise ZeroDivisionError
        return x


def as_dtype(model, dtype):
    for p in model.parameters():
        p.data = p.data.astype(dtype)
    return model


def images(n=5, dtype="float64", seed=0):
    """Images (n, 1, 6, 6) in [0, 1], and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, 1, 6, 6)).astype(dtype), rng.integers(CLASSES, size=n)


def loss_and_gradient(model, x, y):
    """cross entropy(dense()(x), y), and d/dx of it by the chain rule, layer by layer."""
    _, first, _, second = model.layers
    h = x.reshape(len(x), -1) @ first.weight.data + first.bias.data
    p = np.exp(np.maximum(h, 0) @ second.weight.data + second.bias.data)
    p /= p.sum(axis=1, keepdims=True)
    g = (p - np.eye(CLASSES)[y]) / len(y)
    g = ((g @ second.weight.data.T * (h > 0)) @ first.weight.data.T).reshape(x.shape)
    return -np.mean(np.log(p[np.arange(len(y)), y])), g
