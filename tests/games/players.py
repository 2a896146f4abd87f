"""What the games' tests share: small networks, one game of each kind, and a recorder of what happens in a step."""

import itertools

import numpy as np

from minigan import Tensor, backend, data, games, nn, optim
from tests.games import reference
from tests.helpers import leaves

CLASSES = 3
RULES = {  # a different one in each game, so that each is met with float32, saving and the rest
    "gan": optim.OMD,
    "dcgan": optim.Adam,
    "wgan": optim.RMSProp,
    "wgan_gp": optim.OptimisticAdam,
    "cgan": optim.OptimisticAdam,
    "cgan_images": optim.Adam,
    "began": optim.Adam,
    "ebgan": optim.RMSProp,
    "aae": optim.Adam,
    "avb": optim.Adam,
    "ali": optim.Adam,
    "feature_matching": optim.Adam,
    "semi_supervised": optim.Adam,
}
IMAGES = ("dcgan", "cgan_images")
CONDITIONAL = ("cgan", "cgan_images")
AUTOENCODERS = ("began", "ebgan")  # whose D returns an image of its input's shape, not a number
OWN_ORDER = ("aae", "avb")  # autoencoders: D does not see what G makes, but codes, and an iteration begins with G's step
ENCODING = ("ali",)  # with a third network, Q, which learns with G
MATCHING = ("feature_matching", "semi_supervised")  # G has nothing to do with what D says, but with a middle layer
FIGURES = {name: ["loss_D", "loss_G", "D_real", "D_fake", "D_accuracy"] for name in RULES} | {
    "wgan": ["loss_D", "loss_G", "w_estimate"],
    "wgan_gp": ["loss_D", "loss_G", "w_estimate", "penalty"],
    "began": ["loss_D", "loss_G", "L_x", "ratio", "k", "M"],
    "ebgan": ["loss_D", "loss_G", "D_real", "D_fake"],
    "aae": ["error", "loss_D", "loss_Q", "D_real", "D_fake", "D_accuracy"],
    "avb": ["loss_D", "D_KL", "minus_log_P", "minus_ELBO"],
    "semi_supervised": ["loss_D", "loss_G", "L_supervised", "L_unsupervised", "D_real", "D_fake"],
}


# --- networks -----------------------------------------------------------------------------------------------------------


def mlp(*sizes, activation=nn.Tanh):
    """Dense layers of these sizes, with activations between them."""
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Dense(a, b), activation())]
    return nn.Sequential(*layers[:-1])


def image_players(z=3, in_channels=1, channels=3):
    """DCGAN's networks, for images of 8 x 8 pixels."""
    G = nn.Sequential(
        nn.Dense(z, 4 * 2 * 2, bias=False),
        nn.Reshape(4, 2, 2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, channels, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    D = nn.Sequential(
        nn.Conv2d(in_channels, channels, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(channels, 4, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Dense(4 * 2 * 2, 1),
    )
    return G, D


def in_float64(*modules):
    """Parameters and buffers; what is random stays what it was in float32."""
    for part in itertools.chain(*[module.modules() for module in modules]):
        for key, value in vars(part).items():
            if isinstance(value, Tensor):
                value.data = value.data.astype("float64")
            elif backend.is_array(value):
                setattr(part, key, value.astype("float64"))


def by_hand(module):
    """The reference's network with copies of the module's parameters."""
    if isinstance(module, games.Joint):
        return by_hand(module.network)
    if isinstance(module, games.Conditional):
        return reference.Net(*by_hand(module.network).layers, classes=module.classes)
    if isinstance(module, games.Autoencoder):
        return reference.Net(*by_hand(module.encoder).layers, *by_hand(module.decoder).layers)
    return reference.Net(*[_layer_by_hand(layer) for layer in module])


def _layer_by_hand(layer):
    params = [None if p is None else p.numpy().copy() for p in (getattr(layer, n, None) for n in ("weight", "bias"))]
    match layer:
        case nn.Dense():
            return reference.Dense(*params)
        case nn.Conv2d():
            return reference.Conv(*params, layer.stride, layer.padding)
        case nn.ConvTranspose2d():
            return reference.ConvTranspose(*params, layer.stride, layer.padding)
        case nn.BatchNorm2d():
            return reference.BatchNorm(*params)
        case nn.LeakyReLU():
            return reference.LeakyReLU(layer.slope)
        case nn.ReLU():
            return reference.LeakyReLU(0.0)
        case nn.Tanh():
            return reference.Tanh()
        case nn.Reshape():
            return reference.Reshape(*layer.shape)
        case nn.Flatten():
            return reference.Reshape(-1)
    raise NotImplementedError(repr(layer))


def assert_agree(module, net, tolerance=1e-8):
    """The module's parameters and running statistics are those of the reference's network."""
    for p, expected in zip(module.parameters(), net.params, strict=True):
        np.testing.assert_allclose(p.numpy(), expected, rtol=tolerance, atol=tolerance)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for part, layer in zip(norms, [layer for layer in net.layers if isinstance(layer, reference.BatchNorm)], strict=True):
        np.testing.assert_allclose(part.running_mean, layer.running_mean, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(part.running_var, layer.running_var, rtol=tolerance, atol=tolerance)


class Draws:
    """A prior of float64 noise that keeps what it drew, until it is asked."""

    def __init__(self, d, seed=1):
        self.d, self.rng, self.drawn = d, np.random.default_rng(seed), []

    def __call__(self, m):
        self.drawn.append(self.rng.standard_normal((m, self.d)))
        return self.drawn[-1]

    def taken(self):
        drawn, self.drawn = self.drawn, []
        return drawn


# --- one game of each kind ----------------------------------------------------------------------------------------------


def make(name, prior=None, dtype="float32", rule=None, lr=0.01, **options):
    """A small game of the kind; images are 8 x 8, points have two coordinates, noise three."""
    if name in OWN_ORDER:
        return make_autoencoder(name, prior or data.noise(3), dtype, rule or RULES[name], lr, **options)
    if name in IMAGES:
        G, D = image_players(z=3, in_channels=1) if name == "dcgan" else image_players(3 + CLASSES, 1 + CLASSES)
    else:
        extra = CLASSES if name == "cgan" else 0
        outputs = {"began": 4, "ebgan": 4, "semi_supervised": CLASSES}.get(name, 1)
        G, D = mlp(3 + extra, 5, 2), mlp(2 + extra, 5, outputs)
        if name == "began":
            D = nn.Sequential(*D, nn.Tanh(), nn.Dense(4, 2))
        if name == "ebgan":
            D = games.Autoencoder(D, nn.Sequential(nn.Tanh(), nn.Dense(4, 2)))
    if name in ENCODING:
        D = games.Joint(mlp(2 + 3, 5, 1))
    if name in CONDITIONAL:
        G, D = games.Conditional(G, CLASSES), games.Conditional(D, CLASSES)
    options = further(name, D) | options
    if dtype == "float64":
        in_float64(G, D, *encoder_of(options))
    rule, trained = rule or RULES[name], [p for network in (G, *encoder_of(options)) for p in network.parameters()]
    return KINDS[name](G, D, prior or data.noise(3), rule(trained, lr=lr), rule(D.parameters(), lr=lr), **options)


KINDS = {
    "gan": games.GAN,
    "dcgan": games.GAN,
    "wgan": games.WGAN,
    "wgan_gp": games.WGANGP,
    "cgan": games.ConditionalGAN,
    "cgan_images": games.ConditionalGAN,
    "began": games.BEGAN,
    "ebgan": games.EBGAN,
    "ali": games.ALI,
    "feature_matching": games.FeatureMatchingGAN,
    "semi_supervised": games.SemiSupervisedGAN,
}


def further(name, D):
    """What a game of the kind takes besides the players, the prior and the rules."""
    found = {"Q": mlp(2, 5, 3)} if name in ENCODING else {}
    found |= {"features": D[:-1] if isinstance(D, nn.Sequential) else D} if name in MATCHING else {}
    return found | ({"labelled": labelled()} if name == "semi_supervised" else {})


def encoder_of(options):
    """The third network, where there is one."""
    return [options["Q"]] if "Q" in options else []


def labelled(n=12, size=4):
    """Minibatches of points with classes, which can be saved; the same each time."""
    rng = np.random.default_rng(5)
    return data.batches(rng.normal([2.0, -1.0], 0.5, (n, 2)), rng.integers(0, CLASSES, n), size=size, rng=rng)


def make_autoencoder(name, prior, dtype, rule, lr, epsilon=None, **options):
    """The same, of a game with an encoder, Q; avb's has two numbers of noise."""
    Q, G, D = mlp(2, 5, 3), mlp(3, 5, 2), mlp(3, 5, 1)
    if name == "avb":
        Q, D = games.Joint(mlp(2 + 2, 5, 3)), games.Joint(mlp(2 + 3, 5, 1))
    if dtype == "float64":
        in_float64(Q, G, D)
    both, of_D, of_Q = (rule(params, lr=lr) for params in (Q.parameters() + G.parameters(), D.parameters(), Q.parameters()))
    if name == "aae":
        return games.AdversarialAutoencoder(G, D, prior, both, of_D, Q, of_Q, **options)
    return games.AdversarialVariationalBayes(G, D, prior, both, of_D, Q, epsilon or data.noise(2), **options)


def minibatch(name, m=4, seed=0):
    """x, or (x, y), as NumPy arrays of float64."""
    rng = np.random.default_rng(seed)
    x = np.tanh(rng.standard_normal((m, 1, 8, 8))) if name in IMAGES else rng.normal([2.0, -1.0], 0.5, (m, 2))
    x = 1 / (1 + np.exp(-x)) if name == "avb" else x  # probabilities
    return (x, rng.integers(0, CLASSES, m)) if name in CONDITIONAL else x


def stream(name, n=20, size=4):
    """Minibatches without end, that can be saved."""
    whole = minibatch(name, n)
    return data.batches(*(whole if isinstance(whole, tuple) else (whole,)), size=size)


def values(module):
    return [p.numpy().copy() for p in module.parameters()]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def gradients(module):
    return [p.grad.numpy() for p in module.parameters()]


def negate_last_layer(D):
    """D becomes -D."""
    for p in (D.network if isinstance(D, games.Conditional) else D)[-1].parameters():
        p.data = -p.data


# --- what happens in a step ---------------------------------------------------------------------------------------------


class Recorder:
    """Writes down, in order, every draw ("x", "z"), forward pass ("G()", "D()") and step ("step G", "step D") of a game."""

    def __init__(self, game, batches):
        self.game, self.events = game, []
        prior = game.prior
        game.prior = lambda m: self.note("z", prior(m))
        self.batches = (self.note("x", batch) for batch in batches)
        for name, player, optimizer in (("G", game.G, game.opt_G), ("D", game.D, game.opt_D)):
            player.forward = self.watched_forward(name, player.forward)
            optimizer.step = self.watched_step(name, optimizer.step)

    def note(self, name, value):
        self.events.append((name, value))
        return value

    def watched_forward(self, name, forward):
        def watched(*inputs):
            y = forward(*inputs)
            seen = [x.numpy().copy() if isinstance(x, Tensor) else x for x in inputs]
            self.note(f"{name}()", (seen, y.numpy().copy(), values(getattr(self.game, name))))
            return y

        return watched

    def watched_step(self, name, step):
        def watched():
            before = {player: values(getattr(self.game, player)) for player in "GD"}
            grads = {player: [p.grad for p in getattr(self.game, player).parameters()] for player in "GD"}
            step()
            after = {player: values(getattr(self.game, player)) for player in "GD"}
            changed = {p: [not np.array_equal(a, b) for a, b in zip(before[p], after[p], strict=True)] for p in "GD"}
            self.note(f"step {name}", {"gradients": grads, "changed": changed, "after": after})

        return watched

    def play(self, iterations=1):
        """That many iterations; the figures of the last."""
        for _ in range(iterations):
            figures = self.game.step(self.batches)
        return figures

    def names(self):
        return [name for name, _ in self.events]

    def of(self, name):
        return [value for event, value in self.events if event == name]

    def passes(self, name):
        """(first input, output) of every forward pass of a player."""
        return [(seen[0], y) for seen, y, _ in self.of(f"{name}()")]


def dtypes_of_new_tensors(game, play):
    """The dtypes of all tensors that arise while `play()` runs. What comes in does not count, but what `cast` makes of it."""
    cast = game.cast

    def of_the_result_alone(array):
        before = len(seen)
        t = cast(array)
        seen[before:] = [t.dtype]
        return t

    game.cast = of_the_result_alone
    with leaves.dtypes_of_new_tensors() as seen:
        play()
    del game.cast
    return seen
