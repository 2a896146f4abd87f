"""Adversarial games, one a file. Each has `step`, `sample`, `state_dict` and `load_state_dict`; see `Game`."""

from minigan.games.game import Figures, Game
from minigan.games.gan import GAN

__all__ = ["GAN", "Figures", "Game"]
