"""Which demos there are, in the lectures' order, also where editors leave files or a demo cannot be read; and their list."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demos import catalogue
from demos.__main__ import main
from tests.demos.running import MAIN, ROOT

NO_LECTURE = {"ladder", "speed", "engines"}  # demos that are about no slide
OTHERS = ("commands", "kit", "lab")  # folders that are no chapters
CHAPTERS = {file.parent for file in catalogue.FOLDER.glob("*/__init__.py") if file.parent.name not in OTHERS}
FILES = {path.stem: path for chapter in CHAPTERS for path in chapter.glob("*.py") if catalogue.MAIN.search(path.read_bytes())}


def test_every_chapter_and_every_demo_has_its_place_in_the_order():
    assert {chapter.name for chapter in CHAPTERS} == set(catalogue.CHAPTERS)
    for name, path in FILES.items():
        assert name in catalogue.CHAPTERS[path.parent.name], "a demo that python -m demos lists last: add it to CHAPTERS"
    assert sorted(catalogue.names()) == sorted(FILES)


def test_the_list_has_every_chapter_and_demo_in_order_with_its_first_line_and_its_slide(capsys):
    main([])
    said = capsys.readouterr().out
    places = [said.index(f"\n  {name} ") for name in catalogue.names()]
    assert places == sorted(places)
    chapters = [
        ast.get_docstring(ast.parse((catalogue.FOLDER / name / "__init__.py").read_text())) for name in catalogue.CHAPTERS
    ]
    headings = [said.index(f"\n{sentence}") for sentence in chapters]
    assert headings == sorted(headings)
    assert headings[0] < places[0]
    assert re.search(
        r'^  saddle +The loss of .*\n +"Does the loss have a saddle point\? Where\?" \(CS/DS 541, class 19\)$', said, re.M
    )


@pytest.mark.parametrize("name", sorted(set(FILES) - NO_LECTURE))
def test_a_demo_of_the_lectures_quotes_its_slide(name):
    first, slide = catalogue.described(FILES[name])
    assert first.endswith(".")
    assert re.fullmatch(r'".+".* \(.+\)\.?', slide)  # with the lecture's name at the end


def test_a_demo_without_a_place_is_listed_last_in_its_chapter_and_a_part_of_a_demo_is_none(tree):
    assert catalogue.names() == ["first", "gan", "wgan", "zebra"]
    assert catalogue.chapter_of("zebra") == "a"
    assert catalogue.described(tree / "a" / "zebra.py") == ("The zebra.", '"a b" (L)')


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
    assert catalogue.names() == ["first", "gan", "wgan", "zebra"]
    main([])
    assert re.findall(r"^  (\S+) +The", capsys.readouterr().out, re.M) == catalogue.names()


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_demo_that_python_cannot_read_is_named_on_one_line_and_the_others_work(name, tree, capsys):
    content, why = BROKEN[name]
    (tree / "a" / f"{name}.py").write_bytes(content)
    main([])
    said = capsys.readouterr().out
    assert re.search(rf"^  {name} +cannot be read: {why}$", said, re.M)
    assert re.findall(r"^  (\S+) +The", said, re.M) == ["first", "gan", "wgan", "zebra"]
    with pytest.raises(SystemExit) as end:
        main([name])
    assert end.value.code == 2
    assert re.fullmatch(rf"{tree}/a/{name}.py cannot be read: {why}\n", capsys.readouterr().err)
    main(["gan"])
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
    main([])
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
    main([])
    assert capsys.readouterr().err == f"{line}\n"
    main(["names"])
    assert capsys.readouterr().out.split().count(name) == 1
    for command in (["gan"], ["sweep", "gan", "--set", "lr=1"], ["all"]) if name == "gan" else (["all"],):
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code == 2
        assert line in capsys.readouterr().err
    main(["zebra"])
    assert capsys.readouterr().out == "runs\n"


def test_listing_needs_no_packages():
    """-S: without site-packages. PYTHONPATH, where they may stand as well, is not read."""
    done = subprocess.run([sys.executable, "-E", "-S", "-m", "demos"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "limit_cycles" in done.stdout


def test_the_names_alone_are_for_the_tab_key(capsys):
    main(["names"])
    assert capsys.readouterr().out.split() == catalogue.names()
