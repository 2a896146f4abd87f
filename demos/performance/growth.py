"""How minigan's time and memory grow: one iteration of a GAN against its batch, width, depth and image side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.kit.loops import once
from demos.performance.engines.sizes import Size, dense_gan, small_dcgan
from demos.performance.workers import Worker


@dataclass(frozen=True)
class Axis:
    """A quantity that grows: the size at each value, the values, those of a quick run, and the fixed quantities."""

    size: Callable[[int], Size]
    values: Sequence[int]
    quick: Sequence[int]
    meaning: str


AXES = {
    "batch": Axis(
        lambda n: dense_gan(256, 784, batch=n), (16, 32, 64, 128, 256, 512, 1024, 2048), (8, 16, 32), "100-256-784, 784-256-1"
    ),
    "width": Axis(
        lambda n: dense_gan(n, 784, batch=64), (32, 64, 128, 256, 512, 1024, 2048), (8, 16, 32), "100-n-784, batch 64"
    ),
    "depth": Axis(lambda n: dense_gan(128, 784, batch=64, depth=n), (1, 2, 4, 8, 16, 32, 64), (1, 2, 4), "width 128, batch 64"),
    "image side": Axis(small_dcgan, (8, 16, 32, 64, 128), (4, 8, 16), "convolutions, 16 channels, batch 16"),
}


def measure(worker: Worker, seed: int, seconds: float, quick: bool) -> dict[str, dict[str, Any]]:
    """For each axis: the values, the metrics there (`ms`, `peak` and `activations` in bytes), and their slopes."""
    return {name: once(f"growth with {name}", _along, worker, axis, seed, seconds, quick) for name, axis in AXES.items()}


def _along(worker: Worker, axis: Axis, seed: int, seconds: float, quick: bool) -> dict[str, Any]:
    values, points = axis.quick if quick else axis.values, []
    for size in map(axis.size, values):
        worker.make(size, seed)
        points.append({**worker.ask(time=seconds), **worker.memory(size, seed)})  # one by one: counting memory takes time
    figures = {key: [point[key] for point in points] for key in ("ms", "peak", "activations")}
    slopes = {key: slope(values, column) for key, column in figures.items()}
    return {"values": list(values), **figures, "slope": slopes}


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The power p of y ~ x^p at the last three points: at the left, the constant cost of a step hides the growth."""
    return float(np.polyfit(np.log(x[-3:]), np.log(y[-3:]), 1)[0])
