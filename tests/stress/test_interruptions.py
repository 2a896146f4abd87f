"""Demos that are killed, stopped, run twice at once, and left without room: each ends as if nothing had happened."""

import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demos.kit.runner import results
from tests.demos.running import ROOT

DEMOS = {  # quick runs, long enough to be killed on the way
    "gan": ["--steps", "1500"],
    "wgan": ["--steps", "300"],
    "dcgan": ["--steps", "60"],
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
stress = pytest.mark.stress
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


def halves(out):
    """Checkpoints that are being written."""
    return list(out.glob("checkpoint.npz.*.tmp"))


def interrupt(process, out, number, draw, seconds, within_a_write):
    """Send the signal at a random moment, or at the next one at which a checkpoint is being written, if any is."""
    until = time.monotonic() + draw.uniform(0.3, 0.9 * seconds)
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    while within_a_write and process.poll() is None and not halves(out):
        time.sleep(0.0002)
    if process.poll() is None:
        process.send_signal(number)
    return process.wait(timeout=120)


def kill_again_and_again(name, out, kills, draw, whole):
    """Kill a run and go on with it so many times, half of them within a write, then let it come to its end.

    Returns the kills, and those that were within a write.
    """
    undisturbed, seconds = whole(name)
    done = within = 0
    for i in itertools.count():
        process = demo(name, out, *(["--resume"] if i else []))
        with process.stdout, process.stderr:
            if done < kills and interrupt(process, out, signal.SIGKILL, draw, seconds, i % 2) == -signal.SIGKILL:
                done, within = done + 1, within + bool(halves(out))
                continue
            if done < kills and i > 3 * kills:
                break
            if done == kills:
                end(process)
                break
            process.wait(timeout=300)
            shutil.rmtree(out)  # it was faster than the signal: once more from the start
    assert_same_files(left(out), undisturbed)
    return done, within


def stop_again_and_again(name, out, stops, number, draw, whole):
    """Stop a run by a signal and go on with it so many times, then let it come to its end. Returns the stops."""
    undisturbed, seconds = whole(name)
    done = 0
    for i in itertools.count():
        process = demo(name, out, *(["--resume"] if i else []))
        if done < stops and i < 3 * stops:
            status = interrupt(process, out, number, draw, seconds, within_a_write=i % 4 == 3)
            said = process.communicate()[1]
            if status == 1:  # otherwise it had not begun, or was at its end
                assert said.splitlines()[-1].startswith("stopped "), said
                assert said.splitlines()[-1].endswith("--resume")
            done += status == 1
        else:
            end(process)
            break
    assert_same_files(left(out), undisturbed)
    return done


# --- short ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "collapse"])
def test_a_run_that_is_killed_now_and_then_ends_like_one_that_is_not(name, tmp_path, whole):
    kill_again_and_again(name, tmp_path / "out", 4, random.Random(1), whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_now_and_then_ends_like_one_that_is_not(number, tmp_path, whole):
    stop_again_and_again("gan", tmp_path / "out", 3, number, random.Random(2), whole)


# --- long ----------------------------------------------------------------------------------------------------------------


@stress
@pytest.mark.parametrize("name", list(DEMOS))
def test_forty_kills_of_each_demo(name, tmp_path, whole, record_property):
    kills = within = 0
    for seed in range(8):
        done, inside = kill_again_and_again(name, tmp_path / f"{seed}", 5, random.Random(f"{name} {seed}"), whole)
        kills, within = kills + done, within + inside
    print(f"\n{name}: killed {kills} times, {within} of them within a write; all ends the same")
    assert kills >= 40


@stress
@pytest.mark.parametrize("name", list(DEMOS))
@pytest.mark.parametrize(("number", "stops"), [(signal.SIGINT, 40), (signal.SIGTERM, 10)])
def test_fifty_stops_of_each_demo(name, number, stops, tmp_path, whole):
    done = sum(
        stop_again_and_again(name, tmp_path / f"{seed}", 5, number, random.Random(f"{name} {seed}"), whole)
        for seed in range(stops // 5)
    )
    print(f"\n{name}: stopped {done} times by signal {number.name}; all ends the same")


@stress
def test_two_processes_in_one_folder(tmp_path, whole):
    undisturbed, _ = whole("wgan")
    for i in range(20):
        both = [demo("wgan", tmp_path / f"{i}") for _ in range(2)]
        said = [process.communicate(timeout=300)[1] for process in both]
        assert sorted(process.returncode for process in both) == [0, 2], said
        refusal = said[[process.returncode for process in both].index(2)]
        assert "another run is writing to it" in refusal
        assert refusal.count("\n") == 1
        assert_same_files(left(tmp_path / f"{i}"), undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@stress
def test_a_full_disk(small_disk, whole):
    undisturbed, seconds = whole("wgan")
    out, ballast = small_disk / "out", small_disk / "ballast"
    for i in range(20):
        draw = random.Random(i)
        process = demo("wgan", out)
        time.sleep(draw.uniform(0.5, 0.6 * seconds))
        fill(ballast)
        time.sleep(draw.uniform(0.2, 1.0))
        if i % 2:  # and killed
            process.kill()
            process.communicate()
            ballast.unlink()
            process = demo("wgan", out, "--resume")
        else:
            ballast.unlink()
        said = process.communicate(timeout=300)[1]
        if process.returncode == 1:  # it had come to its pictures
            kept = re.fullmatch(
                r"No space left on device[^;]*; (nothing was saved|nothing is lost|saved: .*); make room; to .*: .*",
                said.splitlines()[-1],
            )
            assert kept, said
            assert (out / "checkpoint.npz").exists() == (kept[1] != "nothing was saved")
            process = demo("wgan", out, "--resume")
            said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        assert_same_files(left(out), undisturbed)
        shutil.rmtree(out)


def fill(ballast: Path):
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
