"""Adversarial games, one a file. Each has `step`, `sample`, `state_dict` and `load_state_dict`; see `Game`."""

from minigan.games.began import BEGAN
from minigan.games.conditional_gan import Conditional, ConditionalGAN
from minigan.games.dcgan import dcgan_discriminator, dcgan_generator
from minigan.games.feature_matching import FeatureMatchingGAN
from minigan.games.figures import Figures
from minigan.games.game import Game
from minigan.games.gan import GAN
from minigan.games.semi_supervised import SemiSupervisedGAN
from minigan.games.wgan import WGAN
from minigan.games.wgan_gp import WGANGP

__all__ = [
    "BEGAN",
    "GAN",
    "WGAN",
    "WGANGP",
    "Conditional",
    "ConditionalGAN",
    "FeatureMatchingGAN",
    "Figures",
    "Game",
    "SemiSupervisedGAN",
    "dcgan_discriminator",
    "dcgan_generator",
]
