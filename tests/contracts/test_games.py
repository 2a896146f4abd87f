"""Every game: its step in NumPy, the order of events, who changes whom, dtypes, metrics, memory, sampling, saving, copies."""

import copy
import gc
import itertools
import weakref

import numpy as np
import pytest

import minigan as mg
from minigan import games, nn, optim
from minigan.backend import threads
from tests.contracts.games import GAMES, make, minibatch, minibatches, stream
from tests.contracts.test_layers import every_copy, frozen_or_not
from tests.games import players
from tests.helpers.states import assert_same
from tests.optim.stepping import arrays_of

every_game = pytest.mark.parametrize("name", GAMES)
CASES = [(name, options) for name, kind in GAMES.items() for options in kind.cases]


def two_steps(name, game, batches):
    """The metrics of the second, and samples of G and of its average."""
    for _ in range(2):
        figures = game.step(batches)
        game.average.update()
    z = np.random.default_rng(0).standard_normal((5, 3))
    return dict(figures), *[game.sample(5, **labels(name, 5), z=z, G=G) for G in (None, game.average.module)]


def labels(name, n):
    return {"y": np.arange(n) % players.CLASSES} if GAMES[name].classes else {}


def test_every_game_has_an_entry_with_the_papers_defaults():
    exported = {v for v in vars(games).values() if isinstance(v, type) and issubclass(v, games.Game)} - {games.Game}
    assert {kind.game for kind in GAMES.values()} == exported
    for game_class in exported:
        (name, kind), *_ = ((name, kind) for name, kind in GAMES.items() if kind.game is game_class)
        assert {key: getattr(make(name), key) for key in game_class.settings} == kind.defaults


# --- the step -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name} {options}" for name, options in CASES])
def test_iterations_are_those_by_hand(name, options):
    game = make(name, players.Draws(3), "float64", optim.Adam, **options)
    twin, before = players.game_by_hand(game, 0.01), players.values(game.G)
    given = (minibatch(name, (8, 4)[seed % 2], seed) for seed in itertools.count())
    count = next((getattr(game, key) for key in ("k", "n_critic") if key in game.settings), 1)
    for _ in range(2 if name in players.IMAGES else 10 // count):
        batches = list(itertools.islice(given, count))
        assert dict(figures := game.step(iter(batches))) == pytest.approx(GAMES[name].twin(twin, batches), abs=1e-8)
    assert list(figures) == GAMES[name].metrics.split()
    for key, network in players.networks(game).items():
        players.assert_agree(network, getattr(twin, key))  # running statistics too: D has seen x first, and alone
    assert max(np.abs(a - b).max() for a, b in zip(before, players.values(game.G), strict=True)) > 0.02


@every_game
def test_an_iteration_has_its_events_in_order_and_draws_anew(name):
    recorder = players.record(name)
    recorder.play(3)
    assert [event for event, _ in recorder.events] == GAMES[name].order.split() * 3
    for what in ("x", "z", "epsilon"):
        drawn = [(v[0] if isinstance(v, tuple) else v).tobytes() for v in recorder.of(what)]
        assert len(set(drawn)) == len(drawn)


@every_game
def test_a_step_changes_its_own_networks_and_touches_no_other_gradient(name):
    recorder, kind = players.record(name), GAMES[name]
    left = {key: [None] * len(network.parameters()) for key, network in players.networks(recorder.game).items()}
    recorder.play(2)
    for opt, step in [event for event in recorder.events if event[0] in kind.trains]:
        assert step.changed == set(kind.trains[opt])
        for key in left.keys() - step.changed:
            assert all(a is b for a, b in zip(step.gradients[key], left[key], strict=True))
        left = step.gradients
    assert all(p.requires_grad for p in recorder.game.D.parameters())
    for opt in kind.trains:
        assert {state["t"] for state in getattr(recorder.game, opt).state} == {2 * kind.order.split().count(opt)}


@every_game
def test_parameters_carry_their_players_letter_and_those_that_the_user_has_frozen_stay_as_they_are(name):
    game = make(name, **({"clip": 1e9} if name == "wgan" else {}))
    frozen = [network.parameters()[0] for network in players.networks(game).values()]
    assert [p.name.split(".")[0] for p in frozen] == list(players.networks(game))
    for p in frozen:
        p.requires_grad = False
    before = [p.numpy().copy() for p in frozen]
    game.step(stream(name))
    assert not any(p.requires_grad for p in frozen)
    assert players.equal(before, [p.numpy() for p in frozen])


# --- dtypes, metrics, memory --------------------------------------------------------------------------------------------


@every_game
def test_a_float32_game_has_no_float64_array_in_a_step_on_float64_data_and_noise(name):
    game, given = make(name, players.Draws(3), **({"r1": 1.0} if "r1" in GAMES[name].defaults else {})), minibatches(name)
    seen = players.dtypes_of_new_tensors(game, lambda: [dict(game.step(given)) for _ in range(2)])
    assert len(seen) > 50
    assert {d for d in seen if d.kind == "f"} == {np.dtype("float32")}
    held = [v for opt in GAMES[name].trains for v in arrays_of(getattr(game, opt))]
    held += [v for network in players.networks(game).values() for v in players.values(network)]
    assert {v.dtype for v in held} == {np.dtype("float32")}


@every_game
def test_the_metrics_keep_no_graph_alive_and_steps_leave_no_circles(name, monkeypatch):
    monkeypatch.setattr(threads, "COUNT", 1)  # another thread that has not woken yet still holds its task
    game, batches, made = make(name), itertools.repeat(minibatch(name)), []
    for _ in range(3):
        game.step(batches)
    for network in (game.G, game.D):
        noting = lambda *inputs, forward=network.forward: (y := forward(*inputs), made.append(weakref.ref(y)))[0]  # noqa: E731
        network.forward = noting
    gc.collect()
    gc.disable()
    try:
        figures = game.step(batches)
        assert [ref() for ref in made] == [None] * len(made)
        del figures
        left = []
        for _ in range(2):  # what is kept for good, such as memory to use again, is made in one round only
            objects = len(gc.get_objects()) - len(made)
            for _ in range(10):
                game.step(batches)
            left.append(len(gc.get_objects()) - len(made) - objects)
        assert min(left) < 10
    finally:
        gc.enable()


# --- sampling and saving ------------------------------------------------------------------------------------------------


@every_game
def test_samples_are_numpy_arrays_like_the_data_made_in_eval_mode(name):
    game, x, modes = make(name), minibatch(name), []
    forward = game.G.forward
    game.G.forward = lambda *inputs: (modes.extend(m.training for m in game.G.modules()), forward(*inputs))[1]
    for n in (0, 5):
        samples = game.sample(n, **labels(name, n))
        assert type(samples) is np.ndarray
        assert samples.dtype == np.float32
        assert samples.shape == (n, *(x[0] if isinstance(x, tuple) else x).shape[1:])
    assert modes == [False] * len(modes) != []
    assert all(m.training for m in game.G.modules())
    assert all(p.requires_grad and p.grad is None for p in game.G.parameters())


@every_game
def test_looking_at_samples_does_not_change_the_course_of_the_game(name):
    states = []
    for looks in (0, 2):
        mg.seed(5)
        game, batches = make(name), stream(name)
        for _ in range(2):
            game.step(batches)
            for _ in range(looks):
                game.sample(10, **labels(name, 10))
        states.append({key: v for key, v in game.state_dict().items() if key != "sample_rng"})
    assert_same(*states)


@every_game
def test_a_resumed_game_goes_on_bit_for_bit_and_what_was_saved_stays(name):
    mg.seed(3)
    game, batches = make(name), stream(name)
    game.average = nn.MovingAverage(game.G)
    two_steps(name, game, batches)
    saved, position = game.state_dict(), batches.state_dict()
    kept = copy.deepcopy(saved)
    expected = two_steps(name, game, batches)
    assert_same(saved, kept)
    assert not np.array_equal(*expected[1:])
    drawn, end = game.sample(5, **labels(name, 5)), game.state_dict()

    mg.seed(77)
    resumed, again = make(name, lr=0.5), stream(name)
    resumed.average = nn.MovingAverage(resumed.G)
    resumed.load_state_dict(saved)
    again.load_state_dict(position)
    np.testing.assert_equal(two_steps(name, resumed, again), expected)
    np.testing.assert_array_equal(resumed.sample(5, **labels(name, 5)), drawn)
    assert_same(end, resumed.state_dict())
    assert not any(players.equal(kept[p].values(), end[p].values()) for p in "GD")


@every_copy
@frozen_or_not
@every_game
def test_a_copied_game_goes_on_bit_for_bit(name, frozen, make_copy):
    game, batches = make(name), stream(name)
    game.step(batches)
    if frozen:  # a part of G, as a user would who has trained it elsewhere
        game.G.parameters()[0].requires_grad = False
    twin, same_batches = make_copy(game), make_copy(batches)
    assert [p.requires_grad for p in twin.G.parameters()] == [p.requires_grad for p in game.G.parameters()]
    trained = [p for key in GAMES[name].trains["opt_G"] for p in getattr(twin, key).parameters()]
    assert {id(p) for p in trained} == {id(p) for p in twin.opt_G.params}  # one and the same, also in the copy
    rng = game.state_dict()["rng"]
    figures = [dict(game.step(batches)) for _ in range(2)]
    twin.load_state_dict(twin.state_dict() | {"rng": rng})  # minigan's default generator, which both use
    assert [dict(twin.step(same_batches)) for _ in range(2)] == figures
    assert_same(twin.state_dict(), game.state_dict())
