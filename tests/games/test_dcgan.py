"""DCGAN's networks: the paper's rules, and where they start. The game: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

from minigan import Tensor, games, nn
from minigan.backend import random_numbers
from tests.helpers.states import assert_same


def after_each_layer(network, x):
    """The layers' names, their numbers but the channels, and the shapes that they make."""
    for layer in network:
        x = layer(x)
        bias = ["no bias"] * (getattr(layer, "bias", x) is None)
        values = [str(getattr(layer, name)) for name in ("slope", "stride", "padding") if hasattr(layer, name)]
        yield (" ".join([type(layer).__name__, *values, *bias]), x.shape[1:])


def test_the_networks_are_the_papers_at_28_by_28():
    """No pooling; BatchNorm but where G ends and D begins, and no bias before it; ReLU in G, LeakyReLU in D."""

    def up(shape):
        return [("ConvTranspose2d 2 1 no bias", shape), ("BatchNorm2d", shape), ("ReLU", shape)]

    def down(shape):
        return [("Conv2d 2 1 no bias", shape), ("BatchNorm2d", shape), ("LeakyReLU 0.2", shape)]

    rng = np.random.default_rng(1)
    z, x = (Tensor(rng.uniform(-1, 1, shape).astype("float32")) for shape in ((2, 100), (2, 1, 28, 28)))
    first, last, four = (3, 14, 14), (1, 28, 28), (12, 4, 4)
    assert list(after_each_layer(games.dcgan_generator(channels=3), z)) == [
        *[("Dense no bias", (192,)), ("Reshape", four), ("BatchNorm2d", four), ("ReLU", four)],
        *[*up((6, 7, 7)), *up(first), ("ConvTranspose2d 2 1", last), ("Tanh", last)],
    ]
    assert list(after_each_layer(games.dcgan_discriminator(channels=3), x)) == [
        *[("Conv2d 2 1", first), ("LeakyReLU 0.2", first), *down((6, 7, 7)), *down(four)],
        *[("Flatten", (192,)), ("Dense", (1,))],
    ]
    sizes = [sum(p.size for p in build().parameters()) for build in (games.dcgan_generator, games.dcgan_discriminator)]
    assert sizes == [837_505, 431_937]


@pytest.mark.parametrize("build", [games.dcgan_generator, games.dcgan_discriminator])
def test_weights_start_from_normal_0_and_002_those_of_batch_norm_around_1_and_biases_at_0(build):
    network = build(channels=32)
    for layer in [layer for layer in network if hasattr(layer, "weight")]:
        w, centre = layer.weight.numpy(), float(isinstance(layer, nn.BatchNorm2d))
        n = w.size
        assert w.dtype == np.float32
        assert abs(w.mean() - centre) < 4 * 0.02 / n**0.5
        assert w.std() == pytest.approx(0.02, rel=4 / (2 * n) ** 0.5)
        kurtosis = np.mean(((w - w.mean()) / w.std()) ** 4)
        assert abs(kurtosis - 3) < 5 * (24 / n) ** 0.5  # 1.8 if it were uniform
        assert layer.bias is None or not layer.bias.numpy().any()
    before = random_numbers.generator_state(random_numbers.generator())
    given = [build(channels=1, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2)]
    assert random_numbers.generator_state(random_numbers.generator()) == before
    assert_same(given[0], given[1])
    assert not np.array_equal(*(next(iter(state.values())) for state in given[1:]))
