import numpy as np
import pytest

from minigan import Tensor, nn
from minigan.testing import assert_gradients

X = np.random.default_rng(0).standard_normal((3, 2, 4))


def test_flatten_makes_one_vector_of_each_sample():
    np.testing.assert_array_equal(nn.Flatten()(Tensor(X)).numpy(), X.reshape(3, 8))


def test_flatten_leaves_vectors_as_they_are():
    assert nn.Flatten()(Tensor(X[:, 0])).shape == (3, 4)


def test_reshape_takes_the_shape_of_one_sample():
    np.testing.assert_array_equal(nn.Reshape(4, 2)(Tensor(X)).numpy(), X.reshape(3, 4, 2))


@pytest.mark.parametrize("layer", [nn.Flatten(), nn.Reshape(2, 2, 2)], ids=repr)
def test_gradients_have_the_inputs_shape(layer):
    assert_gradients(lambda x: layer(x) ** 2, X)


def test_flatten_undoes_reshape():
    images = nn.Reshape(1, 28, 28)(Tensor(np.zeros((5, 784))))
    assert images.shape == (5, 1, 28, 28)
    assert nn.Flatten()(images).shape == (5, 784)


def test_reshape_refuses_another_number_of_elements():
    with pytest.raises(ValueError, match="reshape"):
        nn.Reshape(5)(Tensor(X))


def test_repr_shows_the_shape():
    assert repr(nn.Reshape(1, 28, 28)) == "Reshape(1, 28, 28)"


@pytest.mark.parametrize("size", [1.5, "2", None, (2, 3), float("nan"), -2, True])
def test_a_shape_of_something_else_than_whole_numbers_is_refused_at_once(size):
    with pytest.raises(ValueError, match=r"^Reshape: shape is .*; expected a whole number, at least -1"):
        nn.Reshape(2, size)
