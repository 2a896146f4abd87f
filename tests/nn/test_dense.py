import os
import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor
from minigan.nn import Dense, init
from minigan.testing import assert_gradients


def dense_of(weight, bias):
    """Dense as a function of its parameters too."""
    layer = Dense(*weight.shape)
    layer.weight, layer.bias = weight, bias
    return layer


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_dense_is_x_w_plus_b_on_the_last_axis(shape):
    layer, x = Dense(3, 2), np.random.default_rng(0).standard_normal(shape).astype("float32")
    y = layer(Tensor(x))
    assert y.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(y.numpy(), np.einsum("...i,ij->...j", x, layer.weight.numpy()) + layer.bias.numpy(), rtol=1e-5)


def test_dense_without_bias():
    layer = Dense(3, 2, bias=False)
    assert layer.bias is None
    assert len(layer.parameters()) == 1
    assert not layer(Tensor(np.zeros((4, 3), np.float32))).numpy().any()


def test_dense_gradients_of_input_weight_and_bias():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)
    assert_gradients(lambda x, w, b: mg.tanh(dense_of(w, b)(x)), x, w, b)


@pytest.mark.parametrize("shape", [(4, 2), (3, 4), (), (4, 1)])
def test_dense_refuses_an_input_of_another_width(shape):
    with pytest.raises(ValueError, match=r"Dense\(3, 2\): the input has shape .*; expected \(\.\.\., 3\)"):
        Dense(3, 2)(Tensor(np.zeros(shape, np.float32)))


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 2)])
def test_dense_refuses_sizes_below_1(sizes):
    with pytest.raises(ValueError, match="sizes must be whole numbers of at least 1"):
        Dense(*sizes)


def test_parameters_are_trainable_float32_and_named():
    layer = Dense(3, 2)
    assert [(p.name, p.dtype, p.requires_grad) for p in layer.parameters()] == [
        ("weight", np.float32, True),
        ("bias", np.float32, True),
    ]
    assert (layer.weight.shape, layer.bias.shape) == ((3, 2), (2,))


def test_by_default_weight_and_bias_fill_the_interval_of_the_fan_in():
    layer = Dense(25, 4000)
    for p in layer.parameters():
        assert np.abs(p.data).max() <= 0.2
        assert np.abs(p.data).max() > 0.199
        assert np.std(p.data) == pytest.approx(0.2 / 3**0.5, rel=0.03)


def test_initial_values_come_from_the_generator_that_is_given():
    state = mg.random_numbers.generator_state(mg.random_numbers.generator())
    a, b, c = (Dense(3, 2, rng=np.random.default_rng(n)).weight.data for n in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert mg.random_numbers.generator_state(mg.random_numbers.generator()) == state


def test_two_layers_differ():
    assert not np.array_equal(Dense(3, 2).weight.data, Dense(3, 2).weight.data)


def test_the_weight_initialiser_can_be_chosen():
    assert (Dense(3, 2, weight_init=init.ones).weight.data == 1).all()


def test_initial_values_do_not_depend_on_the_hash_seed():
    code = (
        "import minigan as mg; from minigan.nn import *; mg.seed(3); "
        "print([v.tobytes().hex() for v in Sequential(Dense(2, 3), Dense(3, 2)).state_dict().values()])"
    )
    printed = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": n}, capture_output=True, text=True)
        for n in ("1", "2")
    ]
    assert printed[0].stdout == printed[1].stdout != ""


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (1, 3), (2, 4, 3), (2, 1, 2, 3), (0, 3), (0, 4, 3), (4, 0, 3)])
def test_dense_of_any_rank_is_differentiable_twice(shape, bias):
    rng = np.random.default_rng(0)
    x, weight, b = rng.standard_normal(shape), rng.standard_normal((3, 2)), rng.standard_normal(2)

    def layer(x, weight, b):
        dense = Dense(3, 2, bias=bias)
        dense.weight = weight
        dense.bias = b if bias else None
        return dense(x)

    y = layer(*map(Tensor, (x, weight, b)))
    assert y.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(y.numpy(), x @ weight + b * bias, atol=1e-14)
    assert_gradients(layer, x, weight, b)


def test_a_dense_layer_with_a_bias_is_one_op():
    with mg.profile() as p:
        Dense(3, 2)(np.ones((4, 3), "float32"))
    assert {op: row.calls for (op, _), row in p.rows.items()} == {"affine": 1}
