"""The hinge game, an example of a user's own game: it needs only a `step`."""

from minigan.games import Figures, Game
from minigan.ops import maximum, mean


class HingeGAN(Game):
    """D descends E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))); G descends -E D(G(z)) (Lim and Ye 2017, "Geometric GAN")."""

    def step(self, batches):
        """One iteration: a step of D, then one of G."""
        x = self.real(batches)
        z = self.noise(len(x))
        fake = self.G(z).detach()
        loss_D = mean(maximum(1 - self.D(x), 0)) + mean(maximum(1 + self.D(fake), 0))
        self.descend(self.opt_D, loss_D)

        z = self.noise(len(x))
        with self.frozen(self.D):
            loss_G = -mean(self.D(self.G(z)))
            self.descend(self.opt_G, loss_G)

        return Figures(loss_D=loss_D, loss_G=loss_G)
