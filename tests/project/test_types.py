"""Names and types, as a user's tools see them: type checkers, editors, `dir`, and the errors for other libraries' names."""

import re

import pytest

import minigan as mg
from minigan import other_names
from tests.helpers.programs import python

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
game = games.GAN(net, D, data.noise(2), adam, optim.Adam(D.parameters()), loss=losses.hinge_game)
with mg.trace(G=net) as t:
    numbers = game.step(data.batches(data.ring(100), size=10))
loss_of_d, points = numbers["loss_D"], game.sample(5)
adversarial = attacks.fgsm(net, points, np.zeros(5, dtype=np.int64), 0.1, clip=None)
modes, checked = metrics.mode_coverage(points, data.ring_centres(8, 2.0), 0.02), mg.gradcheck(cube, x)
gradient, values, shape, parameters = x.grad, x.numpy(), x.shape, net.parameters()
pictures, labels, names = data.images("folder")
"""
TENSOR, ARRAY = "minigan.engine.tensor.Tensor", "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]"
EXPECTED = {
    **dict.fromkeys(["x", "y", "z", "first", "out", "loss"], TENSOR),
    **{"net": "minigan.nn.module.Sequential", "adam": "minigan.optim.rules.Adam", "game": "minigan.games.gan.GAN"},
    **{"numbers": "minigan.games.figures.Figures", "loss_of_d": "float", "checked": "bool", "shape": "tuple[int, ...]"},
    **{"gradient": f"{TENSOR} | None", "parameters": f"list[{TENSOR}]"},
    "names": "list[str]",
    **dict.fromkeys(["points", "adversarial", "values"], ARRAY),
}


@pytest.mark.slow
def test_a_users_script_has_types(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "".join(f"reveal_type({name})\n" for name in EXPECTED), encoding="utf-8")
    shown = python("-m", "mypy", "--strict", f"--cache-dir={tmp_path}", script).stdout
    assert ": error:" not in shown, shown
    types = [t.replace("builtins.", "") for t in re.findall(r'Revealed type is "(.*)"', shown)]
    assert dict(zip(EXPECTED, types, strict=True)) == EXPECTED


def test_dir_shows_what_a_user_types():
    hidden = {"checks", "contexts", "engine", "ops", "watching", "sys", "cupy_generator", "random_numbers", "memory"}
    assert not hidden & set(dir(mg))
    modules = [mg, *(getattr(mg, name) for name in ("attacks", "backend", "data", "games", "losses", "metrics", "nn", "optim"))]
    for module in modules:
        assert dir(module) == sorted(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


def test_names_of_other_libraries_are_not_there_and_the_error_names_ours():
    t = mg.Tensor(1.0)
    named = {"minigan": mg, "minigan.nn": mg.nn, "minigan.losses": mg.losses, "minigan.optim": mg.optim, "t": t}
    for where, names in other_names.OURS.items():
        for name, ours in names.items():
            with pytest.raises(AttributeError, match=f"has no {name}: use {re.escape(ours)}"):
                getattr(named[where], name)
            spaces = {"mg": mg, "nn": mg.nn, "losses": mg.losses, "optim": mg.optim, "backend": mg.backend, "t": t}
            for space, ours_name in re.findall(r"\b(mg|nn|losses|optim|backend|t)\.(\w+)", ours):
                assert hasattr(spaces[space], ours_name)
    with pytest.raises(AttributeError, match=r"^module 'minigan\.nn' has no attribute 'Dens'$") as error:
        mg.nn.Dens  # noqa: B018
    assert (error.value.name, error.value.obj) == ("Dens", mg.nn)  # Python adds: Did you mean: 'Dense'?
    assert not hasattr(t, "view")
    assert not other_names.OURS["t"].keys() & set(dir(t))
    assert not hasattr(type(t), "__getattr__")  # it would make every attribute slower to read
    assert t.__array_ufunc__ is None  # CuPy asks the tensor, and then leaves a * t to it; NumPy asks the class
