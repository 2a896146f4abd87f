"""Files that older versions wrote still load: pickles, which name minigan's modules and classes."""

import importlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import minigan
from minigan import games, nn

FILES = Path(__file__).parent / "saved_files"


def test_a_pickle_of_version_0_1_loads_and_the_game_goes_on():
    saved = pickle.loads((FILES / "version_0_1.pickle").read_bytes())
    tensor, game = saved["tensor"], saved["game"]
    assert importlib.import_module("minigan.device_generator") is minigan.cupy_generator  # of pickles made on a GPU
    assert (type(tensor), tensor.name, tensor.requires_grad) == (minigan.Tensor, "w", True)
    np.testing.assert_array_equal(tensor.numpy(), [0.0, 1.0, 2.0])
    assert (type(saved["module"]), type(game)) == (nn.Sequential, games.GAN)
    for _ in range(3):
        game.step(saved["batches"])
    with np.load(FILES / "version_0_1_expected.npz") as expected:
        for p, name in zip([*game.G.parameters(), *game.D.parameters()], expected.files, strict=True):
            if p.name != "G.layers.0.bias":  # batch norm follows: its gradient is 0, up to rounding, which Adam makes steps of
                np.testing.assert_allclose(p.numpy(), expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["tensor", "backend", "memory", "threads", "random_numbers", "gradcheck", "testing"])
def test_the_modules_of_version_0_1_have_their_names(name):
    module = importlib.import_module(f"minigan.{name}")
    assert module is sys.modules[f"minigan.{name}"]
    assert getattr(minigan, name) is module or name == "gradcheck"  # whose attribute is the function
