"""A run: the lines of code that it has come to, the objects that these have made, and what they show."""

from collections import deque
from copy import deepcopy
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from demos.lab import code, hinge
from demos.lab.code import Settings
from demos.lab.walker import Walker
from minigan import Tensor, grad, metrics, no_grad, sigmoid
from minigan.backend import random_numbers
from minigan.losses import generator_loss

EVERY = 10  # iterations between two that a run can go back to at once; to others, it plays again from the last one
PAST = 200  # of them
ROWS = 300  # moments in the curves
SAMPLES, SIDE, REACH = 256, 40, 1.5  # samples that are shown; D is asked at SIDE x SIDE places from -REACH to REACH
CELLS = 12  # of the grid of z
MODES = {"ring": ("ring_centres", {"radius": 1.0}, 0.05), "grid": ("grid_centres", {"spacing": 0.5}, 0.03)}
PLACES = np.linspace(-REACH, REACH, SIDE)
PLANE = np.stack(np.meshgrid(PLACES, PLACES), axis=-1).reshape(-1, 2).astype(np.float32)  # row by row, from below


@dataclass
class Moment:
    """What it takes to go back: the settings, the code, the objects and their states."""

    iteration: int
    settings: Settings
    figures: dict[str, Any]
    parts: list[tuple[int, str]]
    things: dict[str, Any]
    states: dict[str, Any]
    history: list[dict[str, float]]  # the run's own list, which grows


class Pane:
    """A run with its settings. All its methods are called by one thread."""

    def __init__(self, settings: Settings):
        self.walker: Walker | None = None
        self.past: deque[Moment] = deque(maxlen=PAST)
        self.begin(settings)

    # --- what a class does with it -------------------------------------------------------------------------------------

    def begin(self, settings: Settings) -> None:
        """From the seed on. `undo` leads back to the run before."""
        if self.past:
            self.give_up()
            self.keep_exactly()
        self.settings, self.iteration, self.figures, self.trouble = settings, 0, {}, ""
        self.parts, self.things = [(0, code.beginning(settings))], {"HingeGAN": hinge.HingeGAN}
        self.history: list[dict[str, float]] = []
        with random_numbers.own_generators():
            exec(code.HEAD + self.parts[0][1], self.things)
            self.rng = random_numbers.generator()  # the run's own, whatever other panes draw
        self.choose_points()
        self.keep()

    def copy(self) -> "Pane":
        """Another pane with the same run, and the same way back."""
        self.give_up()
        shared = [thing for thing in self.things.values() if isinstance(thing, ModuleType)]
        return deepcopy(self, {id(thing): thing for thing in (*shared, self.things["__builtins__"])})

    def change(self, asked: Any) -> None:
        """Other settings. Raises ValueError for what is none, and then nothing has changed."""
        new = self.settings.of(asked)
        if any(getattr(new, name) != getattr(self.settings, name) for name in code.AGAIN):
            self.begin(new)
            return
        if lines := code.change(self.settings, new):
            self.give_up()  # an iteration has one setting, from its start to its end
            self.keep_exactly()
            self.things = dict(self.things)
            with self.own_generators():
                exec(lines, self.things)
            self.parts = [*self.parts, (self.iteration, lines)]
        self.settings = new
        self.choose_points()
        if lines:
            self.keep()

    def iterate(self) -> None:
        """One iteration, or the rest of one."""
        if self.walker is not None:
            self.walk("finish")
            return
        try:
            with self.own_generators():
                figures = self.things["game"].step(self.things["batches"])
        except Exception:
            self.back_to(self.iteration)
            raise
        self.ended(figures)

    def substep(self) -> None:
        """To the end of the next sub-step."""
        if self.walker is None:
            self.walker = Walker(self.things)
        self.walk("substep")

    def undo(self) -> None:
        """Take back the last step: the sub-steps of an iteration, a change of settings, a restart, or an iteration."""
        if self.walker is not None:
            self.give_up()
        elif self.has_just_changed():
            self.past.pop()
            self.restore(self.past[-1])
        else:
            self.back_to(max(self.iteration - 1, 0))

    def has_just_changed(self) -> bool:
        """Whether settings have changed, or the run has begun, since the last iteration."""
        if self.walker is not None or len(self.past) < 2:
            return False
        before, last = self.past[-2], self.past[-1]
        return last.iteration == self.iteration and last.parts is not before.parts

    def back_to(self, target: int) -> None:
        """The run as it was after so many iterations."""
        while self.past[-1].iteration > target and len(self.past) > 1:
            self.past.pop()
        self.restore(self.past[-1])
        while self.iteration < target:
            self.iterate()
        self.history[:] = [row for row in self.history if row["iteration"] <= target]

    def script(self) -> str:
        """The run as a program."""
        return code.script(self.parts, self.iteration)

    # --- the run -------------------------------------------------------------------------------------------------------

    def own_generators(self) -> Any:
        return random_numbers.own_generators(self.rng)

    def walk(self, how: str) -> None:
        walker = self.walker
        with self.own_generators():
            at_its_end = walker.go(how)
        if at_its_end:
            self.walker = None
            if walker.error is not None:
                self.back_to(self.iteration)
                raise walker.error
            if walker.figures is not None:
                self.ended(walker.figures)

    def ended(self, figures: Any) -> None:
        """An iteration has ended."""
        self.figures = figures
        self.iteration += 1
        self.trouble = self.find_trouble()
        if self.iteration % EVERY == 0 and not self.trouble:
            self.keep()

    def find_trouble(self) -> str:
        """Whose parameters are nan or infinite: D first, for it steps first; or which loss is. "" if all are finite."""
        parameters = {player: self.things[f"opt_{player}"].params for player in "DG"}
        players = [player for player, tensors in parameters.items() if not all(np.isfinite(t.numpy()).all() for t in tensors)]
        losses = [name for name in ("loss_D", "loss_G") if self.iteration and not np.isfinite(self.figures[name])]
        if not (players or losses):
            return ""
        whose = f"parameters of {' and then of '.join(players)}" if players else " and ".join(losses)
        return f"Iteration {self.iteration:,}: {whose} became nan or infinite. Undo it, and choose smaller rates."

    def give_up(self) -> None:
        """End an iteration that is under way, as if it had not begun."""
        if self.walker is not None:
            self.close()
            self.back_to(self.iteration)

    def close(self) -> None:
        """End the thread of an iteration that is under way."""
        if self.walker is not None:
            self.walk("give up")

    def keep(self) -> None:
        """Be able to come back here."""
        with self.own_generators():
            states = {name: self.things[name].state_dict() for name in ("game", "batches")}
        self.past.append(Moment(self.iteration, self.settings, self.figures, self.parts, self.things, states, self.history))

    def keep_exactly(self) -> None:
        """Be able to come back here without an iteration that is played again."""
        if self.past[-1].iteration != self.iteration:
            self.keep()

    def restore(self, moment: Moment) -> None:
        self.iteration, self.settings, self.figures = moment.iteration, moment.settings, moment.figures
        self.parts, self.things, self.history = moment.parts, moment.things, moment.history
        with self.own_generators():
            for name, state in moment.states.items():
                self.things[name].load_state_dict(state)
        self.trouble = self.find_trouble()
        self.choose_points()

    # --- what it shows -------------------------------------------------------------------------------------------------

    def choose_points(self) -> None:
        """The z of the samples, the same from frame to frame, and points of the data."""
        self.z = self.things["prior"](SAMPLES, rng=np.random.default_rng([self.settings.seed, 3]))
        self.some = self.things["x"][:SAMPLES]

    def frame(self) -> dict[str, Any]:
        """Everything that the page draws, from the networks as they are now."""
        game = self.things["game"]
        with no_grad():
            samples, opinion = game.G(Tensor(self.z)).numpy(), game.D(Tensor(PLANE))
            opinion = (sigmoid(opinion) if self.has_probabilities() else opinion).numpy()
            warped = game.G(Tensor(self.lattice())).numpy()
        found = {"iteration": self.iteration, "settings": self.settings.shown(), "substep": self.walker and self.walker.substep}
        found |= {"trouble": self.trouble, "probability": self.has_probabilities(), "figures": dict(self.measure(samples))}
        found |= {"data": listed(self.some), "samples": listed(samples), "arrows": listed(self.arrows(samples))}
        found |= {"opinion": listed(opinion.reshape(-1)), "grid": listed(warped), "script": self.script()}
        return found | {"history": self.history}

    def arrows(self, samples: np.ndarray) -> np.ndarray:
        """What D tells G: -d L_G / dx at each sample, of that sample's own loss."""
        game, x = self.things["game"], Tensor(samples, requires_grad=True)
        logits = game.D(x)
        loss = generator_loss(logits, game.saturating) * float(len(samples)) if self.has_probabilities() else -logits.sum()
        return -grad(loss, x)[0].numpy()

    def has_probabilities(self) -> bool:
        """Whether sigma(D(x)) is one; a critic's number is none."""
        return hasattr(self.things["game"], "saturating")

    def lattice(self) -> np.ndarray:
        """A grid of z, (CELLS + 1)^2 points: where the noise is uniform, equally much of it in each cell."""
        reach = 1.0 if self.settings.noise == "uniform" else 2.0
        line = np.linspace(-reach, reach, CELLS + 1)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)

    def measure(self, samples: np.ndarray) -> dict[str, float | str]:
        """The last step's figures, the exact distance, the modes; they also become a row of the curves."""
        row = {"iteration": self.iteration, **{name: float(value) for name, value in dict(self.figures).items()}}
        if np.isfinite(samples).all():
            row["distance"] = metrics.wasserstein1(samples, self.some)
            if self.settings.data in MODES:
                name, options, std = MODES[self.settings.data]
                centres = getattr(self.things["data"], name)(**options)
                coverage = metrics.mode_coverage(samples, centres, std)
                row |= {"modes": coverage["modes"], "of": len(centres), "high_quality": coverage["high_quality"]}
        if not self.history or self.history[-1]["iteration"] < self.iteration:
            self.history.append({name: round(value, 6) for name, value in row.items() if np.isfinite(value)})
        if len(self.history) > ROWS:
            del self.history[-2:0:-2]  # every other one, but for the first and the last
        return {name: value if np.isfinite(value) else str(value) for name, value in row.items()}  # JSON has no nan


def listed(array: np.ndarray) -> list:
    """Numbers for JSON, which has no nan and no infinity: None, which is not shown."""
    numbers = np.round(array.astype(float), 7)
    finite = np.isfinite(numbers)
    return (numbers if finite.all() else np.where(finite, numbers, None)).tolist()
