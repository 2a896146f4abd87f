"""The adversarial autoencoder: Makhzani et al. 2015. The game against D makes the codes distributed as the prior."""

from minigan.games.figures import Figures, accuracy, mean_probability
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid, check_player
from minigan.losses import discriminator_loss, generator_loss, mse
from minigan.nn import Module
from minigan.optim import Optimizer


class AdversarialAutoencoder(Game):
    """An autoencoder whose encoder Q is also a generator of codes: D tells them from draws of the prior.

    Each minibatch x has a reconstruction phase, then a regularisation phase (the paper's section 2):

        Q and P descend mean (P(Q(x)) - x)^2
        D descends -log D(z) - log(1 - D(Q(x))), with z from the prior
        Q descends -log D(Q(x))

    P, the decoder, is the game's G. If D cannot tell the codes from z, they are distributed as z, and P(z) as x.

    Args:
        G, D, prior, opt_G, opt_D: see `Game`; G returns arrays like x, D logits of codes: the prior's z are real, Q(x) fake.
            opt_G has P's and Q's parameters, for the reconstruction.
        Q: the encoder, a network of x that returns arrays like z.
        opt_Q: a second optimizer of Q's parameters, for the regularisation. The two learning rates weight the phases, and each
            optimizer averages the gradients of its own phase.

    `step` returns `error`, the mean squared error, `loss_D`, `loss_Q`, and of the D step the mean probabilities
    `D_real` = D(z) and `D_fake` = D(Q(x)), and `D_accuracy`, the share of codes that D classifies correctly. Raises ValueError
    as `Game` does, and for optimizers of other parameters.
    """

    def __init__(self, G: Module, D: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer, Q: Module, opt_Q: Optimizer):
        super().__init__(G, D, prior, opt_G, opt_D)
        check_no_sigmoid("AdversarialAutoencoder", D)
        check_player("AdversarialAutoencoder", "Q", Q, "opt_Q", opt_Q)
        of_Q, of_opt_Q, of_opt_G = ({id(p) for p in params} for params in (Q.parameters(), opt_Q.params, opt_G.params))
        if not of_Q == of_opt_Q <= of_opt_G:
            raise ValueError("AdversarialAutoencoder: opt_G needs P's and Q's parameters, opt_Q Q's alone")
        self.Q, self.opt_Q = Q, opt_Q

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of Q and P, then a step of D and one of Q against the updated D, all on the same x."""
        x = self.real(batches)
        error = mse(self.G(self.Q(x)), x)
        self.descend(self.opt_G, error)

        z, code = self.noise(len(x)), self.Q(x)
        real_logits, fake_logits = self.D(z), self.D(code.detach())
        loss_D = discriminator_loss(real_logits, fake_logits)
        self.descend(self.opt_D, loss_D)

        with self.frozen(self.D):
            loss_Q = generator_loss(self.D(code))
            self.descend(self.opt_Q, loss_Q)

        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()  # so that the graph can be freed
        return Figures(
            error=error,
            loss_D=loss_D,
            loss_Q=loss_Q,
            D_real=lambda: mean_probability(real_logits),
            D_fake=lambda: mean_probability(fake_logits),
            D_accuracy=lambda: accuracy(real_logits, fake_logits),
        )
