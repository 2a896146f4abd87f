"""Does a game stay where it arrives? GAN, WGAN and WGAN-GP with the same rates, depths and tempo."""

from dataclasses import dataclass
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import compare
from demos.kit.loops import run_tasks
from demos.kit.mixtures import RING
from demos.kit.style import SERIES, slide
from demos.kit.training import train
from minigan import data, metrics, nn, optim
from minigan.games import GAN, WGAN, WGANGP
from minigan.games.game import Game

GAMES = ("GAN", "WGAN, clipped", "WGAN-GP")
SIDE = 14  # pixels of the digits, halved
WELL = 2.0  # in units of the data's own distance: a game that ends nearer has ended well
AGAIN = 2.0  # times the least distance so far: a game that comes to be so far away again diverges
END = 4  # the last of this many parts of a game is its end
NAN = 1000.0  # the distance of samples that are not finite
NAMES = "GAN / clipped WGAN / WGAN-GP"
END_WELL, DIVERGE = (
    ", ".join(
        " / ".join(f"{{{on}, {name}: settings that {what}|.0f}}" for name in GAMES) + f" ({on})" for on in ("ring", "digits")
    )
    for what in ("end well", "diverge")
)


@dataclass(frozen=True)
class Choice:
    """A setting that somebody might choose without knowing the data."""

    rate: float  # of both players; constant, as on the slide: if it fell, no game could go away again
    hidden: int  # layers in each network


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    hidden: tuple[int, ...] = (1, 3)
    ring_steps: int = 2000  # iterations: on the ring, most distances no longer fall; ...
    digits_steps: int = 1000  # ... on digits, at the lowest rate, they still do
    looks: int = 20  # measurements in each game
    n_critic: int = 5  # steps of the critic, or of D, in each iteration, as on the slide
    width: int = 64
    batch: int = 64
    z: int = 16  # numbers of noise for the digits; for the ring, 2
    clip: float = 0.1  # c
    penalty: float = 1.0  # lambda
    points: int = 500  # samples, and as many data, for a distance


QUICK = Settings(rates=(3e-3,), ring_steps=20, digits_steps=20, looks=4, points=100)


def choices(s: Settings) -> list[Choice]:
    """All combinations."""
    return [Choice(*chosen) for chosen in product(s.rates, s.hidden)]


def network(features: int, width: int, out: int, hidden: int, activation: type[nn.Module]) -> nn.Sequential:
    """Dense layers, each hidden one with its activation."""
    layers: list[nn.Module] = []
    for i in range(hidden):
        layers += [nn.Dense(width if i else features, width), activation()]
    return nn.Sequential(*layers, nn.Dense(width, out))


def make_game(name: str, c: Choice, features: int, s: Settings) -> Game:
    """A game on points in the plane (two features), or on pixels from -1 to 1 (more)."""
    z = s.z if features > 2 else 2
    G = network(z, s.width, features, c.hidden, nn.ReLU)
    if features > 2:
        G = nn.Sequential(G, nn.Tanh())
    D = network(features, s.width, 1, c.hidden, nn.LeakyReLU)
    if name == "WGAN, clipped":
        opt_G, opt_D = (optim.RMSProp(player.parameters(), c.rate) for player in (G, D))
        return WGAN(G, D, data.noise(z), opt_G, opt_D, n_critic=s.n_critic, clip=s.clip)
    betas = (0.5, 0.999) if name == "GAN" else (0.0, 0.9)
    opt_G, opt_D = (optim.Adam(player.parameters(), c.rate, betas) for player in (G, D))
    if name == "GAN":
        return GAN(G, D, data.noise(z), opt_G, opt_D, k=s.n_critic)
    return WGANGP(G, D, data.noise(z), opt_G, opt_D, n_critic=s.n_critic, penalty=s.penalty)


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


def steps_on(on: str, s: Settings) -> int:
    """Iterations of a game on the ring or on digits."""
    return s.ring_steps if on == "ring" else s.digits_steps


def play(name: str, c: Choice, on: str, seed: int, data_sets: dict[str, tuple[np.ndarray, float]], s: Settings) -> np.ndarray:
    """The distance of a game's samples from the data over the training, in units of the data's own distance."""
    mg.seed(seed)
    x, own = data_sets[on]
    game, batches, found = make_game(name, c, x.shape[1], s), data.batches(x, size=s.batch), []
    some, z = x[: s.points], game.prior(s.points)

    def look(game: Game) -> None:
        samples = game.sample(s.points, z=z)
        found.append(distance(some, samples) / own if np.isfinite(samples).all() else NAN)

    steps = steps_on(on, s)
    train(game, batches, steps, "game", steps // s.looks, look, falling=False, found=found)
    return np.array(found)


def experiment(claim: Claim, s: Settings) -> None:
    """Every game with every choice on both data sets: the distances, and the picture."""
    mg.seed(claim.args.seed)
    x, _, _ = digits.load(claim.args)
    rows = {"ring": RING.sample(20_000), "digits": halved(x[:20_000])}
    data_sets = {on: (points, own_distance(points, s)) for on, points in rows.items()}
    every = list(enumerate(choices(s), start=claim.args.seed))
    tasks = {f"{name} on {on}, {c}": (name, c, on, seed) for on, name, (seed, c) in product(data_sets, GAMES, every)}
    steps = sum(steps_on(on, s) for _, _, on, _ in tasks.values())
    played = np.reshape(run_tasks(play, tasks, data_sets, s, steps=steps), (2, len(GAMES), len(every), -1))
    games = {on: dict(zip(GAMES, of_all, strict=True)) for on, of_all in zip(data_sets, played, strict=True)}
    report(claim, games)
    title = f"Of {len(every)} settings, {NAMES} end well in: {END_WELL};\ndiverge in: {DIVERGE}"
    claim.show(draw(games, choices(s), s), "stability", claim.words(title))


def at_the_end(distances: np.ndarray) -> np.ndarray:
    """(settings, looks) -> (settings,): the mean distance over the last part of each game."""
    return distances[:, -(-distances.shape[1] // END) * -1 :].mean(axis=1)


def diverges(distances: np.ndarray) -> np.ndarray:
    """(settings, looks) -> (settings,): whether the samples come to be as far away again as twice the least distance before."""
    return (distances > AGAIN * np.minimum.accumulate(distances, axis=1)).any(axis=1)


def report(claim: Claim, games: dict[str, dict[str, np.ndarray]]) -> None:
    """On the ring and on digits, apart: the settings that end well, and that diverge; each WGAN beside the GAN."""
    for on, of_all in games.items():
        claim.note(f"{on}: settings", len(of_all["GAN"]))
        gone = {name: int(diverges(distances).sum()) for name, distances in of_all.items()}
        well = {name: int((at_the_end(distances) <= WELL).sum()) for name, distances in of_all.items()}
        claim.at_least(f"{on}: settings that end well, best game", max(well.values()), 1)
        for name in GAMES:
            claim.note(f"{on}, {name}: settings that end well", well[name], "reported")
            claim.note(f"{on}, {name}: settings that diverge", gone[name], "reported")
        for name in GAMES[1:]:
            claim.at_most(f"{on}: settings that diverge, {name} less GAN", gone[name] - gone["GAN"], 0)
            logs = [np.log(at_the_end(of_all[which])) for which in (name, "GAN")]
            claim.compare(f"{on}: log of the distance at the end, {name} less GAN", compare(*logs, paired=True))


def draw(games: dict[str, dict[str, np.ndarray]], every: list[Choice], s: Settings) -> plt.Figure:
    """The distance over the training, a line for each setting; a cross where it is twice the least before."""
    figure, rows = slide(2, 3, sharey="row", sharex="row")
    colours = dict(zip(s.rates, SERIES, strict=False))
    for panels, (on, of_all) in zip(rows, games.items(), strict=True):
        for axes, (name, distances) in zip(panels, of_all.items(), strict=True):
            t = np.linspace(0, steps_on(on, s), distances.shape[1] + 1)[1:]
            for c, d in zip(every, distances, strict=True):
                style = "-" if c.hidden == max(s.hidden) else "--"
                axes.plot(t, d, style, color=colours[c.rate], label=f"rate {c.rate:g}, {c.hidden} hidden")
                gone = d > AGAIN * np.minimum.accumulate(d)
                axes.plot(t[gone], d[gone], "x", color=colours[c.rate], markersize=9)
            axes.axhline(WELL, color="grey", linewidth=1)
            axes.set(yscale="log", title=f"{name}, {on}")
            axes.minorticks_off()
            axes.tick_params(labelleft=axes is panels[0])
        panels[0].set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        panels[0].set_ylabel("distance / own")
    for axes in rows[-1]:
        axes.set_xlabel("iteration")
    figure.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
