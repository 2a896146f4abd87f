"""Boundary equilibrium GAN: Berthelot, Schumm and Metz 2017. D is an autoencoder; its reconstruction error is the criterion."""

from typing import Any

from minigan import checks
from minigan.engine.modes import no_grad
from minigan.games.figures import Figures
from minigan.games.game import Game, Minibatches, Prior
from minigan.losses import l1
from minigan.nn import Module
from minigan.ops import abs, clip
from minigan.optim import Optimizer


class BEGAN(Game):
    """D reconstructs real samples well and generated samples badly; G makes samples that D reconstructs well.

    With L(v) = mean |v - D(v)|:

        D descends L(x) - k L(G(z))
        G descends L(G(z)), with fresh z
        k <- clip(k + lambda_k (gamma L(x) - L(G(z))), 0, 1)

    k starts at 0 and moves to the weight of D's second term at which L(G(z)) = gamma L(x).

    Args:
        G, D, prior, opt_G, opt_D: see `Game`; D returns an array of its input's shape. The paper: z uniform in [-1, 1],
            Adam with lr 1e-4, falling.
        gamma: in [0, 1], the target of the ratio L(G(z)) / L(x). If it is low, G's samples become similar.
        lambda_k: the step size of k.

    `step` returns `loss_D`, `loss_G` = L(G(z)) of the G step, `L_x` = L(x), `ratio` = L(G(z)) / L(x), `k` (after the step)
    and `M` = L(x) + |gamma L(x) - L(G(z))|, the paper's measure of convergence. M does not detect mode collapse.
    """

    settings = ("gamma", "lambda_k")

    def __init__(
        self,
        G: Module,
        D: Module,
        prior: Prior,
        opt_G: Optimizer,
        opt_D: Optimizer,
        gamma: float = 0.5,
        lambda_k: float = 0.001,
    ):
        super().__init__(G, D, prior, opt_G, opt_D)
        self.gamma = checks.number("BEGAN", "gamma", gamma, least=0, most=1)
        self.lambda_k = checks.number("BEGAN", "lambda_k", lambda_k, least=0)
        self.k = self.cast(0.0)  # a Tensor: with a Python float, every step would wait for the device

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of D, a step of G against the updated D, and the new k."""
        x = self.real(batches)
        z = self.noise(len(x))
        fake = self.G(z).detach()
        L_x = l1(self.D(x), x)
        loss_D = L_x - self.k * l1(self.D(fake), fake)
        self.descend(self.opt_D, loss_D)

        z = self.noise(len(x))
        with self.frozen(self.D):
            fake = self.G(z)
            loss_G = l1(self.D(fake), fake)  # G changes both the sample and its reconstruction
            self.descend(self.opt_G, loss_G)

        with no_grad():
            balance = self.gamma * L_x - loss_G
            self.k = clip(self.k + self.lambda_k * balance, 0.0, 1.0)
            return Figures(loss_D=loss_D, loss_G=loss_G, L_x=L_x, ratio=loss_G / L_x, k=self.k, M=L_x + abs(balance))

    def check_state_dict(self, state: dict[str, Any]) -> None:
        """As in every game, and k's bounds."""
        super().check_state_dict(state)
        checks.saved_number("k", state["k"], least=0, most=1)

    def __repr__(self) -> str:
        game, players = super().__repr__().split("\n", 1)
        return f"{game}, k = {self.cast(self.k).item():.4g}\n{players}"
