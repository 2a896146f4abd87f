"""Every public op has a gradient check: an op added without one fails here."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import ops
from tests.helpers.leaves import dtypes_of_new_tensors
from tests.ops.gradient_cases import CASES, GRADCHECKED

CONSTANT = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "one_hot"}  # no gradient flows
SCALES = [1.0, 1e-100, 1e-30, 1e-8, 1e8, 1e30, 1e100]
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]


def test_every_public_op_stands_in_the_table_of_gradient_checks():
    assert set(GRADCHECKED) == set(ops.__all__) - CONSTANT


def test_every_op_of_the_table_is_a_top_level_name():
    assert [name for name in ops.__all__ if getattr(mg, name) is not getattr(ops, name)] == []


def scaled(fn, size, change=lambda y: y):
    """size fn(*inputs), changed, where fn may have several outputs."""

    def function(*inputs):
        y = fn(*inputs)
        return tuple([change(part * size) for part in y]) if isinstance(y, tuple) else change(y * size)

    return function


@pytest.mark.parametrize(("case", "size"), [(i, SCALES[i % len(SCALES)]) for i in range(len(CASES))], ids=IDS)
def test_gradient_and_its_gradient_are_right(case, size):
    _, fn, inputs = CASES[case]
    assert mg.gradcheck(scaled(fn, size), *inputs(), order=2)


@pytest.mark.parametrize(
    "name",
    ["divide", "matmul", "norm", "power", "prod", "sigmoid", "softmax", "tanh", "var", "log", "elu", "einsum", "conv2d"],
)
def test_third_derivative_is_right(name):
    fn, inputs = GRADCHECKED[name][0]
    assert mg.gradcheck(fn, *[x[..., :2] for x in inputs()] if name == "prod" else inputs(), order=3)


@pytest.mark.parametrize(("name", "fn", "inputs"), CASES, ids=IDS)
def test_narrow_floats_come_out_as_they_went_in(name, fn, inputs):
    for dtype in ("float16", "float32"):
        leaves = [mg.Tensor(x.astype(dtype), requires_grad=True) for x in inputs()]
        y = fn(*leaves)
        for part in y if isinstance(y, tuple) else [y]:
            assert part.dtype == dtype
            seed = mg.Tensor(part.numpy() * 0 + 1)
            first = mg.grad(part, leaves, gradient=seed, create_graph=True)
            assert {g.dtype.name for g in first} == {dtype}
            second = mg.grad(mg.add(first[0].sum(), 0.0), leaves)
            assert {g.dtype.name for g in second} == {dtype}


@pytest.mark.parametrize(("name", "fn", "inputs"), CASES, ids=IDS)
def test_no_float64_array_arises_behind_a_float32_op(name, fn, inputs):
    leaves = [mg.Tensor(x.astype("float32"), requires_grad=True) for x in inputs()]
    with dtypes_of_new_tensors() as seen:
        y = fn(*leaves)
        for part in y if isinstance(y, tuple) else [y]:
            mg.grad(part.sum(), leaves)
    assert seen
    assert np.float64 not in seen


@pytest.mark.parametrize(("name", "fn", "inputs"), CASES, ids=IDS)
def test_gradients_that_backward_leaves_have_memory_of_their_own(name, fn, inputs):
    leaves = [mg.Tensor(np.array(x, dtype="float64"), requires_grad=True) for x in inputs()]
    y = fn(*leaves)
    for part in y if isinstance(y, tuple) else [y]:
        seed = np.ones(part.shape)
        part.backward(seed)
        grads = [x.grad.data for x in leaves if x.grad is not None]
        assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(grads, 2))
        assert not any(np.shares_memory(g, other) for g in grads for other in [seed, part.data, *[x.data for x in leaves]])
        for g in grads:
            g[...] = 0.0  # writable
        assert (seed == 1).all()
