"""`python -m demos`: the list, in the lectures' order, and `all`, with small scripts in the demos' place."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from running import ROOT

import demos
import demos.__main__ as everything

DRAWS = "import sys; print('drawing'); from pathlib import Path; Path(sys.argv[1]).write_bytes(Path(sys.argv[2]).read_bytes())"
NO_LECTURE = {"speed"}  # demos that are about no slide
FAILS = "print('before', flush=True); raise ValueError('a reason')"


def files():
    return {path.stem for path in Path(demos.__path__[0]).glob("*.py")} - {"__init__", "__main__"}


def test_every_demo_has_its_place_in_the_order():
    assert files() - set(everything.ORDER) == set(), "a demo that python -m demos would list last: add it to ORDER"
    assert len(set(everything.ORDER)) == len(everything.ORDER)


def test_the_list_has_every_demo_in_order_with_its_first_line_and_its_slide(capsys):
    everything.main([])
    said = capsys.readouterr().out
    places = [said.index(f"\n  {name} ") for name in everything.ORDER if name in files()]
    assert places == sorted(places)
    assert len(places) == len(files())
    assert re.search(
        r'^  saddle +The loss of .*\n +"Does the loss have a saddle point\? Where\?" \(CS/DS 541, class 19\)$', said, re.M
    )


@pytest.mark.parametrize("name", sorted(files() - NO_LECTURE))
def test_a_demo_of_the_lectures_quotes_its_slide(name):
    first, slide = everything.described(name)
    assert first.endswith(".")
    assert re.fullmatch(r'".+".* \(.+\)\.?', slide)  # with the lecture's name at the end


def test_a_demo_without_a_place_is_listed_last(tmp_path, monkeypatch, capsys):
    for name in ("zebra", "wgan", "gan", "__main__"):
        (tmp_path / f"{name}.py").write_text(f'"""The {name}.\n\nSlide: "a\n  b" (L)\n"""')
    monkeypatch.setattr(demos, "__path__", [str(tmp_path)])
    assert everything.names() == ["gan", "wgan", "zebra"]
    assert everything.described("zebra") == ("The zebra.", '"a b" (L)')


def test_listing_needs_no_packages():
    """-S: without site-packages. PYTHONPATH, where they may stand as well, is not read."""
    done = subprocess.run([sys.executable, "-E", "-S", "-m", "demos"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "limit_cycles" in done.stdout


# --- all of them --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Three demos: one draws a picture of its own name, one fails, one leaves samples.png."""
    picture = tmp_path / "picture.png"
    figure = plt.figure(figsize=(1, 1))
    figure.savefig(picture)
    plt.close(figure)
    code = {"first": (DRAWS, "first.png"), "second": (FAILS, ""), "third": (DRAWS, "samples.png")}

    def command(name, out, seed, quick):
        script, file = code[name]
        return [sys.executable, "-c", script, str(out / file), str(picture)]

    monkeypatch.setattr(everything, "names", lambda: list(code))
    monkeypatch.setattr(everything, "command", command)
    return code


def test_all_goes_on_when_one_fails_and_says_so_at_the_end(scripts, tmp_path, capfd):
    with pytest.raises(SystemExit, match="1 of 3 demos failed: second") as end:
        everything.main(["all", "--out", str(tmp_path / "runs")])
    assert end.value.code not in (None, 0)  # a message: the exit status is 1
    runs = tmp_path / "runs"
    assert (runs / "first" / "output.txt").read_text() == "drawing\n"
    assert (runs / "third" / "samples.png").is_file()
    failure = (runs / "second" / "output.txt").read_text()
    assert failure.startswith("before\n")
    assert "ValueError: a reason" in failure
    said = capfd.readouterr()
    assert "second failed: see " in said.out + said.err
    assert "drawing" not in said.out + said.err
    assert "3/3" in said.err  # the progress bar


def test_the_contact_sheet_shows_the_pictures_of_those_that_succeeded(scripts, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plt.Axes, "set_title", lambda self, name, **options: shown.append(name))
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "second.png").write_bytes((tmp_path / "picture.png").read_bytes())  # of an earlier run
    with pytest.raises(SystemExit):
        everything.main(["all", "--out", str(tmp_path)])
    assert shown == ["first", "third"]
    assert (tmp_path / "contact.png").is_file()


def test_all_ends_well_when_no_demo_fails(scripts, tmp_path):
    del scripts["second"]
    everything.main(["all", "--out", str(tmp_path)])  # the exit status would be an exception
    assert (tmp_path / "contact.png").is_file()
    assert all((tmp_path / name / "output.txt").is_file() for name in scripts)


def test_a_demo_gets_its_own_folder_the_seed_and_quick():
    module = [sys.executable, "-m", "demos.saddle", "--out", "runs/saddle", "--seed", "3"]
    assert everything.command("saddle", Path("runs/saddle"), 3, False) == module
    assert everything.command("saddle", Path("runs/saddle"), 3, True) == [*module, "--quick"]


def test_a_real_demo_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(everything, "names", lambda: ["detach"])
    everything.main(["all", "--quick", "--out", str(tmp_path)])
    assert "chain: numbers in c that differ" in (tmp_path / "detach" / "output.txt").read_text()
    for name in ("contact.png", "detach/detach.png", "detach/summary.json"):
        assert (tmp_path / name).is_file()
