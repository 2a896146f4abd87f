"""Which demos there are, in the lectures' order, also where editors leave files or a demo cannot be read; and their list."""

import re
from pathlib import Path

import pytest

from demos import catalogue
from demos.__main__ import main
from tests.demos.running import MAIN

NO_LECTURE = {"ladder", "averages", "speed", "engines"}  # demos that are about no slide


def listed(capsys):
    """The list, and the demos with a description in it."""
    main([])
    said = capsys.readouterr().out
    return said, re.findall(r"^  (\w+) +The", said, re.M)


def test_every_chapter_and_every_demo_has_its_place_in_the_order(capsys):
    chapters = {file.parent for file in catalogue.FOLDER.glob("*/__init__.py")}
    chapters -= {catalogue.FOLDER / name for name in ("commands", "kit", "lab")}
    files = [path for chapter in chapters for path in chapter.glob("*.py") if catalogue.MAIN.search(path.read_bytes())]
    assert {chapter.name for chapter in chapters} == set(catalogue.CHAPTERS)
    assert sorted(catalogue.names()) == sorted(path.stem for path in files)
    assert all(path.stem in catalogue.CHAPTERS[path.parent.name] for path in files)
    main(["names"])
    assert capsys.readouterr().out.split() == catalogue.names()
    said, _ = listed(capsys)
    places = [said.index(f"\n  {name} ") for name in catalogue.names()]
    assert places == sorted(places)
    for name in set(catalogue.names()) - NO_LECTURE:
        first, slide = catalogue.described(catalogue.file_of(name))
        assert first.endswith(".")
        assert re.fullmatch(r'".+".* \(.+\)\.?', slide), name  # with the lecture's name at the end
        assert f" {first}" in said


def test_a_demo_without_a_place_is_last_in_its_chapter_and_parts_and_what_editors_leave_are_none(tree, capsys):
    (tree / "a" / ".#gan.py").symlink_to("user@host.1234:5678")  # Emacs's lock
    (tree / "a" / "._gan.py").write_bytes(b"\x00\x05\x16\x07" + MAIN.encode())  # macOS's
    (tree / "a" / "gan copy.py").write_text(MAIN)
    assert catalogue.names() == listed(capsys)[1] == ["first", "gan", "wgan", "zebra"]
    assert catalogue.described(tree / "a" / "zebra.py") == ("The zebra.", '"a b" (L)')


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f'"""Fr\xe9chet."""\n{MAIN}'.encode("latin-1"), r"line 1: \(unicode error\) 'utf-8' codec can't decode .*"),
        (f'"""Wrong."""\n{MAIN}x = (\n'.encode(), r"line 4: '\(' was never closed"),
    ],
)
def test_a_demo_that_cannot_be_read_is_named_on_one_line_and_the_others_work(content, why, tree, capsys):
    (tree / "a" / "other.py").write_bytes(content)
    said, others = listed(capsys)
    assert re.search(rf"^  other +cannot be read: {why}$", said, re.M)
    assert others == ["first", "gan", "wgan", "zebra"]
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["other"])
    assert re.fullmatch(rf"{tree}/a/other.py cannot be read: {why}\n", capsys.readouterr().err)
    main(["gan"])
    assert capsys.readouterr().out == "runs\n"


@pytest.mark.parametrize(
    ("where", "line", "commands"),
    [
        ("b/gan.py", "demos/b/gan.py and demos/a/gan.py", (["gan"], ["sweep", "gan", "--set", "lr=1"], ["all"])),
        ("a/all.py", "the command all and demos/a/all.py", (["all"],)),
    ],
)
def test_of_two_with_one_name_none_is_chosen_and_one_line_names_both(where, line, commands, tree, capsys):
    (tree / where).write_text(f'"""The other one."""\n{MAIN}')
    listed(capsys)
    for command in commands:
        with pytest.raises(SystemExit, match=r"^2$"):
            main(command)
        assert f"{line} have the same name: rename one" in capsys.readouterr().err
    assert catalogue.names().count(Path(where).stem) == 1
    main(["zebra"])
    assert capsys.readouterr().out == "runs\n"
