"""What is special to single layers: seeds, Dropout, Embedding, MinibatchDiscrimination, batch norm's running statistics."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from tests.helpers.programs import python

ONES = Tensor(np.ones((100, 100), np.float32))


def numbers(*shape, seed=0):
    return 2 * np.random.default_rng(seed).standard_normal(shape) + 1


def test_initial_values_do_not_depend_on_the_hash_seed():
    code = (
        "import minigan as mg; from minigan.nn import *; mg.seed(3); "
        "print([v.tobytes().hex() for v in Sequential(Dense(2, 3), Dense(3, 2)).state_dict().values()])"
    )
    one, other = (python("-c", code, PYTHONHASHSEED=n).stdout for n in "12")
    assert one == other != ""


@pytest.mark.parametrize("layer", [nn.Sequential(nn.Dropout(0.9)).eval(), nn.Dropout(0)])
def test_dropout_in_eval_or_with_probability_0_changes_nothing(layer):
    np.testing.assert_array_equal(layer(ONES).numpy(), ONES.numpy())


@pytest.mark.parametrize(("options", "p"), [((0.1,), 0.1), ((), 0.5)])
def test_in_training_the_share_p_becomes_0_the_mean_stays_and_each_call_draws_anew(options, p):
    layer, drawn = nn.Dropout(*options), []
    for _ in range(2):
        mg.seed(1)
        drawn.append([layer(ONES * 3).numpy(), layer(ONES * 3).numpy()])
    np.testing.assert_array_equal(*drawn)
    assert not np.array_equal(*drawn[0])
    y = drawn[0][0]
    assert np.mean(y == 0) == pytest.approx(p, abs=0.02)
    np.testing.assert_allclose(y[y != 0], 3 / (1 - p), rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_the_sum_of_minibatch_discrimination_counts_the_sample_itself_as_in_the_paper(n):
    """Of a heap of n samples all have o = n; of n that are far from each other, 1: their own."""
    layer = nn.MinibatchDiscrimination(3, 2, 4)
    alike, apart = np.ones((n, 3)), 1e4 * np.arange(n)[:, None] * np.ones((n, 3))
    np.testing.assert_allclose(layer(Tensor(alike)).numpy()[:, 3:], n)
    np.testing.assert_allclose(layer(Tensor(apart)).numpy()[:, 3:], 1)


# --- batch norm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (5, 3)), (nn.BatchNorm1d, (1, 3, 2)), (nn.BatchNorm2d, (2, 3, 2, 4))], ids=str
)
@pytest.mark.parametrize(("options", "m"), [({}, 0.1), ({"momentum": 0.3}, 0.3), ({"momentum": 1}, 1)])
def test_the_running_statistics_follow_the_minibatches_with_the_unbiased_variance(kind, shape, options, m):
    layer, mean, var = kind(3, **options), np.zeros(3), np.ones(3)
    np.testing.assert_array_equal([layer.running_mean, layer.running_var], [mean, var])
    for seed in range(3):
        x = numbers(*shape, seed=seed)
        layer(Tensor(x))
        rows = np.moveaxis(x, 1, -1).reshape(-1, 3)
        mean, var = (1 - m) * mean + m * rows.mean(0), (1 - m) * var + m * rows.var(0, ddof=1)
        np.testing.assert_allclose([layer.running_mean, layer.running_var], [mean, var], rtol=1e-5)
    layer.eval()(Tensor(numbers(*shape)))
    np.testing.assert_allclose([layer.running_mean, layer.running_var], [mean, var], rtol=1e-5)
    assert {layer.running_mean.dtype, layer.running_var.dtype} == {np.dtype("float32")}


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (1, 3)), (nn.BatchNorm1d, (1, 3, 1)), (nn.BatchNorm2d, (1, 3, 1, 1))]
)
def test_one_value_a_channel_is_refused_in_training_and_fine_in_eval(kind, shape):
    layer, x = kind(3), Tensor(numbers(*shape))
    with pytest.raises(ValueError, match=r"a minibatch of shape .* has fewer than two values a channel; use more, or eval\(\)"):
        layer(x)
    np.testing.assert_array_equal(layer.running_mean, np.zeros(3))
    assert layer.eval()(x).shape == shape


def test_a_training_pass_does_not_disturb_an_earlier_eval_passs_gradient():
    layer, x = nn.BatchNorm1d(3).eval(), Tensor(numbers(4, 3), requires_grad=True)
    y = (layer(x) ** 2).sum()
    expected = [g.numpy() for g in mg.grad(y, [x, layer.weight])]
    layer.train()(Tensor(numbers(4, 3, seed=1)))
    for g, e in zip(mg.grad(y, [x, layer.weight]), expected, strict=True):
        np.testing.assert_array_equal(g.numpy(), e)


@pytest.mark.parametrize("shape", [(20, 3), (20, 3, 4, 4)])
@pytest.mark.parametrize("mode", [True, False])
def test_with_a_reference_batch_the_rest_of_the_minibatch_changes_nothing_unlike_with_batch_norm(shape, mode):
    """Not even a last bit; and the reference counts: a different reference gives different outputs."""
    x, others = numbers(*shape), numbers(*shape, seed=1)
    one, other = Tensor(x), Tensor(np.concatenate([x[:9], others[9:]]))
    networks = [nn.WithReference(nn.VirtualBatchNorm(3, 20), numbers(*shape, seed=seed)).train(mode) for seed in (2, 3)]
    np.testing.assert_array_equal(networks[0](one).numpy()[:9], networks[0](other).numpy()[:9])
    assert np.abs(networks[0](one).numpy() - networks[1](one).numpy()).max() > 0.01
    norm = nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3)
    assert np.abs(norm(one).numpy()[:9] - norm(other).numpy()[:9]).max() > 0.01


# --- spectral norm ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3])
def test_each_training_pass_of_a_spectral_norm_is_algorithm_1_and_keeps_its_own_u_and_v_for_the_backward_pass(n):
    """The gradient is that of W / (u^T W v) for constant u and v (Miyato et al. 2018, equation 12), in two passes."""
    dense, x, bias = nn.Dense(4, 3), numbers(5, 4), Tensor(np.ones(3), requires_grad=True)
    norm = nn.SpectralNorm(dense, n, np.random.default_rng(7))
    dense.weight.data, dense.bias = dense.weight.data.astype("f8"), bias * 2.0  # a bias that an op has made keeps its history
    W, u, expected, loss = dense.weight.numpy().T, np.random.default_rng(7).standard_normal(3, "f4"), 0, 0
    for c in (0, 1, -2):  # 0: when it was made
        for _ in range(n):
            v = W.T @ u / np.linalg.norm(W.T @ u)
            u = W @ v / np.linalg.norm(W @ v)
        sigma, g = u @ W @ v, c * np.ones((3, 5)) @ x
        expected += (g - np.sum(g * W / sigma) * np.outer(u, v)) / sigma
        loss = loss + c * norm(Tensor(x)).sum() if c else loss
        np.testing.assert_allclose([*norm.u, *norm.v], [*u, *v], atol=1e-6)
    norm.eval()(Tensor(x))
    np.testing.assert_allclose(norm.u, u, atol=1e-6)
    of_weight, of_bias = mg.grad(loss, [dense.weight, bias])
    np.testing.assert_allclose(of_weight.numpy().T, expected, rtol=1e-5)
    np.testing.assert_array_equal(of_bias.numpy(), (1 - 2) * 5 * 2)
    assert {norm.u.dtype, norm.v.dtype} == {np.dtype("float32")}
