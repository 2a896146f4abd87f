"""A game whose step is recorded as a CUDA graph: one call of the GPU instead of hundreds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minigan import backend
from minigan.backend import Array, BackendError, DeviceGenerator, Graph
from minigan.data.priors import Noise
from minigan.games.game import Figures, Game
from minigan.optim import Optimizer
from minigan.tensor import Tensor

Draw = Callable[[Iterator], Any]  # of a minibatch, or of noise, from what `step` is given
FOLLOWED = ("_lr", "output_shape", "_vectors", "_spare", "state", "params")  # attributes that may change


class Captured:
    """`Captured(game).step(batches)` does what `game.step(batches)` does; from the second time on, by repeating a recording.

    Small networks leave a GPU idle while Python calls it for each op; a recorded step is one call. The first step is a
    rehearsal, the second is recorded: on minibatches and noise in memory that later ones are copied to. So all minibatches
    have one shape, and what the networks do must depend on arrays alone. Noise that minigan draws on the device (`data.noise`
    without `rng`, dropout) is part of the recording. Products are computed by cuTENSOR, an extra, since CuPy cannot record
    cuBLAS; batch norm, and games that replace an attribute in every step (BEGAN's k), cannot be recorded.

    After a change of the game, its networks or its optimizers (another k, `eval()`, a loaded state), it is recorded anew.
    Raises BackendError for a game that is not on a GPU, and for what cannot be recorded (a minibatch is lost then).
    """

    def __init__(self, game: Game):
        self.game = game
        self._given: list[_Given] = []  # what the recording takes for granted
        self._draws: list[Draw] = []  # what a step draws, in order
        self._inputs: list[Any] = []  # where the recorded step looks for it
        self._steps: list[int] = []  # of each optimizer, in a step of the game
        self._graph: Graph | None = None
        self._check_backend()

    def step(self, batches: Iterator) -> Figures:
        """One iteration of the game."""
        self._check_backend()
        if _replaced(self._given, self._present()):
            return self._rehearse(batches)
        drawn = [draw(batches) for draw in self._draws]
        for rule in self._rules():
            rule.recorded.catch_up()
        if self._graph is None:
            self._graph = self._record(drawn)
        for place, new in zip(self._inputs, drawn, strict=True):
            _fill(place, new)
        self._graph.run()
        for rule, steps in zip(self._rules(), self._steps, strict=True):
            rule.recorded.count(steps)
            for p in rule.params:
                p.changed_in_place()
        row = self._figures.copy()  # the next step writes to it again
        return Figures(**{name: Tensor._of(row[i]) for i, name in enumerate(self._names)})

    def _check_backend(self) -> None:
        if backend.name() == "numpy" or backend.of(self.game.opt_G.params[0].data) is not backend.xp():
            raise BackendError("Captured: the game is not on a GPU: choose the cupy backend, and then make its networks")

    def _rules(self) -> list[Optimizer]:
        """The game's optimizers, each once."""
        return list({id(rule): rule for rule in vars(self.game).values() if isinstance(rule, Optimizer)}.values())

    # --- recording ---------------------------------------------------------------------------------------------------

    def _rehearse(self, batches: Iterator) -> Figures:
        """A step that is carried out as it will be recorded; what it draws is noted."""
        self._draws, self._given, self._graph = [], [], None
        for rule in self._rules():
            rule.recorded = Recorded(rule)
        minibatch, prior = self.game.minibatch, self.game.prior

        def noted(draw: Draw) -> Any:
            self._draws.append(draw)
            return draw(batches)

        with (
            self._drawing_by(lambda batches: noted(minibatch), lambda m: noted(lambda batches: prior(m))),
            backend.rehearsing(),
        ):
            figures = self.game.step(batches)
            figures.stacked()  # what it takes is to be there before the recording
        self._steps = [rule.recorded.steps for rule in self._rules()]
        self._given = self._present()
        return figures

    def _record(self, drawn: list[Any]) -> Graph:
        """The step on these minibatches and noise, without carrying it out."""
        self._inputs = [_place(each) for each in drawn]
        given, graph, own = iter(self._inputs), Graph(), dict(vars(self.game))
        try:
            with self._drawing_by(lambda batches: next(given), lambda m: next(given)), graph.record():
                figures = self.game.step(iter(()))
                self._names, self._figures = list(figures), figures.stacked().data
            replaced = _replaced(self._given, self._present())
        finally:
            for rule, steps in zip(self._rules(), self._steps, strict=True):
                rule.recorded.count(steps - rule.recorded.steps)  # those that were recorded, and not taken
            vars(self.game).clear()
            vars(self.game).update(own)
        if replaced:
            raise BackendError(f"Captured: a step replaces {', '.join(replaced)}; it cannot be recorded")
        return graph

    @contextmanager
    def _drawing_by(self, minibatch: Callable, noise: Callable) -> Iterator[None]:
        """The game draws by these functions for a block; noise of the device's own is drawn within the recording."""
        own, prior = dict(vars(self.game)), self.game.prior
        on_device = isinstance(prior, Noise) and isinstance(prior.generator, DeviceGenerator)
        self.game.minibatch, self.game.prior = minibatch, prior if on_device else noise
        try:
            yield
        finally:
            self.game.prior = prior
            del self.game.minibatch
            if "minibatch" in own:  # the user's
                self.game.minibatch = own["minibatch"]

    def _present(self) -> list["_Given"]:
        """Everything that a recorded step takes for granted: attributes, arrays and flags."""
        game, rules = self.game, self._rules()
        parts = [game, game.prior, *game.G.modules(), *game.D.modules(), *rules]
        found = [given for part in parts for given in _attributes(part)]
        for rule in rules:
            found += [(rule, "params", x) for p in rule.params for x in (p.data, p.requires_grad)]
            found += [(rule, key, x) for state in rule.state for key, x in state.items() if key != "t"]
        return found


_Given = tuple[Any, str, Any]  # an object, the name of an attribute, and what it is


def _attributes(part: Any) -> Iterator[_Given]:
    """An object's attributes, those of lists, tuples and dicts one by one; of a Tensor, its array and its flag, too."""
    for name, value in getattr(part, "__dict__", {}).items():
        if name in FOLLOWED:
            continue
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        for member in members:
            yield part, name, member
            if isinstance(member, Tensor):
                yield part, name, member.data
                yield part, name, member.requires_grad


def _replaced(before: list[_Given], now: list[_Given]) -> list[str]:
    """The names of what is not the same object any more; of all, if their number differs."""
    pairs = zip(before, now, strict=False)
    other = [a for a, b in pairs if a[2] is not b[2]] if len(before) == len(now) else [*before, *now]
    return list(dict.fromkeys(f"{type(part).__name__}.{name}" for part, name, _ in other))


class Recorded:
    """What a recorded step reads from the device instead of from Python, for one optimizer: the learning rate, and t."""

    def __init__(self, rule: Optimizer):
        full = backend.of(rule.params[0].data).full
        self.lr, self.t = full((), rule.lr, "float64"), full((), 0.0, "float64")
        self.steps = 0  # that were rehearsed or recorded
        self.stepped: list[dict[str, Any]] = []  # the states of the parameters that a step changes
        self._t = 0  # what t is there

    def advance(self, states: list[dict[str, Any]]) -> None:
        """A step more, which Python has counted already."""
        self.stepped = states
        self.catch_up(-1)
        self.t += 1
        self._t += 1
        self.steps += 1

    def catch_up(self, ahead: int = 0) -> None:
        """Tell the device how many steps there have been, if it does not know of all."""
        t = self.stepped[0]["t"] + ahead if self.stepped else 0
        if t != self._t:
            self.t.fill(float(t))
            self._t = t

    def count(self, steps: int) -> None:
        """Note steps that the device has taken, and counted, by itself; or, below 0, that it has not taken those after all."""
        self._t += steps
        for state in self.stepped:
            state["t"] += steps


def _place(drawn: Any) -> Any:
    """Memory of the device with the same values as a minibatch: an array, or a tuple of arrays."""
    if isinstance(drawn, tuple | list):
        return tuple(_place(each) for each in drawn)
    return backend.asarray(drawn.data if isinstance(drawn, Tensor) else drawn).copy()


def _fill(place: Any, drawn: Any) -> None:
    """New values into that memory."""
    if isinstance(place, tuple):
        for one, new in zip(place, drawn, strict=True):
            _fill(one, new)
        return
    array: Array = drawn.data if isinstance(drawn, Tensor) else drawn
    if array.shape != place.shape or array.dtype != place.dtype:
        raise BackendError(f"Captured: recorded with {place.dtype} {place.shape}, now {array.dtype} {array.shape} is drawn")
    place[...] = backend.asarray(array)
