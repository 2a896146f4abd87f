"""`load_state_dict` of everything that has one: a state that does not fit in some part is refused, and nothing has changed."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import data, nn, optim
from tests.games import players
from tests.helpers.leaves import leaf


def network():
    return nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dense(3, 1))


def stepped(rule, **options):
    params = [leaf([1.0, 2.0]), leaf([[1.0]])]
    optimizer = rule(params, lr=0.1, **options)
    for p in params:
        p.grad = mg.Tensor(np.ones(p.shape))
    optimizer.step()
    return optimizer


def decay():
    found = optim.LinearDecay([optim.SGD([leaf()], 0.1), optim.SGD([leaf()], 0.2)], 10)
    found.step()
    return found


def stream():
    found = data.batches(np.arange(10.0), np.arange(10), size=3)
    next(found)
    return found


def played(name):
    game = players.make(name)
    game.step(players.stream(name))
    return game


TARGETS = {
    "module": network,
    "SGD": lambda: stepped(optim.SGD),
    "momentum": lambda: stepped(optim.SGD, momentum=0.5),
    "RMSProp": lambda: stepped(optim.RMSProp),
    "Adam": lambda: stepped(optim.Adam),
    "OMD": lambda: stepped(optim.OMD),
    "OMD, average": lambda: stepped(optim.OMD, predictor=2),
    "OMD, decay": lambda: stepped(optim.OMD, predictor=0.5),
    "OptimisticAdam": lambda: stepped(optim.OptimisticAdam),
    "LinearDecay": decay,
    "Batches": stream,
    "Noise": lambda: data.noise(3, "sphere"),
    **{name: lambda name=name: played(name) for name in players.RULES},
}
LONG = players.IMAGES  # their many parts are those of others
every_target = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in TARGETS]
)
WRONG = [
    None, "", "3", "{}", "[" * 2000, '{"bit_generator": "PCG64"}', '{"device": -1}', b"rng", -1, 2**70, 1.5, float("nan"), True,
    [], [1], {}, {"0": 1}, object(), mg.Tensor([1.0, 2.0]), np.zeros(3, object), np.zeros((0, 7)), np.ma.masked_array([1.0]),
    np.zeros(2, complex), np.array("x"), np.array(["a", "b"]), np.zeros(2, "datetime64[s]"), np.zeros((), [("f", float)]),
]  # fmt: skip


def parts(state, path=()):
    """The paths of all parts of a nested state, whole dicts included."""
    for key, value in state.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from parts(value, (*path, key))


def at(state, path):
    for key in path:
        state = state[key]
    return state


def changed(state, path, change):
    """A state in which `change` has been at work on the dict that lies at this path; the rest is shared."""
    state = dict(state)
    if path:
        state[path[0]] = changed(state[path[0]], path[1:], change)
    else:
        change(state)
    return state


def exact(state):
    """All that a nested state holds, to be compared."""
    values = {path: at(state, path) for path in parts(state)}
    return {path: "a dict" if isinstance(v, dict) else (np.asarray(v).tobytes(), np.shape(v)) for path, v in values.items()}


def fingerprint(thing):
    """Everything that loading could change: the values, which arrays hold them, and how often they were written to."""
    networks = [thing] if isinstance(thing, nn.Module) else [thing.G, thing.D] if hasattr(thing, "G") else []
    tensors = [p for network in networks for p in network.parameters()]
    return exact(thing.state_dict()), [id(t.data) for t in tensors], [t._version[0] for t in tensors]


def another_number(path, wrong):
    """Whether the part may well be this: rates may be any number, and steps any whole number."""
    rate, steps = path[-1] == "lr" or path[0] == "start", path[-1] == "t" and len(path) > 1
    return type(wrong) in (int, float) and wrong > 0 and (rate or (steps and type(wrong) is int))


def assert_refused(target, state, where):
    before = fingerprint(target)
    with pytest.raises(ValueError, match=r"\Aload_state_dict: .*\Z") as caught:  # one line: . matches no end of line
        target.load_state_dict(state)
    assert len(str(caught.value)) < 400, where
    assert fingerprint(target) == before, where


@pytest.mark.slow
@every_target
def test_a_state_with_a_part_of_another_kind_is_refused_and_changes_nothing(name):
    target = TARGETS[name]()
    good = target.state_dict()
    for number, path in enumerate(parts(good)):
        for wrong in WRONG[number % 5 :: 5] if len(good) > 8 else WRONG:  # a game has many parts
            if not another_number(path, wrong):
                state = changed(good, path[:-1], lambda part, wrong=wrong: part.update({path[-1]: wrong}))  # noqa: B023
                assert_refused(target, state, (path, wrong))


@every_target
def test_a_state_with_a_part_missing_or_too_much_is_refused_and_changes_nothing(name):
    target = TARGETS[name]()
    good = target.state_dict()
    for path in parts(good):
        assert_refused(target, changed(good, path[:-1], lambda part: part.pop(path[-1])), path)  # noqa: B023
        if isinstance(at(good, path), dict):
            assert_refused(target, changed(good, path, lambda part: part.update(more=np.zeros(2))), path)


@every_target
@pytest.mark.parametrize("state", [None, 3, [], "state", np.zeros(3)], ids=repr)
def test_what_is_no_dict_is_refused(name, state):
    assert_refused(TARGETS[name](), state, state)


def test_the_state_of_anything_else_is_refused():
    targets = {name: make() for name, make in TARGETS.items()}
    states = {name: target.state_dict() for name, target in targets.items()}
    for a, b in itertools.permutations(TARGETS, 2):
        assert_refused(targets[a], states[b], (a, b))


@every_target
def test_a_state_that_went_through_a_file_is_taken(name, tmp_path):
    """NumPy gives numbers and text back as arrays of shape ()."""
    target = TARGETS[name]()
    good = target.state_dict()
    np.savez(tmp_path / "state.npz", **{"/".join(path): at(good, path) for path in leaves_of(good)})
    state = {}
    with np.load(tmp_path / "state.npz") as saved:
        for flat in saved:
            *path, last = flat.split("/")
            place = state
            for key in path:
                place = place.setdefault(key, {})
            place[last] = saved[flat]
    target.load_state_dict(state)
    assert exact(target.state_dict()) == exact(good)


def leaves_of(state):
    return [path for path in parts(state) if not isinstance(at(state, path), dict)]


SETTINGS = {
    "k": ("gan", {"k": 2}, "k is 2 here, and was 1"),
    "r1": ("gan", {"r1": 0.5}, "r1 is 0.5 here, and was 0.0"),
    "saturating": ("gan", {"saturating": True}, "saturating is True here, and was False"),
    "n_critic": ("wgan", {"n_critic": 2}, "n_critic is 2 here, and was 5"),
    "clip": ("wgan", {"clip": 0.1}, "clip is 0.1 here, and was 0.01"),
    "penalty": ("wgan_gp", {"penalty": 1.0}, "penalty is 1.0 here, and was 10.0"),
    "gamma": ("began", {"gamma": 0.7}, "gamma is 0.7 here, and was 0.5"),
    "margin": ("ebgan", {"margin": 2.0}, "margin is 2.0 here, and was 10.0"),
    "pull_away": ("ebgan", {"pull_away": 0.1}, "pull_away is 0.1 here, and was 0.0"),
    "l": ("cgan", {"l": 3}, "l is 3 here, and was 1"),
}


@pytest.mark.parametrize(("name", "options", "says"), SETTINGS.values(), ids=SETTINGS)
def test_a_game_with_other_settings_says_which(name, options, says):
    with pytest.raises(ValueError, match=f"^load_state_dict: {says} where the state was saved$"):
        players.make(name, **options).load_state_dict(players.make(name).state_dict())


def test_a_rule_with_other_constants_says_which():
    state = stepped(optim.Adam).state_dict()
    with pytest.raises(ValueError, match=r"^load_state_dict: betas is \[0.5, 0.9\] here, and was \[0.9, 0.999\] where"):
        stepped(optim.Adam, betas=(0.5, 0.9)).load_state_dict(state)


def test_a_decay_over_another_number_of_steps_says_both():
    state = decay().state_dict()
    with pytest.raises(ValueError, match=r"^load_state_dict: steps is 800 here, and was 10 where the state was saved$"):
        optim.LinearDecay([optim.SGD([leaf()], 0.1), optim.SGD([leaf()], 0.2)], 800).load_state_dict(state)


def test_a_game_names_the_part_of_d_that_does_not_fit_and_leaves_g_alone():
    game = players.make("gan")
    state = game.state_dict()
    state["G"]["layers.0.bias"] += 1
    state["D"]["layers.0.bias"] = np.zeros(9, np.float32)
    with pytest.raises(ValueError, match=r"^load_state_dict: D\.layers\.0\.bias has shape \(5,\), the state \(9,\)$"):
        game.load_state_dict(state)
    assert not players.equal(game.G.state_dict().values(), state["G"].values())


def test_a_prior_of_the_users_own_may_refuse_before_anything_else_is_loaded():
    class Fussy(players.Draws):
        def state_dict(self):
            return {"mood": 1}

        def load_state_dict(self, state):
            raise ValueError("not today")

    game, state = players.make("gan", prior=Fussy(3)), players.make("gan", prior=Fussy(3)).state_dict()
    before = exact(game.state_dict())
    with pytest.raises(ValueError, match="not today"):
        game.load_state_dict(state)
    assert exact(game.state_dict()) == before


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_the_state_of_every_kind_of_generator_can_be_set(kind):
    rngs = [np.random.Generator(getattr(np.random, kind)(seed)) for seed in (1, 2)]
    mg.random_numbers.set_generator_state(rngs[1], mg.random_numbers.generator_state(rngs[0]))
    assert rngs[0].random() == rngs[1].random()
    with pytest.raises(ValueError, match=f"rng is not a state of numpy's {kind}"):
        mg.random_numbers.set_generator_state(
            rngs[0], mg.random_numbers.generator_state(np.random.Generator(np.random.MT19937(1)))[:-9] + "}"
        )
