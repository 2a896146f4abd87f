"""`python -OO` leaves out docstrings and assert statements: nothing that minigan does may depend on them."""

import ast
import subprocess
import sys
from pathlib import Path

import minigan

PROGRAM = """
import numpy as np
import minigan as mg
from minigan import data, games, nn, optim, testing

for layer in (nn.BatchNorm1d, nn.BatchNorm2d, nn.Dense):
    print(layer.__doc__)
G, D = nn.Sequential(nn.Dense(2, 2)), nn.Sequential(nn.Dense(2, 1))
game = games.GAN(G, D, data.noise(2), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
print(len(game.step(data.batches(np.ones((8, 2), np.float32), size=4))))
widened = lambda x: mg.record("widened", x.data.astype("float64"), (x, lambda g, y: g))
try:
    testing.assert_gradients(widened, np.ones(2))
except AssertionError as error:
    print(error)
"""


def test_what_minigan_does_is_the_same_without_docstrings_and_asserts():
    done = subprocess.run([sys.executable, "-OO", "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["None", "None", "None", "5", "float32 in, but float64 out: the output"], done.stderr


def test_no_assert_statement_carries_a_check():
    for path in Path(minigan.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [f"{path}:{node.lineno}" for node in ast.walk(tree) if isinstance(node, ast.Assert)]
