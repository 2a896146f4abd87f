"""The demo of the variational fair autoencoder: the MMD, the colours, the loss, and faults that break the claim."""

import numpy as np
import pytest

from demos.generative_models import fair as demo
from minigan import Tensor
from tests.demos.experiments import broken


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_mmd_is_the_naive_double_sum():
    a, b = normal(5, 3), normal(7, 3, seed=1) + 0.5

    def k(x, y):
        return np.exp(-np.sum((x - y) ** 2) / 3)

    def total(xs, ys):
        return np.mean([k(x, y) for i, x in enumerate(xs) for j, y in enumerate(ys) if xs is not ys or i != j])

    expected = total(a, a) + total(b, b) - 2 * total(a, b)
    assert demo.squared_mmd(Tensor(a), Tensor(b)).item() == pytest.approx(expected, rel=1e-12)


def test_the_losses_gradients_reach_both_networks_and_are_right():
    vae = demo.FairVAE(2, 4)
    parameters = vae.parameters()
    for p in parameters:
        p.data = p.data.astype("float64")
    rng = np.random.default_rng(0)
    x, s, epsilon = rng.random((6, demo.PIXELS)), np.array([0, 1, 1, 0, 0, 1]), rng.standard_normal((6, 2))
    vae.prior = lambda n: epsilon

    def loss():
        return sum(vae.terms(x, s, np.array([3, 0, 9, 3, 1, 5]), 2.0, 50.0))

    loss().backward()
    for p in parameters:
        places = [np.unravel_index(i, p.shape) for i in rng.choice(p.size, min(3, p.size), replace=False)]
        for place in places:
            ends, before = [], p.data[place]
            for h in (1e-5, -1e-5):
                p.data[place] = before + h
                ends.append(loss().item())
            p.data[place] = before
            assert p.grad.numpy()[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-6)


def test_encoder_and_decoder_are_told_s_and_the_term_compares_the_codes_of_both_colours():
    vae, s = demo.FairVAE(2, 4), np.array([0, 1, 0, 1, 1])
    x, z = normal(5, demo.PIXELS).astype("float32"), Tensor(normal(5, 2).astype("float32"))
    assert not np.allclose(vae.encode(x, 0 * s)[0].numpy(), vae.encode(x, 0 * s + 1)[0].numpy())
    assert not np.allclose(vae.decode(z, 0 * s).numpy(), vae.decode(z, 0 * s + 1).numpy())
    vae.encode = lambda x, s: (z, z, z)
    expected = 50 * demo.squared_mmd(z[s == 0], z[s == 1]).item()
    assert vae.terms(np.abs(x).clip(0, 1), s, s, 2.0, 50.0)[3].item() == pytest.approx(expected, rel=1e-5)


def test_s_is_a_digits_colour():
    x = np.random.default_rng(0).random((3, 1, 28, 28))
    red, green = demo.coloured(x, np.array([0, 1, 0])).reshape(3, 2, 14, 14).transpose(1, 0, 2, 3)
    assert red[0, 2, 5] == pytest.approx(x[0, 0, 4:6, 10:12].mean(), rel=1e-6)
    assert green[1, 2, 5] == pytest.approx(x[1, 0, 4:6, 10:12].mean(), rel=1e-6)
    assert not green[[0, 2]].any()
    assert not red[1].any()


def test_a_network_reads_what_a_code_says_and_guesses_what_it_does_not():
    z, other, s = normal(400, 16).astype("float32"), normal(400, 16, seed=1).astype("float32"), np.arange(400) % 2
    settings = demo.Settings(width=32, judge_steps=80, batch=100)
    says = z.copy()
    says[:, 0] += 4 * s
    assert demo.rightly_read(says, s, says, s, 2, settings, "says") > 0.95
    assert demo.rightly_read(z, s, other, s, 2, settings, "silent") < 0.6


@pytest.mark.parametrize(
    ("told", "fair", "fails"),
    [
        ((0.7, 0.94), (0.54, 0.92), set()),
        ((0.7, 0.94), (0.56, 0.94), {"the colour from z, with the term, worst seed"}),
        ((0.7, 0.94), (0.54, 0.90), {"the class from z, lost by the term, worst seed"}),
        ((0.59, 0.94), (0.54, 0.94), {"the colour from z, without the term, worst seed"}),
    ],
)
def test_the_worst_seed_decides(claim, told, fair, fails):
    shares = {"told s": [(0.9, 0.95), told], "fair": [(0.51, 0.95), fair]}
    demo.measure(claim, {kind: [{"s": s, "class": c, "error": 0.01} for s, c in pairs] for kind, pairs in shares.items()})
    assert broken(claim) == fails
