"""What every game has: casting, freezing, sampling, saving. Checked on the simplest game, the GAN."""

import itertools

import numpy as np
import pytest

from minigan import Tensor, data, nn, optim
from minigan.backend import random_numbers
from minigan.games import GAN, Conditional, ConditionalGAN, Game, dcgan_generator
from minigan.games import game as game_module
from tests.helpers.states import assert_same


def make_game(prior=None, **options):
    G = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 2))
    D = nn.Sequential(nn.Dense(2, 8), nn.LeakyReLU(0.2), nn.Dense(8, 1))
    prior = prior or data.noise(2)
    return GAN(G, D, prior, optim.Adam(G.parameters(), 1e-2), optim.Adam(D.parameters(), 1e-2), **options)


def make_batches(size=16):
    return data.batches(data.ring(200), size=size)


# --- minibatches and noise ----------------------------------------------------------------------------------------------

X = np.random.default_rng(0).standard_normal((4, 2)).astype("float32")


@pytest.mark.parametrize(
    "batch",
    [X, X.astype("float64"), Tensor(X), (X, np.arange(4)), [Tensor(X), np.arange(4)]],
    ids=["array", "float64", "tensor", "tuple", "list"],
)
def test_real_takes_arrays_tensors_and_the_first_of_a_tuple(batch):
    x = make_game().real(iter([batch]))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x.numpy(), X)


def test_images_in_bytes_become_floats():
    assert make_game().cast(np.full((2, 2), 255, np.uint8)).dtype == np.float32


def test_a_minibatch_that_requires_a_gradient_enters_as_a_constant():
    assert not make_game().cast(Tensor(X, requires_grad=True)).requires_grad


def test_a_float64_game_casts_to_float64():
    game = make_game()
    for p in game.G.parameters() + game.D.parameters():
        p.data = p.data.astype("float64")
    assert game.real(iter([X])).dtype == game.noise(3).dtype == np.float64


def test_minibatches_that_run_out_are_an_error_that_says_so():
    with pytest.raises(ValueError, match=r"the minibatches have run out; data.batches\(...\) never ends"):
        make_game().step(iter([]))


@pytest.mark.parametrize("shape", [(3, 2), (), (1, 2)])
def test_a_prior_that_returns_another_number_of_vectors_is_refused(shape):
    with pytest.raises(ValueError, match="prior: asked for 4 noise vectors, it returned shape"):
        make_game(prior=lambda m: np.zeros(shape)).noise(4)


# --- freezing -----------------------------------------------------------------------------------------------------------


def test_frozen_restores_every_flag_also_those_the_user_has_set():
    game = make_game()
    game.D[0].weight.requires_grad = False
    flags = [p.requires_grad for p in game.D.parameters()]
    with game.frozen(game.D):
        assert not any(p.requires_grad for p in game.D.parameters())
    assert [p.requires_grad for p in game.D.parameters()] == flags == [False, True, True, True]


def test_frozen_restores_the_flags_after_an_exception():
    game = make_game()
    with pytest.raises(ZeroDivisionError), game.frozen(game.D):
        raise ZeroDivisionError
    assert all(p.requires_grad for p in game.D.parameters())


def test_frozen_leaves_the_other_player_alone():
    game = make_game()
    with game.frozen(game.D):
        assert all(p.requires_grad for p in game.G.parameters())


# --- sampling -----------------------------------------------------------------------------------------------------------


class Moody(nn.Module):
    """Returns its input in eval mode, and zeros in training mode."""

    def __init__(self):
        self.weight = Tensor(np.ones(2, np.float32), requires_grad=True)

    def forward(self, z):
        return z * self.weight * float(not self.training)


def test_samples_are_a_numpy_array_of_the_networks_dtype():
    samples = make_game().sample(7)
    assert type(samples) is np.ndarray
    assert (samples.shape, samples.dtype) == ((7, 2), np.float32)


def test_samples_are_made_in_eval_mode_and_the_mode_is_restored():
    G = nn.Sequential(Moody(), nn.Sequential(Moody()))
    G[1].eval()
    D = nn.Dense(2, 1)
    game = GAN(G, D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    assert game.sample(3).all()
    assert [m.training for m in G.modules()] == [True, True, False, False]


def test_modes_are_restored_after_an_exception():
    model = nn.Sequential(nn.ReLU())
    with pytest.raises(ZeroDivisionError), nn.eval_mode(model):
        raise ZeroDivisionError
    assert all(m.training for m in model.modules())


def test_evaluating_switches_every_part_for_the_block():
    model = nn.Sequential(nn.ReLU())
    with nn.eval_mode(model):
        assert not any(m.training for m in model.modules())
    assert all(m.training for m in model.modules())


def test_sampling_does_not_change_the_course_of_the_game():
    states = []
    for looks in (0, 3):
        random_numbers.seed(5)
        game, batches = make_game(), make_batches()
        for _ in range(4):
            game.step(batches)
            for _ in range(looks):
                game.sample(10)
        states.append({name: v for name, v in game.state_dict().items() if name != "sample_rng"})
    assert_same(*states)


def test_samples_are_fresh_each_time():
    game = make_game()
    assert not np.array_equal(game.sample(4), game.sample(4))


def test_a_generator_decides_the_samples():
    game = make_game()
    a, b, c = (game.sample(4, rng=np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_noise_that_is_given_is_used_in_any_dtype():
    game, z = make_game(), np.random.default_rng(0).standard_normal((3, 2))
    expected = game.G(Tensor(z.astype("float32"))).numpy()
    for given in (z, z.astype("float32"), Tensor(z)):
        samples = game.sample(3, z=given)
        assert samples.dtype == np.float32
        np.testing.assert_array_equal(samples, expected)


def test_a_plain_function_as_prior_is_asked_for_the_samples_noise():
    asked = []

    def prior(m):
        asked.append(m)
        return np.ones((m, 2))

    make_game(prior).sample(6)
    assert asked == [6]


def test_sampling_leaves_gradients_and_flags_alone():
    game = make_game()
    game.sample(3)
    assert all(p.requires_grad and p.grad is None for p in game.G.parameters())


def test_classes_are_refused():
    with pytest.raises(TypeError, match="GAN has no classes; leave y out"):
        make_game().sample(3, y=[0, 1, 2])


def test_a_game_without_step_says_so():
    G = nn.Dense(2, 2)
    with pytest.raises(NotImplementedError, match="Game has no step"):
        Game(G, G, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(G.parameters(), 0.1)).step(iter([]))


# --- many samples, in parts ---------------------------------------------------------------------------------------------


class Watched(nn.Module):
    """A network that notes what each of its forward passes gets."""

    def __init__(self, network):
        self.network, self.seen = network, []

    def forward(self, *inputs):
        self.seen.append(inputs)
        return self.network(*inputs)


def watched(G):
    """A game whose G notes its forward passes: a conditional one, if G takes classes, else a GAN."""
    kind, D = (ConditionalGAN, Conditional(nn.Dense(5, 1), 3)) if isinstance(G, Conditional) else (GAN, nn.Dense(2, 1))
    return kind(Watched(G), D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))


def dense():
    return nn.Sequential(nn.Dense(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dense(8, 2))


def told():
    return Conditional(nn.Sequential(nn.Dense(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dense(8, 2)), 3)


def test_at_most_1000_samples_go_through_g_at_once():
    game = watched(dense())
    assert game.sample(2500).shape == (2500, 2)
    assert [len(z) for (z,) in game.G.seen] == [1000, 1000, 500]


@pytest.mark.parametrize(("n", "parts"), [(1, [1]), (3, [3]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (11, [4, 4, 3])])
@pytest.mark.parametrize("make_g", [dense, lambda: dcgan_generator(2, 2)], ids=["dense", "convolutional"])
def test_samples_made_in_parts_are_those_made_at_once(n, parts, make_g, monkeypatch):
    game = watched(make_g())
    z = data.noise(2)(n)
    at_once = game.sample(n, z=z)
    assert len(game.G.seen) == 1
    monkeypatch.setattr(game_module, "CHUNK", 4)
    in_parts = game.sample(n, z=z)
    assert [len(noise) for (noise,) in game.G.seen[1:]] == parts
    assert (in_parts.shape, in_parts.dtype) == (at_once.shape, np.float32)
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("y", [np.array([2, 0, 1, 1, 2, 0, 2, 2, 0, 1]), [2, 0, 1, 1, 2, 0, 2, 2, 0, 1], 2])
def test_each_part_of_the_samples_is_told_its_own_classes(y, monkeypatch):
    game = watched(told())
    z = data.noise(2)(10)
    at_once = game.sample(10, y, z)
    monkeypatch.setattr(game_module, "CHUNK", 4)
    in_parts = game.sample(10, y, z)
    classes = np.broadcast_to(y, 10).tolist()
    assert [part.tolist() for _, part in game.G.seen[1:]] == [classes[:4], classes[4:8], classes[8:]]
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-5, atol=1e-7)


def test_the_noise_of_all_parts_is_drawn_at_once(monkeypatch):
    game = make_game()
    at_once = game.sample(10, rng=np.random.default_rng(1))
    monkeypatch.setattr(game_module, "CHUNK", 4)
    np.testing.assert_allclose(game.sample(10, rng=np.random.default_rng(1)), at_once, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("make_g", "y", "shape"),
    [
        (dense, None, (0, 2)),
        (lambda: dcgan_generator(2, 2), None, (0, 1, 28, 28)),
        (told, np.array([], int), (0, 2)),
        (told, 1, (0, 2)),
    ],
    ids=["dense", "convolutional", "no classes", "one class for all"],
)
def test_no_samples_are_an_empty_array_of_their_shape(make_g, y, shape):
    samples = watched(make_g()).sample(0, y)
    assert (samples.shape, samples.dtype) == (shape, np.float32)


# --- saving -------------------------------------------------------------------------------------------------------------


def test_a_resumed_game_goes_on_bit_for_bit():
    game, batches = make_game(), make_batches()
    for _ in range(10):
        game.step(batches)
    saved, position = game.state_dict(), batches.state_dict()
    for _ in range(10):
        figures = game.step(batches)

    random_numbers.seed(77)
    resumed = make_game()
    random_numbers.seed(0)
    make_game()  # takes what the first game took, so that the data are the same
    again = make_batches()
    resumed.load_state_dict(saved)
    again.load_state_dict(position)
    for _ in range(10):
        last = resumed.step(again)
    assert dict(last) == dict(figures)
    assert_same(resumed.state_dict(), game.state_dict())
    np.testing.assert_array_equal(resumed.sample(5), game.sample(5))


def test_a_saved_state_does_not_change_as_the_game_goes_on():
    game, batches = make_game(), make_batches()
    game.step(batches)
    saved = game.state_dict()
    copy = {name: v.copy() for name, v in saved["G"].items()} | {"m": saved["opt_G"]["params"]["0"]["m"].copy()}
    game.step(batches)
    for name, v in copy.items():
        np.testing.assert_array_equal(saved["opt_G"]["params"]["0"]["m"] if name == "m" else saved["G"][name], v)


def test_a_plain_function_as_prior_has_no_state_to_save():
    game = make_game(prior=lambda m: np.ones((m, 2)))
    state = game.state_dict()
    assert "prior" not in state
    game.load_state_dict(state)
    game.step(make_batches())


def test_the_same_seed_gives_the_same_game_bit_for_bit():
    states = []
    for seed in (3, 3, 4):
        random_numbers.seed(seed)
        game, batches = make_game(k=2, l=2), make_batches()
        for _ in range(5):
            game.step(batches)
        states.append(game.state_dict())
    assert_same(states[0], states[1])
    assert not np.array_equal(states[1]["G"]["layers.0.weight"], states[2]["G"]["layers.0.weight"])


def test_every_array_of_the_saved_state_is_numpy_and_every_name_unique():
    game = make_game()
    game.step(make_batches())
    arrays = list(itertools.chain(game.state_dict()["G"].values(), game.state_dict()["D"].values()))
    assert all(type(a) is np.ndarray for a in arrays)
    assert len(arrays) == 8


# --- names and display --------------------------------------------------------------------------------------------------


def test_a_game_names_the_parameters_of_its_players():
    game = make_game()
    game.step(make_batches())
    layers = ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
    assert [p.name for p in game.opt_G.params] == [f"G.{name}" for name in layers]
    assert [p.name for p in game.opt_D.params] == [f"D.{name}" for name in layers]
    assert list(game.state_dict()["D"]) == layers


def test_a_stale_value_says_whose_it_is():
    game, batches = make_game(), make_batches()
    game.step(batches)
    loss = game.D(game.real(batches)).sum()
    game.opt_D.step()
    with pytest.raises(RuntimeError, match=r"tensor 'D\.layers\.2\.weight' of shape \(8, 1\), an input of affine, was changed"):
        loss.backward()


def test_repr_shows_the_settings_the_players_the_prior_and_the_optimizers():
    game = make_game(k=2)
    game.step(make_batches())
    assert repr(game).splitlines() == [
        "GAN(k=2, l=1, saturating=False, r1=0.0)",
        "  G: Sequential, 42 parameters",
        "  D: Sequential, 33 parameters",
        '  prior: noise(d=2, kind="normal")',
        "  opt_G: Adam(lr=0.01, betas=(0.9, 0.999), eps=1e-08, 4 parameters, 42 numbers, step 1)",
        "  opt_D: Adam(lr=0.01, betas=(0.9, 0.999), eps=1e-08, 4 parameters, 33 numbers, step 2)",
    ]


def test_a_prior_of_the_users_own_takes_one_line():
    class Wordy:
        def __call__(self, m):
            return np.ones((m, 2))

        def __repr__(self):
            return "many\nwords " * 100

    assert len(repr(make_game(prior=Wordy())).splitlines()) == 6
    assert len(repr(make_game(prior=Wordy()))) < 500
