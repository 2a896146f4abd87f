"""The sizes in minigan: the games as they are, and, only for this engine, a profile of its ops."""

import itertools
from collections.abc import Callable

import numpy as np

import minigan as mg
from demos.performance.engines import sizes
from demos.performance.engines.sizes import Network, Size, Step
from minigan import games, losses, nn, optim
from minigan.backend import memory, threads

memory.keep()  # as a game does

VERSION = mg.__version__
THREADS = threads.COUNT

LAYERS = {
    "dense": nn.Dense,
    "conv": nn.Conv2d,
    "conv_transpose": lambda *numbers: nn.ConvTranspose2d(*numbers[:5], bias=numbers[-1] is not False),
    "batch_norm": nn.BatchNorm2d,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(sizes.SLOPE),
    "tanh": nn.Tanh,
    "flatten": nn.Flatten,
    "reshape": nn.Reshape,
}


def network(layers: Network, weights: list[list[np.ndarray]]) -> nn.Sequential:
    result = nn.Sequential(*[LAYERS[kind](*numbers) for kind, *numbers in layers])
    for layer, arrays in zip(result, weights, strict=True):
        for parameter, array in zip(layer.parameters(), arrays, strict=True):
            parameter.data = array
    return result


def adam(player: nn.Module) -> optim.Adam:
    return optim.Adam(player.parameters(), sizes.LR, sizes.BETAS, sizes.EPS)


def make(size: Size, seed: int) -> Step:
    return {"gan": gan, "wgan-gp": critic, "fgsm": fgsm}[size.task](size, seed)


def game(size: Size, minibatches: list, seed: int) -> games.GAN:
    """The GAN before its first step; its prior returns the minibatches' noise."""
    G, D = map(network, (size.G, size.D), sizes.start(size, seed))
    noise = itertools.cycle([z for _, *zs in minibatches for z in zs])
    return games.GAN(G, D, lambda m: next(noise), adam(G), adam(D))


def gan(size: Size, seed: int) -> Step:
    """The losses of D and G."""
    minibatches = sizes.minibatches(size, seed)
    played, batches = game(size, minibatches, seed), itertools.cycle(minibatches)

    def step():
        figures = played.step(batches)
        return lambda: figures["loss_D"], lambda: figures["loss_G"]

    return step


def critic(size: Size, seed: int) -> Step:
    """The critic's loss without the penalty, and the penalty."""
    G, D = map(network, (size.G, size.D), sizes.start(size, seed))
    optimizer, batches = adam(D), itertools.cycle(sizes.minibatches(size, seed))

    def step():
        x, z, u = map(mg.Tensor, next(batches))
        fake = G(z).detach()
        loss = losses.critic_loss(D(x), D(fake))
        x_hat = (fake + u * (x - fake)).detach()  # as in losses.gradient_penalty, which would draw another u
        x_hat.requires_grad = True
        (slope,) = mg.grad(mg.sum(D(x_hat)), x_hat, create_graph=True)
        penalty = mg.mean(mg.square(mg.norm(slope, axis=1) - 1.0))
        optimizer.zero_grad()
        (loss + sizes.PENALTY * penalty).backward()
        optimizer.step()
        return loss.item, penalty.item

    return step


def fgsm(size: Size, seed: int) -> Step:
    """The loss, and the sum of the first image's absolute gradient."""
    D = network(size.D, sizes.start(size, seed)[1]).requires_grad_(False)
    batches = itertools.cycle(sizes.minibatches(size, seed))

    def step():
        x, labels = next(batches)
        x = mg.Tensor(x, requires_grad=True)
        loss = losses.cross_entropy(D(x), labels)
        (g,) = mg.grad(loss, x)
        return loss.item, mg.sum(mg.abs(g[0])).item

    return step


def profile(step: Callable, calls: int) -> str:
    """The table of `mg.profile()` over `calls` calls."""
    with mg.profile() as table:
        for _ in range(calls):
            step()
    return str(table)
