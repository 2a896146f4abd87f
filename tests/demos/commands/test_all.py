"""`python -m demos`: the list, in the lectures' order; one demo by its name; `all`, with small scripts in the demos' place."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import demos
import demos.__main__ as everything
from demos.kit import folders
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
NO_LECTURE = {"ladder", "speed", "engines"}  # demos that are about no slide
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
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


CHAPTERS = {file.parent for file in everything.FOLDER.glob("*/__init__.py") if file.parent.name not in ("kit", "lab")}
FILES = {path.stem: path for chapter in CHAPTERS for path in chapter.glob("*.py") if "def main(argv" in path.read_text("utf-8")}
every_demo = pytest.mark.parametrize("name", sorted(FILES))


# --- the list -----------------------------------------------------------------------------------------------------------


def test_every_chapter_and_every_demo_has_its_place_in_the_order():
    assert {chapter.name for chapter in CHAPTERS} == set(everything.CHAPTERS)
    for name, path in FILES.items():
        assert name in everything.CHAPTERS[path.parent.name], "a demo that python -m demos lists last: add it to CHAPTERS"
    assert sorted(everything.names()) == sorted(FILES)


def test_the_list_has_every_chapter_and_demo_in_order_with_its_first_line_and_its_slide(capsys):
    everything.main([])
    said = capsys.readouterr().out
    places = [said.index(f"\n  {name} ") for name in everything.names()]
    assert places == sorted(places)
    chapters = [
        ast.get_docstring(ast.parse((everything.FOLDER / name / "__init__.py").read_text())) for name in everything.CHAPTERS
    ]
    headings = [said.index(f"\n{sentence}") for sentence in chapters]
    assert headings == sorted(headings)
    assert headings[0] < places[0]
    assert re.search(
        r'^  saddle +The loss of .*\n +"Does the loss have a saddle point\? Where\?" \(CS/DS 541, class 19\)$', said, re.M
    )


@pytest.mark.parametrize("name", sorted(set(FILES) - NO_LECTURE))
def test_a_demo_of_the_lectures_quotes_its_slide(name):
    first, slide = everything.described(FILES[name])
    assert first.endswith(".")
    assert re.fullmatch(r'".+".* \(.+\)\.?', slide)  # with the lecture's name at the end


MAIN = "def main(argv=None):\n    print('runs')\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder of demos in two chapters; in b, first_pictures is none."""
    for chapter, name in (("a", "zebra"), ("a", "wgan"), ("a", "gan"), ("b", "first")):
        (tmp_path / chapter).mkdir(exist_ok=True)
        (tmp_path / chapter / "__init__.py").write_text(f'"""Chapter {chapter}"""')
        (tmp_path / chapter / f"{name}.py").write_text(f'"""The {name}.\n\nSlide: "a\n  b" (L)\n"""\n\n{MAIN}')
    (tmp_path / "b" / "first_pictures.py").write_text("def main():\n    pass\n")
    for name in ("tour", "laboratory", "sweep", "ranks"):
        (tmp_path / f"{name}.py").write_text(f'"""The {name}."""')
    monkeypatch.setattr(everything, "FOLDER", tmp_path)
    monkeypatch.setattr(everything, "CHAPTERS", {"b": ("to_come", "first"), "a": ("gan", "wgan")})
    monkeypatch.setattr("demos.__path__", [*demos.__path__, str(tmp_path)])
    yield tmp_path
    for name in [name for name in sys.modules if re.match(r"demos\.[ab]\b", name)]:
        del sys.modules[name]


def test_a_demo_without_a_place_is_listed_last_in_its_chapter_and_a_part_of_a_demo_is_none(tree):
    assert everything.names() == ["first", "gan", "wgan", "zebra"]
    assert everything.chapter_of("zebra") == "a"
    assert everything.described(tree / "a" / "zebra.py") == ("The zebra.", '"a b" (L)')


def left_by_an_editor(folder):
    """What is no demo, though its name ends in .py."""
    (folder / ".#gan.py").symlink_to("user@host.1234:5678")  # Emacs's lock
    (folder / "nowhere.py").symlink_to("nothing")
    (folder / "._gan.py").write_bytes(b"\x00\x05\x16\x07" + MAIN.encode())  # macOS's
    (folder / "gan copy.py").write_text(MAIN)
    (folder / "folder.py").mkdir()


BROKEN = {  # what is in a demo's file -> why Python cannot read it
    "latin": (f'"""Fr\xe9chet."""\n{MAIN}'.encode("latin-1"), r"line 1: \(unicode error\) 'utf-8' codec can't decode .*"),
    "wrong": (f'"""Wrong."""\n{MAIN}x = (\n'.encode(), r"line 4: '\(' was never closed"),
    "null": (f'"""Null."""\n{MAIN}\0'.encode(), ".*null bytes"),
}


def test_what_editors_leave_in_a_chapter_is_passed_over(tree, capsys):
    left_by_an_editor(tree / "a")
    assert everything.names() == ["first", "gan", "wgan", "zebra"]
    everything.main([])
    assert re.findall(r"^  (\S+) +The", capsys.readouterr().out, re.M) == everything.names()


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_demo_that_python_cannot_read_is_named_on_one_line_and_the_others_work(name, tree, capsys):
    content, why = BROKEN[name]
    (tree / "a" / f"{name}.py").write_bytes(content)
    everything.main([])
    said = capsys.readouterr().out
    assert re.search(rf"^  {name} +cannot be read: {why}$", said, re.M)
    assert re.findall(r"^  (\S+) +The", said, re.M) == ["first", "gan", "wgan", "zebra"]
    with pytest.raises(SystemExit) as end:
        everything.main([name])
    assert end.value.code == 2
    assert re.fullmatch(rf"{tree}/a/{name}.py cannot be read: {why}\n", capsys.readouterr().err)
    everything.main(["gan"])
    assert capsys.readouterr().out == "runs\n"


def test_a_file_that_may_not_be_opened_is_named_too_and_one_in_another_encoding_that_says_so_is_read(tree, capsys, monkeypatch):
    (tree / "a" / "coded.py").write_bytes(
        f'# -*- coding: latin-1 -*-\n"""The Fr\xe9chet distance."""\n{MAIN}'.encode("latin-1")
    )
    (tree / "a" / "bare.py").write_text(f"\n{MAIN}")
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == "zebra.py":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    everything.main([])
    said = capsys.readouterr().out
    assert re.search(r"^  zebra +cannot be read: Permission denied$", said, re.M)
    assert re.search(r"^  coded +The Fr\xe9chet distance\.$", said, re.M)
    assert re.search(r"^  bare +\(without a description\)$", said, re.M)


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("b/gan.py", "demos/b/gan.py and demos/a/gan.py have the same name: rename one"),
        ("b/tour.py", "the command tour and demos/b/tour.py have the same name: rename one"),
        ("a/all.py", "the command all and demos/a/all.py have the same name: rename one"),
    ],
)
def test_of_two_with_one_name_none_is_chosen_and_one_line_names_both(where, line, tree, capsys):
    (tree / where).write_text(f'"""The other one."""\n{MAIN}')
    name = Path(where).stem
    everything.main([])
    assert capsys.readouterr().err == f"{line}\n"
    everything.main(["names"])
    assert capsys.readouterr().out.split().count(name) == 1
    for command in (["gan"], ["sweep", "gan", "--set", "lr=1"], ["all"]) if name == "gan" else (["all"],):
        with pytest.raises(SystemExit) as end:
            everything.main(command)
        assert end.value.code == 2
        assert line in capsys.readouterr().err
    everything.main(["zebra"])
    assert capsys.readouterr().out == "runs\n"


def test_listing_needs_no_packages():
    """-S: without site-packages. PYTHONPATH, where they may stand as well, is not read."""
    done = subprocess.run([sys.executable, "-E", "-S", "-m", "demos"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "limit_cycles" in done.stdout


def test_the_names_alone_are_for_the_tab_key(capsys):
    everything.main(["names"])
    assert capsys.readouterr().out.split() == everything.names()


# --- one of them --------------------------------------------------------------------------------------------------------


def test_a_demo_runs_by_its_name_and_gets_the_options(monkeypatch):
    calls = []
    monkeypatch.setattr("demos.the_game.gan.main", calls.append)
    everything.main(["gan", "--quick", "--seed", "3"])
    assert calls == [["--quick", "--seed", "3"]]


@every_demo
def test_python_finds_a_demo_by_its_short_name(name):
    assert Path(importlib.util.find_spec(f"demos.{name}").origin) == FILES[name]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("gann", "there is no demo 'gann'; did you mean gan, wgan or cgan?"),
        ("boltzman", "there is no demo 'boltzman'; did you mean boltzmann?"),
        ("xyz", "there is no demo 'xyz'; python -m demos lists them"),
        ("--quick", "there is no demo '--quick'; python -m demos lists them"),
    ],
)
def test_a_wrong_name_is_answered_with_the_closest_ones(wrong, said, capsys):
    with pytest.raises(SystemExit) as end:
        everything.main([wrong, "--quick"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("command", ["names", "readme", "-h", "--help"])
def test_a_command_without_options_says_that_it_takes_none(command, capsys):
    with pytest.raises(SystemExit) as end:
        everything.main([command, "gan", "--quick"])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"python -m demos {command} takes nothing more; gan --quick is too much\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_explains_the_commands(option, capsys):
    everything.main([option])
    said = capsys.readouterr().out
    for words in ("python -m demos NAME [options]", "python -m demos all [options]", "python -m demos names", "complete -W"):
        assert words in said


# --- where the terminal knows ASCII alone, or Python has been told to keep no docstrings ---------------------------------


def python(*arguments, **environment):
    """What a Python says in the demos' folder; its exit status is 0, or the test fails."""
    command, environment = [sys.executable, *arguments], {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr
    return done.stdout


ALL_HELP = """
from contextlib import suppress
from demos.__main__ import main, names
for name in names():
    with suppress(SystemExit):
        main([name, "--help"])
"""


@pytest.mark.slow
def test_every_help_shows_in_ascii_with_question_marks_for_other_letters():
    said = python("-c", ALL_HELP, **ASCII)
    assert said.count("usage: python -m demos ") == len(FILES)
    assert 'Slide: "Mode collapse ? G generates realistic data' in said


@pytest.mark.parametrize("options", [(), ("--help",), ("names",)])
def test_the_list_shows_in_ascii(options):
    said = python("-S", "-m", "demos", *options, PYTHONIOENCODING="utf-8")
    assert python("-S", "-m", "demos", *options, **ASCII) == re.sub(r"[^\x00-\x7f]", "?", said)


@pytest.mark.slow
def test_a_run_ends_well_in_ascii_in_a_folder_whose_name_is_no_text(tmp_path):
    out = os.fsencode(tmp_path) + b"/r\xe9sultats \xc3\xa9"
    said = python("-m", "demos.detach", "--quick", "--out", out, **ASCII)
    assert "Results are in" in said
    assert os.path.isfile(out + b"/summary.json")


def test_help_needs_no_docstrings():
    said = python("-S", "-OO", "-m", "demos", "--help")
    assert said == python("-S", "-m", "demos", "--help")


@pytest.mark.slow
def test_demos_run_without_docstrings(tmp_path):
    said = python("-OO", "-c", ALL_HELP)
    assert said.count("usage: python -m demos ") == len(FILES)
    assert "None" not in said.replace("=None", "")  # a setting's value may be
    for name in ("detach", "gan"):
        assert "Results are in" in python("-OO", "-m", "demos", name, "--quick", "--out", tmp_path / name)
    assert python("-OO", "-c", "from minigan import nn; print(nn.BatchNorm1d.__doc__)") == "None\n"


# --- all of them --------------------------------------------------------------------------------------------------------


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

    def command(name, out, args):
        return [sys.executable, "-c", code[name], str(out), str(picture)]

    monkeypatch.setattr(everything, "names", lambda: list(code))
    monkeypatch.setattr(everything, "command", command)
    monkeypatch.setattr(everything, "recorded_seconds", lambda name: 0.0)
    return code


def test_a_picture_that_does_not_fit_on_the_disk_is_one_line(monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plt.Figure, "savefig", full)
    command = rf"python -m demos detach --quick --out {re.escape(str(tmp_path))} --resume"
    said = rf"^No space left on device; nothing is lost; with more room, this goes on: {command}$"
    with pytest.raises(SystemExit, match=said):
        everything.main(["detach", "--quick", "--out", str(tmp_path)])


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_all_goes_on_when_one_fails_and_sums_up_what_held(scripts, tmp_path, capfd, monkeypatch, jobs):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    runs = tmp_path / "runs"
    (runs / "detach").mkdir(parents=True)
    (runs / "detach" / "summary.json").write_text(json.dumps(SUMMARY))  # of an earlier run
    with pytest.raises(SystemExit, match="2 of 3 demos failed: detach, wgan") as end:
        everything.main(["all", "--out", str(runs), "--jobs", jobs])
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
        everything.main(["all", "--out", str(tmp_path), "--quick"])
    page = (tmp_path / "index.html").read_text()
    assert page.index('<h3 id="saddle">') < page.index('<h3 id="detach">') < page.index('<h3 id="wgan">')
    assert "Does the loss have a saddle point? Where?" in page
    assert "a <code>b</code> of <i>x<sub>1</sub></i>" in page
    assert '<td>a</td><td>at most 2</td><td class="number">1.5</td><td>✓ holds</td>' in page
    assert "✗ does not hold" in page
    assert "did not come to its end" in page
    assert 'alt="what was found" src="data:image/png;base64,' in page
    assert "<code>python -m demos saddle --quick</code>: 7 seconds" in page
    assert not re.search(r"https?:|<script|src=\"(?!data:)|@import|url\(", page)  # no network, no script


def test_all_goes_on_with_its_list_though_files_come_and_go(tree, tmp_path, monkeypatch, capsys):
    changes = f"from pathlib import Path; p = Path({str(tree)!r}); (p / 'a/gan.py').rename(p / 'a/new.py')"
    code = {"first": changes, "gan": "raise SystemExit('there is no demo gan')"}
    monkeypatch.setattr(everything, "command", lambda name, *rest: [sys.executable, "-c", code.get(name, "")])
    with pytest.raises(SystemExit, match=r"^1 of 4 demos failed: gan$"):
        everything.main(["all", "--out", str(tmp_path / "out"), "--jobs", "1"])
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
        everything.main(["all", "--out", str(tmp_path / "out")])
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

    monkeypatch.setattr(everything, "begin", begin)
    for options, moved in ((["--quick"], set()), (["--resume"], set()), ([], before | {"runs/earlier/1/index.html"})):
        with pytest.raises(SystemExit) as end:
            everything.main(["all", *options])
        assert end.value.code == 130
        assert set(earlier(tmp_path)) == moved
        said = capsys.readouterr().err
        assert ("earlier runs of 2 demos are now in runs/NAME/earlier\n" in said) == bool(moved)
    assert not Path("runs/quick/one/checkpoint.npz").exists()
    with pytest.raises(SystemExit):
        everything.main(["all", "--resume"])
    assert set(earlier(tmp_path)) == moved


@pytest.mark.skipif(folders.fcntl is None, reason="Windows has no locks on folders")
def test_all_leaves_a_folder_alone_in_which_a_run_is_under_way_and_its_own_is_one_alls_at_a_time(scripts, tmp_path, capsys):
    (tmp_path / "saddle").mkdir()
    (tmp_path / "saddle" / "checkpoint.npz").write_text("of a run that is under way")
    for folder in (tmp_path / "saddle", tmp_path):
        lock = folders.open_folder(folder)
        with pytest.raises(SystemExit) as end:
            everything.main(["all", "--out", str(tmp_path)])
        os.close(lock)
    assert not earlier(tmp_path)
    assert end.value.code == 2
    assert "another run is writing to it" in capsys.readouterr().err


def test_all_ends_well_when_no_demo_fails(scripts, tmp_path):
    del scripts["detach"], scripts["wgan"]
    everything.main(["all", "--out", str(tmp_path)])  # the exit status would be an exception
    assert (tmp_path / "index.html").is_file()


def test_what_takes_longest_begins_first_and_timings_are_taken_alone(scripts, tmp_path, monkeypatch):
    begun, seconds = [], {"saddle": 1.0, "detach": 5.0, "wgan": 2.0, "speed": 9.0}
    scripts |= dict.fromkeys(seconds, "pass")
    real = everything.begin

    def begin(command, out):
        begun.append((out.name, sum(process.poll() is None for process in begin.processes)))
        begin.processes.append(real(command, out))
        return begin.processes[-1]

    begin.processes = []
    monkeypatch.setattr(everything, "begin", begin)
    monkeypatch.setattr(everything, "recorded_seconds", seconds.get)
    everything.main(["all", "--out", str(tmp_path), "--jobs", "4"])
    assert [name for name, _ in begun] == ["detach", "wgan", "saddle", "speed"]
    assert begun[-1] == ("speed", 0)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_lets_the_running_demo_save_and_ends_with_one_line(scripts, tmp_path, capfd, name):
    scripts["detach"] = SAVES.replace("NAME", name)
    with pytest.raises(SystemExit) as end:
        everything.main(["all", "--out", str(tmp_path / "runs"), "--jobs", "1"])
    assert end.value.code == 130
    assert (tmp_path / "runs" / "detach" / "output.txt").read_text() == "saved\n"
    assert not (tmp_path / "runs" / "wgan").exists()
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == f"stopped; this goes on: python -m demos all --out {tmp_path / 'runs'} --jobs 1 --resume"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "-1"], "argument --seed: "),
        (["--seed", "x"], "argument --seed: "),
        (["--out", __file__], "File exists"),
        (["--jobs", "0"], "argument --jobs: "),
        (["--record", "--quick"], "--record: of full runs by the default options, without --quick, --seed"),
        (["--record", "--seed", "1"], "--record: of full runs by the default options, without --quick, --seed"),
        (["--steps", "3"], "unrecognized arguments: --steps"),
    ],
)
def test_all_refuses_wrong_options_at_once(options, said, scripts, capsys):
    with pytest.raises(SystemExit) as end:
        everything.main(["all", *options])
    assert end.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_demo_gets_its_own_folder_one_core_the_seed_and_the_flags():
    module = [sys.executable, "-m", "demos", "saddle", "--out", "runs/saddle", "--jobs", "1", "--format", "svg"]
    for flags in ([], ["--quick"], ["--resume"], ["--quick", "--resume"], ["--record"]):
        for seed, given in ((0, []), (3, ["--seed", "3"])):
            args = Namespace(seed=seed, format="svg", **{flag: f"--{flag}" in flags for flag in ("quick", "resume", "record")})
            assert everything.command("saddle", Path("runs/saddle"), args) == [*module, *given, *flags]


@pytest.mark.slow
def test_a_real_demo_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(everything, "names", lambda: ["detach"])
    everything.main(["all", "--quick", "--out", str(tmp_path)])
    assert "chain: numbers in c that differ" in (tmp_path / "detach" / "output.txt").read_text()
    for name in ("index.html", "detach/detach.png", "detach/summary.json"):
        assert (tmp_path / name).is_file()
