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


# --- rules and steps: a rule is called with parameters and gradients, and returns the new parameters --------------------


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


def descend(rule, *trained):
    """One step of the rule for pairs (network, gradients)."""
    old = [p for net, _ in trained for p in net.params]
    new = iter(rule(old, [g for _, gradients in trained for g in gradients]))
    for net, gradients in trained:
        net.params = [next(new) for _ in gradients]


def sigma(v):
    return 1 / (1 + np.exp(-v))


def _sum(*gradients):
    return [sum(parts) for parts in zip(*gradients, strict=True)]


def discriminate(D, rule, real, fake):
    """D's step down -log D(real) - log(1 - D(fake)), each the arguments of a forward pass; the metrics."""
    m, (v, at_real), (w, at_fake) = len(real[0]), D.forward(*real), D.forward(*fake)
    _, from_real = D.backward(-(1 - sigma(v)) / m, at_real)  # d/dv of -log sigma(v)
    _, from_fake = D.backward(sigma(w) / m, at_fake)  # d/dv of -log(1 - sigma(v))
    descend(rule, (D, _sum(from_real, from_fake)))
    return {
        "loss_D": -np.mean(np.log(sigma(v))) - np.mean(np.log(1 - sigma(w))),
        "D_real": np.mean(sigma(v)),
        "D_fake": np.mean(sigma(w)),
        "D_accuracy": (np.mean(v > 0) + np.mean(w < 0)) / 2,
    }


def gan(g, batches):
    """Goodfellow et al. 2014, Algorithm 1; with minibatches (x, y), Mirza and Osindero 2014."""
    sizes = [len(batch[0] if isinstance(batch, tuple) else batch) for batch in batches]
    zs = map(g.prior, [*sizes, *sizes[-1:] * g.l])
    return gan_step(g.G, g.D, g.opt_G, g.opt_D, batches, zs, g.l, getattr(g, "saturating", False))


def gan_step(G, D, rule_G, rule_D, batches, zs, l=1, saturating=False):
    """The same, on noise that is given: one minibatch for each step."""
    zs = iter(zs)
    for batch in batches:
        x, *y = batch if isinstance(batch, tuple) else (batch,)
        fake, _ = G.forward(next(zs), *y)
        metrics = discriminate(D, rule_D, (x, *y), (fake, *y))
    for _ in range(l):
        fake, in_G = G.forward(next(zs), *y)
        v, in_D = D.forward(fake, *y)
        d_fake, _ = D.backward((-sigma(v) if saturating else -(1 - sigma(v))) / len(x), in_D)
        descend(rule_G, (G, G.backward(d_fake, in_G)[1]))
    return metrics | {"loss_G": np.mean(np.log(1 - sigma(v))) if saturating else -np.mean(np.log(sigma(v)))}


def wgan(g, xs):
    """Arjovsky et al. 2017, Algorithm 1 (`clip`), or Gulrajani et al. 2017, Algorithm 1 (`penalty`)."""
    G, f = g.G, g.D
    for x in xs:
        m = len(x)
        fake, _ = G.forward(g.prior(m))
        real_f, at_real = f.forward(x)
        fake_f, at_fake = f.forward(fake)
        gradients = _sum(f.backward(np.full((m, 1), -1 / m), at_real)[1], f.backward(np.full((m, 1), 1 / m), at_fake)[1])
        metrics = {"w_estimate": real_f.mean() - fake_f.mean()}
        if hasattr(g, "penalty"):
            u = g.mixing.random((m, 1))
            metrics["penalty"], from_penalty = penalty_and_gradient(f, u * x + (1 - u) * fake)
            gradients = [own + g.penalty * p for own, p in zip(gradients, from_penalty, strict=True)]
        descend(g.opt_D, (f, gradients))
        if hasattr(g, "clip"):
            f.params = [np.where(p > g.clip, g.clip, np.where(p < -g.clip, -g.clip, p)) for p in f.params]
    fake, in_G = G.forward(g.prior(m))
    fake_f, in_f = f.forward(fake)
    d_fake, _ = f.backward(np.full((m, 1), -1 / m), in_f)
    descend(g.opt_G, (G, G.backward(d_fake, in_G)[1]))
    return metrics | {"loss_D": -metrics["w_estimate"], "loss_G": -fake_f.mean()}


def penalty_and_gradient(f, x):
    """mean (|g_i| - 1)^2 for g_i = grad f(x_i), and its gradient for f's parameters theta.

    By the chain rule it is the sum of q_i dg_i/dtheta with q_i = 2 (|g_i| - 1) / (N |g_i|) g_i. The derivatives for x and
    for theta commute, so this is d/dh of the gradient for theta of the sum of f(x_i + h q_i), at h = 0: a complex step.
    """
    v, caches = f.forward(x)
    g, _ = f.backward(np.ones_like(v), caches)
    lengths = np.sqrt((g**2).sum(axis=1, keepdims=True))
    q = 2 * (lengths - 1) / (len(x) * lengths) * g
    v, caches = f.forward(x + 1e-30j * q)
    _, gradients = f.backward(np.ones_like(v), caches)
    return np.mean((lengths - 1) ** 2), [d.imag / 1e-30 for d in gradients]


def began(g, batches):
    """Berthelot et al. 2017, section 3.4. k is 0 at first."""
    (x,), G, D, k = batches, g.G, g.D, getattr(g, "k", 0.0)
    fake, _ = G.forward(g.prior(len(x)))
    r_x, at_x = D.forward(x)
    r_fake, at_fake = D.forward(fake)
    _, from_x = D.backward(np.sign(r_x - x) / x.size, at_x)
    _, from_fake = D.backward(-k * np.sign(r_fake - fake) / x.size, at_fake)
    L_x, loss_D = np.abs(x - r_x).mean(), np.abs(x - r_x).mean() - k * np.abs(fake - r_fake).mean()
    descend(g.opt_D, (D, _sum(from_x, from_fake)))

    fake, in_G = G.forward(g.prior(len(x)))
    r_fake, in_D = D.forward(fake)
    L_fake, sign = np.abs(fake - r_fake).mean(), np.sign(fake - r_fake) / fake.size
    d_fake = sign + D.backward(-sign, in_D)[0]  # fake is on both sides of the difference
    descend(g.opt_G, (G, G.backward(d_fake, in_G)[1]))

    balance = g.gamma * L_x - L_fake
    g.k = min(max(k + g.lambda_k * balance, 0.0), 1.0)
    return {"loss_D": loss_D, "loss_G": L_fake, "L_x": L_x, "ratio": L_fake / L_x, "k": g.k, "M": L_x + abs(balance)}


def ebgan(g, batches):
    """Zhao, Mathieu and LeCun 2016, sections 2.1 to 2.4. `depth`: how many of D's layers are the encoder's."""
    (x,), G, D = batches, g.G, g.D
    m = len(x)
    fake, _ = G.forward(g.prior(m))
    real_energy, through_x = energy(D, x)
    fake_energy, through_fake = energy(D, fake)
    hinge = np.maximum(0, g.margin - fake_energy)
    _, from_x = through_x(np.full(m, 1 / m))
    _, from_fake = through_fake(np.where(hinge > 0, -1 / m, 0.0))
    descend(g.opt_D, (D, _sum(from_x, from_fake)))

    fake, in_G = G.forward(g.prior(m))
    judged, through_fake = energy(D, fake)
    d_fake, _ = through_fake(np.full(m, 1 / m))
    if g.pull_away:
        encoder = Net(*D.layers[: g.depth])
        S, in_encoder = encoder.forward(fake)
        d_fake = d_fake + encoder.backward(g.pull_away * pull_away_gradient(S), in_encoder)[0]
    descend(g.opt_G, (G, G.backward(d_fake, in_G)[1]))
    metrics = {"loss_D": real_energy.mean() + hinge.mean(), "loss_G": judged.mean()}
    return metrics | {"D_real": real_energy.mean(), "D_fake": fake_energy.mean()}


def energy(D, v):
    """e_i = |v_i - D(v_i)|; and a function that returns, of sum w_i e_i, the gradients for v and for D's parameters.

    By the difference d_i, e_i has the derivative d_i / e_i: v is on both sides of the difference.
    """
    r, caches = D.forward(v)
    e = np.sqrt(((v - r) ** 2).sum(axis=1))

    def gradients(w):
        by_difference = w[:, None] * (v - r) / e[:, None]
        by_input, of_parameters = D.backward(-by_difference, caches)
        return by_difference + by_input, of_parameters

    return e, gradients


def pull_away_gradient(S):
    """Of sum over i != j of (s_i s_j)^2 / (n (n - 1)), s = S / |S|: by s_i, 4 sum_j (s_i s_j) s_j; by S_i, the part of it
    at right angles to s_i, over |S_i|."""
    n, length = len(S), np.sqrt((S**2).sum(axis=1, keepdims=True))
    s = S / length
    by_s = 4 * (s @ s.T - np.eye(n)) @ s / (n * (n - 1))
    return (by_s - (by_s * s).sum(axis=1, keepdims=True) * s) / length


def ali(g, batches):
    """Dumoulin et al. 2016, Algorithm 1; D steps first, and P and Q meet the updated D. D: of x and z side by side."""
    (x,), P, Q, D = batches, g.G, g.Q, g.D
    m, d = x.shape
    z = g.prior(m)
    metrics = discriminate(D, g.opt_D, (_pair(x, Q.forward(x)[0]),), (_pair(P.forward(z)[0], z),))

    z = g.prior(m)
    fake, in_P = P.forward(z)
    code, in_Q = Q.forward(x)
    rho_q, at_q = D.forward(_pair(x, code))
    rho_p, at_p = D.forward(_pair(fake, z))
    d_pair_q, _ = D.backward(sigma(rho_q) / m, at_q)  # the labels are swapped: -log(1 - rho_q) - log rho_p
    d_pair_p, _ = D.backward(-(1 - sigma(rho_p)) / m, at_p)
    descend(g.opt_G, (P, P.backward(d_pair_p[:, :d], in_P)[1]), (Q, Q.backward(d_pair_q[:, d:], in_Q)[1]))
    return metrics | {"loss_G": -np.mean(np.log(1 - sigma(rho_q))) - np.mean(np.log(sigma(rho_p)))}


def _pair(x, z):
    return np.concatenate([x, z], axis=1)


def aae(g, batches):
    """Makhzani et al. 2015, section 2: the reconstruction phase, then the regularisation phase."""
    (x,), P, Q, D = batches, g.G, g.Q, g.D
    code, in_Q = Q.forward(x)
    r, in_P = P.forward(code)
    d_code, from_P = P.backward(2 * (r - x) / x.size, in_P)
    descend(g.opt_G, (Q, Q.backward(d_code, in_Q)[1]), (P, from_P))

    code, in_Q = Q.forward(x)
    metrics = discriminate(D, g.opt_D, (g.prior(len(x)),), (code,))
    v, in_D = D.forward(code)
    d_code, _ = D.backward(-(1 - sigma(v)) / len(x), in_D)
    descend(g.opt_Q, (Q, Q.backward(d_code, in_Q)[1]))
    return metrics | {"error": np.mean((r - x) ** 2), "loss_Q": -np.mean(np.log(sigma(v)))}


def avb(g, batches):
    """Mescheder et al. 2017, Algorithm 1: all three gradients, then the steps."""
    (x,), P, Q, T = batches, g.G, g.Q, g.D
    m = len(x)
    z = g.prior(m)
    code, in_Q = Q.forward(_pair(x, g.epsilon(m)))
    v, in_P = P.forward(code)
    t, at_code = T.forward(_pair(x, code))
    d_code, from_P = P.backward((sigma(v) - x) / m, in_P)
    d_pair, _ = T.backward(np.full((m, 1), 1 / m), at_code)
    _, from_Q = Q.backward(d_code + d_pair[:, x.shape[1] :], in_Q)
    loss_D = discriminate(T, g.opt_D, (_pair(x, code),), (_pair(x, z),))["loss_D"]
    descend(g.opt_G, (Q, from_Q), (P, from_P))
    minus_log_P = -np.sum(x * np.log(sigma(v)) + (1 - x) * np.log(1 - sigma(v))) / m
    return {"loss_D": loss_D, "D_KL": t.mean(), "minus_log_P": minus_log_P, "minus_ELBO": t.mean() + minus_log_P}


def feature_matching(g, batches):
    """Salimans et al. 2016, section 3.1: D's step as ever, then G's: the mean features of its samples become those of x."""
    (x,) = batches
    metrics = discriminate(g.D, g.opt_D, (x,), (g.G.forward(g.prior(len(x)))[0],))
    return metrics | {"loss_G": _match(g, x)}


def _match(g, x):
    """G's step, f being all layers of D but the last."""
    f = Net(*g.D.layers[:-1])
    target = f.forward(x)[0].mean(axis=0)
    fake, in_G = g.G.forward(g.prior(len(x)))
    features, in_f = f.forward(fake)
    gap = features.mean(axis=0) - target
    d_fake, _ = f.backward(np.tile(2 * gap / len(x), (len(x), 1)), in_f)
    descend(g.opt_G, (g.G, g.G.backward(d_fake, in_G)[1]))
    return (gap**2).sum()


def semi_supervised(g, batches):
    """Salimans et al. 2016, section 5, by the softmax of K + 1 classes: the last, "fake", has the logit 0."""
    (x,), D, (x_l, y) = batches, g.D, next(g.labelled)
    m = len(x)
    real_l, at_real = D.forward(x)
    fake_l, at_fake = D.forward(g.G.forward(g.prior(m))[0])
    known_l, at_known = D.forward(x_l)
    p_real, p_fake = _with_fake(real_l), _with_fake(fake_l)
    p_known = np.exp(known_l) / np.exp(known_l).sum(axis=1, keepdims=True)
    # -log(1 - p_fake) = -log Z + log(1 + Z) by l_k: -e^l_k / Z + e^l_k / (1 + Z);  -log p_fake = log(1 + Z): e^l_k / (1 + Z)
    share = p_real[:, :-1] / p_real[:, :-1].sum(axis=1, keepdims=True)
    _, from_real = D.backward((p_real[:, :-1] - share) / m, at_real)
    _, from_fake = D.backward(p_fake[:, :-1] / m, at_fake)
    _, from_known = D.backward((p_known - np.eye(known_l.shape[1])[y]) / len(y), at_known)
    descend(g.opt_D, (D, _sum(from_real, from_fake, from_known)))
    L_supervised = -np.mean(np.log(p_known[np.arange(len(y)), y]))
    L_unsupervised = -np.mean(np.log(1 - p_real[:, -1])) - np.mean(np.log(p_fake[:, -1]))
    metrics = {"loss_D": L_supervised + L_unsupervised, "L_supervised": L_supervised, "L_unsupervised": L_unsupervised}
    metrics |= {"D_real": np.mean(1 - p_real[:, -1]), "D_fake": np.mean(1 - p_fake[:, -1])}
    return metrics | {"loss_G": _match(g, x)}


def _with_fake(l):
    """The probabilities of K + 1 classes; the last logit is 0."""
    e = np.exp(np.concatenate([l, np.zeros((len(l), 1))], axis=1))
    return e / e.sum(axis=1, keepdims=True)
