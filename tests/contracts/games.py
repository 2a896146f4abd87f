"""The registry of games: the networks, the rules and what they train, the order of a step, and the same step in NumPy."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from minigan import Tensor, backend, data, games, nn, optim
from tests.games import reference

CLASSES = 3


# --- networks -----------------------------------------------------------------------------------------------------------


def mlp(*sizes, activation=nn.Tanh):
    """Dense layers of these sizes, with activations between them."""
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Dense(a, b), activation())]
    return nn.Sequential(*layers[:-1])


def of_points(z=3, D=1, d=2):
    return {"G": mlp(z, 5, 2), "D": mlp(d, 5, D)}


def of_images(z=3, in_channels=1):
    """DCGAN's networks, for images of 8 x 8 pixels."""
    first = nn.Dense(z, 3 * 2 * 2, bias=False), nn.Reshape(3, 2, 2), nn.BatchNorm2d(3), nn.ReLU()
    second = nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(2), nn.ReLU()
    G = nn.Sequential(*first, *second, nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1), nn.Tanh())
    first = nn.Conv2d(in_channels, 2, 4, stride=2, padding=1), nn.LeakyReLU(0.2)
    second = nn.Conv2d(2, 3, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(3), nn.LeakyReLU(0.2)
    return {"G": G, "D": nn.Sequential(*first, *second, nn.Flatten(), nn.Dense(3 * 2 * 2, 1))}


def conditional(networks):
    return {name: games.Conditional(network, CLASSES) for name, network in networks.items()}


def of_energy():
    return {"G": mlp(3, 5, 2), "D": games.Autoencoder(mlp(2, 5, 4), nn.Sequential(nn.Tanh(), nn.Dense(4, 2)))}


def of_pairs():
    return {"G": mlp(3, 5, 2), "D": games.Joint(mlp(2 + 3, 5, 1)), "Q": mlp(2, 5, 3)}


def of_noisy_codes():
    return of_pairs() | {"Q": games.Joint(mlp(2 + 2, 5, 3))}


def in_float64(*modules):
    """Parameters and buffers; what is random stays what it was in float32."""
    for part in itertools.chain(*[module.modules() for module in modules]):
        for key, value in vars(part).items():
            if isinstance(value, Tensor):
                value.data = value.data.astype("float64")
            elif backend.is_array(value):
                setattr(part, key, value.astype("float64"))


# --- data ---------------------------------------------------------------------------------------------------------------


def points(rng, m):
    return rng.normal([2.0, -1.0], 0.5, (m, 2))


def images(rng, m):
    return np.tanh(rng.standard_normal((m, 1, 8, 8)))


def probabilities(rng, m):
    return reference.sigma(points(rng, m))


def labelled(n=12, size=4):
    """Minibatches of points with classes, which can be saved; the same each time."""
    rng = np.random.default_rng(5)
    return data.batches(points(rng, n), rng.integers(0, CLASSES, n), size=size, rng=rng)


# --- the registry -------------------------------------------------------------------------------------------------------

D_STEP, G_STEP = "x z G D D opt_D ", "z G D opt_G "
USUAL = "loss_D loss_G D_real D_fake D_accuracy"


@dataclass(frozen=True)
class Kind:
    """A game. `order`: the events of an iteration, see `players.Recorder`. `cases`: options to compare with `twin`."""

    game: type[games.Game]
    twin: Callable  # one iteration in NumPy: (players by hand, minibatches) -> metrics
    networks: Callable = of_points
    rule: type[optim.Optimizer] = optim.Adam
    order: str = D_STEP + G_STEP
    metrics: str = USUAL
    defaults: dict = field(default_factory=dict)  # the papers' settings
    cases: list[dict] = field(default_factory=lambda: [{}])
    trains: dict = field(default_factory=lambda: {"opt_G": "G", "opt_D": "D"})
    further: Callable = lambda networks: {}  # arguments
    x: Callable = points
    classes: bool = False
    logits: bool = True  # of D, which must not end in a Sigmoid


K_AND_L = [{}, {"k": 2, "l": 2}]
GAMES = {
    "gan": Kind(
        games.GAN, reference.gan, rule=optim.OMD, defaults={"k": 1, "l": 1, "saturating": False, "r1": 0.0},
        cases=[*K_AND_L, {"saturating": True}, {"r1": 10.0}],
    ),
    "dcgan": Kind(games.GAN, reference.gan, of_images, x=images),
    "wgan": Kind(
        games.WGAN, reference.wgan, rule=optim.RMSProp, order=D_STEP * 5 + G_STEP, metrics="loss_D loss_G w_estimate",
        defaults={"n_critic": 5, "clip": 0.01}, cases=[{"clip": 0.3}, {"clip": 0.3, "n_critic": 2}],
    ),
    "wgan_gp": Kind(
        games.WGANGP, reference.wgan, rule=optim.OptimisticAdam, order="x z G D D D opt_D " * 5 + G_STEP,
        metrics="loss_D loss_G w_estimate penalty", defaults={"n_critic": 5, "penalty": 10.0},
        cases=[{}, {"penalty": 0.1, "n_critic": 2}],
    ),
    "cgan": Kind(
        games.ConditionalGAN, reference.gan, lambda: conditional(of_points(3 + CLASSES, d=2 + CLASSES)),
        rule=optim.OptimisticAdam, classes=True, cases=[*K_AND_L, {"r1": 10.0}], defaults={"k": 1, "l": 1, "r1": 0.0},
    ),
    "cgan_images": Kind(
        games.ConditionalGAN, reference.gan, lambda: conditional(of_images(3 + CLASSES, 1 + CLASSES)), classes=True, x=images,
    ),
    "began": Kind(
        games.BEGAN, reference.began, lambda: {"G": mlp(3, 5, 2), "D": mlp(2, 5, 4, 2)}, logits=False,
        metrics="loss_D loss_G L_x ratio k M", defaults={"gamma": 0.5, "lambda_k": 0.001},
        cases=[{"gamma": 0.7, "lambda_k": 0.05}, {"gamma": 0.9, "lambda_k": 3.0}, {"gamma": 0.1}],
    ),
    "ebgan": Kind(
        games.EBGAN, reference.ebgan, of_energy, rule=optim.RMSProp, logits=False, metrics="loss_D loss_G D_real D_fake",
        defaults={"margin": 10, "pull_away": 0}, cases=[{"margin": 0.6}, {"margin": 0.6, "pull_away": 0.5}],
    ),
    "ali": Kind(
        games.ALI, reference.ali, of_pairs, order="x z Q G D D opt_D z G D Q D opt_G", trains={"opt_G": "GQ", "opt_D": "D"},
        further=lambda networks: {"Q": networks["Q"]},
    ),
    "aae": Kind(
        games.AdversarialAutoencoder, reference.aae, lambda: of_points(d=3) | {"Q": mlp(2, 5, 3)},
        order="x Q G opt_G z Q D D opt_D D opt_Q", metrics="error loss_D loss_Q D_real D_fake D_accuracy",
        trains={"opt_G": "QG", "opt_D": "D", "opt_Q": "Q"}, further=lambda networks: {"Q": networks["Q"]},
    ),
    "avb": Kind(
        games.AdversarialVariationalBayes, reference.avb, of_noisy_codes, x=probabilities,
        order="x z epsilon Q D G opt_G D D opt_D", metrics="loss_D D_KL minus_log_P minus_ELBO",
        trains={"opt_G": "QG", "opt_D": "D"}, further=lambda networks: {"Q": networks["Q"], "epsilon": data.noise(2)},
    ),
    "feature_matching": Kind(
        games.FeatureMatchingGAN, reference.feature_matching, order=D_STEP + "z G opt_G",
        further=lambda networks: {"features": networks["D"][:-1]},
    ),
    "semi_supervised": Kind(
        games.SemiSupervisedGAN, reference.semi_supervised, lambda: of_points(D=CLASSES),
        order="x labelled z G D D D opt_D z G opt_G", metrics="loss_D loss_G L_supervised L_unsupervised D_real D_fake",
        further=lambda networks: {"features": networks["D"][:-1], "labelled": labelled()},
    ),
}  # fmt: skip


def make(name, prior=None, dtype="float32", rule=None, lr=0.01, networks=None, **options):
    """A small game of the kind; images are 8 x 8, points have two coordinates, noise three."""
    kind = GAMES[name]
    networks = kind.networks() | (networks or {})
    if dtype == "float64":
        in_float64(*networks.values())
    trained = {opt: [p for name in names for p in networks[name].parameters()] for opt, names in kind.trains.items()}
    rules = {opt: (rule or kind.rule)(params, lr=lr) for opt, params in trained.items()}
    arguments = (networks["G"], networks["D"], prior or data.noise(3), rules.pop("opt_G"), rules.pop("opt_D"))
    return kind.game(*arguments, **kind.further(networks) | rules | options)


def minibatch(name, m=4, seed=0):
    """x, or (x, y), as NumPy arrays of float64."""
    rng, kind = np.random.default_rng(seed), GAMES[name]
    x = kind.x(rng, m)
    return (x, rng.integers(0, CLASSES, m)) if kind.classes else x


def minibatches(name, m=4):
    """Fresh ones without end."""
    return (minibatch(name, m, seed) for seed in itertools.count())


def stream(name, n=20, size=4):
    """Minibatches without end, that can be saved."""
    whole = minibatch(name, n)
    return data.batches(*(whole if isinstance(whole, tuple) else (whole,)), size=size)
