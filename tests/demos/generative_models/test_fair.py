"""The demo of the variational fair autoencoder: the MMD, the colours, gradients of the loss, a quick run."""

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import fair as demo
from demos.kit.claim import Claim
from demos.kit.digits import options
from demos.kit.run import start
from minigan import Tensor
from tests.demos.running import assert_shows_something, summary_of


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fair")
    demo.main(["--quick", "--out", str(folder), "--set", "steps=20", "--set", "judge_steps=20", "--set", "images=1200"])
    return folder


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# --- the term -----------------------------------------------------------------------------------------------------------


def test_mmd_is_the_naive_double_sum():
    a, b = normal(5, 3), normal(7, 3, seed=1) + 0.5

    def k(x, y):
        return np.exp(-np.sum((x - y) ** 2) / 3)

    def total(xs, ys):
        return np.mean([k(x, y) for i, x in enumerate(xs) for j, y in enumerate(ys) if xs is not ys or i != j])

    expected = total(a, a) + total(b, b) - 2 * total(a, b)
    assert demo.squared_mmd(Tensor(a), Tensor(b)).item() == pytest.approx(expected, rel=1e-12)


def test_mmd_is_0_on_average_for_one_distribution_and_grows_with_the_distance():
    found = [demo.squared_mmd(Tensor(normal(20, 4, seed=i)), Tensor(normal(20, 4, seed=1000 + i))).item() for i in range(400)]
    assert abs(np.mean(found)) < 4 * np.std(found) / 20
    a = normal(20, 4)
    found = [demo.squared_mmd(Tensor(a), Tensor(a + shift)).item() for shift in (0.1, 0.5, 2.0)]
    assert found[0] < found[1] < found[2]


def test_mmd_sees_a_difference_that_the_means_do_not():
    """A kernel that is linear would compare means alone."""
    a, b = normal(200, 2), 3 * normal(200, 2, seed=1)
    same = abs(demo.squared_mmd(Tensor(a - a.mean(0)), Tensor(normal(200, 2, seed=2))).item())
    assert demo.squared_mmd(Tensor(a - a.mean(0)), Tensor(b - b.mean(0))).item() > 10 * same


def test_the_losses_gradients_reach_both_networks_and_are_right():
    mg.seed(0)
    vae = demo.FairVAE(2, 4)
    parameters = [p for p in vae.parameters()]
    for p in parameters:
        p.data = p.data.astype("float64")
    rng = np.random.default_rng(0)
    x, s, epsilon = rng.random((6, demo.PIXELS)), np.array([0, 1, 1, 0, 0, 1]), rng.standard_normal((6, 2))
    y = np.array([3, 0, 9, 3, 1, 5])
    vae.prior = lambda n: epsilon
    chosen = [(p, i) for p in parameters for i in rng.choice(p.size, min(3, p.size), replace=False)]

    def loss():
        return sum(vae.terms(x, s, y, 2.0, 50.0))

    loss().backward()
    for p, i in chosen:
        place = np.unravel_index(i, p.shape)
        ends = []
        for h in (1e-5, -1e-5):
            before = p.data[place]
            p.data[place] = before + h
            ends.append(loss().item())
            p.data[place] = before
        assert p.grad.numpy()[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-6)


def test_encoder_and_decoder_are_told_s():
    mg.seed(0)
    vae = demo.FairVAE(2, 4)
    x, zeros, ones = normal(3, demo.PIXELS).astype("float32"), np.zeros(3), np.ones(3)
    assert not np.allclose(vae.encode(x, zeros)[0].numpy(), vae.encode(x, ones)[0].numpy())
    z = Tensor(normal(3, 2).astype("float32"))
    assert not np.allclose(vae.decode(z, zeros).numpy(), vae.decode(z, ones).numpy())


# --- the data -----------------------------------------------------------------------------------------------------------


def test_s_is_a_digits_colour():
    x = np.random.default_rng(0).random((3, 1, 28, 28))
    red, green = demo.coloured(x, np.array([0, 1, 0])).reshape(3, 2, 14, 14).transpose(1, 0, 2, 3)
    assert red[0, 2, 5] == pytest.approx(x[0, 0, 4:6, 10:12].mean(), rel=1e-6)
    assert green[1, 2, 5] == pytest.approx(x[1, 0, 4:6, 10:12].mean(), rel=1e-6)
    assert not green[[0, 2]].any()
    assert not red[1].any()


# --- the demo -----------------------------------------------------------------------------------------------------------


def test_a_network_reads_what_a_code_says_and_guesses_what_it_does_not():
    mg.seed(0)
    z, s = normal(600, 16).astype("float32"), np.arange(600) % 2
    settings = demo.Settings(width=32, judge_steps=150, batch=100)
    says = z.copy()
    says[:, 0] += 4 * s
    assert demo.rightly_read(says, s, says, s, 2, settings, "says") > 0.95
    other = normal(600, 16, seed=1).astype("float32")
    assert demo.rightly_read(z, s, other, s, 2, settings, "silent") < 0.6


def test_the_figures_are_of_the_worst_seed(tmp_path):
    claim = Claim(start(options(""), ["--out", str(tmp_path)], "fair"), {})
    told = [{"s": s, "class": c, "error": 0.01} for s, c in ((0.9, 0.95), (0.7, 0.94))]
    fair = [{"s": s, "class": c, "error": 0.01} for s, c in ((0.51, 0.90), (0.56, 0.94))]
    demo.measure(claim, {"told s": told, "fair": fair})
    assert claim.metrics["the colour from z, with the term, worst seed"] == 0.56
    assert claim.metrics["the class from z, lost by the term, worst seed"] == pytest.approx(0.05)
    assert claim.metrics["the colour from z, without the term, worst seed"] == 0.7
    assert list(claim.holds.values()) == [False, False, True]


@pytest.mark.slow
def test_a_quick_run_leaves_its_picture(out):
    assert {path.name for path in out.iterdir()} == {"fair.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "fair.png")
    assert summary_of(out)["settings"]["images"] == 1200
