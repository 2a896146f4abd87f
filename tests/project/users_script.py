"""A user's script as a type checker sees it: ops, a module, an op of one's own, a game. See test_types.py."""

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
z.sum().backward()
net = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), Residual(8), nn.Dense(8, 2))
D = nn.Sequential(nn.Dense(2, 8), nn.LeakyReLU(0.2), nn.Dense(8, 1))
out = net(x)
loss = losses.cross_entropy(out, np.zeros(4, dtype=np.int64))
adam = optim.Adam(net.parameters(), lr=1e-3)
adam.zero_grad()
loss.backward()
adam.step()
game = games.GAN(net, D, data.noise(2), adam, optim.Adam(D.parameters()))
batches = data.batches(data.ring(100), size=10)
numbers = game.step(batches)
loss_of_d = numbers["loss_D"]
points = game.sample(5)
adversarial = attacks.fgsm(net, points, np.zeros(5, dtype=np.int64), 0.1, clip=None)
modes = metrics.mode_coverage(points, data.ring_centres(8, 2.0), 0.02)
checked = mg.gradcheck(cube, x)
with mg.trace(G=net) as t:
    game.step(batches)
with mg.no_grad():
    out = net(points)
gradient = x.grad
values = x.numpy()
shape, dtype, item, parameters = x.shape, x.dtype, loss.item(), net.parameters()
