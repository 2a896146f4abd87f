"""no_grad and enable_grad: as a block, a decorator, nested, after exceptions, and in threads. Watchers: what they see."""

import threading

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from minigan.engine import modes
from tests.helpers.leaves import leaf


def test_blocks_nest_and_each_ends_with_its_own():
    quiet, x = mg.no_grad(), leaf()
    with quiet:
        y = x * 2
        with quiet, mg.no_grad():  # the same object inside itself
            pass
        with mg.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (y.requires_grad, y.is_leaf, "op=" in repr(y)) == (False, True, False)
    assert (x * 2).requires_grad


def test_decorators_may_recurse_and_keep_name_and_docstring():
    x = leaf()

    @mg.no_grad()
    def f(depth):
        """Doc."""
        return f(depth - 1) if depth else x * 2

    assert not f(3).requires_grad
    assert (x * 2).requires_grad
    assert (f.__name__, f.__doc__) == ("f", "Doc.")
    with mg.no_grad():
        np.testing.assert_array_equal(mg.enable_grad()(lambda: mg.grad((x * x).sum(), x)[0])().numpy(), 2 * x.numpy())


def test_exceptions_switch_recording_on_again_and_watchers_off():
    with pytest.raises(KeyError), mg.no_grad(), modes.watching(Diary()):
        raise KeyError
    assert ((leaf() * 2).requires_grad, modes.mode.watchers) == (True, ())
    y = mg.record("broken", np.ones(1), (leaf([1.0]), lambda g, y: {}["no"]))
    with modes.watching(Diary()) as diary, pytest.raises(KeyError):
        y.backward()
    assert (leaf() * 2).requires_grad
    assert diary.seen[-1][0] == "backward ends"


def test_no_grad_and_watchers_hold_for_their_own_thread_only():
    seen = []
    with mg.no_grad(), modes.watching(Diary()) as diary:
        thread = threading.Thread(target=lambda: seen.append((leaf() * 2).requires_grad))
        thread.start()
        thread.join()
    assert (seen, diary.seen) == ([True], [])


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


# --- watchers -----------------------------------------------------------------------------------------------------------


class Diary(modes.Watcher):
    """Writes down what it sees."""

    def __init__(self):
        self.seen = []

    def made(self, y, op, inputs):
        self.seen.append(("made", op))

    def derivative(self, call, g, y, x):
        self.seen.append(("derivative", y._op))
        return call(g, y)

    def detached(self, y, x):
        self.seen.append(("detached", y.data is x.data))

    def froze(self, x):
        self.seen.append(("froze", x.requires_grad))

    def backward_begins(self, output):
        self.seen.append(("backward begins", modes.mode.recording))

    def backward_ends(self):
        self.seen.append(("backward ends", modes.mode.recording))

    def changed(self, x):
        self.seen.append(("changed", x.shape))

    def updating(self, optimizer):
        self.seen.append(("updating", type(optimizer).__name__))

    def updated(self, optimizer):
        self.seen.append(("updated", type(optimizer).__name__))


def test_watchers_see_ops_derivatives_and_updates_and_change_no_bit():
    x, w = leaf(), leaf()
    mg.tanh(w * w).sum().backward()
    with modes.watching(Diary()) as one, modes.watching(Diary()) as other:
        y = mg.tanh(x * x).sum()
        y.backward()
        optim.SGD([x], 0.1).step()
    np.testing.assert_array_equal(x.grad.numpy(), w.grad.numpy())
    assert one.seen == other.seen
    assert one.seen[:4] == [("made", "multiply"), ("made", "tanh"), ("made", "sum"), ("backward begins", False)]
    assert [op for kind, op in one.seen if kind == "derivative"] == ["sum", "tanh", "multiply", "multiply"]
    assert one.seen[-4:] == [("backward ends", False), ("updating", "SGD"), ("changed", (3,)), ("updated", "SGD")]


def test_a_watcher_sees_cuts_and_changes_in_place_and_whether_a_backward_pass_is_recorded():
    x = leaf()
    with modes.watching(Diary()) as diary:
        x.detach()
        x.requires_grad = True  # as it was: nothing to see
        x.requires_grad = False
        x.data = x.data * 2
        optim.clip_weights([x], 0.1)
    assert diary.seen == [("detached", True), ("froze", False), ("changed", (3,)), ("changed", (3,))]
    x.requires_grad = True
    with modes.watching(Diary()) as diary:
        mg.grad(mg.exp(x).sum(), x, create_graph=True)
    assert [entry for entry in diary.seen if "backward" in entry[0]] == [("backward begins", True), ("backward ends", True)]


def test_blocks_that_overlap_end_each_their_own_watcher():
    one, other = modes.watching(Diary()), modes.watching(Diary())
    first, second = one.__enter__(), other.__enter__()
    one.__exit__(None, None, None)
    _ = leaf() * 2
    other.__exit__(None, None, None)
    assert (first.seen, second.seen[-1], modes.mode.watchers) == ([], ("made", "multiply"), ())
