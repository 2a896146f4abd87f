"""Averaged: several ranks that step as one does, and end, all of them, where one is lost."""

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest

from minigan import optim
from minigan.engine.modes import Watcher, watching
from tests.contracts.rules import every_rule
from tests.helpers.ranks import Comm, on_ranks
from tests.helpers.states import assert_same
from tests.optim import parallel
from tests.optim.stepping import parameter, step

SGD = optim.SGD


@every_rule
def test_a_step_goes_along_the_mean_of_the_gradients(make):
    def stepped(gradients, comm=None):
        params = [parameter(), parameter([[1.0, 2.0]])]
        rule = optim.Averaged(make(params), comm) if comm else make(params)
        for g in gradients:
            step(rule, np.full(3, g), np.full((1, 2), -g))
        return [p.numpy() for p in params], rule.state_dict()

    expected = stepped([2.0, 1.0])
    for values, state in on_ranks(2, lambda comm: stepped([(1.0, 0.5), (3.0, 1.5)][comm.rank], comm)):
        assert all(np.array_equal(a, b) for a, b in zip(values, expected[0], strict=True))
        assert_same(state, expected[1])


def test_a_missing_gradient_counts_as_0_and_stays_missing_where_no_rank_has_one():
    def work(comm):
        rule = optim.Averaged(SGD([parameter(), parameter(), parameter()], 0.1), comm)
        step(rule, np.full(3, 4.0), np.full(3, 4.0) if comm.rank else None, None)
        return [None if p.grad is None else p.grad.numpy().tolist() for p in rule.params], [s["t"] for s in rule.state]

    assert on_ranks(2, work) == [([[4.0] * 3, [2.0] * 3, None], [1, 1, 0])] * 2


def test_all_begin_with_rank_0s_values_in_their_own_memory():
    def work(comm):
        p = parameter([1.0 + comm.rank, 5.0], "float32")
        array, loss = p.data, (p * p).sum()
        optim.Averaged(SGD([p], 0.1), comm)
        with pytest.raises(RuntimeError, match="was changed in place"):
            loss.backward()
        return array is p.data, p.numpy().tolist(), p.dtype

    assert on_ranks(3, work) == [(True, [1.0, 5.0], np.float32)] * 3


@pytest.mark.parametrize(("dtypes", "sent"), [(("float32",) * 2, "float32"), (("float32", "float64"), "float64")])
def test_one_message_a_step_in_the_finest_dtype_and_gradients_in_their_parameters(dtypes, sent):
    params, comm = [parameter(dtype=dtype) for dtype in dtypes], Comm()
    rule = optim.Averaged(SGD(params, 0.1), comm)
    comm.calls.clear()
    step(rule, np.ones(3), np.ones(3))
    assert [(name, buffer.dtype, buffer.size) for name, buffer in comm.calls] == [("Iallreduce", sent, 8)]
    assert [p.grad.dtype for p in params] == list(dtypes)


def test_rate_state_and_parameters_are_the_rules_own():
    rule, seen = optim.Adam([{"params": parameter(), "lr": 0.2}], 0.1), []
    averaged = optim.Averaged(rule, Comm())
    optim.LinearDecay(averaged, 4).step()
    assert averaged.lr == rule.lr == pytest.approx(0.075)
    assert averaged.groups == rule.groups == [[1, 2.0]]
    with watching(type("Seen", (Watcher,), {"updated": lambda self, optimizer: seen.append(optimizer)})()):
        step(averaged, np.ones(3))
    assert seen == [rule]
    other = optim.Averaged(optim.Adam([{"params": parameter(), "lr": 1.0}], 0.5), Comm())
    other.load_state_dict(averaged.state_dict())
    assert_same(other.state_dict(), rule.state_dict())
    averaged.zero_grad()
    assert rule.params[0].grad is None
    assert repr(averaged) == f"Averaged({rule!r}, rank 0 of 1)"


OTHERS = {
    "shape": (lambda rank: SGD([parameter(), parameter(np.ones(2 + rank))], 0.1), r"float64 \(3,\) as parameter 1"),
    "dtype": (lambda rank: SGD([parameter(dtype=["float64", "float32"][rank])], 0.1), r"float32 \(3,\) as parameter 0"),
    "rate": (lambda rank: SGD([parameter()], 0.1 + rank), r"SGD\(lr=1.1, .*, rank 0 SGD\(lr=0.1,"),
}


@pytest.mark.parametrize(("make", "says"), OTHERS.values(), ids=OTHERS)
def test_a_difference_between_ranks_is_named_on_all_of_them(make, says):
    for error in on_ranks(2, lambda comm: optim.Averaged(make(comm.rank), comm)):
        with pytest.raises(ValueError, match=rf"^Averaged: rank 1 has {says}.*; all ranks must train the same$"):
            raise error


def failing(monkeypatch, request, clock):
    """The rule of a rank, after a step in which nothing but `request()` comes of its all-reduce, and its communicator."""
    comm = Comm()
    rule = optim.Averaged(SGD([parameter()], 0.1), comm, 2)
    comm.Iallreduce = lambda own, found: request()
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    return rule, comm


def fail():
    raise RuntimeError("MPI_ERR_PROC_FAILED")


WAITED = "waited 2 s for the others: one was lost, or is slower than patience=2 allows"
LOST = {
    "slow": (lambda: SimpleNamespace(Test=lambda: False), WAITED),
    "failed": (fail, "cannot reach the others: MPI_ERR_PROC_FAILED"),
}


@pytest.mark.parametrize(("request_", "words"), LOST.values(), ids=LOST)
def test_a_rank_that_has_waited_too_long_or_gets_an_error_of_mpi_says_so_and_ends_all(request_, words, capsys, monkeypatch):
    rule, comm = failing(monkeypatch, request_, clock := itertools.count(0.0, 0.5))
    with pytest.raises(RuntimeError, match=f"rank 0 of 1 {words}"):
        rule.step()
    assert words != WAITED or 2.5 <= next(clock) <= 3.5
    assert comm.aborted == [1]
    assert capsys.readouterr().err == f"Averaged: rank 0 of 1 {words}; all ranks end here\n"


def test_patience_does_not_count_the_time_in_which_the_rank_itself_was_stopped(monkeypatch):
    tests = iter([False, False, True])
    rule, comm = failing(monkeypatch, lambda: SimpleNamespace(Test=lambda: next(tests)), iter([0.0, 3600.0, 3600.1]))
    rule.step()
    assert not comm.aborted


@pytest.mark.mpi
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP", "raise"])
@pytest.mark.parametrize("at", [-1, 10])  # as the optimizers are made, and in a step
def test_a_lost_rank_ends_all_the_others(how, at, mpiexec):
    done = mpiexec(2, [parallel.__file__], how, at)
    assert done.returncode != 0
    if how != "SIGKILL":  # then mpiexec may end all at once
        assert "Averaged: rank 0 of 2 waited 2 s for the others: one was lost" in done.stderr
    assert ("a rank's own" in done.stderr) == (how == "raise")
