import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients

RNG = np.random.default_rng(0)
LAYERS = [nn.Conv2d, nn.ConvTranspose2d]


def images(*shape):
    return Tensor(RNG.standard_normal(shape).astype("float32"))


def test_conv2d_is_the_op_with_its_weight_bias_and_options():
    layer, x = nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=(0, 1)), images(2, 2, 5, 6)
    expected = mg.conv2d(x, layer.weight, layer.bias, (1, 2), (0, 1))
    assert (layer.weight.shape, layer.bias.shape, layer(x).shape) == ((3, 2, 2, 3), (3,), (2, 3, 4, 3))
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())


def test_conv_transpose2d_is_the_op_with_its_weight_bias_and_options():
    layer, x = nn.ConvTranspose2d(2, 3, (2, 3), stride=(1, 2), padding=(0, 1), output_padding=(0, 1)), images(2, 2, 5, 6)
    expected = mg.conv_transpose2d(x, layer.weight, layer.bias, (1, 2), (0, 1), (0, 1))
    assert (layer.weight.shape, layer.bias.shape, layer(x).shape) == ((2, 3, 2, 3), (3,), (2, 3, 6, 12))
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())


def test_kernel_4_stride_2_padding_1_halves_and_doubles_the_sides():
    x = images(2, 3, 8, 6)
    y = nn.Conv2d(3, 5, 4, 2, 1)(x)
    assert y.shape == (2, 5, 4, 3)
    assert nn.ConvTranspose2d(5, 3, 4, 2, 1)(y).shape == x.shape


@pytest.mark.parametrize("kind", LAYERS)
def test_without_bias(kind):
    layer = kind(2, 3, 2, bias=False)
    assert layer.bias is None
    assert len(layer.parameters()) == 1
    assert not layer(Tensor(np.zeros((1, 2, 3, 3), np.float32))).numpy().any()


@pytest.mark.parametrize("kind", LAYERS)
def test_parameters_are_trainable_float32_and_named(kind):
    assert [(n, p.name, p.dtype, p.requires_grad) for n, p in kind(2, 3, 2).named_parameters()] == [
        ("weight", "weight", np.float32, True),
        ("bias", "bias", np.float32, True),
    ]


@pytest.mark.parametrize(("layer", "channels"), [(nn.Conv2d, (4, 900)), (nn.ConvTranspose2d, (900, 4))])
def test_by_default_the_weight_fills_the_interval_of_the_fan_in(layer, channels):
    layer, bound = layer(*channels, (2, 2), rng=np.random.default_rng(0)), 1 / 4
    assert bound * 0.99 < np.abs(layer.weight.data).max() <= bound
    assert np.std(layer.weight.data) == pytest.approx(bound / 3**0.5, rel=0.03)
    assert bound / 2 < np.abs(layer.bias.data).max() <= bound


@pytest.mark.parametrize("kind", LAYERS)
def test_initial_values_come_from_the_initialiser_and_the_generator_that_are_given(kind):
    a, b, c = (kind(2, 3, 2, weight_init=nn.init.normal(0.02), rng=np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(a.weight.data, b.weight.data)
    np.testing.assert_array_equal(a.bias.data, b.bias.data)
    assert not np.array_equal(a.weight.data, c.weight.data)
    assert np.abs(a.weight.data).max() < 0.1


@pytest.mark.parametrize("kind", LAYERS)
def test_without_a_generator_the_seed_decides(kind):
    weights = []
    for _ in range(2):
        mg.seed(3)
        weights.append(kind(2, 3, 2).weight.data)
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_of_input_weight_and_bias(kind):
    layer = kind(2, 2, (2, 1), stride=2)

    def fn(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    assert_gradients(fn, *(RNG.standard_normal(s) for s in ((1, 2, 3, 2), layer.weight.shape, (2,))))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 2)])
def test_numbers_of_channels_below_1_are_refused(kind, sizes):
    with pytest.raises(ValueError, match="sizes must be whole numbers of at least 1, got"):
        kind(*sizes, 3)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("size", [0, 2.0, "3", (1, 2, 3), True], ids=repr)
def test_kernel_sizes_that_are_not_one_integer_or_two_are_refused(kind, size):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: kernel_size is .*; expected one integer, or two, of at least 1"):
        kind(1, 1, size)


@pytest.mark.parametrize("kind", LAYERS)
def test_an_input_with_other_channels_is_refused(kind):
    with pytest.raises(ValueError, match=r"x \(1, 3, 4, 4\) and weight .* do not fit"):
        kind(2, 3, 2)(images(1, 3, 4, 4))


def test_state_goes_from_one_layer_to_another():
    a, b, x = nn.Conv2d(2, 3, 2), nn.Conv2d(2, 3, 2), images(1, 2, 3, 3)
    assert set(a.state_dict()) == {"weight", "bias"}
    b.load_state_dict(a.state_dict())
    np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())


def test_repr_shows_the_sizes_and_options():
    assert repr(nn.Conv2d(3, 64, 4, 2, 1)) == "Conv2d(3, 64, (4, 4), stride=2, padding=1)"
    assert repr(nn.ConvTranspose2d(64, 3, (4, 2), bias=False)) == (
        "ConvTranspose2d(64, 3, (4, 2), stride=1, padding=0, output_padding=0, bias=False)"
    )
