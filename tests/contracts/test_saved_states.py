"""`load_state_dict` of everything that has one: a state that does not fit in some part is refused, and nothing has changed."""

import itertools
import re

import numpy as np
import pytest

import minigan as mg
from minigan import data, nn, optim
from tests.contracts.rules import RULES
from tests.games import players
from tests.helpers.leaves import leaf


def network():
    return nn.Sequential(nn.SpectralNorm(nn.Dense(2, 3)), nn.BatchNorm1d(3), nn.ReLU(), nn.Dense(3, 1))


def stepped(rule, second=None, **options):
    """`second`: the rate of the second parameter."""
    params = [leaf([1.0, 2.0]), leaf([[1.0]])]
    optimizer = rule([{"params": params[0]}, {"params": params[1], "lr": second}] if second else params, lr=0.1, **options)
    for p in params:
        p.grad = mg.Tensor(np.ones(p.shape))
    optimizer.step()
    return optimizer


def decay(steps=10, schedule=optim.LinearDecay, **options):
    found = schedule([optim.SGD([leaf()], 0.1), optim.SGD([leaf()], 0.2)], steps, **options)
    found.step()
    return found


def lookahead(k=2, alpha=0.5):
    found = optim.Lookahead([stepped(optim.SGD), stepped(optim.Adam)], k, alpha)
    for _ in range(k):
        found.step()
    return found


def stream():
    found = data.batches(np.arange(10.0), np.arange(10), size=3)
    next(found)
    return found


def played(name, average=False):
    game = players.make(name)
    if average:
        game.average = nn.MovingAverage(game.G)
    game.step(players.stream(name))
    return game


TARGETS = {
    **{name: lambda rule=rule: stepped(rule.make) for name, rule in RULES.items()}, "module": network,
    "Adam, groups": lambda: stepped(optim.Adam, 0.2), "Cosine": lambda: decay(schedule=optim.Cosine, warm_up=2),
    "LinearDecay": decay, "Batches": stream, "Lookahead": lookahead,
    "average": lambda: played("gan", average=True),
    "Noise": lambda: data.noise(3, "sphere"), **{name: lambda name=name: played(name) for name in players.RULES},
}  # fmt: skip
LONG = players.IMAGES  # their many parts are those of others
SLOW_OR_NOT = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in TARGETS]
every_target = pytest.mark.parametrize("name", SLOW_OR_NOT)
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
    rate, steps = path[-1] == "lr" or path[0] == "start", path[-1] == "t"
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
    for state in (None, [], "state", np.zeros(3)):
        assert_refused(target, state, state)
    for path in parts(good):
        assert_refused(target, changed(good, path[:-1], lambda part: part.pop(path[-1])), path)  # noqa: B023
        if isinstance(at(good, path), dict):
            assert_refused(target, changed(good, path, lambda part: part.update(more=np.zeros(2))), path)


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
    values = {"/".join(path): at(good, path) for path in parts(good)}
    np.savez(tmp_path / "state.npz", **{name: value for name, value in values.items() if not isinstance(value, dict)})
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


SETTINGS = [  # (the game, a setting, the target's, the saved one's)
    ("gan", "k", 2, 1), ("gan", "r1", 0.5, 0.0), ("gan", "saturating", True, False), ("wgan", "n_critic", 2, 5),
    ("wgan", "clip", 0.1, 0.01), ("wgan_gp", "penalty", 1.0, 10.0), ("began", "gamma", 0.7, 0.5),
    ("ebgan", "margin", 2.0, 10.0), ("ebgan", "pull_away", 0.1, 0.0), ("cgan", "r1", 0.5, 0.0),
    ("Adam", "weight_decay", 0.2, 0.1), ("Adam, groups", "groups", [[1, 1.0], [1, 2.0]], [[1, 1.0], [1, 0.5]]),
    ("Cosine", "warm_up", 3, 0), ("Lookahead", "alpha", 0.7, 0.5), ("OMD", "predictor", "last", 1), ("OMD", "predictor", 2, 3),
    ("OMD", "predictor", 2, 0.5), ("OMD", "predictor", 0.5, 0.6),
    ("Adam", "betas", [0.5, 0.9], [0.9, 0.999]), ("LinearDecay", "steps", 800, 10), ("MovingAverage", "decay", 0.9, 0.999),
]  # fmt: skip


def with_setting(name, key, value):
    others = {"Adam": lambda **setting: stepped(optim.Adam, **setting), "LinearDecay": decay}
    others["Adam, groups"] = lambda groups: stepped(optim.Adam, 0.1 * groups[1][1])
    others |= {"OMD": lambda **setting: stepped(optim.OMD, **setting), "Lookahead": lookahead}
    others["Cosine"] = lambda **setting: decay(schedule=optim.Cosine, **setting)
    others["MovingAverage"] = lambda decay: nn.MovingAverage(network(), decay)
    return others.get(name, lambda **setting: players.make(name, **setting))(**{key: value})


@pytest.mark.parametrize(("name", "key", "here", "was"), SETTINGS)
def test_other_settings_are_refused_by_name(name, key, here, was):
    message = re.escape(f"{key} is {here!r} here, and was {was!r} where the state was saved")
    with pytest.raises(ValueError, match=f"^load_state_dict: {message}$"):
        with_setting(name, key, here).load_state_dict(with_setting(name, key, was).state_dict())
