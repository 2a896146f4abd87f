"""Rows of `<chapter>/faults.py`: made-up measurements that break no bound, and worse ones that break every bound."""

import copy

from tests.demos.experiments import judged


def faults(measure, arguments, *worse, **settings):
    """Both rows. `worse`: for each bound a place, keys and indices in the nested arguments, and the value that breaks it."""
    bad = arguments
    for place, value in worse:
        bad = put(bad, place, value)
    every = set(judged(measure, *arguments, **settings).holds)
    return [(measure, arguments, settings, set()), (measure, bad, settings, every)]


def put(data, place, value):
    """The data with another value at this place; all else may be shared."""
    if not place:
        return value
    changed = copy.copy(data)
    changed[place[0]] = put(data[place[0]], place[1:], value)
    return changed
