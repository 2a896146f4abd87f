"""What the games' tests share: of the registry, what all import from here; networks by hand, known noise, a step's events."""

import copy
from functools import partial
from types import SimpleNamespace

import numpy as np

from minigan import nn
from minigan.backend import random_numbers
from tests.contracts.games import CLASSES, GAMES, in_float64, make, minibatch, minibatches, mlp, stream  # noqa: F401
from tests.games import reference
from tests.helpers import leaves

RULES = list(GAMES)  # their names
IMAGES = ["dcgan", "cgan_images"]


def values(module):
    return [p.numpy().copy() for p in module.parameters()]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def networks(game):
    """By name."""
    return {name: getattr(game, name) for name in "GDQ" if hasattr(game, name)}


class Draws:
    """A prior of float64 noise that keeps what it drew, until it is asked."""

    def __init__(self, d, seed=1):
        self.d, self.rng, self.drawn = d, np.random.default_rng(seed), []

    def __call__(self, m):
        self.drawn.append(self.rng.standard_normal((m, self.d)))
        return self.drawn[-1]

    def taken(self):
        drawn, self.drawn = self.drawn, []
        return drawn


# --- by hand ------------------------------------------------------------------------------------------------------------

LAYERS = {
    nn.Dense: lambda layer: reference.dense,
    nn.Conv2d: lambda layer: partial(reference.conv, stride=layer.stride, padding=layer.padding),
    nn.ConvTranspose2d: lambda layer: partial(reference.conv_transpose, stride=layer.stride, padding=layer.padding),
    nn.BatchNorm2d: lambda layer: reference.BatchNorm(len(layer.running_mean)),
    nn.LeakyReLU: lambda layer: partial(reference.leaky_relu, slope=layer.slope), nn.ReLU: lambda layer: reference.leaky_relu,
    nn.Tanh: lambda layer: np.tanh, nn.Reshape: lambda layer: lambda x: x.reshape(len(x), *layer.shape),
    nn.Flatten: lambda layer: lambda x: x.reshape(len(x), -1),
}  # fmt: skip


def by_hand(module):
    """The reference's network with copies of the module's parameters."""
    layers = [part for part in module.modules() if type(part) in LAYERS]
    return reference.Net([(LAYERS[type(layer)](layer), values(layer)) for layer in layers], getattr(module, "classes", 0))


def game_by_hand(game, lr):
    """The game's networks, rules (Adam) and settings, for a step of the reference. It draws what the game will draw."""
    twin = SimpleNamespace(**{name: getattr(game, name) for name in game.settings}, mixing=random_numbers.generator())
    for name in ("prior", "epsilon", "labelled", "mixing"):
        setattr(twin, name, copy.deepcopy(getattr(game, name, getattr(twin, name, None))))
    for name, network in networks(game).items():
        setattr(twin, name, by_hand(network))
        setattr(twin, f"opt_{name}", reference.Adam(lr))
    twin.depth = len(list(game.D.encoder)) if hasattr(game.D, "encoder") else 0
    return twin


def assert_agree(module, net, tolerance=1e-8):
    """The module's parameters and running statistics are those of the reference's network."""
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    found = values(module) + [v for part in norms for v in (part.running_mean, part.running_var)]
    expected = [function for function, _ in net.functions if isinstance(function, reference.BatchNorm)]
    expected = net.params + [v for part in expected for v in (part.running_mean, part.running_var)]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


# --- what happens in a step ---------------------------------------------------------------------------------------------


class Recorder:
    """Notes every draw ("x", "z", "epsilon", "labelled"), forward pass ("G", "D", "Q") and step ("opt_G", ...) of a game."""

    def __init__(self, game, batches):
        self.game, self.events = game, []
        self.batches = (self.note("x", batch) for batch in batches)
        for name, attribute in (("z", "prior"), ("epsilon", "epsilon")):
            if draw := getattr(game, attribute, None):
                setattr(game, attribute, lambda m, name=name, draw=draw: self.note(name, draw(m)))
        if hasattr(game, "labelled") and not callable(game.labelled):
            game.labelled = (self.note("labelled", batch) for batch in game.labelled)
        for name, network in networks(game).items():
            network.forward = self.watched_forward(name, network.forward)
            if hasattr(game, rule := f"opt_{name}"):
                getattr(game, rule).step = self.watched_step(rule, getattr(game, rule).step)

    def note(self, name, value):
        self.events.append((name, value))
        return value

    def watched_forward(self, name, forward):
        """Noted: the network's parameters."""

        def watched(*inputs):
            self.note(name, values(getattr(self.game, name)))
            return forward(*inputs)

        return watched

    def watched_step(self, name, step):
        """Noted: all gradients, the parameters after it, and which networks have changed."""

        def watched():
            players = networks(self.game)
            before = {key: values(network) for key, network in players.items()}
            grads = {key: [p.grad for p in network.parameters()] for key, network in players.items()}
            step()
            after = {key: values(network) for key, network in players.items()}
            changed = {key for key in players if not equal(before[key], after[key])}
            self.note(name, SimpleNamespace(gradients=grads, changed=changed, after=after))

        return watched

    def play(self, iterations=1):
        """That many iterations; the metrics of the last."""
        for _ in range(iterations):
            figures = self.game.step(self.batches)
        return figures

    def of(self, name):
        return [value for event, value in self.events if event == name]


def record(name, m=4, **options):
    """A game that draws float64 noise, about to play on fresh minibatches."""
    return Recorder(make(name, Draws(3), **options), minibatches(name, m))


def dtypes_of_new_tensors(game, play):
    """The dtypes of all tensors that arise while `play()` runs. What comes in does not count, but what `cast` makes of it."""
    cast = game.cast

    def of_the_result_alone(array):
        before = len(seen)
        t = cast(array)
        seen[before:] = [t.dtype]
        return t

    game.cast = of_the_result_alone
    with leaves.dtypes_of_new_tensors() as seen:
        play()
    del game.cast
    return seen
