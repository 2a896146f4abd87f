"""Demos that are killed, stopped and run twice at once: each ends as if nothing had happened."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from demos.kit.runner import results
from tests.demos.running import ROOT

DEMOS = {  # quick runs, long enough to be killed on the way
    "gan": ["--steps", "1500"],
    "wgan": ["--steps", "300"],
    "collapse": [],
    "fgsm": [],
}
OFTEN = """
import sys
import demos.kit.runner.checkpoint as kept
from demos.__main__ import main
kept.FIRST = kept.EVERY = {every}
kept.SHARE = 1e9
main(sys.argv[1:])
"""
stress, slow = pytest.mark.stress, pytest.mark.slow
pytestmark = pytest.mark.skipif(results.fcntl is None, reason="for POSIX systems")


def demo(name, out, *options, every=0.15):
    """A quick run in a process of its own that saves every so many seconds."""
    command = [sys.executable, "-c", OFTEN.format(every=every), name, "--quick", "--out", str(out), *DEMOS[name], *options]
    one_thread = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **one_thread}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process, status=0):
    """Its last words."""
    _, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    assert "Traceback" not in err, err
    return err


def left(out):
    """All that a run leaves, byte for byte; of the summary, all but the seconds."""
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "summary.json"}
    summary = json.loads((out / "summary.json").read_text())
    del summary["seconds"], summary["cpu_seconds"]
    return files | {"summary": json.dumps(summary)}


def assert_same_files(a, b):
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """name -> what an undisturbed run leaves, and the seconds that it takes."""
    runs = {}

    def run(name):
        if name not in runs:
            out, began = tmp_path_factory.mktemp(name), time.monotonic()
            end(demo(name, out))
            runs[name] = left(out), time.monotonic() - began
        return runs[name]

    return run


def is_writing(out):
    """Is a checkpoint being written?"""
    return any(out.glob("checkpoint.npz.*.tmp"))


def interrupt(process, out, number, draw, seconds, within_a_write):
    """Send the signal at a random moment, or at the next one at which a checkpoint is being written, if any is."""
    until = time.monotonic() + draw.uniform(0.3, 0.9 * seconds)
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    while within_a_write and process.poll() is None and not is_writing(out):
        time.sleep(0.0002)
    if process.poll() is None:
        process.send_signal(number)
    said = process.communicate(timeout=300)[1]
    if number != signal.SIGKILL and process.returncode == 1:  # otherwise it had not begun, or was at its end
        assert re.search(r"^stopped .*--resume$", said.splitlines()[-1]), said
    return process.returncode in (1, -signal.SIGKILL)


SHORT = [("gan", signal.SIGKILL, 4), ("collapse", signal.SIGKILL, 4), ("gan", signal.SIGINT, 3), ("gan", signal.SIGTERM, 3)]
LONG = [(name, number, 40) for name in DEMOS for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize(
    ("name", "number", "times"),
    [pytest.param(*case, marks=slow) for case in SHORT] + [pytest.param(*case, marks=stress) for case in LONG],
)
def test_a_run_that_is_interrupted_now_and_then_ends_like_one_that_is_not(name, number, times, tmp_path, whole):
    undisturbed, seconds = whole(name)
    interrupted = 0
    for part in range(0, times, 5):
        out, draw, done = tmp_path / f"{part}", random.Random(f"{name} {number} {part}"), 0
        for i in range(3 * 5):
            process = demo(name, out, *(["--resume"] if i else []))
            done += interrupt(process, out, number, draw, seconds, within_a_write=i % 2)
            if done == min(5, times - part):
                break
            if process.returncode == 0 and number == signal.SIGKILL:
                shutil.rmtree(out)  # it was faster than the signal: once more from the start
        end(demo(name, out, "--resume"))
        assert_same_files(left(out), undisturbed)
        interrupted += done
    assert interrupted >= times / 2
