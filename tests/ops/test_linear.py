"""What is special to products: the affine map of a dense layer, and every kind of einsum."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan.ops import linear
from minigan.ops.linear import affine
from minigan.testing import assert_gradients
from tests.contracts.ops import operands


def test_a_matrix_times_itself():
    assert_gradients(lambda a: a @ a, np.array([[1.0, 2.0], [3.0, -1.0]]))


@pytest.mark.parametrize(
    "b", [np.ones((3, 2), int), np.ones((3, 2), bool), [[1, 2], [3, 4], [5, 6]]], ids=["int", "bool", "list"]
)
def test_float32_survives_integers_masks_and_lists(b):
    x = mg.Tensor(np.ones((2, 3), "float32"), requires_grad=True)
    y = x @ b
    assert y.dtype == mg.grad(y.sum(), x)[0].dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), x.numpy() @ np.asarray(b))


# --- products of transposes, and sums inside the op ---------------------------------------------------------------------


def test_the_gradients_of_a_product_of_matrices_are_products_alone():
    a, b = (mg.Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
    y, made = a @ b, []
    record = linear.record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "record", lambda name, *args: made.append(name) or record(name, *args))
        mg.grad(y, [a, b], gradient=np.ones((2, 2)))
    assert made == ["matmul", "matmul"]


@pytest.mark.parametrize("n", [0, 1, 4])
def test_affine_is_x_w_plus_b_and_differentiable_twice(n):
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((n, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)
    np.testing.assert_allclose(affine(*map(mg.Tensor, (x, w, b))).numpy(), x @ w + b)
    assert_gradients(affine, x, w, b)
    assert mg.gradcheck(lambda *args: affine(*args) ** 2, x, w, b, order=2)


@pytest.mark.parametrize("dtypes", list(itertools.product(["float32", "float64"], repeat=3)), ids="-".join)
def test_of_an_affine_map_the_widest_dtype_wins_and_gradients_keep_their_own(dtypes):
    shapes = (2, 3), (3, 2), (2,)
    leaves = [mg.Tensor(np.ones(s, d), requires_grad=True) for s, d in zip(shapes, dtypes, strict=True)]
    y = affine(*leaves)
    assert y.dtype == max(map(np.dtype, dtypes))
    assert [g.dtype for g in mg.grad(y.sum(), leaves)] == [*dtypes]


# --- einsum -------------------------------------------------------------------------------------------------------------

SUBSCRIPTS = {
    "products": "ij,jk->ik Bij,Bjk->Bik ij,kj->ik ij,ij->ij i,i-> i,j->ij i,j->ji ij,k->kij ,ij->ij ->",
    "one operand": "ij->ji ij-> ij->j kji->kij i->i",
    "diagonals and traces": "ii->i ii-> iji->j iij->ji iii->i iikk->ki ii,i->i iij,jj->i",
    "three operands": "ij,jk,kl->il i,j,k->kji ij,i,j-> ij,jk,k-> ii,j,ji->j",
    "letters that one operand alone sums": "ij,k->i ijk,l->l iji,k->k",
    "implicit outputs": "ij,jk ji ii ij,ij ba,i iBa,aB",
    "sizes of 0": "iz,zj->ij zi->z zz->",
}


@pytest.mark.parametrize("subscripts", " ".join(SUBSCRIPTS.values()).split())
def test_einsum_is_numpys_and_differentiable_twice(subscripts):
    xs = operands(subscripts)
    y, expected = mg.einsum(subscripts, *xs), np.asarray(np.einsum(subscripts, *xs))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    assert_gradients(lambda *xs: mg.einsum(subscripts, *xs), *xs)


def test_einsum_of_an_operand_with_itself():
    a = np.array([[1.0, 2.0], [3.0, -1.0]])
    assert_gradients(lambda a: mg.einsum("ij,jk->ik", a, a), a)
    assert_gradients(lambda a: mg.einsum("ij,jk,kl->il", a, a, a), a, order=3)
    np.testing.assert_allclose(
        mg.einsum(" i j, jk -> k i ", a[::-1, ::-1], np.asfortranarray(a)).numpy(), (a[::-1, ::-1] @ a).T
    )


def test_einsum_keeps_float32_beside_integers_and_numbers():
    x = mg.Tensor(np.ones((2, 3), "float32"), requires_grad=True)
    for y in (mg.einsum("ij,jk->ik", x, np.ones((3, 2), int)), mg.einsum("ij,->i", x, 2.0), mg.einsum("ij,j->i", x, [1, 2, 3])):
        assert y.dtype == mg.grad(y.sum(), x)[0].dtype == np.float32


def test_the_gradient_of_a_float16_bias_is_summed_in_float32():
    g = np.array([[60000.0, 1.0], [60000.0, 1.0], [-60000.0, 1.0], [-50000.0, 1.0]], "float16")
    bias = mg.Tensor(np.zeros(2, "float16"), requires_grad=True)
    x, weight = mg.Tensor(np.zeros((4, 3), "float16")), mg.Tensor(np.zeros((3, 2), "float16"))
    (found,) = mg.grad(linear.affine(x, weight, bias), bias, gradient=g)
    assert found.dtype == "float16"
    np.testing.assert_array_equal(found.numpy(), g.astype("float32").sum(0).astype("float16"))
    ones = mg.Tensor(np.zeros((8192, 3), "float16"))
    assert mg.grad(linear.affine(ones, weight, bias).sum(), bias)[0].numpy().tolist() == [8192, 8192]
