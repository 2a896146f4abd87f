import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn

RNG = np.random.default_rng(0)


def numbers(*shape):
    return 2 * RNG.standard_normal(shape) + 1


def channels_last(x):
    """(N, C, ...) as rows of C numbers."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


# --- batch norm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (5, 3)), (nn.BatchNorm1d, (1, 3, 2)), (nn.BatchNorm2d, (2, 3, 2, 4))], ids=str
)
def test_the_running_statistics_follow_the_minibatches_with_the_unbiased_variance(kind, shape):
    layer = kind(3, momentum=0.3)
    mean, var = np.zeros(3), np.ones(3)
    np.testing.assert_array_equal([layer.running_mean, layer.running_var], [mean, var])
    for _ in range(3):
        x = numbers(*shape)
        layer(Tensor(x))
        mean = 0.7 * mean + 0.3 * channels_last(x).mean(0)
        var = 0.7 * var + 0.3 * channels_last(x).var(0, ddof=1)
        np.testing.assert_allclose([layer.running_mean, layer.running_var], [mean, var], rtol=1e-5)
    layer.eval()(Tensor(numbers(*shape)))
    np.testing.assert_allclose([layer.running_mean, layer.running_var], [mean, var], rtol=1e-5)
    assert {layer.running_mean.dtype, layer.running_var.dtype} == {np.dtype("float32")}


def test_the_momentum_is_one_tenth_unless_chosen_and_0_and_1_are_allowed():
    x = numbers(6, 2)
    for options, share in (({}, 0.1), ({"momentum": 0}, 0), ({"momentum": 1}, 1)):
        layer = nn.BatchNorm1d(2, **options)
        layer(Tensor(x))
        np.testing.assert_allclose(layer.running_mean, share * x.mean(0), rtol=1e-5)
        np.testing.assert_allclose(layer.running_var, 1 - share + share * x.var(0, ddof=1), rtol=1e-5)


def test_in_eval_a_sample_does_not_depend_on_its_neighbours():
    layer, x = nn.BatchNorm1d(2), numbers(6, 2)
    layer(Tensor(x))
    together = layer.eval()(Tensor(x)).numpy()
    np.testing.assert_allclose(layer(Tensor(x[2:3])).numpy(), together[2:3])


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (1, 3)), (nn.BatchNorm1d, (1, 3, 1)), (nn.BatchNorm2d, (1, 3, 1, 1))]
)
def test_one_value_a_channel_is_refused_in_training_and_fine_in_eval(kind, shape):
    layer, x = kind(3), Tensor(numbers(*shape))
    with pytest.raises(ValueError, match=r"a minibatch of shape .* has fewer than two values a channel; use more, or eval\(\)"):
        layer(x)
    np.testing.assert_array_equal(layer.running_mean, np.zeros(3))
    assert layer.eval()(x).shape == shape


def test_state_dict_holds_the_running_statistics_and_loading_restores_them():
    a, b = nn.Sequential(nn.BatchNorm1d(3)), nn.Sequential(nn.BatchNorm1d(3))
    a(Tensor(numbers(5, 3)))
    state = a.state_dict()
    assert set(state) == {f"layers.0.{name}" for name in ("weight", "bias", "running_mean", "running_var")}
    before = state["layers.0.running_mean"].copy()
    b.load_state_dict(state)
    x = Tensor(numbers(4, 3))
    np.testing.assert_array_equal(a.eval()(x).numpy(), b.eval()(x).numpy())
    b.train()(x)
    np.testing.assert_array_equal(state["layers.0.running_mean"], before)


def test_a_training_pass_does_not_disturb_an_earlier_eval_passs_gradient():
    layer, x = nn.BatchNorm1d(3).eval(), Tensor(numbers(4, 3), requires_grad=True)
    expected = [g.numpy() for g in mg.grad((layer(x) ** 2).sum(), [x, layer.weight])]
    y = (layer(x) ** 2).sum()
    layer.train()(Tensor(numbers(4, 3)))
    for g, e in zip(mg.grad(y, [x, layer.weight]), expected, strict=True):
        np.testing.assert_array_equal(g.numpy(), e)
