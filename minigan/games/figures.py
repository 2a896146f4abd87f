"""The figures of a game's step: losses and mean probabilities, as numbers that cost nothing until somebody reads them."""

from collections.abc import Callable, Iterator, Mapping

from minigan import backend
from minigan.engine.tensor import Tensor
from minigan.ops import mean, sigmoid


class Figures(Mapping):
    """The figures of one step, by name: floats when they are read.

    Until then each is a detached tensor, or a function without arguments that computes one: a step that nobody looks at costs
    nothing more, and waits for nothing. `figures[name]` computes that one and waits for it. To go through them, as in
    `dict(figures)` and `print`, waits once for all of them.
    """

    def __init__(self, **figures: Tensor | Callable[[], Tensor]):
        self._values = {name: v.detach() if isinstance(v, Tensor) else v for name, v in figures.items()}

    def __getitem__(self, name: str) -> float:
        self._read(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self._read(*self._values)  # `items` and the like begin here, and then ask for one figure after another
        return iter(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values  # a Mapping's own way is to read it

    def _read(self, *names: str) -> None:
        """Turn these figures into floats. Those that must be waited for come in one copy."""
        found = {name: self._values[name] for name in names}
        found = {name: v() if callable(v) else v for name, v in found.items()}
        there = {name: v.data for name, v in found.items() if isinstance(v, Tensor) and not backend.at_hand(v.data)}
        if len(there) > 1:
            copied = backend.to_numpy(backend.concatenate([array.reshape(1) for array in there.values()]))
            found |= zip(there, copied.tolist(), strict=True)
        for name, value in found.items():
            self._values[name] = float(value)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return ", ".join(f"{name} {value:.4f}" for name, value in self.items())


def discriminator_figures(loss_D: Tensor, loss_G: Tensor, real_logits: Tensor, fake_logits: Tensor) -> Figures:
    """The losses, the mean probabilities D(x) and D(G(z)), and the share that D judges right."""
    real_logits, fake_logits = real_logits.detach(), fake_logits.detach()  # so that the graph can be freed
    return Figures(
        loss_D=loss_D,
        loss_G=loss_G,
        D_real=lambda: mean_probability(real_logits),
        D_fake=lambda: mean_probability(fake_logits),
        D_accuracy=lambda: accuracy(real_logits, fake_logits),
    )


def mean_probability(logits: Tensor) -> Tensor:
    """mean sigma(v), the mean probability "real", as a figure (no graph)."""
    return mean(sigmoid(logits.detach()))


def accuracy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The share of samples that D judges right: v > 0 for real ones, v < 0 for fake ones. 1/2 where it can only guess."""
    return (mean(real_logits > 0.0) + mean(fake_logits < 0.0)) / 2.0
