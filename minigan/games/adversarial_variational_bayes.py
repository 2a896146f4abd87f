"""Adversarial variational Bayes: Algorithm 1 of Mescheder, Nowozin and Geiger 2017. A VAE whose Q(z | x) has any shape."""

from minigan.games.ali import Joint
from minigan.games.figures import Figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid, check_player
from minigan.losses import discriminator_loss, log_loss_with_logits
from minigan.nn import Module
from minigan.ops import mean
from minigan.optim import Optimizer


class AdversarialVariationalBayes(Game):
    """A VAE whose encoder z = Q(x, epsilon) has no known density: a discriminator T(x, z) learns log Q(z | x) - log P(z).

        T ascends         mean log sigma(T(x, Q(x, epsilon))) + mean log(1 - sigma(T(x, z)))      with z from the prior
        P and Q ascend    mean log P(x | Q(x, epsilon)) - mean T(x, Q(x, epsilon))

    The best T is log Q(z | x) - log P(z), whose mean over Q is D_KL(Q(z | x) | P(z)), so that the second objective is the ELBO.
    The best T depends on Q, but E grad T = 0 for Q's parameters in T (Proposition 2): Q's gradient passes through z alone.
    As in the algorithm's box, all gradients are those before the steps, from the same x, epsilon and z.

    T is the game's D, P its G.

    Args:
        G: P, from (N, d) to the logits of pixels in [0, 1], in x's shape: P(x | z) is Bernoulli. `sample` returns logits too.
        D: T, a network of (x, z), returns (N, 1).
        prior: P(z); see `Game`.
        opt_G, opt_D: opt_G has P's and Q's parameters.
        Q: the encoder, a network of (x, epsilon), returns arrays like z.
        epsilon: a function m -> array of m noise vectors for Q, such as data.noise(8).

    `step` returns `loss_D`, T's; and, in nats a sample, `D_KL` = mean T(x, Q(x, epsilon)), `minus_log_P` and their sum,
    `minus_ELBO`. Raises ValueError as `Game` does, and where opt_G lacks a parameter of Q.
    """

    def __init__(self, G: Module, D: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer, Q: Module, epsilon: Prior):
        super().__init__(G, D, prior, opt_G, opt_D)
        check_no_sigmoid("AdversarialVariationalBayes", D.network if isinstance(D, Joint) else D)
        check_player("AdversarialVariationalBayes", "Q", Q, "opt_G", opt_G)
        if not {id(p) for p in Q.parameters()} <= {id(p) for p in opt_G.params}:
            raise ValueError("AdversarialVariationalBayes: opt_G lacks parameters of Q; it needs P's and Q's")
        self.Q, self.epsilon = Q, epsilon

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of P and Q against T, and a step of T on the codes from before that step."""
        x = self.real(batches)
        z, epsilon = self.noise(len(x)), self.cast(self.epsilon(len(x)))
        code = self.Q(x, epsilon)

        with self.frozen(self.D):
            D_KL = mean(self.D(x, code))
            minus_log_P = (x.size // len(x)) * log_loss_with_logits(self.G(code), x)
            minus_ELBO = D_KL + minus_log_P
            self.descend(self.opt_G, minus_ELBO)

        loss_D = discriminator_loss(self.D(x, code.detach()), self.D(x, z))
        self.descend(self.opt_D, loss_D)

        return Figures(loss_D=loss_D, D_KL=D_KL, minus_log_P=minus_log_P, minus_ELBO=minus_ELBO)
