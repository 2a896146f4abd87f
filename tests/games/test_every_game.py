"""What holds in every game: the order of events, gradients, dtypes, figures, sampling, saving, refusals."""

import copy
import gc
import itertools
import weakref

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, data, games, losses, nn, optim
from minigan.backend import random_numbers
from tests.games import players
from tests.helpers.states import assert_same

every_game = pytest.mark.parametrize("name", players.RULES)
without_classes = pytest.mark.parametrize("name", [name for name in players.RULES if name not in players.CONDITIONAL])
in_the_usual_order = pytest.mark.parametrize("name", [name for name in players.RULES if name not in players.OWN_ORDER])
OTHERS = (*players.AUTOENCODERS, *players.OWN_ORDER)
with_logits = pytest.mark.parametrize("name", [name for name in players.RULES if name not in OTHERS])

D_STEPS = dict.fromkeys(players.RULES, 1) | {"wgan": 5, "wgan_gp": 5}  # in an iteration
THREE_PASSES = ("wgan_gp", "semi_supervised")  # of D in a D step: for the penalty, or for data with labels
G_PASSES = dict.fromkeys(players.RULES, 1) | dict.fromkeys(players.MATCHING, 0) | dict.fromkeys(players.ENCODING, 2)  # of D


def record(name, m=4, **options):
    """A game, its prior a function that draws float64 noise, about to play on fresh minibatches."""
    game = players.make(name, prior=players.Draws(3), **options)
    return players.Recorder(game, (players.minibatch(name, m, seed) for seed in itertools.count()))


# --- the order of events ------------------------------------------------------------------------------------------------


@in_the_usual_order
def test_all_d_steps_come_before_the_g_step_and_every_step_draws_anew(name):
    recorder = record(name)
    recorder.play(3)
    d_step = ["x", "z", "G()", "D()", "D()", *(["D()"] if name in THREE_PASSES else []), "step D"]
    g_step = ["z", "G()", *["D()"] * G_PASSES[name], "step G"]
    assert recorder.names() == (d_step * D_STEPS[name] + g_step) * 3
    zs = recorder.of("z")
    assert len({z.tobytes() for z in zs}) == len(zs) == 3 * (D_STEPS[name] + 1)


@in_the_usual_order
def test_d_sees_the_data_first_and_then_in_a_pass_of_their_own_the_fakes_just_made(name):
    recorder = record(name)
    recorder.play(2)
    events = recorder.events
    for i, (event, batch) in enumerate(events):
        if event == "x":
            x = batch[0] if isinstance(batch, tuple) else batch
            (_, z), (_, made), (_, first), (_, second) = events[i + 1 : i + 5]
            np.testing.assert_array_equal(made[0][0], z.astype("float32"))
            np.testing.assert_array_equal(first[0][0], x.astype("float32"))
            np.testing.assert_array_equal(second[0][0], made[1])
    for i, (event, _) in enumerate(events):
        if event == "step G" and G_PASSES[name]:
            made = i - G_PASSES[name] - 1
            np.testing.assert_array_equal(events[made + 1][1][0][0], events[made][1][1])


@every_game
def test_a_step_of_one_player_leaves_the_others_parameters_bit_for_bit(name):
    recorder = record(name)
    recorder.play(2)
    for player, other in ("DG", "GD"):
        for step in recorder.of(f"step {player}"):
            assert all(step["changed"][player][:-1])  # a critic's last bias cancels
            assert not any(step["changed"][other])


@in_the_usual_order
def test_fakes_are_detached_no_d_step_leaves_a_gradient_in_g(name):
    recorder = record(name)
    recorder.play(1)
    steps = recorder.of("step D")
    assert len(steps) == D_STEPS[name]
    for step in steps:
        assert all(g is not None for g in step["gradients"]["D"])
        assert all(g is None for g in step["gradients"]["G"])


@in_the_usual_order
def test_no_g_step_touches_a_gradient_of_d(name):
    recorder = record(name)
    recorder.play(1)
    left_by_d, after = recorder.of("step D")[-1]["gradients"]["D"], recorder.of("step G")[0]["gradients"]["D"]
    assert all(a is b for a, b in zip(left_by_d, after, strict=True))
    assert all(p.requires_grad for p in recorder.game.D.parameters())


@every_game
def test_each_step_is_one_step_of_the_optimizer_in_all_parameters(name):
    game = players.make(name)
    batches = players.stream(name)
    for _ in range(3):
        game.step(batches)
    assert {state["t"] for state in game.opt_D.state} == {3 * D_STEPS[name]}
    assert {state["t"] for state in game.opt_G.state} == {3}


@every_game
def test_gradients_that_somebody_left_behind_do_not_count(name):
    states = []
    for leave in (False, True):
        mg.seed(1)
        game, batches = players.make(name), players.stream(name)
        if leave:
            for p in game.G.parameters() + game.D.parameters():
                p.grad = Tensor(np.full(p.shape, 100, np.float32))
        game.step(batches)
        states.append(players.values(game.G) + players.values(game.D))
    assert players.equal(*states)


# --- gradients ----------------------------------------------------------------------------------------------------------


def loss_of_d(name, game, x, y, z, rng):
    """What D descends in a step, written with forward passes alone (k = 0.3 in BEGAN)."""
    fake = game.G(z, *y).detach()
    if name == "ebgan":
        return distances(game, x).mean() + np.maximum(0, game.margin - distances(game, fake)).mean()
    if name in players.ENCODING:
        return losses.discriminator_loss(game.D(x, game.Q(x)), game.D(fake, z)).item()
    if name == "began":
        return (mg.abs(x - game.D(x)).mean() - 0.3 * mg.abs(fake - game.D(fake)).mean()).item()
    real, judged = game.D(x, *y).numpy(), game.D(fake, *y).numpy()
    supervised = 0.0
    if name == "semi_supervised":  # the logit of "real" is log Z; classes are told apart given that x is real
        real, judged = (np.log(np.exp(l).sum(axis=1)) for l in (real, judged))
        labelled, classes = next(players.labelled())
        l = game.D(Tensor(labelled)).numpy()
        supervised = -np.mean(np.log(np.exp(l)[np.arange(len(l)), classes] / np.exp(l).sum(axis=1)))
    if name.startswith("wgan"):
        penalty = 10 * losses.gradient_penalty(game.D, x, fake, rng).item() if name == "wgan_gp" else 0.0
        return judged.mean() - real.mean() + penalty
    return supervised + np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(judged)).mean()


def loss_of_g(name, game, x, y, z):
    fake = game.G(z, *y)
    if name in players.ENCODING:  # the labels of both pairs swapped
        encoded, decoded = game.D(x, game.Q(x)).numpy(), game.D(fake, z).numpy()
        return np.log1p(np.exp(encoded)).mean() + np.log1p(np.exp(-decoded)).mean()
    if name in players.MATCHING:
        return ((game.features(x).numpy().mean(axis=0) - game.features(fake).numpy().mean(axis=0)) ** 2).sum()
    judged = game.D(fake, *y)
    if name == "ebgan":
        return distances(game, fake).mean()
    if name == "began":
        return np.abs(fake.numpy() - judged.numpy()).mean()
    return -judged.numpy().mean() if name.startswith("wgan") else np.log1p(np.exp(-judged.numpy())).mean()


def distances(game, v):
    """|v - D(v)| of each sample: EBGAN's energies."""
    return np.sqrt(((v.numpy() - game.D(v).numpy()) ** 2).sum(axis=1))


def differences(loss, p, indices, eps=1e-5):
    """Central differences in some elements of a parameter."""
    found = []
    for index in indices:
        ends, kept = [], p.data[index]
        for move in (eps, -eps):
            p.data[index] = kept + move
            ends.append(loss())
        p.data[index] = kept
        found.append((ends[0] - ends[1]) / (2 * eps))
    return np.array(found)


@in_the_usual_order
def test_gradients_of_both_players_steps_through_d_of_g_are_the_finite_differences(name):
    options = {"n_critic": 1} | ({"clip": 1e9} if name == "wgan" else {}) if name.startswith("wgan") else {}
    game = players.make(name, players.Draws(3), "float64", rule=optim.SGD, lr=0.0, **options)
    if name == "began":
        game.k = game.cast(0.3)
    recorder, rng = players.Recorder(game, iter([players.minibatch(name)])), copy.deepcopy(random_numbers.generator())
    recorder.play()
    (batch,), (z_of_d, z_of_g) = recorder.of("x"), map(Tensor, recorder.of("z"))
    x, y = (Tensor(batch[0]), (batch[1],)) if isinstance(batch, tuple) else (Tensor(batch), ())
    pick = np.random.default_rng(0)
    for player, loss in (
        (game.D, lambda: loss_of_d(name, game, x, y, z_of_d, copy.deepcopy(rng))),
        *[(player, lambda: loss_of_g(name, game, x, y, z_of_g)) for player in (game.G, *players.encoder_of(vars(game)))],
    ):
        found = players.gradients(player)
        largest = max(np.abs(g).max() for g in found)
        assert largest > 1e-3
        for p, g in zip(player.parameters(), found, strict=True):
            indices = list(np.ndindex(p.shape))
            indices = [indices[i] for i in pick.permutation(len(indices))[:6]]
            expected = differences(loss, p, indices)
            np.testing.assert_allclose([g[i] for i in indices], expected, rtol=1e-6, atol=1e-6 * np.abs(g).max() + 1e-10)


@pytest.mark.parametrize("name", ["wgan", "wgan_gp"])
def test_with_minus_f_every_gradient_of_g_and_the_estimate_change_their_signs_exactly(name):
    found = []
    for negate in (False, True):
        mg.seed(1)
        game = players.make(name, players.Draws(3), rule=optim.SGD, lr=0.0)
        if negate:
            players.negate_last_layer(game.D)
        figures = game.step(itertools.repeat(players.minibatch(name)))
        found.append((players.gradients(game.G), figures))
    (there, figures), (back, of_minus_f) = found
    for g, flipped in zip(there, back, strict=True):
        np.testing.assert_array_equal(g, -flipped)
        assert np.abs(g).max() > 0
    assert (of_minus_f["w_estimate"], of_minus_f["loss_G"]) == (-figures["w_estimate"], -figures["loss_G"])
    assert of_minus_f.get("penalty") == figures.get("penalty")


@pytest.mark.parametrize("name", ["gan", "dcgan", "cgan", "cgan_images"])
def test_with_minus_d_gs_step_is_minus_the_step_of_the_saturating_loss(name):
    """-log sigma(-v) = -log(1 - sigma(v)): what G ascends against D is what the other loss descends against -D."""
    game = players.make(name, players.Draws(3), "float64", rule=optim.SGD, lr=0.0)
    recorder = players.Recorder(game, iter([players.minibatch(name)]))
    players.negate_last_layer(game.D)
    recorder.play()
    flipped = players.gradients(game.G)
    players.negate_last_layer(game.D)
    batch, z = recorder.of("x")[0], Tensor(recorder.of("z")[-1])
    y = (batch[1],) if isinstance(batch, tuple) else ()
    saturating = mg.grad(losses.generator_loss(game.D(game.G(z, *y), *y), saturating=True), game.G.parameters())
    for g, other in zip(saturating, flipped, strict=True):
        np.testing.assert_allclose(other, -g.numpy(), rtol=1e-10, atol=1e-14)
    assert max(np.abs(g).max() for g in flipped) > 1e-3


# --- dtypes -------------------------------------------------------------------------------------------------------------


@every_game
def test_a_float32_game_has_no_float64_array_in_a_step_on_float64_data_and_noise(name):
    game = players.make(name, players.Draws(3))
    batches = (players.minibatch(name, seed=seed) for seed in itertools.count())

    def play():
        for _ in range(3):
            dict(game.step(batches))

    seen = players.dtypes_of_new_tensors(game, play)
    assert len(seen) > 100
    assert {d for d in seen if d.kind == "f"} == {np.dtype("float32")}
    states = [v for rule in (game.opt_G, game.opt_D) for state in rule.state for v in state.values() if backend.is_array(v)]
    assert {v.dtype for v in states} == {np.dtype("float32")}
    assert {p.dtype for p in game.G.parameters() + game.D.parameters()} == {np.dtype("float32")}


@every_game
def test_a_float64_game_stays_float64_on_float32_noise(name):
    game = players.make(name, dtype="float64")
    game.step(players.stream(name))
    assert {g.dtype for g in players.gradients(game.G) + players.gradients(game.D)} == {np.dtype("float64")}


# --- figures ------------------------------------------------------------------------------------------------------------


@every_game
def test_the_figures_are_those_of_the_docstring_and_floats(name):
    game = players.make(name)
    figures = game.step(players.stream(name))
    assert list(figures) == players.FIGURES[name]
    assert all(type(v) is float and np.isfinite(v) for v in figures.values())
    text = " ".join(type(game).__doc__.split())
    promised = games.GAN.__doc__ if "what `GAN.step` does" in text else text
    assert all(f"`{key}`" in promised for key in figures)


@every_game
def test_the_figures_keep_no_graph_alive_and_many_steps_leave_no_circles(name):
    game, batches, made = players.make(name), itertools.repeat(players.minibatch(name)), []
    for _ in range(5):
        game.step(batches)
    forward = game.G.forward
    game.G.forward = lambda z, *y: (made.append(weakref.ref(z)), forward(z, *y))[1]
    gc.collect()
    gc.disable()
    try:
        figures = game.step(batches)
        assert [ref() for ref in made] == [None] * len(made)
        del figures
        objects = len(gc.get_objects())
        for _ in range(20):
            game.step(batches)
        assert len(gc.get_objects()) - objects - len(made) < 20
    finally:
        gc.enable()


# --- sampling -----------------------------------------------------------------------------------------------------------


def labels(name, n):
    return {"y": np.arange(n) % players.CLASSES} if name in players.CONDITIONAL else {}


@every_game
def test_samples_are_a_numpy_array_like_the_data(name):
    game, x = players.make(name), players.minibatch(name)
    samples = game.sample(5, **labels(name, 5))
    assert type(samples) is np.ndarray
    assert samples.dtype == np.float32
    assert samples.shape == (5, *(x[0] if isinstance(x, tuple) else x).shape[1:])


@every_game
def test_samples_of_every_game_are_made_in_eval_mode_and_the_mode_is_restored(name):
    game, modes = players.make(name), []
    forward = game.G.forward
    game.G.forward = lambda *inputs: (modes.extend(m.training for m in game.G.modules()), forward(*inputs))[1]
    game.sample(3, **labels(name, 3))
    assert modes == [False] * len(modes) != []
    assert all(m.training for m in game.G.modules())


@every_game
def test_looking_at_samples_does_not_change_the_course_of_the_game(name):
    states = []
    for looks in (0, 2):
        mg.seed(5)
        game, batches = players.make(name), players.stream(name)
        for _ in range(2):
            game.step(batches)
            for _ in range(looks):
                game.sample(10, **labels(name, 10))
        states.append({key: v for key, v in game.state_dict().items() if key != "sample_rng"})
    assert_same(*states)


@in_the_usual_order
def test_each_player_is_an_attribute_with_the_letter_of_the_lecture(name):
    G, D = nn.Dense(3, 2), nn.Dense(2, 2)
    kind, others = type(players.make(name)), players.further(name, D)
    trained = [p for network in (G, *players.encoder_of(others)) for p in network.parameters()]
    game = kind(G, D, data.noise(3), optim.SGD(trained, 0.1), optim.SGD(D.parameters(), 0.1), **others)
    assert (game.G, game.D) == (G, D)
    assert all(getattr(game, name) is other for name, other in others.items())


# --- saving -------------------------------------------------------------------------------------------------------------


@every_game
def test_a_resumed_game_of_every_kind_goes_on_bit_for_bit(name):
    mg.seed(3)
    game, batches = players.make(name), players.stream(name)
    for _ in range(4):
        game.step(batches)
    saved, position = game.state_dict(), batches.state_dict()
    for _ in range(4):
        figures = game.step(batches)
    samples = game.sample(5, **labels(name, 5))

    mg.seed(77)
    resumed, again = players.make(name, lr=0.5), players.stream(name)
    resumed.load_state_dict(saved)
    again.load_state_dict(position)
    for _ in range(4):
        last = resumed.step(again)
    assert dict(last) == dict(figures)
    np.testing.assert_array_equal(resumed.sample(5, **labels(name, 5)), samples)
    after = game.state_dict()
    game.load_state_dict(after)
    assert_same(after, resumed.state_dict() | {"sample_rng": after["sample_rng"]})


@every_game
def test_a_saved_state_does_not_change_as_the_game_of_any_kind_goes_on(name):
    game, batches = players.make(name), players.stream(name)
    game.step(batches)
    saved = game.state_dict()
    kept = copy.deepcopy(saved)
    for _ in range(2):
        game.step(batches)
    assert_same(saved, kept)
    assert not any(players.equal(kept[p].values(), game.state_dict()[p].values()) for p in "GD")


@every_game
def test_a_state_without_one_of_its_parts_is_refused_before_anything_is_loaded(name):
    game, other = players.make(name), players.make(name)
    part = "k" if name == "began" else "opt_D"
    state = other.state_dict()
    del state[part]
    before = game.state_dict()["G"]
    with pytest.raises(ValueError, match=rf"load_state_dict: missing \['{part}'\], unexpected \[\]"):
        game.load_state_dict(state)
    after = game.state_dict()["G"]
    assert all(np.array_equal(before[key], after[key]) for key in before)


# --- refusals -----------------------------------------------------------------------------------------------------------


@every_game
def test_arrays_in_place_of_an_iterator_are_refused(name):
    with pytest.raises(TypeError, match=r"batches is a .*; expected an iterator, such as data\.batches"):
        players.make(name).step(players.minibatch(name))


@every_game
def test_an_iterator_that_ends_is_refused(name):
    with pytest.raises(ValueError, match="the minibatches have run out"):
        players.make(name).step(iter([]))


@in_the_usual_order
def test_optimizers_that_are_swapped_are_refused(name):
    game = players.make(name)
    with pytest.raises(ValueError, match="opt_G has none of G's parameters; are the optimizers swapped"):
        type(game)(game.G, game.D, game.prior, game.opt_D, game.opt_G, **players.further(name, game.D))


@with_logits
def test_a_d_that_ends_in_a_sigmoid_is_refused_with_the_remedy(name):
    kind = type(players.make(name))
    G, D = nn.Dense(3, 2), nn.Sequential(nn.Dense(2, 1), nn.Sigmoid())
    rules = optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: D ends in a Sigmoid; .* leave the Sigmoid out"):
        kind(G, D, data.noise(3), *rules, **players.further(name, D))


@without_classes
def test_a_game_without_classes_takes_the_first_of_a_tuple_and_refuses_y(name):
    mg.seed(1)
    plain = players.make(name)
    plain.step(itertools.repeat(players.minibatch(name)))
    mg.seed(1)
    paired = players.make(name)
    paired.step(itertools.repeat((players.minibatch(name), np.arange(4))))
    assert players.equal(players.values(plain.G) + players.values(plain.D), players.values(paired.G) + players.values(paired.D))
    with pytest.raises(TypeError, match="has no classes; leave y out"):
        plain.sample(2, y=0)
