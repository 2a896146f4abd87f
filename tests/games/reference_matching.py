"""Feature matching and the semi-supervised GAN without an engine: Salimans et al. 2016, every derivative by hand."""

import numpy as np

from tests.games import reference
from tests.games.reference import sigma


def feature_matching_step(G, D, rule_G, rule_D, x, zs):
    """Section 3.1: D's step as ever, then G's: the mean features of its samples become those of x."""
    m = len(x)
    fake, _ = G.forward(zs[0])
    real_v, at_real = D.forward(x)
    fake_v, at_fake = D.forward(fake)
    _, from_real = D.backward(-(1 - sigma(real_v)) / m, at_real)
    _, from_fake = D.backward(sigma(fake_v) / m, at_fake)
    D.params = rule_D(D.params, _sum(from_real, from_fake))
    return {
        "loss_D": -np.mean(np.log(sigma(real_v))) - np.mean(np.log(1 - sigma(fake_v))),
        "loss_G": _match(G, D, rule_G, x, zs[1]),
        "D_real": np.mean(sigma(real_v)),
        "D_fake": np.mean(sigma(fake_v)),
        "D_accuracy": (np.mean(real_v > 0) + np.mean(fake_v < 0)) / 2,
    }


def semi_supervised_step(G, D, rule_G, rule_D, x, labelled, zs):
    """Section 5, by the softmax of K + 1 classes: the last, "fake", has the logit 0."""
    (x_l, y), m = labelled, len(x)
    fake, _ = G.forward(zs[0])
    real_l, at_real = D.forward(x)
    fake_l, at_fake = D.forward(fake)
    known_l, at_known = D.forward(x_l)
    p_real, p_fake = _with_fake(real_l), _with_fake(fake_l)
    p_known = np.exp(known_l) / np.exp(known_l).sum(axis=1, keepdims=True)
    # -log(1 - p_fake) = -log Z + log(1 + Z) by l_k: -e^l_k / Z + e^l_k / (1 + Z);  -log p_fake = log(1 + Z): e^l_k / (1 + Z)
    share = p_real[:, :-1] / p_real[:, :-1].sum(axis=1, keepdims=True)
    _, from_real = D.backward((p_real[:, :-1] - share) / m, at_real)
    _, from_fake = D.backward(p_fake[:, :-1] / m, at_fake)
    _, from_known = D.backward((p_known - np.eye(known_l.shape[1])[y]) / len(y), at_known)
    D.params = rule_D(D.params, _sum(from_real, from_fake, from_known))
    L_supervised = -np.mean(np.log(p_known[np.arange(len(y)), y]))
    L_unsupervised = -np.mean(np.log(1 - p_real[:, -1])) - np.mean(np.log(p_fake[:, -1]))
    return {
        "loss_D": L_supervised + L_unsupervised,
        "loss_G": _match(G, D, rule_G, x, zs[1]),
        "L_supervised": L_supervised,
        "L_unsupervised": L_unsupervised,
        "D_real": np.mean(1 - p_real[:, -1]),
        "D_fake": np.mean(1 - p_fake[:, -1]),
    }


def _with_fake(l):
    """The probabilities of K + 1 classes; the last logit is 0."""
    e = np.exp(np.concatenate([l, np.zeros((len(l), 1))], axis=1))
    return e / e.sum(axis=1, keepdims=True)


def _match(G, D, rule_G, x, z):
    """G's step, f being all layers of D but the last."""
    f = reference.Net(*D.layers[:-1])
    target = f.forward(x)[0].mean(axis=0)
    fake, in_G = G.forward(z)
    features, in_f = f.forward(fake)
    gap = features.mean(axis=0) - target
    d_fake, _ = f.backward(np.tile(2 * gap / len(z), (len(z), 1)), in_f)
    G.params = rule_G(G.params, G.backward(d_fake, in_G)[1])
    return (gap**2).sum()


def _sum(*gradients):
    return [sum(parts) for parts in zip(*gradients, strict=True)]
