"""Tasks in parallel: the same bits as one after the other; processes that die, and runs that are killed and resumed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from demos.kit.loops import resumable, run_cases, run_tasks
from demos.kit.runner import jobs
from demos.kit.runner.codec import read_checkpoint
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import common_options
from tests.helpers.programs import ROOT


def play(seed, x, folder="", how=""):
    """Noise from the default generators. The first time that seed 1 is played, its process is killed in its midst, or fails."""
    if seed >= 0:
        mg.seed(seed)
    first, rng, sums = Path(folder) / "has begun", mg.random_numbers.spawn(), []
    for t in resumable(range(6), "game", rng=rng, sums=sums):
        sums.append(float(rng.random() + mg.random_numbers.generator().random() + x.sum()))
        if how == "error" and seed == 1:
            raise ValueError(f"seed {seed} fails")
        if how and seed == 1 and t == 3 and not first.exists():
            first.write_text("")
            os.kill(os.getpid(), getattr(signal, how))
    return sums


def begun(tmp_path, side_by_side, *options):
    args = start(common_options("some runs"), ["--out", str(tmp_path), "--jobs", str(side_by_side), *options], "some_runs")
    return open_claim(args, {}).args.checkpoint


def runs(tmp_path, side_by_side, *how):
    checkpoint = begun(tmp_path, side_by_side)
    tasks = {f"run {i}": (seed,) for i, seed in enumerate((0, 1, -1, -1))}
    found = run_tasks(play, tasks, np.ones((2, 3)), *how, steps=24)
    after = float(mg.random_numbers.spawn().random())  # what comes after it does not depend on it
    checkpoint.close()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    return found, after


@pytest.mark.slow
@pytest.mark.parametrize("how", ["", "SIGKILL", "SIGTERM", "error"])
def test_the_results_are_the_same_bits_in_processes_and_one_that_dies_is_named_and_repeated(tmp_path, capfd, how):
    alone = runs(tmp_path / "alone", 1)
    assert alone[0][2] != alone[0][3]  # neither sets a seed
    if how == "error":
        with pytest.raises(ValueError, match="seed 1 fails"):
            runs(tmp_path / "together", 2, str(tmp_path), how)
        return
    assert runs(tmp_path / "together", 2, str(tmp_path), how) == alone
    why = r"process \d+, exit status -\d+, was killed during run 1 \(is there enough memory\?\)(; .*)?; its call is repeated$"
    assert len(re.findall(why, capfd.readouterr().err, re.M)) == bool(how)


def test_without_a_run_tasks_and_cases_are_a_plain_loop():
    found = run_cases(lambda *given: given, {"a": (10,), "b": (20,)}, range(3, 5), "shared", steps=1)
    assert found == {"a": [(3, 10, "shared"), (4, 10, "shared")], "b": [(3, 20, "shared"), (4, 20, "shared")]}


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


def test_a_task_saves_its_result_at_once_and_a_process_plays_one_at_a_time(tmp_path, monkeypatch):
    """What has arrived is kept, though the program is killed before its own next checkpoint; threads are refused."""
    checkpoint = begun(tmp_path, 1)
    how = jobs._how(checkpoint, "a", "a") | {"first": ("elsewhere", 1)}
    checkpoint.close(finished=False)
    with jobs._parcel(checkpoint.path, (np.ones(3),)) as parcel:
        call = how, np.random.default_rng(0), parcel, tmp_path / "note.txt", play, (1,)
        with jobs._playing, pytest.raises(TypeError, match="expected an executor of processes"):
            jobs._work(*call)
        with pytest.raises(TypeError, match="expected an executor of processes"):  # in the run's own process
            jobs._work(jobs._how(checkpoint, "a", "a"), *call[1:])
        monkeypatch.setattr(jobs.threads, "COUNT", 2)
        result, n = jobs._work(*call)
        assert (len(result), n, jobs.threads.COUNT) == (6, 6, 1)
        assert read_checkpoint(checkpoint.part("a"))[1]["result"][0] == result
        assert jobs._work(*call[:4], None, (1,))[0] == result  # it is not played again
    assert not parcel.exists()
