"""Tasks in parallel: the same bits as one after the other; processes that die, and runs that are killed and resumed."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from demos.kit.loops import resumable, run_cases, run_tasks
from demos.kit.runner import jobs
from demos.kit.runner.checkpoint import Checkpoint
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
    return {"sums": sums, "weights": model.weight.numpy().tolist(), "process": os.getpid(), "threads": threads.COUNT}


def die_once(seed, folder, how):
    """A run whose process is killed, or fails, in its midst the first time that it is played."""
    mg.seed(seed)
    first, rng, sums = Path(folder) / f"{seed} has begun", mg.random_numbers.spawn(), []
    for t in resumable(range(6), "game", rng=rng, sums=sums):
        sums.append(float(rng.random()))
        if how and seed == 1 and t == 3 and not first.exists():
            if how == "error":
                raise ValueError(f"seed {seed} fails")
            first.write_text("")
            os.kill(os.getpid(), getattr(signal, how))
    return sums


def inner(value, *others):
    return (value, *others)


def begun(tmp_path, side_by_side, *options):
    args = start(common_options("some runs"), ["--out", str(tmp_path), "--jobs", str(side_by_side), *options], "some_runs")
    return open_claim(args, {}).args.checkpoint


def runs(tmp_path, side_by_side, seeds=(5, 6, -1, -1)):
    checkpoint = begun(tmp_path, side_by_side)
    tasks = {f"run {i}": (seed,) for i, seed in enumerate(seeds)}
    found = run_tasks(play, tasks, np.ones((2, 3), np.float32), 4, steps=4 * len(seeds))
    after = float(mg.random_numbers.spawn().random())  # what comes after it does not depend on it
    checkpoint.close()
    processes = {run.pop("process") for run in found}
    return found, after, processes


@pytest.mark.slow
def test_the_results_are_the_same_bits_and_in_order_whether_the_runs_set_a_seed_or_not(tmp_path):
    alone, after, here = runs(tmp_path / "a", 1)
    together, after_too, processes = runs(tmp_path / "b", 2)
    assert (together, after_too) == (alone, after)
    assert (here, len(processes)) == ({os.getpid()}, 2)
    assert alone[2]["sums"] != alone[3]["sums"]  # neither sets a seed
    assert {run["threads"] for run in alone} == {1}


def test_without_a_run_tasks_and_cases_are_a_plain_loop():
    found = run_cases(inner, {"a": (10,), "b": (20,)}, range(3, 5), "shared", steps=1)
    assert found == {"a": [(3, 10, "shared"), (4, 10, "shared")], "b": [(3, 20, "shared"), (4, 20, "shared")]}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "error"])
def test_the_run_of_a_process_that_dies_is_named_and_repeated_and_an_error_is_this_programs_too(tmp_path, capfd, how):
    begun(tmp_path, 1)
    tasks = {f"seed {seed}": (seed,) for seed in range(3)}
    whole = run_tasks(die_once, tasks, str(tmp_path), "", steps=18)
    checkpoint = begun(tmp_path / "again", 2)
    if how == "error":
        with pytest.raises(ValueError, match="seed 1 fails"):
            run_tasks(die_once, tasks, str(tmp_path), how, steps=18)
        return
    assert run_tasks(die_once, tasks, str(tmp_path), how, steps=18) == whole
    (said,) = [line for line in capfd.readouterr().err.splitlines() if "is repeated" in line]
    others = "(; .*)?" if how == "SIGTERM" else ""  # with which the pool ends the others
    why = r"was killed during seed 1 \(is there enough memory\?\)"
    assert re.search(rf"process \d+, exit status -\d+, {why}{others}; its call is repeated$", said)
    checkpoint.close()
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["checkpoint.npz"]


PROGRAM = """
import os, sys, time
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
    print(run_tasks(slow, {f"seed {s}": (s,) for s in range(3)}, 0.05, steps=120))
    args.checkpoint.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_run_that_is_stopped_goes_on_where_its_processes_were(tmp_path, name):
    """Interrupted while both processes are within their loops; the end is the same as without a break."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}

    def command(out, *options):
        return [sys.executable, str(program), "--out", str(tmp_path / out), "--jobs", "2", *options]

    whole = subprocess.run(command("whole"), capture_output=True, check=True, **options).stdout
    process = subprocess.Popen(command("broken"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    until = time.monotonic() + 60
    while not (parts := sorted((tmp_path / "broken").glob("checkpoint.task-*.npz"))) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert name == "SIGKILL" or "to continue: python -m demos slow_runs" in said
    assert 0 < read_checkpoint(parts[0])[1]["result/loop"]["t"] < 40
    assert (tmp_path / "broken" / "checkpoint.npz").exists()  # without it, the parts would be taken for left over ones
    resumed = subprocess.run(command("broken", "--resume"), capture_output=True, check=True, **options)
    assert resumed.stdout == whole
    assert "start again" not in resumed.stderr
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["checkpoint.npz"]


def test_a_task_saves_its_result_at_once_and_a_process_plays_one_at_a_time(tmp_path):
    """What has arrived is kept, though the program is killed before its own next checkpoint; threads are refused."""
    checkpoint = begun(tmp_path, 1)
    how = jobs._how(checkpoint, "a", "a") | {"first": ("elsewhere", 1)}
    checkpoint.close(finished=False)
    with jobs._parcel(checkpoint.path, (np.ones((2, 3), np.float32), 1)) as parcel:
        call = how, np.random.default_rng(0), parcel, tmp_path / "note.txt", play, (1,)
        with jobs._playing, pytest.raises(TypeError, match="expected an executor of processes"):
            jobs._work(*call)
        result, n = jobs._work(*call)
        assert (len(result["sums"]), n) == (1, 1)
        assert read_checkpoint(checkpoint.part("a"))[1]["result"][0] == result
        assert jobs._work(*call[:4], None, (1,))[0] == result  # it is not played again
    assert not parcel.exists()


def test_what_killed_runs_have_left_in_the_folder_is_removed_and_not_taken_for_this_ones(tmp_path):
    """Notes and halves of files, by a run of other tasks; by one that was resumed from another folder, checkpoints, too."""
    begun(tmp_path / "a", 1).close()
    for options in ([], ["--resume", str(tmp_path / "a" / "checkpoint.npz")]):
        part = Checkpoint(tmp_path / "b" / "checkpoint.npz", "", "", None).part("other")
        part.parent.mkdir(exist_ok=True)
        for path in (part, part.with_suffix(".txt"), part.with_name(f"{part.name}.01234567.tmp")):
            path.write_text("1 2")
        checkpoint = begun(tmp_path / "b", 1, *options)
        assert len({checkpoint.part(name) for name in ("run 0", "run 1", "run 0 (2)")}) == 3
        assert not list((tmp_path / "b").glob("checkpoint.task-*"))
        checkpoint.close()
        assert [path.name for path in (tmp_path / "b").iterdir() if path.name != "earlier"] == ["checkpoint.npz"]


# --- other executors ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_any_executor_of_processes_will_do_and_stays_open(tmp_path):
    alone, *_ = runs(tmp_path / "a", 1)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor, on(executor):
        (there, _, process), (again, _, process_too) = runs(tmp_path / "b", 1), runs(tmp_path / "c", 1)
    assert there == again == alone
    assert process == process_too != {os.getpid()}


@pytest.mark.mpi
def test_mpis_ranks_play_the_same_bits_and_a_killed_rank_leaves_what_was_done(mpiexec):
    program = mpiexec.folder / "program.py"
    program.write_text(PROGRAM)
    alone = mpiexec(1, [str(program)], "--out", "whole", "--jobs", "1")
    command = ["-m", "mpi4py.futures", str(program)], "--out", "out"
    kill = "if seed == 2 and len(sums) == 20 and not running.checkpoint.resume: os.kill(os.getpid(), 9)"
    program.write_text(PROGRAM.replace("time.sleep(pause)", kill))
    lost = mpiexec(3, *command)
    assert lost.returncode != 0
    assert "[[" not in lost.stdout
    assert len(list((mpiexec.folder / "out").glob("checkpoint.task-*.npz"))) >= 1
    assert mpiexec(3, *command, "--resume").stdout == alone.stdout != ""
    program.write_text(PROGRAM.replace("time.sleep(pause)", "int('x' * seed)"))
    failed = mpiexec(3, *command)
    assert failed.returncode != 0
    assert "ValueError: invalid literal" in failed.stderr
