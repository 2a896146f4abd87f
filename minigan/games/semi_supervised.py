"""The semi-supervised GAN: Salimans et al. 2016, section 5. D is a classifier with one more class, "fake"."""

from minigan.games.feature_matching import FeatureMatchingGAN
from minigan.games.figures import Figures, mean_probability
from minigan.games.game import Minibatches, Prior
from minigan.losses import cross_entropy, discriminator_loss
from minigan.nn import Module
from minigan.ops import logsumexp
from minigan.optim import Optimizer


class SemiSupervisedGAN(FeatureMatchingGAN):
    """D, a classifier of K classes, learns from few labels and, as a discriminator, from unlabelled data and from G.

    D has K logits l_1(x), ..., l_K(x); that of class K + 1, "fake", is fixed to 0. So, with Z(x) = sum over k of exp l_k(x),

        p(fake | x) = 1 / (Z(x) + 1),  D(x) = 1 - p(fake | x) = Z(x) / (Z(x) + 1) = sigma(log Z(x)).

    As a discriminator, D has the logit log Z(x), a logsumexp.

        D descends L_supervised + L_unsupervised
        L_supervised = -E log p(y | x, x is not fake) = -E log softmax(l(x))_y, over the K classes alone
        L_unsupervised = -(E log D(x) + E log(1 - D(G(z))))
        G descends |E f(x) - E f(G(z))|^2, as in `FeatureMatchingGAN`: the paper finds that D learns well from such a G

    Args:
        G, prior, opt_G, opt_D, features: see `FeatureMatchingGAN`.
        D: x -> K logits, (N, K).
        labelled: an iterator of minibatches (x, y), y integers in [0, K), such as data.batches(x, y, size=100). It is a part
            of the game's state. The minibatches of `step` have no labels.

    `step` returns `loss_D` = L_supervised + L_unsupervised, `loss_G`, `L_supervised`, `L_unsupervised`, and the mean
    probabilities `D_real` = D(x) and `D_fake` = D(G(z)).
    """

    def __init__(
        self,
        G: Module,
        D: Module,
        prior: Prior,
        opt_G: Optimizer,
        opt_D: Optimizer,
        features: Module,
        labelled: Minibatches,
    ):
        super().__init__(G, D, prior, opt_G, opt_D, features)
        self.labelled = labelled

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: a step of D on labelled x, unlabelled x and fakes, then a step of G against the updated D."""
        x = self.real(batches)
        x_labelled, y = self.minibatch(self.labelled)
        z = self.noise(len(x))
        fake = self.G(z).detach()
        real_logits, fake_logits = logsumexp(self.D(x), axis=1), logsumexp(self.D(fake), axis=1)  # log Z
        L_unsupervised = discriminator_loss(real_logits, fake_logits)
        L_supervised = cross_entropy(self.D(self.cast(x_labelled)), y)
        loss_D = L_supervised + L_unsupervised
        self.descend(self.opt_D, loss_D)

        loss_G = self.match_features(x)
        D_real, D_fake = mean_probability(real_logits), mean_probability(fake_logits)
        losses = {"loss_D": loss_D, "loss_G": loss_G, "L_supervised": L_supervised, "L_unsupervised": L_unsupervised}
        return Figures(**losses, D_real=D_real, D_fake=D_fake)
