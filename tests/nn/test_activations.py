import numpy as np
import pytest

from minigan import Tensor, nn
from minigan.testing import assert_gradients

X = np.random.default_rng(0).standard_normal((4, 3)) * 2

LAYERS = [
    (nn.ReLU(), lambda x: np.where(x > 0, x, 0)),
    (nn.LeakyReLU(), lambda x: np.where(x > 0, x, 0.2 * x)),
    (nn.LeakyReLU(0.01), lambda x: np.where(x > 0, x, 0.01 * x)),
    (nn.ELU(), lambda x: np.where(x > 0, x, np.exp(x) - 1)),
    (nn.ELU(2.0), lambda x: np.where(x > 0, x, 2 * (np.exp(x) - 1))),
    (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    (nn.Tanh(), np.tanh),
    (nn.Softplus(), lambda x: np.log(1 + np.exp(x))),
    (nn.Softmax(), lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)),
]


@pytest.mark.parametrize(("layer", "formula"), LAYERS, ids=lambda v: repr(v) if isinstance(v, nn.Module) else "")
def test_an_activation_computes_its_formula(layer, formula):
    np.testing.assert_allclose(layer(Tensor(X)).numpy(), formula(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", [layer for layer, _ in LAYERS], ids=repr)
def test_an_activation_is_differentiable_twice(layer):
    assert_gradients(layer, X)


@pytest.mark.parametrize("layer", [layer for layer, _ in LAYERS], ids=repr)
def test_an_activation_has_no_parameters(layer):
    assert layer.parameters() == []


def test_repr_shows_what_was_chosen():
    assert [repr(nn.ReLU()), repr(nn.LeakyReLU(0.1)), repr(nn.ELU(2.0))] == ["ReLU()", "LeakyReLU(0.1)", "ELU(2.0)"]
