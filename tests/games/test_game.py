"""The games' common code, on the GAN, and metrics. What holds for each game: `tests/contracts/test_games.py`."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import Tensor, games, nn
from minigan.games import Figures
from minigan.games import game as game_module
from minigan.games.figures import accuracy
from tests.games.players import CLASSES, in_float64, make, minibatch, minibatches, record, stream, values
from tests.helpers.leaves import leaf

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


# --- sampling -----------------------------------------------------------------------------------------------------------


def test_samples_are_fresh_each_time_unless_a_generator_or_noise_of_any_dtype_is_given():
    game, z = make("gan"), np.random.default_rng(0).standard_normal((3, 3))
    assert not np.array_equal(game.sample(4), game.sample(4))
    a, b, c = (game.sample(4, rng=np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    expected = game.G(Tensor(z.astype("float32"))).numpy()
    for noise in (z, z.astype("float32"), Tensor(z)):
        samples = game.sample(3, z=noise)
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


# --- classes ------------------------------------------------------------------------------------------------------------

identity = nn.Sequential()


@given(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 2), st.sampled_from([(1,), (3,), (2, 1, 1), (1, 2, 3)]))
def test_conditional_appends_the_one_hot_code_to_vectors_and_planes_to_images(labels, unused, shape):
    y, classes = np.array(labels, np.int64), max(labels, default=0) + 1 + unused
    n, channels, sides = len(y), shape[0], shape[1:]
    x = np.random.default_rng(0).standard_normal((n, channels, *sides)).astype("float32")
    seen = games.Conditional(identity, classes)(Tensor(x), y)
    assert seen.dtype == np.float32
    planes = np.eye(classes)[y].reshape(n, classes, *[1 for _ in sides]) * np.ones(sides)
    np.testing.assert_array_equal(seen.numpy(), np.concatenate([x, planes], axis=1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_classes_may_be_integers_of_any_kind_also_a_tensor_or_a_list(dtype):
    x, game = Tensor(np.zeros((3, 2), np.float32)), make("cgan")
    expected = games.Conditional(identity, 3)(x, [2, 0, 1]).numpy()
    for y in (np.array([2, 0, 1], dtype), Tensor(np.array([2, 0, 1], dtype))):
        np.testing.assert_array_equal(games.Conditional(identity, 3)(x, y).numpy(), expected)
        assert len(game.step(iter([(np.ones((3, 2)), y)]))) == 5
        assert game.sample(3, y=y).shape == (3, 2)


def test_samples_are_of_the_classes_asked_for_one_by_one_or_all_of_one_also_in_parts(monkeypatch):
    monkeypatch.setattr("minigan.games.game.CHUNK", 2)
    layer = nn.Dense(6, 3, bias=False)  # G returns the one-hot code, whatever the noise
    layer.weight.data = np.concatenate([np.zeros((3, 3)), np.eye(3)]).astype("float32")
    game = make("cgan", networks={"G": games.Conditional(layer, 3)})
    for y in (np.array([2, 0, 1, 2, 2]), [2, 0, 1, 2, 2], 1, np.int64(1)):
        np.testing.assert_array_equal(game.sample(5, y=y), np.eye(3)[np.broadcast_to(y, 5)])


@pytest.mark.parametrize("v", [-1000.0, 1000.0])
def test_the_semi_supervised_loss_is_finite_for_logits_of_any_size_and_bounded_below(v):
    """log D = log Z - softplus(log Z): with log Z alone the loss would have no lower bound."""
    game = make("semi_supervised", dtype="float64")
    game.D[-1].weight.data, game.D[-1].bias.data = np.zeros((5, CLASSES)), np.full(CLASSES, v)
    figures = game.step(minibatches("semi_supervised"))
    assert figures["L_unsupervised"] == pytest.approx(1000 + np.sign(v) * np.log(3), rel=1e-12)
    assert figures["L_supervised"] == pytest.approx(np.log(CLASSES), rel=1e-12)  # "fake" has no part in it


def test_running_statistics_are_no_weights_and_not_clipped():
    critic = nn.Sequential(nn.Dense(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dense(4, 1))
    record("wgan", networks={"D": critic}, m=8).play()
    assert critic[1].running_var.min() > 0.1
    assert max(np.abs(p).max() for p in values(critic[1])) <= np.float32(0.01)


# --- autoencoders and encoders ------------------------------------------------------------------------------------------


def test_codes_are_made_in_parts_in_eval_mode_and_the_mode_is_restored(monkeypatch):
    monkeypatch.setattr("minigan.games.ali.CHUNK", 2)
    played, modes, x = make("ali"), [], minibatch("ali", 5)
    expected, forward = played.Q(Tensor(x.astype("float32"))).numpy(), played.Q.forward
    played.Q.forward = lambda x: (modes.append((len(x), any(m.training for m in played.Q.modules()))), forward(x))[1]
    codes = played.encode(x)
    assert (type(codes), codes.dtype) == (np.ndarray, np.float32)
    np.testing.assert_allclose(codes, expected, rtol=1e-5)
    assert modes == [(2, False), (2, False), (1, False)]
    assert all(m.training for m in played.Q.modules())


def test_the_text_of_began_shows_k():
    assert repr(make("began", lambda_k=0.5)).splitlines()[0] == "BEGAN(gamma=0.5, lambda_k=0.5), k = 0"
