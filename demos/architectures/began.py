"""BEGAN: D is an autoencoder, and the game has a thermostat (Berthelot, Schumm and Metz 2017).

Slide: "Boundary equilibrium GAN (BEGAN)" (IT3320E, lecture 10)

    L(v) = mean |v - D(v)|        D descends L(x) - k L(G(z))        G descends L(G(z))
    k <- clip(k + lambda_k (gamma L(x) - L(G(z))), 0, 1)

D learns to reconstruct the data and to fail on G's samples; G makes samples that D reconstructs well. k rises when D is ahead
and falls when G is, so that L(G(z)) / L(x) stays near gamma.

What to look for: in curves.png the ratio settles at gamma, and M = L(x) + |gamma L(x) - L(G(z))| falls as the images get
better, which no loss of a GAN does. But M has a blind spot. With --gamma 0.5, the paper's value, it falls further still, while
G draws six of the ten digits, and with 0.3 four (seed 0): look at samples.png, and at the number of classes.
"""

from argparse import ArgumentTypeError
from dataclasses import asdict, dataclass, replace

from demos.kit import digits, pictures
from demos.kit.claim import Claim
from demos.kit.run import parser, start
from minigan import data, nn, optim
from minigan.games import BEGAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 8_000  # iterations; the learning rates fall linearly to 0 over them
    gamma: float = 0.75  # the ratio L(G(z)) / L(x) that k steers towards
    lambda_k: float = 0.01  # how fast k follows; the paper's 0.001 is for runs a hundred times as long
    z: int = 64  # dimensions of the noise, uniform in [-1, 1]
    width: int = 256  # of the hidden layers
    code: int = 64  # of D's narrowest layer
    batch: int = 64
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)


def main(argv: list[str] | None = None) -> None:
    """Train, measure, draw."""
    options = parser(__doc__, data=digits.DATA, quick_data="glyphs")
    options.add_argument("--gamma", type=share, help=f"in [0, 1]: less is less diverse (default: {Settings.gamma})")
    args = start(options, argv, "began")
    settings = replace(Settings(), steps=100, width=64) if args.quick else Settings()
    if args.gamma is not None:
        settings = replace(settings, gamma=args.gamma)
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    G, D = generator(settings), autoencoder(settings)
    game = BEGAN(
        G,
        D,
        prior=data.noise(settings.z, "uniform"),
        opt_G=optim.Adam(G.parameters(), settings.lr, settings.betas),
        opt_D=optim.Adam(D.parameters(), settings.lr, settings.betas),
        gamma=settings.gamma,
        lambda_k=settings.lambda_k,
    )
    digits.play(claim, game, panels(settings.gamma))
    claim.finish()


def generator(settings: Settings) -> nn.Sequential:
    """(N, z) -> (N, 1, 28, 28)"""
    w = settings.width
    return nn.Sequential(
        dense(settings.z, w), nn.LeakyReLU(0.2), dense(w, w), nn.LeakyReLU(0.2), dense(w, 784), nn.Tanh(),
        nn.Reshape(1, 28, 28),
    )  # fmt: skip


def autoencoder(settings: Settings) -> nn.Sequential:
    """(N, 1, 28, 28) -> (N, code) -> (N, 1, 28, 28)"""
    w = settings.width
    return nn.Sequential(
        nn.Flatten(),
        dense(784, w), nn.LeakyReLU(0.2), dense(w, settings.code),
        dense(settings.code, w), nn.LeakyReLU(0.2), dense(w, 784),
        nn.Reshape(1, 28, 28),
    )  # fmt: skip


def dense(inputs: int, outputs: int) -> nn.Dense:
    """A layer that starts with larger weights than usual: with small ones, all of G's samples begin alike, and stay so."""
    return nn.Dense(inputs, outputs, weight_init=nn.init.he_normal)


def share(text: str) -> float:
    """A number from 0 to 1, or argparse's error."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def panels(gamma: float) -> tuple[pictures.Panel, ...]:
    """What the game's figures are, and where they would come to rest."""
    return (
        pictures.Panel(
            "reconstruction error",
            {
                "L_x": ("$L(x)$, of real", pictures.REAL, None),
                "loss_G": ("$L(G(z))$, of fake", pictures.FAKE, None),
                "M": ("$M$", "black", None),
            },
        ),
        pictures.Panel("$k$", {"k": ("$k$, the weight of D's second task", "tab:green", None)}),
        pictures.Panel(
            "$L(G(z)) / L(x)$  (dotted: $\\gamma$)", {"ratio": ("$L(G(z)) / L(x)$", "tab:purple", gamma)}, ylim=(0, 1.5)
        ),
    )


if __name__ == "__main__":
    main()
