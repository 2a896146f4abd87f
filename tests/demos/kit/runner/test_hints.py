"""What is said where a game goes wrong: when, once, and not too early."""

import numpy as np
import pytest

from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.runner import hints
from demos.kit.runner.progress import progress
from demos.kit.training import adams
from minigan import data
from minigan.games import GAN

FINE, AHEAD = {"D_real": 0.6, "D_fake": 0.4}, {"D_real": 0.999, "D_fake": 0.001}
COLLAPSED = np.full((100, 2), 1.5) + 0.05 * np.random.default_rng(0).standard_normal((100, 2))


@pytest.mark.parametrize(
    ("figures", "samples", "iterations", "said"),
    [
        (FINE, None, range(300, 400), ""),
        (FINE, COLLAPSED, range(300, 400), "mode collapse"),
        (AHEAD, None, [*range(300, 340), 0, *range(340, 400)], "D is 1 at the data and 0 at G's samples"),
        (FINE, "shrink", range(300, 400), "gradient has all but vanished"),
        (AHEAD, np.zeros((10, 2)), range(100, 190), ""),  # what goes wrong early or for a moment is left alone
        ({"loss_D": 1.0, "w_estimate": 3.0}, None, range(300, 400), ""),  # a critic has no probabilities
    ],
)
def test_what_goes_wrong_for_long_is_noticed_once(figures, samples, iterations, said, monkeypatch):
    G, D = generator(8), discriminator(8)
    game, x, lines = GAN(G, D, data.noise(2), *adams(G, D, 1e-3, 1e-3)), RING.sample(500), []
    game.step(RING.batches(8))  # so that there are gradients
    monkeypatch.setattr(hints.tqdm, "write", lambda line, file: lines.append(line))
    looks, bar = hints.Hints(game, x, steps=1000), progress(total=1000)
    for t in iterations:
        for p in game.opt_G.params:
            p.grad = p.grad * (1e-5 if isinstance(samples, str) and t == 330 else 1.0)
        looks.check_metrics(t, figures, bar)
        looks.check_samples(t, samples if isinstance(samples, np.ndarray) else x, bar)
    assert len(lines) == bool(said)
    assert said in "".join(lines)
