"""A GAN learns points of my own. (The first line says what the experiment shows.)

python -m demos my_experiment.py [--quick] [--seeds 5] [--jobs 2] [--resume] [--set lr=3e-4]
python -m demos sweep my_experiment.py --set lr=3e-4,1e-3,3e-3
"""

from dataclasses import dataclass

import numpy as np

import minigan as mg
from demos.kit import pictures
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from minigan import data, games, metrics, nn, optim


@dataclass
class Settings:  # everything that the result depends on, except the seed
    steps: int = 2000
    seeds: int = 2
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)


def play(seed, s):
    mg.seed(seed)  # the first weights, the noise, and the minibatches
    angle = np.random.default_rng(seed).uniform(0, np.pi, 5000)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32")  # your own data, (n, 2)
    G = nn.Sequential(nn.Dense(2, 64), nn.ReLU(), nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 2))
    D = nn.Sequential(nn.Dense(2, 64), nn.LeakyReLU(0.2), nn.Dense(64, 64), nn.LeakyReLU(0.2), nn.Dense(64, 1))
    game = games.GAN(G, D, data.noise(2), optim.Adam(G.parameters(), s.lr, s.betas), optim.Adam(D.parameters(), s.lr, s.betas))
    batches, history = data.batches(x, size=128), []
    for t in resumable(range(s.steps), "game", game=game, batches=batches, history=history):  # and all else that it changes
        numbers = game.step(batches)
        if t % 20 == 0:
            history.append({"step": t, **numbers})
    samples = game.sample(1000)
    return {"x": x[:1000], "samples": samples, "history": history, "W1": metrics.wasserstein1(samples[:500], x[-500:])}


@demo(Settings(), {"steps": 60, "seeds": 1})
def main(claim, s):
    runs = over_seeds(claim, play, s, steps=s.steps)
    claim.at_most("W1 to the data, worst seed", max(run["W1"] for run in runs), 0.3)  # the bound comes before the first run
    claim.show(pictures.points(runs[0]["x"], runs[0]["samples"]), "samples", "The data, and samples of the first seed")
    claim.show(pictures.numbers([run["history"] for run in runs]), "curves", "The numbers of each step, a line for each seed")
