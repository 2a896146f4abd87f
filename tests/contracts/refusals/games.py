"""What the games refuse. Numbers out of bounds are in `tests/contracts/test_numbers.py`."""

import itertools

import numpy as np

from minigan import Tensor, data, games, losses, nn, optim
from minigan.games import Figures
from tests.contracts.games import CLASSES, GAMES, make, minibatch
from tests.contracts.refusals import each
from tests.games.players import networks


def sgd(*modules):
    return optim.SGD([p for module in modules for p in module.parameters()], 0.1)


def swapped(name):
    """The game once more, with its optimizers swapped."""
    game = make(name)
    further = {"opt_Q": game.opt_Q} if hasattr(game, "opt_Q") else {}
    players = game.G, game.D, game.prior, game.opt_D, game.opt_G
    return type(game)(*players, **GAMES[name].further(networks(game)) | further)


def sigmoid(name):
    """A game whose D, or the network in it, ends in a Sigmoid."""
    D = GAMES[name].networks()["D"]
    if hasattr(D, "network"):
        D.network = nn.Sequential(*D.network, nn.Sigmoid())
    else:
        D = nn.Sequential(*D, nn.Sigmoid())
    return make(name, networks={"D": D})


def step(name, *batches, networks=None, **options):
    """A step on these minibatches, or on a usual one."""
    return make(name, networks=networks, **options).step(iter(batches or [minibatch(name)]))


def game(kind, *further, G=None, D=None, prior=None, opt_G=None, opt_D=None):
    """Of two layers."""
    G, D = G or nn.Dense(3, 2), D or nn.Dense(2, 1)
    return kind(G, D, prior or data.noise(3), opt_G or sgd(G), opt_D or sgd(D), *further)


def aae(opt_G, opt_Q):
    """An autoencoder whose optimizers have the parameters of the networks that these letters name."""
    of = {"Q": nn.Dense(2, 3), "P": nn.Dense(3, 2), "D": nn.Dense(3, 1)}
    rules = [sgd(*(of[name] for name in names)) for names in (opt_G, "D", opt_Q)]
    return games.AdversarialAutoencoder(of["P"], of["D"], data.noise(3), *rules[:2], of["Q"], rules[2])


USUAL = [
    row
    for name, kind in GAMES.items()
    for row in [
        (lambda name=name: make(name).step(minibatch(name)), TypeError, r"batches is a .*; expected an iterator, such as data"),
        (lambda name=name: make(name).step(iter([])), ValueError, "the minibatches have run out"),
        (lambda name=name: swapped(name), ValueError, "opt_G has none of G's parameters; are the optimizers swapped"),
        *[(lambda name=name: sigmoid(name), ValueError, f"{kind.game.__name__}: D ends in a Sigmoid; .* leave the Sigmoid out")]
        * kind.logits,
        *[(lambda name=name: make(name).sample(2, y=0), TypeError, "has no classes; leave y out")] * (not kind.classes),
    ]
]  # fmt: skip

G, GAN = nn.Dense(2, 2), games.GAN
X, Y = minibatch("cgan")
NO_CLASSES = [
    (None, TypeError, "sample: ConditionalGAN needs classes: pass y, n classes, or one for all"),
    ([[0], [1], [2]], ValueError, r"sample: y has shape \(3, 1\)"),
    ([0.0, 1.0, 2.0], TypeError, "sample: labels are float64; expected integers"),
]
NO_PAIRS = [
    (X, TypeError, r"batches yielded a ndarray; expected \(x, y\), as from data\.batches\(x, y, size=64\)"),
    ((X, Y.astype(float)), TypeError, "step: labels are float64; expected integers, 0, 1"),
    ((X, Y[:, None]), ValueError, r"x has shape \(4, 2\) and y \(4, 1\); expected one class for each sample"),
    ((X, Y + CLASSES), ValueError, "expected 0 to 2"),
]
REFUSED = [
    *USUAL,
    (lambda: make("gan", loss=losses.mse), TypeError, "GAN: loss is a function; expected a pair, such as losses.hinge_game"),
    (lambda: make("gan", loss=losses.hinge_game, saturating=True), ValueError, "saturating=True is a form of the log-loss"),
    (lambda: losses.GameLoss(len, 3), TypeError, "GameLoss: generator is a int; expected a function of D's outputs"),
    *each([(3, 2), (), (1, 2)], ValueError, "prior: asked for 4 noise vectors, it returned shape",
          lambda shape: make("gan", prior=lambda m: np.zeros(shape)).noise(4)),
    (lambda: make("gan").sample(3, z=np.zeros((2, 3))), ValueError, r"sample: asked for 3 samples, z has shape \(2, 3\)"),
    (lambda: game(GAN, prior=64), TypeError, "GAN: prior is 64; expected a function"),
    (lambda: game(GAN, opt_D="adam"), TypeError, "GAN: D and opt_D are Dense and str; expected a Module and an Optimizer"),
    (lambda: game(games.Game).step(iter([])), NotImplementedError, "Game has no step"),
    (lambda: Figures(loss_D=Tensor(1.5))["D_rael"], KeyError, "D_rael"),
    # classes
    *[(lambda y=y: make("cgan").sample(3, y=y), error, match) for y, error, match in NO_CLASSES],
    *[(lambda batch=batch: step("cgan", batch), error, match) for batch, error, match in NO_PAIRS],
    *each([0, -1, 2.5], ValueError, "Conditional: sizes must be whole", lambda n: games.Conditional(G, n)),
    # what does not fit, and must not be broadcast
    (lambda: step("began", networks={"D": nn.Dense(2, 1)}), ValueError, r"l1: shapes \(4, 1\) and \(4, 2\) differ"),
    (lambda: step("ebgan", networks={"D": nn.Dense(2, 1)}), ValueError,
     r"EBGAN: D maps shape \(4, 2\) to \(4, 1\); expected an autoencoder"),
    (lambda: step("aae", np.zeros((4, 1)), networks={"Q": nn.Dense(1, 3)}), ValueError, r"mse: shapes \(4, 2\) and \(4, 1\)"),
    (lambda: step("avb", np.full((4, 2), 2.0)), ValueError, r"y must lie in \[0, 1\]"),
    (lambda: make("began").load_state_dict(make("began").state_dict() | {"k": np.array(2.0)}), ValueError, "k is 2"),
    # further networks and arguments
    (lambda: make("ebgan", networks={"D": nn.Dense(2, 2)}, pull_away=0.1), TypeError,
     "EBGAN: pull_away needs D's code, and D has no encoder; make it an Autoencoder"),
    *[(lambda k=kind, more=more: game(k, len, *more), TypeError, f"Q and opt_{rule} are builtin") for kind, rule, more in (
        (games.ALI, "G", ()), (games.AdversarialVariationalBayes, "G", (len,)),
        (games.AdversarialAutoencoder, "Q", (sgd(nn.Dense(2, 3)),)))],
    (lambda: game(games.ALI, nn.Dense(2, 3)), ValueError, r"ALI: opt_G lacks parameters of Q; pass it \[\*G"),
    (lambda: game(games.AdversarialVariationalBayes, nn.Dense(2, 3), data.noise(2)), ValueError,
     "AdversarialVariationalBayes: opt_G lacks parameters of Q"),
    *each([("P", "Q"), ("QP", "QP"), ("QP", "D"), ("QP", "QD")], ValueError,
          "AdversarialAutoencoder: opt_G needs P's and Q's parameters, opt_Q Q's alone", lambda names: aae(*names)),
    *each([nn.Dense(2, 3), "D", None], ValueError, r"FeatureMatchingGAN: features is not a part of D; expected .* D\[:-1\]",
          lambda features: make("feature_matching", features=features)),
    (lambda: step("semi_supervised", labelled=itertools.repeat((X, np.array([0, 1, 2, CLASSES])))), ValueError,
     "cross_entropy: labels .*expected 0 to 2"),
    (lambda: step("semi_supervised", networks={"D": nn.Sequential(nn.Dense(2, 3), nn.Reshape(3, 1))}), ValueError,
     r"cross_entropy: logits have shape \(4, 3, 1\); expected \(N, C\)"),
    (lambda: games.dcgan_discriminator(channels=1)(np.zeros((2, 1, 40, 40))), ValueError, r"Dense\(64, 1\): the input"),
]  # fmt: skip
