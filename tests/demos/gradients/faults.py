"""Made-up measurements, and the bounds that they break. Where there are several seeds, the worst decides."""

import numpy as np

from demos.gradients import ladder, saddle
from tests.demos.edges import edges

X = np.random.default_rng(5).standard_normal(40)
ONE_AND_FIVE = np.array([1.0, 5.0])  # mean 3, standard deviation 2


def descents(stays, product, nearest, angle):
    def paths(stays, product, nearest, angle):
        opposite = np.array([[1.0, angle - 1.0], *[[nearest, -nearest]] * 50])
        return {"saddle": np.full((3, 2), stays), "beside": np.array([[1e-3, 0], [2, product / 2]]), "opposite": opposite}

    return [paths(stays, product, nearest, angle), paths(0.0, 1.0, 1e-9, 0.0)], [X, X]


def samples(mean, std):
    return [ONE_AND_FIVE, mean + std / 2 * (ONE_AND_FIVE - 3)], ladder.Settings()


FAULTS: dict[str, list] = {
    "saddle": [
        (saddle.second_derivatives, (X, ""), {}, set()),
        *edges(saddle.where_descents_go, descents(0.0, 1 + 5e-7, 5e-7, 5e-10), descents(1e-9, 1 + 2e-6, 2e-6, 2e-9)),
    ],
    "ladder": edges(ladder.measure_samples, samples(3.09, 2.19), samples(3.11, 2.21)),
}
