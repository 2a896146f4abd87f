"""The conditional GAN: Mirza and Osindero 2014. Both players get the class as an input, so that G can be asked for one."""

from typing import Any

from minigan import backend, checks
from minigan.engine.tensor import Tensor
from minigan.games.figures import Figures, discriminator_figures
from minigan.games.game import Game, Minibatches, Prior, check_no_sigmoid
from minigan.losses import discriminator_loss, generator_loss, squared_gradient_norm
from minigan.nn import Module
from minigan.nn.module import check_sizes
from minigan.ops import broadcast_to, concatenate, one_hot
from minigan.ops.operands import floating, integers, labels_below
from minigan.optim import Optimizer


class Conditional(Module):
    """Makes a network of (x, y) from a network of x: appends the class y to x as a one-hot code.

    x (N, F), such as noise, becomes (N, F + classes). Images (N, C, H, W) become (N, C + classes, H, W): each class has a
    plane, ones for y's class and zeros for the others. y: (N,) integers in [0, classes).
    """

    def __init__(self, network: Module, classes: int):
        check_sizes("Conditional", classes)
        self.network, self.classes = network, classes

    def forward(self, x: Tensor, y: Any) -> Tensor:
        x = floating("Conditional", x)
        code = one_hot(y, self.classes, dtype=x.dtype)
        if x.ndim == 4:
            n, _, height, width = x.shape
            code = broadcast_to(code.reshape(n, self.classes, 1, 1), (n, self.classes, height, width))
        return self.network(concatenate([x, code], axis=1))


class ConditionalGAN(Game):
    """min over G, max over D of E log D(x, y) + E log(1 - D(G(z, y), y)), for data x with classes y.

    D needs y as well: a convincing 3 is still wrong if a 7 was asked for.

    Args:
        G, D: networks of (z, y) and of (x, y), y an integer array (N,); `Conditional` makes them from ordinary ones.
        prior, opt_G, opt_D: see `Game`.
        k: D steps in an iteration, each on a fresh minibatch of (x, y) and fresh z.
        l: G steps in an iteration, each on fresh z, with the labels of the last minibatch.
        r1: as in `GAN`; the gradient is that for x.

    `step` takes minibatches (x, y) and returns what `GAN.step` does. `sample` needs y.
    """

    settings = ("k", "l", "r1")
    r1 = 0.0  # pickles of 0.1 have none

    def __init__(
        self,
        G: Module,
        D: Module,
        prior: Prior,
        opt_G: Optimizer,
        opt_D: Optimizer,
        k: int = 1,
        l: int = 1,
        r1: float = 0.0,
    ):
        super().__init__(G, D, prior, opt_G, opt_D)
        checks.counts("ConditionalGAN", k=k, l=l)
        check_no_sigmoid("ConditionalGAN", D.network if isinstance(D, Conditional) else D)
        self.k, self.l, self.r1 = k, l, checks.number("ConditionalGAN", "r1", r1, least=0)

    def step(self, batches: Minibatches) -> Figures:
        """One iteration: k steps of D, then l steps of G against the updated D."""
        for _ in range(self.k):
            x, y = self.labelled(batches)
            x.requires_grad = self.r1 > 0
            z = self.noise(len(x))
            fake = self.G(z, y).detach()
            real_logits, fake_logits = self.D(x, y), self.D(fake, y)
            loss_D = discriminator_loss(real_logits, fake_logits)
            penalty = (self.r1 / 2) * squared_gradient_norm(real_logits, x) if self.r1 else 0.0
            self.descend(self.opt_D, loss_D + penalty)

        for _ in range(self.l):
            z = self.noise(len(y))
            with self.frozen(self.D):
                loss_G = generator_loss(self.D(self.G(z, y), y))
                self.descend(self.opt_G, loss_G)

        return discriminator_figures(loss_D, loss_G, real_logits, fake_logits)

    def minibatch(self, batches: Minibatches) -> tuple[Any, backend.Array]:
        """The next (x, y), with y as integers. They are checked here, before they are moved to a device."""
        batch = super().minibatch(batches)
        if not (isinstance(batch, tuple | list) and len(batch) == 2):
            kind = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, tuple | list) else "")
            raise TypeError(f"step: batches yielded {kind}; expected (x, y), as from data.batches(x, y, size=64)")
        return batch[0], _classes("step", batch[1], self.G)

    def labelled(self, batches: Minibatches) -> tuple[Tensor, backend.Array]:
        """The next minibatch (x, y): x in the networks' dtype, one class for each sample."""
        x, y = self.minibatch(batches)
        x = self.cast(x)
        if y.shape != x.shape[:1]:
            raise ValueError(f"step: x has shape {x.shape} and y {y.shape}; expected one class for each sample")
        return x, y

    def condition(self, n: int, y: Any) -> tuple[Any, ...]:
        """The n classes of the samples, G's second argument."""
        if y is None:
            raise TypeError("sample: ConditionalGAN needs classes: pass y, n classes, or one for all")
        y = _classes("sample", y, self.G)
        if y.shape not in ((), (n,)):
            raise ValueError(f"sample: y has shape {y.shape}; expected {n} classes, or one for all")
        return (y + backend.xp().zeros(n, y.dtype),)


def _classes(name: str, y: Any, G: Module) -> backend.Array:
    """Classes as an integer array; for a `Conditional` G, checked to be below its number of classes."""
    return labels_below(name, y, G.classes) if isinstance(G, Conditional) else backend.asarray(integers(name, y))
