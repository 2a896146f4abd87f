"""Random programs (see `programs`): a few hundred by default, 60,000 and many threads with -m stress."""

import gc
import threading

import numpy as np
import pytest

import minigan as mg
from tests.stress import programs
from tests.stress.programs import Program, Step, check, draw_program, failure, shrunk

CHUNK = 1000


@pytest.fixture(autouse=True)
def _no_collector():
    """What outlives its program is found at once, or not at all."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def run(seeds) -> None:
    """Check the programs of these seeds; fail with the first that does not hold, made small."""
    for seed in seeds:
        program = draw_program(seed)
        if found := failure(program):
            small = shrunk(program)
            pytest.fail(f"{found}\n{program}\n\nshrunk: {failure(small)}\n{small}", pytrace=False)
        if seed % 500 == 0:
            gc.collect()


@pytest.mark.slow
def test_random_programs_are_right():
    run(range(150))


@pytest.mark.stress
@pytest.mark.parametrize("start", range(1000, 61_000, CHUNK))
def test_many_random_programs_are_right(start):
    run(range(start, start + CHUNK))


def test_every_op_is_in_some_program():
    seen = {step.op for seed in range(900) for step in draw_program(seed).steps}
    assert set(programs.OPS) - seen == set()


def test_every_public_op_is_among_the_instructions():
    """By its name, or inside an instruction of another name."""
    inside = {"equal", "not_equal", "less", "less_equal", "greater_equal", "greater"}  # comparisons have no gradient
    assert set(mg.ops.__all__) - set(programs.OPS) == inside


def test_wrong_derivative_is_found_and_shrunk_to_it(monkeypatch):
    wrong = programs.Op(lambda x: mg.record("cube", x.data**3, (x, lambda g, y: g * 3.001 * x * x)), lambda x: x**3)
    monkeypatch.setitem(programs.OPS, "cube", wrong)
    leaf = Step("leaf", (), ("trained", np.array([0.5, -1.2])))
    steps = (leaf, Step("tanh", (0,)), Step("cube", (1,)), Step("add", (2, 0)), Step("exp", (3,)))
    small = shrunk(Program(steps, event="assign"))
    assert [step.op for step in small.steps] == ["leaf", "cube"]
    assert small.event == ""
    assert "gradient: along a random direction" in failure(small)


def test_wrong_second_derivative_is_found(monkeypatch):
    half = programs.Op(lambda x: mg.record("cube", x.data**3, (x, lambda g, y: g * 3.0 * x * x.detach())), lambda x: x**3)
    monkeypatch.setitem(programs.OPS, "cube", half)
    assert "second derivative" in failure(Program((Step("leaf", (), ("trained", np.array([0.5, -1.2]))), Step("cube", (0,)))))


# --- threads ------------------------------------------------------------------------------------------------------------


def in_threads(work, count: int = 4) -> None:
    """work(k) in as many threads at once; the first error of one of them is raised here."""
    errors, barrier = [], threading.Barrier(count)

    def run(k):
        try:
            barrier.wait()
            work(k)
        except BaseException as error:  # whatever it is, it goes to the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _of_one_thread(program: Program) -> bool:
    """Programs that need minigan's default generator, or the switch of the odd derivatives, are not for several threads."""
    return all(step.op != "Dropout" and (step.op == "leaf" or programs.OPS[step.op].order) for step in program.steps)


def threads_of_their_own(start: int, each: int) -> None:
    def work(k):
        for seed in range(start + k * each, start + (k + 1) * each):
            program = draw_program(seed)
            if _of_one_thread(program):
                check(program)

    in_threads(work)


def threads_that_share_a_leaf(seed: int, passes: int) -> None:
    """Each thread's program begins with the same tensor, whose gradient must be the sum of all."""
    first = np.random.default_rng(seed).uniform(0.3, 1.5, (3, 3)).round(3)
    shared = mg.Tensor(first.copy(), requires_grad=True)
    expected, todo = np.zeros((3, 3)), []
    for k in range(4):
        program = next(
            p
            for p in (draw_program(1000 * seed + 10 * k + i, first) for i in range(1000))
            if p.dtype == "float64" and _of_one_thread(p) and not failure(p)
        )
        given = programs._numpy_run(program)[1]
        values = programs._minigan_run(program, given)
        if values[-1].requires_grad and not values[-1].is_leaf:
            (g,) = mg.grad(values[-1].sum(), values[0])
            expected += passes * g.numpy()
            todo.append((program, given))

    def work(k):
        program, given = todo[k]
        for _ in range(passes):
            leaves = {i: programs._make_leaf(s.options[0], given[i]) for i, s in enumerate(program.steps) if s.op == "leaf"} | {
                0: shared
            }
            programs._minigan_run(program, given, leaves)[-1].sum().backward()

    in_threads(work, len(todo)) if todo else None
    if todo and (shared.grad is not None or np.any(expected)):
        np.testing.assert_allclose(shared.grad.numpy(), expected, rtol=1e-9, atol=1e-9)


def test_threads_do_not_disturb_one_another():
    threads_of_their_own(0, 20)
    threads_that_share_a_leaf(0, 20)


@pytest.mark.stress
@pytest.mark.parametrize("start", range(100_000, 108_000, 1000))
def test_many_programs_in_threads_do_not_disturb_one_another(start):
    threads_of_their_own(start, CHUNK // 4)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(1, 41))
def test_many_threads_share_a_leaf(seed):
    threads_that_share_a_leaf(seed, 50)
