"""The generative adversarial network: Algorithm 1 of Goodfellow et al. 2014."""

from typing import Any

from minigan import checks
from minigan.games.figures import Figures, discriminator_figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid
from minigan.losses import GameLoss, log_loss_game, saturating_game, squared_gradient_norm
from minigan.nn import Module
from minigan.ops import mean
from minigan.optim import Optimizer

LOG_LOSSES = (log_loss_game, saturating_game)


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
        loss: what D and G descend, such as `losses.hinge_game`, or your own `losses.GameLoss(discriminator, generator)`.

    `step` returns the losses `loss_D` (without the r1 term) and `loss_G` of the last step of each player and, of the last
    D step, the mean probabilities `D_real` = D(x) and `D_fake` = D(G(z)), and `D_accuracy`, the share of samples that D
    classifies correctly. With another loss than the log-loss, `D_real` and `D_fake` are D's mean outputs, and there is no
    accuracy. Raises ValueError for `saturating` with another loss.
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
        loss: GameLoss = log_loss_game,
    ):
        super().__init__(G, D, prior, opt_G, opt_D)
        checks.counts("GAN", k=k, l=l)
        check_no_sigmoid("GAN", D)
        if not isinstance(loss, GameLoss):
            raise TypeError(f"GAN: loss is a {type(loss).__name__}; expected a pair, such as losses.hinge_game")
        if checks.flag("GAN", "saturating", saturating) and loss not in LOG_LOSSES:
            raise ValueError(f"GAN: saturating=True is a form of the log-loss; leave it out with loss={loss}")
        self.loss = saturating_game if saturating else loss
        self.k, self.l, self.saturating = k, l, self.loss == saturating_game
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
            loss_D = self.loss.discriminator(real_logits, fake_logits)
            objective = loss_D + (self.r1 / 2) * squared_gradient_norm(real_logits, x) if self.r1 else loss_D
            self.descend(self.opt_D, objective)

        for _ in range(self.l):
            z = self.noise(len(x))
            with self.frozen(self.D):  # D's parameters require none; G's gradients pass through D
                loss_G = self.loss.generator(self.D(self.G(z)))
                self.descend(self.opt_G, loss_G)

        if self.loss in LOG_LOSSES:
            return discriminator_figures(loss_D, loss_G, real_logits, fake_logits)
        return Figures(loss_D=loss_D, loss_G=loss_G, D_real=mean(real_logits.detach()), D_fake=mean(fake_logits.detach()))

    def _settings(self) -> dict[str, Any]:
        """The log-loss is not among them: states of 0.1 have no loss."""
        return super()._settings() | ({} if self.loss in LOG_LOSSES else {"loss": repr(self.loss)})

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Pickles of 0.1 have no loss."""
        vars(self).update({"loss": saturating_game if state["saturating"] else log_loss_game, **state})
