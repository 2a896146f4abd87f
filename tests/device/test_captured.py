"""Recorded steps: the course of ordinary ones, whatever changes from step to step; and what cannot be recorded is refused."""

import sys

import numpy as np
import players
import pytest
from comparing import assert_agree

import minigan as mg
from minigan import backend, data, games, nn, optim
from minigan.games import captured

STEPS = 8


def dense_gan(kind=games.GAN, rule=optim.Adam, hidden=(), **options):
    """A game of dense networks in float64, D with these layers more."""
    G, D = players.mlp(3, 5, 2), nn.Sequential(nn.Dense(2, 5), nn.Tanh(), *hidden, nn.Dense(5, 1))
    players.in_float64(G, D)
    prior = options.pop("prior", None) or data.noise(3)
    return kind(G, D, prior, rule(G.parameters(), lr=0.01), rule(D.parameters(), lr=0.01), **options)


def convolutional():
    """Images of 8 x 8, without batch norm."""
    G = nn.Sequential(nn.Dense(3, 4 * 4 * 6), nn.Reshape(6, 4, 4), nn.ReLU(), nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1))
    D = nn.Sequential(nn.Conv2d(1, 3, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Dense(3 * 4 * 4, 1))
    players.in_float64(G, D)
    return games.GAN(G, D, data.noise(3), optim.Adam(G.parameters()), optim.Adam(D.parameters()))


GAMES = {
    "GAN": dense_gan,
    "GAN, k = 2, l = 3": lambda: dense_gan(k=2, l=3),
    "GAN, R1": lambda: dense_gan(r1=0.5),
    "GAN, dropout": lambda: dense_gan(hidden=[nn.Dropout(0.5)]),
    "GAN, the user's noise": lambda: dense_gan(prior=data.noise(3, rng=np.random.default_rng(4))),
    "WGAN": lambda: dense_gan(games.WGAN),
    "WGANGP": lambda: dense_gan(games.WGANGP),
    "conditional": lambda: players.make("cgan", dtype="float64"),
    "convolutional": convolutional,
}
KINDS = {"conditional": "cgan", "convolutional": "dcgan"}  # of minibatches


def play(name, recorded, make=None, steps=STEPS):
    """The game after some steps at falling rates, from seed 0, and the figures of all."""
    mg.seed(0)
    game, batches = (make or GAMES[name])(), players.stream(KINDS.get(name, "gan"))
    decay = optim.LinearDecay([game.opt_G, game.opt_D], 2 * steps)
    player, found = games.Captured(game) if recorded else game, []
    for _ in range(steps):
        found.append(player.step(batches))
        decay.step()
    return game.state_dict(), [dict(figures) for figures in found]


@pytest.mark.parametrize("name", GAMES)
def test_recorded_steps_take_the_course_of_ordinary_ones(name, device):
    with backend.using("cupy"):
        assert_agree(play(name, recorded=False), play(name, recorded=True), 1e-9)


@pytest.mark.parametrize("rule", [optim.SGD, optim.RMSProp, optim.Adam, optim.OMD, optim.OptimisticAdam])
def test_whatever_the_update_rule(rule, device):
    with backend.using("cupy"):
        assert_agree(*(play("GAN", recorded, lambda: dense_gan(rule=rule)) for recorded in (False, True)), 1e-9)


def test_only_minibatches_are_copied_and_python_calls_nothing(stand_in, monkeypatch):
    with backend.using("cupy"):
        game, batches = dense_gan(), players.stream("gan")
        player = games.Captured(game)
        for _ in range(3):
            player.step(batches)
        stand_in.transfers.clear()
        monkeypatch.setattr(nn.Dense, "forward", None)  # Python has no part in it any more
        figures = player.step(batches)
        assert stand_in.transfers == {"to_device": 1}
        assert all(np.isfinite(value) for value in figures.values())
        assert stand_in.transfers == {"to_device": 1, "to_host": 1}


def test_figures_stay_those_of_their_step(device):
    with backend.using("cupy"):
        player, batches = games.Captured(dense_gan()), players.stream("gan")
        found = [player.step(batches) for _ in range(4)]
        read_late = [figures["loss_D"] for figures in found]
        assert len(set(read_late)) == 4


def test_a_state_loaded_in_between_is_gone_on_from(device):
    with backend.using("cupy"):
        mg.seed(0)
        game, batches = dense_gan(), players.stream("gan")
        player = games.Captured(game)
        for _ in range(3):
            player.step(batches)
        state = game.state_dict(), batches.state_dict()
        for _ in range(3):
            player.step(batches)
        expected = game.state_dict()
        game.load_state_dict(state[0])
        batches.load_state_dict(state[1])
        for _ in range(3):
            player.step(batches)
        assert_agree(expected, game.state_dict(), 1e-9)


def test_ordinary_steps_go_on_after_recorded_ones(device):
    with backend.using("cupy"):
        states = []
        for mixed in (False, True):
            mg.seed(0)
            game, batches = dense_gan(), players.stream("gan")
            player = games.Captured(game) if mixed else game
            for step in (player.step, player.step, player.step, game.step, game.step, player.step, game.step):
                step(batches)
            states.append(game.state_dict())
        assert_agree(*states, 1e-9)


CHANGES = {  # of a game that has been recorded, which a recording of before would not follow
    "k": lambda game: setattr(game, "k", 2),
    "the mode": lambda game: game.D.eval(),
    "the betas": lambda game: setattr(game.opt_D, "betas", (0.0, 0.0)),
    "a parameter frozen": lambda game: setattr(game.D[0].weight, "requires_grad", False),
    "another parameter frozen": lambda game: setattr(game.G[-1].bias, "requires_grad", False),
    "a layer": lambda game: game.D.layers.__setitem__(1, nn.ReLU()),
    "the dropout": lambda game: setattr(game.D[2], "p", 0.6),
    "an optimizer": lambda game: setattr(game, "opt_D", optim.RMSProp(game.D.parameters(), 0.01)),
    "a parameter's array": lambda game: setattr(game.G[0].bias, "data", np.ones(5)),
    "the rate": lambda game: setattr(game.opt_G, "lr", 0.5),
    "the prior": lambda game: setattr(game, "prior", data.noise(3, "uniform")),
    "the seed": lambda game: mg.seed(7),
    "a step without the recording": lambda game: game.step(players.stream("gan")),
    "a larger step elsewhere": lambda game: game.opt_D._spare_like(game.opt_D.params[0].xp.ones(10_000, "float64")),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("after", [1, 3])  # steps: before the recording, and after it
def test_changes_are_followed(change, after, device):
    with backend.using("cupy"):
        states = []
        for recorded in (False, True):
            mg.seed(0)
            game, batches = dense_gan(rule=optim.Adam, hidden=[nn.Dropout(0.3)]), players.stream("gan")
            player = games.Captured(game) if recorded else game
            for t in range(7):
                if t == after:
                    CHANGES[change](game)
                player.step(batches)
            states.append(game.state_dict())
        assert_agree(*states, 1e-9)


def test_from_the_start_frozen_parameters_are_not_counted(device):
    with backend.using("cupy"):
        for frozen in (lambda game: game.D[0].weight, lambda game: game.G[-1].bias):

            def make(frozen=frozen):
                game = dense_gan()
                frozen(game).requires_grad = False
                return game

            assert_agree(play("GAN", False, make), play("GAN", True, make), 1e-9)


def test_steps_are_those_of_the_parameters_that_take_them(device):
    """One that has taken more, and is frozen now, does not count."""
    with backend.using("cupy"):
        states = []
        for recorded in (False, True):
            mg.seed(0)
            game, batches = dense_gan(), players.stream("gan")
            player = games.Captured(game) if recorded else game
            first, *others = game.D.parameters()
            for p in others:
                p.requires_grad = False
            for t in range(9):
                if t == 5:
                    for p in (first, *others):
                        p.requires_grad = p is not first
                player.step(batches)
            states.append(game.state_dict())
        assert_agree(*states, 1e-9)


def test_it_is_recorded_once(device, monkeypatch):
    graphs = []
    monkeypatch.setattr(captured, "Graph", lambda: graphs.append(1) or backend.Graph())
    with backend.using("cupy"):
        play("WGANGP", True)
        assert len(graphs) == 1


def test_two_recordings_of_one_game_do_not_disturb_each_other(device):
    with backend.using("cupy"):
        states = []
        for two in (False, True):
            mg.seed(0)
            game, batches = dense_gan(), players.stream("gan")
            takes_turns = [games.Captured(game), games.Captured(game)] if two else [game, game]
            for t in (0, 0, 0, 1, 1, 1, 0, 1):
                takes_turns[t].step(batches)
            states.append(game.state_dict())
        assert_agree(*states, 1e-9)


def test_classes_are_checked_in_every_step(device):
    with backend.using("cupy"):
        player, (x, y) = games.Captured(players.make("cgan")), players.minibatch("cgan")
        for _ in range(3):
            player.step(iter([(x, y)]))
        with pytest.raises(ValueError, match="step: labels from 99 to 99; expected 0 to 2"):
            player.step(iter([(x, np.full_like(y, 99))]))


def test_a_rehearsal_that_fails_is_repeated(device):
    with backend.using("cupy"):
        game, batches = dense_gan(), players.stream("gan")
        player = games.Captured(game)
        for _ in range(3):
            player.step(batches)
        game.k = 3
        with pytest.raises(ValueError, match="run out"):
            player.step(iter([players.minibatch("gan")]))
        game.k = 1
        for _ in range(3):
            left = [players.minibatch("gan")] * 2
            stream = iter(left)
            player.step(stream)
            assert len(list(stream)) == 1  # one was drawn


def test_a_recording_has_constants_of_its_own(device):
    """Those that are kept for ordinary steps are forgotten after a thousand others."""
    with backend.using("cupy"):
        states = []
        for recorded in (False, True):
            mg.seed(0)
            game, batches, x = dense_gan(), players.stream("gan"), mg.Tensor(np.ones(1))
            player = games.Captured(game) if recorded else game
            for t in range(6):
                player.step(batches)
                for i in range(1001 if t == 2 else 0):
                    x * (i + 0.123)
            states.append(game.state_dict())
        assert_agree(*states, 1e-9)


def test_a_backward_pass_over_values_of_before_is_refused(device):
    with backend.using("cupy"):
        game, batches = dense_gan(), players.stream("gan")
        player = games.Captured(game)
        for _ in range(3):
            player.step(batches)
        loss = (game.D(mg.Tensor(players.minibatch("gan"))) ** 2).sum()
        player.step(batches)
        with pytest.raises(RuntimeError, match="changed in place"):
            loss.backward()


def test_ordinary_steps_after_it_wait_for_nothing(stand_in):
    with backend.using("cupy"):
        game, batches = dense_gan(), players.stream("gan")
        player = games.Captured(game)
        for step in (player.step, player.step, player.step, game.step):
            step(batches)
        stand_in.transfers.clear()
        game.step(batches)
        assert stand_in.transfers == {"to_device": 1}


def test_a_minibatch_function_of_the_users_own_stays(device):
    with backend.using("cupy"):
        game, batches = dense_gan(), players.stream("gan")
        own = game.minibatch = lambda batches: next(batches)[:2]
        player = games.Captured(game)
        for _ in range(3):
            player.step(batches)
        assert game.minibatch is own


# --- what cannot be recorded ----------------------------------------------------------------------------------------------


def refusal(game, batches):
    """What is said to a game that cannot be recorded; nothing has changed by then, and it can be played on."""
    player = games.Captured(game)
    player.step(batches)
    before = game.state_dict()
    with pytest.raises(backend.BackendError) as error:
        player.step(batches)
    assert_agree(before, game.state_dict(), 0)
    game.step(players.stream("dcgan" if game.sample(1).ndim == 4 else "gan"))
    return str(error.value)


def test_batch_norm_is_refused(stand_in):
    with backend.using("cupy"):
        said = refusal(players.make("dcgan"), players.stream("dcgan"))
        assert said.startswith("CuPy cannot record this: calling cuBLAS API")


def test_a_game_that_replaces_what_it_keeps_is_refused(stand_in):
    with backend.using("cupy"):
        said = refusal(players.make("began"), players.stream("began"))
        assert said == "Captured: a step replaces BEGAN.k; it cannot be recorded"


def test_a_wait_in_the_step_is_refused(stand_in):
    with backend.using("cupy"):
        game = dense_gan()
        descend = game.descend
        game.descend = lambda rule, loss: descend(rule, loss * min(1.0, float(loss)))
        said = refusal(game, players.stream("gan"))
        assert said.startswith("CuPy cannot record this")
        assert said.endswith("not permitted when stream is capturing")


def test_noise_of_the_cpu_inside_the_step_is_refused(stand_in):
    with backend.using("cupy", noise="numpy"):
        player = games.Captured(dense_gan(games.WGANGP))
        with pytest.raises(backend.BackendError, match="noise drawn on the CPU cannot be part of a recorded step"):
            player.step(players.stream("gan"))


def test_another_size_of_minibatch_is_refused(device):
    with backend.using("cupy"):
        player = games.Captured(dense_gan())
        for _ in range(2):
            player.step(players.stream("gan", size=4))
        with pytest.raises(backend.BackendError, match=r"recorded with float64 \(4, 2\), now float64 \(3, 2\) is drawn"):
            player.step(players.stream("gan", size=3))


def test_a_game_on_the_cpu_is_refused():
    with pytest.raises(backend.BackendError, match="the game is not on a GPU"):
        games.Captured(dense_gan())


def test_a_recording_that_fails_leaves_constants_as_they_were(stand_in):
    with backend.using("cupy"):
        player, batches = games.Captured(players.make("began")), players.stream("began")
        player.step(batches)
        with pytest.raises(backend.BackendError):
            player.step(batches)
        np.testing.assert_array_equal((mg.Tensor([6.0]) / 2.0).numpy(), [3.0])


class Averaged(games.GAN):
    """A game that keeps something of its own, and then waits."""

    def step(self, batches):
        figures = super().step(batches)
        self.average = figures["loss_D"] if backend.recording() and hasattr(self, "average") else 0.0
        return figures


def test_attributes_are_those_of_before_a_refused_recording(stand_in):
    with backend.using("cupy"):
        game = dense_gan(Averaged)
        assert refusal(game, players.stream("gan")).startswith("CuPy cannot record this")
        assert game.average == 0.0


def test_a_rate_set_within_the_step_is_refused(stand_in):
    class Decaying(games.GAN):
        def step(self, batches):
            self.opt_G.lr *= 0.9
            return super().step(batches)

    with backend.using("cupy"), pytest.raises(backend.BackendError, match="lr is set within a step that is to be recorded"):
        games.Captured(dense_gan(Decaying)).step(players.stream("gan"))


def test_an_optimizer_from_elsewhere_is_refused(stand_in):
    with backend.using("cupy"):
        game, third = dense_gan(), []
        third.append(optim.SGD(game.D.parameters(), 0.1))
        descend = game.descend
        game.descend = lambda rule, loss: (descend(rule, loss), third[0].step())
        with pytest.raises(backend.BackendError, match="SGD: an optimizer that is not an attribute of the game"):
            games.Captured(game).step(players.stream("gan"))


def test_a_step_where_the_cpu_is_chosen_is_refused(device):
    with backend.using("cupy"):
        player = games.Captured(dense_gan())
    with pytest.raises(backend.BackendError, match="choose the cupy backend"):
        player.step(players.stream("gan"))


@pytest.mark.parametrize("key", ["b", "another"])
def test_a_rule_that_replaces_its_arrays_is_refused(key, stand_in):
    class Replacing(optim.SGD):
        def update(self, theta, g, state):
            state[key] = 0.9 * state["b"] + g
            theta -= self.lr * state["b"]

    with backend.using("cupy"):
        game = dense_gan(rule=lambda params, lr: Replacing(params, lr, momentum=0.9))
        with pytest.raises(backend.BackendError, match="Replacing: update replaces its arrays; write into them"):
            games.Captured(game).step(players.stream("gan"))


def test_products_need_cutensor(stand_in, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupyx.cutensor", None)
    with backend.using("cupy"), pytest.raises(backend.BackendError, match="pip install cutensor-cu12"):
        games.Captured(dense_gan()).step(players.stream("gan"))
