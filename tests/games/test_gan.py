"""The GAN: R1, what survives a step that fails, memory, learning. Its step by hand: `tests/contracts/test_games.py`."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, losses, nn, optim
from tests.games import players

make, stream = players.make, players.stream


def test_ds_flags_are_restored_when_the_g_step_fails():
    game = make("gan")
    game.opt_G.step = lambda: 1 / 0
    game.D[0].bias.requires_grad = False
    with pytest.raises(ZeroDivisionError):
        game.step(stream("gan"))
    assert [p.requires_grad for p in game.D.parameters()] == [True, False, True, True]


# --- R1 -----------------------------------------------------------------------------------------------------------------


def step_of_d(D, r1):
    """A game after a step without movement, and what D's step was like."""
    mg.seed(1)
    game = make("gan", players.Draws(3), rule=optim.SGD, lr=0.0, networks={"D": D}, r1=r1)
    recorder = players.Recorder(game, iter([players.minibatch("gan")]))
    recorder.play()
    return game, recorder.of("opt_D")[0].gradients


@pytest.mark.parametrize("D", [nn.Dense(2, 1), players.mlp(2, 5, 1)], ids=["linear", "curved"])
def test_r1_adds_half_of_r1_times_the_squared_gradient_norm_at_the_data_to_ds_loss(D):
    (_, plain), (_, penalised) = step_of_d(D, 0.0), step_of_d(D, 10.0)
    x = Tensor(players.minibatch("gan").astype("float32"), requires_grad=True)
    expected = mg.grad(5.0 * losses.squared_gradient_norm(D(x), x), D.parameters())
    for before, after, g in zip(plain["D"], penalised["D"], expected, strict=True):
        np.testing.assert_allclose(after.numpy() - before.numpy(), g.numpy(), rtol=1e-4, atol=1e-6)
    if isinstance(D, nn.Dense):  # v = x w + b has the gradient w everywhere
        np.testing.assert_allclose(expected[0].numpy(), 10.0 * D.weight.numpy(), rtol=1e-5)


def test_a_step_with_r1_leaves_no_gradient_in_g_and_no_float64():
    game, gradients = step_of_d(players.mlp(2, 5, 1), 1.0)
    assert gradients["G"] == [None] * 4
    seen = players.dtypes_of_new_tensors(game, lambda: game.step(players.minibatches("gan")))
    assert {d for d in seen if d.kind == "f"} == {np.dtype("float32")}


# --- memory, learning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_many_steps_leave_nothing_behind_without_the_garbage_collector(r1):
    game, batches = make("gan", r1=r1), itertools.repeat(data.ring(8))
    for _ in range(10):
        game.step(batches)
    gc.collect()
    gc.disable()
    try:
        objects = len(gc.get_objects())
        for _ in range(100):
            game.step(batches)
        assert len(gc.get_objects()) < objects + 10  # a leak adds one a step at least; caches elsewhere a few at most
    finally:
        gc.enable()


def test_memory_is_steady():
    game, batches, held = make("gan"), itertools.repeat(data.ring(256)), []
    for _ in range(20):
        game.step(batches)
    tracemalloc.start()
    try:
        for _ in range(3):
            for _ in range(10):
                game.step(batches)
            gc.collect()  # this also empties the interpreter's lists of blocks to be used again
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] - held[0] < 10_000  # bytes: with one minibatch's array a step, 40,000


def test_g_learns_where_the_data_are():
    assert players.distance_from_the_data_after_training() < 0.3
