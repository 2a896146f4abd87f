"""The conditional GAN: G gets the class to draw, and D the class that it should see (Mirza and Osindero 2014).

Slide: "a realistic 3 is still a fake 7!" (CS/DS 552, class 7)

    min over G, max over D of   E log D(x, y) + E log(1 - D(G(z, y), y))

The class y enters both networks as a one-hot code: ten more dimensions of G's noise, ten more planes of D's image. D needs it
as well: a convincing 3 is wrong if a 7 was asked for, and only a D that knows y can notice this.

What to look for: in samples.png, is every row one class, and do the digits differ within a row? In interpolation.png the noise
is the same in every row: does z mean the same (slant, thickness, width) for all classes? A classifier that has never seen G's
samples counts how many of them show the class asked for.
"""

from dataclasses import dataclass

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.runner.options import parser
from minigan import data, optim
from minigan.games import Conditional, ConditionalGAN, dcgan_discriminator, dcgan_generator

CLASSES = 10


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 2_500  # iterations; the learning rates fall linearly to 0 over them
    z: int = 64  # dimensions of the noise, standard normal
    channels: int = 16  # of the 14 x 14 layers; twice as many in those of 7 x 7, four times in those of 4 x 4
    batch: int = 32
    lr: float = 2e-3
    betas: tuple[float, float] = (0.5, 0.999)


VERDICT = "True: when both networks get the class, the generator draws the digit that it is asked for."
FINDING = (
    "After 1.3 epochs of MNIST, one seed, {of the class asked for|%} of the samples show the digit asked for (by chance 10 %), "
    "of the worst class {of the class asked for, worst class|%}. Their Frechet distance to the data is {Frechet distance|.0f}; "
    "of real images without one class, {Frechet distance, real images without one class|.0f}."
)


@demo(Settings(), {"steps": 20, "channels": 8, "batch": 32}, lambda about: parser(about, data=digits.DATA, quick_data="glyphs"))
def main(claim: Claim, settings: Settings) -> None:
    """Train, measure, draw."""
    G = Conditional(dcgan_generator(settings.z + CLASSES, settings.channels), CLASSES)
    D = Conditional(dcgan_discriminator(1 + CLASSES, settings.channels), CLASSES)
    opt_G, opt_D = (optim.Adam(player.parameters(), settings.lr, settings.betas) for player in (G, D))
    digits.play(claim, ConditionalGAN(G, D, data.noise(settings.z), opt_G, opt_D))
    digits.well_drawn(claim)
    for name, least in (("of the class asked for", 0.9), ("of the class asked for, worst class", 0.8)):  # by chance, 0.1
        claim.at_least(name, claim.metrics[name], least)
