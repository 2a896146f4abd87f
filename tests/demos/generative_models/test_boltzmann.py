"""The Boltzmann machine: its formulas against sums over all states, its gradient, its chains; and faults."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.special import expit, logsumexp

from demos.generative_models import boltzmann as demo
from demos.generative_models.boltzmann_machine import RBM, draw, from_noise
from minigan import Tensor
from tests.demos.experiments import broken

PIXELS, HIDDEN = 4, 3
ALL_V, ALL_H = (np.array(list(product((0.0, 1.0), repeat=n))) for n in (PIXELS, HIDDEN))


@pytest.fixture
def small():
    """A machine with so few units that all its states can be listed."""
    rbm, rng = RBM(HIDDEN, np.full(PIXELS, 0.4, np.float32)), np.random.default_rng(1)
    for p in rbm.parameters():
        p.data = rng.standard_normal(p.shape)
    return rbm


def energies(rbm):
    """-(v.b + h.c + v W h) of every v (rows) with every h (columns)."""
    W, b, c = (p.numpy() for p in (rbm.W, rbm.b, rbm.c))
    return -((ALL_V @ b)[:, None] + ALL_H @ c + ALL_V @ W @ ALL_H.T)


def distribution(rbm):
    """p(v, h), by listing all states."""
    E = energies(rbm)
    return np.exp(-E - logsumexp(-E))


def copying(n):
    """A machine whose Gibbs step returns v as it is: each hidden unit is its own pixel's."""
    rbm = RBM(n, np.full(n, 0.5, np.float32))
    for p, value in ((rbm.W, 200 * np.eye(n)), (rbm.b, np.full(n, -100.0)), (rbm.c, np.full(n, -100.0))):
        p.data = value.astype(np.float32)
    return rbm


GRADIENTS = {
    "gradient: distance from the textbook's",
    "drawn pixels: numbers of it that change without detach",
    "probabilities: its cosine, with detach and without",
}
ERRORS = {how: f"{demo.NAMES[how]}: error over the mean image's, worst seed" for how in ("persistent", "from_data", "detached")}
ERRORS["attached"] = "p without detach: error over the mean image's, best seed"


# --- the machine --------------------------------------------------------------------------------------------------------


def test_free_energy_and_conditional_probabilities_are_sums_over_all_states(small):
    p = distribution(small)
    np.testing.assert_allclose(small.free_energy(Tensor(ALL_V)).numpy(), -logsumexp(-energies(small), axis=1), rtol=1e-12)
    h_given_v, v_given_h = p @ ALL_H / p.sum(axis=1, keepdims=True), p.T @ ALL_V / p.sum(axis=0)[:, None]
    np.testing.assert_allclose(small.hidden(Tensor(ALL_V)).numpy(), h_given_v, rtol=1e-10)
    np.testing.assert_allclose(small.visible(Tensor(ALL_H)).numpy(), v_given_h, rtol=1e-10)


def test_a_gibbs_step_keeps_the_machines_own_distribution_and_leads_to_it(small):
    p, rng = distribution(small).sum(axis=1), np.random.default_rng(2)

    def shares(v):
        return np.bincount((v.numpy() @ 2 ** np.arange(PIXELS)[::-1]).astype(int), minlength=len(p)) / len(v)

    own = Tensor(ALL_V[rng.choice(len(p), size=40_000, p=p)])
    assert np.abs(shares(small.gibbs(own, rng)) - p).sum() < 0.04  # 0.016 is sampling's
    far = Tensor(np.zeros((40_000, PIXELS)))
    assert np.abs(shares(small.gibbs(far, rng)) - p).sum() > 0.1
    for _ in range(30):
        far = small.gibbs(far, rng)
    assert np.abs(shares(far) - p).sum() < 0.04


def test_what_is_drawn_is_1_as_often_as_p_says_and_has_no_gradient():
    v = draw(Tensor(np.tile([0.0, 0.3, 1.0], (20_000, 1)), requires_grad=True), np.random.default_rng(0))
    assert (v.dtype, v.requires_grad) == (np.float64, False)
    assert set(np.unique(v.numpy())) == {0, 1}
    np.testing.assert_allclose(v.numpy().mean(axis=0), [0, 0.3, 1], atol=0.015)


def test_chains_go_on_from_where_they_were_and_are_shown_at_powers_of_ten():
    found = from_noise(copying(784), 50, 30, np.random.default_rng(0))
    assert list(found) == [0, 1, 10, 30]
    assert found[0].mean() == pytest.approx(0.5, abs=0.01)
    for t in (1, 10, 30):
        np.testing.assert_allclose(found[t], found[0], atol=1e-30)


def test_a_machine_that_has_learnt_nothing_draws_the_mean_image():
    rbm = RBM(5, np.array([0.0, 0.25, 1.0], np.float32))
    rbm.W.data = np.zeros_like(rbm.W.numpy())
    np.testing.assert_allclose(rbm.visible(Tensor(np.ones((1, 5)))).numpy()[0], [0.01, 0.255, 0.99], rtol=1e-5)


# --- the loss and its gradient ------------------------------------------------------------------------------------------


def test_the_loss_and_its_gradient_are_those_of_minus_log_p_if_the_samples_are_the_models_own(small):
    """Every v with frequency p, in 10,000ths; against finite differences of -log p(v), by listing all states."""
    rows, weights = [3, 5, 5, 14], np.round(1e4 * distribution(small).sum(axis=1)).astype(int)
    v, samples = Tensor(ALL_V[rows]), Tensor(np.repeat(ALL_V, weights, axis=0))
    F, slopes = -logsumexp(-energies(small), axis=1), []
    expected = F[rows].mean() - np.average(F, weights=weights)
    assert demo.contrastive_divergence(small, v, samples).item() == pytest.approx(expected, rel=1e-12)
    for p in small.parameters():
        values = p.numpy().copy()
        for i in np.ndindex(p.shape):
            ends = []
            for change in (1e-5, -1e-5):
                p.data = values.copy()
                p.data[i] += change
                ends.append(-np.log(distribution(small).sum(axis=1)[rows]).mean())
            slopes.append((ends[0] - ends[1]) / 2e-5)
        p.data = values
    for gradient in (demo.gradient, demo.textbook):
        np.testing.assert_allclose(gradient(small, v, samples), slopes, atol=2e-3)  # the rounding of p
    np.testing.assert_allclose(demo.gradient(small, v, samples), demo.textbook(small, v, samples), rtol=1e-10, atol=1e-12)


def test_the_samples_go_on_from_the_last_ones_or_from_the_data_and_probabilities_are_not_drawn(small):
    rng, machine, p = np.random.default_rng(0), copying(6), Tensor(ALL_V)
    v, last = (Tensor((rng.random((7, 6)) < 0.5).astype(np.float32)) for _ in range(2))
    for how, expected in (("persistent", last), ("from_data", v), ("detached", v), ("attached", v)):
        found = demo.negative(machine, v, last, how, rng)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6, err_msg=how)
        assert found.requires_grad == (how == "attached")
        drawn = set(np.unique(demo.negative(small, p, p, how, rng).numpy())) == {0, 1}
        assert drawn == (how in demo.LONG)


@pytest.mark.parametrize("how", demo.LONG + demo.SHORT)
def test_a_training_learns_from_drawn_images_and_its_samples_are_the_last_ones(how, record):
    settings = replace(demo.Settings(), hidden=4, steps=40, mean_field_steps=40, batch=5, images=10)
    grey, white = np.full((30, 784), 0.4, np.float32), np.ones((20, 784), np.float32)
    made = []

    def negative(*arguments, right=demo.negative):
        made.append(right(*arguments))
        return made[-1]

    learnt, looks = record(demo, "negative", negative), record(demo, "look", lambda *arguments: {"error": 0.0})
    demo.train(grey, white, how, settings, 0)
    for call in looks:
        assert call.seen.numpy().mean() == pytest.approx(0.4, abs=0.05)
        assert (call.unseen.numpy() == 1).all()
    assert len(learnt) == 40
    assert all(set(np.unique(call.v.numpy())) == {0, 1} for call in learnt)
    np.testing.assert_array_equal(learnt[-1].samples.numpy(), made[-1].numpy())


def test_a_look_compares_the_right_free_energies(small):
    F = -logsumexp(-energies(small), axis=1)
    others = np.random.default_rng(0).random((5, PIXELS))
    found = demo.look(small, *(Tensor(ALL_V[i : i + 3]) for i in (0, 4, 9)), others)
    assert found["gap"] == pytest.approx(F[4:7].mean() - F[:3].mean())
    assert found["loss"] == pytest.approx(F[:3].mean() - F[9:12].mean())
    W, b, c = (p.numpy() for p in (small.W, small.b, small.c))
    assert found["error"] == pytest.approx(((expit(expit(others @ W + c) @ W.T + b) - others) ** 2).sum(axis=1).mean())


# --- faults -------------------------------------------------------------------------------------------------------------

WORST = "persistent chains: digits of 10, worst seed", "persistent chains: sure share, worst seed"


def a_run(error, attached, classes, confident, common=0.9):
    rows = {"error": [99.0, error], "loss": [0.0, -1.0], "gap": [0.0, 0.5]}
    run = {how: {"rows": dict(rows), "classes": classes, "confident": confident} for how in demo.LONG + demo.SHORT}
    run["attached"]["rows"]["error"] = [99.0, attached]
    run["persistent"]["shares"], run["from_data"]["shares"] = [0.1] * 10, [0.0, common, 0.1]
    return run


@pytest.mark.parametrize(
    ("worse", "fails"),
    [
        ((25.0, 46.0, 8, 0.5), set()),
        ((26.0, 46.0, 8, 0.5), {ERRORS[how] for how in ("persistent", "from_data", "detached")}),
        ((25.0, 44.0, 8, 0.5), {ERRORS["attached"]}),
        ((25.0, 46.0, 7, 0.4), set(WORST)),
        ((25.0, 46.0, 8, 0.5, 0.49), {"CD-1: share of the commonest digit, best seed"}),
    ],
)
def test_the_worst_seed_decides(claim, worse, fails):
    runs = a_run(10.0, 60.0, 10, 0.9), a_run(*worse)
    demo.measure(claim, {how: [run[how] for run in runs] for how in runs[0]}, 50.0, demo.Settings())
    assert broken(claim) == fails
    assert len(claim.holds) == 7


def test_a_gradient_that_is_not_the_textbooks_does_not_hold(claim, monkeypatch):
    rbm = RBM(8, np.full(784, 0.3, np.float32))
    images = Tensor(np.random.default_rng(0).random((10, 784), dtype=np.float32))
    right = demo.gradients(rbm, images, np.random.default_rng(0))
    assert right["error"] < 1e-12  # float64 throughout
    assert right["differing"] == 0
    assert rbm.W.dtype == np.float32  # the machine itself is left alone
    textbook = demo.textbook
    monkeypatch.setattr(demo, "textbook", lambda *arguments: 1.00001 * textbook(*arguments))
    demo.measure_gradients(claim, [right, demo.gradients(rbm, images, np.random.default_rng(0))])
    assert set(claim.holds) == GRADIENTS
    assert not claim.holds["gradient: distance from the textbook's"]
