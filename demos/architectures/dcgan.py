"""DCGAN: the same game between convolutional networks (Radford, Metz and Chintala 2016).

Slide: "GANs: Convolutional architectures" (Security and Fairness of Deep Learning, CMU)

G paints: each pixel of a small image with many channels is spread over 3 x 3 or 4 x 4 pixels of a larger one with fewer
(ConvTranspose2d), from 4 x 4 by way of 7 x 7 and 14 x 14 to 28 x 28. D does the reverse. Batch normalisation keeps the
activations of both in range; D sees the real and the generated samples in separate minibatches. The algorithm is that of
the demo gan for digits, R1 penalty included.

What to look for: in samples.png, strokes have clean edges, which dense networks find hard. In interpolation.png, every image
on the way from one z to another is a digit, or nearly: G has not stored images, it has learnt what varies. Straight lines
between two z pass nearer to 0 than any z that G was trained on; great circles do not.
"""

from dataclasses import asdict, dataclass, replace

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import parser, start
from minigan import data, optim
from minigan.games import GAN, dcgan_discriminator, dcgan_generator


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 6_000  # iterations; the learning rates fall linearly to 0 over them
    z: int = 64  # dimensions of the noise, standard normal
    channels: int = 32  # of the 14 x 14 layers; twice as many in those of 7 x 7, four times in those of 4 x 4
    batch: int = 32
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    r1: float = 0.5  # weight of the penalty on D's gradient at the data, which keeps D from running away from G


def main(argv: list[str] | None = None) -> None:
    """Train, measure, draw."""
    args = start(parser(__doc__, data=digits.DATA, quick_data="glyphs"), argv, "dcgan")
    settings = replace(Settings(), steps=20, channels=8, batch=32) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    G, D = dcgan_generator(settings.z, settings.channels), dcgan_discriminator(channels=settings.channels)
    game = GAN(
        G,
        D,
        prior=data.noise(settings.z),
        opt_G=optim.Adam(G.parameters(), settings.lr, settings.betas),
        opt_D=optim.Adam(D.parameters(), settings.lr, settings.betas),
        r1=settings.r1,
    )
    digits.play(claim, game)
    claim.finish()


if __name__ == "__main__":
    main()
