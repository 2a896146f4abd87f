"""Seeds side by side: the same bits as one after the other, one bar, and runs that survive here, too."""

import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from demos.kit.loops import resumable, run_tasks
from demos.kit.runner import jobs
from demos.kit.runner.checkpoint import Checkpoint, running
from demos.kit.runner.codec import read_checkpoint
from demos.kit.runner.executors import on
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import common_options
from minigan import Tensor, nn
from minigan.backend import threads
from tests.demos.running import ROOT


def play(seed, x, steps):
    """A network that follows x, with weights and noise from the default generators."""
    if seed >= 0:
        mg.seed(seed)
    model, rng, sums = nn.Dense(3, 3), mg.random_numbers.spawn(), []
    for _ in resumable(range(steps), "game", model=model, rng=rng, sums=sums):
        sums.append(float(model(Tensor(x + rng.standard_normal(x.shape).astype(np.float32))).sum().item()))
    return {"sums": sums, "weights": model.weight.numpy(), "process": os.getpid(), "threads": threads.COUNT}


def fail(seed):
    raise ValueError(f"seed {seed} fails")


def die(seed):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(seed, folder, how):
    """A run whose process is killed in its midst, the first time that it is played."""
    mg.seed(seed)
    first, rng, sums = Path(folder) / f"{seed} has begun", mg.random_numbers.spawn(), []
    for t in resumable(range(6), "game", rng=rng, sums=sums):
        sums.append(float(rng.random()))
        if how and seed == 1 and t == 3 and not first.exists():
            first.write_text("")
            os.kill(os.getpid(), getattr(signal, how))
    return sums


def outer(first):
    return run_tasks(inner, {"x": (first,), "y": (first + 1,)}, steps=2)


def inner(value):
    return value


def begun(tmp_path, side_by_side, *options):
    args = start(common_options("some runs"), ["--out", str(tmp_path), "--jobs", str(side_by_side), *options], "some_runs")
    return open_claim(args, {})


def runs(tmp_path, side_by_side, seeds=(5, 6, -1, -1), *options):
    claim = begun(tmp_path, side_by_side, *options)
    x = np.ones((2, 3), np.float32)
    found = run_tasks(play, {f"run {i}": (seed,) for i, seed in enumerate(seeds)}, x, 4, steps=4 * len(seeds))
    after = float(mg.random_numbers.spawn().random())  # what comes after it does not depend on it
    claim.args.checkpoint.close()
    return found, after


@pytest.mark.slow
def test_the_results_are_the_same_bits_and_in_order_whether_the_runs_set_a_seed_or_not(tmp_path):
    (alone, after), (together, after_too) = runs(tmp_path / "a", 1), runs(tmp_path / "b", 2)
    assert after == after_too
    assert len({run.pop("process") for run in together}) == 2
    assert {run.pop("process") for run in alone} == {os.getpid()}
    for mine, yours in zip(alone, together, strict=True):
        assert mine["sums"] == yours["sums"]
        np.testing.assert_array_equal(mine["weights"], yours["weights"])
    assert alone[2]["sums"] != alone[3]["sums"]  # neither sets a seed
    assert {run["threads"] for run in [*alone, *together]} == {1}


@pytest.mark.slow
def test_an_error_in_another_process_is_this_ones_too(tmp_path):
    begun(tmp_path, 2)
    with pytest.raises(ValueError, match="seed 1 fails"):
        run_tasks(fail, {"a": (1,), "b": (1,)}, steps=2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_the_run_of_a_process_that_dies_is_named_and_repeated(tmp_path, capfd, how):
    begun(tmp_path, 1)
    tasks = {f"seed {seed}": (seed,) for seed in range(3)}
    whole = run_tasks(die_once, tasks, str(tmp_path), "", steps=18)
    checkpoint = begun(tmp_path / "again", 2).args.checkpoint
    assert run_tasks(die_once, tasks, str(tmp_path), how, steps=18) == whole
    (said,) = [line for line in capfd.readouterr().err.splitlines() if "is repeated" in line]
    others = "(; .*)?" if how == "SIGTERM" else ""  # with which the pool ends the others
    assert re.search(
        rf"process \d+, exit status -\d+, was killed during seed 1 \(is there enough memory\?\){others}; its call is repeated$",
        said,
    )
    checkpoint.close()
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["checkpoint.npz"]


@pytest.mark.slow
def test_one_that_dies_again_ends_the_program_with_one_line(tmp_path, capfd):
    begun(tmp_path, 2)
    with pytest.raises(SystemExit, match=r"^process \d+, .* was killed during [ab] .*; to continue: .* some_runs .*--resume$"):
        run_tasks(die, {"a": (1,), "b": (1,)}, steps=2)
    assert 1 <= capfd.readouterr().err.count("is repeated") <= 2  # of each, once


@pytest.mark.slow
def test_processes_that_cannot_begin_are_one_line(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, str(program), "--out", str(tmp_path / "out"), "--jobs", "2"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'does your own program have if __name__ == "__main__"?); to continue: ' in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_what_one_call_leaves_behind_is_nothing_to_the_next(tmp_path):
    """A task's file that is left of one `run_tasks` is not taken for that of another `run_tasks`."""
    checkpoint = begun(tmp_path, 2).args.checkpoint
    checkpoint.save()
    parts = [checkpoint.part(name) for name in ("run 0", "run 1", "run 0 (2)")]
    assert len(set(parts)) == 3
    checkpoint.close(finished=False)
    parts[0].write_bytes((tmp_path / "checkpoint.npz").read_bytes())  # of other settings: refused, if it were read
    claim = begun(tmp_path, 2, "--resume")
    x = np.ones((2, 3), np.float32)
    found = run_tasks(play, {"other 0": (5,), "other 1": (6,)}, x, 4, steps=8)
    assert len(found) == 2
    claim.args.checkpoint.close()
    assert not parts[0].exists()


def test_without_a_run_it_is_a_plain_loop():
    found = run_tasks(play, {"a": (1,), "b": (2,)}, np.ones((2, 3), np.float32), 2, steps=4)
    assert [len(run["sums"]) for run in found] == [2, 2]


PROGRAM = """
import sys, time
import minigan as mg
from demos.kit.loops import resumable, run_tasks
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner import checkpoint
from demos.kit.runner.checkpoint import running
from demos.kit.runner.options import common_options

checkpoint.FIRST = checkpoint.EVERY = 0.2


def slow(seed, pause):
    from minigan.backend import random_numbers
    mg.seed(seed)
    running.checkpoint.due = 0.0  # save at once
    rng, sums = random_numbers.spawn(), []
    for _ in resumable(range(40), "loop", rng=rng, sums=sums):
        sums.append(float(rng.random()))
        time.sleep(pause)
    return sums


if __name__ == "__main__":
    args = start(common_options("slow runs"), None, "slow_runs")
    open_claim(args, {})
    print(run_tasks(slow, {f"seed {s}": (s,) for s in range(3)}, 0.05 if "--quick" in sys.argv else 0.05, steps=120))
    args.checkpoint.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_run_that_is_stopped_goes_on_where_its_processes_were(tmp_path, name):
    """Interrupted while both processes are within their loops; the end is the same as without a break."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def command(out, *options):
        return [sys.executable, str(program), "--out", str(tmp_path / out), "--jobs", "2", *options]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    whole = subprocess.run(command("whole"), env=environment, capture_output=True, text=True, check=True).stdout
    process = subprocess.Popen(command("broken"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    folder = tmp_path / "broken"
    until = time.monotonic() + 60
    while not (parts := sorted(folder.glob("checkpoint.task-*.npz"))) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    if name != "SIGKILL":
        assert b"to continue: python -m demos slow_runs" in said
    assert 0 < read_checkpoint(parts[0])[1]["result/loop"]["t"] < 40
    assert (folder / "checkpoint.npz").exists()  # without it, the parts would be taken for left over ones
    resumed = subprocess.run(command("broken", "--resume"), env=environment, capture_output=True, text=True, check=True)
    assert resumed.stdout == whole
    assert "start again" not in resumed.stderr
    assert not list((tmp_path / "broken").glob("checkpoint.task-*"))
    assert read_checkpoint(tmp_path / "broken" / "checkpoint.npz")


FEW = """
import os, time
from demos.kit.loops import run_tasks
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import common_options


def play(seed, log):
    with open(log, "a") as file:
        file.write(f"{seed}\\n")
    while seed and os.environ.get("WAIT"):
        time.sleep(0.1)
    return seed * 1.5


if __name__ == "__main__":
    args = start(common_options("few runs"), None, "few_runs")
    open_claim(args, {})
    print(run_tasks(play, {f"seed {s}": (s,) for s in range(4)}, str(args.out.parent / "log"), steps=0))
    args.checkpoint.close()
"""


@pytest.mark.slow
def test_what_has_arrived_is_kept_at_once(tmp_path):
    """The program is killed long before its own next checkpoint is due."""
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(FEW)
    command = [sys.executable, str(program), "--jobs", "2", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env={**environment, "WAIT": "1"})
    part = Checkpoint(tmp_path / "out" / "checkpoint.npz", "", "", None).part("seed 0")
    until = time.monotonic() + 60
    while not (part.exists() and len(log.read_text().split()) == 3) and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert sorted(log.read_text().split()) == ["0", "1", "2"]
    done = subprocess.run([*command, "--resume"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[0.0, 1.5, 3.0, 4.5]\n"
    assert sorted(log.read_text().split()) == ["0", "1", "1", "2", "2", "3"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint.npz"]


# --- other executors ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_any_executor_of_processes_will_do_and_stays_open(tmp_path):
    (alone, _), context = runs(tmp_path / "a", 1), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as executor:
        with on(executor):
            (there, _), (again, _) = runs(tmp_path / "b", 1), runs(tmp_path / "c", 1)
        (process,) = executor._processes
    for other in (there, again):
        assert [run["sums"] for run in other] == [run["sums"] for run in alone]
        assert {run["process"] for run in other} == {process}


def test_an_executor_of_threads_is_refused(tmp_path):
    with ThreadPoolExecutor(2) as executor, on(executor), pytest.raises(TypeError, match="expected an executor of processes"):
        runs(tmp_path, 1)
    running.close()


@pytest.mark.slow
@pytest.mark.parametrize("context", [name for name in multiprocessing.get_all_start_methods() if name != "forkserver"])
def test_runs_within_runs_play_where_the_outer_one_does(tmp_path, context):
    """A forked process knows of the executor, too, whose queues nobody empties there."""
    claim = begun(tmp_path, 1)
    with ProcessPoolExecutor(1, multiprocessing.get_context(context)) as executor, on(executor):
        found = run_tasks(outer, {"a": (1,), "b": (2,)}, steps=4)
    claim.args.checkpoint.close()
    assert found == [[1, 2], [2, 3]]


def test_two_runs_at_once_in_one_process_are_refused(tmp_path):
    """The threads of another process, such as a worker with several."""
    checkpoint = begun(tmp_path, 1).args.checkpoint
    how = jobs._how(checkpoint, "a", "a") | {"first": ("elsewhere", 1)}
    checkpoint.close(finished=False)
    with jobs._parcel(checkpoint.path, ()) as parcel:
        call = how, np.random.default_rng(0), parcel, tmp_path / "note.txt", play, (1, np.ones((2, 3), np.float32), 1)
        with jobs._playing, pytest.raises(TypeError, match="expected an executor of processes"):
            jobs._work(*call)
        assert len(jobs._work(*call)[0]["sums"]) == 1


def test_what_cannot_be_sent_to_other_processes_leaves_no_file(tmp_path):
    with pytest.raises((AttributeError, pickle.PicklingError)), jobs._parcel(tmp_path / "checkpoint.npz", lambda: None):
        pass
    assert not list(tmp_path.iterdir())


def test_what_killed_runs_have_left_in_the_folder_is_removed(tmp_path):
    """Notes and halves of files, by a run of other tasks; by one that was resumed from another folder, checkpoints, too."""
    checkpoint = begun(tmp_path / "a", 1).args.checkpoint
    checkpoint.close()

    def leave():
        part = Checkpoint(tmp_path / "b" / "checkpoint.npz", "", "", None).part("other")
        part.parent.mkdir(exist_ok=True)
        for path in (part, part.with_suffix(".txt"), part.with_name(f"{part.name}.01234567.tmp")):
            path.write_text("1 2")

    for options in ([], ["--resume", str(tmp_path / "a" / "checkpoint.npz")]):
        leave()
        checkpoint = begun(tmp_path / "b", 1, *options).args.checkpoint
        assert not list((tmp_path / "b").glob("checkpoint.task-*"))
        checkpoint.close()
        assert [path.name for path in (tmp_path / "b").iterdir() if path.name != "earlier"] == ["checkpoint.npz"]


@pytest.mark.slow
def test_one_whose_processes_die_ends_the_program_with_one_line(tmp_path):
    begun(tmp_path, 1)
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor,
        on(executor),
        pytest.raises(SystemExit, match=r"was killed during a .*; to continue: python -m demos some_runs .*--resume"),
    ):
        run_tasks(die, {"a": (1,), "b": (1,)}, steps=1)


@pytest.mark.mpi
def test_the_same_bits_on_mpis_ranks(mpiexec):
    """Two rounds of `run_tasks`; three ranks, of which two play."""
    program = mpiexec.folder / "program.py"
    program.write_text(PROGRAM.replace("print(run_tasks(", "print(run_tasks(slow, {'a': (7,)}, 0.0, steps=40), run_tasks("))
    alone, together = (mpiexec(n, [*how, str(program)], "--out", "out") for n, how in ((1, ()), (3, ("-m", "mpi4py.futures"))))
    assert alone.stdout == together.stdout != ""
    assert together.returncode == 0, together.stderr


@pytest.mark.mpi
def test_an_error_on_a_rank_is_the_programs_and_a_killed_rank_leaves_what_was_done(mpiexec):
    program = mpiexec.folder / "program.py"
    command = ["-m", "mpi4py.futures", str(program)], "--out", "out"
    kill = "if seed == 2 and len(sums) == 20 and not running.checkpoint.resume: os.kill(os.getpid(), 9)"
    program.write_text(PROGRAM.replace("import sys", "import os, sys").replace("time.sleep(pause)", kill))
    lost = mpiexec(3, *command)
    assert lost.returncode != 0
    assert "[[" not in lost.stdout
    folder = mpiexec.folder / "out"
    assert len(list(folder.glob("checkpoint.task-*.npz"))) >= 1
    resumed = mpiexec(3, *command, "--resume")
    program.write_text(PROGRAM)
    assert resumed.stdout == mpiexec(1, [str(program)], "--out", "whole", "--jobs", "1").stdout
    program.write_text(PROGRAM.replace("import sys", "import sys, math").replace("time.sleep(pause)", "math.sqrt(-seed)"))
    failed = mpiexec(3, *command)
    assert failed.returncode != 0
    assert "ValueError: math domain error" in failed.stderr
