"""What the tests of saved states and copies share."""

import numpy as np


def assert_same(a, b):
    """Two nested states, bit for bit."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        if isinstance(value, dict):
            assert_same(value, b[name])
        else:
            np.testing.assert_array_equal(value, b[name], err_msg=name)
            assert np.asarray(value).dtype == np.asarray(b[name]).dtype
