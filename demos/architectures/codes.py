"""Codes of a digit, without labels: D's features after a game and before it, an autoencoder's, principal components."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minigan as mg
from demos.architectures.shortcomings import CONV, game
from demos.generative_models import autoencoders
from demos.kit.classifiers import in_parts
from demos.kit.training import train
from minigan import Tensor, data, losses, max_pool2d, nn, no_grad

GAN_D, RANDOM, CODE, PCA, PIXELS = "D of a GAN", "random convolutions", "autoencoder", "principal components", "pixels"


def encoders(seed: int, x: np.ndarray, s: Any) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """For each kind of features: images (n, 1, 28, 28) -> (n, d). They learn from x, without labels."""
    mg.seed(seed)
    untrained = game(CONV, s).D
    mg.seed(seed)  # the same weights
    played = game(CONV, s)
    train(played, data.batches(2 * x - 1, size=s.batch), s.steps, f"GAN, seed {seed}")
    Q, decoder = autoencoders.dense_encoder(s.code, s.width), autoencoders.dense_decoder(s.code, s.width)

    def objective(x: np.ndarray) -> tuple[Tensor]:
        return (losses.log_loss_with_logits(decoder(Q(Tensor(x))), Tensor(x)),)

    autoencoders.train(objective, [Q, decoder], [x], f"autoencoder, seed {seed}", s.code_steps, s.code_batch, 1e-3)
    flat = x[: s.pool].reshape(-1, autoencoders.PIXELS)
    components = np.linalg.eigh(np.cov(flat, rowvar=False))[1][:, -s.code :].astype(x.dtype)
    return {
        GAN_D: partial(blocks, calibrated(played.D, x)),
        RANDOM: partial(blocks, calibrated(untrained, x)),
        CODE: partial(autoencoders.encode, Q),
        PCA: lambda x: x.reshape(len(x), -1) @ components,
        PIXELS: lambda x: x.reshape(len(x), -1),
    }


def calibrated(D: nn.Sequential, x: np.ndarray) -> nn.Sequential:
    """D in eval mode, with the batch normalisation's statistics of digits, not of G's images."""
    with no_grad():
        for part in np.array_split(x[:3000], 30):
            D.train()(Tensor(2 * part - 1))
    return D.eval()


def blocks(D: nn.Sequential, x: np.ndarray) -> np.ndarray:
    """The outputs of D's convolutional blocks, each pooled to 4 x 4 by maxima: (n, 7 * 16 channels)."""

    def pooled(x: np.ndarray) -> np.ndarray:
        h, outputs = Tensor(2 * x - 1), []
        for layer in D[:-2]:  # without Flatten and Dense
            h = layer(h)
            if isinstance(layer, nn.LeakyReLU):
                stride = h.shape[2] // 4
                outputs.append(max_pool2d(h, h.shape[2] - 3 * stride, stride).numpy().reshape(len(x), -1))
        return np.concatenate(outputs, axis=1)

    with no_grad():
        return in_parts(pooled, x)
