"""The Wasserstein GAN: Algorithm 1 of Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN"."""

from minigan import checks
from minigan.games.figures import Figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid
from minigan.losses import critic_loss
from minigan.nn import Module
from minigan.ops import mean
from minigan.optim import Optimizer, clip_weights


class WGAN(Game):
    """min over G, max over critics f with |f(a) - f(b)| <= K |a - b| of E f(x) - E f(G(z)): K times the Wasserstein-1 distance.

    Args:
        G, critic, prior, opt_G, opt_D: see `Game`; the critic returns any number, (N, 1), and is `.D` as in every game.
            The paper's optimizers: RMSProp with lr 5e-5, and minibatches of 64.
        n_critic: critic steps in an iteration, each on a fresh minibatch of x and fresh z.
        clip: after each critic step, every weight is clipped to [-clip, clip]. This bounds the critic's slope by an unknown K:
            its estimates can be compared with one another, but have no unit.

    `step` returns, of the last critic step, `loss_D` and `w_estimate` = mean f(x) - mean f(G(z)) = -loss_D, and `loss_G`.
    """

    settings = ("n_critic", "clip")

    def __init__(
        self, G: Module, critic: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer, n_critic: int = 5, clip: float = 0.01
    ):
        super().__init__(G, critic, prior, opt_G, opt_D)
        checks.counts("WGAN", n_critic=n_critic)
        check_no_sigmoid("WGAN", critic)
        self.n_critic, self.clip = n_critic, checks.number("WGAN", "clip", clip, above=0)

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: n_critic steps of the critic, then one step of G against the updated critic."""
        for _ in range(self.n_critic):
            x = self.real(batches)
            z = self.noise(len(x))
            fake = self.G(z).detach()
            loss_D = critic_loss(self.D(x), self.D(fake))
            self.descend(self.opt_D, loss_D)
            clip_weights(self.D.parameters(), self.clip)

        z = self.noise(len(x))
        with self.frozen(self.D):
            loss_G = -mean(self.D(self.G(z)))
            self.descend(self.opt_G, loss_G)

        return Figures(loss_D=loss_D, loss_G=loss_G, w_estimate=-loss_D.detach())
