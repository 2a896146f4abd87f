import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 8))  # B = 2 kernels of C = 4 numbers


def layer(weight=T):
    made = nn.MinibatchDiscrimination(3, 2, 4)
    made.weight.data = weight
    return made


def formula(x, T, B, C):
    """Salimans et al. 2016, section 3.2, number by number; T (A, B, C)."""
    M = np.einsum("na,abc->nbc", x, T.reshape(-1, B, C))
    o = np.zeros((len(x), B))
    for i in range(len(x)):
        for b in range(B):
            o[i, b] = sum(np.exp(-np.sum(np.abs(M[i, b] - M[j, b]))) for j in range(len(x)))
    return o


def test_the_features_stay_and_the_nearness_to_the_others_is_appended():
    y = layer()(Tensor(X)).numpy()
    assert y.shape == (5, 5)
    np.testing.assert_array_equal(y[:, :3], X)
    np.testing.assert_allclose(y[:, 3:], formula(X, T, 2, 4), rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_the_sum_counts_the_sample_itself_as_in_the_paper(n):
    """Of a heap of n samples all have o = n; of n that are far from each other, 1: their own."""
    alike, apart = np.tile(X[:1], (n, 1)), 1e3 * np.arange(n)[:, None] * np.ones((n, 3))
    np.testing.assert_allclose(layer()(Tensor(alike)).numpy()[:, 3:], n)
    np.testing.assert_allclose(layer()(Tensor(apart)).numpy()[:, 3:], 1)


def test_distances_are_within_a_kernel_and_each_kernel_has_its_own():
    """Two samples that differ in the second kernel's numbers alone are as near as can be in the first's."""
    made = nn.MinibatchDiscrimination(2, 2, 1)
    made.weight.data = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = made(Tensor(np.array([[0.0, 0.0], [0.0, 3.0]]))).numpy()
    np.testing.assert_allclose(y[:, 2], 2)
    np.testing.assert_allclose(y[:, 3], 1 + np.exp(-3))


def test_first_and_second_derivatives_of_features_and_weight_are_right():
    made = layer()

    def fn(x, weight):
        made.weight = weight
        return made(x)

    assert_gradients(fn, X, T)


def test_what_makes_the_samples_less_alike_pulls_a_heap_apart():
    x = Tensor(np.concatenate([X[:1] + 1e-3 * X]), requires_grad=True)
    (g,) = mg.grad(layer()(x)[:, 3:].sum(), x)
    moved = x.numpy() - 1e-3 * g.numpy()
    assert np.ptp(moved, axis=0).sum() > np.ptp(x.numpy(), axis=0).sum()


def test_a_sample_is_judged_by_its_own_minibatch():
    """Another minibatch, real samples beside fake ones, does not change what is appended: they go through apart."""
    first = layer()(Tensor(X)).numpy()
    layer()(Tensor(X + 1))
    np.testing.assert_array_equal(layer()(Tensor(X)).numpy(), first)
    assert not np.allclose(layer()(Tensor(np.concatenate([X, X + 1]))).numpy()[:5], first)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays_also_of_the_gradients(dtype):
    x = Tensor(X.astype(dtype), requires_grad=True)
    made = layer(T.astype(dtype))
    y = made(x)
    (g, g_weight) = mg.grad(y.sum(), [x, made.weight])
    assert {y.dtype, g.dtype, g_weight.dtype} == {np.dtype(dtype)}


def test_the_weight_starts_as_that_of_a_dense_layer_from_the_generator_that_is_given():
    made = nn.MinibatchDiscrimination(9, 4, 5, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(made.weight.numpy(), nn.Dense(9, 20, bias=False, rng=np.random.default_rng(3)).weight.numpy())
    assert np.abs(made.weight.numpy()).max() <= 1 / 3
    assert nn.MinibatchDiscrimination(2, 1, 1, nn.init.ones).weight.numpy().tolist() == [[1], [1]]


@pytest.mark.parametrize("shape", [(3,), (5, 2), (5, 3, 1)])
def test_inputs_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"MinibatchDiscrimination\(3, 2, 4\): the input has shape .*; expected \(N, 3\)"):
        layer()(Tensor(np.ones(shape)))


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, -2), (1, 1.5, 1)])
def test_sizes_below_1_are_refused(sizes):
    with pytest.raises(ValueError, match="MinibatchDiscrimination: sizes must be whole numbers of at least 1, got"):
        nn.MinibatchDiscrimination(*sizes)
