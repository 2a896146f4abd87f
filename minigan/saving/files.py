"""A whole game as a file: its networks, optimizers, prior and settings as a description in JSON, and its state as arrays.

The file has no code and no pickle. The description names minigan's own classes and their arguments:

    {"game": "GAN", "arguments": {"G": ["Sequential", ["Dense", 2, 64], ["ReLU"], ["Dense", 64, 2]], "k": 1, ...},
     "averages": {"average": ["G", 0.999]}, "frozen": ["G.layers.1.weight"], "eval": ["G.layers.1"]}

A layer's description is the text of its `repr`, taken apart: Conv2d(1, 24, (4, 4), stride=2) is ["Conv2d", 1, 24, [4, 4],
{"stride": 2}].
"""

import ast
import inspect
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from minigan import data, games, losses, nn, optim
from minigan.backend import random_numbers
from minigan.data.npz_files import read_npz, write_npz
from minigan.data.priors import Noise
from minigan.engine.tensor import Tensor
from minigan.saving import attributes

GAMES: dict[str, type[games.Game]] = {
    kind.__name__: kind for kind in vars(games).values() if isinstance(kind, type) and issubclass(kind, games.Game)
}
CONTAINERS: dict[str, Callable[[Any], list[Any]]] = {  # a network of networks, and its arguments
    "Sequential": lambda network: network.layers,
    "SpectralNorm": lambda network: [network.layer, {"iterations": network.iterations}],
    "WithReference": lambda network: [network.network, {"reference": list(network.reference.shape)}],
    "Conditional": lambda network: [network.network, int(network.classes)],
    "Joint": lambda network: [network.network],
    "Autoencoder": lambda network: [network.encoder, network.decoder],
}
LAYERS: dict[str, type[nn.Module]] = {
    name: kind
    for name, kind in [*vars(nn).items(), *vars(games).items()]
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind is not nn.Module
}
RULES = {
    rule.__name__: rule for rule in (optim.SGD, optim.RMSProp, optim.OMD, optim.Extragradient, optim.Adam, optim.OptimisticAdam)
}
LOSSES = {name: pair for name, pair in vars(losses).items() if isinstance(pair, losses.GameLoss)}
OTHER_NAMES = {"critic": "D"}  # arguments whose attributes have another name
GROWTH = 10**6  # elements that layers without parameters may name, such as those of a Reshape


def save(game: games.Game, path: str | os.PathLike[str]) -> None:
    """Write the game to a file that `load` makes it from, without the program that trained it.

    Frozen parameters come back frozen, and layers in eval mode in eval mode.
    Raises ValueError, and writes nothing, for what a file cannot describe: networks with layers of your own, a game of your
    own, a prior that is a function, further attributes, layers that two places share, more than 1 GB.
    """
    description = {"game": _named("the game", type(game), GAMES), "arguments": _arguments(game)}
    description["averages"] = {name: _average(game, name) for name in game.parts(nn.MovingAverage)}
    places = _places({name: part for name, part in attributes.saved(game).items() if isinstance(part, nn.Module)})
    description["frozen"] = [name for name, p in places.items() if isinstance(p, Tensor) and not p.requires_grad]
    description["eval"] = [name for name, layer in places.items() if isinstance(layer, nn.Module) and not layer.training]
    state = {f"state/{name}": np.asarray(value) for name, value in _flat(game.state_dict())}
    try:
        made = _made(description, state)
    except KeyError as error:
        name = str(error.args[0]).removeprefix("state/").replace("/", ".")
        raise ValueError(f"save: {name} is a constant, not a parameter, which a file cannot describe") from None
    extra = sorted(set(attributes.saved(game)) - set(attributes.saved(made)))
    if extra:
        raise ValueError(f"save: a file cannot describe {type(game).__name__}.{extra[0]}; delete it before you save")
    if wrong := [name for (name, first), (_, other) in zip(_links(game), _links(made), strict=True) if first != other]:
        raise ValueError(f"save: {wrong[0]} is shared by two places, which a file cannot describe")
    write_npz(path, {"game": np.array(json.dumps(description)), **state})


def _links(game: games.Game) -> Iterator[tuple[str, int]]:
    """For each part of the game, its name, and the position of the first that is the same object."""
    first: dict[int, int] = {}
    for name, part in attributes.saved(game).items():
        inner = _places({name: part}) if isinstance(part, nn.Module) else {name: part}
        for i, (place, value) in enumerate(inner.items(), len(first)):
            if not isinstance(value, Real):
                yield place, first.setdefault(id(value), i)


def load(path: str | os.PathLike[str]) -> games.Game:
    """The game in a file that `save` wrote; it goes on bit for bit, and so does minigan's default generator.

    The file may come from anyone: nothing in it is executed, and the networks take no more memory than the file's arrays
    and a few MB. To use them may take more: an Upsample makes large images of small ones.
    Raises ValueError for any other file, and OSError where the system does.
    """
    state = read_npz(path)
    if "game" not in state:
        raise ValueError(f"{os.fspath(path)} cannot be loaded as a game: mg.save did not write it")
    try:
        description = json.loads(str(state.pop("game")[()]))
        game = _made(description, state)
        game.load_state_dict(_nested(state))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"{os.fspath(path)} cannot be loaded as a game: {error or type(error).__name__}") from None
    return game


# --- describing ---------------------------------------------------------------------------------------------------------


def _arguments(game: games.Game) -> dict[str, Any]:
    """The arguments with which its class makes the game, described."""
    found = {}
    for name in inspect.signature(type(game)).parameters:
        attribute = OTHER_NAMES.get(name, name)
        found[name] = _described(game, attribute, getattr(game, attribute))
    return found


def _described(game: games.Game, name: str, value: Any) -> Any:
    """One argument: a number, or a list that begins with a name."""
    if name == "features":  # layers of D
        return ["part of D", len(value.layers)] if isinstance(value, nn.Sequential) else _refuse(name, value)
    if isinstance(value, nn.Module):
        return _network(name, value)
    if isinstance(value, optim.Optimizer):
        return _optimizer(game, name, value)
    if type(value) is Noise:
        return ["noise", value.d, value.kind]
    if isinstance(value, losses.GameLoss):
        return next((key for key, pair in LOSSES.items() if pair == value), None) or _refuse(name, value)
    return value if isinstance(value, int | float) else _refuse(name, value)


def _network(name: str, network: nn.Module) -> list[Any]:
    kind = _named(name, type(network), LAYERS)
    if kind in CONTAINERS:
        parts = CONTAINERS[kind](network)
        return [kind, *(p if isinstance(p, int | dict) else _network(f"{name}.{i}", p) for i, p in enumerate(parts))]
    call: Any = ast.parse(f"{kind}({network.extra_repr()})", mode="eval").body
    options = {option.arg: ast.literal_eval(option.value) for option in call.keywords}
    return [kind, *map(ast.literal_eval, call.args), *[options] * bool(options)]


def _optimizer(game: games.Game, name: str, rule: optim.Optimizer) -> list[Any]:
    """["Adam", parameters' names, their rates' ratios to lr, {"betas": [0.9, 0.999], "eps": 1e-08}]; lr is in the state."""
    kind = _named(name, type(rule), RULES)
    networks = {key: part for key, part in attributes.saved(game).items() if isinstance(part, nn.Module)}
    names = {id(p): place for place, p in _parameters(networks).items()}
    if any(id(p) not in names for p in rule.params):
        raise ValueError(f"save: {name} has a parameter that no network of the game has, which a file cannot describe")
    ratios = list(rule.ratios) or [1.0] * len(rule.params)
    settings = {key: getattr(rule, key) for key in rule.settings if key != "groups"}
    return [kind, [names[id(p)] for p in rule.params], ratios, settings]


def _average(game: games.Game, name: str) -> list[Any]:
    average = game.parts(nn.MovingAverage)[name]
    of = next((key for key, network in game.parts(nn.Module).items() if network is average.trained), None)
    return [of or _refuse(name, average.trained), average.decay]


def _named(name: str, kind: type, known: Mapping[str, type]) -> str:
    if known.get(kind.__name__) is not kind:
        raise ValueError(f"save: {name} is a {kind.__name__}, which is not minigan's: a file can describe {', '.join(known)}")
    return kind.__name__


def _refuse(name: str, value: Any) -> Any:
    raise ValueError(f"save: {name} is a {type(value).__name__}, which a file cannot describe")


def _parameters(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {f"{name}.{place}": p for name, network in networks.items() for place, p in network.named_parameters()}


def _places(networks: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The networks, and the layers, parameters and buffers in them, by name."""
    inner = [(keys, value) for name, network in networks.items() for keys, value in network.attributes((name,))]
    return {**networks, **{".".join(map(str, keys)): value for keys, value in inner}}


def _flat(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in state.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


# --- making -------------------------------------------------------------------------------------------------------------


@random_numbers.own_generators(np.random.default_rng(0))
def _made(description: dict[str, Any], state: Mapping[str, np.ndarray]) -> games.Game:
    """The game of this description, with parameters of the state's sizes and dtypes."""
    budget = [sum(array.size for array in state.values()) + GROWTH]
    arguments: dict[str, Any] = {}
    networks: dict[str, nn.Module] = {}
    for name, value in description["arguments"].items():
        if not isinstance(value, list):
            arguments[name] = LOSSES[value] if isinstance(value, str) else value
        elif value[0] in LAYERS:
            arguments[name] = networks[OTHER_NAMES.get(name, name)] = _layer(value, budget)
    parameters = _parameters(networks)
    for name, p in parameters.items():
        p.data = p.data.astype(state[f"state/{name.replace('.', '/', 1)}"].dtype)
    for name, value in description["arguments"].items():
        if name not in arguments:
            arguments[name] = _from_parts(value, networks, parameters)
    game = GAMES[description["game"]](**arguments)
    for name, (network, decay) in description["averages"].items():
        if hasattr(game, name) or not name.isidentifier():
            raise ValueError(f"an average is called {name!r}")
        setattr(game, name, nn.MovingAverage(networks[network], decay))
    places = _places(networks)
    for name in description.get("frozen", []):
        places[name].requires_grad = False
    for name in description.get("eval", []):
        places[name].training = False
    return game


def _from_parts(value: list[Any], networks: Mapping[str, nn.Module], parameters: Mapping[str, Tensor]) -> Any:
    """A prior, an optimizer, or D's features."""
    kind, *rest = value
    if kind == "noise":
        return data.noise(*rest)
    if kind == "part of D":
        D: Any = networks["D"]
        return D[: rest[0]]
    names, ratios, settings = rest
    groups = [{"params": [parameters[p]], "lr": ratio} for p, ratio in zip(names, ratios, strict=True)]
    return RULES[kind](groups, lr=1.0, **settings)


def _layer(value: list[Any], budget: list[int]) -> nn.Module:
    """A network from its description. `budget`: of elements, which its parameters may not exceed."""
    kind, *rest = value
    options = rest.pop() if rest and isinstance(rest[-1], dict) else {}
    if kind == "WithReference":  # its values are in the state
        _spend(budget, math.prod(options["reference"]), "a reference batch")
        options = {"reference": np.zeros(options["reference"], np.float32)}
    if kind in CONTAINERS:
        return LAYERS[kind](*(_layer(p, budget) if isinstance(p, list) else p for p in rest), **options)
    required = [p.name for p in inspect.signature(LAYERS[kind]).parameters.values() if p.default is p.empty]
    if wrong := sorted(options.keys() & set(required)):
        raise ValueError(f"{kind} has {wrong[0]} as an option")  # its size would not be counted
    sizes = [n for part in rest for n in (part if isinstance(part, list) else [part])]
    elements = 1 + math.prod([abs(n) for n in sizes if isinstance(n, int) and n])  # at least the weight's
    _spend(budget, elements, f"{kind}{tuple(rest)}")
    return LAYERS[kind](*(tuple(part) if isinstance(part, list) else part for part in rest), **options)


def _spend(budget: list[int], elements: int, what: str) -> None:
    budget[0] -= elements
    if budget[0] < 0:
        raise ValueError(f"{what} is larger than the file's arrays")


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split("/")
        place = state
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    if set(state) != {"state"}:
        raise ValueError(f"it has {', '.join(sorted(state))}; expected the game and its state")
    found: dict[str, Any] = state["state"]
    return found
