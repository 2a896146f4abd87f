"""The games with an encoder once more, as in `reference`: NumPy alone, every derivative written out by hand."""

import numpy as np

from tests.games.reference import sigma


def aae_step(Q, P, D, rule_G, rule_D, rule_Q, x, z):
    """Makhzani et al. 2015, section 2: the reconstruction phase, then the regularisation phase. `rule_G`: of Q's and P's."""
    code, in_Q = Q.forward(x)
    r, in_P = P.forward(code)
    error = np.mean((r - x) ** 2)
    d_code, from_P = P.backward(2 * (r - x) / x.size, in_P)
    new = rule_G(Q.params + P.params, Q.backward(d_code, in_Q)[1] + from_P)
    Q.params, P.params = new[: len(Q.params)], new[len(Q.params) :]

    code, in_Q = Q.forward(x)
    real_v, at_real = D.forward(z)
    fake_v, at_fake = D.forward(code)
    _, from_real = D.backward(-(1 - sigma(real_v)) / len(x), at_real)  # d/dv of -log sigma(v)
    _, from_fake = D.backward(sigma(fake_v) / len(x), at_fake)  # d/dv of -log(1 - sigma(v))
    D.params = rule_D(D.params, [a + b for a, b in zip(from_real, from_fake, strict=True)])

    v, in_D = D.forward(code)
    d_code, _ = D.backward(-(1 - sigma(v)) / len(x), in_D)
    Q.params = rule_Q(Q.params, Q.backward(d_code, in_Q)[1])
    return {
        "error": error,
        "loss_D": -np.mean(np.log(sigma(real_v))) - np.mean(np.log(1 - sigma(fake_v))),
        "loss_Q": -np.mean(np.log(sigma(v))),
        "D_real": np.mean(sigma(real_v)),
        "D_fake": np.mean(sigma(fake_v)),
        "D_accuracy": (np.mean(real_v > 0) + np.mean(fake_v < 0)) / 2,
    }


def avb_step(Q, P, T, rule_G, rule_T, x, z, epsilon):
    """Mescheder et al. 2017, Algorithm 1: all three gradients, then the steps. `rule_G`: of Q's and P's."""
    m = len(x)
    code, in_Q = Q.forward(np.concatenate([x, epsilon], axis=1))
    v, in_P = P.forward(code)
    t, at_code = T.forward(np.concatenate([x, code], axis=1))
    t_prior, at_prior = T.forward(np.concatenate([x, z], axis=1))

    minus_log_P = -np.sum(x * np.log(sigma(v)) + (1 - x) * np.log(1 - sigma(v))) / m
    d_code, from_P = P.backward((sigma(v) - x) / m, in_P)
    d_pair, _ = T.backward(np.full((m, 1), 1 / m), at_code)
    _, from_Q = Q.backward(d_code + d_pair[:, x.shape[1] :], in_Q)
    _, from_code = T.backward(-(1 - sigma(t)) / m, at_code)  # d/dt of -log sigma(t)
    _, from_prior = T.backward(sigma(t_prior) / m, at_prior)  # d/dt of -log(1 - sigma(t))

    new = rule_G(Q.params + P.params, from_Q + from_P)
    Q.params, P.params = new[: len(Q.params)], new[len(Q.params) :]
    T.params = rule_T(T.params, [a + b for a, b in zip(from_code, from_prior, strict=True)])
    return {
        "loss_D": -np.mean(np.log(sigma(t))) - np.mean(np.log(1 - sigma(t_prior))),
        "D_KL": t.mean(),
        "minus_log_P": minus_log_P,
        "minus_ELBO": t.mean() + minus_log_P,
    }
