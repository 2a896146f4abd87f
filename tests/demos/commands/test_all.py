"""`python -m demos all`, with small scripts in the demos' place."""

import json
import os
import re
import sys
from argparse import Namespace
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from demos import catalogue
from demos.__main__ import main
from demos.commands import all as command
from demos.kit.runner import results
from tests.demos.running import ROOT

ENDS = """
import json, sys
from pathlib import Path
print("drawing")
out = Path(sys.argv[1])
(out / "saddle.png").write_bytes(Path(sys.argv[2]).read_bytes())
(out / "summary.json").write_text(json.dumps({}))
sys.exit({})
"""
FAILS = "print('before', flush=True); raise ValueError('a reason')"
SAVES = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
try:
    os.kill(os.getppid(), signal.NAME)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("saved")
"""


SUMMARY = {"holds": {"a": True}, "metrics": {"a": 1.5}, "expected": {"a": "at most 2"}, "seconds": 7.0}


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Three demos: one whose bound holds, with a picture; one that fails; one whose bound does not hold."""
    picture = tmp_path / "picture.png"
    figure = plt.figure(figsize=(1, 1))
    figure.savefig(picture)
    plt.close(figure)
    code = {
        "saddle": ENDS.format({**SUMMARY, "found": "a `b` of $x_1$", "pictures": {"saddle": "what was found"}}, 0),
        "detach": FAILS,
        "wgan": ENDS.format({**SUMMARY, "holds": {"a": False, "b": True}}, 1),
    }

    def command_line(name, out, args):
        return [sys.executable, "-c", code[name], str(out), str(picture)]

    monkeypatch.setattr(catalogue, "names", lambda: list(code))
    monkeypatch.setattr(command, "command", command_line)
    monkeypatch.setattr(command, "recorded_seconds", lambda name: 0.0)
    return code


def test_a_picture_that_does_not_fit_on_the_disk_is_one_line(monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plt.Figure, "savefig", full)
    command = rf"python -m demos detach --quick --out {re.escape(str(tmp_path))} --resume"
    said = rf"^No space left on device; nothing is lost; make room; to continue: {command}$"
    with pytest.raises(SystemExit, match=said):
        main(["detach", "--quick", "--out", str(tmp_path)])


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_all_goes_on_when_one_fails_and_sums_up_what_held(scripts, tmp_path, capfd, monkeypatch, jobs):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    runs = tmp_path / "runs"
    (runs / "detach").mkdir(parents=True)
    (runs / "detach" / "summary.json").write_text(json.dumps(SUMMARY))  # of an earlier run
    with pytest.raises(SystemExit, match="2 of 3 demos failed: detach, wgan") as end:
        main(["all", "--out", str(runs), "--jobs", jobs])
    assert end.value.code not in (None, 0)  # a message: the exit status is 1
    assert (runs / "saddle" / "output.txt").read_text() == "drawing\n"
    failure = (runs / "detach" / "output.txt").read_text()
    assert failure.startswith("before\n")
    assert "ValueError: a reason" in failure
    said, err = capfd.readouterr()
    assert re.search(r"^saddle +7  1 of 1 hold$", said, re.M)
    assert re.search(rf"^detach +-  failed: see {runs}/detach/output.txt$", said, re.M)
    assert re.search(r"^wgan +7  does not hold: a$", said, re.M)
    assert "drawing" not in said + err
    assert "3/3" in err  # the progress bar


def test_the_page_has_each_demo_with_its_slide_its_figures_and_its_picture_and_needs_nothing_else(scripts, tmp_path):
    with pytest.raises(SystemExit):
        main(["all", "--out", str(tmp_path), "--quick"])
    page = (tmp_path / "index.html").read_text()
    assert page.index('<h3 id="saddle">') < page.index('<h3 id="detach">') < page.index('<h3 id="wgan">')
    assert "Does the loss have a saddle point? Where?" in page
    assert "a <code>b</code> of <i>x<sub>1</sub></i>" in page
    assert '<td>a</td><td>at most 2</td><td class="number">1.5</td><td>✓ holds</td>' in page
    assert "✗ does not hold" in page
    assert "did not finish" in page
    assert 'alt="what was found" src="data:image/png;base64,' in page
    assert "<code>python -m demos saddle --quick</code>: 7 seconds" in page
    assert not re.search(r"https?:|<script|src=\"(?!data:)|@import|url\(", page)  # no network, no script


def test_all_goes_on_with_its_list_though_files_come_and_go(tree, tmp_path, monkeypatch, capsys):
    changes = f"from pathlib import Path; p = Path({str(tree)!r}); (p / 'a/gan.py').rename(p / 'a/new.py')"
    code = {"first": changes, "gan": "raise SystemExit('there is no demo gan')"}
    monkeypatch.setattr(command, "command", lambda name, *rest: [sys.executable, "-c", code.get(name, "")])
    with pytest.raises(SystemExit, match=r"^1 of 4 demos failed: gan$"):
        main(["all", "--out", str(tmp_path / "out"), "--jobs", "1"])
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+) +- +(failed|nothing)", said, re.M) == [
        *(("first", "nothing"), ("gan", "failed"), ("wgan", "nothing"), ("zebra", "nothing"))
    ]
    page = (tmp_path / "out" / "index.html").read_text()
    assert re.findall(r'<h3 id="(\w+)">', page) == ["first", "gan", "wgan", "zebra"]
    assert "The gan." in page


def test_a_demo_that_cannot_begin_has_failed_and_the_others_run(scripts, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "saddle").write_text("in the way")
    with pytest.raises(SystemExit, match=r"^3 of 3 demos failed: saddle, detach, wgan$"):
        main(["all", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert re.search(r"^saddle +-  failed: .*File exists.*/out/saddle'$", said, re.M)
    assert re.search(r"^wgan +7  does not hold: a$", said, re.M)


def earlier(tmp_path):
    """All files of earlier runs, and of which demo they are."""
    return {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("earlier/*/*")}


def test_all_moves_earlier_runs_and_their_page_aside_before_the_first_demo_begins(scripts, tmp_path, monkeypatch, capsys):
    del scripts["saddle"], scripts["wgan"]
    scripts |= {"one": "import time; time.sleep(60)", "two": ""}
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/one", "runs/two", "runs/quick/one"):
        Path(folder).mkdir(parents=True)
        for name in ("checkpoint.npz", "output.txt", "summary.json"):
            (Path(folder) / name).write_text('{"pictures": {}}')
    Path("runs/index.html").write_text("the page")
    before = {f"runs/{name}/earlier/1/{file}" for name in ("one", "two") for file in os.listdir("runs/one")}

    def begin(command, out):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "begin", begin)
    for options, moved in ((["--quick"], set()), (["--resume"], set()), ([], before | {"runs/earlier/1/index.html"})):
        with pytest.raises(SystemExit) as end:
            main(["all", *options])
        assert end.value.code == 130
        assert set(earlier(tmp_path)) == moved
        said = capsys.readouterr().err
        assert ("earlier results of 2 demos are now in runs/NAME/earlier\n" in said) == bool(moved)
    assert not Path("runs/quick/one/checkpoint.npz").exists()
    with pytest.raises(SystemExit):
        main(["all", "--resume"])
    assert set(earlier(tmp_path)) == moved


@pytest.mark.skipif(results.fcntl is None, reason="Windows has no locks on folders")
def test_all_leaves_a_folder_alone_in_which_a_run_is_under_way_and_its_own_is_one_alls_at_a_time(scripts, tmp_path, capsys):
    (tmp_path / "saddle").mkdir()
    (tmp_path / "saddle" / "checkpoint.npz").write_text("of a run that is under way")
    for folder in (tmp_path / "saddle", tmp_path):
        lock = results.open_folder(folder)
        with pytest.raises(SystemExit) as end:
            main(["all", "--out", str(tmp_path)])
        os.close(lock)
    assert not earlier(tmp_path)
    assert end.value.code == 2
    assert "another run is writing to it" in capsys.readouterr().err


def test_all_ends_well_when_no_demo_fails(scripts, tmp_path):
    del scripts["detach"], scripts["wgan"]
    main(["all", "--out", str(tmp_path)])  # the exit status would be an exception
    assert (tmp_path / "index.html").is_file()


def test_what_takes_longest_begins_first_and_timings_are_taken_alone(scripts, tmp_path, monkeypatch):
    begun, seconds = [], {"saddle": 1.0, "detach": 5.0, "wgan": 2.0, "speed": 9.0}
    scripts |= dict.fromkeys(seconds, "pass")
    real = command.begin

    def begin(command, out):
        begun.append((out.name, sum(process.poll() is None for process in begin.processes)))
        begin.processes.append(real(command, out))
        return begin.processes[-1]

    begin.processes = []
    monkeypatch.setattr(command, "begin", begin)
    monkeypatch.setattr(command, "recorded_seconds", seconds.get)
    main(["all", "--out", str(tmp_path), "--jobs", "4"])
    assert [name for name, _ in begun] == ["detach", "wgan", "saddle", "speed"]
    assert begun[-1] == ("speed", 0)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_lets_the_running_demo_save_and_ends_with_one_line(scripts, tmp_path, capfd, name):
    scripts["detach"] = SAVES.replace("NAME", name)
    with pytest.raises(SystemExit) as end:
        main(["all", "--out", str(tmp_path / "runs"), "--jobs", "1"])
    assert end.value.code == 130
    assert (tmp_path / "runs" / "detach" / "output.txt").read_text() == "saved\n"
    assert not (tmp_path / "runs" / "wgan").exists()
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == f"stopped; to continue: python -m demos all --out {tmp_path / 'runs'} --jobs 1 --resume"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "-1"], "argument --seed: "),
        (["--seed", "x"], "argument --seed: "),
        (["--out", __file__], "File exists"),
        (["--jobs", "0"], "argument --jobs: "),
        (["--record", "--quick"], "--record: only for full runs with the default options, without --quick, --seed"),
        (["--record", "--seed", "1"], "--record: only for full runs with the default options, without --quick, --seed"),
        (["--steps", "3"], "unrecognized arguments: --steps"),
    ],
)
def test_all_refuses_wrong_options_at_once(options, said, scripts, capsys):
    with pytest.raises(SystemExit) as end:
        main(["all", *options])
    assert end.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_demo_gets_its_own_folder_one_core_the_seed_and_the_flags():
    module = [sys.executable, "-m", "demos", "saddle", "--out", "runs/saddle", "--jobs", "1", "--format", "svg"]
    for flags in ([], ["--quick"], ["--resume"], ["--quick", "--resume"], ["--record"]):
        for seed, given in ((0, []), (3, ["--seed", "3"])):
            args = Namespace(seed=seed, format="svg", **{flag: f"--{flag}" in flags for flag in ("quick", "resume", "record")})
            assert command.command("saddle", Path("runs/saddle"), args) == [*module, *given, *flags]


@pytest.mark.slow
def test_a_real_demo_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(catalogue, "names", lambda: ["detach"])
    main(["all", "--quick", "--out", str(tmp_path)])
    assert "chain: numbers in c that differ" in (tmp_path / "detach" / "output.txt").read_text()
    for name in ("index.html", "detach/detach.png", "detach/summary.json"):
        assert (tmp_path / name).is_file()
