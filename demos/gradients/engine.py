"""The engine in 80 lines: reverse mode, detach, dense layers, log-loss, SGD; and a GAN that learns a Gaussian.

Run it: mean and std of G(z) approach the data's, 3 and 2. The names are minigan's; next: minigan/engine/tensor.py.
"""

import numpy as np


class Tensor:
    """An array that remembers its inputs and, for each, a function: the output's gradient -> that input's."""

    def __init__(self, data, *edges):
        self.data, self.edges, self.grad = data, edges, None  # edges: pairs (input, derivative)
        self.depth = 1 + max([x.depth for x, _ in edges], default=0)  # greater than any input's

    def detach(self):
        return Tensor(self.data)  # the same values without the edges: the backward pass ends here

    def backward(self):
        """Set x.grad = d self / dx for all x that self depends on, in topological order: outputs before inputs."""
        arrived = {self: np.ones_like(self.data)}
        while arrived:
            # b = a + a; c = b + b: dc/da = 4. If b did not wait, but passed on 1 and then 1 + 1, a would get 6.
            y = max(arrived, key=lambda x: x.depth)
            y.grad = g = arrived.pop(y)  # complete: all that was computed from y is deeper, and done
            for x, derivative in y.edges:
                g_x = derivative(g)
                extra = tuple(range(g_x.ndim - x.data.ndim))  # the axis along which a bias was broadcast
                g_x = g_x.sum(axis=extra).reshape(x.data.shape)  # every row used the bias: add their gradients
                arrived[x] = arrived[x] + g_x if x in arrived else g_x

    def __add__(self, b):
        return Tensor(self.data + b.data, (self, lambda g: g), (b, lambda g: g))

    def __matmul__(self, W):
        return Tensor(self.data @ W.data, (self, lambda g: g @ W.data.T), (W, lambda g: self.data.T @ g))


def tanh(x):
    return Tensor(np.tanh(x.data), (x, lambda g: g * (1 - np.tanh(x.data) ** 2)))


def log_loss(v, label):
    """Label 1: -mean log D = mean softplus(-v); 0: -mean log(1 - D) = mean softplus(v); D = sigmoid(v)."""
    sign, u = (-1, -v.data) if label == 1 else (1, v.data)
    softplus = np.logaddexp(0, u)  # log(1 + e^u) without overflow; its derivative is e^(u - softplus) = sigmoid(u)
    return Tensor(softplus.mean(), (v, lambda g: g * sign * np.exp(u - softplus) / u.size))


class Network:  # two dense layers, x W + b each, with tanh between them
    def __init__(self, n, hidden, m, rng):
        W, b = rng.uniform(-1, 1, (n, hidden)) / n**0.5, rng.uniform(-1, 1, hidden)
        V, c = rng.uniform(-1, 1, (hidden, m)) / hidden**0.5, np.zeros(m)
        self.parameters = [Tensor(p) for p in (W, b, V, c)]

    def __call__(self, x):
        W, b, V, c = self.parameters
        return tanh(x @ W + b) @ V + c

    def descend(self, loss, lr):  # a step of SGD
        loss.backward()
        for p in self.parameters:
            p.data = p.data - lr * p.grad


def train(rng, mean=3.0, std=2.0, steps=3000, batch=128):
    G, D = Network(1, 8, 1, rng), Network(1, 32, 1, rng)
    for lr in np.linspace(0.2, 0.0, steps):
        x = Tensor(rng.normal(mean, std, (batch, 1)))
        z, new_z = (Tensor(rng.standard_normal((batch, 1))) for _ in range(2))
        D.descend(log_loss(D(x), label=1) + log_loss(D(G(z).detach()), label=0), lr)
        G.descend(log_loss(D(G(new_z)), label=1), lr)  # G wants the new D to say "real"
        yield G, D


if __name__ == "__main__":
    z = Tensor(np.random.default_rng(1).standard_normal((10_000, 1)))
    for t, (G, _) in enumerate(train(np.random.default_rng(0)), start=1):
        if t % 500 == 0:
            print(f"{t} steps: mean of G(z) {G(z).data.mean():.2f}, std {G(z).data.std():.2f}")
