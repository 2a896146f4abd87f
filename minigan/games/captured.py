"""A game whose step is recorded as a CUDA graph: one call of the GPU instead of hundreds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minigan import backend
from minigan.backend import Array, BackendError, DeviceGenerator, Graph
from minigan.data.priors import Noise
from minigan.games.game import Figures, Game
from minigan.tensor import Tensor


class Captured:
    """`Captured(game).step(batches)` does what `game.step(batches)` does; from the second time on, by repeating a recording.

    Small networks leave a GPU idle while Python calls it for each op; a recorded step is one call. The first step is a
    rehearsal, the second is recorded: on minibatches and noise in memory that later ones are copied to. So all minibatches
    have one shape, and what the networks do must depend on arrays alone. Noise that minigan draws on the device (`data.noise`
    without `rng`, dropout) is part of the recording. Products are computed by cuTENSOR, an extra, since CuPy cannot record
    cuBLAS; batch norm, and games that replace an attribute in every step (BEGAN's k), cannot be recorded.

    Raises BackendError for a game that is not on a GPU, and for what cannot be recorded.
    """

    def __init__(self, game: Game):
        if backend.of(game.opt_G.params[0].data) is not backend.xp() or backend.name() == "numpy":
            raise BackendError("Captured: the game is not on a GPU: choose the cupy backend before you make its networks")
        self.game = game
        self._draws: list[Callable[[Iterator], Any]] = []  # how a step draws its minibatches and noise, in order
        self._inputs: list[Any] = []  # where the recorded step looks for them
        self._graph: Graph | None = None
        self._arrays: list[Any] = []  # what the recorded step works on

    def step(self, batches: Iterator) -> Figures:
        """One iteration of the game."""
        present = self._present_arrays()
        if len(present) != len(self._arrays) or any(a is not b for a, b in zip(present, self._arrays, strict=True)):
            return self._rehearse(batches)
        drawn = [draw(batches) for draw in self._draws]
        if self._graph is None:
            self._record(drawn)
        for place, new in zip(self._inputs, drawn, strict=True):
            _fill(place, new)
        self._graph.run()
        row = self._figures.copy()  # the next step writes to it again
        return Figures(**{name: Tensor._of(row[i]) for i, name in enumerate(self._names)})

    def _rehearse(self, batches: Iterator) -> Figures:
        """A step that is carried out as it will be recorded, and noted what it draws."""
        self._draws, self._inputs, self._graph = [], [], None
        for rule in (self.game.opt_G, self.game.opt_D):
            rule.prepare_recording()
        minibatch, prior = self.game.minibatch, self.game.prior

        def next_minibatch(batches):
            self._draws.append(minibatch)
            return minibatch(batches)

        def next_noise(m):
            self._draws.append(lambda batches: prior(m))
            return prior(m)

        with self._drawing_by(next_minibatch, next_noise), backend.rehearsing():
            figures = self.game.step(batches)
        self._arrays = self._present_arrays()
        return figures

    def _record(self, drawn: list[Any]) -> None:
        """The step on these minibatches and noise, without carrying it out."""
        self._inputs = [_place(each) for each in drawn]
        given, graph, before = iter(self._inputs), Graph(), dict(vars(self.game))
        with self._drawing_by(lambda batches: next(given), lambda m: next(given)), graph.record():
            figures = self.game.step(iter(()))
            self._names, self._figures = list(figures), figures.stacked().data
        replaced = [name for name, value in vars(self.game).items() if value is not before[name]]
        vars(self.game).update(before)
        if replaced:
            raise BackendError(f"Captured: {type(self.game).__name__} replaces {replaced} in every step; it cannot be recorded")
        self._graph = graph

    @contextmanager
    def _drawing_by(self, minibatch: Callable, noise: Callable) -> Iterator[None]:
        """The game draws by these functions for a block; noise of the device's own is drawn within the recording."""
        game, prior = self.game, self.game.prior
        on_device = isinstance(prior, Noise) and isinstance(prior.generator, DeviceGenerator)
        game.minibatch, game.prior = minibatch, prior if on_device else noise
        try:
            yield
        finally:
            del game.minibatch
            game.prior = prior

    def _present_arrays(self) -> list[Any]:
        """The arrays of the parameters, and of the rules' states: loading a state replaces some of them."""
        game, rules = self.game, (self.game.opt_G, self.game.opt_D)
        parameters = [p.data for p in (*game.G.parameters(), *game.D.parameters())]
        return parameters + [value for rule in rules for state in rule.state for value in state.values()]


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
