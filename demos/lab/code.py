"""A run as lines of minigan's code. The saved script has the executed lines, so it repeats the run, bit for bit.

Settings come from a page, and so from anybody. `Settings.of` accepts only the names in this file and numbers within bounds;
nothing else becomes code.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

DATA = {
    "ring": "x = data.ring(4000, radius=1.0, std=0.05, rng=rng)",
    "grid": "x = data.grid(4000, spacing=0.5, std=0.03, rng=rng)",
    "line": "t = rng.uniform(-1, 1, 4000)\nx = np.stack([t, t / 2], axis=1)",
    "spiral": "t = np.sqrt(rng.uniform(0.05, 1, 4000))\nx = np.stack([t * np.cos(9 * t), t * np.sin(9 * t)], axis=1)",
    "moons": (
        "t, side = rng.uniform(0, np.pi, 4000), rng.choice([-1, 1], 4000)\n"
        "x = np.stack([0.66 * np.cos(t) + 0.33 * side, side * (0.66 * np.sin(t) - 0.17)], axis=1)"
    ),
    "drawn": "drawn = np.array({points})\nx = drawn[rng.integers(len(drawn), size=4000)]",
}
GAMES = {
    "GAN": "GAN({players}, k={k}, l={l})",
    "GAN, saturating": "GAN({players}, k={k}, l={l}, saturating=True)",
    "GAN with R1": "GAN({players}, k={k}, l={l}, r1=0.3)",
    "WGAN": "WGAN({players}, n_critic={k}, clip=0.1)",
    "WGAN-GP": "WGANGP({players}, n_critic={k}, penalty=1.0)",
    "least squares": "GAN({players}, k={k}, l={l}, loss=losses.least_squares_game)",
    "hinge": "GAN({players}, k={k}, l={l}, loss=losses.hinge_game)",
}
OWN = {"optimizer": "Adam", "k": 1, "lr_D": 0.002, "lr_G": 0.002}  # the settings of a newly chosen game ...
PAPERS = {  # ... unless its paper has others
    "WGAN": {"optimizer": "RMSProp", "k": 5, "lr_D": 5e-5, "lr_G": 5e-5},  # Arjovsky et al. 2017
    "WGAN-GP": {"optimizer": "Adam", "k": 5, "lr_D": 1e-4, "lr_G": 1e-4},  # Gulrajani et al. 2017
}
RULES = {
    "Adam": "optim.Adam({theta}, {lr}, betas=(0.5, 0.999))",
    "SGD": "optim.SGD({theta}, {lr})",
    "momentum": "optim.SGD({theta}, {lr}, momentum=0.9)",
    "RMSProp": "optim.RMSProp({theta}, {lr})",
    "OMD": "optim.OMD({theta}, {lr})",
    "optimistic Adam": "optim.OptimisticAdam({theta}, {lr}, betas=(0.5, 0.999))",
}
NOISE = ("normal", "uniform")
CHOICES = {"data": tuple(DATA), "game": tuple(GAMES), "optimizer": tuple(RULES), "noise": NOISE}
BOUNDS = {"lr_D": (0, 10), "lr_G": (0, 10), "k": (1, 20), "l": (1, 20)}
BOUNDS |= {"width": (1, 256), "batch": (1, 1024), "seed": (0, 10**6)}
MOST_POINTS = 3000
AGAIN = {"width", "noise", "seed"}  # settings that restart the run; the others change while it continues

HEAD = '''"""A run of minigan's playground, bit for bit."""

import numpy as np

import minigan as mg
from minigan import data, losses, nn, optim
from minigan.games import GAN, WGAN, WGANGP
'''


@dataclass(frozen=True)
class Settings:
    """The settings on the page."""

    data: str = "ring"
    game: str = "GAN"
    optimizer: str = "Adam"
    lr_D: float = 0.002  # noqa: N815 (the players' letters keep their case)
    lr_G: float = 0.002  # noqa: N815
    k: int = 1  # D steps an iteration
    l: int = 1  # G steps an iteration; the Wasserstein games have one
    width: int = 32  # of the two hidden layers of each network
    batch: int = 128
    noise: str = "normal"  # z, of two dimensions
    seed: int = 0
    points: tuple[tuple[float, float], ...] = ()  # drawn on the page

    def of(self, asked: Any) -> "Settings":
        """These settings with changes; a new game brings its optimizer, k and rates. Raises ValueError for invalid settings."""
        if not isinstance(asked, dict):
            raise ValueError("expected settings: names with values")
        checked = {str(name): self._checked(str(name), value) for name, value in asked.items()}
        before, after = (PAPERS.get(game, OWN) for game in (self.game, checked.get("game", self.game)))
        new = replace(self, **((after if after != before else {}) | checked))
        if new.data == "drawn" and not new.points:
            raise ValueError("data: draw some points first")
        return new

    def _checked(self, name: str, value: Any) -> Any:
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(f"{name}: choose one of {', '.join(CHOICES[name])}")
            return value
        if name == "points":
            pairs = value if isinstance(value, list) and 0 < len(value) <= MOST_POINTS else [None]
            whole = all(isinstance(p, list) and len(p) == 2 for p in pairs)
            if not whole or not all(type(v) in (int, float) and abs(v) <= 2 for p in pairs for v in p):
                raise ValueError(f"points: expected 1 to {MOST_POINTS:,} pairs of numbers from -2 to 2")
            return tuple((round(float(a), 3), round(float(b), 3)) for a, b in pairs)
        if name not in BOUNDS:
            raise ValueError(f"there is no setting {name[:40]!r}")
        kind, (low, high) = type(getattr(Settings, name)), BOUNDS[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or kind(value) != value:
            raise ValueError(f"{name}: expected a{' whole' if kind is int else ''} number from {low} to {high:,}")
        return kind(value)

    def shown(self) -> dict[str, Any]:
        """The settings for the page, without the points: the page has them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "points"}


def beginning(s: Settings) -> str:
    """The lines from the seed to the game."""
    hidden = f"nn.Dense(2, {s.width}), {{0}}, nn.Dense({s.width}, {s.width}), {{0}}, nn.Dense({s.width}, {{1}})"
    return f"""mg.seed({s.seed})
{data_lines(s)}
prior = data.noise(2, {s.noise!r}, rng=np.random.default_rng([{s.seed}, 2]))
G = nn.Sequential({hidden.format("nn.ReLU()", 2)})
D = nn.Sequential({hidden.format("nn.LeakyReLU(0.2)", 1)})
opt_G = {rule(s, "G")}
opt_D = {rule(s, "D")}
{game_line(s)}"""


def data_lines(s: Settings) -> str:
    """The lines that make the data x and their minibatches."""
    noise = "" if s.data in ("ring", "grid") else " + 0.02 * rng.standard_normal(x.shape)"
    return f"""rng = np.random.default_rng([{s.seed}, 1])
{DATA[s.data].replace("{points}", repr([list(p) for p in s.points]))}
x = (x{noise}).astype('float32')
batches = data.batches(x, size={s.batch}, rng=rng)"""


def rule(s: Settings, player: str) -> str:
    return RULES[s.optimizer].format(theta=f"{player}.parameters()", lr=asdict(s)[f"lr_{player}"])


def game_line(s: Settings) -> str:
    return f"game = {GAMES[s.game].format(players='G, D, prior, opt_G, opt_D', k=s.k, l=s.l)}"


def change(old: Settings, new: Settings) -> str:
    """The lines that turn a run with the old settings into one with the new ones."""
    before, after = asdict(old), asdict(new)
    other = {name for name in after if after[name] != before[name]}
    lines = [f"opt_{player}.lr = {after[f'lr_{player}']}" for player in "DG" if f"lr_{player}" in other]
    if "optimizer" in other:
        lines = [f"opt_{player} = {rule(new, player)}" for player in "GD"]
    if other & {"optimizer", "game", "k", "l"}:
        lines.append(game_line(new))
    if other & {"data", "batch"} or ("points" in other and new.data == "drawn"):
        lines.append(data_lines(new))
    return "\n".join(lines)


def script(parts: list[tuple[int, str]], iteration: int) -> str:
    """The run so far as a program; `parts`: (iteration before which it was executed, code)."""
    lines = [HEAD]
    ends = [at for at, _ in parts[1:]] + [iteration]
    for (at, code), end in zip(parts, ends, strict=True):
        lines.append(code)
        if end > at:
            lines.append(f"for _ in range({end - at}):\n    figures = game.step(batches)")
    return "\n".join([*lines, f'print("after {iteration:,} iterations:", figures)' if iteration else ""]) + "\n"
