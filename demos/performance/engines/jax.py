"""The sizes in JAX: each iteration is one function, compiled by `jit`, on all processors that it finds.

Batch norm keeps no running statistics here: a function without state would have to take and return them.
"""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import log_softmax, softplus

from demos.performance.engines import PROCESSORS, sizes
from demos.performance.engines.sizes import Network, Size, Step

VERSION = jax.__version__
THREADS = PROCESSORS
NCHW = ("NCHW", "OIHW", "NCHW")


def _dense(x, numbers, w, *b):
    return x @ w + b[0] if b else x @ w


def _conv(x, numbers, w, *b):
    _, _, _, stride, padding, *_ = numbers
    y = lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=NCHW)
    return y + b[0][:, None, None] if b else y


def _conv_transpose(x, numbers, w, *b):
    """The convolution of x, with zeros between its pixels, with the flipped kernels."""
    _, _, k, stride, padding, *_ = numbers
    kernels, around = w[:, :, ::-1, ::-1].swapaxes(0, 1), k - 1 - padding
    y = lax.conv_general_dilated(
        x, kernels, (1, 1), [(around, around)] * 2, lhs_dilation=(stride, stride), dimension_numbers=NCHW
    )
    return y + b[0][:, None, None] if b else y


def _batch_norm(x, numbers, w, b):
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * w[:, None, None] + b[:, None, None]


LAYERS = {
    "dense": _dense,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "batch_norm": _batch_norm,
    "relu": lambda x, numbers: jax.nn.relu(x),
    "leaky_relu": lambda x, numbers: jax.nn.leaky_relu(x, sizes.SLOPE),
    "tanh": lambda x, numbers: jnp.tanh(x),
    "flatten": lambda x, numbers: x.reshape(len(x), -1),
    "reshape": lambda x, numbers: x.reshape(len(x), *numbers),
}


def forward(network: Network, weights: list, x: Any) -> Any:
    for (kind, *numbers), of_layer in zip(network, weights, strict=True):
        x = LAYERS[kind](x, numbers, *of_layer)
    return x


def adam(weights: Any, g: Any, state: tuple) -> tuple[Any, tuple]:
    """The weights and the state after one step."""
    (beta1, beta2), (m, v, t) = sizes.BETAS, state
    t = t + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, g)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, g)

    def stepped(w, m, v):
        return w - sizes.LR * (m / (1 - beta1**t)) / (jnp.sqrt(v / (1 - beta2**t)) + sizes.EPS)

    return jax.tree.map(stepped, weights, m, v), (m, v, t)


def before_the_first_step(weights: Any) -> tuple:
    """Adam's m, v and t."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return zeros, zeros, jnp.float32(0)


def make(size: Size, seed: int) -> Step:
    iteration = jax.jit(partial({"gan": gan, "wgan-gp": critic, "fgsm": fgsm}[size.task], size))
    batches = itertools.cycle(jax.tree.map(jnp.asarray, sizes.minibatches(size, seed)))
    G, D = jax.tree.map(jnp.asarray, sizes.start(size, seed))
    state = (G, D, before_the_first_step(G), before_the_first_step(D))

    def step():
        nonlocal state
        state, losses, *_ = jax.block_until_ready(iteration(state, *next(batches)))
        return tuple(loss.item for loss in losses)

    return step


def gan(size: Size, state, x, z_D, z_G):
    """(state, minibatch) -> (the state after it, the losses of D and G)."""
    G, D, adam_G, adam_D = state
    fake = forward(size.G, G, z_D)

    def discriminator_loss(D):
        return softplus(-forward(size.D, D, x)).mean() + softplus(forward(size.D, D, fake)).mean()

    loss_D, g = jax.value_and_grad(discriminator_loss)(D)
    D, adam_D = adam(D, g, adam_D)

    def generator_loss(G):
        return softplus(-forward(size.D, D, forward(size.G, G, z_G))).mean()

    loss_G, g = jax.value_and_grad(generator_loss)(G)
    G, adam_G = adam(G, g, adam_G)
    return (G, D, adam_G, adam_D), (loss_D, loss_G)


def critic(size: Size, state, x, z, u):
    """(state, minibatch) -> (the state after it, the critic's loss without the penalty and the penalty)."""
    G, D, adam_G, adam_D = state
    fake = forward(size.G, G, z)
    x_hat = fake + u * (x - fake)

    def critic_loss(D):
        loss = forward(size.D, D, fake).mean() - forward(size.D, D, x).mean()
        slope = jax.grad(lambda x: forward(size.D, D, x).sum())(x_hat)
        penalty = jnp.square(jnp.linalg.norm(slope, axis=1) - 1.0).mean()
        return loss + sizes.PENALTY * penalty, (loss, penalty)

    (_, losses), g = jax.value_and_grad(critic_loss, has_aux=True)(D)
    D, adam_D = adam(D, g, adam_D)
    return (G, D, adam_G, adam_D), losses


def fgsm(size: Size, state, x, labels):
    """(state, minibatch) -> (the same state, the loss and the sum of the first image's absolute gradient, the gradient).

    The gradient is returned because the compiler would remove an unused one.
    """

    def loss_at(x):
        logits = forward(size.D, state[1], x)
        return -log_softmax(logits)[jnp.arange(len(x)), labels].mean()

    loss, g = jax.value_and_grad(loss_at)(x)
    return state, (loss, jnp.abs(g[0]).sum()), g
