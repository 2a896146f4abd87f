"""The demo of detach: what stays the same, what is absent, and how many derivatives are not called."""

import json

import numpy as np
import pytest

import minigan as mg
from demos.gradients import detach
from minigan import Tensor, losses, nn
from tests.demos.running import coarse_pictures


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    out = tmp_path_factory.mktemp("detach")
    detach.main(["--quick", "--out", str(out)])
    assert (out / "detach.png").is_file()
    return json.loads((out / "summary.json").read_text())


def test_the_claim_holds(summary):
    assert len(summary["holds"]) == len(summary["metrics"]) == 16
    assert all(summary["holds"].values()), summary["holds"]


def test_two_layers_cost_seven_derivatives_and_one_that_hands_on_to_f(summary):
    # a dense layer has three inputs, the activation one; the one more is that of b in g's first layer
    for name in ("chain: derivatives called for f's sake", "GAN: derivatives called for G's sake"):
        assert summary["metrics"][f"{name} without"] == 2 * 3 + 1 + 1
        assert summary["metrics"][f"{name} with detach"] == 0


def test_without_detach_a_and_both_parameters_of_both_layers_get_a_gradient(summary):
    assert summary["metrics"]["chain: gradients in f without"] == 5
    assert summary["metrics"]["chain: gradients in f with detach"] == 0


def test_a_gradient_that_is_cut_off_by_hand_is_none_too():
    """The same without the demo's functions, in one line of algebra: c = (w b)^2 with b = v a."""
    v, w = (Tensor(np.array([value]), requires_grad=True) for value in (3.0, 5.0))
    b = v * 2.0
    c = mg.sum(mg.square(w * b.detach()))
    c.backward()
    assert c.item() == (5 * 3 * 2) ** 2
    assert v.grad is None
    assert w.grad.item() == 2 * 5 * (3 * 2) ** 2


def test_the_demos_gradients_are_those_of_the_same_networks_outside_it():
    run = detach.discriminator_step(detach.Settings(), seed=3)
    mg.seed(3)
    rng = mg.random_numbers.generator()
    z, x = (Tensor(rng.standard_normal((64, n), dtype=np.float32)) for n in (3, 4))
    G = nn.Sequential(nn.Dense(3, 32), nn.ReLU(), nn.Dense(32, 4))
    D = nn.Sequential(nn.Dense(4, 32), nn.LeakyReLU(0.2), nn.Dense(32, 1))
    gradients = mg.grad(losses.discriminator_loss(D(x), D(G(z))), D.parameters())
    for name in ("without", "detach", "constant"):
        for mine, g in zip(run[name].gradients["g"], gradients, strict=True):
            np.testing.assert_array_equal(mine, g.numpy())


def test_without_the_detach_the_run_fails(tmp_path, monkeypatch):
    monkeypatch.setitem(detach.LINKS, "detach", lambda b: b)
    with coarse_pictures(), pytest.raises(SystemExit, match="gradients in f with detach"):
        detach.main(["--quick", "--jobs", "1", "--out", str(tmp_path)])
