"""EBGAN once more, without an engine: NumPy alone, every derivative written out by hand. See `reference`."""

import numpy as np

from tests.games.reference import Net, _sum


def ebgan_step(G, D, rule_G, rule_D, x, zs, margin, pull_away=0.0, depth=0):
    """Zhao, Mathieu and LeCun 2016, sections 2.1 to 2.4. `depth`: how many of D's layers are the encoder's."""
    m = len(x)
    fake, _ = G.forward(zs[0])
    real_energy, through_x = energy(D, x)
    fake_energy, through_fake = energy(D, fake)
    below = fake_energy < margin
    _, from_x = through_x(np.full(m, 1 / m))
    _, from_fake = through_fake(np.where(below, -1 / m, 0.0))
    D.params = rule_D(D.params, _sum(from_x, from_fake))

    fake, in_G = G.forward(zs[1])
    judged, through_fake = energy(D, fake)
    d_fake, _ = through_fake(np.full(m, 1 / m))
    if pull_away:
        encoder = Net(*D.layers[:depth])
        S, in_encoder = encoder.forward(fake)
        d_fake = d_fake + encoder.backward(pull_away * pull_away_gradient(S), in_encoder)[0]
    G.params = rule_G(G.params, G.backward(d_fake, in_G)[1])
    hinge = np.where(below, margin - fake_energy, 0.0)
    figures = {"loss_D": real_energy.mean() + hinge.mean(), "loss_G": judged.mean()}
    return figures | {"D_real": real_energy.mean(), "D_fake": fake_energy.mean()}


def energy(D, v):
    """e_i = |v_i - D(v_i)|; and what returns, of sum w_i e_i, the gradients for v and for D's parameters.

    By the difference d_i, e_i has the derivative d_i / e_i: v stands on both sides of the difference.
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
    by_s = np.zeros_like(s)
    for i in range(n):
        for j in range(n):
            if i != j:
                by_s[i] += 4 * (s[i] @ s[j]) * s[j] / (n * (n - 1))
    return (by_s - (by_s * s).sum(axis=1, keepdims=True) * s) / length
