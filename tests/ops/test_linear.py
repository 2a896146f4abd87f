"""Matrix products: every pair of ranks, broadcasting stacks, empty sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigan as mg
from minigan.ops import linear
from minigan.ops.linear import affine
from minigan.testing import arrays, assert_gradients


@given(st.data())
def test_value_and_gradients_over_all_ranks(data):
    group = data.draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=2))
    a, b = (data.draw(arrays(shape)) for shape in group.input_shapes)
    y = mg.matmul(a, b)
    assert y.shape == (a @ b).shape
    np.testing.assert_allclose(y.numpy(), a @ b, atol=1e-12)
    assert_gradients(mg.matmul, a, b)


PAIRS = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3,)),
    ((2, 3), (4, 3, 1)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((0,), (0,)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 2)),
    ((0, 2, 3), (3, 2)),
]


@pytest.mark.parametrize(("shape_a", "shape_b"), PAIRS)
def test_value_and_gradients(shape_a, shape_b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(shape_a), rng.standard_normal(shape_b)
    np.testing.assert_allclose((mg.Tensor(a) @ b).numpy(), a @ b)
    assert_gradients(mg.matmul, a, b)


def test_a_matrix_times_itself():
    assert_gradients(lambda a: a @ a, np.array([[1.0, 2.0], [3.0, -1.0]]))


@pytest.mark.parametrize(
    ("shape_a", "shape_b"), [((2, 3), (2, 3)), ((3,), (2,)), ((), (3,)), ((3,), ()), ((2, 3), (4, 2, 3)), ((0,), (1,))]
)
def test_shapes_that_do_not_fit_are_named(shape_a, shape_b):
    with pytest.raises(ValueError, match=r"matmul: shapes .* do not fit") as caught:
        mg.matmul(np.ones(shape_a), np.ones(shape_b))
    assert f"{shape_a} and {shape_b}" in str(caught.value)


def test_stacks_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"matmul: shapes \(2,\) and \(3,\) do not broadcast"):
        mg.matmul(np.ones((2, 1, 1)), np.ones((3, 1, 1)))


@pytest.mark.parametrize(
    "b", [np.ones((3, 2), int), np.ones((3, 2), bool), [[1, 2], [3, 4], [5, 6]]], ids=["int", "bool", "list"]
)
def test_float32_survives_integers_masks_and_lists(b):
    x = mg.Tensor(np.ones((2, 3), "float32"), requires_grad=True)
    y = x @ b
    assert y.dtype == mg.grad(y.sum(), x)[0].dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), x.numpy() @ np.asarray(b))


# --- products of transposes, and sums inside the op ---------------------------------------------------------------------

FLIPS = list(itertools.product([False, True], repeat=2))


def product(flip_a, flip_b):
    def turned(x, flip):
        return mg.moveaxis(x, -1, -2) if flip else x

    return lambda a, b: turned(a, flip_a) @ turned(b, flip_b)


def flipped(a, flip):
    return a.swapaxes(-1, -2) if flip else a


@pytest.mark.parametrize(("flip_a", "flip_b"), FLIPS)
@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [
        ((2, 3), (3, 4)),
        ((2, 2, 3), (2, 3, 1)),
        ((2, 1, 2, 3), (3, 3, 2)),
        ((2, 3), (2, 3, 2)),
        ((0, 2), (2, 3)),
        ((2, 0), (0, 3)),
    ],
)
def test_a_product_of_transposes_is_differentiable_twice(shape_a, shape_b, flip_a, flip_b):
    rng = np.random.default_rng(0)
    a, b = flipped(rng.standard_normal(shape_a), flip_a), flipped(rng.standard_normal(shape_b), flip_b)
    np.testing.assert_allclose(
        product(flip_a, flip_b)(mg.Tensor(a), mg.Tensor(b)).numpy(), flipped(a, flip_a) @ flipped(b, flip_b)
    )
    assert_gradients(product(flip_a, flip_b), a, b)


@pytest.mark.parametrize(("flip_a", "flip_b"), FLIPS)
def test_the_third_derivative_of_a_product_of_transposes_is_right(flip_a, flip_b):
    rng = np.random.default_rng(0)
    a, b = flipped(rng.standard_normal((1, 2)), flip_a), flipped(rng.standard_normal((2, 2, 1)), flip_b)
    assert mg.gradcheck(lambda a, b: product(flip_a, flip_b)(a, b) ** 2, a, b, order=3)


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


def test_the_slopes_of_affine_are_exact():
    rng = np.random.default_rng(0)
    shapes = (2, 3), (3, 2), (2,)
    assert mg.gradcheck(affine, *[rng.standard_normal(s) for s in shapes], order=1, rtol=1e-9)


@pytest.mark.parametrize("dtypes", list(itertools.product(["float32", "float64"], repeat=3)), ids="-".join)
def test_of_an_affine_map_the_widest_dtype_wins_and_gradients_keep_their_own(dtypes):
    shapes = (2, 3), (3, 2), (2,)
    leaves = [mg.Tensor(np.ones(s, d), requires_grad=True) for s, d in zip(shapes, dtypes, strict=True)]
    y = affine(*leaves)
    assert y.dtype == max(map(np.dtype, dtypes))
    assert [g.dtype for g in mg.grad(y.sum(), leaves)] == [*dtypes]


# --- einsum -------------------------------------------------------------------------------------------------------------

SIZES = {"a": 2, "b": 3, "c": 1, "i": 2, "j": 3, "k": 2, "l": 1, "z": 0, "B": 2}
SUBSCRIPTS = [
    "ij,jk->ik",  # products
    "Bij,Bjk->Bik",
    "ij,kj->ik",
    "ij,ij->ij",
    "i,i->",
    "i,j->ij",
    "i,j->ji",
    "ij,k->kij",
    ",ij->ij",
    "->",
    "ij->ji",  # one operand
    "ij->",
    "ij->j",
    "kji->kij",
    "i->i",
    "ii->i",  # diagonals and traces
    "ii->",
    "iji->j",
    "iij->ji",
    "iii->i",
    "iikk->ki",
    "ii,i->i",
    "iij,jj->i",
    "ij,jk,kl->il",  # three operands
    "i,j,k->kji",
    "ij,i,j->",
    "ij,jk,k->",
    "ii,j,ji->j",
    "ij,k->i",  # letters that one operand alone sums
    "ijk,l->l",
    "iji,k->k",
    "ij,jk",  # implicit outputs
    "ji",
    "ii",
    "ij,ij",
    "ba,i",
    "iBa,aB",
    "iz,zj->ij",  # sizes of 0
    "zi->z",
    "zz->",
]


def operands(subscripts):
    rng = np.random.default_rng(0)
    terms = subscripts.replace(" ", "").split("->")[0].split(",")
    return [rng.standard_normal([SIZES[letter] for letter in term]) for term in terms]


@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
def test_einsum_is_numpys_and_differentiable_twice(subscripts):
    xs = operands(subscripts)
    y, expected = mg.einsum(subscripts, *xs), np.asarray(np.einsum(subscripts, *xs))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    assert_gradients(lambda *xs: mg.einsum(subscripts, *xs), *xs)


@given(st.data())
def test_einsum_of_drawn_subscripts_is_numpys(data):
    terms = data.draw(st.lists(st.text("aijk", max_size=3), min_size=1, max_size=3))
    letters = sorted(set("".join(terms)))
    out = data.draw(st.none() | st.permutations(letters).flatmap(lambda p: st.integers(0, len(p)).map(lambda n: p[:n])))
    subscripts = ",".join(terms) + ("" if out is None else "->" + "".join(out))
    xs = operands(subscripts)
    y, expected = mg.einsum(subscripts, *xs), np.asarray(np.einsum(subscripts, *xs))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    assert mg.gradcheck(lambda *xs: mg.einsum(subscripts, *xs), *xs, order=1)


def test_einsum_ignores_spaces():
    a, b = operands("ij,jk")
    np.testing.assert_allclose(mg.einsum(" i j, jk -> k i ", a, b).numpy(), (a @ b).T)


def test_einsum_of_an_operand_with_itself():
    a = np.array([[1.0, 2.0], [3.0, -1.0]])
    assert_gradients(lambda a: mg.einsum("ij,jk->ik", a, a), a)
    assert_gradients(lambda a: mg.einsum("ij,jk,kl->il", a, a, a), a, order=3)


def test_einsum_of_strided_and_reversed_operands():
    a, b = np.random.default_rng(0).standard_normal((4, 6))[::-2, ::2], np.asfortranarray(np.ones((3, 2)))
    np.testing.assert_allclose(mg.einsum("ij,jk->ik", a, b).numpy(), a @ b)


def test_einsum_keeps_float32_beside_integers_and_numbers():
    x = mg.Tensor(np.ones((2, 3), "float32"), requires_grad=True)
    for y in (mg.einsum("ij,jk->ik", x, np.ones((3, 2), int)), mg.einsum("ij,->i", x, 2.0), mg.einsum("ij,j->i", x, [1, 2, 3])):
        assert y.dtype == mg.grad(y.sum(), x)[0].dtype == np.float32


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (2, 3)]),
        ("ij->ji", [(2,)]),
        ("i->i", [(2, 3)]),
        ("ii->i", [(2, 3)]),
        ("i,i->i", [(1,), (3,)]),
        ("i,->i", [(2,), (1,)]),
    ],
)
def test_einsum_names_subscripts_and_shapes_that_do_not_fit(subscripts, shapes):
    with pytest.raises(ValueError, match=r"einsum: .* does not fit the shapes") as caught:
        mg.einsum(subscripts, *map(np.ones, shapes))
    assert f"{subscripts!r} does not fit the shapes {shapes}" in str(caught.value)


@pytest.mark.parametrize("subscripts", ["i", "i,j,k->", "...i,i->...", "i1,i->", "i,j->i->j", "i-j,j", ",,", "i,j>i", "é,é->"])
def test_einsum_names_subscripts_that_it_cannot_read(subscripts):
    with pytest.raises(ValueError, match=r"einsum: .* names \d operands by letters \(no ellipses\); 2 were given") as caught:
        mg.einsum(subscripts, np.ones(2), np.ones(2))
    assert repr(subscripts) in str(caught.value)


@pytest.mark.parametrize("subscripts", ["ij->ii", "ij->k", "ij->ijk"])
def test_einsum_refuses_output_letters_that_repeat_or_come_from_nowhere(subscripts):
    with pytest.raises(ValueError, match=rf"einsum: in '{subscripts}' an output letter occurs twice or in no operand"):
        mg.einsum(subscripts, np.ones((2, 2)))


def test_einsum_wants_the_subscripts_first():
    with pytest.raises(TypeError, match="einsum: the first argument is a ndarray; expected subscripts such as 'ij,jk->ik'"):
        mg.einsum(np.ones((2, 2)), "ij->ji")


def test_the_gradient_of_a_float16_bias_is_summed_in_float32():
    g = np.array([[60000.0, 1.0], [60000.0, 1.0], [-60000.0, 1.0], [-50000.0, 1.0]], "float16")
    bias = mg.Tensor(np.zeros(2, "float16"), requires_grad=True)
    x, weight = mg.Tensor(np.zeros((4, 3), "float16")), mg.Tensor(np.zeros((3, 2), "float16"))
    (found,) = mg.grad(linear.affine(x, weight, bias), bias, gradient=g)
    assert found.dtype == "float16"
    np.testing.assert_array_equal(found.numpy(), g.astype("float32").sum(0).astype("float16"))
    ones = mg.Tensor(np.zeros((8192, 3), "float16"))
    assert mg.grad(linear.affine(ones, weight, bias).sum(), bias)[0].numpy().tolist() == [8192, 8192]
