"""The Bayesian GAN: the posteriors' gradients by hand and by differences, the divergence, and a claim that mistakes break."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import bayesian_gan as demo
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from minigan import nn
from tests.demos.running import assert_shows_something, smaller_run, summary_of
from tests.games import players, reference

TINY = replace(demo.Settings(), **demo.QUICK | {"steps": 3, "space": 4, "planes": 2, "width": 5})


@pytest.mark.slow
def test_a_quick_run_leaves_its_picture(tmp_path):
    demo.main(["--quick", "--out", str(tmp_path)])
    assert_shows_something(tmp_path / "bayesian_gan.png")


def test_a_smaller_run_measures_all_and_judges_nothing(tmp_path):
    summary = summary_of(smaller_run(demo, tmp_path, steps=4, kept=2, width=4, points=100, judged=60))
    assert summary["holds"] == {}
    assert 0 < summary["metrics"]["posterior"] < np.log(2)


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


def log_posterior_of_g(G, D, z, N):
    """Equation 1: the product over all N, by a minibatch's mean; prior N(0, I)."""
    D_of_G = 1 / (1 + np.exp(-D.forward(G.forward(z)[0])[0]))
    return N * np.log(D_of_G).mean() - sum((p**2).sum() for p in G.params) / 2


def log_posterior_of_d(D, x, fakes, N):
    """Equation 2, with the likelihood's mean over the generators."""
    real, fake = (1 / (1 + np.exp(-D.forward(v)[0])) for v in (x, fakes))
    return N * (np.log(real).mean() + np.log(1 - fake).mean()) - sum((p**2).sum() for p in D.params) / 2


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


def test_the_gradients_are_the_differences_of_the_log_posteriors():
    played = game(eta=0.0)
    x = next(minibatches())
    left = {}
    for name, rule in (("G", played.opt_G), ("D", played.opt_D)):
        rule.step = lambda name=name, rule=rule: left.update({name: [p.grad.numpy().copy() for p in rule.params]})
    played.step(iter([x]))
    zs = played.prior.taken()
    Gs, D = [players.by_hand(G) for G in played.Gs], players.by_hand(played.D)
    fakes = np.concatenate([G.forward(z)[0] for G, z in zip(Gs, zs[2:], strict=True)])
    of_G = [(G, lambda G=G, z=z: log_posterior_of_g(G, D, z, 50)) for G, z in zip(Gs, zs[:2], strict=True)]
    of_D = [(D, lambda: log_posterior_of_d(D, x, fakes, 50))]
    for name, functions in (("G", of_G), ("D", of_D)):
        found = iter(left[name])
        for network, function in functions:
            for p in network.params:
                np.testing.assert_allclose(next(found), -differences(function, p), rtol=1e-6, atol=1e-6)


def differences(function, p, eps=1e-5):
    found = np.zeros_like(p)
    for index in np.ndindex(p.shape):
        kept = p[index]
        ends = []
        for move in (eps, -eps):
            p[index] = kept + move
            ends.append(function())
        p[index] = kept
        found[index] = (ends[0] - ends[1]) / (2 * eps)
    return found


def test_the_prior_pulls_weights_towards_0():
    network = nn.Dense(2, 1)
    network.weight.data, network.bias.data = np.array([[3.0], [-2.0]]), np.array([1.0])
    demo.log_prior(network).backward()
    np.testing.assert_allclose(network.weight.grad.numpy(), [[-3.0], [2.0]])  # of log p, which the chains ascend
    assert demo.log_prior(network).item() == pytest.approx(-(9 + 4 + 1) / 2)


def test_every_generator_has_z_of_its_own_and_d_sees_fresh_fakes():
    played = game(count=3)
    played.step(minibatches())
    zs = played.prior.taken()
    assert len({z.tobytes() for z in zs}) == len(zs) == 6


def test_ds_step_leaves_no_gradient_in_a_generator_but_that_of_its_own():
    played, seen = game(), []
    step = played.opt_D.step
    played.opt_D.step = lambda: (seen.append([p.grad for p in played.opt_G.params]), step())
    own = []
    step_G = played.opt_G.step
    played.opt_G.step = lambda: (own.append([p.grad for p in played.opt_G.params]), step_G())
    played.step(minibatches())
    assert all(a is b for a, b in zip(own[0], seen[0], strict=True))


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
    ("many", "holds"), [((0.1, 0.22, 0.12), (True, True)), ((0.2, 0.41, 0.3), (False, True)), ((0.5, 0.4, 0.3), (False, False))]
)
def test_many_samples_have_to_come_twice_as_near_as_one_g(tmp_path, many, holds):
    claim = Claim(
        start(common_options(""), ["--out", str(tmp_path)], "bayesian_gan"), {"judged": 8, "kept": 2, "generators": 2}
    )
    points = np.array([[0.0, 0], [0, 0], [1, 0], [0, 1], [5, 5], [5, 5], [5, 5], [5, 6]])  # two of each of four G
    one = [{"divergence": d, "two of the data": 0.01} for d in (0.3, 0.5, 0.4)]
    ten = [{"divergence": d} for d in (0.2, 0.2, 0.1)]
    chains = [{"divergence": d, "last samples": 0.2, "one sample": 0.4 + i / 50, "samples": points} for i, d in enumerate(many)]
    demo.measure(claim, {demo.ML: one, demo.MANY: ten, demo.BAYES: chains})
    assert claim.holds == dict(zip(("posterior / one G", "posterior, not one G"), holds, strict=True))
    assert claim.metrics["posterior / one G"] == pytest.approx(np.mean(many) / 0.4)
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


def test_the_burn_in_is_adams_and_the_chains_are_sghmcs():
    mg.seed(0)
    played = demo.BayesianGAN([players.mlp(3, 5, 2)], players.mlp(2, 5, 1), mg.data.noise(3), 50, lr=1e-3)
    assert isinstance(played.opt_G, mg.optim.Adam)
    played.start_chains(1e-4, 0.5)
    for rule, network in ((played.opt_G, played.Gs[0]), (played.opt_D, played.D)):
        assert isinstance(rule, demo.SGHMC)
        assert (rule.lr, rule.friction) == (1e-4, 0.5)
        assert all(a is b for a, b in zip(rule.params, network.parameters(), strict=True))
