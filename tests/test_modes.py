"""no_grad: as a block, a decorator, nested, after exceptions, and in threads."""

import threading

import numpy as np
import pytest

import minigan as mg
from tests.leaves import leaf


def test_no_grad_records_nothing():
    with mg.no_grad():
        y = leaf() * 2
    assert (y.requires_grad, y.is_leaf) == (False, True)


def test_nested_no_grad_ends_with_the_outer_block():
    x = leaf()
    with mg.no_grad():
        with mg.no_grad():
            pass
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_one_no_grad_object_may_be_entered_again_inside_itself():
    quiet, x = mg.no_grad(), leaf()
    with quiet:
        with quiet:
            pass
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_exception_inside_no_grad_switches_recording_on_again():
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert (leaf() * 2).requires_grad


def test_exception_inside_a_derivative_switches_recording_on_again():
    y = mg.record("broken", np.ones(1), (leaf([1.0]), lambda g, y: {}["no"]))
    with pytest.raises(KeyError):
        y.backward()
    assert (leaf() * 2).requires_grad


def test_no_grad_as_a_decorator_may_recurse():
    x = leaf()

    @mg.no_grad()
    def f(depth):
        """Doc."""
        return f(depth - 1) if depth else x * 2

    assert not f(3).requires_grad
    assert (x * 2).requires_grad
    assert (f.__name__, f.__doc__) == ("f", "Doc.")


def test_no_grad_refuses_to_decorate_a_generator():
    with pytest.raises(TypeError, match="steps is a generator"):

        @mg.no_grad()
        def steps():
            yield 1


def test_no_grad_holds_for_its_own_thread_only():
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((leaf() * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_that_share_one_no_grad_object_keep_their_own_modes():
    quiet, inside, leave, after = mg.no_grad(), threading.Event(), threading.Event(), []

    def other():
        with quiet:
            inside.set()
            leave.wait(10)
        after.append((leaf() * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with mg.no_grad(), quiet:  # entered last, and with recording off, but left last
        leave.set()
        thread.join()
    assert after == [True]
    assert (leaf() * 2).requires_grad
