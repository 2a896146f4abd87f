"""The adversarial autoencoder: which is real. Its steps by hand, and who moves: `tests/contracts/test_games.py`."""

from tests.games import players


def test_the_prior_is_real_and_a_code_is_fake():
    """Swapped labels train D as well, but then -log D(Q(x)) drives the codes away from the prior."""
    game = players.make("aae", lr=0.05)
    for p in game.Q.parameters():
        p.data = p.data * 5.0  # codes far from the prior
    game.opt_G.lr = game.opt_Q.lr = 0.0
    given = players.minibatches("aae", 64)
    for _ in range(50):
        figures = game.step(given)
    assert figures["D_real"] > 0.8
    assert figures["D_fake"] < 0.2
