"""The running average of a network. As a part of a game: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

from minigan import Tensor, nn


@pytest.mark.parametrize("decay", [0.3, 0.999])
@pytest.mark.parametrize(("dtype", "of_average", "tolerance"), [("f2", "f4", 1e-6), ("f4", "f4", 1e-6), ("f8", "f8", 1e-14)])
def test_an_average_moves_by_its_formula_and_copies_buffers(decay, dtype, of_average, tolerance):
    layer, rng = nn.Dense(2, 2), np.random.default_rng(0)
    network = nn.Sequential(layer, nn.BatchNorm1d(2), layer)  # a layer twice: its parameters are averaged once
    for p in network.parameters():
        p.data = rng.standard_normal(p.shape).astype(dtype)
    expected, average = [p.numpy().astype("f8") for p in network.parameters()], nn.MovingAverage(network, decay)
    kept = average.module.parameters()
    for t in range(1, 6):
        share = 1 - min(decay, (1 + t) / (10 + t))
        for i, p in enumerate(network.parameters()):
            p.data = rng.standard_normal(p.shape).astype(dtype)
            expected[i] = expected[i] + share * (p.numpy() - expected[i])
        network[1].running_mean[...] = t
        average.update()
        for p, values in zip(kept, expected, strict=True):
            np.testing.assert_allclose(p.numpy(), values, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(average.module[1].running_mean, t)
    assert {(p.dtype.str[1:], p.requires_grad) for p in kept} == {(of_average, False)}
    assert [m.training for m in (*average.module.modules(), *network.modules())] == [False] * 3 + [True] * 3
    assert repr(average) == f"MovingAverage(decay={decay}, 10 numbers, step 5)"
    loss = average.module(Tensor(np.ones((2, 2)), requires_grad=True)).sum()
    average.update()
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()
