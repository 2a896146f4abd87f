"""Made-up measurements, and the bounds that they break. Where there are several seeds, the worst decides."""

import numpy as np

from demos.gradients import ladder

ONE_AND_FIVE = np.array([1.0, 5.0])  # mean 3, standard deviation 2


def samples(mean, std):
    return [ONE_AND_FIVE, mean + std / 2 * (ONE_AND_FIVE - 3)], ladder.Settings()


FAULTS = [(ladder.measure_samples, {}, samples(3.09, 2.19), samples(3.11, 2.21))]
