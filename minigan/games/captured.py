"""A game whose step is recorded as a CUDA graph: one call of the GPU instead of hundreds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minigan import backend
from minigan.backend import Array, BackendError, DeviceGenerator, Graph
from minigan.data.priors import Noise
from minigan.games.game import Figures, Game
from minigan.tensor import Tensor

Draw = Callable[[Iterator], Any]  # of a minibatch, or of noise, from what `step` is given


class Captured:
    """`Captured(game).step(batches)` does what `game.step(batches)` does; from the second time on, by repeating a recording.

    Small networks leave a GPU idle while Python calls it for each op; a recorded step is one call. The first step is a
    rehearsal, the second is recorded: on minibatches and noise in memory that later ones are copied to. So all minibatches
    have one shape, and what the networks do must depend on arrays alone. Noise that minigan draws on the device (`data.noise`
    without `rng`, dropout) is part of the recording. Products are computed by cuTENSOR, an extra, since CuPy cannot record
    cuBLAS; batch norm, and games that replace an attribute in every step (BEGAN's k), cannot be recorded.

    After a change of the game, its networks or its optimizers (another k, `eval()`, a loaded state), it is recorded anew.
    Raises BackendError for a game that is not on a GPU, and for what cannot be recorded.
    """

    def __init__(self, game: Game):
        if backend.name() == "numpy" or backend.of(game.opt_G.params[0].data) is not backend.xp():
            raise BackendError("Captured: the game is not on a GPU: choose the cupy backend before you make its networks")
        self.game = game
        self._rules = game.opt_G, game.opt_D
        self._steps = [0, 0]  # of each rule, in a step of the game
        self._recorded: tuple[list, list] | None = None  # the settings, and the arrays, that the recording is right for
        self._draws: list[Draw] = []  # what a step draws, in order
        self._inputs: list[Any] = []  # where the recorded step looks for it
        self._graph: Graph | None = None

    def step(self, batches: Iterator) -> Figures:
        """One iteration of the game."""
        if not self._is_up_to_date():
            return self._rehearse(batches)
        drawn = [draw(batches) for draw in self._draws]
        if self._graph is None:
            self._graph = self._record(drawn)
        for place, new in zip(self._inputs, drawn, strict=True):
            _fill(place, new)
        for rule in self._rules:
            rule.catch_up()
        self._graph.run()
        for rule, steps in zip(self._rules, self._steps, strict=True):
            rule.count(steps)
        row = self._figures.copy()  # the next step writes to it again
        return Figures(**{name: Tensor._of(row[i]) for i, name in enumerate(self._names)})

    # --- recording ---------------------------------------------------------------------------------------------------

    def _rehearse(self, batches: Iterator) -> Figures:
        """A step that is carried out as it will be recorded; what it draws is noted."""
        self._draws, self._graph = [], None
        for rule in self._rules:
            rule.prepare_recording()
        before = self._counts()
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
        self._steps = [now - then for now, then in zip(self._counts(), before, strict=True)]
        self._recorded = self._settings(), self._arrays()
        return figures

    def _record(self, drawn: list[Any]) -> Graph:
        """The step on these minibatches and noise, without carrying it out."""
        self._inputs = [_place(each) for each in drawn]
        given, graph, before, counts = iter(self._inputs), Graph(), dict(vars(self.game)), self._counts()
        try:
            with self._drawing_by(lambda batches: next(given), lambda m: next(given)), graph.record():
                figures = self.game.step(iter(()))
                self._names, self._figures = list(figures), figures.stacked().data
        finally:
            for rule, then, now in zip(self._rules, counts, self._counts(), strict=True):
                rule.count(then - now)
        replaced = [name for name, value in vars(self.game).items() if value is not before[name]]
        vars(self.game).update(before)
        if replaced:
            raise BackendError(f"Captured: {type(self.game).__name__} replaces {replaced} in every step; it cannot be recorded")
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

    def _counts(self) -> list[int]:
        """How many steps each rule has taken."""
        return [rule.state[0]["t"] for rule in self._rules]

    # --- is the recording still right? -------------------------------------------------------------------------------

    def _is_up_to_date(self) -> bool:
        if self._recorded is None:
            return False
        settings, arrays = self._recorded
        now = self._arrays()
        return (
            self._settings() == settings and len(now) == len(arrays) and all(a is b for a, b in zip(now, arrays, strict=True))
        )

    def _settings(self) -> list[Any]:
        """All numbers and flags that a recorded step takes for given."""
        parts = [*self.game.G.modules(), *self.game.D.modules()]
        flags = [p.requires_grad for player in (self.game.G, self.game.D) for p in player.parameters()]
        return [*map(_numbers, (self.game, *self._rules, *parts)), flags, [part.training for part in parts]]

    def _arrays(self) -> list[Any]:
        """The arrays of the parameters and of the rules' states, and what draws noise: some of it may be replaced."""
        parameters = [p.data for p in (*self.game.G.parameters(), *self.game.D.parameters())]
        states = [state[slot] for rule in self._rules for state in rule.state for slot in rule.slots if slot in state]
        return [*parameters, *states, self.game.prior, getattr(self.game.prior, "generator", None)]


def _numbers(thing: Any) -> dict[str, Any]:
    """An object's settings: its attributes that are numbers, but for those that may change."""
    followed = ("_lr", "_t_known", "training", "output_shape")
    return {k: v for k, v in vars(thing).items() if isinstance(v, bool | int | float | tuple) and k not in followed}


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
