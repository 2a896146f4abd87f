"""The metrics of a game's step: losses and mean probabilities, numbers that are computed when they are read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from minigan import backend
from minigan.engine.tensor import Tensor
from minigan.ops import mean, sigmoid


class Figures(Mapping[str, float]):
    """The metrics of one step, by name: floats when they are read.

    Until then each is a detached tensor, or a function without arguments that computes one: unread metrics cost no computation
    and no wait for the device. `figures[name]` computes one metric and waits for it. Iteration, as in `dict(figures)` and
    `print`, waits once for all of them.
    """

    def __init__(self, **figures: Tensor | Callable[[], Tensor]):
        self._values: dict[str, Any] = {name: v.detach() if isinstance(v, Tensor) else v for name, v in figures.items()}

    def __getitem__(self, name: str) -> float:
        self._read(name)
        value: float = self._values[name]
        return value

    def __iter__(self) -> Iterator[str]:
        self._read(*self._values)  # `items` and `values` iterate first, and then read one metric after another
        return iter(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values  # the default of Mapping would read it

    def _read(self, *names: str) -> None:
        """Turn these metrics into floats. Those on a device are copied together, with one wait."""
        values = {name: self._values[name] for name in names}
        values = {name: v() if callable(v) else v for name, v in values.items()}
        on_device = {
            name: v.data for name, v in values.items() if isinstance(v, Tensor) and not backend.readable_without_sync(v.data)
        }
        if len(on_device) > 1:
            copied = backend.to_numpy(backend.concatenate([array.reshape(1) for array in on_device.values()]))
            values |= zip(on_device, copied.tolist(), strict=True)
        for name, value in values.items():
            self._values[name] = float(value)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return ", ".join(f"{name} {value:.4f}" for name, value in self.items())


def discriminator_figures(loss_D: Tensor, loss_G: Tensor, real_logits: Tensor, fake_logits: Tensor) -> Figures:
    """The losses, the mean probabilities D(x) and D(G(z)), and D's accuracy."""
    real_logits, fake_logits = real_logits.detach(), fake_logits.detach()  # so that the graph can be freed
    return Figures(
        loss_D=loss_D,
        loss_G=loss_G,
        D_real=lambda: mean_probability(real_logits),
        D_fake=lambda: mean_probability(fake_logits),
        D_accuracy=lambda: accuracy(real_logits, fake_logits),
    )


def mean_probability(logits: Tensor) -> Tensor:
    """mean sigma(v), the mean probability "real", without a graph."""
    return mean(sigmoid(logits.detach()))


def accuracy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The share of samples that D classifies correctly: v > 0 for real, v < 0 for fake. A guessing D has 1/2."""
    return (mean(real_logits > 0.0) + mean(fake_logits < 0.0)) / 2.0
