"""Energy-based GAN: Zhao, Mathieu and LeCun 2016. D is an autoencoder; a sample's energy is its reconstruction error."""

from minigan import checks
from minigan.engine.tensor import Tensor
from minigan.games.figures import Figures
from minigan.games.game import Game, Minibatches, Prior
from minigan.losses import pull_away_term
from minigan.nn import Module
from minigan.ops import mean, norm, relu
from minigan.optim import Optimizer


class Autoencoder(Module):
    """decoder(encoder(x)): a D with an accessible code."""

    def __init__(self, encoder: Module, decoder: Module):
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class EBGAN(Game):
    """D gives real samples a low energy, and generated samples an energy of at least m; G makes samples of low energy.

    With the energy E(v) = |v - D(v)| of each sample (the paper's sections 2.1 and 2.3),

        D descends mean E(x) + mean max(0, m - E(G(z)))
        G descends mean E(G(z)) + pull_away f_PT, with fresh z

    In a Nash equilibrium G's samples are distributed as the data, and D's loss is m (theorem 1).

    Args:
        G, D, prior, opt_G, opt_D: see `Game`; D returns an array of its input's shape.
        margin: m, in the unit of |v - D(v)|, which grows with the root of the number of pixels. The paper has 10 for MNIST.
        pull_away: weight of `losses.pull_away_term` on the codes D.encoder(G(z)): G's samples repel each other. D must have an
            encoder, as an `Autoencoder` does. The paper's EBGAN-PT has 0.1.

    `step` returns `loss_D` and `loss_G` (without the pull-away term) and, of the D step, the mean energies `D_real` = E(x) and
    `D_fake` = E(G(z)). Raises TypeError for pull_away without an encoder, ValueError for a D that is not an autoencoder.
    """

    settings = ("margin", "pull_away")

    def __init__(
        self, G: Module, D: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer, margin: float = 10, pull_away: float = 0
    ):
        super().__init__(G, D, prior, opt_G, opt_D)
        self.margin = checks.number("EBGAN", "margin", margin, above=0)
        self.pull_away = checks.number("EBGAN", "pull_away", pull_away, least=0)
        if self.pull_away and not hasattr(D, "encoder"):
            raise TypeError("EBGAN: pull_away needs D's code, and D has no encoder; make it an Autoencoder(encoder, decoder)")

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of D, then a step of G against the updated D."""
        x = self.real(batches)
        z = self.noise(len(x))
        fake = self.G(z).detach()
        E_real, E_fake = self.energy(x), self.energy(fake)
        loss_D = mean(E_real) + mean(relu(self.margin - E_fake))  # one hinge for each sample
        self.descend(self.opt_D, loss_D)

        z = self.noise(len(x))
        with self.frozen(self.D):
            fake = self.G(z)
            loss_G = mean(self.energy(fake))  # G changes both the sample and its reconstruction
            repelling = self.pull_away * pull_away_term(self.code(fake)) if self.pull_away else 0.0
            self.descend(self.opt_G, loss_G + repelling)

        E_real, E_fake = E_real.detach(), E_fake.detach()  # so that the graph can be freed
        return Figures(loss_D=loss_D, loss_G=loss_G, D_real=lambda: mean(E_real), D_fake=lambda: mean(E_fake))

    def energy(self, v: Tensor) -> Tensor:
        """|v - D(v)|, (N,): the distance of each sample from its reconstruction."""
        reconstruction = self.D(v)
        if reconstruction.shape != v.shape:
            raise ValueError(f"EBGAN: D maps shape {v.shape} to {reconstruction.shape}; expected an autoencoder")
        return norm((v - reconstruction).reshape(len(v), -1), axis=1)

    def code(self, v: Tensor) -> Tensor:
        """D.encoder(v), as an `Autoencoder` has it."""
        return self.D.encoder(v)  # type: ignore[attr-defined,no-any-return] # `__init__` checks that D has one
