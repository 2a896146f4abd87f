"""ALI's step without an engine, every derivative written out by hand from the paper; see `reference`."""

import numpy as np

from tests.games.reference import _sum, sigma


def ali_step(P, Q, D, rule_PQ, rule_D, x, zs):
    """Dumoulin et al. 2016, Algorithm 1; D steps first, and P and Q meet the updated D. `zs`: one for each step.

    P, Q, D are `reference.Net`s of z, of x, and of x and z side by side.
    """
    m, d = x.shape
    z = zs[0]
    rho_q, at_q = D.forward(np.concatenate([x, Q.forward(x)[0]], axis=1))
    rho_p, at_p = D.forward(np.concatenate([P.forward(z)[0], z], axis=1))
    _, from_q = D.backward(-(1 - sigma(rho_q)) / m, at_q)  # d/dv of -log sigma(v)
    _, from_p = D.backward(sigma(rho_p) / m, at_p)  # d/dv of -log(1 - sigma(v))
    D.params = rule_D(D.params, _sum(from_q, from_p))
    figures = {
        "loss_D": -np.mean(np.log(sigma(rho_q))) - np.mean(np.log(1 - sigma(rho_p))),
        "D_real": np.mean(sigma(rho_q)),
        "D_fake": np.mean(sigma(rho_p)),
        "D_accuracy": (np.mean(rho_q > 0) + np.mean(rho_p < 0)) / 2,
    }

    z = zs[1]
    fake, in_P = P.forward(z)
    code, in_Q = Q.forward(x)
    rho_q, at_q = D.forward(np.concatenate([x, code], axis=1))
    rho_p, at_p = D.forward(np.concatenate([fake, z], axis=1))
    d_pair_q, _ = D.backward(sigma(rho_q) / m, at_q)  # the labels are swapped: -log(1 - rho_q) - log rho_p
    d_pair_p, _ = D.backward(-(1 - sigma(rho_p)) / m, at_p)
    of_P, of_Q = P.backward(d_pair_p[:, :d], in_P)[1], Q.backward(d_pair_q[:, d:], in_Q)[1]
    new = rule_PQ(P.params + Q.params, of_P + of_Q)
    P.params, Q.params = new[: len(of_P)], new[len(of_P) :]
    return figures | {"loss_G": -np.mean(np.log(1 - sigma(rho_q))) - np.mean(np.log(sigma(rho_p)))}
