"""The demo of speed: all engines play the same game. No time is tested."""

import importlib.util
import itertools
import os
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from demos.performance import speed, workers
from demos.performance.engines import matmul, minigan, sizes
from demos.performance.engines.__main__ import LEAST, WARM_UP, timed
from demos.performance.engines.sizes import SIZES
from minigan import games
from tests.helpers.programs import ROOT

SMALL = {
    "gan": sizes.dense_gan(16, 6, batch=5, z=3),
    "dcgan": sizes.small_dcgan(8, batch=4, channels=2),
    "wgan-gp": sizes.wgan_gp(16, 6, batch=5),
    "fgsm": sizes.fgsm(batch=3),
}


# --- the same in every engine -------------------------------------------------------------------------------------------


def losses(engine, size):
    """Under the interpreter that MINIGAN_PYTHON_TORCH, ... names, if any."""
    with workers.Worker(engine, os.environ.get(f"MINIGAN_PYTHON_{engine.upper()}")) as worker:
        if worker.missing:
            pytest.skip(f"{engine} is left out: {worker.missing}")
        worker.make(size, seed=3)
        return np.array(worker.ask(losses=4)["losses"])


@pytest.mark.parametrize(
    ("engine", "name"),
    [*itertools.product(("torch", "jax"), SMALL), *itertools.product(("mygrad", "autograd"), ["gan"])],
    ids=lambda value: value,
)
def test_every_engine_plays_the_same_game(engine, name):
    if importlib.util.find_spec(engine) is None and f"MINIGAN_PYTHON_{engine.upper()}" not in os.environ:
        pytest.skip(f"{engine} is not installed")
    theirs = losses(engine, SMALL[name])
    assert theirs.shape == (4, 2)
    np.testing.assert_allclose(theirs, losses("minigan", SMALL[name]), rtol=2e-3, atol=1e-5)


def test_on_a_gpu_too(monkeypatch):
    """On CuPy's stand-in."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "stand_in"))
    np.testing.assert_allclose(losses("cupy", SMALL["gan"]), losses("minigan", SMALL["gan"]), rtol=1e-5)


@pytest.mark.parametrize("size", SMALL.values(), ids=SMALL)
def test_the_losses_are_the_seeds_and_move(size):
    a, b, c = ([[read() for read in step()] for _ in range(3)] for step in (minigan.make(size, seed) for seed in (3, 3, 4)))
    assert a == b != c
    assert len(np.unique(a, axis=0)) == 3
    assert np.isfinite(a).all()


def first_losses(name):
    """The networks and the first minibatch of a small size, and the losses of its first iteration."""
    size = SMALL[name]
    players = [minigan.network(*both) for both in zip((size.G, size.D), sizes.start(size, 3), strict=True)]
    return *players, sizes.minibatches(size, 3)[0], [read() for read in minigan.make(size, 3)()]


def test_the_dense_iteration_is_goodfellows():
    """By hand: D's loss, from logits, before any step."""
    G, D, (x, z, _), (loss_D, _) = first_losses("gan")
    real, fake = D(mg.Tensor(x)).numpy().astype(float), D(G(mg.Tensor(z))).numpy().astype(float)
    assert loss_D == pytest.approx(np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean(), rel=1e-5)


def test_the_penalty_is_that_of_the_losses(monkeypatch):
    G, D, (x, z, u), (_, penalty) = first_losses("wgan-gp")
    of_the_minibatch = SimpleNamespace(random=u.reshape)
    monkeypatch.setattr(mg.random_numbers, "noise_generator", lambda rng, beside: of_the_minibatch)
    assert penalty == pytest.approx(mg.losses.gradient_penalty(D, mg.Tensor(x), G(mg.Tensor(z))).item(), rel=1e-6)


def test_the_dcgan_is_minigans_own():
    size = SIZES["dcgan"]
    for own, layers in ((games.dcgan_generator(), size.G), (games.dcgan_discriminator(), size.D)):
        assert repr(minigan.network(layers, sizes.weights(layers, np.random.default_rng(0)))) == repr(own)


# --- matrix products, and memory ----------------------------------------------------------------------------------------


def test_the_products_are_those_of_the_layers():
    size = SIZES["dcgan"]
    of_D = [(64 * 14 * 14, 16 * 1, 64), (64 * 7 * 7, 16 * 64, 128), (64 * 4 * 4, 9 * 128, 256), (64, 4096, 1)]
    of_G = [(64, 100, 4096), (64 * 4 * 4, 256, 9 * 128), (64 * 7 * 7, 128, 16 * 64), (64 * 14 * 14, 64, 16 * 1)]
    assert list(matmul.products(size.D, 64, 28)) == of_D
    assert list(matmul.products(size.G, 64, 28)) == of_G


# --- workers ------------------------------------------------------------------------------------------------------------


def test_an_engine_whose_worker_ends_is_left_out_but_for_minigans(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(workers, "PAUSE", 0)
    times, _, absent = speed.times_of("tiny", ("minigan", "torch", "matmul"), 0, speed.QUICK, {"torch": str(python)}, {}, {})
    assert set(times) == {"minigan", "matmul"}
    assert absent == {"torch": "the worker of torch has ended with code 3:\nno such luck"}
    with pytest.raises(SystemExit, match="the worker of minigan has ended with code 3"):
        speed.main(["--quick", "--out", str(tmp_path), "--python", f"minigan={python}"])
    monkeypatch.setattr(speed, "all_times", lambda *_: {})
    with pytest.raises(SystemExit, match="no engine is left that computes on a GPU"):
        speed.measure_gpu(SimpleNamespace(metrics={"engines": {"minigan": {}}}), speed.QUICK, {})


def test_an_iteration_is_timed_until_its_first_loss_has_been_read():
    done = []

    def step():
        done.append("step")
        return lambda: done.append("loss_D"), lambda: done.append("loss_G")

    assert done == ["step", "loss_D"] * (timed(step, 0.0)["calls"] + WARM_UP)
    assert timed(lambda: (), 0.0)["calls"] == LEAST
