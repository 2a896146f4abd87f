"""Rows of `<chapter>/faults.py`: made-up measurements, and one value of them that is worse."""

import copy


def faults(measure, arguments, *worse, **settings):
    """A row that breaks no bound, and one for each fault: (the place of a value, a worse value, the bounds that it breaks)."""
    bad = [(measure, put(arguments, place, value), settings, set(fails)) for place, value, *fails in worse]
    return [(measure, arguments, settings, set()), *bad]


def put(data, place, value):
    """The nested data with another value at this place, a list of keys and indices."""
    if not place:
        return value
    changed = copy.copy(data)
    changed[place[0]] = put(data[place[0]], place[1:], value)
    return changed
