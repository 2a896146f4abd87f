"""The registries' rows on a device: what NumPy computes, on the device, and nothing copied back and forth.

A row makes a function that computes, as often as it is called. It returns results, and a function that returns a state.
"""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn, optim
from tests.attacks import victims
from tests.contracts.attacks import ATTACKS, OF_IMAGES
from tests.contracts.games import GAMES, make, stream
from tests.contracts.layers import LAYERS
from tests.contracts.losses import ALL_CASES as CASES
from tests.contracts.ops import normal
from tests.contracts.rules import RULES
from tests.device.comparing import assert_agree, everything_is_on, on_both

every_rule = pytest.mark.parametrize("name", RULES)
X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def differentiated(ys, leaves):
    """Outputs, gradients, and their gradients."""
    first = mg.grad(sum((y * y).sum() for y in ys), leaves, create_graph=True)
    return ys, first, mg.grad(sum((g * g).sum() for g in first), leaves)


def of_function(fn, inputs, dtype):
    def made():
        xs = [Tensor(x.astype(dtype), requires_grad=True) for x in inputs()]

        def run():
            y = fn(*xs)
            return differentiated(y if isinstance(y, tuple) else [y], xs), dict

        return run

    return made


def of_layer(entry):
    """In both modes."""

    def made():
        layer, x = entry.make(), entry.input() if entry.shape is None else Tensor(entry.input(), requires_grad=True)
        leaves = [*layer.parameters(), *[x] * (entry.shape is not None)]
        return lambda: ([differentiated([layer.train(mode)(x)], leaves) for mode in (True, False)], layer.state_dict)

    return made


def make_rule(name, params):
    """An eps that matters: forgotten, it shows, and where g is nearly 0, its rounding does not choose the direction."""
    return RULES[name].make(params, lr=0.003, **({"eps": 0.01} if "eps" in RULES[name].kind.settings else {}))


def descend(net, rule, x, steps=1):
    for _ in range(steps):
        rule.zero_grad()
        ((net(x) - 1.0) ** 2).mean().backward()
        optim.clip_gradient_norm(net.parameters(), 0.5)
        rule.step()


def of_rule(name, width):
    """Of few parameters as one vector, of many one by one; with clipping and a falling rate."""

    def made():
        net = nn.Sequential(nn.Dense(3, width), nn.Tanh(), nn.Dense(width, width), nn.Tanh(), nn.Dense(width, 1))
        rule, x = make_rule(name, net.parameters()), Tensor(X)
        decay, average, ahead = optim.LinearDecay(rule, 9), nn.MovingAverage(net), optim.Lookahead(rule, k=1)

        def run():
            descend(net, rule, x, 3)
            optim.clip_weights(net.parameters(), 0.9)
            ahead.step()
            decay.step()
            average.update()
            return net.parameters() + average.module.parameters(), lambda: rule.state_dict()["params"]

        return run

    return made


def of_attack(name, model):
    def made():
        classifier, (x, y) = model(), victims.images()
        return lambda: (ATTACKS[name](classifier, x, y), classifier.state_dict)

    return made


DILATED = of_function(
    lambda x, w: mg.conv2d(x, w, None, 1, 1, (1, 2)), lambda: [normal(2, 1, 3, 4), normal(1, 1, 2, 3, seed=1)], "f4"
)
ROWS = {
    "dilated-conv2d-f4": (DILATED, 1e-4),
    **{f"{i}-{name}-f4": (of_function(fn, inputs, "f4"), 1e-4) for i, (name, fn, inputs) in enumerate(CASES)},
    **{f"{i}-{name}-f8": (of_function(fn, inputs, "f8"), 1e-10) for i, (name, fn, inputs) in enumerate(CASES)},
    **{f"layer-{name}": (of_layer(entry), 1e-5) for name, entry in LAYERS.items() if name != "BatchNorm1d, eval"},
    **{f"rule-{name}-{width}": (of_rule(name, width), 1e-3) for name in RULES for width in (4, 400)},
    **{
        f"attack-{name}-{model.__name__}": (of_attack(name, model), 1e-9)
        for name in ATTACKS
        for model in (victims.dense, victims.convolutional)
    },
}


def tensors_in(value):
    if isinstance(value, list | tuple):
        return [t for part in value for t in tensors_in(part)]
    return [value] if isinstance(value, Tensor) else []


@pytest.fixture(autouse=True)
def _plain_numbers(monkeypatch):
    """A float64 of NumPy's times an array of the device is NumPy's, which the stand-in refuses."""
    monkeypatch.setattr("tests.contracts.attacks.EPSILON", 0.1)
    monkeypatch.setattr("tests.contracts.attacks.STEP", 0.03)


@pytest.mark.parametrize("row", ROWS)
def test_results_and_gradients_are_numpys_and_live_on_the_device(row, device):
    made, tolerance = ROWS[row]

    def compute():
        found, state = made()()
        return found, state()

    here, there = on_both(compute)
    assert_agree(here, there, tolerance)
    found = there[0] if isinstance(there[0], list | tuple) else [there[0]]
    assert everything_is_on(device, *(found if row.split("-")[1] in OF_IMAGES else tensors_in(found)))


# From the host: masks that are drawn there, lists and labels, what is a leaf in each call
GIVEN = {"where": 2, "take": 1, "getitem": 1, "dropout": 1, "cross_entropy": 1, "Embedding": 2, "feature_matching_loss": 1}
GIVEN |= {"squared_gradient_norm": 1, "gradient_penalty": 3}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("attack") and not row.endswith("f4")])
def test_nothing_is_copied_to_the_host_and_no_constant_to_the_device(row, stand_in):
    name = row.split("-")[1]
    with backend.using("cupy"):
        run = ROWS[row][0]()
        run()  # the first time, constants are made, on the device
        stand_in.transfers.clear()
        run()
    assert stand_in.transfers["to_device"] <= GIVEN.get(name, 0)
    if name != "getitem":  # of x[x > 0], the device alone knows the size
        assert stand_in.transfers["to_host"] == 0


# --- rules and games ------------------------------------------------------------------------------------------------------


@every_rule
def test_a_saved_rule_goes_on_bit_for_bit_and_a_network_that_moves_trains_on(name, device):
    def network():
        return nn.Sequential(nn.Dense(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dense(4, 1))

    def compute(places, save=False):
        mg.seed(0)
        net = network()
        rule, average = make_rule(name, net.parameters()), nn.MovingAverage(net)
        for where in places:
            assert net.to(where) is net
            descend(net, rule, Tensor(X).to(where), 2)
            average.update()
            held = [*[p.data for p in net.parameters()], net[1].running_var]
            assert {backend.on_device(a) for a in held} == {where == "cupy"}
            if save:
                states, net = [part.state_dict() for part in (net, rule, average)], network()
                rule, average = make_rule(name, net.parameters()), nn.MovingAverage(net)
                for part, state in zip((net, rule, average), states, strict=True):
                    part.load_state_dict(state)
        return net.state_dict(), average.state_dict()

    assert_agree(compute(["numpy"] * 3), compute(["numpy", "cupy", "numpy"]), 1e-4)
    with backend.using("cupy"):
        assert_agree(compute(["cupy"] * 3), compute(["cupy"] * 3, save=True), 0)


def play(name):
    """A game after three steps: its state, the last metrics, and samples, which are drawn on the host."""
    game, batches = make(name, dtype="float64"), stream(name)
    for _ in range(3):
        figures = game.step(batches)
    samples = game.sample(7, *([1] if GAMES[name].classes else []))
    assert type(samples) is np.ndarray
    return game.state_dict(), dict(figures), samples


@pytest.mark.parametrize("name", GAMES)
def test_a_game_takes_numpys_course(name, device):
    assert_agree(*on_both(lambda: play(name)), 1e-9)


@pytest.mark.parametrize("name", ["gan", "dcgan", "aae", "began"])
def test_a_game_that_moves_plays_on(name, device):
    def compute(*places):
        mg.seed(0)
        game, batches = make(name, dtype="float64"), stream(name)
        game.average, game.past = nn.MovingAverage(game.G), np.zeros(2)
        for where in places:
            with backend.using(where, noise="numpy"):
                game.to(where).step(batches)
                game.average.update()
            arrays = [*[p.data for p in [*game.D.parameters(), *game.average.module.parameters()]], game.past]
            assert {backend.on_device(a) for a in arrays} == {where == "cupy"}
        return game.state_dict()

    assert_agree(compute(*["numpy"] * 3), compute("numpy", "cupy", "numpy"))
