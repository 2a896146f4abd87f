"""The games once more, without an engine: the papers' losses in NumPy alone, their gradients by complex steps.

Where a parameter is moved by 1e-30 i, the imaginary part of an analytic loss is its derivative times 1e-30, to the last digit.
A step plays one iteration on the given minibatches, and returns the figures of the papers' algorithms.
"""

from itertools import islice

import numpy as np

from tests.contracts.losses import pull_away_term, sigma
from tests.contracts.ops import convolved, painted
from tests.contracts.rules import adam

STEP = 1e-30


def dense(x, W, b=0.0):
    return x @ W + b


def conv(x, W, b=0.0, stride=1, padding=0):
    return convolved(x, W, (stride, stride), (padding, padding)) + np.reshape(b, (-1, 1, 1))


def conv_transpose(x, W, b=0.0, stride=1, padding=0):
    return painted(x, W, (stride, stride), (padding, padding)) + np.reshape(b, (-1, 1, 1))


def leaky_relu(x, slope=0.0):
    return np.where(x.real > 0, x, slope * x)


class BatchNorm:
    """In training mode; `noting`: whether the passes count for the running statistics."""

    noting = True

    def __init__(self, channels):
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)

    def __call__(self, x, gamma, beta):
        mean = x.mean(axis=(0, 2, 3))
        centred = x - mean[:, None, None]
        var = (centred**2).mean(axis=(0, 2, 3))
        if BatchNorm.noting:
            m = x.size // x.shape[1]
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var * m / (m - 1)
        return gamma[:, None, None] * centred / np.sqrt(var + 1e-5)[:, None, None] + beta[:, None, None]


class Net:
    """Layers (function, parameters). With `classes`, the class is appended to x as a one-hot code, or as planes."""

    def __init__(self, layers, classes=0):
        self.functions, self.classes = [(function, len(params)) for function, params in layers], classes
        self.params = [p for _, params in layers for p in params]

    def __call__(self, x, y=None, stop=None):
        if self.classes:
            code = np.eye(self.classes)[y].reshape(len(x), -1, *[1] * (x.ndim - 2))
            x = np.concatenate([x, code * np.ones(x.shape[2:])], axis=1)
        params = iter(self.params)
        for function, count in self.functions[:stop]:
            x = function(x, *islice(params, count))
        return x


# --- rules and steps ----------------------------------------------------------------------------------------------------


class Adam:
    """Called with parameters and gradients; returns the new parameters."""

    def __init__(self, lr):
        self.lr, self.gradients = lr, []

    def __call__(self, params, gradients):
        self.gradients.append(gradients)
        directions = [adam(np.array(seen), (0.9, 0.999), 1e-8)[-1] for seen in zip(*self.gradients, strict=True)]
        return [p - self.lr * d for p, d in zip(params, directions, strict=True)]


def descend(rule, loss, *nets):
    """One step of the networks down a loss, a function without arguments. Returns its value before."""
    value, gradients = loss(), []
    BatchNorm.noting = False
    for net in nets:
        for i, p in enumerate(net.params):
            gradients.append(np.zeros(p.shape))
            for index in np.ndindex(p.shape):
                net.params[i] = p.astype(complex)
                net.params[i][index] += STEP * 1j
                gradients[-1][index] = loss().imag / STEP
            net.params[i] = p
    BatchNorm.noting = True
    new = iter(rule([p for net in nets for p in net.params], gradients))
    for net in nets:
        net.params = list(islice(new, len(net.params)))
    return value


def absolute(v):
    return v * np.sign(v.real)


def minus_log(p):
    return -np.mean(np.log(p))


def discriminate(D, rule, real, fake, r1=0.0):
    """D's step down -log D(real) - log(1 - D(fake)), each the arguments of a forward pass; the metrics.

    With `r1`, down (r1 / 2) mean |grad D(real)|^2 as well (Mescheder et al. 2018), which the loss does not count.
    """
    seen = []

    def loss():
        seen.append((D(*real), D(*fake)))
        penalty = r1 / 2 * (slopes(D, *real) ** 2).sum(axis=1).mean() if r1 else 0.0
        return minus_log(sigma(seen[-1][0])) + minus_log(1 - sigma(seen[-1][1])) + penalty

    descend(rule, loss, D)
    v, w = seen[0]
    metrics = {"loss_D": minus_log(sigma(v)) + minus_log(1 - sigma(w)), "D_accuracy": (np.mean(v > 0) + np.mean(w < 0)) / 2}
    return metrics | {"D_real": np.mean(sigma(v)), "D_fake": np.mean(sigma(w))}


def slopes(f, x, *y):
    """grad f(x_i), or the gradient of f(x_i, y_i) for x_i, for two dense layers with tanh between."""
    W, b, w, _ = f.params
    inputs = np.concatenate([x, *(np.eye(f.classes)[labels] for labels in y)], axis=1)
    return ((1 - np.tanh(inputs @ W + b) ** 2) * w.T) @ W[: x.shape[1]].T


def gan(g, batches):
    """Goodfellow et al. 2014, Algorithm 1; with minibatches (x, y), Mirza and Osindero 2014."""
    G, D, saturating = g.G, g.D, getattr(g, "saturating", False)
    for batch in batches:
        x, *y = batch if isinstance(batch, tuple) else (batch,)
        metrics = discriminate(D, g.opt_D, (x, *y), (G(g.prior(len(x)), *y), *y), getattr(g, "r1", 0.0))
    for _ in range(g.l):
        z = g.prior(len(x))

        def loss(z=z):
            p = sigma(D(G(z, *y), *y))
            return -minus_log(1 - p) if saturating else minus_log(p)

        metrics["loss_G"] = descend(g.opt_G, loss, G)
    return metrics


def wgan(g, xs):
    """Arjovsky et al. 2017, Algorithm 1 (`clip`), or Gulrajani et al. 2017, Algorithm 1 (`penalty`)."""
    G, f = g.G, g.D
    for x in xs:
        fake = G(g.prior(len(x)))
        between = (u := g.mixing.random((len(x), 1))) * x + (1 - u) * fake if hasattr(g, "penalty") else None

        def penalty(at=between):
            return np.mean((np.sqrt((slopes(f, at) ** 2).sum(axis=1)) - 1) ** 2)

        metrics = {"w_estimate": f(x).mean() - f(fake).mean()}
        if hasattr(g, "penalty"):
            metrics["penalty"] = penalty()
            descend(g.opt_D, lambda x=x, fake=fake, p=penalty: f(fake).mean() - f(x).mean() + g.penalty * p(), f)
        else:
            descend(g.opt_D, lambda x=x, fake=fake: f(fake).mean() - f(x).mean(), f)
            f.params = [np.where(p > g.clip, g.clip, np.where(p < -g.clip, -g.clip, p)) for p in f.params]
    z = g.prior(len(x))
    return metrics | {"loss_D": -metrics["w_estimate"], "loss_G": descend(g.opt_G, lambda: -f(G(z)).mean(), G)}


def began(g, batches):
    """Berthelot et al. 2017, section 3.4. k is 0 at first."""
    (x,), G, D, k = batches, g.G, g.D, getattr(g, "k", 0.0)

    def error(v):
        return absolute(v - D(v)).mean()

    fake, L_x = G(g.prior(len(x))), error(x)
    loss_D = descend(g.opt_D, lambda: error(x) - k * error(fake), D)
    z = g.prior(len(x))
    L_fake = descend(g.opt_G, lambda: error(G(z)), G)
    balance = g.gamma * L_x - L_fake
    g.k = min(max(k + g.lambda_k * balance, 0.0), 1.0)
    return {"loss_D": loss_D, "loss_G": L_fake, "L_x": L_x, "ratio": L_fake / L_x, "k": g.k, "M": L_x + abs(balance)}


def ebgan(g, batches):
    """Zhao, Mathieu and LeCun 2016, sections 2.1 to 2.4. `depth`: how many of D's layers are the encoder's."""
    (x,), G, D = batches, g.G, g.D

    def energy(v):
        return np.sqrt(((v - D(v)) ** 2).sum(axis=1))

    fake = G(g.prior(len(x)))
    metrics = {"D_real": energy(x).mean(), "D_fake": energy(fake).mean()}
    metrics["loss_D"] = descend(g.opt_D, lambda: energy(x).mean() + leaky_relu(g.margin - energy(fake)).mean(), D)
    z = g.prior(len(x))
    metrics["loss_G"] = energy(G(z)).mean()
    descend(g.opt_G, lambda: energy(G(z)).mean() + g.pull_away * pull_away_term(D(G(z), stop=g.depth)), G)
    return metrics


def pair(x, z):
    return np.concatenate([x, z], axis=1)


def ali(g, batches):
    """Dumoulin et al. 2016, Algorithm 1; D steps first, and P and Q meet the updated D. D: of x and z side by side."""
    (x,), P, Q, D = batches, g.G, g.Q, g.D
    z = g.prior(len(x))
    metrics = discriminate(D, g.opt_D, (pair(x, Q(x)),), (pair(P(z), z),))
    z = g.prior(len(x))

    def swapped():
        return minus_log(1 - sigma(D(pair(x, Q(x))))) + minus_log(sigma(D(pair(P(z), z))))

    return metrics | {"loss_G": descend(g.opt_G, swapped, P, Q)}


def aae(g, batches):
    """Makhzani et al. 2015, section 2: the reconstruction phase, then the regularisation phase."""
    (x,), P, Q, D = batches, g.G, g.Q, g.D
    error = descend(g.opt_G, lambda: np.mean((P(Q(x)) - x) ** 2), Q, P)
    metrics = discriminate(D, g.opt_D, (g.prior(len(x)),), (Q(x),))
    return metrics | {"error": error, "loss_Q": descend(g.opt_Q, lambda: minus_log(sigma(D(Q(x)))), Q)}


def avb(g, batches):
    """Mescheder et al. 2017, Algorithm 1: all three gradients, then the steps."""
    (x,), P, Q, T = batches, g.G, g.Q, g.D
    z, seen = g.prior(len(x)), pair(x, g.epsilon(len(x)))
    code = Q(seen)

    def reconstruction():
        p = sigma(P(Q(seen)))
        return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p)) / len(x)

    metrics = {"D_KL": T(pair(x, code)).mean(), "minus_log_P": reconstruction()}
    metrics["minus_ELBO"] = descend(g.opt_G, lambda: T(pair(x, Q(seen))).mean() + reconstruction(), Q, P)
    return metrics | {"loss_D": discriminate(T, g.opt_D, (pair(x, code),), (pair(x, z),))["loss_D"]}


def feature_matching(g, batches):
    """Salimans et al. 2016, section 3.1: D's step as ever, then G's: the mean features of its samples become those of x."""
    (x,) = batches
    return discriminate(g.D, g.opt_D, (x,), (g.G(g.prior(len(x))),)) | {"loss_G": match(g, x)}


def match(g, x):
    """G's step, on the features of all layers of D but the last."""
    z = g.prior(len(x))
    return descend(g.opt_G, lambda: ((g.D(g.G(z), stop=-1).mean(axis=0) - g.D(x, stop=-1).mean(axis=0)) ** 2).sum(), g.G)


def semi_supervised(g, batches):
    """Salimans et al. 2016, section 5, by the softmax of K + 1 classes: the last, "fake", has the logit 0."""
    (x,), D, (known, y) = batches, g.D, next(g.labelled)
    fake = g.G(g.prior(len(x)))

    def p_fake(x):
        return 1 / (1 + np.exp(D(x)).sum(axis=1))

    def supervised():
        e = np.exp(D(known))
        return minus_log(e[np.arange(len(y)), y] / e.sum(axis=1))

    def unsupervised():
        return minus_log(1 - p_fake(x)) + minus_log(p_fake(fake))

    metrics = {"D_real": np.mean(1 - p_fake(x)), "D_fake": np.mean(1 - p_fake(fake))}
    metrics |= {"L_supervised": supervised(), "L_unsupervised": unsupervised()}
    metrics["loss_D"] = descend(g.opt_D, lambda: supervised() + unsupervised(), D)
    return metrics | {"loss_G": match(g, x)}
