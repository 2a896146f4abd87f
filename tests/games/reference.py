"""The games once more, without an engine: NumPy alone, every derivative written out by hand from the papers.

Nothing here uses minigan, and nothing is computed in place. A layer's `forward` returns its output and what its `backward`
needs; `backward` returns the gradient for the input and the list of those for the layer's parameters. The steps play one
iteration on the given minibatches and noise, and return the figures of the papers' algorithms.
"""

import numpy as np

# --- layers -------------------------------------------------------------------------------------------------------------


class Layer:
    """Without parameters, unless it has some."""

    params = ()


class Dense(Layer):
    def __init__(self, W, b=None):
        self.params = [W] if b is None else [W, b]

    def forward(self, x):
        return x @ self.params[0] + (self.params[1] if len(self.params) == 2 else 0.0), x

    def backward(self, dy, x):
        return dy @ self.params[0].T, [x.T @ dy, dy.sum(axis=0)][: len(self.params)]


class Conv(Layer):
    """One output position after another: y[:, :, i, j] = sum of a window times W (O, C, K, K), plus b."""

    def __init__(self, W, b, stride, padding):
        self.params = [W] if b is None else [W, b]
        self.stride, self.padding = stride, padding

    def windows(self, x):
        side = self.params[0].shape[-1]
        for i in range((x.shape[2] - side) // self.stride + 1):
            for j in range((x.shape[3] - side) // self.stride + 1):
                rows, columns = (slice(self.stride * k, self.stride * k + side) for k in (i, j))
                yield i, j, rows, columns

    def forward(self, x):
        x = _padded(x, self.padding)
        places = list(self.windows(x))
        y = np.zeros((len(x), len(self.params[0]), places[-1][0] + 1, places[-1][1] + 1), x.dtype)
        for i, j, rows, columns in places:
            y[:, :, i, j] = np.einsum("nchw,ochw->no", x[:, :, rows, columns], self.params[0])
        return y + (self.params[1][:, None, None] if len(self.params) == 2 else 0.0), x

    def backward(self, dy, x):
        dx, dW = np.zeros_like(x), np.zeros(self.params[0].shape, x.dtype)
        for i, j, rows, columns in self.windows(x):
            dx[:, :, rows, columns] += np.einsum("no,ochw->nchw", dy[:, :, i, j], self.params[0])
            dW += np.einsum("no,nchw->ochw", dy[:, :, i, j], x[:, :, rows, columns])
        return _cropped(dx, self.padding), [dW, dy.sum(axis=(0, 2, 3))][: len(self.params)]


class ConvTranspose(Conv):
    """One input position after another: each is painted into the output, times W (C, O, K, K); windows may overlap."""

    def forward(self, x):
        W, side = self.params[0], self.params[0].shape[-1]
        height, width = (self.stride * (n - 1) + side for n in x.shape[2:])
        y = np.zeros((len(x), W.shape[1], height, width))
        for i, j, rows, columns in self.windows(y):
            y[:, :, rows, columns] += np.einsum("nc,cohw->nohw", x[:, :, i, j], W)
        return _cropped(y, self.padding) + (self.params[1][:, None, None] if len(self.params) == 2 else 0.0), x

    def backward(self, dy, x):
        padded = _padded(dy, self.padding)
        dx, dW = np.zeros_like(x), np.zeros_like(self.params[0])
        for i, j, rows, columns in self.windows(padded):
            dx[:, :, i, j] = np.einsum("nohw,cohw->nc", padded[:, :, rows, columns], self.params[0])
            dW += np.einsum("nc,nohw->cohw", x[:, :, i, j], padded[:, :, rows, columns])
        return dx, [dW, dy.sum(axis=(0, 2, 3))][: len(self.params)]


def _padded(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def _cropped(x, p):
    return x[:, :, p : x.shape[2] - p, p : x.shape[3] - p]


class BatchNorm(Layer):
    """In training mode; the derivatives are those that Ioffe and Szegedy (2015) print, line by line."""

    def __init__(self, gamma, beta, eps=1e-5):
        self.params = [gamma, beta]
        self.eps = eps
        self.running_mean, self.running_var = np.zeros(len(gamma)), np.ones(len(gamma))

    def forward(self, x):
        axes = (0, *range(2, x.ndim))
        m = x.size // x.shape[1]
        mu = x.sum(axis=axes, keepdims=True) / m
        var = ((x - mu) ** 2).sum(axis=axes, keepdims=True) / m
        x_hat = (x - mu) / np.sqrt(var + self.eps)
        self.running_mean = 0.9 * self.running_mean + 0.1 * mu.ravel()
        self.running_var = 0.9 * self.running_var + 0.1 * var.ravel() * m / (m - 1)
        gamma, beta = (p.reshape(mu.shape) for p in self.params)
        return gamma * x_hat + beta, (x, mu, var, x_hat, axes, m)

    def backward(self, dy, cache):
        x, mu, var, x_hat, axes, m = cache
        d_x_hat = dy * self.params[0].reshape(mu.shape)
        d_var = (d_x_hat * (x - mu)).sum(axis=axes, keepdims=True) * -0.5 * (var + self.eps) ** -1.5
        d_mu = -d_x_hat.sum(axis=axes, keepdims=True) / np.sqrt(var + self.eps)
        d_mu = d_mu + d_var * (-2 * (x - mu)).sum(axis=axes, keepdims=True) / m
        dx = d_x_hat / np.sqrt(var + self.eps) + d_var * 2 * (x - mu) / m + d_mu / m
        return dx, [(dy * x_hat).sum(axis=axes), dy.sum(axis=axes)]


class Tanh(Layer):
    def forward(self, x):
        y = np.tanh(x)
        return y, y

    def backward(self, dy, y):
        return dy * (1 - y * y), []


class LeakyReLU(Layer):
    """ReLU with slope 0."""

    def __init__(self, slope=0.0):
        self.slope = slope

    def forward(self, x):
        factor = np.where(x.real > 0, 1.0, self.slope)
        return x * factor, factor

    def backward(self, dy, factor):
        return dy * factor, []


class Reshape(Layer):
    def __init__(self, *shape):
        self.shape = shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape), x.shape

    def backward(self, dy, shape):
        return dy.reshape(shape), []


class Net:
    """Layers in a row. With `classes`, the class is appended to the input as a one-hot code, or as planes of ones and zeros."""

    def __init__(self, *layers, classes=0):
        self.layers, self.classes = layers, classes

    @property
    def params(self):
        return [p for layer in self.layers for p in layer.params]

    @params.setter
    def params(self, values):
        values = iter(values)
        for layer in self.layers:
            layer.params = [next(values) for _ in layer.params]

    def forward(self, x, y=None):
        if self.classes:
            code = np.eye(self.classes)[y]
            if x.ndim == 4:
                code = np.tile(code[:, :, None, None], (1, 1, *x.shape[2:]))
            x = np.concatenate([x, code], axis=1)
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x)
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches):
        gradients = []
        for layer, cache in zip(self.layers[::-1], caches[::-1], strict=True):
            dy, own = layer.backward(dy, cache)
            gradients = own + gradients
        return dy[:, : dy.shape[1] - self.classes], gradients


# --- update rules: called with the parameters and their gradients, they return the new parameters -----------------------


class RMSProp:
    def __init__(self, lr, alpha=0.99, eps=1e-8):
        self.lr, self.alpha, self.eps, self.v = lr, alpha, eps, None

    def __call__(self, params, gradients):
        self.v = self.v or [0.0] * len(params)
        self.v = [self.alpha * v + (1 - self.alpha) * g**2 for v, g in zip(self.v, gradients, strict=True)]
        return [p - self.lr * g / (np.sqrt(v) + self.eps) for p, g, v in zip(params, gradients, self.v, strict=True)]


class Adam:
    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t, self.m, self.v = lr, beta1, beta2, eps, 0, None, None

    def __call__(self, params, gradients):
        self.t += 1
        self.m, self.v = self.m or [0.0] * len(params), self.v or [0.0] * len(params)
        self.m = [self.beta1 * m + (1 - self.beta1) * g for m, g in zip(self.m, gradients, strict=True)]
        self.v = [self.beta2 * v + (1 - self.beta2) * g**2 for v, g in zip(self.v, gradients, strict=True)]
        m_hat = [m / (1 - self.beta1**self.t) for m in self.m]
        v_hat = [v / (1 - self.beta2**self.t) for v in self.v]
        return [p - self.lr * m / (np.sqrt(v) + self.eps) for p, m, v in zip(params, m_hat, v_hat, strict=True)]


# --- games --------------------------------------------------------------------------------------------------------------


def sigma(v):
    return 1 / (1 + np.exp(-v))


def _sum(*gradients):
    return [sum(parts) for parts in zip(*gradients, strict=True)]


def gan_step(G, D, rule_G, rule_D, batches, zs, l=1, saturating=False):
    """Goodfellow et al. 2014, Algorithm 1; with minibatches (x, y), Mirza and Osindero 2014. `zs`: one for each step."""
    zs = iter(zs)
    for batch in batches:
        x, y = batch if isinstance(batch, tuple) else (batch, None)
        m = len(x)
        fake, _ = G.forward(next(zs), y)
        real_v, at_real = D.forward(x, y)
        fake_v, at_fake = D.forward(fake, y)
        _, from_real = D.backward(-(1 - sigma(real_v)) / m, at_real)  # d/dv of -log sigma(v)
        _, from_fake = D.backward(sigma(fake_v) / m, at_fake)  # d/dv of -log(1 - sigma(v))
        D.params = rule_D(D.params, _sum(from_real, from_fake))
    for _ in range(l):
        fake, in_G = G.forward(next(zs), y)
        v, in_D = D.forward(fake, y)
        d_fake, _ = D.backward((-sigma(v) if saturating else -(1 - sigma(v))) / m, in_D)
        G.params = rule_G(G.params, G.backward(d_fake, in_G)[1])
    return {
        "loss_D": -np.mean(np.log(sigma(real_v))) - np.mean(np.log(1 - sigma(fake_v))),
        "loss_G": np.mean(np.log(1 - sigma(v))) if saturating else -np.mean(np.log(sigma(v))),
        "D_real": np.mean(sigma(real_v)),
        "D_fake": np.mean(sigma(fake_v)),
        "D_accuracy": (np.mean(real_v > 0) + np.mean(fake_v < 0)) / 2,
    }


def wgan_step(G, f, rule_G, rule_f, xs, zs, clip=None, us=None, penalty_weight=0.0):
    """Arjovsky et al. 2017, Algorithm 1 (`clip`), or Gulrajani et al. 2017, Algorithm 1 (`us`: each step's mixing weights)."""
    zs, us = iter(zs), iter(us or [])
    for x in xs:
        m = len(x)
        fake, _ = G.forward(next(zs))
        real_f, at_real = f.forward(x)
        fake_f, at_fake = f.forward(fake)
        gradients = _sum(f.backward(np.full((m, 1), -1 / m), at_real)[1], f.backward(np.full((m, 1), 1 / m), at_fake)[1])
        figures = {"w_estimate": real_f.mean() - fake_f.mean()}
        if clip is None:
            u = next(us)
            figures["penalty"], from_penalty = penalty_and_gradient(f, u * x + (1 - u) * fake)
            gradients = [g + penalty_weight * p for g, p in zip(gradients, from_penalty, strict=True)]
        f.params = rule_f(f.params, gradients)
        if clip is not None:
            f.params = [np.where(p > clip, clip, np.where(p < -clip, -clip, p)) for p in f.params]
    fake, in_G = G.forward(next(zs))
    fake_f, in_f = f.forward(fake)
    d_fake, _ = f.backward(np.full((m, 1), -1 / m), in_f)
    G.params = rule_G(G.params, G.backward(d_fake, in_G)[1])
    return figures | {"loss_D": -figures["w_estimate"], "loss_G": -fake_f.mean()}


def penalty_and_gradient(f, x):
    """mean (|g_i| - 1)^2 for g_i = grad f(x_i), and its gradient for f's parameters theta.

    By the chain rule it is the sum of q_i dg_i/dtheta with q_i = 2 (|g_i| - 1) / (N |g_i|) g_i. The derivatives for x and
    for theta commute, so this is d/dh of the gradient for theta of the sum of f(x_i + h q_i), at h = 0: a complex step.
    """
    v, caches = f.forward(x)
    g, _ = f.backward(np.ones_like(v), caches)
    axes = tuple(range(1, x.ndim))
    lengths = np.sqrt((g**2).sum(axis=axes, keepdims=True))
    q = 2 * (lengths - 1) / (len(x) * lengths) * g
    v, caches = f.forward(x + 1e-30j * q)
    _, gradients = f.backward(np.ones_like(v), caches)
    return np.mean((lengths - 1) ** 2), [d.imag / 1e-30 for d in gradients]


def began_step(G, D, rule_G, rule_D, x, zs, k, gamma, lambda_k):
    """Berthelot et al. 2017, section 3.4. Returns the figures; the new k is among them."""
    fake, _ = G.forward(zs[0])
    r_x, at_x = D.forward(x)
    r_fake, at_fake = D.forward(fake)
    _, from_x = D.backward(np.sign(r_x - x) / x.size, at_x)
    _, from_fake = D.backward(-k * np.sign(r_fake - fake) / x.size, at_fake)
    L_x, loss_D = np.abs(x - r_x).mean(), np.abs(x - r_x).mean() - k * np.abs(fake - r_fake).mean()
    D.params = rule_D(D.params, _sum(from_x, from_fake))

    fake, in_G = G.forward(zs[1])
    r_fake, in_D = D.forward(fake)
    L_fake = np.abs(fake - r_fake).mean()
    sign = np.sign(fake - r_fake) / fake.size
    d_fake = sign + D.backward(-sign, in_D)[0]  # fake stands on both sides of the difference
    G.params = rule_G(G.params, G.backward(d_fake, in_G)[1])

    balance = gamma * L_x - L_fake
    k = min(max(k + lambda_k * balance, 0.0), 1.0)
    return {"loss_D": loss_D, "loss_G": L_fake, "L_x": L_x, "ratio": L_fake / L_x, "k": k, "M": L_x + abs(balance)}
