"""The Bayesian GAN: its steps by hand, its chains, the divergence, and faults that break the claim."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import bayesian_gan as demo
from tests.demos.experiments import broken
from tests.games import players, reference

TINY = replace(demo.Settings(), **demo.QUICK | {"steps": 3, "space": 4, "planes": 2, "width": 5})


# --- the posteriors -------------------------------------------------------------------------------------------------------


def game(count=2, N=50, eta=1e-3):
    """Small networks in float64, with tanh: everywhere differentiable."""
    mg.seed(0)
    Gs, D = [players.mlp(3, 5, 2) for _ in range(count)], players.mlp(2, 5, 1)
    players.in_float64(*Gs, D)
    played = demo.BayesianGAN(Gs, D, players.Draws(3), N, lr=1e-3)
    played.start_chains(eta, 0.1)
    return played


def minibatches(m=6):
    rng = np.random.default_rng(0)
    while True:
        yield rng.standard_normal((m, 2))


def test_25_steps_agree_with_algorithm_1_by_hand():
    """By NumPy: gradients by backward passes written out, noise from generators in the same state as the rules'."""
    N, eta, alpha = 50, 1e-3, 0.1
    played = game(N=N, eta=eta)
    for i, rule in enumerate((played.opt_G, played.opt_D)):
        rule._rng = np.random.default_rng(i)
    noises = [np.random.default_rng(i) for i in range(2)]
    Gs, D = [players.by_hand(G) for G in played.Gs], players.by_hand(played.D)
    v_G, v_D = [[np.zeros_like(p) for p in G.params] for G in Gs], [np.zeros_like(p) for p in D.params]

    def moved(params, gradients, v, noise):
        for i, g in enumerate(gradients):  # of log p: upwards
            v[i] = (1 - alpha) * v[i] + eta * g + np.sqrt(2 * alpha * eta) * noise.standard_normal(g.shape)
        return [p + step for p, step in zip(params, v, strict=True)]

    batches, again = minibatches(), minibatches()
    for _ in range(25):
        played.step(batches)
        x, zs = next(again), played.prior.taken()
        m, at = len(x), len(Gs)
        gradients = []
        for G, z in zip(Gs, zs[:at], strict=True):
            fake, in_G = G.forward(z)
            v, in_D = D.forward(fake)
            d_fake, _ = D.backward(N * (1 - reference.sigma(v)) / m, in_D)
            gradients.append([g - p for g, p in zip(G.backward(d_fake, in_G)[1], G.params, strict=True)])
        for G, g, v in zip(Gs, gradients, v_G, strict=True):
            G.params = moved(G.params, g, v, noises[0])
        fakes = np.concatenate([G.forward(z)[0] for G, z in zip(Gs, zs[at:], strict=True)])
        real, in_real = D.forward(x)
        fake, in_fake = D.forward(fakes)
        of_real = D.backward(N * (1 - reference.sigma(real)) / m, in_real)[1]
        of_fake = D.backward(-N * reference.sigma(fake) / len(fakes), in_fake)[1]
        D.params = moved(D.params, [a + b - p for a, b, p in zip(of_real, of_fake, D.params, strict=True)], v_D, noises[1])
    for network, by_hand in zip([*played.Gs, played.D], [*Gs, D], strict=True):
        players.assert_agree(network, by_hand)


def test_ds_step_leaves_no_gradient_in_a_generator_but_that_of_its_own():
    played, seen = game(), []
    for rule in (played.opt_G, played.opt_D):
        rule.step = lambda: seen.append([p.grad for p in played.opt_G.params])
    played.step(minibatches())
    assert all(a is b for a, b in zip(*seen, strict=True))


def test_a_chain_that_was_stopped_goes_on_bit_for_bit():
    def chains():
        mg.seed(1)
        Gs, D = [players.mlp(3, 5, 2) for _ in range(2)], players.mlp(2, 5, 1)
        played = demo.BayesianGAN(Gs, D, mg.data.noise(3), 50, lr=1e-3)
        played.start_chains(1e-3, 0.1)
        return played

    one, batches = chains(), (x.astype("float32") for x in minibatches())
    one.step(batches)
    saved = {name: part.state_dict() for name, part in one.parts().items()}
    x = next(batches)
    one.step(iter([x]))
    other = chains()
    for name, part in other.parts().items():
        part.load_state_dict(saved[name])
    other.step(iter([x]))
    for a, b in zip(one.parts().values(), other.parts().values(), strict=True):
        np.testing.assert_equal(a.state_dict(), b.state_dict())


# --- the data and the divergence ------------------------------------------------------------------------------------------


def test_the_data_are_standardised_and_lie_on_planes_that_the_seed_decides():
    s = replace(TINY, planes=3, space=20)
    mg.seed(0)
    x, other = demo.toy(6000, 5, s), demo.toy(6000, 5, s)
    assert not np.array_equal(x, other)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=0.1)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert values[8] < 1e-3 * values[0]  # three planes span 3 * 2 dimensions, their centres 2
    assert np.abs(x.mean(axis=0) - demo.toy(6000, 6, s)).max() > 1


def test_jensen_shannon_is_0_for_equals_log_2_for_strangers_and_known_between():
    p = np.array([0.5, 0.5, 0.0])
    assert demo.jensen_shannon(p, 3 * p) == pytest.approx(0, abs=1e-11)
    assert demo.jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(np.log(2))
    expected = (np.log(4 / 3) + 0.5 * np.log(2 / 3) + 0.5 * np.log(2)) / 2
    assert demo.jensen_shannon(np.array([1.0, 0]), np.array([0.5, 0.5])) == pytest.approx(expected)


def test_the_plane_sees_the_directions_of_largest_variance_and_a_shift_in_them():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((800, 5)) * [1, 9, 0.1, 5, 0.1]
    plane = demo.Plane(points)
    assert np.abs(plane.axes[[1, 3]]).max(axis=0) == pytest.approx([1, 1], abs=0.01)
    again = rng.standard_normal((800, 5)) * [1, 9, 0.1, 5, 0.1]
    assert plane.divergence(again) < 0.02
    assert plane.divergence(again + np.array([0, 27, 0, 0, 0])) > 0.4
    assert plane.divergence(again[:1].repeat(9, axis=0) + 1e6) == pytest.approx(
        np.log(2), abs=0.01
    )  # all in one place, far off


# --- the claim ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("many", "fails"),
    [
        ((0.1, 0.22, 0.12), set()),
        ((0.2, 0.41, 0.3), {"posterior / one G"}),
        ((0.5, 0.4, 0.3), {"posterior / one G", "posterior, not one G"}),
    ],
)
def test_many_samples_have_to_come_twice_as_near_as_one_g(claim, many, fails):
    claim.settings = {"judged": 8, "kept": 2, "generators": 2}
    points = np.array([[0.0, 0], [0, 0], [1, 0], [0, 1], [5, 5], [5, 5], [5, 5], [5, 6]])  # two of each of four G
    one = [{"divergence": d, "two of the data": 0.01} for d in (0.3, 0.5, 0.4)]
    ten = [{"divergence": d} for d in (0.2, 0.2, 0.1)]
    chains = [{"divergence": d, "last samples": 0.2, "one sample": 0.4, "samples": points} for d in many]
    demo.measure(claim, {demo.ML: one, demo.MANY: ten, demo.BAYES: chains})
    assert broken(claim) == fails
    assert claim.metrics["samples that are a point"] == 0.5


def test_samples_are_kept_after_the_burn_in_equally_many_of_each_generator():
    s = replace(TINY, steps=20, generators=2, kept=4, burn_in=0.2, judged=16, looks=2)
    taken, steps, started = [], [], []
    chains = SimpleNamespace(
        step=lambda batches: steps.append(1),
        start_chains=lambda eta, friction: started.append((len(steps), eta, friction)),
        sample=lambda n: (taken.append((len(steps), n)), np.zeros((n, 2)))[1],
        parts=dict,
    )
    points = demo.sample_posterior(chains, iter([]), lambda points: None, [], s)
    assert [(t, n) for t, n in taken if n == 4] == [(8, 4), (12, 4), (16, 4), (20, 4)]
    assert started == [(4, s.eta, s.friction)]
    assert len(points) == 16
