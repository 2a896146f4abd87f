"""The sizes in PyTorch: eager, with its defaults."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from demos.performance.engines import PROCESSORS, sizes
from demos.performance.engines.sizes import Network, Size, Step

VERSION = torch.__version__
THREADS = PROCESSORS
DEVICE = "cpu"  # where networks and minibatches go
torch.set_num_threads(THREADS)

LAYERS = {
    "dense": nn.Linear,
    "conv": lambda *numbers: nn.Conv2d(*numbers[:5], bias=numbers[-1] is not False),
    "conv_transpose": lambda *numbers: nn.ConvTranspose2d(*numbers[:5], bias=numbers[-1] is not False),
    "batch_norm": nn.BatchNorm2d,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(sizes.SLOPE),
    "tanh": nn.Tanh,
    "flatten": nn.Flatten,
    "reshape": lambda *shape: nn.Unflatten(1, shape),
}


def network(layers: Network, weights: list[list[np.ndarray]]) -> nn.Sequential:
    """The network, with these weights; those of PyTorch's dense layer are transposed."""
    result = nn.Sequential(*[LAYERS[kind](*numbers) for kind, *numbers in layers])
    with torch.no_grad():
        for layer, arrays in zip(result, weights, strict=True):
            for parameter, array in zip(layer.parameters(), arrays, strict=True):
                parameter.copy_(torch.from_numpy(array.T if array.ndim == 2 else array))
    return result.to(DEVICE)


def adam(player: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(player.parameters(), sizes.LR, sizes.BETAS, sizes.EPS)


def tensors(size: Size, seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """The minibatches in a cycle; each is copied to the device when it is used."""
    minibatches = [tuple(map(torch.from_numpy, batch)) for batch in sizes.minibatches(size, seed)]
    return (tuple(array.to(DEVICE) for array in batch) for batch in itertools.cycle(minibatches))


def make(size: Size, seed: int) -> Step:
    return {"gan": gan, "wgan-gp": critic, "fgsm": fgsm}[size.task](size, seed)


def gan(size: Size, seed: int) -> Step:
    """The losses of D and G."""
    G, D = map(network, (size.G, size.D), sizes.start(size, seed))
    opt_G, opt_D, batches = adam(G), adam(D), tensors(size, seed)

    def step():
        x, z_D, z_G = next(batches)
        fake = G(z_D).detach()
        loss_D = softplus(-D(x)).mean() + softplus(D(fake)).mean()
        opt_D.zero_grad()
        loss_D.backward()
        opt_D.step()

        D.requires_grad_(False)
        loss_G = softplus(-D(G(z_G))).mean()
        opt_G.zero_grad()
        loss_G.backward()
        opt_G.step()
        D.requires_grad_(True)
        return loss_D.item, loss_G.item

    return step


def critic(size: Size, seed: int) -> Step:
    """The critic's loss without the penalty, and the penalty."""
    G, D = map(network, (size.G, size.D), sizes.start(size, seed))
    optimizer, batches = adam(D), tensors(size, seed)

    def step():
        x, z, u = next(batches)
        fake = G(z).detach()
        loss = D(fake).mean() - D(x).mean()
        x_hat = (fake + u * (x - fake)).requires_grad_()
        (slope,) = torch.autograd.grad(D(x_hat).sum(), x_hat, create_graph=True)
        penalty = (slope.norm(dim=1) - 1.0).square().mean()
        optimizer.zero_grad()
        (loss + sizes.PENALTY * penalty).backward()
        optimizer.step()
        return loss.item, penalty.item

    return step


def fgsm(size: Size, seed: int) -> Step:
    """The loss, and the sum of the first image's absolute gradient."""
    D = network(size.D, sizes.start(size, seed)[1]).requires_grad_(False)
    batches = tensors(size, seed)

    def step():
        x, labels = next(batches)
        x = x.detach().requires_grad_()
        loss = cross_entropy(D(x), labels)
        (g,) = torch.autograd.grad(loss, x)
        return loss.item, g[0].abs().sum().item

    return step
