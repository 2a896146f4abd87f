"""The games' common code, on the GAN, and metrics. What holds for each game: `tests/contracts/test_games.py`."""

import gc
import weakref

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn, optim
from minigan.games import Figures
from minigan.games import game as game_module
from minigan.games.figures import accuracy
from tests.games.players import in_float64, make, mlp, stream
from tests.helpers.leaves import leaf
from tests.helpers.states import assert_same

X = np.random.default_rng(0).standard_normal((4, 2)).astype("float32")


@pytest.mark.parametrize("batch", [X, X.astype("float64"), Tensor(X), (X, np.arange(4)), [Tensor(X, True), np.arange(4)]])
def test_real_takes_arrays_tensors_and_the_first_of_a_tuple_as_a_constant_of_the_networks_dtype(batch):
    game = make("gan")
    x = game.real(iter([batch]))
    assert (x.dtype, x.requires_grad) == (np.float32, False)
    np.testing.assert_array_equal(x.numpy(), X)
    assert game.cast(np.full((2, 2), 255, np.uint8)).dtype == np.float32
    in_float64(game.G, game.D)
    assert game.real(iter([batch])).dtype == game.noise(3).dtype == np.float64


def test_frozen_restores_the_flags_also_those_the_user_has_set_and_after_an_exception():
    game, inside = make("gan"), []
    game.D[0].weight.requires_grad = False
    with pytest.raises(ZeroDivisionError), game.frozen(game.D):
        inside.append([p.requires_grad for p in game.D.parameters() + game.G.parameters()]) or 1 / 0
    assert inside == [[False] * 4 + [True] * 4]
    assert [p.requires_grad for p in game.D.parameters()] == [False, True, True, True]


def test_modes_are_restored_after_an_exception():
    model, inside = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU())), []
    model[1].eval()
    with pytest.raises(ZeroDivisionError), nn.eval_mode(model):
        inside.append([m.training for m in model.modules()]) or 1 / 0
    assert inside == [[False] * 4]
    assert [m.training for m in model.modules()] == [True, True, False, False]


# --- sampling -----------------------------------------------------------------------------------------------------------


def test_samples_are_fresh_each_time_unless_a_generator_or_noise_of_any_dtype_is_given():
    game, z = make("gan"), np.random.default_rng(0).standard_normal((3, 3))
    assert not np.array_equal(game.sample(4), game.sample(4))
    a, b, c = (game.sample(4, rng=np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
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


@pytest.mark.parametrize("name", ["gan", "dcgan"])
@pytest.mark.parametrize(("n", "parts"), [(4, [4]), (5, [4, 1]), (11, [4, 4, 3])])
def test_samples_made_in_parts_are_those_made_at_once(name, n, parts, monkeypatch):
    assert game_module.CHUNK == 1000
    game, seen = make(name), []
    forward = game.G.forward
    game.G.forward = lambda z: (seen.append(len(z)), forward(z))[1]
    at_once = game.sample(n, rng=np.random.default_rng(1))
    monkeypatch.setattr(game_module, "CHUNK", 4)
    np.testing.assert_allclose(game.sample(n, rng=np.random.default_rng(1)), at_once, rtol=1e-5, atol=1e-7)
    assert seen == [n, *parts]


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


# --- metrics ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("real", "fake", "expected"), [([1, 2], [-1, -2, 3], 5 / 6), ([0, 0], [0, 0], 0)])
def test_accuracy_counts_both_kinds_and_a_logit_of_0_as_wrong(real, fake, expected):
    assert accuracy(*(Tensor(np.array(v, float)[:, None]) for v in (real, fake))).item() == pytest.approx(expected)


def test_a_metric_is_a_float_computed_when_it_is_read_and_once_and_lets_go_of_what_it_was_computed_from():
    computed, w, half = [], leaf(), Tensor(0.5)

    def later(name, value=half):
        return lambda: computed.append(name) or value

    figures = Figures(loss_D=(w * 2).sum(), D_real=later("D_real"), D_fake=later("D_fake"))
    alive = weakref.ref(w), weakref.ref(half)
    del w, half, later
    gc.collect()
    assert alive[0]() is None
    assert "D_real" in figures
    assert "D_accuracy" not in figures
    assert (len(figures), computed) == (3, [])
    assert figures["D_fake"] == figures.get("D_fake") == 0.5
    assert computed == ["D_fake"]
    assert list(figures.values()) == list(figures.values()) == [4.0, 0.5, 0.5]
    assert type(figures["loss_D"]) is float
    assert computed == ["D_fake", "D_real"]
    assert repr(figures) == "loss_D 4.0000, D_real 0.5000, D_fake 0.5000"
    gc.collect()
    assert alive[1]() is None
