"""Mode collapse and the changes: what is counted, what is concluded; each change is what it says, from the same networks."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.training import collapse as demo
from minigan import Tensor
from minigan.games import GAN, WGANGP
from tests.demos.experiments import broken, judged


def samples(a, b, c, off=0):
    """This many samples on each mode, and off all of them."""
    return np.repeat([*demo.DATA.centres, [0.0, 0.0]], [a, b, c, off], axis=0)


LOST, EVEN, OFF = samples(52, 40, 0, off=8), samples(28, 30, 32, off=10), samples(20, 10, 0, off=70)


def test_shares_and_modes_are_of_all_samples():
    np.testing.assert_allclose(demo.shares(samples(50, 30, 0, off=20)), [0.5, 0.3, 0.0])
    assert demo.modes(samples(50, 30, 0, off=20)) == 2
    assert demo.modes(samples(991, 9, 0)) == 1  # below 1 %
    np.testing.assert_allclose(demo.shares(demo.DATA.sample(10_000)), 0.989 / 3, atol=0.02)


@pytest.mark.parametrize(
    ("changed", "misses"),
    [
        ({}, []),
        (
            {demo.COLLAPSE: EVEN},
            ["collapse, seeds that miss a mode", *(f"{change}: change of that share" for change in demo.CURES)],
        ),
        ({demo.COLLAPSE: OFF}, [f"collapse, share within 3 std, {which}" for which in ("worst seed", "mean")]),
        ({"R1 = 1": LOST}, ["R1 = 1: change of that share"]),
    ],
)
def test_the_collapse_is_realistic_and_misses_modes_and_the_cures_help(changed, misses):
    """Of six seeds, the last of every change has more on its rarest mode."""
    by_change = dict.fromkeys(demo.CHANGES, EVEN) | {demo.COLLAPSE: LOST, "minibatch std": LOST} | changed
    more = samples(1, 1, 5)
    runs = {name: [[last]] * 5 + [[np.concatenate([last, more])]] for name, last in by_change.items()}
    assert broken(judged(demo.measure, runs)) == set(misses)


def test_each_change_changes_one_thing_and_starts_from_the_same_generator():
    made = {}
    for change, changes in demo.CHANGES.items():
        mg.seed(0)
        made[change] = demo.make_game(demo.QUICK, **changes)
    plain = made[demo.COLLAPSE]
    before = plain.G[0].weight.numpy().copy()
    assert (plain.k, plain.l, plain.r1) == (5, 1, 0)
    assert (made["1 D step"].k, made["R1 = 1"].r1, made["WGAN-GP, 5 critic steps"].n_critic) == (1, 1, 5)
    for change, game in made.items():
        np.testing.assert_array_equal(game.G[0].weight.numpy(), before)
        assert (game.opt_G.lr, game.opt_D.lr) == (demo.QUICK.lr, demo.QUICK.lr_discriminator)
        assert type(game) is (WGANGP if "WGAN" in change else GAN)
    for game in made.values():
        assert np.isfinite(game.step(demo.DATA.batches(16))["loss_D"])
        assert (game.G[0].weight.numpy() != before).any()


def test_the_standard_deviation_is_one_feature_the_same_for_all_and_pulls_a_heap_apart():
    h = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    y = demo.MinibatchStd()(Tensor(h)).numpy()
    np.testing.assert_allclose(y[:, :2], h)
    np.testing.assert_allclose(y[:, 2], h.std(axis=0).mean(), rtol=1e-6)
    heap = Tensor(1e-3 * np.random.default_rng(0).standard_normal((8, 2)), requires_grad=True)
    demo.MinibatchStd()(heap)[:, 2].sum().backward()
    assert (heap.grad.numpy() * (heap.numpy() - heap.numpy().mean(axis=0)) > 0).all()


def test_a_pair_is_two_samples_side_by_side():
    x = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(demo.Pairs()(Tensor(x)).numpy(), x.reshape(3, 4))


def test_a_training_leaves_its_moments_the_last_at_the_end_where_the_rates_are_0(monkeypatch):
    rates = []
    monkeypatch.setattr(GAN, "step", lambda self, batches: rates.append((self.opt_G.lr, self.opt_D.lr)))
    moments = demo.play(demo.COLLAPSE, 0, replace(demo.QUICK, iterations=12))
    assert np.shape(moments) == (demo.MOMENTS, demo.QUICK.samples, 2)
    falling = np.linspace(1, 0, 12, endpoint=False)[:, None]
    np.testing.assert_allclose(rates, falling * [demo.QUICK.lr, demo.QUICK.lr_discriminator])


@pytest.mark.slow
def test_samples_are_realistic_where_d_learns_and_not_where_it_does_not():
    settings = replace(demo.Settings(), iterations=120)
    sound, blind = (replace(settings, lr_discriminator=lr) for lr in (settings.lr_discriminator, 1e-9))
    assert demo.shares(demo.play(demo.COLLAPSE, 1000, sound)[-1]).sum() > 0.4
    assert demo.shares(demo.play(demo.COLLAPSE, 1000, blind)[-1]).sum() < 0.1
