"""Every layer on a device: NumPy's results, gradients and running statistics; moving, saving and loading."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn
from tests.device.comparing import assert_agree, everything_is_on, on_both

LAYERS = {
    "Dense": (lambda: nn.Dense(3, 2), (4, 3)),
    "Conv2d": (lambda: nn.Conv2d(2, 5, 3, stride=2, padding=1), (3, 2, 5, 6)),
    "ConvTranspose2d, few channels": (lambda: nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), (3, 2, 3, 2)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 6, 4, stride=2, padding=1), (3, 2, 3, 2)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (5, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (3, 2, 4, 4)),
    "LayerNorm": (lambda: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "MinibatchDiscrimination": (lambda: nn.MinibatchDiscrimination(3, 2, 4), (5, 3)),
    "Dropout": (lambda: nn.Dropout(0.4), (5, 6)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (2, 3, 4, 4)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), (2, 3, 5, 4)),
    "Upsample": (lambda: nn.Upsample(2), (2, 3, 2, 2)),
    "Flatten": (lambda: nn.Flatten(), (2, 3, 2)),
    "Reshape": (lambda: nn.Reshape(3, 2), (4, 6)),
    **{kind.__name__: (kind, (3, 4)) for kind in (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Softplus, nn.Tanh)},
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def play(name):
    """A layer, and what it makes of a batch: output, gradients and their gradients, in both modes; and its state after it."""
    make, shape = LAYERS[name]
    layer, x = make(), Tensor(np.random.default_rng(1).standard_normal(shape), requires_grad=True)
    results = []
    for mode in (True, False):
        y = layer.train(mode)(x)
        slopes = mg.grad((y * y).sum(), [x, *layer.parameters()], create_graph=True)
        again = sum(((s * s).sum() for s in slopes), Tensor(0.0))
        results += [y, *slopes, *mg.grad(again, [x])]
    return layer, results


@every_layer
def test_a_layer_does_what_it_does_under_numpy(name, device):
    (here, expected), (there, found) = on_both(lambda: play(name))
    assert_agree(expected, found, 1e-5)
    assert_agree(here.state_dict(), there.state_dict(), 1e-5)
    assert everything_is_on(device, *found, *there.parameters())


@every_layer
def test_nothing_is_copied_back_and_forth(name, stand_in):
    with backend.using("cupy"):
        layer, x = LAYERS[name][0](), Tensor(np.ones(LAYERS[name][1], np.float32), requires_grad=True)
        for _ in range(2):
            stand_in.transfers.clear()
            layer(x).sum().backward()
    assert not stand_in.transfers


def test_a_network_moves_there_and_back_with_its_buffers(device):
    net = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dense(4, 1))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    expected, before = net(Tensor(x)).numpy(), net.state_dict()
    assert net.to("cupy") is net
    assert everything_is_on(device, *net.parameters(), net[1].running_mean, net[1].running_var)
    assert_agree(before, net.state_dict(), 0)
    with backend.using("cupy"):
        np.testing.assert_allclose(net(Tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-6)
    net.to("numpy")
    assert all(isinstance(p.data, np.ndarray) for p in net.parameters())
    assert isinstance(net[1].running_var, np.ndarray)


def test_a_state_dict_is_numpys_and_loads_anywhere(device):
    with backend.using("cupy"):
        there, other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        there(Tensor(np.random.default_rng(0).random((4, 3, 2, 2)).astype("float32")))
        state = there.state_dict()
        assert all(type(array) is np.ndarray for array in state.values())
        other.load_state_dict(state)
        assert_agree(state, other.state_dict(), 0)
        assert everything_is_on(device, *other.parameters(), other.running_var)
    here = nn.BatchNorm2d(3)
    here.load_state_dict(state)
    assert_agree(state, here.state_dict(), 0)


def test_numpy_data_is_moved_once_by_tensor(stand_in):
    with backend.using("cupy"):
        net = nn.Dense(3, 2)
        stand_in.transfers.clear()
        net(Tensor(np.ones((4, 3), np.float32))).sum().backward()
    assert stand_in.transfers == {"to_device": 1}
