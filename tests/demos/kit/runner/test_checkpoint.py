"""Runs that survive: loops and results that are saved, stopped by signals, and resumed bit for bit."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from demos.kit.loops import once, resumable
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.run import Rows
from demos.kit.runner import checkpoint, codec, opening, options, results
from demos.kit.runner.checkpoint import running
from demos.kit.runner.codec import read_checkpoint, state_of
from demos.kit.runner.progress import progress
from demos.kit.training import adams, train
from minigan import Tensor, data, optim
from minigan.backend import random_numbers
from minigan.data import npz_files
from minigan.games import GAN
from tests.demos.running import ROOT

pytestmark = pytest.mark.usefixtures("usual_signals")
SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]


@pytest.fixture
def begin(tmp_path):
    """Starts a run in a folder of the test, with these settings."""

    def start(*argv, **settings):
        args = opening.start(options.common_options("a demo"), ["--out", str(tmp_path / "out"), *argv], "some_demo")
        opening.open_checkpoint(args, settings)
        return args.checkpoint

    return start


def experiment(stop_at=None, by=signal.SIGINT, steps=8):
    """A loop that changes things of all kinds; a signal comes in the middle of an iteration. What was changed."""
    mg.seed(7)
    G, D = generator(4), discriminator(4)
    game, batches = GAN(G, D, data.noise(2), *adams(G, D, 1e-3, 1e-3)), RING.batches(16)
    rng, w = np.random.default_rng(3), Tensor(np.zeros(3), requires_grad=True)
    rows, found = [], {"sum": 0.0, (1, "a"): np.zeros(2)}
    parts = {"game": game, "batches": batches, "rng": rng, "w": w, "rows": rows, "found": found}
    for t in resumable(range(steps), "an experiment", **parts):
        if t == stop_at:
            signal.raise_signal(by)
        figures = game.step(batches)
        rows.append((t, figures, rng.standard_normal(2), np.float32(t), [None, "text", True]))
        found["sum"] += figures["loss_D"] + float(random_numbers.generator().random())  # the default one, too, ...
        found["sum"] += float(random_numbers.spawn().random())  # ... and how many others have come from it
        found[1, "a"] = found[1, "a"] + 1
        w.data = w.data + rng.standard_normal(3)
    return [
        state_of(game),
        batches.state_dict(),
        w.data,
        [list(row) for row in rows],
        found,
        random_numbers.spawn().random(),
    ]


def assert_same(a, b):
    a, b = ({}, {}) if a is b else (outline(a), outline(b))
    assert a[0] == b[0]
    assert a[1].keys() == b[1].keys()
    for name in a[1]:
        np.testing.assert_array_equal(a[1][name], b[1][name], err_msg=name)
        assert a[1][name].dtype == b[1][name].dtype


def outline(value):
    arrays = {}
    return json.dumps(codec.encoded(value, "", arrays)), arrays


# --- loops --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", SIGNALS)
def test_a_loop_that_a_signal_stops_is_resumed_bit_for_bit(by, begin, capsys):
    whole = experiment()
    begin()
    with pytest.raises(
        SystemExit, match=r"^stopped after 4 of 8 iterations; to continue: python -m demos some_demo --out .* --resume$"
    ):
        experiment(stop_at=3, by=by)  # the iteration that it comes in is finished
    assert running.checkpoint is None
    run = begin("--resume")
    assert_same(experiment(), whole)
    run.close()
    begin("--resume")
    assert_same(experiment(), whole)  # a loop that is finished is not played again


def test_a_loop_outside_a_run_is_a_loop_under_a_bar():
    assert list(resumable(range(1, 4), "nothing to save")) == [1, 2, 3]


def test_a_signal_between_two_loops_stops_at_once_and_keeps_what_is_finished(begin, tmp_path):
    run = begin()
    first = experiment()
    with pytest.raises(SystemExit, match=r"^stopped after 1 finished part; to continue"):
        signal.raise_signal(signal.SIGTERM)
    run = begin("--resume")
    assert run.restored.keys() == {"an experiment"}
    assert_same(experiment(), first)


def test_a_signal_before_the_first_loop_leaves_nothing_that_could_not_be_resumed(tmp_path):
    opening.start(options.common_options("a demo"), ["--out", str(tmp_path / "out")], "some_demo")
    with pytest.raises(
        SystemExit, match=r"^stopped after 0 finished parts; to start again: python -m demos some_demo --out \S+$"
    ):
        signal.raise_signal(signal.SIGINT)
    assert not list((tmp_path / "out").iterdir())


def test_a_block_that_is_not_to_be_disturbed_is_finished_first(begin):
    begin()
    done = []

    def block():
        with running.undisturbed():
            signal.raise_signal(signal.SIGTERM)
            done.append(1)

    with pytest.raises(SystemExit, match=r"^stopped after 0 finished parts"):
        block()
    assert done


def test_what_was_finished_is_kept_though_the_resumed_run_is_stopped_before_it_gets_there(begin):
    begin()
    first, second = experiment(), experiment(steps=3)
    for new in ("once more", "and again"):
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)
        run = begin("--resume")
        assert {"an experiment", "an experiment (2)"} <= run.restored.keys()
        once(new, list)  # so that the file is written again
    assert_same(experiment(), first)
    assert_same(experiment(steps=3), second)


@pytest.fixture
def seconds(monkeypatch):
    """What the monotonic clock shows, from 100 on."""
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    return now


def test_a_second_ctrl_c_does_not_wait_for_the_end_of_the_iteration(begin, seconds, capsys):
    begin()
    loop = resumable(range(3), "long")
    next(loop)
    signal.raise_signal(signal.SIGINT)
    assert "stopping after this step; press Ctrl-C again to stop at once" in capsys.readouterr().err
    seconds[0] += 2
    with pytest.raises(SystemExit, match=r"^stopped at once; nothing was saved; to start again"):
        signal.raise_signal(signal.SIGINT)


def test_a_burst_of_signals_is_one_wish(begin, seconds):
    begin()
    loop = resumable(range(3), "long")
    next(loop)
    for number in (*SIGNALS, *SIGNALS):  # a terminal that closes sends SIGHUP twice
        signal.raise_signal(number)
    seconds[0] += 2
    for number in set(SIGNALS) - {signal.SIGINT}:
        signal.raise_signal(number)
    with pytest.raises(SystemExit, match=r"^stopped after 1 of 3 iterations; to continue"):
        next(loop)
    for number in SIGNALS:  # on the way out
        signal.raise_signal(number)


def test_signals_mean_what_they_did_before_when_the_run_is_over_or_has_been_stopped_for_a_while(begin, seconds):
    before = [signal.getsignal(number) for number in SIGNALS]
    begin().close()
    assert [signal.getsignal(number) for number in SIGNALS] == before
    begin()
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGINT)
    seconds[0] += 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_run_that_was_stopped_leaves_no_handler_behind_when_the_next_one_starts(begin):
    before = [signal.getsignal(number) for number in SIGNALS]
    for _ in range(2):
        begin()
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGTERM)
    begin().close()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_loop_that_is_left_early_is_not_finished_and_the_next_one_runs(begin):
    run = begin()
    for _ in resumable(range(5), "left"):
        break
    loop = resumable(range(5), "broken")
    next(loop)
    with pytest.raises(ZeroDivisionError):
        loop.throw(ZeroDivisionError())
    assert list(resumable(range(2), "whole")) == [0, 1]
    assert run.finished.keys() == {"whole"}
    assert not run.busy


def test_a_result_within_a_loop_is_refused(begin):
    begin()
    next(loop := resumable(range(3), "outer"))
    with pytest.raises(RuntimeError, match="inner starts within the loop outer"):
        once("inner", list)
    loop.close()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_program_that_is_to_survive_its_terminal_does(begin, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
    try:
        begin()
        signal.raise_signal(signal.SIGHUP)
        experiment(stop_at=2, by=signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_loop_within_a_loop_is_refused(begin):
    begin()
    outer = resumable(range(3), "outer")
    next(outer)
    with pytest.raises(RuntimeError, match="inner starts within the loop outer"):
        next(resumable(range(3), "inner"))


def test_a_loop_does_not_go_on_with_a_longer_ones_end(begin):
    run = begin()
    experiment(steps=5)
    run.close()
    begin("--resume")
    with pytest.raises(
        SystemExit, match=r"^--resume: .*checkpoint.npz does not fit this run: an experiment has already played 5 "
    ):
        experiment(steps=3)


def test_a_game_of_other_networks_does_not_fit_and_says_so_on_one_line(begin):
    run = begin()
    G, D = generator(4), discriminator(4)
    train(GAN(G, D, data.noise(2), *adams(G, D, 1e-3, 1e-3)), RING.batches(8), 2, "a game")
    run.close()
    begin("--resume")
    G = generator(5)
    with pytest.raises(SystemExit, match=r"^--resume: .*checkpoint.npz does not fit this run: [^\n]*$"):
        train(GAN(G, D, data.noise(2), *adams(G, D, 1e-3, 1e-3)), RING.batches(8), 2, "a game")


# --- results ------------------------------------------------------------------------------------------------------------


def test_what_is_finished_is_not_repeated_and_comes_back_as_it_was(begin):
    calls = []

    def find(n):
        calls.append(n)
        return {"a": np.arange(n, dtype=np.float32), 3: (1, 2.5, None, "x"), "nan": float("nan"), "s": np.float64(2.0)}

    run = begin()
    first = once("three", find, 3)
    run.close()
    begin("--resume")
    again = once("three", find, 3)
    assert calls == [3]
    assert_same(again, first)
    assert [type(value) for value in again.values()] == [type(value) for value in first.values()]
    once("three", find, 3)  # another one of the same name
    assert calls == [3, 3]


def test_what_is_kept_of_a_result_cannot_be_changed(begin):
    run = begin()
    once("a list", lambda: [np.zeros(2)])[0][:] = 1
    run.close()
    begin("--resume")
    found = once("a list", list)
    found[0][:] = 2
    assert running.checkpoint.finished["a list"][0][0].tolist() == [0, 0]


def test_names_that_would_collide_do_not(begin):
    values = {
        np.float64(0.1): 1, np.float64(0.2): 2, 1: np.zeros(2), "1": np.ones(3), "a/b": np.zeros(4), "a": {"b": np.ones(5)},
        "x" * 300: np.zeros(6), "x" * 300 + "y": np.ones(7), "two\nlines": np.zeros(8),
    }  # fmt: skip
    run = begin()
    once("values", lambda: values)
    run.close()
    begin("--resume")
    found = once("values", dict)
    assert list(found) == list(values)
    assert [np.shape(found[key]) for key in found if key != "a"] == [np.shape(values[key]) for key in values if key != "a"]
    np.testing.assert_array_equal(found["a"]["b"], np.ones(5))


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), np.ma.zeros(2), np.array(["a", None])], ids=lambda value: type(value).__name__
)
def test_what_no_checkpoint_can_hold_is_refused_at_once(begin, value):
    begin()
    with pytest.raises(TypeError, match=r"/a/0 is a \w+, which a checkpoint cannot hold"):
        once("values", lambda: {"a": [value]})


def test_results_draw_from_generators_of_their_own(begin):
    def draw(seed):
        if seed is not None:
            mg.seed(seed)
        return random_numbers.generator().random(), random_numbers.spawn().random()

    run, found = begin(), []
    found += [
        once("unseeded", draw, None),
        once("seeded", draw, 5),
        once("unseeded", draw, None),
        random_numbers.spawn().random(),
    ]
    run.close()
    assert found[0] != found[2]
    begin("--resume")
    assert random_numbers.generator().random() == np.random.default_rng(0).random()  # has not been disturbed
    begin("--resume")
    once("unseeded", draw, None)  # left out this time
    once("seeded", draw, 5)
    once("unseeded", draw, None)
    assert random_numbers.spawn().random() == found[3]


def test_a_loop_within_a_result_is_resumed_and_forgotten_when_the_result_is_there(begin):
    def find(stop_at=None):
        return [experiment(stop_at)[3][-1][0], experiment(steps=2)[-1]]

    run = begin()
    whole = once("first", find)
    once("second", find)
    assert run.finished.keys() == {"first", "second"}
    begin()
    once("first", find)
    with pytest.raises(SystemExit, match=r"stopped after 6 of 8"):
        once("second", find, 5)
    run = begin("--resume")
    assert run.restored.keys() == {"first", "second/an experiment"}
    assert once("first", find) == whole == once("second", find)
    assert run.finished.keys() == {"first", "second"}


def test_a_shared_bar_moves_though_a_result_is_not_repeated(begin):
    def find(bar):
        bar.update(3)
        return list(resumable(range(2), "x", bar))

    run, bar = begin(), progress(total=5)
    once("a", find, bar, bar=bar)
    assert bar.n == 5
    run.close()
    begin("--resume")
    bar = progress(total=5)
    once("a", find, bar, bar=bar)
    assert bar.n == 5


# --- when a checkpoint is written ----------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """The seconds that iterations and writing take; and when a checkpoint was written, in seconds from the start."""
    now = SimpleNamespace(time=100.0, writing=0.01, written=[], fails=False)
    write = codec.write_npz

    def slow(path, arrays):
        now.written.append(round(now.time - 100.0, 6))
        now.time += now.writing
        if now.fails:
            raise OSError(28, "No space left on device")
        write(path, arrays)

    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now.time)
    monkeypatch.setattr(codec, "write_npz", slow)
    return now


def play(clock, seconds):
    for _ in resumable(range(seconds), "a second each"):
        clock.time += 1


def test_the_first_checkpoint_comes_after_ten_seconds_and_the_next_after_thirty_each(begin, clock):
    begin()
    play(clock, 100)
    assert clock.written == pytest.approx([9, 38, 67, 96], abs=0.1)  # one more second would be too late


def test_writing_takes_one_per_cent_of_the_time_at_most(begin, clock):
    clock.writing = 2.0
    begin()
    play(clock, 2000)
    assert sum(clock.writing for _ in clock.written) <= 0.01 * 2000 + clock.writing
    assert clock.written[1] - clock.written[0] >= 200


def test_what_is_on_the_disk_is_not_written_again(begin, clock):
    run = begin()
    play(clock, 3)
    run.save()
    run.save()
    assert len(clock.written) == 1
    run.path.unlink()  # unless it is no longer there
    run.save()
    assert len(clock.written) == 2


def test_a_full_disk_is_said_and_the_run_goes_on_and_saves_when_there_is_room(begin, clock, capsys):
    run = begin()
    clock.fails = True
    play(clock, 20)
    said = capsys.readouterr().err
    assert re.search(r"^.*checkpoint.npz could not be written: \[Errno 28\] No space left on device$", said, re.M)
    assert not run.path.exists()
    clock.fails = False
    play(clock, 40)
    assert run.path.exists()


@pytest.mark.parametrize(
    ("full", "resume", "left", "command"),  # full: from which checkpoint on there is no room
    [
        (0, "", "nothing was saved", "start again: python -m demos some_demo --out {out}"),
        (
            1,
            "",
            "saved: 9 of 50 iterations; later progress is lost",
            "continue: python -m demos some_demo --out {out} --resume",
        ),
        (9, "", "nothing is lost", "continue: python -m demos some_demo --out {out} --resume"),
        (
            *(0, "{other}", "saved: the checkpoint it was resumed from; later progress is lost"),
            "continue: python -m demos some_demo --out {out} --resume {other}",
        ),
    ],
)
def test_on_a_full_disk_what_is_left_of_a_run_is_said_with_the_command_that_makes_the_best_of_it(
    begin, clock, tmp_path, full, resume, left, command
):
    folders = {"out": tmp_path / "out", "other": tmp_path / "other.npz"}
    begin().close()
    (tmp_path / "out" / "checkpoint.npz").rename(folders["other"])
    clock.written.clear()
    run = begin(*(["--resume", resume.format(**folders)] if resume else []))
    for _ in resumable(range(50), "a second each"):
        clock.time += 1
        clock.fails = len(clock.written) >= full
    run.save()
    for error, said in (
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError("Unable to allocate 35 PiB"), "not enough memory: Unable to allocate 35 PiB"),
    ):
        with pytest.raises(SystemExit) as end, options.errors_in_one_line([]):
            raise error
        assert end.value.code == f"{said}; {left}; make room; to {command.format(**folders)}"


def test_a_run_that_is_stopped_and_cannot_save_says_so(begin, clock):
    begin()
    clock.fails = True
    loop = resumable(range(5), "x")
    assert [next(loop), next(loop)] == [0, 1]
    signal.raise_signal(signal.SIGINT)
    lost = r"could not be written: .*No space left on device; nothing was saved; to start again: python -m demos some_demo"
    with pytest.raises(SystemExit, match=rf"^stopped after 2 of 5 iterations; .*{lost} --out \S+$"):
        next(loop)


def test_a_folder_that_vanishes_is_made_again(begin):
    run = begin()
    run.path.parent.rmdir()
    experiment()
    assert run.path.parent.is_dir()
    run.path.parent.rmdir()
    run.close()
    assert run.path.is_file()


def test_what_a_killed_run_was_writing_is_cleared_away(begin, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.npz.0123abcd.tmp").write_bytes(b"half")
    (tmp_path / "out" / "mine.tmp").write_bytes(b"not a checkpoint")
    begin()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.tmp"]


# --- what a checkpoint is compared with -------------------------------------------------------------------------------------


def test_other_settings_are_refused_and_the_message_says_which(begin):
    run = begin(width=3, lr=(1e-3, 1e-4))
    experiment()
    run.close()
    with pytest.raises(SystemExit) as end:
        begin("--resume", width=4, lr=(1e-3, 1e-4), depth=2)
    assert re.search(
        r"comes from a run with other settings: width 3 there, 4 here, depth not set there, 2 here$", end.value.code
    )
    with pytest.raises(SystemExit, match=r"other settings: seed 0 there, 1 here$"):
        begin("--resume", "--seed", "1", width=3, lr=(1e-3, 1e-4))
    with pytest.raises(SystemExit, match=r"other settings: quick False there, True here$"):
        begin("--resume", "--quick", width=3, lr=(1e-3, 1e-4))
    begin("--resume", width=3, lr=(1e-3, 1e-4))


def test_a_file_that_is_no_checkpoint_is_refused_on_one_line(tmp_path):
    for i, arrays in enumerate(
        [
            {},
            {"outline": np.array("{")},
            {"outline": np.array("[" * 100_000)},
            {"outline": np.array("{}")},
            {"outline": np.array('{"settings": {}, "entries": {"a": ["array", "missing"]}}')},
            {"outline": np.array('{"settings": {}, "entries": {"a": ["set", []]}}')},
            {"outline": np.array('{"settings": {}, "entries": {"a": ["dict", [[["dict", []], 1]]]}}')},
            {"outline": np.array('{"settings": {}, "entries": 3}')},
            {"outline": np.arange(3)},
        ]
    ):
        npz_files.write_npz(tmp_path / f"{i}.npz", arrays)
        with pytest.raises(SystemExit, match=rf"^--resume: .*{i}.npz is not a checkpoint of a demo: [^\n]+$"):
            read_checkpoint(tmp_path / f"{i}.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(SystemExit, match=r"^--resume: .*text.npz: does not end in minigan's checksum[^\n]+$"):
        read_checkpoint(tmp_path / "text.npz")
    with pytest.raises(SystemExit, match=r"^--resume: [^\n]+$"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"t": -1}, {"t": 1.0}, {"t": "1"}, {"t": None}, {"rows": "ab"}, {"rows": [[1, 2]]}, {"rows": [{"step": 1}, {"a": 1}]},
        {"rows": [{"step": 1, "a": float("nan")}]}, {"rows": [{"a": 1.0}]}, {"w": np.zeros(4)}, {"w": "abc"}, {"w": None},
        {"found": []}, {"listed": {}}, {"default generators": {}}, {"default generators": "no"}, {"rng": "{}"}, {"rng": 3},
        {"optimizer": {}}, {"optimizer": None},
    ],
    ids=str,
)  # fmt: skip
def test_fields_made_by_hand_that_do_not_fit_are_refused_on_one_line(begin, change):
    def play():
        w, rng, rows = Tensor(np.zeros(3), requires_grad=True), np.random.default_rng(0), Rows()
        optimizer = optim.Adam([w], 1e-3)
        for t in resumable(range(3), "a", w=w, rng=rng, rows=rows, optimizer=optimizer, found={}, listed=[]):
            rows.append({"step": t, "a": 1.0})

    run = begin()
    play()
    run.finished["a"] |= change
    run.close()
    begin("--resume")
    with pytest.raises(SystemExit, match=r"^--resume: .*checkpoint.npz does not fit this run: [^\n]+$"):
        play()


# --- nan -------------------------------------------------------------------------------------------------------------------


def test_a_nan_in_a_network_stops_the_run_and_is_not_saved(begin, clock):
    run = begin()
    G, D = generator(4), discriminator(4)
    game = GAN(G, D, data.noise(2), *adams(G, D, 1e-3, 1e-3))
    batches = RING.batches(8)

    def poison(game):
        if len(seen) == 20:
            game.D[0].weight.data[0] = np.nan
        seen.append(1)
        clock.time += 1

    seen = []
    with pytest.raises(SystemExit) as end:
        train(game, batches, 60, "a game", 1, poison, seen=seen)
    assert re.fullmatch(
        r"a game: after 3\d of 60 iterations, there is a nan or an infinity in D, G; saved: 9 of 60 "
        r"iterations; later progress is lost; with MINIGAN_DEBUG=1, it stops at the op that makes it; "
        r"to continue: MINIGAN_DEBUG=1 python -m demos some_demo .*--resume",
        end.value.code,
    )
    _, states = read_checkpoint(run.path)
    assert states["a game"]["t"] < 20


def test_a_nan_at_the_end_of_a_loop_stops_the_run_too(begin):
    begin()
    w = Tensor(np.zeros(2), requires_grad=True)
    loop = resumable(range(2), "steps", w=w)
    assert [next(loop), next(loop)] == [0, 1]
    w.data = w.data + np.inf
    with pytest.raises(SystemExit, match=r"^steps: after 2 of 2 iterations, there is a nan or an infinity in w; nothing was"):
        next(loop)


# --- the folder ------------------------------------------------------------------------------------------------------------


def in_the_folder(out, body):
    """Another program that starts a run in this folder, and then does something."""
    code = f"""
        import sys, time
        from demos.kit.runner import opening, options
        args = opening.start(options.common_options("a demo"), ["--out", {str(out)!r}], "some_demo")
        opening.open_checkpoint(args, {{}})
    """
    command = [sys.executable, "-c", textwrap.dedent(code) + body]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(results.fcntl is None, reason="Windows has no locks on folders")
def test_a_folder_has_one_run_at_a_time(tmp_path):
    out = tmp_path / "out"
    first = in_the_folder(out, "print('in', flush=True); time.sleep(60)")
    assert first.stdout.readline() == "in\n"
    second = in_the_folder(out, "")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert said == (
        f"python -m demos some_demo: --out {out}: another run is writing to it: wait for its end, or choose a different folder "
        "(--help lists the options)\n"
    )
    first.kill()  # which gives the folder back
    first.communicate()
    third = in_the_folder(out, "")
    assert third.communicate(timeout=60)[1] == ""
    assert third.returncode == 0


@pytest.mark.slow
def test_a_run_that_is_over_or_stopped_leaves_its_folder_to_others(begin, tmp_path):
    for leave in (lambda run: run.close(), lambda run: signal.raise_signal(signal.SIGTERM)):
        run = begin()
        with contextlib.suppress(SystemExit):
            leave(run)
        other = in_the_folder(tmp_path / "out", "")
        _, err = other.communicate(timeout=60)
        assert re.fullmatch(r"the results of an earlier run in \S+/out are now in \S+/earlier/\d\n", err)
        assert other.returncode == 0


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_first_step(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SystemExit) as end:
            opening.start(options.common_options("a demo"), ["--out", str(out)], "some_demo")
        assert end.value.code == 2
        assert re.fullmatch(rf"python -m demos some_demo: --out {re.escape(str(out))}: [^\n]+\n", capsys.readouterr().err)


def test_the_command_that_goes_on_has_the_same_options():
    argv = ["--steps", "9", "--resume", "old.npz", "--quick"]
    assert options.resume_command("python -m demos gan", argv) == "python -m demos gan --steps 9 --quick --resume"
    assert (
        options.resume_command("python -m demos gan", ["--resume=old.npz", "--out", "a b"])
        == "python -m demos gan --out 'a b' --resume"
    )
    assert options.resume_command("python -m demos gan", ["--resume", "--quick"]) == "python -m demos gan --quick --resume"
