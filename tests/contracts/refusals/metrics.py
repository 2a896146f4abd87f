"""What the metrics refuse."""

import numpy as np

from minigan import metrics
from tests.contracts.refusals import each

GREY = np.full((4, 1, 28, 28), 0.5, np.float32)
ZEROS = np.zeros(4, int)
JUDGE = metrics.Judge(rng=np.random.default_rng(0))
TAKERS = {  # functions of images: the argument's name, and a call
    "train_judge: x": lambda x: metrics.train_judge(x, ZEROS, 1),
    "image_quality: samples": lambda x: metrics.image_quality(x, JUDGE, GREY),
    "image_quality: train": lambda x: metrics.image_quality(GREY, JUDGE, x),
    "nearest_distances: samples": lambda x: metrics.nearest_distances(x, GREY),
    "nearest_distances: train": lambda x: metrics.nearest_distances(GREY, x),
}
BAD_IMAGES = [
    (GREY.reshape(4, 784), ValueError, r"has shape \(4, 784\); expected \(n, 1, 28, 28\).*: use reshape"),
    (np.ones((4, 3, 28, 28)), ValueError, r"has shape \(4, 3, 28, 28\); expected \(n, 1, 28, 28\)"),
    (GREY[:0], ValueError, r"has shape \(0, 1, 28, 28\); expected at least \d images"),
    (GREY - 1, ValueError, r"has values from -0.5 to -0.5; expected \[0, 1\]: .*Tanh.*\(x \+ 1\) / 2"),
    (np.full((4, 1, 28, 28), 255, np.uint8), ValueError, "has values from 255 to 255; .* divide by 255"),
    (np.where(np.arange(28) == 3, np.nan, GREY), ValueError, "has NaN values"),
]
LABELLERS = {
    "image_quality: labels": lambda y: metrics.image_quality(GREY, JUDGE, GREY, y),
    "train_judge: ": lambda y: metrics.train_judge(GREY, y, 1),
}
BAD_LABELS = [
    (np.zeros(3, int), ValueError, r"has shape \(3,\); expected \(4,\)"),
    (np.zeros(4), TypeError, "float64; expected integers"),
    (np.array([0, 1, 2, 10]), ValueError, "from 0 to 10; expected 0 to 9"),
]


def coverage(samples=((0.0, 1.0),), centres=((0.0, 1.0),), std=0.1):
    return metrics.mode_coverage(np.array(samples), np.array(centres), std)


REFUSED = [
    *[row for who, call in TAKERS.items() for x, error, says in BAD_IMAGES for row in each([x], error, f"^{who} {says}", call)],
    *[row for who, call in LABELLERS.items() for y, error, says in BAD_LABELS
      for row in each([y], error, f"^{who}.*{says}", call)],
    (lambda: metrics.image_quality(GREY, GREY, GREY), TypeError, "image_quality: judge is a ndarray; .*Judge"),
    (lambda: metrics.image_quality(GREY[:1], JUDGE, GREY), ValueError, "samples .* at least 2 images"),
    (lambda: metrics.image_quality(np.ones((4, 3, 32, 32)), JUDGE, GREY), ValueError, r"samples .* \(n, 1, 28, 28\): use"),
    (lambda: metrics.Judge(shape=(1, 32, 32)), ValueError, r"Judge: shape is \(1, 32, 32\); expected one of"),
    (lambda: metrics.train_judge(GREY, ZEROS, 0), ValueError, "train_judge: steps is 0"),
    (lambda: metrics.train_judge(GREY, ZEROS, 1, rng=0), TypeError, "rng is 0; expected a generator"),
    *each([GREY, np.ones((3, 0))], ValueError, r"a has shape \(", lambda a: metrics.frechet_distance(a, np.eye(3))),
    (lambda: metrics.frechet_distance(np.eye(3), np.eye(4)), ValueError, r"a \(3, 3\) and b \(4, 4\)"),
    (lambda: metrics.frechet_distance(np.eye(3), np.full((3, 3), np.nan)), ValueError, "b has NaN"),
    *each([(4,), (0, 2), (2, 0)], ValueError, "inception_score: probabilities has shape VALUE; expected",
          lambda shape: metrics.inception_score(np.ones(shape))),
    *each([[[0.5, 0.4]], [[1.5, -0.5]], [[np.nan, 1]]], ValueError, "inception_score: a row of", metrics.inception_score),
    (lambda: coverage(samples=np.zeros((0, 2))), ValueError, "samples is empty"),
    *each([(4, 3), (4,)], ValueError, r"samples has shape \(4,", lambda shape: coverage(np.zeros(shape))),
    (lambda: coverage(centres=[[np.nan, 0.0]]), ValueError, "centres has NaN"),
    *each([((3, 2), (4, 2)), ((3,), (3, 2)), ((3, 5), (3, 5))], ValueError, r"a has shape \(3.* and b \(.*\): give",
          lambda shapes: metrics.wasserstein1(*map(np.zeros, shapes))),
    (lambda: metrics.wasserstein1(1j * np.ones(3), np.ones(3)), TypeError, "a is complex128: give an array of numbers"),
    (lambda: metrics.wasserstein1([[1], [1, 2]], np.ones(3)), ValueError, "a is not an array of numbers"),
    (lambda: metrics.frechet_distance(1j * np.ones((3, 2)), np.ones((3, 2))), TypeError, "frechet_distance: a is complex128"),
    (lambda: metrics.wasserstein1(np.zeros(3), np.array([1.0, np.nan])), ValueError, "^b of shape"),
]  # fmt: skip
