"""The demo of detach: what stays the same, what is absent, and how many derivatives are not called."""

import numpy as np
import pytest

import minigan as mg
from demos.gradients import detach as demo
from minigan import Tensor, losses, nn
from tests.demos.experiments import broken


def measured(claim):
    s = demo.Settings()
    demo.measure(claim, "chain", "f", "g", [demo.two_networks(s, seed) for seed in (3, 4)])
    demo.measure(claim, "GAN", "G", "D", [demo.discriminator_step(s, seed) for seed in (3, 4)])
    return claim


def test_two_layers_cost_seven_derivatives_and_one_that_hands_on_to_f(claim):
    found = measured(claim).metrics
    assert len(found) == len(claim.holds) == 16
    assert broken(claim) == set()
    for which, f in (("chain", "f"), ("GAN", "G")):
        # a dense layer has three inputs, the activation one; the one more is that of b in g's first layer
        assert found[f"{which}: derivatives called for {f}'s sake without"] == 2 * 3 + 1 + 1
        assert found[f"{which}: gradients in {f} without"] == 5  # a's, and those of both layers' parameters


@pytest.mark.parametrize(
    ("link", "fault", "fails"),
    [
        ("detach", lambda b: b, ("f with detach", "f that SGD changed with detach", "f's sake with detach")),
        ("detach", lambda b: Tensor(1.0001 * b.numpy()), ("in c that differ", "in g's gradients that differ")),
        ("without", Tensor.detach, ("f without", "f that SGD changed without", "f's sake without")),
    ],
)
def test_a_wrong_link_breaks_the_claim(claim, monkeypatch, link, fault, fails):
    monkeypatch.setitem(demo.LINKS, link, fault)
    found = {name for name in broken(measured(claim)) if name.startswith("chain")}
    assert len(found) == len(fails)
    assert all(any(name.endswith(end) for name in found) for end in fails)


def test_the_worst_seed_decides(claim):
    one, other = (demo.two_networks(demo.Settings(), seed) for seed in (3, 4))
    other["detach"].changed_f, other["without"].visits = 1, other["constant"].visits
    demo.measure(claim, "chain", "f", "g", [one, other])
    assert broken(claim) == {
        "chain: numbers in f that SGD changed with detach",
        "chain: derivatives called for f's sake without",
    }


def test_the_demos_gradients_are_those_of_the_same_networks_outside_it():
    run = demo.discriminator_step(demo.Settings(), seed=3)
    mg.seed(3)
    rng = mg.random_numbers.generator()
    z, x = (Tensor(rng.standard_normal((64, n), dtype=np.float32)) for n in (3, 4))
    G = nn.Sequential(nn.Dense(3, 32), nn.ReLU(), nn.Dense(32, 4))
    D = nn.Sequential(nn.Dense(4, 32), nn.LeakyReLU(0.2), nn.Dense(32, 1))
    gradients = mg.grad(losses.discriminator_loss(D(x), D(G(z))), D.parameters())
    for name in ("without", "detach", "constant"):
        for mine, g in zip(run[name].gradients["g"], gradients, strict=True):
            np.testing.assert_array_equal(mine, g.numpy())
