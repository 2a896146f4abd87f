"""The Wasserstein GAN with gradient penalty: Algorithm 1 of Gulrajani et al. 2017, "Improved Training of Wasserstein GANs"."""

from minigan import checks
from minigan.games.figures import Figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid
from minigan.losses import critic_loss, gradient_penalty
from minigan.nn import Module
from minigan.ops import mean
from minigan.optim import Optimizer


class WGANGP(Game):
    """A `WGAN` whose critic has a term in its loss that pulls its slope to 1, instead of clipped weights.

    Args:
        G, critic, prior, opt_G, opt_D, n_critic: see `WGAN`. The critic must not have BatchNorm: the slope at one sample would
            depend on the others. The paper's optimizers: Adam with lr 1e-4 and betas (0, 0.9).
        penalty: the paper's lambda. The estimate has the data's unit, but overshoots: its best value at a distance W between
            two far points is W (1 + W / (2 lambda)).

    `step` returns, of the last critic step, `loss_D` (without the penalty), `w_estimate` = mean f(x) - mean f(G(z)) = -loss_D
    and `penalty` (without the factor lambda), and `loss_G`.
    """

    settings = ("n_critic", "penalty")

    def __init__(
        self,
        G: Module,
        critic: Module,
        prior: Prior,
        opt_G: Optimizer,
        opt_D: Optimizer,
        n_critic: int = 5,
        penalty: float = 10.0,
    ):
        super().__init__(G, critic, prior, opt_G, opt_D)
        checks.counts("WGANGP", n_critic=n_critic)
        check_no_sigmoid("WGANGP", critic)
        self.n_critic, self.penalty = n_critic, checks.number("WGANGP", "penalty", penalty, least=0)

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: n_critic steps of the critic, then one step of G against the updated critic."""
        for _ in range(self.n_critic):
            x = self.real(batches)
            z = self.noise(len(x))
            fake = self.G(z).detach()
            loss_D = critic_loss(self.D(x), self.D(fake))
            penalty = gradient_penalty(self.D, x, fake)
            self.descend(self.opt_D, loss_D + self.penalty * penalty)

        z = self.noise(len(x))
        with self.frozen(self.D):
            loss_G = -mean(self.D(self.G(z)))
            self.descend(self.opt_G, loss_G)

        return Figures(loss_D=loss_D, loss_G=loss_G, w_estimate=-loss_D.detach(), penalty=penalty)
