"""A run: the lines of code executed so far, the objects that they made, and the data of its picture."""

from collections import deque
from copy import deepcopy
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from demos.lab import code
from demos.lab.code import Settings
from demos.lab.step_by_step import StepByStep
from minigan import Tensor, grad, metrics, no_grad, sigmoid
from minigan.backend import random_numbers
from minigan.games.gan import LOG_LOSSES

EVERY = 10  # iterations between two snapshots; to undo to an iteration between them, the run repeats those after the snapshot
PAST = 200  # snapshots kept
ROWS = 300  # points of a curve
SAMPLES, SIDE, REACH = 256, 40, 1.5  # samples shown; D is evaluated at SIDE x SIDE places from -REACH to REACH
CELLS = 12  # cells in a row of the grid of z
MODES = {"ring": ("ring_centres", {"radius": 1.0}, 0.05), "grid": ("grid_centres", {"spacing": 0.5}, 0.03)}
PLACES = np.linspace(-REACH, REACH, SIDE)
PLANE = np.stack(np.meshgrid(PLACES, PLACES), axis=-1).reshape(-1, 2).astype(np.float32)  # row by row, from the bottom


@dataclass
class Snapshot:
    """All that undo needs: the settings, the code, the objects and their states."""

    iteration: int
    settings: Settings
    figures: dict[str, Any]
    parts: list[tuple[int, str]]
    objects: dict[str, Any]
    states: dict[str, Any]
    history: list[dict[str, float]]  # the run's own list, which grows


class Panel:
    """A run with its settings. All its methods are called by one thread."""

    def __init__(self, settings: Settings):
        self.stepper: StepByStep | None = None
        self.past: deque[Snapshot] = deque(maxlen=PAST)
        self.begin(settings)

    # --- commands of the page -------------------------------------------------------------------------------------

    def begin(self, settings: Settings) -> None:
        """Start a run from the seed. `undo` returns to the previous run."""
        if self.past:
            self.abort()
            self.save_here()
        self.settings, self.iteration, self.figures, self.trouble = settings, 0, {}, ""
        self.parts, self.objects = [(0, code.beginning(settings))], {}
        self.history: list[dict[str, float]] = []
        with random_numbers.own_generators():
            exec(code.HEAD + self.parts[0][1], self.objects)
            self.rng = random_numbers.generator()  # the run's own: other panels do not change it
        self.choose_points()
        self.save()

    def copy(self) -> "Panel":
        """A second panel with the same run and the same snapshots."""
        self.abort()
        shared = [thing for thing in self.objects.values() if isinstance(thing, ModuleType)]
        return deepcopy(self, {id(thing): thing for thing in (*shared, self.objects["__builtins__"])})

    def change(self, asked: Any) -> None:
        """Change settings. Raises ValueError for invalid ones; then nothing changes."""
        new = self.settings.of(asked)
        if any(getattr(new, name) != getattr(self.settings, name) for name in code.AGAIN):
            self.begin(new)
            return
        if lines := code.change(self.settings, new):
            self.abort()  # settings do not change within an iteration
            self.save_here()
            self.objects = dict(self.objects)
            with self.own_generators():
                exec(lines, self.objects)
            self.parts = [*self.parts, (self.iteration, lines)]
        self.settings = new
        self.choose_points()
        if lines:
            self.save()

    def iterate(self) -> None:
        """Play one iteration, or the rest of one."""
        if self.stepper is not None:
            self.advance("finish")
            return
        try:
            with self.own_generators():
                figures = self.objects["game"].step(self.objects["batches"])
        except Exception:
            self.back_to(self.iteration)
            raise
        self.ended(figures)

    def substep(self) -> None:
        """Play to the end of the next sub-step."""
        if self.stepper is None:
            self.stepper = StepByStep(self.objects)
        self.advance("substep")

    def undo(self) -> None:
        """Take back the last step: the sub-steps of an iteration, a change of settings, a restart, or an iteration."""
        if self.stepper is not None:
            self.abort()
        elif self.has_just_changed():
            self.past.pop()
            self.restore(self.past[-1])
        else:
            self.back_to(max(self.iteration - 1, 0))

    def has_just_changed(self) -> bool:
        """Whether settings have changed, or the run has started, since the last iteration."""
        if self.stepper is not None or len(self.past) < 2:
            return False
        return self.past[-1].iteration == self.iteration and self.past[-1].parts is not self.past[-2].parts

    def back_to(self, target: int) -> None:
        """Return to the run as it was after `target` iterations."""
        while self.past[-1].iteration > target and len(self.past) > 1:
            self.past.pop()
        self.restore(self.past[-1])
        while self.iteration < target:
            self.iterate()
        self.history[:] = [row for row in self.history if row["iteration"] <= target]

    def script(self) -> str:
        return code.script(self.parts, self.iteration)

    # --- the run -------------------------------------------------------------------------------------------------------

    def own_generators(self) -> Any:
        return random_numbers.own_generators(self.rng)

    def advance(self, how: str) -> None:
        """Play to the end of the sub-step or of the iteration; see StepByStep."""
        stepper = self.stepper
        with self.own_generators():
            if not stepper.go(how):
                return
        self.stepper = None
        if stepper.error is not None:
            self.back_to(self.iteration)
            raise stepper.error
        if stepper.figures is not None:
            self.ended(stepper.figures)

    def ended(self, figures: Any) -> None:
        self.figures = figures
        self.iteration += 1
        self.trouble = self.find_trouble()
        if self.iteration % EVERY == 0 and not self.trouble:
            self.save()

    def find_trouble(self) -> str:
        """A message if parameters (D's first: D steps first) or losses are nan or infinite; "" if all are finite."""
        parameters = {player: self.objects[f"opt_{player}"].params for player in "DG"}
        players = [player for player, tensors in parameters.items() if not all(np.isfinite(t.numpy()).all() for t in tensors)]
        losses = [name for name in ("loss_D", "loss_G") if self.iteration and not np.isfinite(self.figures[name])]
        if not (players or losses):
            return ""
        whose = f"parameters of {' and then of '.join(players)}" if players else " and ".join(losses)
        return f"Iteration {self.iteration:,}: {whose} became nan or infinite. Undo this iteration and choose smaller rates."

    def abort(self) -> None:
        """Cancel a running iteration, as if it had not started."""
        if self.stepper is not None:
            self.advance("abort")
            self.back_to(self.iteration)

    def save(self) -> None:
        with self.own_generators():
            states = {name: self.objects[name].state_dict() for name in ("game", "batches")}
        self.past.append(Snapshot(self.iteration, self.settings, self.figures, self.parts, self.objects, states, self.history))

    def save_here(self) -> None:
        """Save a snapshot of this iteration, unless there is one: an undo then repeats no iteration."""
        if self.past[-1].iteration != self.iteration:
            self.save()

    def restore(self, snapshot: Snapshot) -> None:
        self.iteration, self.settings, self.figures = snapshot.iteration, snapshot.settings, snapshot.figures
        self.parts, self.objects, self.history = snapshot.parts, snapshot.objects, snapshot.history
        with self.own_generators():
            for name, state in snapshot.states.items():
                self.objects[name].load_state_dict(state)
        self.trouble = self.find_trouble()
        self.choose_points()

    # --- the picture -------------------------------------------------------------------------------------------------

    def choose_points(self) -> None:
        """Choose the z of the samples, the same in all frames, and the points of the data that are shown."""
        self.z = self.objects["prior"](SAMPLES, rng=np.random.default_rng([self.settings.seed, 3]))
        self.some = self.objects["x"][:SAMPLES]

    def frame(self) -> dict[str, Any]:
        """Everything that the page draws, computed by the present networks."""
        game = self.objects["game"]
        with no_grad():
            samples, opinion = game.G(Tensor(self.z)).numpy(), game.D(Tensor(PLANE))
            opinion = (sigmoid(opinion) if self.has_probabilities() else opinion).numpy()
            warped = game.G(Tensor(self.lattice())).numpy()
        arrays = {"data": self.some, "samples": samples, "arrows": self.arrows(samples)}
        arrays |= {"opinion": opinion.reshape(-1), "grid": warped}
        frame = {"iteration": self.iteration, "settings": self.settings.shown(), "script": self.script()}
        frame |= {"trouble": self.trouble, "substep": self.stepper and self.stepper.substep}
        frame |= {"probability": self.has_probabilities(), "figures": self.measure(samples), "history": self.history}
        return frame | {name: listed(array) for name, array in arrays.items()}

    def arrows(self, samples: np.ndarray) -> np.ndarray:
        """-d L_G / dx at each sample, of the loss of this sample alone: the direction in which D sends G."""
        game, x = self.objects["game"], Tensor(samples, requires_grad=True)
        logits = game.D(x)
        loss = game.loss.generator(logits) * float(len(samples)) if hasattr(game, "loss") else -logits.sum()
        return -grad(loss, x)[0].numpy()

    def has_probabilities(self) -> bool:
        """Whether sigma(D(x)) is a probability; a critic's output is not, nor that of a D with another loss."""
        return getattr(self.objects["game"], "loss", None) in LOG_LOSSES

    def lattice(self) -> np.ndarray:
        """A grid of z, (CELLS + 1)^2 points. Of uniform noise, each cell has an equal share."""
        reach = 1.0 if self.settings.noise == "uniform" else 2.0
        line = np.linspace(-reach, reach, CELLS + 1)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)

    def measure(self, samples: np.ndarray) -> dict[str, float | str]:
        """The last step's metrics, the exact distance and the modes. Also adds them to the curves."""
        names = [name for name in dict(self.figures) if self.has_probabilities() or name not in ("D_real", "D_fake")]
        row = {"iteration": self.iteration, **{name: float(self.figures[name]) for name in names}}
        if np.isfinite(samples).all():
            row["distance"] = metrics.wasserstein1(samples, self.some)
            if self.settings.data in MODES:
                name, options, std = MODES[self.settings.data]
                centres = getattr(self.objects["data"], name)(**options)
                coverage = metrics.mode_coverage(samples, centres, std)
                row |= {"modes": coverage["modes"], "of": len(centres), "high_quality": coverage["high_quality"]}
        if not self.history or self.history[-1]["iteration"] < self.iteration:
            self.history.append({name: round(value, 6) for name, value in row.items() if np.isfinite(value)})
        if len(self.history) > ROWS:
            del self.history[-2:0:-2]  # every second row, except the first and the last
        return {name: value if np.isfinite(value) else str(value) for name, value in row.items()}  # JSON has no nan


def listed(array: np.ndarray) -> list:
    """Numbers as lists for JSON. nan and infinity become None, which the page does not draw."""
    numbers = np.round(array.astype(float), 7)
    finite = np.isfinite(numbers)
    return (numbers if finite.all() else np.where(finite, numbers, None)).tolist()
