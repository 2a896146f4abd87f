"""A GAN learns points of my own. (The first line says what the experiment shows.)

python -m demos my_experiment.py [--quick] [--seeds 5] [--jobs 2] [--resume] [--set lr=3e-4] [--data points.csv]
"""

from dataclasses import dataclass

import minigan as mg
from demos.kit import own_data, pictures
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from minigan import data, games, metrics, nn, optim


@dataclass
class Settings:  # everything that the result depends on, except the seed
    steps: int = 2000
    seeds: int = 2
    lr: float = 1e-3


def play(seed, s, x):
    mg.seed(seed)  # the first weights, the noise, and the minibatches
    G = nn.Sequential(nn.Dense(2, 64), nn.ReLU(), nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 2))
    D = nn.Sequential(nn.Dense(2, 64), nn.LeakyReLU(0.2), nn.Dense(64, 64), nn.LeakyReLU(0.2), nn.Dense(64, 1))
    opt_G, opt_D = (optim.Adam(player.parameters(), s.lr, betas=(0.5, 0.999)) for player in (G, D))
    game, batches, history = games.GAN(G, D, data.noise(2), opt_G, opt_D), data.batches(x, size=128), []
    for t in resumable(range(s.steps), "game", game=game, batches=batches, history=history):  # and all else that it changes
        history.append({"step": t, **game.step(batches)})
    return {"x": x[:500], "samples": game.sample(500), "history": history}


@demo(Settings(), {"steps": 60, "seeds": 1}, own_data.options)  # the settings; those of --quick, where they differ
def main(claim, s):
    x = own_data.points(claim.args) if claim.args.data else data.ring(5000, std=0.2)  # an array (n, 2) of float32
    runs = over_seeds(claim, play, s, x, steps=s.steps)
    if not claim.args.data:  # the bound, written before the first run, is about the ring
        modes = [metrics.mode_coverage(run["samples"], data.ring_centres(8, 2.0), 0.2)["modes_1pct"] for run in runs]
        claim.at_least("modes with 1 % of the samples, worst seed", min(modes), 7)
    claim.show(pictures.points(runs[0]["x"], runs[0]["samples"]), "samples", "The data, and samples of the first seed")
    claim.show(pictures.numbers([run["history"] for run in runs]), "curves", "The numbers of each step, a line for each seed")
