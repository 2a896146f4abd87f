"""Rows of `<chapter>/faults.py`: a measure, its settings, made-up arguments that break no bound, and some that break all."""

import copy


def faults(measure, arguments, *worse, **settings):
    """`worse`: for each bound a place, keys and indices in the nested arguments, and the value that breaks it."""
    return measure, settings, arguments, put(arguments, *worse)


def put(data, *changes):
    """The data with other values at these places; all else may be shared."""
    for place, value in changes:
        changed = copy.copy(data)
        changed[place[0]] = put(data[place[0]], (place[1:], value)) if place[1:] else value
        data = changed
    return data
