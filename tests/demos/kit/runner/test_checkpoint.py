"""Checkpoints: loops and results that are saved, stopped by signals, and resumed bit for bit."""

import json
import re
import signal
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minigan as mg
from demos.kit import pictures
from demos.kit.loops import once, resumable
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.run import Rows
from demos.kit.runner import checkpoint, codec, opening, options
from demos.kit.runner.checkpoint import running
from demos.kit.runner.codec import read_checkpoint, state_of
from demos.kit.training import adams, train
from minigan import Tensor, data, optim
from minigan.backend import random_numbers
from minigan.data import npz_files
from minigan.games import GAN

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


def a_game():
    return GAN(G := generator(4), D := discriminator(4), data.noise(2), *adams(G, D, 1e-3, 1e-3))


def experiment(stop_at=None, by=signal.SIGINT, steps=8):
    """A loop that changes things of all kinds; a signal comes in the middle of an iteration. What was changed."""
    mg.seed(7)
    game, batches, rng = a_game(), RING.batches(16), np.random.default_rng(3)
    w, rows, found = Tensor(np.zeros(3), requires_grad=True), [], {"sum": 0.0, (1, "a"): np.zeros(2)}
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
    rows = [list(row) for row in rows]
    return [state_of(game), batches.state_dict(), w.data, rows, found, random_numbers.spawn().random()]


def bits(value):
    """The value with all its types, as text and bytes."""
    arrays = {}
    outline = json.dumps(codec.encoded(value, "", arrays))
    return outline, {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}


# --- loops and signals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", SIGNALS)
def test_a_loop_that_a_signal_stops_is_resumed_bit_for_bit(by, begin):
    whole = experiment()
    run = begin()
    said = r"^stopped after 4 of 8 iterations; to continue: python -m demos some_demo --out .* --resume$"
    with pytest.raises(SystemExit, match=said):
        experiment(stop_at=3, by=by)  # the iteration that it comes in is finished
    assert (running.checkpoint, run.lock) == (None, None)
    run = begin("--resume", str(run.path))
    assert bits(experiment()) == bits(whole)
    run.close()
    assert begin("--resume").command == run.command  # one --resume, without a path
    assert bits(experiment()) == bits(whole)  # a loop that is finished is not played again


def test_what_was_finished_is_kept_though_the_resumed_run_is_stopped_before_it_gets_there(begin):
    begin()
    first, second = experiment(), experiment(steps=3)
    for new in ("once more", "and again"):
        with pytest.raises(SystemExit, match=r"^stopped after \d finished parts?; to continue"):
            signal.raise_signal(signal.SIGINT)
        run = begin("--resume")
        assert {"an experiment", "an experiment (2)"} <= run.restored.keys()
        once(new, list)  # so that the file is written again
    assert bits(experiment()) == bits(first)
    assert bits(experiment(steps=3)) == bits(second)


@pytest.fixture
def seconds(monkeypatch):
    """What the monotonic clock shows, from 100 on."""
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    return now


def test_a_second_ctrl_c_stops_at_once_and_a_closing_terminals_burst_of_signals_is_one_wish(begin, seconds):
    for number in (signal.SIGTERM, signal.SIGINT):
        begin()
        next(loop := resumable(range(3), "long"))
        for burst in (*SIGNALS, *SIGNALS):
            signal.raise_signal(burst)
        seconds[0] += 2
        if number == signal.SIGINT:
            with pytest.raises(SystemExit, match=r"^stopped at once; nothing was saved; to start again"):
                signal.raise_signal(number)
        else:
            signal.raise_signal(number)
            with pytest.raises(SystemExit, match=r"^stopped after 1 of 3 iterations; to continue"):
                next(loop)
        signal.raise_signal(signal.SIGTERM)  # on the way out


def test_signals_mean_what_they_did_before_when_the_run_is_over_or_has_been_stopped_for_a_while(begin, seconds):
    before = [signal.getsignal(number) for number in SIGNALS]
    begin().close()
    assert [signal.getsignal(number) for number in SIGNALS] == before
    begin()
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    seconds[0] += 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


# --- results ------------------------------------------------------------------------------------------------------------


def test_what_is_finished_is_not_repeated_and_comes_back_as_it_was(begin):
    calls = []
    result = {"a": np.arange(3, dtype=np.float32), 3: (1, 2.5, None, "x"), "nan": float("nan"), "s": np.float64(2.0)}
    result |= {np.float64(0.1): 1, 1: np.zeros(2), "1": np.ones(3), "a/b": np.zeros(4), "b": {"c": np.ones(5)}}
    result |= {"x" * 300: np.zeros(6), "x" * 300 + "y": np.ones(7), "two\nlines": np.zeros(8)}  # no two collide

    def find():
        calls.append(1)
        return result

    run = begin()
    once("all", find)["a"][:] = 7  # what is kept does not change
    run.close()
    assert result["a"].tolist() == [0, 1, 2]
    begin("--resume")
    again = once("all", find)
    assert bits(again) == bits(result)
    np.testing.assert_equal(again, result)
    assert [type(value) for value in again.values()] == [type(value) for value in result.values()]
    again["a"][:] = 7
    assert running.checkpoint.finished["all"][0]["a"].tolist() == [0, 1, 2]
    assert len(calls) == 1
    once("all", find)  # a second result of the same name
    assert len(calls) == 2


@pytest.mark.parametrize("value", [{1, 2}, object(), np.ma.zeros(2), np.array(["a", None])], ids=lambda v: type(v).__name__)
def test_what_no_checkpoint_can_hold_is_refused_at_once(begin, value):
    begin()
    with pytest.raises(TypeError, match=r"/a/0 is a \w+, which a checkpoint cannot hold"):
        once("values", lambda: {"a": [value]})


def test_results_draw_from_generators_of_their_own(begin):
    def draw(seed):
        if seed is not None:
            mg.seed(seed)
        return random_numbers.generator().random(), random_numbers.spawn().random()

    def play():
        results = [once("unseeded", draw, None), once("seeded", draw, 5), once("unseeded", draw, None)]
        return [*results, random_numbers.spawn().random()]

    run = begin()
    found = play()
    run.close()
    assert found[0] != found[2]
    begin("--resume")
    assert random_numbers.generator().random() == np.random.default_rng(0).random()  # has not been disturbed
    begin("--resume")
    assert play() == found


def test_a_loop_within_a_result_is_resumed_and_forgotten_when_the_result_is_there(begin):
    def find(stop_at=None):
        return [experiment(stop_at)[3][-1][0], experiment(steps=2)[-1]]

    run = begin()
    whole = once("first", find)
    with pytest.raises(SystemExit, match=r"stopped after 6 of 8"):
        once("second", find, 5)
    run = begin("--resume")
    assert run.restored.keys() == {"first", "second/an experiment"}
    assert once("first", find) == whole == once("second", find)
    assert run.finished.keys() == {"first", "second"}
    for _ in resumable(range(3), "left early"):
        break
    outer = resumable(range(2), "outer")
    next(outer)
    with pytest.raises(RuntimeError, match="inner starts within the loop outer"):
        next(resumable(range(2), "inner"))


# --- when a checkpoint is written ---------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """The seconds that iterations and writing take; and when a checkpoint was written, in seconds from the start."""
    now = SimpleNamespace(time=100.0, writing=0.01, written=[], fails=False)
    write = codec.write_npz

    def slow(path, arrays):
        now.written.append(now.time - 100.0)
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


def test_the_first_checkpoint_comes_after_ten_seconds_and_the_next_after_thirty_or_a_hundred_times_the_writing(begin, clock):
    begin()
    play(clock, 100)
    assert clock.written == pytest.approx([9, 38, 67, 96], abs=0.1)  # one more second would be too late
    clock.writing = 2.0
    play(clock, 600)
    assert np.diff(clock.written)[-2:] == pytest.approx(200, abs=3)
    running.checkpoint.save()
    so_far = len(clock.written)
    running.checkpoint.save()  # what is on the disk is not written again
    assert len(clock.written) == so_far


@pytest.mark.parametrize(
    ("full", "left"),  # from which checkpoint on there is no room
    [
        (0, "nothing was saved; make room; to start again: {}"),
        (1, "saved: 9 of 50 iterations; later progress is lost; make room; to continue: {} --resume"),
        (9, "nothing is lost; make room; to continue: {} --resume"),
    ],
)
def test_on_a_full_disk_the_run_goes_on_and_says_what_is_left_and_the_command_that_makes_the_best_of_it(
    begin, clock, capsys, full, left
):
    run = begin()
    for _ in resumable(range(50), "a second each"):
        clock.time += 1
        clock.fails = len(clock.written) >= full
    run.save()
    said = "checkpoint.npz could not be written: [Errno 28] No space left on device\n"
    assert (said in capsys.readouterr().err) == (full < 9)
    with pytest.raises(SystemExit) as end, options.errors_in_one_line([]):
        raise OSError(28, "No space left on device")
    assert end.value.code == f"No space left on device; {left.format(f'python -m demos some_demo --out {run.path.parent}')}"
    clock.fails = False  # when there is room, it saves
    run.close()
    assert read_checkpoint(run.path)[1]["a second each"]["t"] == 50


# --- what does not fit --------------------------------------------------------------------------------------------------


def test_other_settings_are_refused_and_the_message_says_which(begin):
    settings = {"steps": 3, "lr": (1e-3, 1e-4)}
    run = begin(**settings)
    experiment()
    run.close()
    said = "steps 3 there, 4 here, game not set there, 2 here, seed 0 there, 1 here, quick False there, True here"
    with pytest.raises(SystemExit, match=r"comes from a run with other settings: ") as end:
        begin("--resume", "--seed", "1", "--quick", **settings | {"steps": 4, "game": 2})
    assert sorted(end.value.code.partition("settings: ")[2].split(", ")) == sorted(said.split(", "))
    begin("--resume", **settings)


OUTLINES = (
    "{", "[" * 100_000, "{}", '{"settings": {}, "entries": {"a": ["array", "missing"]}}', '{"settings": {}, "entries": 3}',
    '{"settings": {}, "entries": {"a": ["set", []]}}', '{"settings": {}, "entries": {"a": ["dict", [[["dict", []], 1]]]}}',
)  # fmt: skip


def test_a_damaged_file_is_refused_on_one_line_and_not_replaced(begin):
    run = begin()
    experiment()
    run.close()
    for damaged in (run.path.read_bytes()[:-1], *OUTLINES):
        if isinstance(damaged, str):
            npz_files.write_npz(run.path, {"outline": np.array(damaged)})
            damaged = run.path.read_bytes()
        run.path.write_bytes(damaged)
        with pytest.raises(SystemExit, match=r"^--resume: .*checkpoint.npz[^\n]+$"):
            begin("--resume")
        running.close()
        assert run.path.read_bytes() == damaged


@pytest.mark.parametrize(
    "change",
    [
        {"t": -1}, {"t": 1.0}, {"t": 5}, {"rows": "ab"}, {"rows": [{"step": 1}, {"a": 1}]}, {"rows": [{"a": 1.0}]},
        {"rows": [{"step": 1, "a": float("nan")}]}, {"w": np.zeros(4)}, {"w": None}, {"found": []}, {"listed": {}},
        {"default generators": {}}, {"rng": "{}"}, {"optimizer": {}}, {"other": 1},
    ],
    ids=str,
)  # fmt: skip
def test_fields_that_do_not_fit_are_refused_on_one_line(begin, change):
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


def test_a_nan_in_a_network_stops_the_run_and_is_not_saved(begin, clock):
    run, seen = begin(), []

    def poison(game):
        if len(seen) == 20:
            game.D[0].weight.data[0] = np.nan
        seen.append(1)
        clock.time += 1

    with pytest.raises(SystemExit) as end:
        train(a_game(), RING.batches(8), 60, "a game", 1, poison, seen=seen)
    assert re.fullmatch(
        r"a game: after 3\d of 60 iterations, there is a nan or an infinity in D, G; saved: 9 of 60 "
        r"iterations; later progress is lost; with MINIGAN_DEBUG=1, it stops at the op that makes it; "
        r"to continue: MINIGAN_DEBUG=1 python -m demos some_demo .*--resume",
        end.value.code,
    )
    assert read_checkpoint(run.path)[1]["a game"]["t"] < 20


def test_an_animation_is_written_to_its_end_before_a_signal_stops_the_run(begin, tmp_path):
    begin()
    drawn = []

    def draw(_):
        signal.raise_signal(signal.SIGTERM)
        drawn.append(1)

    with pytest.raises(SystemExit, match=r"^stopped after 0 finished parts"):
        pictures.animate(plt.figure(figsize=(1, 1)), draw, [{}], tmp_path / "animation.gif")
    assert len(drawn) > pictures.FRAMES_PER_SECOND
