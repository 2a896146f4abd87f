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
