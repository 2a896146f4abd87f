"""What all demos have in common: the files they leave, `--resume`, Ctrl-C, and their options."""

import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from demos.__main__ import main
from demos.kit import ring_and_grid
from demos.kit import run as kit
from demos.kit.runner import opening
from demos.kit.runner.checkpoint import running
from demos.kit.runner.codec import read_checkpoint
from demos.kit.runner.options import common_options
from demos.the_game import gan
from minigan import backend
from tests.demos.running import (
    DEMOS,
    FIGURES,
    OTHERS,
    PICTURES,
    POINTS,
    assert_moves,
    assert_same_end,
    assert_samples,
    assert_shows_something,
    column,
    history_of,
    numbers,
    refused,
    run,
    samples_of,
    summary_of,
)

every_demo = pytest.mark.parametrize("name", list(DEMOS))
GAMES = [
    *((name, ()) for name in DEMOS),
    ("gan", ("--data", "grid")),
    ("gan", ("--data", "glyphs")),
    ("wgan", ("--game", "wgan-gp", "--optimizer", "optimistic-adam")),
]
QUICK = ("--quick", "--steps")

# --- what a run leaves --------------------------------------------------------------------------------------------------


def test_a_quick_run_writes_its_files(done):
    assert {path.name for path in done.out.iterdir()} == PICTURES[done.name] | OTHERS


def test_a_quick_run_says_where_its_results_are_and_warns_of_nothing(done):
    assert f"Results are in {done.out}/" in done.said
    for name in PICTURES[done.name] | OTHERS:
        assert re.search(rf"\b{re.escape(name)}\b", done.said), f"{name} is not mentioned"
    assert "Warning" not in done.err
    assert "Traceback" not in done.err


def test_the_summary_has_settings_metrics_versions_and_seconds(done):
    summary = summary_of(done.out)
    keys = {"demo", "settings", "metrics", "expected", "holds", "pictures", "versions", "seconds", "cpu_seconds"}
    assert set(summary) == keys
    assert {f"{stem}.png" for stem in summary["pictures"]} == PICTURES[done.name]
    expected = {"seed": 0, "backend": backend.name(), "data": "ring" if done.name in POINTS else "glyphs"}
    assert expected.items() <= summary["settings"].items()
    assert {"minigan", "numpy", "python", "matplotlib"} <= set(summary["versions"])
    assert summary["seconds"] > 0


def test_all_figures_of_the_summary_are_finite_numbers_and_the_last_step_is_the_historys(done):
    metrics = summary_of(done.out)["metrics"]
    assert len(numbers(metrics)) > 10
    interval = {name for name in metrics if name.endswith((" low", " high"))}  # a single seed's is infinite: null
    assert {metrics.pop(name) for name in interval} <= {None}
    assert np.isfinite(np.array(numbers(metrics), float)).all()
    last = metrics["last_step"]
    assert last == pytest.approx({name: float(value) for name, value in history_of(done.out)[-1].items()})


def test_the_samples_figures_stand_beside_those_of_real_data(done):
    metrics = summary_of(done.out)["metrics"]
    real = metrics["perfect_sampler" if done.name in POINTS else "real_images"]
    assert set(real) - {"accuracy", "worst_class", "class_accuracy"} <= set(metrics["samples"])
    figure, least = ("high_quality", 0.98) if done.name in POINTS else ("confident", 0.4)
    assert least < real[figure] < 1
    assert 0 <= metrics["samples"][figure] <= 1


def test_the_history_has_one_row_of_finite_figures_for_each_moment(done):
    history = history_of(done.out)
    assert list(history[0]) == ["step", *FIGURES[done.name]]
    steps = [int(row["step"]) for row in history]
    total = summary_of(done.out)["settings"]["steps"]
    assert steps == sorted(set(steps))
    assert steps[-1] == total
    assert len(steps) >= min(total, 100)
    assert all(np.isfinite(float(value)) for row in history for value in row.values())
    shares = {"D_real", "D_fake", "D_accuracy", "k"} & set(history[0])
    assert all(0 <= float(row[name]) <= 1 for row in history for name in shares)


def test_the_samples_are_10000_points_or_5000_images(done):
    arrays = samples_of(done.out)
    assert set(arrays) == {"samples", "labels"} if done.name == "cgan" else {"samples"}
    assert_samples(arrays["samples"], images=done.name not in POINTS)


def test_the_points_are_in_the_datas_units(quick):
    for name in POINTS:
        samples = samples_of(quick(name).out)["samples"]
        assert 0.1 < samples.std() < 10
        assert np.abs(samples).max() < 100


def test_the_pictures_show_something(done):
    for name in PICTURES[done.name]:
        assert_shows_something(done.out / name)


def test_the_animation_moves(done):
    assert_moves(done.out / "animation.gif")


def test_the_checkpoint_holds_the_end_of_the_run(done):
    settings, states = read_checkpoint(done.out / "checkpoint.npz")
    assert settings == summary_of(done.out)["settings"] | {"quick": True, "demo": done.name}
    state = states["training"]
    assert set(state) == {"t", "default generators", "game", "batches", "decay", "history", "snapshots"}
    assert state["t"] == summary_of(done.out)["settings"]["steps"] == state["history"][-1]["step"]


# --- the same again, and on from where it stopped -----------------------------------------------------------------------


def test_the_seed_decides_the_samples(tmp_path, small):
    """That the same seed gives the same samples of every game is tested with resumed runs, below."""
    a, b = (run("gan", tmp_path / seed, *QUICK, "2", "--seed", seed) for seed in ("5", "6"))
    assert not np.array_equal(samples_of(a)["samples"], samples_of(b)["samples"])
    assert {"steps": 2, "seed": 6}.items() <= summary_of(b)["settings"].items()


@pytest.mark.parametrize(("name", "options"), GAMES, ids=lambda value: "".join(value))
def test_a_resumed_run_ends_like_one_without_a_break(name, options, tmp_path, small, monkeypatch):
    monkeypatch.setattr(kit, "QUICK_SNAPSHOTS", 1)  # a shorter run takes them more often, but for the first
    whole = run(name, tmp_path / "whole", *options, *QUICK, "8")
    parts = run(name, tmp_path / "parts", *options, *QUICK, "3")
    assert len(history_of(parts)) == 3
    run(name, parts, *options, *QUICK, "8", "--resume")
    assert_same_end(parts, whole)


@pytest.mark.parametrize("name", ["gan", pytest.param("cgan", marks=pytest.mark.slow)])  # what stops it is no game's own
def test_a_run_that_is_stopped_leaves_a_checkpoint_to_resume_from(name, tmp_path, small, monkeypatch):
    whole = run(name, tmp_path / "whole", *QUICK, "12")
    decay, played = kit.LinearDecay.step, []

    def interrupted(self):
        played.append(1)
        if len(played) == 7:
            signal.raise_signal(signal.SIGINT)  # in the middle of an iteration, which is finished all the same
        return decay(self)

    with monkeypatch.context() as m:
        m.setattr(kit.LinearDecay, "step", interrupted)
        with pytest.raises(
            SystemExit, match=rf"^stopped after 7 of 12 iterations; to continue: python -m demos {name} .*--resume$"
        ):
            run(name, tmp_path / "parts", *QUICK, "12")
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["checkpoint.npz"]
    parts = run(name, tmp_path / "parts", *QUICK, "12", "--resume")
    assert_same_end(parts, whole)


def test_a_finished_run_that_is_resumed_comes_to_the_same_end(tmp_path, small):
    out = run("gan", tmp_path / "out", *QUICK, "6")
    again = run("gan", tmp_path / "again", *QUICK, "6", "--resume", str(out / "checkpoint.npz"))
    assert_same_end(again, out)


def test_a_checkpoint_may_be_named(tmp_path, small):
    first = run("gan", tmp_path / "first", *QUICK, "10")
    second = run("gan", tmp_path / "second", *QUICK, "12", "--resume", str(first / "checkpoint.npz"))
    assert [row["step"] for row in history_of(second)] == [str(t) for t in range(1, 13)]


def test_a_checkpoint_of_an_older_version_is_resumed_to_the_same_end(tmp_path, no_pictures):
    """The file was written by the code of November 2026, as Ctrl-C stopped it after 4 of 20 iterations."""
    options = "--quick", "--steps", "20", "--set", "width=8", "--set", "batch=32"
    old = Path(__file__).parents[1] / "data" / "gan_stopped_after_4_of_20.npz"
    assert read_checkpoint(old)[1]["training"]["t"] == 4
    whole = run("gan", tmp_path / "whole", *options)
    resumed = run("gan", tmp_path / "resumed", *options, "--resume", str(old))
    for name in history_of(whole)[0]:
        np.testing.assert_allclose(column(resumed, name), column(whole, name), rtol=1e-4, err_msg=name)  # of another computer
    np.testing.assert_allclose(samples_of(resumed)["samples"], samples_of(whole)["samples"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("gan", ("--data", "grid")),
        ("wgan", ("--game", "wgan-gp")),
        ("wgan", ("--optimizer", "omd")),
        ("began", ("--gamma", "0.5")),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused_in_one_line(name, other, tmp_path, small):
    out = run(name, tmp_path / "out", *QUICK, "3")
    with pytest.raises(SystemExit, match=r"^--resume: .*checkpoint.npz comes from a run with other settings: [^\n]*$"):
        run(name, tmp_path / "other", *QUICK, "5", *other, "--resume", str(out / "checkpoint.npz"))


def test_a_longer_run_is_not_resumed_on_the_schedule_of_a_shorter_one(tmp_path, small, monkeypatch):
    monkeypatch.setitem(gan.QUICK, "ring", 5)
    run("gan", tmp_path, *QUICK, "8")
    with pytest.raises(SystemExit, match=r"comes from a run with other settings: steps 8 there, 5 here$"):
        run("gan", tmp_path, "--quick", "--resume")


# --- what goes wrong ----------------------------------------------------------------------------------------------------


def test_a_nan_among_the_data_stops_the_run_within_a_row_of_its_history(tmp_path, small, monkeypatch):
    def load(name, load=ring_and_grid.load):
        x, *rest = load(name)
        x[::50] = np.nan
        return x, *rest

    monkeypatch.setattr(ring_and_grid, "load", load)
    with pytest.raises(SystemExit) as end:
        run("gan", tmp_path, *QUICK, "900")
    assert re.fullmatch(
        r"training: after \d+ of 900 iterations, there is a nan or an infinity in loss_D, .*D, G; [^\n]*MINIGAN_DEBUG=1[^\n]*",
        end.value.code,
    )
    assert not (tmp_path / "summary.json").exists()


# --- options ------------------------------------------------------------------------------------------------------------


def test_resuming_without_a_checkpoint_starts_anew_and_says_so(tmp_path, small, capsys):
    run("gan", tmp_path / "new", *QUICK, "3", "--resume")
    assert re.search(
        r"^--resume: there is no checkpoint .*checkpoint.npz yet: this run starts from the beginning$",
        capsys.readouterr().err,
        re.M,
    )
    assert_same_end(tmp_path / "new", run("gan", tmp_path / "plain", *QUICK, "3"))


def test_a_checkpoint_that_is_named_but_not_there_is_refused(tmp_path, capsys):
    message = refused("gan", capsys, "--out", str(tmp_path / "new"), "--resume", str(tmp_path / "there.npz"))
    assert re.search(r"--resume: there is no checkpoint .*there.npz ", message)
    assert not (tmp_path / "new").exists()


@every_demo
def test_a_missing_cupy_ends_the_demo_with_the_remedy(name, tmp_path, capsys, monkeypatch):
    before = backend.name()
    monkeypatch.setitem(sys.modules, "cupy", None)
    message = refused(name, capsys, "--out", str(tmp_path / "new"), "--backend", "cupy")
    assert "pip install 'minigan[cuda12]'" in message
    assert backend.name() == before


@every_demo
@pytest.mark.parametrize(
    "options", ["--steps 0", "--steps -3", "--steps 1.5", f"--steps {10**30}", "--seed -1", "--data cifar", "--backend torch"]
)
def test_wrong_options_are_refused(name, options, capsys):
    assert options.split()[0] in refused(name, capsys, *options.split())


@pytest.mark.parametrize(
    ("name", "options", "data"),
    [
        ("gan", "", "ring, the default"),
        ("gan", "--data glyphs", "glyphs"),
        ("dcgan", "--quick", "glyphs, the default with --quick"),
        ("cgan", "--quick --data glyphs", "glyphs"),
        ("began", "--data glyphs --resume", "glyphs"),
    ],
)
def test_a_folder_of_data_that_would_not_be_read_is_refused(name, options, data, tmp_path, capsys):
    out = tmp_path / "out"
    message = refused(name, capsys, *options.split(), "--data-dir", str(tmp_path), "--out", str(out))
    said = f"--data-dir: only --data mnist is read from a folder; here --data is {data} (--help lists the options)"
    assert message == f"python -m demos {name}: {said}\n"
    assert not out.exists()


@every_demo
def test_help_explains_the_options_and_begins_with_what_the_demo_shows(name, capsys):
    with pytest.raises(SystemExit) as end:
        DEMOS[name].main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert DEMOS[name].__doc__.splitlines()[0] in text
    for option in ("--steps", "--seed", "--backend", "--out", "--quick", "--resume", "--data"):
        assert re.search(rf"^  {option} .*", text, re.MULTILINE)


def test_the_list_of_demos_has_every_one_with_what_it_shows(capsys):
    main()
    lines = capsys.readouterr().out
    for name, module in DEMOS.items():
        assert re.search(rf"^  {name} +{re.escape(module.__doc__.splitlines()[0])}$", lines, re.MULTILINE)
    assert "kit" not in lines


@every_demo
def test_a_mistake_is_one_line_that_begins_with_the_command(name, capsys):
    message = refused(name, capsys, "--steps", "0")
    assert message.startswith(f"python -m demos {name}: argument --steps: 0 is not a whole number from 1 on")
    assert message.count("\n") == 1


def test_a_resumed_run_is_not_recorded_for_its_seconds_are_not_all(tmp_path, capsys):
    options = common_options("some run")
    opening.start(options, ["--out", str(tmp_path)], "gan")
    running.close()
    (tmp_path / "checkpoint.npz").touch()
    assert not opening.start(options, ["--out", str(tmp_path), "--record", "--resume"], "gan").record
    assert "--record: ignored with --resume" in capsys.readouterr().err
    running.close()
    assert opening.start(options, ["--out", str(tmp_path), "--record"], "gan").record
    running.close()
