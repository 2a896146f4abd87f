"""Classifiers of digits, their training, and their mistakes: what the demos of adversarial examples attack.

Images are (n, 1, 28, 28), with pixels in [0, 1]; a classifier's labels count its own classes from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.kit.loops import resumable
from minigan import Tensor, attacks, backend, data, losses, nn, no_grad, optim, sigmoid, softmax

CHUNK = 1000  # images that go through a classifier at a time, to keep the temporary arrays small
ROWS = 400  # lines of history kept along the way

Objective = Callable[[nn.Module, np.ndarray, np.ndarray], Tensor]


@dataclass
class Classifier:
    """A model, the loss by which it learns and is attacked, and the digits that it tells apart."""

    model: nn.Module
    loss: Callable[[Tensor, Any], Tensor] = losses.cross_entropy
    digits: tuple[int, ...] = tuple(range(10))

    def take(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images of its digits, and their labels."""
        mine = np.isin(y, self.digits)
        return x[mine], np.searchsorted(self.digits, y[mine])

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """What it says, in eval mode: (n, classes), each row a distribution."""

        def say(x):
            v = self.model(Tensor(x))
            if v.ndim == 2:
                return softmax(v).numpy()
            p = sigmoid(v).numpy()
            return np.stack([1 - p, p], axis=1)

        with nn.eval_mode(self.model), no_grad():
            return in_parts(say, x)

    def attacked(self, x: np.ndarray, y: np.ndarray, epsilon: float, attack: Callable = attacks.fgsm, **options) -> np.ndarray:
        """Adversarial images against this classifier."""
        return in_parts(lambda x, y: backend.to_numpy(attack(self.model, x, y, epsilon, self.loss, **options)), x, y)


# --- the models ---------------------------------------------------------------------------------------------------------


def network(width: int = 256) -> Classifier:
    """Two hidden layers of ReLUs."""
    layers = nn.Dense(784, width), nn.ReLU(), nn.Dense(width, width), nn.ReLU(), nn.Dense(width, 10)
    return Classifier(nn.Sequential(nn.Flatten(), *layers))


# --- training -----------------------------------------------------------------------------------------------------------


def train(
    classifier: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    name: str,
    steps: int,
    batch: int,
    lr: float,
    objective: Objective | None = None,
    **changing: Any,
) -> list[dict[str, float]]:
    """Train by Adam, the learning rate falling to 0, under a progress bar with this name.

    `objective(model, x, y)` is what falls; None: the loss. `changing`: what else it changes; see
    `loops.resumable`. Returns a history of it, and of the errors in the minibatch, in per cent.
    """
    model = classifier.model.train()
    objective = objective or (lambda model, x, y: classifier.loss(model(Tensor(x)), y))
    x, y = classifier.take(x, y)
    minibatches = data.batches(x, y, size=min(batch, len(x)))
    optimizer, history = optim.Adam(model.parameters(), lr), []
    decay = optim.LinearDecay(optimizer, steps)
    parts = {"model": model, "optimizer": optimizer, "minibatches": minibatches, "decay": decay, "history": history}
    for step in resumable(range(1, steps + 1), name, **parts, **changing):
        images, labels = next(minibatches)
        optimizer.zero_grad()
        loss = objective(model, images, labels)
        loss.backward()
        if step % max(1, steps // ROWS) == 0 or step == steps:
            error = mistakes(classifier, images, labels)["error"]
            history.append({"step": step, f"{name}_loss": loss.item(), f"{name}_error": error})
        optimizer.step()
        decay.step()
    model.eval()
    return history


# --- their mistakes -----------------------------------------------------------------------------------------------------


def in_parts(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """function(*arrays), by CHUNK of their rows at a time."""
    parts = range(0, len(arrays[0]), CHUNK)
    return np.concatenate([function(*(array[i : i + CHUNK] for array in arrays)) for i in parts])


def mistakes(classifier: Classifier, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """In per cent: the errors, and the mean probability of the class chosen in error (0 without errors)."""
    p = classifier.probabilities(x)
    wrong = p.argmax(axis=1) != y
    confidence = p.max(axis=1)[wrong].mean() if wrong.any() else 0.0
    return {"error": 100 * float(wrong.mean()), "confidence": 100 * float(confidence)}
