"""What is special to products: integers, masks and lists, an einsum of one operand, and the bias of a dense layer."""

import numpy as np
import pytest

import minigan as mg
from minigan.ops import linear
from minigan.testing import assert_gradients
from tests.helpers.leaves import leaf


@pytest.mark.parametrize("b", [np.ones((3, 2), int), np.ones((3, 2), bool), [[1, 2], [3, 4], [5, 6]]], ids=repr)
def test_products_with_integers_masks_and_lists_stay_float32(b):
    x = leaf(np.ones((2, 3)), dtype="float32")
    for y in (x @ b, mg.einsum("ij,jk->ik", x, b)):
        assert y.dtype == mg.grad(y.sum(), x)[0].dtype == np.float32
        np.testing.assert_array_equal(y.numpy(), x.numpy() @ np.asarray(b))


def test_einsum_of_an_operand_with_itself_and_with_blanks():
    a = np.array([[1.0, 2.0], [3.0, -1.0]])
    assert_gradients(lambda a: mg.einsum("ij,jk,kl->il", a, a, a), a, order=3)
    np.testing.assert_allclose(mg.einsum(" i j, jk -> k i ", a[::-1], np.asfortranarray(a)).numpy(), (a[::-1] @ a).T)


def test_the_gradient_of_a_float16_bias_is_summed_in_float32():
    g = np.array([[60000.0, 1.0], [60000.0, 1.0], [-60000.0, 1.0], [-50000.0, 1.0]], "float16")
    bias, weight = leaf(np.zeros(2), dtype="float16"), mg.Tensor(np.zeros((3, 2), "float16"))
    (found,) = mg.grad(linear.affine(mg.Tensor(np.zeros((4, 3), "float16")), weight, bias), bias, gradient=g)
    assert found.dtype == "float16"
    np.testing.assert_array_equal(found.numpy(), g.astype("float32").sum(0).astype("float16"))
    many = mg.Tensor(np.zeros((8192, 3), "float16"))
    assert mg.grad(linear.affine(many, weight, bias).sum(), bias)[0].numpy().tolist() == [8192, 8192]
