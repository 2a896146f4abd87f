"""Rows for FAULTS of made-up measurements that are just inside all bounds of a demo, and just outside all of them."""

from tests.demos.experiments import judged


def edges(measure, inside, outside, **settings):
    return [(measure, inside, settings, set()), (measure, outside, settings, set(judged(measure, *outside, **settings).holds))]
