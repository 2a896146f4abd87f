"""The generative adversarial network: Algorithm 1 of Goodfellow et al. 2014."""

from minigan import checks
from minigan.games.figures import Figures, discriminator_figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid
from minigan.losses import discriminator_loss, generator_loss, squared_gradient_norm
from minigan.nn import Module
from minigan.optim import Optimizer


class GAN(Game):
    """min over G, max over D of E log D(x) + E log(1 - D(G(z))), by steps in turn.

    Args:
        G, D, prior, opt_G, opt_D: see `Game`. D returns logits, not probabilities.
        k: D steps in an iteration, each on a fresh minibatch of x and fresh z.
        l: G steps in an iteration, each on fresh z (as many vectors as the last x has samples).
        saturating: if True, G descends log(1 - D(G(z))), as in the algorithm's box; if False, -log D(G(z)), whose gradient
            does not vanish while D is sure that a sample is fake.
        r1: if above 0, D's loss gets (r1 / 2) mean |grad D(x)|^2 over real x (Mescheder et al. 2018): a D that is flat around
            the data cannot chase G in circles. With BatchNorm in D, see `losses.squared_gradient_norm`.

    `step` returns the losses `loss_D` (without the r1 term) and `loss_G` of the last step of each player and, of the last
    D step, the mean probabilities `D_real` = D(x) and `D_fake` = D(G(z)), and `D_accuracy`, the share of samples that D
    classifies correctly.
    """

    settings = ("k", "l", "saturating", "r1")

    def __init__(
        self,
        G: Module,
        D: Module,
        prior: Prior,
        opt_G: Optimizer,
        opt_D: Optimizer,
        k: int = 1,
        l: int = 1,
        saturating: bool = False,
        r1: float = 0.0,
    ):
        super().__init__(G, D, prior, opt_G, opt_D)
        checks.counts("GAN", k=k, l=l)
        check_no_sigmoid("GAN", D)
        self.k, self.l, self.saturating = k, l, checks.flag("GAN", "saturating", saturating)
        self.r1 = checks.number("GAN", "r1", r1, least=0)

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: k steps of D, then l steps of G against the updated D."""
        for _ in range(self.k):
            x = self.real(batches)
            x.requires_grad = self.r1 > 0
            z = self.noise(len(x))
            # detach: D's gradient is the same without it, but the backward pass would continue into G and leave gradients there
            fake = self.G(z).detach()
            real_logits, fake_logits = self.D(x), self.D(fake)
            loss_D = discriminator_loss(real_logits, fake_logits)
            penalty = (self.r1 / 2) * squared_gradient_norm(real_logits, x) if self.r1 else 0.0
            self.descend(self.opt_D, loss_D + penalty)

        for _ in range(self.l):
            z = self.noise(len(x))
            with self.frozen(self.D):  # D's parameters require none; G's gradients pass through D
                loss_G = generator_loss(self.D(self.G(z)), self.saturating)
                self.descend(self.opt_G, loss_G)

        return discriminator_figures(loss_D, loss_G, real_logits, fake_logits)
