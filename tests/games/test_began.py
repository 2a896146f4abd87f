import copy
import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from tests.games import players, reference


def make(dtype="float32", rule=optim.Adam, lr=0.01, **options):
    return players.make("began", players.Draws(3), dtype, rule, lr, **options)


def minibatches(m=4):
    return (players.minibatch("began", m, seed) for seed in itertools.count())


# --- against a reference without an engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gamma", "lambda_k", "start", "bound"), [(0.7, 0.05, 0, None), (0.9, 3.0, 0, 1), (0.1, 3.0, 0.875, 0)]
)
def test_25_iterations_and_the_course_of_k_agree_with_a_reference_by_hand(gamma, lambda_k, start, bound):
    game = make("float64", gamma=gamma, lambda_k=lambda_k)
    game.k = game.cast(start)
    G, D, rules = players.by_hand(game.G), players.by_hand(game.D), [reference.Adam(0.01), reference.Adam(0.01)]
    k, course = start, []
    for i in range(25):
        x = players.minibatch("began", 6, seed=i)
        figures = game.step(iter([x]))
        expected = reference.began_step(G, D, *rules, x, game.prior.taken(), k, gamma, lambda_k)
        assert dict(figures) == pytest.approx(expected, abs=1e-8)
        k = expected["k"]
        course.append(k)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, D)
    assert bound in course if bound is not None else 0 < min(course) < max(course) < 1


# --- k ------------------------------------------------------------------------------------------------------------------


def test_k_starts_at_0_so_that_the_first_d_step_looks_at_the_data_alone():
    found = []
    for seed in (1, 2):  # of the noise
        mg.seed(0)
        game = make(rule=optim.SGD)
        game.prior = players.Draws(3, seed)
        assert game.k.item() == 0
        game.step(minibatches())
        found.append(players.values(game.D))
    assert players.equal(*found)


def test_k_follows_l_of_the_data_in_the_d_step_and_l_of_the_fakes_in_the_g_step():
    game = make(rule=optim.SGD, lr=0.5, gamma=0.6, lambda_k=0.1)
    game.k = game.cast(0.5)
    watch = players.Recorder(game, minibatches())
    for step in range(2):
        before = game.k.item()
        figures = watch.play()
        errors = [np.abs(x.astype("float64") - y).mean() for x, y in watch.passes("D")[3 * step :]]  # data, fake, fresh fake
        assert figures["L_x"] == pytest.approx(errors[0], rel=1e-5)
        assert figures["loss_D"] == pytest.approx(errors[0] - before * errors[1], rel=1e-5)
        assert figures["loss_G"] == pytest.approx(errors[2], rel=1e-5)
        assert abs(errors[1] - errors[2]) > 0.01
        assert figures["k"] == pytest.approx(before + 0.1 * (0.6 * errors[0] - errors[2]), rel=1e-5)
        assert figures["k"] == game.k.item()
        assert figures["ratio"] == pytest.approx(errors[2] / errors[0], rel=1e-5)
        assert figures["M"] == pytest.approx(errors[0] + abs(0.6 * errors[0] - errors[2]), rel=1e-5)


@pytest.mark.parametrize(("gamma", "reached"), [(0.0, 0.0), (0.5, None), (1.0, 1.0)])
def test_k_stays_in_0_to_1_however_fast_it_follows(gamma, reached):
    game = make(gamma=gamma, lambda_k=1000.0)
    ks = [game.step(iter([batch]))["k"] for batch in itertools.islice(minibatches(), 30)]
    assert min(ks) >= 0
    assert max(ks) <= 1
    assert reached is None or reached in ks


def test_without_lambda_k_nothing_moves_k():
    game = make(lambda_k=0.0)
    for _ in range(3):
        assert game.step(minibatches())["k"] == 0


@pytest.mark.parametrize(("gamma", "direction"), [(0.0, -1), (1.0, 1)])
def test_k_rises_while_fakes_are_reconstructed_better_than_gamma_asks_and_falls_while_worse(gamma, direction):
    game = make(rule=optim.SGD, lr=0.0, lambda_k=0.01, gamma=gamma)
    game.k = game.cast(0.5)
    figures = game.step(minibatches())
    assert 0 < figures["loss_G"] < figures["L_x"]
    assert direction * (figures["k"] - 0.5) > 1e-3


def test_k_is_a_constant_of_the_networks_dtype_without_a_graph():
    for dtype in ("float32", "float64"):
        game = make(dtype)
        for _ in range(2):
            game.step(minibatches())
        assert game.k.dtype == dtype
        assert game.k.is_leaf
        assert not game.k.requires_grad


def test_k_is_saved_and_restored():
    game = make(lambda_k=0.5)
    game.k = game.cast(0.25)
    state = game.state_dict()
    kept = copy.deepcopy(state["k"])
    game.step(minibatches())
    assert state["k"] == kept == 0.25
    fresh = make(lambda_k=0.5)
    fresh.load_state_dict({name: v for name, v in state.items() if name != "prior"})
    assert fresh.k.item() == 0.25
    assert fresh.k.dtype == np.float32


# --- gradients ----------------------------------------------------------------------------------------------------------


def test_gs_gradient_takes_both_paths_through_the_reconstruction_and_directly():
    game = make("float64", optim.SGD, lr=0.0)
    watch = players.Recorder(game, iter([players.minibatch("began")]))
    watch.play()
    z, found = Tensor(watch.of("z")[1]), players.gradients(game.G)

    def gradient(loss):
        return [g.numpy() for g in mg.grad(loss(game.G(z)), game.G.parameters())]

    whole = gradient(lambda v: losses.l1(game.D(v), v))
    reconstruction, direct = (
        gradient(lambda v: losses.l1(game.D(v), v.detach())),
        gradient(lambda v: losses.l1(game.D(v).detach(), v)),
    )
    for g, w, a, b in zip(found, whole, reconstruction, direct, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12)
        np.testing.assert_allclose(w, a + b, rtol=1e-9, atol=1e-12)
        assert min(np.abs(a).max(), np.abs(b).max()) > 1e-3


def test_d_reconstructs_the_data_better_and_better_while_k_is_0():
    game = make(lambda_k=0.0, lr=0.02)
    first = game.step(minibatches())["L_x"]
    for batch in itertools.islice(minibatches(16), 150):
        figures = game.step(iter([batch]))
    assert figures["L_x"] < first / 2


def test_k_above_0_makes_d_worse_at_the_fakes():
    errors = []
    for k in (0.0, 1.0):
        mg.seed(0)
        game = make("float64", optim.SGD, lambda_k=0.0)
        game.k = game.cast(k)
        watch = players.Recorder(game, minibatches())
        watch.play()
        fake = watch.passes("D")[1][0]  # the same for both k
        with mg.no_grad():
            errors.append(np.abs(game.D(Tensor(fake)).numpy() - fake).mean())
    assert errors[1] > errors[0] + 1e-5


# --- a sigmoid, and refusals --------------------------------------------------------------------------------------------


def test_a_d_that_ends_in_a_sigmoid_is_fine_it_reconstructs_pixels():
    G, D = nn.Dense(3, 2), nn.Sequential(nn.Dense(2, 2), nn.Sigmoid())
    game = games.BEGAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    assert np.isfinite(game.step(minibatches())["M"])


@pytest.mark.parametrize("gamma", [-0.1, 1.1, float("nan")])
def test_a_gamma_outside_0_to_1_is_refused(gamma):
    with pytest.raises(ValueError, match=r"BEGAN: gamma is .*; expected 0 <= gamma <= 1"):
        make(gamma=gamma)


@pytest.mark.parametrize("lambda_k", [-0.001, float("nan")])
def test_a_lambda_k_below_0_is_refused(lambda_k):
    with pytest.raises(ValueError, match=r"BEGAN: .*lambda_k .*at least 0"):
        make(lambda_k=lambda_k)


def test_the_defaults_of_began_are_the_papers():
    game = make()
    assert (game.gamma, game.lambda_k, game.k.item()) == (0.5, 0.001, 0)


def test_a_d_that_returns_one_number_a_sample_is_refused_and_not_broadcast():
    G, D = nn.Dense(3, 2), nn.Dense(2, 1)
    game = games.BEGAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    with pytest.raises(ValueError, match=r"l1: shapes \(4, 1\) and \(4, 2\) differ"):
        game.step(minibatches())


def test_repr_shows_k():
    game = make(gamma=0.7)
    game.k = game.cast(0.25)
    assert repr(game).splitlines()[0] == "BEGAN(gamma=0.7, lambda_k=0.001), k = 0.25"
    assert len(repr(game).splitlines()) == 6
