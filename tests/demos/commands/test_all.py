"""`python -m demos all`, with small scripts in the demos' place."""

import json
import re
import sys
from pathlib import Path

import pytest

from demos import catalogue
from demos.__main__ import main
from demos.commands import all as command

ENDS = """
import json, sys
from pathlib import Path
print("drawing")
(Path(sys.argv[1]) / "saddle.png").write_bytes(Path(sys.argv[2]).read_bytes())
(Path(sys.argv[1]) / "summary.json").write_text(json.dumps({}))
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
PICTURE = str(catalogue.FOLDER / "results" / "saddle.png")
SUMMARY = {"holds": {"<i>": True}, "metrics": {"<i>": 1.5}, "expected": {"<i>": "at most 2"}, "seconds": 7.0}


@pytest.fixture
def scripts(monkeypatch):
    """Three demos: one whose bound holds, with a picture; one that fails; one whose bound does not hold."""
    code = {
        "saddle": ENDS.format({**SUMMARY, "found": "a `b` of <b>$x_1$", "pictures": {"saddle": 'what "was" found'}}, 0),
        "detach": FAILS,
        "wgan": ENDS.format({**SUMMARY, "holds": {"<i>": False}}, 1),
    }
    monkeypatch.setattr(catalogue, "names", lambda: list(code))
    monkeypatch.setattr(command, "command", lambda name, out, args: [sys.executable, "-c", code[name], str(out), PICTURE])
    monkeypatch.setattr(command, "recorded_seconds", lambda name: 0.0)
    return code


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_all_goes_on_when_one_fails_and_sums_up_what_held_in_lines_and_on_a_page(scripts, tmp_path, capfd, jobs):
    runs = tmp_path / "runs"
    (runs / "detach").mkdir(parents=True)
    (runs / "detach" / "summary.json").write_text(json.dumps(SUMMARY))  # of an earlier run
    with pytest.raises(SystemExit, match="2 of 3 demos failed: detach, wgan"):  # a message: the exit status is 1
        main(["all", "--out", str(runs), "--jobs", jobs, *["--quick"] * (jobs == "1")])
    assert (runs / "saddle" / "output.txt").read_text() == "drawing\n"
    assert re.match(r"(?s)before\n.*ValueError: a reason", (runs / "detach" / "output.txt").read_text())
    said, err = capfd.readouterr()
    assert re.search(r"^saddle +7  1 of 1 hold$", said, re.M)
    assert re.search(rf"^detach +-  failed: see {runs}/detach/output.txt$", said, re.M)
    assert re.search(r"^wgan +7  does not hold: <i>$", said, re.M)
    assert "drawing" not in said + err
    page = (runs / "index.html").read_text()
    assert page.index('<h3 id="saddle">') < page.index('<h3 id="detach">') < page.index('<h3 id="wgan">')
    assert "a <code>b</code> of &lt;b&gt;<i>x<sub>1</sub></i>" in page
    assert '<td>&lt;i&gt;</td><td>at most 2</td><td class="number">1.5</td>' in page
    assert 'alt="what &quot;was&quot; found" src="data:image/png;base64,' in page
    assert "did not finish" in page
    assert ("QUICK RUN" in page) == (jobs == "1")
    assert not re.search(r"https?:|<script|src=\"(?!data:)|@import|url\(", page)  # no network, no script


def test_all_moves_earlier_runs_and_their_page_aside_before_the_first_demo_begins(scripts, tmp_path, monkeypatch):
    scripts |= {"one": "", "two": ""}
    monkeypatch.chdir(tmp_path)
    for name in ("one/checkpoint.npz", "two/checkpoint.npz", "quick/one/checkpoint.npz", "index.html"):
        (tmp_path / "runs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / name).write_text(name)

    def begin(command, out):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "begin", begin)
    moved = {f"runs/{name}/earlier/1/checkpoint.npz" for name in ("one", "two")} | {"runs/earlier/1/index.html"}
    for options, after in ((["--quick"], set()), (["--resume"], set()), ([], moved), (["--resume"], moved)):
        with pytest.raises(SystemExit, match=r"^130$"):
            main(["all", *options])
        assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("earlier/*/*")} == after
    assert not Path("runs/quick/one/checkpoint.npz").exists()


def test_what_takes_longest_begins_first_timings_are_taken_alone_and_without_a_failure_all_ends_well(
    scripts, tmp_path, monkeypatch
):
    begun, processes, real = [], [], command.begin
    seconds = {"saddle": 1.0, "detach": 5.0, "wgan": 2.0, "speed": 9.0}
    scripts |= dict.fromkeys(seconds, "pass")

    def begin(command, out):
        begun.append((out.name, sum(process.poll() is None for process in processes)))
        processes.append(real(command, out))
        return processes[-1]

    monkeypatch.setattr(command, "begin", begin)
    monkeypatch.setattr(command, "recorded_seconds", seconds.get)
    main(["all", "--out", str(tmp_path), "--jobs", "4"])  # the exit status would be an exception
    assert [name for name, _ in begun] == ["detach", "wgan", "saddle", "speed"]
    assert begun[-1] == ("speed", 0)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ctrl_c_lets_the_running_demo_save_and_ends_with_one_line(scripts, tmp_path, capfd, name):
    scripts["detach"] = SAVES.replace("NAME", name)
    with pytest.raises(SystemExit, match=r"^130$"):
        main(["all", "--out", str(tmp_path / "runs"), "--jobs", "1"])
    assert (tmp_path / "runs" / "detach" / "output.txt").read_text() == "saved\n"
    assert not (tmp_path / "runs" / "wgan").exists()
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == f"stopped; to continue: python -m demos all --out {tmp_path / 'runs'} --jobs 1 --resume"
