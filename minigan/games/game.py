"""An adversarial game: two networks that learn against each other, G to make samples, D to tell them from real ones.

Each has its own loss and its own optimizer, and descends its own gradient while the other is fixed. A game is its `step`: one
iteration of the algorithm, written as on the slide. This file has the games' common code: it draws minibatches and noise,
freezes the other player, samples, moves and saves.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from minigan import backend, checks
from minigan.backend import memory, random_numbers
from minigan.data.priors import Noise
from minigan.engine.modes import no_grad
from minigan.engine.tensor import Tensor
from minigan.games.figures import Figures
from minigan.nn import Module, MovingAverage, Sequential, Sigmoid, eval_mode
from minigan.optim import Optimizer
from minigan.saving import attributes

Prior = Callable[[int], Any]  # m -> array of m noise vectors
Minibatches = Iterator[Any]  # of arrays, or of tuples of arrays
CHUNK = 1000  # samples in one forward pass: with images, more would need gigabytes


class Game:
    """Base class of the games: a generator G against D, a discriminator or a critic.

    Args:
        G, D: the networks. D returns logits, (N, 1).
        prior: a function m -> array of m noise vectors; see `data.noise`.
        opt_G, opt_D: optimizers of G's and of D's parameters.

    `settings` names the attributes that are constants of the game: a saved state must agree with them. All other attributes are
    its state: further networks, optimizers, schedules, averages, generators, tensors, arrays and numbers are saved and moved,
    and so are the members of lists and dicts (but not their numbers). A function is not: draw with a generator in an attribute.

    Raises TypeError for arguments of the wrong type, and ValueError for an optimizer without its player's parameters.
    """

    settings: tuple[str, ...] = ()
    average: MovingAverage  # the user's: `game.average = nn.MovingAverage(G)`. Other names do as well

    def __init__(self, G: Module, D: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer):
        name = type(self).__name__
        if not callable(prior):
            raise TypeError(f"{name}: prior is {prior!r}; expected a function m -> array, such as data.noise(64)")
        for player, network, optimizer in (("G", G, opt_G), ("D", D, opt_D)):
            check_player(name, player, network, f"opt_{player}", optimizer)
            if not {id(p) for p in network.parameters()} & {id(p) for p in optimizer.params}:
                raise ValueError(f"{name}: opt_{player} has none of {player}'s parameters; are the optimizers swapped?")
        memory.keep()  # each step needs the same large arrays: without it, up to 30 % of the time goes into new memory
        self.G, self.D, self.prior, self.opt_G, self.opt_D = G, D, prior, opt_G, opt_D
        self._sample_rng = random_numbers.spawn()

    def __setattr__(self, name: str, value: Any) -> None:
        """Parameters get names by the attribute, such as Q.layers.0.weight."""
        super().__setattr__(name, value)
        attributes.name_parameters(name, value)

    def step(self, batches: Minibatches) -> Figures:
        """One iteration of the game's algorithm. `batches` yields minibatches: arrays, or tuples of arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no step: define step(self, batches)")

    # --- the parts of a step -----------------------------------------------------------------------------------------

    def real(self, batches: Minibatches) -> Tensor:
        """The next minibatch of x, in the networks' dtype: the array, or the first of the tuple."""
        batch = self.minibatch(batches)
        return self.cast(batch[0] if isinstance(batch, tuple | list) else batch)

    def minibatch(self, batches: Minibatches) -> Any:
        """The iterator's next item, unchanged."""
        if not isinstance(batches, Iterator):
            raise TypeError(
                f"step: batches is a {type(batches).__name__}; expected an iterator, such as data.batches(x, size=64)"
            )
        try:
            return next(batches)
        except StopIteration:
            raise ValueError("step: the minibatches have run out; data.batches(...) never ends") from None

    def noise(self, m: int, rng: np.random.Generator | None = None) -> Tensor:
        """m fresh noise vectors, in the networks' dtype; from `rng` if given, unless the prior is a plain function.

        A game whose G sees more than noise redefines this method, for `step` and for `sample`.
        """
        z = self.cast(self.prior(m, rng=rng) if rng is not None and isinstance(self.prior, Noise) else self.prior(m))
        if z.shape[:1] != (m,):
            raise ValueError(f"prior: asked for {m} noise vectors, it returned shape {z.shape}")
        return z

    def cast(self, array: Any) -> Tensor:
        """The array as a constant on the current backend, in the dtype of G's parameters.

        A float64 minibatch would turn a whole float32 iteration into float64, at half the speed.
        """
        t = array.detach() if isinstance(array, Tensor) else Tensor(array)
        return t.astype(self.opt_G.params[0].dtype)

    @contextmanager
    def frozen(self, *players: Module) -> Iterator[None]:
        """For a block, gradients pass through the players; their parameters get none. Afterwards their flags are restored."""
        parameters = [p for player in players for _, p in player.named_parameters()]
        flags = [p.requires_grad for p in parameters]
        try:
            for p in parameters:
                p.requires_grad = False
            yield
        finally:
            for p, flag in zip(parameters, flags, strict=True):
                p.requires_grad = flag

    def descend(self, optimizer: Optimizer, loss: Tensor) -> None:
        """One step of the player's optimizer down the gradient of its loss."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    # --- sampling and saving -----------------------------------------------------------------------------------------

    def sample(
        self, n: int, y: Any = None, z: Any = None, rng: np.random.Generator | None = None, G: Module | None = None
    ) -> NDArray[Any]:
        """n samples G(z) as a NumPy array, in eval mode.

        Args:
            y: for conditional games, and only for them: n classes, or one for all.
            z: the noise; if None, the prior's, drawn with `rng` or else with a generator that only sampling uses: samples
                do not change the training. (A prior that is a plain function has one stream for both: pass z.)
            G: another network than the game's, such as its running average.

        Raises TypeError for y in a game without classes, ValueError for a z that is not n vectors.
        """
        n = checks.whole("sample", "n", n, least=0)
        z = self.noise(n, self._sample_rng if rng is None else random_numbers.generator(rng)) if z is None else self.cast(z)
        if len(z) != n:
            raise ValueError(f"sample: asked for {n} samples, z has shape {z.shape}")
        G, condition = self.G if G is None else G, self.condition(n, y)
        with no_grad(), eval_mode(G):
            parts = [slice(i, i + CHUNK) for i in range(0, max(n, 1), CHUNK)]
            return np.concatenate([backend.to_numpy(G(z[part], *(c[part] for c in condition)).data) for part in parts])

    def condition(self, n: int, y: Any) -> tuple[Any, ...]:
        """G's arguments after z for n samples of the classes y. A game without classes has none."""
        if y is not None:
            raise TypeError(f"sample: {type(self).__name__} has no classes; leave y out")
        return ()

    def parts(self, *kinds: type) -> dict[str, Any]:
        """The attributes of these kinds by name, such as parts(nn.MovingAverage). A member of a list is called critics.0."""
        return {name: value for name, value in attributes.named(self) if isinstance(value, kinds)}

    def to(self, name: str) -> Self:
        """Move all networks, averages, tensors and arrays to the backend "numpy" or "cupy". Returns the game."""
        attributes.move(self, name)
        return self

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, except the minibatches: they have their own state.

        Raises TypeError for an attribute whose state cannot be saved.
        """
        state = {name: attributes.state_of(value) for name, value in attributes.saved(self).items()}
        state |= {"sample_rng": random_numbers.generator_state(self._sample_rng)}
        state |= {"rng": random_numbers.generator_state(self._dropout_rng())}
        return state | self._settings()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`, bit for bit. Raises ValueError, and loads nothing, if the game or a setting differs."""
        self.check_state_dict(state)
        attributes.load(self, state)
        random_numbers.set_generator_state(self._dropout_rng(), state["rng"])
        random_numbers.set_generator_state(self._sample_rng, state["sample_rng"])

    def check_state_dict(self, state: dict[str, Any]) -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. A subclass checks what it adds to the state."""
        settings, own = self._settings(), set(self.state_dict())
        if isinstance(state, dict) and (new := sorted(map(str, state.keys() - own))):
            raise ValueError(f"load_state_dict: unexpected {new}: make each attribute of {type(self).__name__} in __init__")
        checks.saved_names("", state, own - set(settings), settings)
        for name, rng in (("rng", self._dropout_rng()), ("sample_rng", self._sample_rng)):
            random_numbers.checked_generator_state(rng, state[name], name)
        for name, value in attributes.saved(self).items():
            attributes.check(name, value, state[name])

    def _settings(self) -> dict[str, Any]:
        """The game's class and constants: a saved state must agree with them."""
        return {"game": type(self).__name__, **{name: getattr(self, name) for name in self.settings}}

    def _dropout_rng(self) -> random_numbers.Generator:
        """The generator of dropout and of the gradient penalty."""
        return random_numbers.noise_generator(None, self.opt_G.params[0].data)

    # --- display -----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """The game and its settings, and a line for each player, the prior and each optimizer."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings().items() if name != "game")
        rows: dict[str, Any] = {"G": _in_a_line(self.G), "D": _in_a_line(self.D), "prior": shorten(repr(self.prior), 100)}
        rows |= {name: _in_a_line(network) for name, network in self.parts(Module).items()}
        rows |= self.parts(Optimizer, MovingAverage)
        return "\n".join([f"{type(self).__name__}({settings})", *(f"  {name}: {row}" for name, row in rows.items())])


def check_player(game: str, player: str, network: Module, rule: str, optimizer: Optimizer) -> None:
    """Raise TypeError unless a player is a network with an optimizer. `player`, `rule`: their names as arguments."""
    if not (isinstance(network, Module) and isinstance(optimizer, Optimizer)):
        kinds = f"{type(network).__name__} and {type(optimizer).__name__}"
        raise TypeError(f"{game}: {player} and {rule} are {kinds}; expected a Module and an Optimizer")


def check_no_sigmoid(game: str, D: Module) -> None:
    """Refuse a last layer that is a Sigmoid: D returns logits, and a critic any number."""
    if isinstance(D, Sequential) and isinstance(D[-1], Sigmoid):
        raise ValueError(f"{game}: D ends in a Sigmoid; it returns logits (a critic: any number) here; leave the Sigmoid out")


def _in_a_line(network: Module) -> str:
    return f"{type(network).__name__}, {sum(p.size for p in network.parameters()):,} parameters"
