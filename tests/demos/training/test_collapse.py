"""Mode collapse and its cure after a short run, and the changes: each what it says, from the same networks."""

import numpy as np
import pytest
from tqdm import tqdm

import minigan as mg
from demos.kit.mixtures import GRID, RING
from demos.training import collapse as demo
from minigan import Tensor
from minigan.games import GAN, WGANGP
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

SMALLER = {"width": 64, "batch": 64, "steps": 180, "grid_steps": 6, "lr": 1.6e-3, "lr_discriminator": 5e-4}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A run of the collapse and its cure, without the other changes."""
    with pytest.MonkeyPatch.context() as m:
        m.setattr(demo, "CHANGES", {change: demo.CHANGES[change] for change in (demo.COLLAPSE, demo.CURE)})
        return smaller_run(demo, tmp_path_factory.mktemp("collapse"), **SMALLER)


def game(change):
    mg.seed(0)
    return demo.make_game(demo.QUICK, **demo.CHANGES[change])


def test_the_claim_holds(out):
    summary = summary_of(out)
    assert len(summary["holds"]) == 2
    assert all(summary["holds"].values()), summary["holds"]
    assert {path.name for path in out.iterdir()} == {"collapse.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "collapse.png")


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


def test_the_collapse_is_one_of_modes_not_of_quality_alone(out):
    found = summary_of(out)["metrics"]
    assert found["nothing: modes, best seed"] <= 3
    assert found["nothing: KL, worst seed"] > np.log(8 / 3)  # as uneven as three even modes, or more
    assert found["5 D steps: modes, worst seed"] == 8
    assert found["5 D steps: KL, worst seed"] < 0.1


def test_every_change_starts_from_the_same_generator():
    first = game("nothing").G[0].weight.numpy()
    for change in demo.CHANGES:
        np.testing.assert_array_equal(game(change).G[0].weight.numpy(), first)


def test_each_change_changes_one_thing():
    plain = game("nothing")
    assert plain.opt_D.lr < plain.opt_G.lr
    assert (plain.k, plain.l, plain.r1) == (1, 1, 0)
    assert game("5 D steps").k == 5
    assert game("5 D steps").opt_D.lr == plain.opt_D.lr
    assert game("D's rate as high as G's").opt_D.lr == plain.opt_G.lr
    assert game("R1 = 2").r1 == 2
    assert type(game("WGAN-GP, 5 critic steps")) is WGANGP
    assert all(type(game(change)) is GAN for change in demo.CHANGES if "WGAN" not in change)


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
    figures = made.step(RING.batches(16))
    assert np.isfinite(figures["loss_D"])
    assert not np.array_equal(made.G[0].weight.numpy(), before)


def test_a_training_leaves_its_moments_the_last_at_the_end():
    moments = demo.train(demo.QUICK, 0, "nothing", GRID, 12, tqdm(disable=True))
    assert len(moments) == demo.QUICK.moments
    assert all(samples.shape == (2500, 2) for samples in moments)


@pytest.mark.parametrize(("mixture", "modes"), [(RING, 8), (GRID, 25)])
def test_the_data_itself_has_all_modes(mixture, modes):
    found = mixture.coverage(mixture.sample(10_000))
    assert found["modes_1pct"] == modes
    assert found["high_quality"] == pytest.approx(0.989, abs=0.005)
    assert len(mixture.centres) == modes
