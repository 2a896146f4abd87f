import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients


@pytest.mark.parametrize(
    "labels", [3, [0, 3, 3], [[0, 1, 2], [3, 2, 1]], np.array([1, 2], "uint8"), np.zeros((0, 2), int)], ids=str
)
def test_each_label_becomes_its_vector(labels):
    layer = nn.Embedding(4, 2)
    y = layer(labels)
    assert y.shape == (*np.shape(labels), 2)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[np.asarray(labels)])
    np.testing.assert_array_equal(layer(Tensor(np.array(labels))).numpy(), y.numpy())


def test_embedding_is_a_dense_layer_on_one_hot_rows():
    layer, labels = nn.Embedding(4, 2), np.array([2, 0, 2])
    np.testing.assert_allclose(layer(labels).numpy(), (mg.one_hot(labels, 4) @ layer.weight).numpy())


def test_gradients_of_repeated_labels_add_up():
    layer = nn.Embedding(3, 2)
    (g,) = mg.grad((layer([0, 2, 0, 0]) * [[1], [2], [3], [4]]).sum(), layer.weight)
    np.testing.assert_array_equal(g.numpy(), [[8, 8], [0, 0], [2, 2]])


def test_the_weight_has_right_first_and_second_derivatives():
    layer = nn.Embedding(3, 2)

    def fn(weight):
        layer.weight = weight
        return layer([[0, 2], [2, 2]]) ** 3

    assert_gradients(fn, np.random.default_rng(0).standard_normal((3, 2)))


def test_labels_that_are_changed_after_the_forward_pass_do_no_harm():
    layer, labels = nn.Embedding(3, 1), np.array([0, 0])
    y = layer(labels).sum()
    labels[:] = 2
    np.testing.assert_array_equal(mg.grad(y, layer.weight)[0].numpy(), [[2], [0], [0]])


@pytest.mark.parametrize("labels", [[4], [-1], [[0, 9]], [0.0], [True], [], "a", Tensor([1, 2])], ids=str)
def test_labels_out_of_range_or_of_another_kind_are_refused(labels):
    with pytest.raises((TypeError, ValueError), match=r"Embedding\(4, 2\): labels .*expected (integers|0 to 3)"):
        nn.Embedding(4, 2)(labels)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-2, 3)])
def test_sizes_below_1_are_refused(sizes):
    with pytest.raises(ValueError, match="Embedding: sizes must be whole numbers of at least 1, got"):
        nn.Embedding(*sizes)


def test_the_weight_starts_standard_normal_from_the_generator_that_is_given():
    weight = nn.Embedding(100, 50, rng=np.random.default_rng(1)).weight
    assert (weight.shape, weight.dtype, weight.requires_grad, weight.name) == ((100, 50), np.float32, True, "weight")
    assert weight.numpy().mean() == pytest.approx(0, abs=0.05)
    assert weight.numpy().std() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(weight.numpy(), nn.Embedding(100, 50, rng=np.random.default_rng(1)).weight.numpy())
