"""Mode collapse and the changes: what is counted, what is concluded; each change is what it says, from the same networks."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.training import collapse as demo
from minigan import Tensor
from minigan.games import GAN, WGANGP
from tests.demos.running import assert_shows_something, smaller_run, summary_of

SMALL = {"width": 32, "batch": 32, "iterations": 12, "samples": 200}


def game(change):
    mg.seed(0)
    return demo.make_game(demo.QUICK, **demo.CHANGES[change])


def samples(a, b, c, off=0):
    """So many samples on each mode, and off all of them."""
    return np.repeat([*demo.DATA.centres, [0.0, 0.0]], [a, b, c, off], axis=0)


LOST, EVEN, OFF = samples(52, 40, 0, off=8), samples(28, 30, 32, off=10), samples(20, 10, 0, off=70)


@pytest.mark.slow
def test_a_quick_run_leaves_its_pictures_and_judges_nothing(tmp_path):
    out = smaller_run(demo, tmp_path, **SMALL)
    assert summary_of(out)["holds"] == {}
    pictures = {"collapse.png", "collapse_over_time.png", "collapse_changes.png"}
    assert {path.name for path in out.iterdir()} == {*pictures, "summary.json", "checkpoint.npz"}
    for name in pictures:
        assert_shows_something(out / name)


def test_shares_and_modes_are_of_all_samples():
    np.testing.assert_allclose(demo.shares(samples(50, 30, 0, off=20)), [0.5, 0.3, 0.0])
    assert demo.modes(samples(50, 30, 0, off=20)) == 2
    assert demo.modes(samples(991, 9, 0)) == 1  # below 1 %


def measured(out, **runs):
    """Of six seeds, of which the last of every change has more on its rarest mode."""
    claim = Claim(start(common_options(""), ["--out", str(out)], "collapse"), {})
    by_change = {change: EVEN for change in demo.CHANGES} | {demo.COLLAPSE: LOST, "minibatch std": LOST} | runs
    more = samples(1, 1, 5)
    demo.measure(claim, {name: [[last]] * 5 + [[np.concatenate([last, more])]] for name, last in by_change.items()})
    return claim


@pytest.mark.parametrize(
    ("changed", "fails"),
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
def test_the_collapse_is_realistic_and_misses_modes_and_the_cures_help(tmp_path, changed, fails):
    holds = measured(tmp_path, **changed).holds
    assert [name for name, held in holds.items() if not held] == fails
    assert len(holds) == 3 + len(demo.CURES)


def test_the_title_has_the_changes_by_their_verdicts(tmp_path):
    helps = "helps: 1 D step, WGAN-GP, R1 = 1, pairs (PacGAN); no difference beyond chance: minibatch std"
    assert f"{helps} (all modes in 6, 6, 6, 6, 1 of 6 seeds)" in demo.title_of_changes(measured(tmp_path).metrics)


def test_every_change_starts_from_the_same_generator():
    first = game(demo.COLLAPSE).G[0].weight.numpy()
    for change in demo.CHANGES:
        np.testing.assert_array_equal(game(change).G[0].weight.numpy(), first)


def test_each_change_changes_one_thing():
    plain = game(demo.COLLAPSE)
    assert (plain.k, plain.l, plain.r1) == (5, 1, 0)
    assert game("1 D step").k == 1
    assert game("R1 = 1").r1 == 1
    assert game("WGAN-GP, 5 critic steps").n_critic == 5
    for change in demo.CHANGES:
        made = game(change)
        assert (made.opt_G.lr, made.opt_D.lr) == (plain.opt_G.lr, plain.opt_D.lr)
        assert type(made) is (WGANGP if "WGAN" in change else GAN)


def test_the_standard_deviation_is_one_feature_the_same_for_all():
    h = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    y = demo.MinibatchStd()(Tensor(h)).numpy()
    np.testing.assert_allclose(y[:, :2], h)
    np.testing.assert_allclose(y[:, 2], h.std(axis=0).mean(), rtol=1e-6)


def test_the_standard_deviation_pulls_a_heap_apart():
    h = Tensor(1e-3 * np.random.default_rng(0).standard_normal((8, 2)), requires_grad=True)
    demo.MinibatchStd()(h)[:, 2].sum().backward()
    assert (h.grad.numpy() * (h.numpy() - h.numpy().mean(axis=0)) > 0).all()


def test_a_pair_is_two_samples_side_by_side():
    x = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(demo.Pairs()(Tensor(x)).numpy(), x.reshape(3, 4))


@pytest.mark.parametrize("change", list(demo.CHANGES))
def test_every_change_can_be_played(change):
    made = game(change)
    before = made.G[0].weight.numpy().copy()
    figures = made.step(demo.DATA.batches(16))
    assert np.isfinite(figures["loss_D"])
    assert not np.array_equal(made.G[0].weight.numpy(), before)


def test_a_training_leaves_its_moments_the_last_at_the_end():
    moments = demo.play(demo.COLLAPSE, 0, replace(demo.QUICK, iterations=12))
    assert len(moments) == demo.MOMENTS
    assert all(of_moment.shape == (demo.QUICK.samples, 2) for of_moment in moments)


@pytest.mark.slow
def test_samples_are_realistic_where_d_learns_and_not_where_it_does_not():
    settings = replace(demo.Settings(), iterations=120)
    sound, blind = (replace(settings, lr_discriminator=lr) for lr in (settings.lr_discriminator, 1e-9))
    assert demo.shares(demo.play(demo.COLLAPSE, 1000, sound)[-1]).sum() > 0.4
    assert demo.shares(demo.play(demo.COLLAPSE, 1000, blind)[-1]).sum() < 0.1


def test_the_frame_has_room_for_all_samples():
    figure = demo.draw_samples({"lost": LOST, "far": np.array([[9.0, -30.0], [0.0, 0.0]])})
    assert all(axes.get_ylim()[0] < -30 for axes in figure.axes)


def test_the_data_itself_has_all_modes():
    np.testing.assert_allclose(demo.shares(demo.DATA.sample(10_000)), 0.989 / 3, atol=0.02)
