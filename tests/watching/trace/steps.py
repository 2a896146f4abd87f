"""Small steps for the trace's tests: each returns the trace."""

import numpy as np

import minigan as mg
from minigan import data, games, nn, optim


def game(kind=games.GAN, d_out=1, rule=optim.Adam, **options):
    """A 2-8-2 game, and its minibatches of 4 points."""
    G = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 2))
    D = nn.Sequential(nn.Dense(2, 8), nn.LeakyReLU(0.2), nn.Dense(8, d_out))
    made = kind(G, D, data.noise(2), rule(G.parameters(), lr=1e-3), rule(D.parameters(), lr=1e-3), **options)
    return made, data.batches(data.ring(100), size=4)


def traced(made, batches):
    with mg.trace(G=made.G, D=made.D) as t:
        made.step(batches)
    return t


def gan():
    return traced(*game())


def wgan_gp():
    return traced(*game(games.WGANGP, n_critic=1))


def nan():
    """log(0) is -inf, and -inf * 0 is a nan."""
    w = mg.Tensor([0.0, 2.0], requires_grad=True)
    with np.errstate(all="ignore"), mg.trace() as t:
        u = mg.log(w)
        v = u * w
        v.sum().backward()
    return t


def of(t, kind, **fields):
    """The rows of this kind that have these fields."""
    return [row for row in t.rows if row.kind == kind and all(getattr(row, key) == value for key, value in fields.items())]


def named(t, name):
    """The last tensor of this name."""
    return [entry for entry in t.tensors.values() if entry.name == name][-1]
