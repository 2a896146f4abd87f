"""The games' common code, on the GAN. What holds for each game: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, nn, optim
from minigan.games import GAN, Conditional, ConditionalGAN, dcgan_generator
from minigan.games import game as game_module
from tests.games.players import in_float64, make, mlp, stream
from tests.helpers.states import assert_same

X = np.random.default_rng(0).standard_normal((4, 2)).astype("float32")


def gan(G, D=None, kind=GAN):
    D = D or nn.Dense(2, 1)
    return kind(G, D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))


# --- minibatches and noise ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [X, X.astype("float64"), Tensor(X), (X, np.arange(4)), [Tensor(X, True), np.arange(4)]])
def test_real_takes_arrays_tensors_and_the_first_of_a_tuple_as_a_constant(batch):
    x = make("gan").real(iter([batch]))
    assert (x.dtype, x.requires_grad) == (np.float32, False)
    np.testing.assert_array_equal(x.numpy(), X)


def test_whatever_comes_in_gets_the_networks_dtype():
    game = make("gan")
    assert game.cast(np.full((2, 2), 255, np.uint8)).dtype == np.float32
    in_float64(game.G, game.D)
    assert game.real(iter([X])).dtype == game.noise(3).dtype == np.float64


# --- freezing -----------------------------------------------------------------------------------------------------------


def test_frozen_restores_the_flags_of_this_player_also_those_the_user_has_set_and_after_an_exception():
    game = make("gan")
    game.D[0].weight.requires_grad = False
    inside = []
    with pytest.raises(ZeroDivisionError), game.frozen(game.D):
        inside.append([p.requires_grad for p in game.D.parameters() + game.G.parameters()]) or 1 / 0
    assert inside == [[False] * 4 + [True] * 4]
    assert [p.requires_grad for p in game.D.parameters()] == [False, True, True, True]


def test_modes_are_restored_after_an_exception():
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU()))
    model[1].eval()
    inside = []
    with pytest.raises(ZeroDivisionError), nn.eval_mode(model):
        inside.append([m.training for m in model.modules()]) or 1 / 0
    assert inside == [[False] * 4]
    assert [m.training for m in model.modules()] == [True, True, False, False]


# --- sampling -----------------------------------------------------------------------------------------------------------


def test_samples_are_fresh_each_time_unless_a_generator_decides():
    game = make("gan")
    assert not np.array_equal(game.sample(4), game.sample(4))
    a, b, c = (game.sample(4, rng=np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_noise_that_is_given_is_used_in_any_dtype():
    game, z = make("gan"), np.random.default_rng(0).standard_normal((3, 3))
    expected = game.G(Tensor(z.astype("float32"))).numpy()
    for given in (z, z.astype("float32"), Tensor(z)):
        samples = game.sample(3, z=given)
        assert samples.dtype == np.float32
        np.testing.assert_array_equal(samples, expected)


def test_a_plain_function_as_prior_is_asked_for_the_samples_noise_and_has_no_state_to_save():
    asked = []
    game = make("gan", prior=lambda m: (asked.append(m), np.ones((m, 3)))[1])
    game.sample(6)
    assert asked == [6]
    state = game.state_dict()
    assert "prior" not in state
    game.load_state_dict(state)
    game.step(stream("gan"))


class Watched(nn.Module):
    """A network that notes what each of its forward passes gets."""

    def __init__(self, network):
        self.network, self.seen = network, []

    def forward(self, *inputs):
        self.seen.append(inputs)
        return self.network(*inputs)


def dense(inputs=2):
    return nn.Sequential(nn.Dense(inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dense(8, 2))


def conditional():
    """A game with three classes whose G notes its forward passes."""
    return gan(Watched(Conditional(dense(5), 3)), Conditional(nn.Dense(5, 1), 3), ConditionalGAN)


def test_at_most_1000_samples_go_through_g_at_once():
    game = gan(Watched(dense()))
    assert game.sample(2500).shape == (2500, 2)
    assert [len(z) for (z,) in game.G.seen] == [1000, 1000, 500]


@pytest.mark.parametrize(("n", "parts"), [(1, [1]), (4, [4]), (5, [4, 1]), (11, [4, 4, 3])])
@pytest.mark.parametrize("make_g", [dense, lambda: dcgan_generator(2, 1)], ids=["dense", "convolutional"])
def test_samples_made_in_parts_are_those_made_at_once(n, parts, make_g, monkeypatch):
    game = gan(Watched(make_g()))
    at_once = game.sample(n, rng=np.random.default_rng(1))
    monkeypatch.setattr(game_module, "CHUNK", 4)
    in_parts = game.sample(n, rng=np.random.default_rng(1))
    assert [len(z) for (z,) in game.G.seen] == [n, *parts]
    assert (in_parts.shape, in_parts.dtype) == (at_once.shape, np.float32)
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("y", [np.array([2, 0, 1, 1, 2, 0, 2, 2, 0, 1]), [2, 0, 1, 1, 2, 0, 2, 2, 0, 1], 2])
def test_each_part_of_the_samples_has_its_own_classes(y, monkeypatch):
    game, z = conditional(), data.noise(2)(10)
    at_once = game.sample(10, y, z)
    monkeypatch.setattr(game_module, "CHUNK", 4)
    in_parts, classes = game.sample(10, y, z), np.broadcast_to(y, 10).tolist()
    assert [part.tolist() for _, part in game.G.seen[1:]] == [classes[:4], classes[4:8], classes[8:]]
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-5, atol=1e-7)


def test_no_samples_are_an_empty_array_of_their_shape():
    found = [gan(dense()).sample(0), gan(dcgan_generator(2, 1)).sample(0)]
    found += [conditional().sample(0, y) for y in (np.array([], int), 1)]
    assert [samples.shape for samples in found] == [(0, 2), (0, 1, 28, 28), (0, 2), (0, 2)]
    assert {samples.dtype for samples in found} == {np.dtype("float32")}


# --- seeds, names and display -------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_game_bit_for_bit():
    states = []
    for seed in (3, 3, 4):
        mg.seed(seed)
        game, batches = make("gan", k=2, l=2), stream("gan")
        for _ in range(3):
            game.step(batches)
        states.append(game.state_dict())
    assert_same(states[0], states[1])
    assert not np.array_equal(states[1]["G"]["layers.0.weight"], states[2]["G"]["layers.0.weight"])


@pytest.mark.parametrize("name", ["gan", "ali", "aae", "avb"])
def test_a_game_names_the_parameters_of_its_players(name):
    game = make(name)
    for letter in "GDQ" if hasattr(game, "Q") else "GD":
        assert all(p.name == f"{letter}.{key}" for key, p in getattr(game, letter).named_parameters())
    assert list(game.state_dict()["G"]) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]


def test_a_stale_value_says_whose_it_is():
    game, batches = make("gan"), stream("gan")
    game.step(batches)
    loss = game.D(game.real(batches)).sum()
    game.opt_D.step()
    with pytest.raises(RuntimeError, match=r"tensor 'D\.layers\.2\.weight' of shape \(5, 1\), an input of affine, was changed"):
        loss.backward()


def test_repr_shows_the_settings_the_players_the_prior_and_the_optimizers():
    game = make("gan", rule=optim.Adam, k=2)
    game.step(stream("gan"))
    assert repr(game).splitlines() == [
        "GAN(k=2, l=1, saturating=False, r1=0.0)",
        "  G: Sequential, 32 parameters",
        "  D: Sequential, 21 parameters",
        '  prior: noise(d=3, kind="normal")',
        "  opt_G: Adam(lr=0.01, betas=(0.9, 0.999), eps=1e-08, 4 parameters, 32 numbers, step 1)",
        "  opt_D: Adam(lr=0.01, betas=(0.9, 0.999), eps=1e-08, 4 parameters, 21 numbers, step 2)",
    ]
    wordy = type("Wordy", (), {"__call__": lambda self, m: np.ones((m, 2)), "__repr__": lambda self: "many\nwords " * 100})
    text = repr(make("gan", prior=wordy(), networks={"G": mlp(2, 2)}))
    assert len(text.splitlines()) == 6
    assert len(text) < 500
