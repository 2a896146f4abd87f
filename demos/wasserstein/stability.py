"""In how many settings does a game end well? GAN, WGAN and WGAN-GP under the same rates, tempi, depths, normalisations."""

from dataclasses import dataclass
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, compare
from demos.kit.loops import run_tasks
from demos.kit.mixtures import RING
from demos.kit.rounding import percent
from demos.kit.style import MARKERS, OTHERS, slide
from demos.kit.training import train
from minigan import data, metrics, nn, optim
from minigan.games import GAN, WGAN, WGANGP
from minigan.games.game import Game

GAMES = ("GAN", "WGAN, clipped", "WGAN-GP")
SIDE = 14  # pixels of the digits, halved
END_WELL = "of {ring: settings|.0f} settings on a ring / {ring: settings|.0f} on digits, end well: " + ", ".join(
    f"{name} {{ring, {name}: settings that end well|.0f}} / {{digits, {name}: settings that end well|.0f}}" for name in GAMES
)
WELL = 2.0  # in units of the data's own distance: a game that ends nearer has ended well


@dataclass(frozen=True)
class Choice:
    """A setting that somebody might choose without knowing the data."""

    rate: float  # of both players; it falls linearly to 0
    tempo: int  # steps of D, or of the critic, to one of G
    hidden: int  # layers in each network
    normalised: bool  # batch normalisation in G's hidden layers


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    rates: tuple[float, ...] = (5e-4, 2e-3, 8e-3)
    tempi: tuple[int, ...] = (1, 5)
    hidden: tuple[int, ...] = (1, 3)
    normalised: tuple[bool, ...] = (False, True)
    steps: int = 300  # iterations
    width: int = 64
    batch: int = 64
    z: int = 16  # numbers of noise for the digits; for the ring, 2
    clip: float = 0.1  # c
    penalty: float = 1.0  # lambda
    points: int = 500  # samples, and as many data, for a distance
    parts: int = 4  # distances that are averaged, each of new samples


QUICK = Settings(rates=(2e-3,), tempi=(1,), normalised=(True,), steps=30, points=100, parts=1)


def choices(s: Settings) -> list[Choice]:
    """All combinations."""
    return [Choice(*chosen) for chosen in product(s.rates, s.tempi, s.hidden, s.normalised)]


def network(features: int, width: int, out: int, c: Choice, activation: type[nn.Module], normalised: bool) -> nn.Sequential:
    """Dense layers; after each hidden one its batch normalisation (if `normalised`) and its activation."""
    layers: list[nn.Module] = []
    for i in range(c.hidden):
        layers += [nn.Dense(width if i else features, width), *([nn.BatchNorm1d(width)] if normalised else []), activation()]
    return nn.Sequential(*layers, nn.Dense(width, out))


def make_game(name: str, c: Choice, features: int, s: Settings) -> Game:
    """A game on points in the plane (two features), or on pixels from -1 to 1 (more)."""
    z = s.z if features > 2 else 2
    G = network(z, s.width, features, c, nn.ReLU, c.normalised)
    if features > 2:
        G = nn.Sequential(G, nn.Tanh())
    D = network(features, s.width, 1, c, nn.LeakyReLU, False)  # a penalised critic must not see the minibatch
    if name == "WGAN, clipped":
        opt_G, opt_D = (optim.RMSProp(player.parameters(), c.rate) for player in (G, D))
        return WGAN(G, D, data.noise(z), opt_G, opt_D, n_critic=c.tempo, clip=s.clip)
    betas = (0.5, 0.999) if name == "GAN" else (0.0, 0.9)
    opt_G, opt_D = (optim.Adam(player.parameters(), c.rate, betas) for player in (G, D))
    if name == "GAN":
        return GAN(G, D, data.noise(z), opt_G, opt_D, k=c.tempo)
    return WGANGP(G, D, data.noise(z), opt_G, opt_D, n_critic=c.tempo, penalty=s.penalty)


def halved(images: np.ndarray) -> np.ndarray:
    """Images (n, 1, 28, 28) in [0, 1] as rows (n, 196) in [-1, 1]: the means of four pixels each."""
    means = images.reshape(-1, SIDE, 2, SIDE, 2).mean(axis=(2, 4))
    return (2 * means - 1).reshape(-1, SIDE * SIDE).astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Exact W1 of points in the plane; sliced W1 of rows of pixels: the mean of exact W1s along 200 directions."""
    if a.shape[1] == 2:
        return metrics.wasserstein1(a, b)
    directions = np.random.default_rng(0).standard_normal((a.shape[1], 200))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(np.sort(a @ directions, axis=0) - np.sort(b @ directions, axis=0)).mean())


def own_distance(x: np.ndarray, s: Settings) -> float:
    """Between two samples of the data, on average."""
    pairs = x[: 10 * s.points].reshape(5, 2, s.points, -1)
    return float(np.mean([distance(a, b) for a, b in pairs]))


def play(name: str, c: Choice, on: str, seed: int, data_sets: dict[str, tuple[np.ndarray, float]], s: Settings) -> float:
    """The distance of a game's samples from the data at the end, in units of the data's own distance."""
    mg.seed(seed)
    x, own = data_sets[on]
    game, batches = make_game(name, c, x.shape[1], s), data.batches(x, size=s.batch)
    train(game, batches, s.steps, "game")
    samples = game.sample(s.parts * s.points)
    if not np.isfinite(samples).all():
        return np.inf
    parts = zip(np.split(x[: len(samples)], s.parts), np.split(samples, s.parts), strict=True)
    return float(np.mean([distance(a, b) for a, b in parts])) / own


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: the true shares that agree with `hits` of n."""
    centre, margin = hits + z**2 / 2, z * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return float((centre - margin) / (n + z**2)), float((centre + margin) / (n + z**2))


def experiment(claim: Claim, s: Settings) -> None:
    """Every game with every choice on both data sets; the shares that end well, and the picture."""
    mg.seed(claim.args.seed)
    x, _, _ = digits.load(claim.args)
    rows = {"ring": RING.sample(20_000), "digits": halved(x[:20_000])}
    data_sets = {on: (points, own_distance(points, s)) for on, points in rows.items()}
    every = list(enumerate(choices(s), start=claim.args.seed))
    tasks = {f"{name} on {on}, {c}": (name, c, on, seed) for on, name, (seed, c) in product(data_sets, GAMES, every)}
    distances = run_tasks(play, tasks, data_sets, s, steps=len(tasks) * s.steps)
    ends = dict(zip(data_sets, np.reshape(distances, (2, len(GAMES), len(every))), strict=True))
    report(claim, ends)
    claim.show(draw(ends), "stability", title(claim))


def report(claim: Claim, ends: dict[str, np.ndarray]) -> None:
    """The share of the settings in which each game ends well; whether a WGAN ends well in more of them than the GAN."""
    for on, table in ends.items():
        claim.note(f"{on}: settings", table.shape[1])
        for name, row in zip(GAMES, table, strict=True):
            hits = int((row <= WELL).sum())
            low, high = wilson(hits, len(row))
            claim.note(f"{on}, {name}: settings that end well", hits, "reported")
            claim.note(f"{on}, {name}: share, low", low, "Wilson's 95 % interval")
            claim.note(f"{on}, {name}: share, high", high, "Wilson's 95 % interval")
    well = np.concatenate([table <= WELL for table in ends.values()], axis=1).astype(float)
    for name, row in zip(GAMES, well, strict=True):
        claim.at_least(f"{name}: settings that end well", row.sum(), 1)
    for name, row in zip(GAMES[1:], well[1:], strict=True):
        claim.compare(f"share that ends well, {name} less GAN", compare(row, well[0], "higher", paired=True))


def title(claim: Claim) -> str:
    """How often each game ends well, and whether a WGAN does more often than the GAN."""
    verdicts = [claim.words(f"{{share that ends well, {name} less GAN|higher}}") for name in GAMES[1:]]
    clipped, penalised = ({HELPS: "more", HURTS: "fewer"}.get(word, word) for word in verdicts)
    beside = f"both {clipped}" if clipped == penalised else f"{GAMES[1]} {clipped}, {GAMES[2]} {penalised}"
    return claim.words(f"More stable? {END_WELL}; beside the GAN: {beside}")


def draw(ends: dict[str, np.ndarray]) -> plt.Figure:
    """A mark for each setting's distance at the end; those below the line end well."""
    figure, panels = slide(1, 2, sharey=True)
    for axes, (on, table) in zip(panels, ends.items(), strict=True):
        names = []
        for i, (name, row) in enumerate(zip(GAMES, table, strict=True)):
            shown = np.minimum(row, 100.0)
            axes.plot(i + np.linspace(-0.3, 0.3, len(row)), shown, MARKERS[i], color=OTHERS[i], markersize=9)
            low, high = wilson(int((row <= WELL).sum()), len(row))
            names.append(f"{name}\n{(row <= WELL).sum()} of {len(row)}\n({percent(low)} to {percent(high)})")
        axes.axhline(WELL, color="grey", linestyle="--")
        axes.set_title("a ring of 8 modes" if on == "ring" else f"digits, {SIDE} x {SIDE} pixels")
        axes.set(yscale="log", ylim=(0.7, 130), xticks=range(len(GAMES)), xticklabels=names)
        axes.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100 or more"])
        axes.minorticks_off()
        axes.label_outer()
    panels[0].set_ylabel("distance at the end / that of two samples of the data")
    panels[0].text(2.45, 0.75, "below the line: ends well", ha="right", va="bottom")
    return figure
