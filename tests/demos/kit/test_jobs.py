"""Seeds side by side: the same bits as one after the other, one bar, and runs that survive here, too."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minigan as mg
from demos.kit import checkpoints
from demos.kit.checkpoints import read_checkpoint, resumable
from demos.kit.claim import Claim
from demos.kit.jobs import each
from demos.kit.run import common_options, start
from minigan import Tensor, nn, threads
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


def begun(tmp_path, jobs, *options):
    args = start(common_options("some runs"), ["--out", str(tmp_path), "--jobs", str(jobs), *options], "some_runs")
    return Claim(args, {})


def runs(tmp_path, jobs, seeds=(5, 6, -1, -1), *options):
    claim = begun(tmp_path, jobs, *options)
    x = np.ones((2, 3), np.float32)
    found = each(play, {f"run {i}": (seed,) for i, seed in enumerate(seeds)}, x, 4, steps=4 * len(seeds))
    after = float(mg.random_numbers.spawn().random())  # what comes after it does not depend on it
    claim.args.checkpoint.end()
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
        each(fail, {"a": (1,), "b": (1,)}, steps=2)


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_line(tmp_path):
    begun(tmp_path, 2)
    with pytest.raises(SystemExit, match=r"a process was killed .*; this goes on: python -m demos some_runs .*--resume$"):
        each(die, {"a": (1,), "b": (1,)}, steps=2)


@pytest.mark.slow
def test_what_one_call_leaves_behind_is_nothing_to_the_next(tmp_path):
    """A task's file that is left of one `each` is not taken for that of another `each`."""
    checkpoint = begun(tmp_path, 2).args.checkpoint
    checkpoint.save()
    parts = [checkpoint.part(name) for name in ("run 0", "run 1", "run 0 (2)")]
    assert len(set(parts)) == 3
    checkpoint.release()
    parts[0].write_bytes((tmp_path / "checkpoint.npz").read_bytes())  # of other settings: refused, if it were read
    claim = begun(tmp_path, 2, "--resume")
    x = np.ones((2, 3), np.float32)
    found = each(play, {"other 0": (5,), "other 1": (6,)}, x, 4, steps=8)
    assert len(found) == 2
    claim.args.checkpoint.end()
    assert not parts[0].exists()


def test_without_a_run_it_is_a_plain_loop():
    found = each(play, {"a": (1,), "b": (2,)}, np.ones((2, 3), np.float32), 2, steps=4)
    assert [len(run["sums"]) for run in found] == [2, 2]


PROGRAM = """
import sys, time
import minigan as mg
from demos.kit import checkpoints
from demos.kit.claim import Claim
from demos.kit.jobs import each
from demos.kit.run import common_options, start

checkpoints.FIRST = checkpoints.EVERY = 0.2


def slow(seed, pause):
    from minigan import random_numbers
    mg.seed(seed)
    checkpoints.current().due = 0.0  # save at once
    rng, sums = random_numbers.spawn(), []
    for _ in checkpoints.resumable(range(40), "loop", rng=rng, sums=sums):
        sums.append(float(rng.random()))
        time.sleep(pause)
    return sums


if __name__ == "__main__":
    args = start(common_options("slow runs"), None, "slow_runs")
    Claim(args, {})
    print(each(slow, {f"seed {s}": (s,) for s in range(3)}, 0.05 if "--quick" in sys.argv else 0.05, steps=120))
    args.checkpoint.end()
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
        assert b"this goes on: python -m demos slow_runs" in said
    assert 0 < read_checkpoint(parts[0])[1]["loop"]["t"] < 40
    assert (folder / "checkpoint.npz").exists()  # without it, the parts would be taken for left over ones
    resumed = subprocess.run(command("broken", "--resume"), env=environment, capture_output=True, text=True, check=True)
    assert resumed.stdout == whole
    assert "starts anew" not in resumed.stderr
    assert not list((tmp_path / "broken").glob("checkpoint.task-*"))
    assert checkpoints.read_checkpoint(tmp_path / "broken" / "checkpoint.npz")
