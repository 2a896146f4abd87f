"""Adversarial games, one per file. Each has `step`, `sample`, `state_dict` and `load_state_dict`; see `Game`."""

from minigan.games.adversarial_autoencoder import AdversarialAutoencoder
from minigan.games.adversarial_variational_bayes import AdversarialVariationalBayes
from minigan.games.ali import ALI, Joint
from minigan.games.began import BEGAN
from minigan.games.conditional_gan import Conditional, ConditionalGAN
from minigan.games.dcgan import dcgan_discriminator, dcgan_generator
from minigan.games.ebgan import EBGAN, Autoencoder
from minigan.games.feature_matching import FeatureMatchingGAN
from minigan.games.figures import Figures
from minigan.games.game import Game
from minigan.games.gan import GAN
from minigan.games.semi_supervised import SemiSupervisedGAN
from minigan.games.wgan import WGAN
from minigan.games.wgan_gp import WGANGP

__all__ = [
    "ALI",
    "BEGAN",
    "EBGAN",
    "GAN",
    "WGAN",
    "WGANGP",
    "AdversarialAutoencoder",
    "AdversarialVariationalBayes",
    "Autoencoder",
    "Conditional",
    "ConditionalGAN",
    "FeatureMatchingGAN",
    "Figures",
    "Game",
    "Joint",
    "SemiSupervisedGAN",
    "dcgan_discriminator",
    "dcgan_generator",
]
