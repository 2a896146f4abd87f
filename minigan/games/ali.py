"""Adversarially learned inference: Dumoulin et al. 2016; the same game is BiGAN: Donahue, Krähenbühl and Darrell 2016."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan import backend
from minigan.engine.modes import no_grad
from minigan.engine.tensor import Tensor
from minigan.games.figures import Figures, discriminator_figures
from minigan.games.game import CHUNK, Game, Minibatches, Prior, check_no_sigmoid, check_player
from minigan.losses import discriminator_loss
from minigan.nn import Module, eval_mode
from minigan.ops import concatenate
from minigan.optim import Optimizer


class Joint(Module):
    """Makes a network of the pair (x, z) from a network of vectors: flattens x and appends z."""

    def __init__(self, network: Module):
        self.network = network

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.network(concatenate([x.reshape(len(x), -1), z], axis=1))


class ALI(Game):
    """min over P and Q, max over D of E log D(x, Q(x)) + E log(1 - D(P(z), z)): D classifies pairs, and Q learns to encode.

        D descends        -mean log D(x, Q(x)) - mean log(1 - D(P(z), z))
        P and Q descend   -mean log(1 - D(x, Q(x))) - mean log D(P(z), z), with fresh z

    P, the decoder, is the game's G. If D cannot tell the pairs apart, Q(x) is distributed as z, and P(z) as x. If, in addition,
    Q draws no noise, P and Q are inverse to each other (BiGAN's theorem 2), although no loss contains P(Q(x)). Algorithm 1 of
    Dumoulin et al. takes both gradients before either step; here, as in all games, P and Q step against the updated D.

    Args:
        G, D, prior, opt_G, opt_D: see `Game`; D is a network of (x, z), such as a `Joint`; opt_G has P's and Q's parameters.
        Q: the encoder, a network of x that returns an array like z. BiGAN's is a function of x, ALI's draws noise as well.

    `step` returns what `GAN.step` does: `D_real` = D(x, Q(x)), `D_fake` = D(P(z), z). Raises ValueError as `Game` does, and
    where opt_G lacks a parameter of Q.
    """

    def __init__(self, G: Module, D: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer, Q: Module):
        super().__init__(G, D, prior, opt_G, opt_D)
        check_no_sigmoid("ALI", D.network if isinstance(D, Joint) else D)
        check_player("ALI", "Q", Q, "opt_G", opt_G)
        if not {id(p) for p in Q.parameters()} <= {id(p) for p in opt_G.params}:
            raise ValueError("ALI: opt_G lacks parameters of Q; pass it [*G.parameters(), *Q.parameters()]")
        self.Q = Q

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of D, then a step of P and Q against the updated D."""
        x = self.real(batches)
        z = self.noise(len(x))
        code, fake = self.Q(x).detach(), self.G(z).detach()
        encoded, decoded = self.D(x, code), self.D(fake, z)
        loss_D = discriminator_loss(encoded, decoded)
        self.descend(self.opt_D, loss_D)

        z = self.noise(len(x))
        with self.frozen(self.D):  # the same loss with swapped labels; without the second term Q would not learn
            loss_G = discriminator_loss(self.D(self.G(z), z), self.D(x, self.Q(x)))
            self.descend(self.opt_G, loss_G)

        return discriminator_figures(loss_D, loss_G, encoded, decoded)

    def encode(self, x: Any) -> NDArray[Any]:
        """Q(x) as a NumPy array, in eval mode; `sample(len(z), z=z)` decodes it."""
        x = self.cast(x)
        with no_grad(), eval_mode(self.Q):
            return np.concatenate([backend.to_numpy(self.Q(x[i : i + CHUNK]).data) for i in range(0, len(x), CHUNK)])
