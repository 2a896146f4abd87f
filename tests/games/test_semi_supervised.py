"""The semi-supervised GAN. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

from minigan import Tensor, data, games, optim
from tests.games import players


@pytest.mark.parametrize("v", [-1000.0, 1000.0])
def test_the_loss_is_finite_for_logits_of_any_size_and_bounded_below(v):
    """log D = log Z - softplus(log Z): with log Z alone the loss would have no lower bound."""
    game = players.make("semi_supervised", dtype="float64")
    game.D[-1].weight.data, game.D[-1].bias.data = np.zeros((5, players.CLASSES)), np.full(players.CLASSES, v)
    figures = game.step(players.minibatches("semi_supervised"))
    assert figures["L_unsupervised"] == pytest.approx(1000 + np.sign(v) * np.log(3), rel=1e-12)
    assert figures["L_supervised"] == pytest.approx(np.log(players.CLASSES), rel=1e-12)  # "fake" has no part in it


def test_data_without_labels_help_a_classifier_to_find_the_gap_between_its_classes():
    """Two clusters of 200 points, of which four have a label."""
    centres, rng = np.array([[-2.0, 0.0], [2.0, 0.0]]), np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = centres[y] + 0.3 * rng.standard_normal((400, 2))
    D, G = players.mlp(2, 16, 16, 2), players.mlp(3, 16, 2)
    rules = optim.Adam(G.parameters(), 5e-3), optim.Adam(D.parameters(), 1e-2)
    labelled = data.batches(x[:4], y[:4], size=4)
    game, batches = games.SemiSupervisedGAN(G, D, data.noise(3), *rules, D[:-1], labelled), data.batches(x, size=50)
    for _ in range(60):
        figures = game.step(batches)
    assert (D(Tensor(x.astype("float32"))).numpy().argmax(axis=1) == y).mean() > 0.97
    assert figures["L_supervised"] < 0.1
