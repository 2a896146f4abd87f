"""The quality of samples in numbers: `points` in the plane or on the line, and `images` of digits. NumPy arrays in."""

from minigan.metrics.images import (
    Judge,
    Quality,
    frechet_distance,
    image_quality,
    inception_score,
    judge,
    nearest_distances,
    train_judge,
)
from minigan.metrics.points import mode_coverage, perfect_high_quality, wasserstein1

__all__ = [
    "Judge",
    "Quality",
    "frechet_distance",
    "image_quality",
    "inception_score",
    "judge",
    "mode_coverage",
    "nearest_distances",
    "perfect_high_quality",
    "train_judge",
    "wasserstein1",
]
