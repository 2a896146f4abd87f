"""Type checkers see real types in a user's script: no error, and no Any where there is a type."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import numpy as np

import minigan as mg
from minigan import attacks, data, games, losses, metrics, nn, optim


def cube(x: mg.Tensor) -> mg.Tensor:
    return mg.record("cube", x.data**3, (x, lambda g, y: g * 3 * x**2))


class Residual(nn.Module):
    def __init__(self, n: int):
        self.inner = nn.Dense(n, n)

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return x + mg.relu(self.inner(x))


x = mg.Tensor(np.ones((4, 2)), requires_grad=True)
y = ((2 * x - x.T.T / 2) @ mg.Tensor(np.ones((2, 3)))).sum(axis=0).exp()
z = mg.softmax(cube(y)[:2].reshape(1, -1))
(first,) = mg.grad(z.mean(), [x])
net = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), Residual(8), nn.Dense(8, 2))
D = nn.Sequential(nn.Dense(2, 8), nn.LeakyReLU(0.2), nn.Dense(8, 1))
with mg.no_grad():
    out = net(x)
loss = losses.cross_entropy(net(x), np.zeros(4, dtype=np.int64))
loss.backward()
adam = optim.Adam([{"params": net.parameters()[:2], "lr": 1e-4}, {"params": net.parameters()[2:]}], lr=1e-3)
adam.step()
game = games.GAN(net, D, data.noise(2), adam, optim.Adam(D.parameters()))
with mg.trace(G=net) as t:
    numbers = game.step(data.batches(data.ring(100), size=10))
loss_of_d, points = numbers["loss_D"], game.sample(5)
adversarial = attacks.fgsm(net, points, np.zeros(5, dtype=np.int64), 0.1, clip=None)
modes, checked = metrics.mode_coverage(points, data.ring_centres(8, 2.0), 0.02), mg.gradcheck(cube, x)
gradient, values, shape, parameters = x.grad, x.numpy(), x.shape, net.parameters()
"""
TENSOR, ARRAY = "minigan.engine.tensor.Tensor", "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]"
EXPECTED = {
    **dict.fromkeys(["x", "y", "z", "first", "out", "loss"], TENSOR),
    **{"net": "minigan.nn.module.Sequential", "adam": "minigan.optim.rules.Adam", "game": "minigan.games.gan.GAN"},
    **{"numbers": "minigan.games.figures.Figures", "loss_of_d": "float", "checked": "bool", "shape": "tuple[int, ...]"},
    **{"gradient": f"{TENSOR} | None", "parameters": f"list[{TENSOR}]"},
    **dict.fromkeys(["points", "adversarial", "values"], ARRAY),
}


@pytest.mark.slow
def test_a_users_script_has_types(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "".join(f"reveal_type({name})\n" for name in EXPECTED), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(script)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert ": error:" not in shown, shown
    types = [t.replace("builtins.", "") for t in re.findall(r'Revealed type is "(.*)"', shown)]
    assert dict(zip(EXPECTED, types, strict=True)) == EXPECTED
