"""no_grad and enable_grad: as a block, a decorator, nested, after exceptions, and in threads."""

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
    assert (y.requires_grad, y.is_leaf) == (False, True)
    assert (x * 2).requires_grad


def test_enable_grad_as_a_decorator():
    x = leaf()
    slope = mg.enable_grad()(lambda: mg.grad((x * x).sum(), x)[0])
    with mg.no_grad():
        np.testing.assert_array_equal(slope().numpy(), 2 * x.numpy())


def test_no_grad_and_watchers_hold_for_their_own_thread_only():
    seen = []
    with mg.no_grad(), modes.watching(Diary()) as diary:
        thread = threading.Thread(target=lambda: seen.append((leaf() * 2).requires_grad))
        thread.start()
        thread.join()
    assert (seen, diary.seen) == ([True], [])


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
        self.seen.append(("made", op, y.shape, len(inputs)))

    def derivative(self, call, g, y, x):
        self.seen.append(("derivative", y._op))
        return call(g, y)

    def detached(self, y, x):
        self.seen.append(("detached", y.data is x.data))

    def froze(self, x):
        self.seen.append(("froze", x.requires_grad))

    def backward_begins(self, output):
        self.seen.append(("walk begins", modes.mode.recording))

    def backward_ends(self):
        self.seen.append(("walk ends", modes.mode.recording))

    def changed(self, x):
        self.seen.append(("changed", x.shape))

    def updating(self, optimizer):
        self.seen.append(("updating", type(optimizer).__name__))

    def updated(self, optimizer):
        self.seen.append(("updated", type(optimizer).__name__))


def test_a_watcher_sees_ops_derivatives_and_updates():
    x = leaf()
    with modes.watching(Diary()) as diary:
        y = mg.tanh(x).sum()
        y.backward()
        optim.SGD([x], 0.1).step()
    kinds = [entry[:2] for entry in diary.seen]
    assert kinds[:2] == [("made", "tanh"), ("made", "sum")]
    assert [entry for entry in kinds if entry[0] == "derivative"] == [("derivative", "sum"), ("derivative", "tanh")]
    assert kinds[-3:] == [("updating", "SGD"), ("changed", x.shape), ("updated", "SGD")]
    assert [kind for kind, *_ in diary.seen if "walk" in kind] == ["walk begins", "walk ends"]


def test_a_watcher_sees_cuts_and_changes_in_place():
    x = leaf()
    with modes.watching(Diary()) as diary:
        x.detach()
        x.requires_grad = True  # as it was: nothing to see
        x.requires_grad = False
        x.data = x.data * 2
        optim.clip_weights([x], 0.1)
    assert diary.seen == [("detached", True), ("froze", False), ("changed", x.shape), ("changed", x.shape)]


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_watcher_knows_whether_a_walk_is_recorded_and_when_it_ends(create_graph):
    x = leaf()
    y = mg.exp(x).sum()
    with modes.watching(Diary()) as diary:
        mg.grad(y, x, create_graph=create_graph)
        y.backward(create_graph=create_graph)
    walks = [entry for entry in diary.seen if "walk" in entry[0]]
    assert walks == [("walk begins", create_graph), ("walk ends", create_graph)] * 2


def test_a_walk_that_fails_has_ended():
    x = leaf()
    y = mg.record("broken", x.data.sum(), (x, lambda g, y: 1 / 0))
    with modes.watching(Diary()) as diary, pytest.raises(ZeroDivisionError):
        y.backward()
    assert diary.seen[-1][0] == "walk ends"


def test_watchers_change_no_bit_and_all_see_the_same():
    x = leaf()
    plain = mg.grad(mg.tanh(x * x).sum(), x)[0].numpy()
    with modes.watching(Diary()) as one, modes.watching(Diary()) as other:
        watched = mg.grad(mg.tanh(x * x).sum(), x)[0].numpy()
    np.testing.assert_array_equal(plain, watched)
    assert one.seen == other.seen != []


def test_a_watcher_is_gone_after_its_block_also_after_an_exception():
    with pytest.raises(KeyError), modes.watching(Diary()):
        raise KeyError
    assert modes.mode.watchers == ()


def test_blocks_that_overlap_end_each_their_own_watcher():
    one, other = modes.watching(Diary()), modes.watching(Diary())
    first, second = one.__enter__(), other.__enter__()
    one.__exit__(None, None, None)
    assert modes.mode.watchers == (second,)
    _ = leaf() * 2
    other.__exit__(None, None, None)
    assert modes.mode.watchers == ()
    assert (first.seen, [entry[1] for entry in second.seen if entry[0] == "made"]) == ([], ["multiply"])
