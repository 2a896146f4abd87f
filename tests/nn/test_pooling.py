import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients

X = np.random.default_rng(0).standard_normal((2, 3, 6, 7))
LAYERS = [
    (nn.MaxPool2d(2), lambda x: mg.max_pool2d(x, 2)),
    (nn.MaxPool2d((3, 2), 1, (1, 0)), lambda x: mg.max_pool2d(x, (3, 2), 1, (1, 0))),
    (nn.AvgPool2d(2), lambda x: mg.avg_pool2d(x, 2)),
    (nn.AvgPool2d((3, 2), (1, 3), 1), lambda x: mg.avg_pool2d(x, (3, 2), (1, 3), 1)),
    (nn.Upsample(), lambda x: mg.upsample2d(x, 2)),
    (nn.Upsample((1, 3)), lambda x: mg.upsample2d(x, (1, 3))),
]


@pytest.mark.parametrize(("layer", "op"), LAYERS)
def test_a_layer_is_its_op_with_its_options(layer, op):
    np.testing.assert_array_equal(layer(Tensor(X)).numpy(), op(X).numpy())
    assert layer.parameters() == []
    assert layer.state_dict() == {}


@pytest.mark.parametrize(("layer", "op"), LAYERS)
def test_a_layer_is_differentiable_twice(layer, op):
    assert_gradients(lambda x: layer(x) ** 2, X[:1, :1, :4, :3])


def test_an_upsampled_image_is_twice_as_large_and_a_pooled_one_half():
    model = nn.Sequential(nn.Upsample(), nn.AvgPool2d(2))
    assert model[0](Tensor(X)).shape == (2, 3, 12, 14)
    np.testing.assert_allclose(model(Tensor(X)).numpy(), X)


def test_repr_shows_the_options():
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(2, stride=None, padding=0)"
    assert repr(nn.AvgPool2d((3, 2), 1)) == "AvgPool2d((3, 2), stride=1, padding=0)"
    assert repr(nn.Upsample((1, 3))) == "Upsample((1, 3))"
