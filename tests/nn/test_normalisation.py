import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients

RNG = np.random.default_rng(0)
INPUTS = [(nn.BatchNorm1d, (5, 3)), (nn.BatchNorm1d, (4, 3, 2)), (nn.BatchNorm1d, (1, 3, 2)), (nn.BatchNorm2d, (2, 3, 2, 4))]
IDS = [str(shape) for _, shape in INPUTS]


def numbers(*shape):
    return 2 * RNG.standard_normal(shape) + 1


def channels_last(x):
    """(N, C, ...) as rows of C numbers."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def normalised(x, mean, var, weight, bias, eps=1e-5):
    shape = (-1, *[1] * (x.ndim - 2))
    weight, bias, mean, var = (np.reshape(a, shape) for a in (weight, bias, mean, var))
    return weight * (x - mean) / np.sqrt(var + eps) + bias


def float64(layer):
    """The layer with random float64 parameters."""
    for p in layer.parameters():
        p.data = numbers(*p.shape)
    return layer


def as_function_of_its_parameters(layer):
    def fn(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    return fn


# --- batch norm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "shape"), INPUTS, ids=IDS)
def test_in_training_the_minibatch_is_normalised_with_its_biased_variance(kind, shape):
    layer, x = float64(kind(3)), numbers(*shape)
    rows = channels_last(x)
    expected = normalised(x, rows.mean(0), rows.var(0), layer.weight.numpy(), layer.bias.numpy())
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), expected, rtol=1e-10)


def test_at_first_every_channel_has_mean_0_and_variance_1():
    y = channels_last(nn.BatchNorm2d(3)(Tensor(numbers(8, 3, 4, 4))).numpy())
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(0), 1, rtol=1e-4)


@pytest.mark.parametrize(("kind", "shape"), INPUTS, ids=IDS)
def test_the_running_statistics_follow_the_minibatches_with_the_unbiased_variance(kind, shape):
    layer = kind(3, momentum=0.3)
    mean, var = np.zeros(3), np.ones(3)
    np.testing.assert_array_equal(layer.running_mean, mean)
    np.testing.assert_array_equal(layer.running_var, var)
    for _ in range(3):
        x = numbers(*shape)
        layer(Tensor(x))
        mean = 0.7 * mean + 0.3 * channels_last(x).mean(0)
        var = 0.7 * var + 0.3 * channels_last(x).var(0, ddof=1)
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)
        np.testing.assert_allclose(layer.running_var, var, rtol=1e-5)


def test_the_momentum_is_one_tenth_unless_chosen_and_0_and_1_are_allowed():
    x = numbers(6, 2)
    for options, share in (({}, 0.1), ({"momentum": 0}, 0), ({"momentum": 1}, 1)):
        layer = nn.BatchNorm1d(2, **options)
        layer(Tensor(x))
        np.testing.assert_allclose(layer.running_mean, share * x.mean(0), rtol=1e-5)
        np.testing.assert_allclose(layer.running_var, 1 - share + share * x.var(0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize(("kind", "shape"), INPUTS, ids=IDS)
def test_in_eval_the_running_statistics_normalise_and_stay(kind, shape):
    layer = float64(kind(3, eps=0.1)).eval()
    layer.running_mean[:], layer.running_var[:] = [1, 2, 3], [0.5, 1, 2]
    x = numbers(*shape)
    expected = normalised(x, [1, 2, 3], [0.5, 1, 2], layer.weight.numpy(), layer.bias.numpy(), eps=0.1)
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(layer.running_mean, [1, 2, 3])
    np.testing.assert_array_equal(layer.running_var, [0.5, 1, 2])


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


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (nn.BatchNorm1d, (3,)),
        (nn.BatchNorm1d, (5, 4)),
        (nn.BatchNorm1d, (5, 3, 2, 2)),
        (nn.BatchNorm2d, (5, 3)),
        (nn.BatchNorm2d, (5, 3, 2)),
        (nn.BatchNorm2d, (5, 2, 3, 3)),
    ],
)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_inputs_of_another_shape_are_refused(kind, shape, mode):
    layer = getattr(kind(3), mode)()
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(3, .*\): the input has shape .*; expected \(N, 3, \.\.\.\)"):
        layer(Tensor(numbers(*shape)))


@pytest.mark.parametrize("options", [(0,), (3, -0.1), (3, 1.1), (3, 0.1, 0), (3, 0.1, -1)])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"BatchNorm1d: (sizes must be|(momentum|eps) is .*; expected)"):
        nn.BatchNorm1d(*options)


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (3, 2)), (nn.BatchNorm1d, (2, 2, 2)), (nn.BatchNorm2d, (2, 1, 2, 2))]
)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_batch_norm_is_differentiable_twice_in_x_weight_and_bias(kind, shape, mode):
    layer = getattr(kind(shape[1]), mode)()
    layer.running_mean[:], layer.running_var[:] = 0.5, 2
    fn = as_function_of_its_parameters(layer)
    assert_gradients(fn, numbers(*shape), numbers(shape[1]), numbers(shape[1]))


def test_batch_norm_has_a_right_third_derivative():
    fn = as_function_of_its_parameters(nn.BatchNorm1d(1))
    assert mg.gradcheck(fn, np.array([[0.5], [-1.0], [2.0]]), np.array([1.5]), np.array([0.3]), order=3, rtol=1e-4)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_network_stays(dtype, mode):
    layer = getattr(nn.BatchNorm1d(3), mode)()
    for p in layer.parameters():
        p.data = p.data.astype(dtype)
    x = Tensor(numbers(4, 3).astype(dtype), requires_grad=True)
    y = layer(x)
    gradients = mg.grad((y * y).sum(), [x, *layer.parameters()])
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(dtype)}
    assert {layer.running_mean.dtype, layer.running_var.dtype} == {np.dtype("float32")}


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


def test_running_statistics_are_no_parameters():
    assert [name for name, _ in nn.BatchNorm2d(3).named_parameters()] == ["weight", "bias"]


def test_a_training_pass_does_not_disturb_an_earlier_eval_passs_gradient():
    layer, x = nn.BatchNorm1d(3).eval(), Tensor(numbers(4, 3), requires_grad=True)
    expected = [g.numpy() for g in mg.grad((layer(x) ** 2).sum(), [x, layer.weight])]
    y = (layer(x) ** 2).sum()
    layer.train()(Tensor(numbers(4, 3)))
    for g, e in zip(mg.grad(y, [x, layer.weight]), expected, strict=True):
        np.testing.assert_array_equal(g.numpy(), e)


def test_repr_of_batch_norm_shows_the_options():
    assert repr(nn.BatchNorm2d(3, 0.2)) == "BatchNorm2d(3, momentum=0.2, eps=1e-05)"


# --- layer norm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "sizes"), [((5, 3), 3), ((5, 3), (3,)), ((4, 2, 3), 3), ((4, 2, 3), (2, 3)), ((2, 3), (2, 3)), ((0, 3), 3)]
)
def test_layer_norm_normalises_the_last_axes_of_each_sample(shape, sizes):
    layer, x = float64(nn.LayerNorm(sizes)), numbers(*shape)
    axes = tuple(range(-layer.weight.ndim, 0))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    expected = (x - mean) / np.sqrt(var + 1e-5) * layer.weight.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), expected, rtol=1e-10)
    np.testing.assert_array_equal(layer.eval()(Tensor(x)).numpy(), layer.train()(Tensor(x)).numpy())


def test_layer_norm_adds_eps_to_the_variance():
    np.testing.assert_allclose(nn.LayerNorm(2, eps=3.0)(Tensor([[1.0, 3.0]])).numpy(), [[-0.5, 0.5]])


def test_layer_norm_is_differentiable_twice_in_x_weight_and_bias():
    fn = as_function_of_its_parameters(nn.LayerNorm(3))
    assert_gradients(fn, numbers(2, 3), numbers(3), numbers(3))
    assert_gradients(as_function_of_its_parameters(nn.LayerNorm((2, 2))), numbers(2, 2, 2), numbers(2, 2), numbers(2, 2))


@pytest.mark.parametrize(("shape", "sizes"), [((5, 4), 3), ((5, 1), 3), ((3,), (2, 3)), ((), 3), ((3, 2), (2, 3))])
def test_layer_norm_refuses_inputs_of_another_shape(shape, sizes):
    with pytest.raises(ValueError, match=r"LayerNorm\(.*\): the input has shape .*; expected \(\.\.\., .*3\)"):
        nn.LayerNorm(sizes)(Tensor(np.ones(shape)))


def test_layer_norm_keeps_float32_and_shows_its_shape():
    layer = nn.LayerNorm(3)
    assert layer(Tensor(np.ones((2, 3), "float32"))).dtype == np.float32
    assert repr(layer) == "LayerNorm((3,), eps=1e-05)"
