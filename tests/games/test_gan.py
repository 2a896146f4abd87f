import gc
import itertools
import tracemalloc
import weakref

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, losses, nn, optim
from minigan.games import GAN
from tests.games.players import dtypes_of_new_tensors


def players(width=5, d=2):
    G = nn.Sequential(nn.Dense(2, width), nn.Tanh(), nn.Dense(width, d))
    D = nn.Sequential(nn.Dense(d, width), nn.LeakyReLU(0.2), nn.Dense(width, 1))
    return G, D


def in_float64(*modules):
    for p in itertools.chain(*[module.parameters() for module in modules]):
        p.data = p.data.astype("float64")


def make_game(prior=None, lr=0.05, **options):
    G, D = players()
    return GAN(G, D, prior or data.noise(2), optim.SGD(G.parameters(), lr), optim.SGD(D.parameters(), lr), **options)


def values(module):
    return [p.numpy().copy() for p in module.parameters()]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# --- the order of events ------------------------------------------------------------------------------------------------


class Recorder:
    """Plays one iteration and writes down every draw, forward pass and step, with the arrays that they saw."""

    def __init__(self, **options):
        self.events = []
        rng = np.random.default_rng(0)

        def draw(what, m):
            array = rng.standard_normal((m, 2)).astype("float32")
            self.events.append((what, array))
            return array

        self.game = make_game(prior=lambda m: draw("z", m), **options)
        self.watch("G", self.game.G, self.game.opt_G)
        self.watch("D", self.game.D, self.game.opt_D)
        self.figures = self.game.step(draw("x", 4) for _ in itertools.count())

    def watch(self, name, player, optimizer):
        forward, step = player.forward, optimizer.step

        def watched_forward(x):
            y = forward(x)
            self.events.append((f"{name}()", (x.numpy().copy(), y.numpy().copy())))
            return y

        def watched_step():
            others = [*values(self.game.G), *values(self.game.D)]
            gradients = {p: [q.grad is not None for q in getattr(self.game, p).parameters()] for p in "GD"}
            step()
            after = [*values(self.game.G), *values(self.game.D)]
            changed = [not np.array_equal(a, b) for a, b in zip(others, after, strict=True)]
            self.events.append((f"step {name}", (gradients, {"G": changed[:4], "D": changed[4:]})))

        player.forward, optimizer.step = watched_forward, watched_step

    def names(self):
        return [name for name, _ in self.events]

    def of(self, name):
        return [value for event, value in self.events if event == name]


D_STEP = ["x", "z", "G()", "D()", "D()", "step D"]
G_STEP = ["z", "G()", "D()", "step G"]
k_and_l = pytest.mark.parametrize(("k", "l"), [(1, 1), (3, 1), (1, 2), (2, 3)])


@k_and_l
def test_an_iteration_is_k_d_steps_and_then_l_g_steps(k, l):
    assert Recorder(k=k, l=l).names() == D_STEP * k + G_STEP * l


@k_and_l
def test_every_step_draws_fresh_noise_as_much_as_x(k, l):
    zs = Recorder(k=k, l=l).of("z")
    assert len(zs) == k + l
    assert len({z.tobytes() for z in zs}) == k + l
    assert all(z.shape == (4, 2) for z in zs)


def test_every_d_step_draws_fresh_x():
    xs = Recorder(k=3).of("x")
    assert len({x.tobytes() for x in xs}) == 3


@k_and_l
def test_d_sees_real_first_then_fake_in_two_passes(k, l):
    recorder = Recorder(k=k, l=l)
    seen, made = [x for x, _ in recorder.of("D()")], [y for _, y in recorder.of("G()")]
    for i, x in enumerate(recorder.of("x")):
        np.testing.assert_array_equal(seen[2 * i], x)
        np.testing.assert_array_equal(seen[2 * i + 1], made[i])
    for i in range(l):
        np.testing.assert_array_equal(seen[2 * k + i], made[k + i])


def test_every_pass_of_g_sees_the_noise_just_drawn():
    recorder = Recorder(k=2, l=2)
    for z, (seen, _) in zip(recorder.of("z"), recorder.of("G()"), strict=True):
        np.testing.assert_array_equal(seen, z)


@k_and_l
def test_a_players_step_changes_that_player_only(k, l):
    recorder = Recorder(k=k, l=l)
    for player, other in ("DG", "GD"):
        for _, changed in recorder.of(f"step {player}"):
            assert all(changed[player])
            assert not any(changed[other])


def test_a_d_step_computes_no_gradient_of_g():
    recorder = Recorder(k=3)
    assert len(recorder.of("step D")) == 3
    for gradients, _ in recorder.of("step D"):
        assert all(gradients["D"])
        assert not any(gradients["G"])


def test_a_g_step_computes_no_gradient_of_d():
    game, batches = make_game(), data.batches(data.ring(64), size=8)
    left_by_d = []
    step = game.opt_D.step
    game.opt_D.step = lambda: (step(), left_by_d.extend(p.grad for p in game.D.parameters()))
    game.step(batches)
    assert all(p.grad is g for p, g in zip(game.D.parameters(), left_by_d, strict=True))


def test_gradients_do_not_add_up_over_steps():
    game, batches = make_game(lr=0.0), itertools.repeat(np.ones((4, 2), np.float32))
    game.prior = lambda m: np.ones((m, 2), np.float32)
    seen = []
    for _ in range(3):
        game.step(batches)
        seen.append([p.grad.numpy().copy() for p in game.G.parameters() + game.D.parameters()])
    assert equal(seen[0], seen[2])


def test_gradients_that_the_user_left_behind_do_not_count():
    states = []
    for leave in (False, True):
        mg.seed(1)
        game, batches = make_game(), data.batches(data.ring(64), size=8)
        if leave:
            for p in game.G.parameters() + game.D.parameters():
                p.grad = Tensor(np.full(p.shape, 100, np.float32))
        game.step(batches)
        states.append(values(game.G) + values(game.D))
    assert equal(*states)


def test_ds_flags_are_restored_when_the_g_step_fails():
    game = make_game()

    def fail():
        raise ZeroDivisionError

    game.opt_G.step = fail
    game.D[0].bias.requires_grad = False
    with pytest.raises(ZeroDivisionError):
        game.step(data.batches(data.ring(64), size=8))
    assert [p.requires_grad for p in game.D.parameters()] == [True, False, True, True]


def test_a_layer_that_the_user_has_frozen_stays_as_it_is():
    game = make_game()
    game.G[0].requires_grad_(False)
    game.D[0].requires_grad_(False)
    before = values(game.G[0]) + values(game.D[0])
    game.step(data.batches(data.ring(64), size=8))
    assert equal(before, values(game.G[0]) + values(game.D[0]))
    assert not any(p.requires_grad for p in game.G[0].parameters() + game.D[0].parameters())


def test_g_descends_against_the_updated_d():
    recorder = Recorder()
    fake, v = recorder.of("D()")[-1]
    with mg.no_grad():
        np.testing.assert_array_equal(recorder.game.D.__class__.forward(recorder.game.D, Tensor(fake)).numpy(), v)


# --- against a reference without an engine ------------------------------------------------------------------------------


class Reference:
    """The same game by hand: two layers each, backpropagation written out, SGD with momentum, float64."""

    def __init__(self, game, lr, momentum):
        self.theta = {"G": values(game.G), "D": values(game.D)}
        self.b = {player: [np.zeros_like(p) for p in params] for player, params in self.theta.items()}
        self.lr, self.momentum = lr, momentum

    def g_forward(self, z):
        W1, b1, W2, b2 = self.theta["G"]
        h = np.tanh(z @ W1 + b1)
        return h, h @ W2 + b2

    def d_forward(self, x):
        W1, b1, W2, b2 = self.theta["D"]
        a = x @ W1 + b1
        h = np.where(a > 0, a, 0.2 * a)
        return a, h, h @ W2 + b2

    def d_backward(self, x, a, h, dv):
        W1, _, W2, _ = self.theta["D"]
        da = (dv @ W2.T) * np.where(a > 0, 1, 0.2)
        return [x.T @ da, da.sum(0), h.T @ dv, dv.sum(0)], da @ W1.T

    def descend(self, player, gradients):
        for p, b, g in zip(self.theta[player], self.b[player], gradients, strict=True):
            b[...] = self.momentum * b + g
            p -= self.lr * b

    def step(self, xs, zs, l, saturating):
        zs = iter(zs)
        for x in xs:
            m, fake = len(x), self.g_forward(next(zs))[1]
            a, h, v = self.d_forward(x)
            from_real, _ = self.d_backward(x, a, h, -(1 - 1 / (1 + np.exp(-v))) / m)
            a, h, v = self.d_forward(fake)
            from_fake, _ = self.d_backward(fake, a, h, 1 / (1 + np.exp(-v)) / m)
            self.descend("D", [r + f for r, f in zip(from_real, from_fake, strict=True)])
        for _ in range(l):
            z = next(zs)
            hidden, fake = self.g_forward(z)
            a, h, v = self.d_forward(fake)
            D = 1 / (1 + np.exp(-v))
            _, dx = self.d_backward(fake, a, h, (-D if saturating else -(1 - D)) / m)
            dh = (dx @ self.theta["G"][2].T) * (1 - hidden**2)
            self.descend("G", [z.T @ dh, dh.sum(0), hidden.T @ dx, dx.sum(0)])


@pytest.mark.parametrize("saturating", [False, True])
@pytest.mark.parametrize(("k", "l"), [(1, 1), (2, 2)])
def test_ten_iterations_agree_with_a_reference_by_hand(k, l, saturating):
    rng = np.random.default_rng(0)
    G, D = players()
    in_float64(G, D)
    zs = []

    def prior(m):
        zs.append(rng.standard_normal((m, 2)))
        return zs[-1]

    opt_G, opt_D = optim.SGD(G.parameters(), 0.2, momentum=0.8), optim.SGD(D.parameters(), 0.2, momentum=0.8)
    game = GAN(G, D, prior, opt_G, opt_D, k=k, l=l, saturating=saturating)
    start, reference = values(G), Reference(game, 0.2, 0.8)
    for _ in range(10):
        xs, zs[:] = rng.standard_normal((k, 6, 2)), []
        game.step(iter(xs))
        reference.step(xs, zs, l, saturating)
    for player, module in (("G", G), ("D", D)):
        for own, expected in zip(values(module), reference.theta[player], strict=True):
            np.testing.assert_allclose(own, expected, rtol=1e-10, atol=1e-10)
    assert np.abs(start[0] - values(G)[0]).max() > 1e-3


# --- gradients through D(G(z)) ------------------------------------------------------------------------------------------

Z = np.random.default_rng(3).standard_normal((6, 2))
REAL = np.random.default_rng(4).standard_normal((6, 2))


@pytest.mark.parametrize(
    "loss",
    [
        lambda real, fake: losses.generator_loss(fake),
        lambda real, fake: losses.generator_loss(fake, saturating=True),
        lambda real, fake: losses.discriminator_loss(real, fake),
    ],
    ids=["generator", "saturating", "discriminator"],
)
def test_gradients_of_both_players_through_d_of_g_are_the_finite_differences(loss):
    G, D = players()
    in_float64(G, D)
    parameters = G.parameters() + D.parameters()

    def value():
        return loss(D(Tensor(REAL)), D(G(Tensor(Z))))

    gradients = [g.numpy() for g in mg.grad(value(), parameters)]
    assert all(np.abs(g).max() > 1e-4 for g in gradients[:-1])
    eps = 1e-6
    for p, g in zip(parameters, gradients, strict=True):
        for index in np.ndindex(p.shape):
            ends = []
            for move in (eps, -eps):
                kept = p.data[index]
                p.data[index] = kept + move
                ends.append(value().item())
                p.data[index] = kept
            assert (ends[0] - ends[1]) / (2 * eps) == pytest.approx(g[index], rel=1e-6, abs=1e-8)


def test_with_minus_d_every_gradient_of_g_changes_its_sign_where_the_loss_is_linear_in_v():
    G, D = players()

    def gradients():
        return [g.numpy() for g in mg.grad(-mg.mean(D(G(Tensor(Z.astype("float32"))))), G.parameters())]

    before = gradients()
    for p in D[-1].parameters():
        p.data = -p.data
    for g, flipped in zip(before, gradients(), strict=True):
        np.testing.assert_array_equal(flipped, -g)
        assert np.abs(g).max() > 0


def test_with_minus_d_the_two_generator_losses_change_places():
    G, D = players()
    in_float64(G, D)

    def gradients(saturating):
        return [g.numpy() for g in mg.grad(losses.generator_loss(D(G(Tensor(Z))), saturating), G.parameters())]

    heuristic = gradients(False)
    for p in D[-1].parameters():
        p.data = -p.data
    for g, flipped in zip(heuristic, gradients(True), strict=True):
        np.testing.assert_allclose(flipped, -g, rtol=1e-13)


def test_the_g_step_follows_what_d_says_and_not_a_direction_of_its_own():
    found = []
    for sign in (1, -1):
        mg.seed(2)
        game = make_game(lr=0.0)
        for p in game.D[-1].parameters():
            p.data = sign * 1e-3 * p.data  # near v = 0 the loss is nearly linear in v
        game.step(data.batches(data.ring(64), size=8))
        found.append([p.grad.numpy() for p in game.G.parameters()])
    for there, back in zip(*found, strict=True):
        np.testing.assert_allclose(there, -back, rtol=0.02, atol=1e-9)
        assert np.abs(there).max() > 1e-6


# --- R1 -----------------------------------------------------------------------------------------------------------------


def d_gradients(r1):
    """The gradients of one step of a linear D, v = x w + b, whose gradient for x is w everywhere."""
    mg.seed(1)
    G, D = players()[0], nn.Dense(2, 1)
    game = GAN(G, D, data.noise(2), optim.SGD(G.parameters(), 0.0), optim.SGD(D.parameters(), 0.0), r1=r1)
    game.step(data.batches(data.ring(64), size=8))
    return D.weight.numpy(), *(p.grad.numpy() for p in D.parameters())


def test_r1_adds_half_of_r1_times_the_squared_gradient_norm_to_ds_loss():
    (w, weight, bias), (_, penalised, penalised_bias) = d_gradients(0.0), d_gradients(10.0)
    np.testing.assert_allclose(penalised - weight, 10.0 * w, rtol=1e-5)
    np.testing.assert_allclose(penalised_bias, bias, rtol=1e-6)


def test_a_step_with_r1_changes_g_only_in_the_g_step_and_leaves_no_gradient_of_g_behind_before_it():
    recorder = Recorder(k=2, r1=1.0)
    assert recorder.names() == D_STEP * 2 + G_STEP
    for gradients, changed in recorder.of("step D"):
        assert not any(gradients["G"] + changed["G"])


def test_a_negative_r1_is_refused():
    with pytest.raises(ValueError, match="r1 is -1"):
        make_game(r1=-1)


# --- dtypes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_a_float32_game_stays_float32_also_on_float64_data_and_noise(r1):
    rng = np.random.default_rng(0)
    G, D = players()
    game = GAN(G, D, lambda m: rng.standard_normal((m, 2)), optim.Adam(G.parameters()), optim.Adam(D.parameters()), r1=r1)

    def play():
        for _ in range(3):
            game.step(iter([rng.standard_normal((4, 2))]))

    seen = dtypes_of_new_tensors(game, play)
    assert len(seen) > 100
    assert {d for d in seen if d.kind == "f"} == {np.dtype("float32")}
    states = [v for rule in (game.opt_G, game.opt_D) for state in rule.state for v in state.values() if hasattr(v, "dtype")]
    assert {v.dtype for v in states} == {np.dtype("float32")}


# --- figures ------------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_last_steps():
    recorder = Recorder(k=2, l=2)
    passes = [v.astype("float64") for _, v in recorder.of("D()")]
    real, fake, last = passes[2], passes[3], passes[-1]
    expected = {
        "loss_D": np.mean(np.log1p(np.exp(-real))) + np.mean(np.log1p(np.exp(fake))),
        "loss_G": np.mean(np.log1p(np.exp(-last))),
        "D_real": np.mean(1 / (1 + np.exp(-real))),
        "D_fake": np.mean(1 / (1 + np.exp(-fake))),
        "D_accuracy": (np.mean(real > 0) + np.mean(fake < 0)) / 2,
    }
    assert dict(recorder.figures) == pytest.approx(expected, rel=1e-5)
    assert all(type(v) is float for v in recorder.figures.values())


def test_the_saturating_game_reports_its_own_loss():
    recorder = Recorder(saturating=True)
    v = recorder.of("D()")[-1][1].astype("float64")
    assert recorder.figures["loss_G"] == pytest.approx(-np.mean(np.log1p(np.exp(v))), rel=1e-5)


def test_the_figures_keep_no_graph_alive():
    game, made = make_game(), []
    forward = game.G.forward
    game.G.forward = lambda z: (made.append(weakref.ref(z)), forward(z))[1]
    gc.collect()
    gc.disable()
    try:
        figures = game.step(data.batches(data.ring(64), size=8))
        assert [ref() for ref in made] == [None, None]
    finally:
        gc.enable()
    assert len(figures) == 5


# --- memory -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("r1", "steps"), [(0.0, 300), (1.0, 100)])
def test_many_steps_leave_nothing_behind_without_the_garbage_collector(r1, steps):
    game, batches = make_game(r1=r1), itertools.repeat(data.ring(8))
    for _ in range(20):
        game.step(batches)
    gc.collect()
    gc.disable()
    try:
        objects = len(gc.get_objects())
        for _ in range(steps):
            game.step(batches)
        assert len(gc.get_objects()) < objects + steps // 10  # a leak adds one a step at least; caches elsewhere a few at most
    finally:
        gc.enable()


def test_memory_is_steady():
    game, batches = make_game(), itertools.repeat(data.ring(256))
    tracemalloc.start()
    try:
        held = []
        for _ in range(4):
            for _ in range(25):
                game.step(batches)
            gc.collect()  # this also empties the interpreter's lists of blocks to be used again
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] - held[1] < 2000  # bytes: one minibatch's array alone has more


# --- learning and misuse ------------------------------------------------------------------------------------------------


def test_g_learns_where_the_data_are():
    G, D = players(width=16)
    game = GAN(G, D, data.noise(2), optim.Adam(G.parameters(), 5e-3, (0.5, 0.9)), optim.Adam(D.parameters(), 5e-3, (0.5, 0.9)))
    decay = optim.LinearDecay([game.opt_G, game.opt_D], 400)
    batches = data.batches(np.random.default_rng(0).normal([2.0, -1.0], 0.3, (1000, 2)), size=32)
    before = np.linalg.norm(game.sample(500).mean(0) - [2, -1])
    for _ in range(400):
        game.step(batches)
        decay.step()
    assert before > 1.5
    assert np.linalg.norm(game.sample(500).mean(0) - [2, -1]) < 0.3


@pytest.mark.parametrize("counts", [{"k": 0}, {"l": 0}, {"k": -1}])
def test_fewer_than_one_step_of_a_player_is_refused(counts):
    with pytest.raises(ValueError, match="expected a whole number"):
        make_game(**counts)


def test_swapped_optimizers_are_refused():
    G, D = nn.Dense(2, 2), nn.Dense(2, 1)
    with pytest.raises(ValueError, match="swapped"):
        GAN(G, D, data.noise(2), optim.SGD(D.parameters(), 0.1), optim.SGD(G.parameters(), 0.1))


def test_a_discriminator_that_ends_in_a_sigmoid_is_refused():
    G, D = nn.Dense(2, 2), nn.Sequential(nn.Dense(2, 1), nn.Sigmoid())
    with pytest.raises(ValueError, match="returns logits"):
        GAN(G, D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))


def test_an_array_in_place_of_minibatches_is_refused():
    with pytest.raises(TypeError, match=r"data\.batches"):
        make_game().step(np.ones((8, 2)))
