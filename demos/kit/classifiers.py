"""Classifiers of digits, their training and their mistakes. The demos of adversarial examples attack them.

Images are (n, 1, 28, 28), with pixels in [0, 1]; a classifier's labels count its own classes from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.kit.loops import resumable
from minigan import Tensor, attacks, backend, data, losses, mean, nn, no_grad, optim, sigmoid, softmax

CHUNK = 1000  # images in one call of a classifier, to keep the temporary arrays small
ROWS = 400  # rows of history

Objective = Callable[[nn.Module, np.ndarray, np.ndarray], Tensor]


@dataclass
class Classifier:
    """A model, its loss in training and under attack, and the digits that it distinguishes."""

    model: nn.Module
    loss: Callable[[Tensor, Any], Tensor] = losses.cross_entropy
    digits: tuple[int, ...] = tuple(range(10))

    def take(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images of its digits, and their labels."""
        mine = np.isin(y, self.digits)
        return x[mine], np.searchsorted(self.digits, y[mine])

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """The probabilities of the classes in eval mode, (n, classes). Raises ValueError for more outputs than digits."""

        def predict(x):
            v = self.model(Tensor(x))
            if v.ndim == 2 and v.shape[1] > len(self.digits):
                raise ValueError(f"Classifier: {v.shape[1]} outputs for {len(self.digits)} digits; name a digit for each class")
            if v.ndim == 2:
                return softmax(v).numpy()
            p = sigmoid(v).numpy()
            return np.stack([1 - p, p], axis=1)

        with nn.eval_mode(self.model), no_grad():
            return in_parts(predict, x)

    def attacked(self, x: np.ndarray, y: np.ndarray, epsilon: float, attack: Callable = attacks.fgsm, **options) -> np.ndarray:
        """Adversarial images against this classifier."""
        return in_parts(lambda x, y: backend.to_numpy(attack(self.model, x, y, epsilon, self.loss, **options)), x, y)


def network(width: int = 256) -> Classifier:
    """Two hidden layers of ReLUs."""
    layers = nn.Dense(784, width), nn.ReLU(), nn.Dense(width, width), nn.ReLU(), nn.Dense(width, 10)
    return Classifier(nn.Sequential(nn.Flatten(), *layers))


def wrongness(v: Tensor, y: np.ndarray) -> Tensor:
    """A loss with the log-loss's signs: -v for class 1, v for class 0.

    The log-loss's gradient is sigma(-|v|), which float32 rounds to 0 where a model is very sure, and sign(0) does not attack:
    the model would seem robust.
    """
    return mean(Tensor(1.0 - 2.0 * y, dtype=v.dtype) * v)


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
    """Train with Adam and a learning rate that falls to 0, under a progress bar with this name.

    `objective(model, x, y)` is minimized; None: the loss. `changing`: other state that it changes; see `loops.resumable`.
    Returns a history of the objective and of the error rate in the minibatch, in per cent.
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


def in_parts(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """function(*arrays), computed for CHUNK rows at a time."""
    parts = range(0, len(arrays[0]), CHUNK)
    return np.concatenate([function(*(array[i : i + CHUNK] for array in arrays)) for i in parts])


def mistakes(classifier: Classifier, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """In per cent: the error rate, and the mean probability of the wrongly chosen classes (0 without errors)."""
    p = classifier.probabilities(x)
    wrong = p.argmax(axis=1) != y
    confidence = p.max(axis=1)[wrong].mean() if wrong.any() else 0.0
    return {"error": 100 * float(wrong.mean()), "confidence": 100 * float(confidence)}
