"""Made-up measurements, and the bounds that they break. Where there are several seeds, the worst decides."""

import numpy as np

from demos.the_game import convergence, gan, optimal_discriminator

LOG4 = np.log(4)
BEST, HIGHEST = optimal_discriminator.optimum(*optimal_discriminator.CASES["gaussians"])


def tables(rise, above, tv):
    falling, rising = (np.array([-1, -1 + step, -LOG4 + end]) for step, end in ((-0.2, 0), (rise, above)))
    return ([{"value": falling, "TV": [0]}, {"value": rising, "TV": [tv]}],)


def networks(off, jsd, w1, D):
    x, best = convergence.X, {"value": -LOG4, "JSD": 0, "W1": 0, "D": np.full(100, 0.5)}
    curve = np.select([np.abs(x) > 3.8, np.abs(x - 1.5) < 0.1], [0.9, 0.5 + D], 0.5)  # without data, any D will do
    worst = {"value": off - LOG4, "JSD": jsd, "W1": w1, "D": curve}
    return [[worst, best], [best, worst]], convergence.Settings()


def trained(mean, sup, below, above):
    curve = BEST + mean
    curve[1200], curve[:100] = BEST[1200] - sup, 0.5  # the first are where there are no samples
    runs = [{"D": BEST, "value": [HIGHEST + above]}, {"D": curve, "value": [HIGHEST - below]}]
    return "gaussians", runs, optimal_discriminator.Settings()


def sampled(modes, near, kl, accuracy):
    reached = {"modes_1pct": modes, "high_quality": near, "kl": kl}
    return reached, {"modes_1pct": 8, "high_quality": 0.98, "kl": 0.001}, 8, gan.NEAR["ring"], accuracy


FAULTS = [
    (convergence.measure_tables, {}, tables(-1e-9, 9e-4, 9e-4), tables(1e-9, 2e-3, 2e-3)),
    (convergence.measure_runs, {}, networks(0.049, 0.024, 0.099, 0.149), networks(-0.051, 0.026, 0.101, 0.151)),
    (gan.measure, {}, sampled(8, 0.97, 0.04, 0.41), sampled(7, 0.95, 0.1, 0.61)),
    (optimal_discriminator.measure, {}, trained(0.009, 0.029, 0.009, 5e-7), trained(0.011, 0.031, 0.011, 2e-6)),
]
