"""The folders of results: no run replaces another's, but for the last quick one in its own folder."""

import signal
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from demos.kit.loops import once
from demos.kit.runner import opening, results
from demos.kit.runner.options import common_options
from tests.demos.running import summary_of

pytestmark = pytest.mark.usefixtures("usual_signals")
HERE = "runs/some_demo"


@pytest.fixture
def play(empty_folder):
    """Runs a demo that learns a number and draws it; some are stopped as they draw."""

    def call(learnt, *options, stopped=False):
        args = opening.start(common_options("a demo"), list(options), "some_demo")
        claim = opening.open_claim(args, {})
        claim.note("learnt", once("learning", lambda: learnt))
        claim.show(plt.figure(), "drawn", "what was learnt")
        if stopped:
            with pytest.raises(SystemExit):
                signal.raise_signal(signal.SIGINT)
        else:
            claim.finish()
        return args.out

    return call


def files_of(folder):
    """All files, byte for byte, but those of earlier runs."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "now"),  # options; and where the first one's results are after the second
    [
        ([], [], f"{HERE}/earlier/1"),
        ([], ["--seed", "3"], f"{HERE}/earlier/1"),
        ([], ["--quick"], HERE),
        (["--out", "mine"], ["--out", "mine", "--quick"], "mine/earlier/1"),
        ([], ["--resume", "other/checkpoint.npz"], f"{HERE}/earlier/1"),
        (["--quick"], ["--quick"], None),
    ],
    ids=str,
)
def test_a_run_moves_an_earlier_one_aside_unless_both_are_quick_ones_in_their_own_folder(
    play, first, second, now, stopped, tmp_path, capsys
):
    play(0.0, "--out", "other")
    out = play(1.0, *first, stopped=stopped)
    before = files_of(out)
    assert {"checkpoint.npz", "drawn.png"} <= set(before)
    capsys.readouterr()
    learnt = summary_of(play(2.0, *second))["metrics"]["learnt"]
    assert learnt == (0.0 if "--resume" in second else 2.0)
    if now:
        assert files_of(tmp_path / now) == before
    else:
        assert not list(tmp_path.rglob("earlier"))
    moved = now not in (None, HERE)
    assert capsys.readouterr().err == (f"the results of an earlier run in {out} are now in {now}\n" if moved else "")


@pytest.mark.parametrize("resume", [["--resume"], [f"--resume=runs/../{HERE}/checkpoint.npz"]])
def test_a_run_that_goes_on_with_the_one_in_its_folder_stays_there_and_learns_nothing_anew(play, resume):
    before = files_of(play(1.0, stopped=True))
    out = play(2.0, *resume)
    assert summary_of(out)["metrics"]["learnt"] == 1.0
    assert files_of(out)["checkpoint.npz"] == before["checkpoint.npz"]
    assert not (out / "earlier").exists()


def test_a_copy_of_a_checkpoint_is_resumed_with_its_tasks_and_the_run_beside_it_moves_aside(play):
    out = play(1.0)
    (out / "copy.npz").write_bytes((out / "checkpoint.npz").read_bytes())
    (out / "checkpoint.task-1.npz").write_text("of a task")
    args = opening.start(common_options("a demo"), [f"--resume={out}/copy.npz"], "some_demo")
    opening.open_checkpoint(args, {})
    assert args.checkpoint.resume.with_name("checkpoint.task-1.npz").read_text() == "of a task"
    assert not files_of(out)


def test_where_a_run_is_refused_the_earlier_one_stays(play):
    play(0.0, "--seed", "1", "--out", "other")
    out = play(1.0)
    before = files_of(out)
    with pytest.raises(SystemExit, match="comes from a run with other settings"):
        play(2.0, "--resume", "other/checkpoint.npz")
    assert files_of(out) == before
    (out / "earlier").write_text("in the way")
    with pytest.raises(SystemExit, match=rf"^--out {HERE}: the earlier run in it cannot be moved: [^\n]+$"):
        play(2.0)
    assert files_of(out) == before | {"earlier": b"in the way"}


def test_a_folder_that_another_run_writes_to_is_refused(play, capsys):
    lock = results.open_folder(Path("mine"))
    with pytest.raises(SystemExit):
        play(1.0, "--out", "mine")
    assert "another run is writing to it" in capsys.readouterr().err
    results.close_folder(lock)
    assert play(1.0, "--out", "mine").is_dir()
