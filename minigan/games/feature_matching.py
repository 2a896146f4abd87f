"""Feature matching: Salimans et al. 2016, section 3.1. G does not try to fool D, but to match the data's mean features."""

from minigan.engine.tensor import Tensor
from minigan.games.figures import Figures, discriminator_figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid
from minigan.losses import discriminator_loss, feature_matching_loss
from minigan.nn import Module
from minigan.optim import Optimizer


class FeatureMatchingGAN(Game):
    """D learns as in `GAN`. G learns to make samples with the data's mean features, in a middle layer of D.

        D descends -(E log D(x) + E log(1 - D(G(z))))
        G descends |E f(x) - E f(G(z))|^2

    f, a middle layer of D, has the features that tell real from fake. Only D's step changes f.

    Args:
        G, D, prior, opt_G, opt_D: see `Game`; D returns logits.
        features: f, a part of D, such as D[:-1], all layers of a `Sequential` but the last.

    `step` returns what `GAN.step` does: `loss_D`, `loss_G` = |E f(x) - E f(G(z))|^2, `D_real`, `D_fake` and `D_accuracy`.
    Raises ValueError for features that are not a part of D.
    """

    def __init__(self, G: Module, D: Module, prior: Prior, opt_G: Optimizer, opt_D: Optimizer, features: Module):
        super().__init__(G, D, prior, opt_G, opt_D)
        name = type(self).__name__
        check_no_sigmoid(name, D)
        if not isinstance(features, Module) or {id(p) for p in features.parameters()} - {id(p) for p in D.parameters()}:
            raise ValueError(f"{name}: features is not a part of D; expected a Module such as D[:-1]")
        self.features = features

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of D, then a step of G against the updated D."""
        x = self.real(batches)
        z = self.noise(len(x))
        fake = self.G(z).detach()
        real_logits, fake_logits = self.D(x), self.D(fake)
        loss_D = discriminator_loss(real_logits, fake_logits)
        self.descend(self.opt_D, loss_D)

        loss_G = self.match_features(x)
        return discriminator_figures(loss_D, loss_G, real_logits, fake_logits)

    def match_features(self, x: Tensor) -> Tensor:
        """G's step, on the x of D's step and fresh z. Returns G's loss."""
        z = self.noise(len(x))
        with self.frozen(self.D):  # and with it f: a part of D
            loss_G = feature_matching_loss(self.features(x), self.features(self.G(z)))
            self.descend(self.opt_G, loss_G)
        return loss_G
