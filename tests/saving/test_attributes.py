"""A user's game: what its attributes are, how they are saved, named, moved and checked, and what cannot be saved."""

import collections
import random
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from tests.contracts.games import GAMES, make, mlp, stream
from tests.helpers.states import assert_same

OF_GAMES = {"ali": "Q", "aae": "Q opt_Q", "avb": "Q epsilon", "semi_supervised": "labelled", "began": "k"}


class TwoCritics(games.Game):
    """A list of players, an optimizer of another name, a schedule, an average, its own noise, and numbers that change."""

    def __init__(self, critics):
        D, G = critics[0], mlp(3, 5, 2)
        own = [p for critic in critics for p in critic.parameters()]
        super().__init__(G, D, data.noise(3), optim.Adam(G.parameters(), 0.01), optim.Adam(own, 0.01))
        self.critics, self.shift, self.t, self.mean = critics, Tensor(np.zeros(2), requires_grad=True), 0, np.float32(0)
        self.moves, self.rng, self.past = optim.SGD([self.shift], 0.1), np.random.default_rng(0), np.zeros(2)
        self.schedule, self.slow = optim.Cosine([self.opt_G, self.moves], 50), {"G": nn.MovingAverage(G, 0.5)}

    def noise(self, m, rng=None):
        return super().noise(m, rng) + self.cast((rng or self.rng).integers(2, size=(m, 1)))

    def step(self, batches):
        x, fake = self.real(batches), self.G(self.noise(4)) + self.shift.astype("float32")
        loss_D = sum(losses.discriminator_loss(critic(x), critic(fake.detach())) for critic in self.critics)
        self.descend(self.opt_D, loss_D)
        for optimizer in (self.opt_G, self.moves):
            with self.frozen(*self.critics):
                fake = self.G(self.noise(4)) + self.shift.astype("float32")
                self.loss_G = losses.generator_loss(self.critics[self.t % 2](fake))
                self.descend(optimizer, self.loss_G)
        self.t, self.mean, self.past = self.t + 1, np.float32(0.9) * self.mean + np.float32(loss_D.item()), self.past + 0.5
        self.schedule.step()
        self.slow["G"].update()
        return games.Figures(loss_D=loss_D, loss_G=self.loss_G)


def two_critics():
    return TwoCritics([mlp(2, 5, 1), mlp(2, 4, 1)])


def test_a_users_game_with_players_noise_schedule_average_and_numbers_goes_on_bit_for_bit():
    game, batches = two_critics(), stream("gan")
    for _ in range(3):
        game.step(batches)
    state, position = game.state_dict(), batches.state_dict()
    assert {"critics.1", "moves", "self.rng", "past", "schedule", "shift", "slow.G", "t", "mean"} < set(state)
    expected, end = [dict(game.step(batches)) for _ in range(3)], game.state_dict()
    samples = game.sample(4)
    mg.seed(9)
    other = two_critics()
    other.load_state_dict(state)
    batches.load_state_dict(position)
    assert (type(other.t), type(other.mean)) == (int, np.float32)
    assert [dict(other.step(batches)) for _ in range(3)] == expected
    assert_same(other.state_dict(), end)
    np.testing.assert_array_equal(other.sample(4), samples)
    assert [critic[0].weight.name for critic in other.critics] == ["D.layers.0.weight", "critics.1.layers.0.weight"]
    for wrong in ("1", None, np.ones(2), Tensor(1.0)):
        with pytest.raises(ValueError, match=r"^load_state_dict: t is .*; expected a number$"):
            other.load_state_dict(state | {"t": wrong})


def test_gradcheck_checks_all_players_of_a_users_game_and_finds_a_wrong_one(monkeypatch):
    game, x = two_critics(), np.ones((4, 2))
    assert mg.gradcheck(game, x)

    def descend(self, rule, loss):
        rule.zero_grad()
        loss.backward()
        if rule is self.moves:
            self.shift.grad = 2 * self.shift.grad
        rule.step()

    monkeypatch.setattr(TwoCritics, "descend", descend)
    with pytest.raises(mg.GradcheckError, match="shift"):
        mg.gradcheck(game, x)


def test_the_states_of_minigans_games_have_the_names_that_they_always_had():
    usual = {"prior", "G", "D", "opt_G", "opt_D", "rng", "sample_rng", "game"}
    for name, kind in GAMES.items():
        assert set(make(name).state_dict()) == usual | set(OF_GAMES.get(name, "").split()) | set(kind.game.settings)


@pytest.mark.parametrize(
    "value",
    [
        iter([1, 2]), random.Random(0), np.random.RandomState(0), collections.deque([np.ones(2)]), [1, iter("ab")],
        SimpleNamespace(w=Tensor([1.0])), SimpleNamespace(draw=np.random.default_rng(0)), {"a": SimpleNamespace(G=[mlp(2, 2)])},
    ],
)  # fmt: skip
def test_what_has_a_state_that_cannot_be_saved_is_named_at_the_first_state_dict(value):
    game = make("gan")
    game.helper = value
    with pytest.raises(TypeError, match=r"^state_dict: GAN\.helper\S* is a .*: give it state_dict and load_state_dict, or use"):
        game.state_dict()


def test_constants_and_results_and_what_refers_to_the_game_are_no_state():
    game = make("gan")
    before = set(game.state_dict())
    game.helper = SimpleNamespace(game=game, G=game.G, rule=game.opt_D, w=game.G[0].weight)
    game.also_D, game.name, game.sizes, game.kind, game.last = game.D, "x", [1, 2.5], nn.Dense, game.G(game.noise(2))
    game.function = lambda: game.G
    assert set(game.state_dict()) == before
    game.counter = SimpleNamespace(t=3)
    with pytest.raises(TypeError, match=r"GAN\.counter is a SimpleNamespace, whose state cannot be saved"):
        game.state_dict()
