"""--set: every demo's settings can be set, and what is wrong is said before anything runs."""

import importlib
import re
from dataclasses import dataclass, field
from typing import Literal, get_args, get_type_hints

import pytest

from demos import catalogue
from demos.gradients import detach
from demos.kit import settings as kit
from demos.performance import speed
from demos.performance.engines.sizes import SIZES
from demos.the_game import gan
from demos.wasserstein import wgan
from tests.demos.running import assert_same_end, refused, run, summary_of

TINY = ("--quick", "--steps", "2")


@dataclass
class Inner:
    rate: float = 0.5


@dataclass
class All:
    """A field of each kind."""

    n: int = 3
    lr: float = 0.1
    on: bool = True
    word: str = "so"
    rule: Literal["sgd", "adam"] = "sgd"
    clip: float | None = None
    betas: tuple[float, float] = (0.5, 0.9)
    counts: tuple[int, ...] = (1, 2)
    shapes: tuple[tuple[int, int], ...] = ((1, 2), (3, 4))
    ring_r1: float | None = None
    inner: Inner = field(default_factory=Inner)


KINDS = get_type_hints(All)

# --- values -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n", "1_000", 1000),
        ("lr", "1e-3", 1e-3),
        ("lr", "3", 3.0),
        ("lr", "-0.5", -0.5),
        ("on", "false", False),
        ("on", "True", True),
        ("word", "a=b", "a=b"),
        ("rule", "adam", "adam"),
        ("clip", "0.2", 0.2),
        ("clip", "None", None),
        ("betas", "0,0.99", (0.0, 0.99)),
        ("counts", "5", (5,)),
        ("counts", "1,2,3", (1, 2, 3)),
        ("shapes", "5,6", ((5, 6),)),
        ("shapes", "5,6;7,8;9,10", ((5, 6), (7, 8), (9, 10))),
    ],
)
def test_a_value_has_the_fields_type(name, text, value):
    found = kit.value_of(text, KINDS[name])
    assert found == value
    assert type(found) is type(value)
    assert kit.value_of(kit.written(found), KINDS[name]) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("n", "0.5", "a whole number from 1 on, such as 100; now it is n=3"),
        ("n", "0", "a whole number from 1 on"),
        ("n", "True", "a whole number from 1 on"),
        ("lr", "fast", "a number, such as 0.01, at least 0; now it is lr=0.1"),
        ("lr", "-1", "a number, such as 0.01, at least 0; now it is lr=0.1"),
        ("lr", "nan", "a number"),
        ("lr", "1e999", "a number"),
        ("lr", "", "a number"),
        ("on", "1", "true or false; now it is on=True"),
        ("rule", "SGD", "one of sgd, adam; now it is rule=sgd"),
        ("clip", "none", "a number, such as 0.01, or None; now it is clip=None"),
        (
            "betas",
            "0.5",
            "2 values with ',' between, each a number, such as 0.01, at least 0 and below 1; now it is betas=0.5,",
        ),
        ("betas", "0.5,0.9,0.9", "2 values"),
        (
            "betas",
            "2,3",
            "2 values with ',' between, each a number, such as 0.01, at least 0 and below 1; now it is betas=0.5,0.9",
        ),
        ("ring_r1", "-3", "a number, such as 0.01, at least 0, or None; now it is ring_r1=None"),
        ("counts", "1,x", "values with ',' between, each a whole number from 1 on, such as 100; now it is counts=1,2"),
        ("shapes", "1,2;3", "values with ';' between, each 2 values with ',' between, each a whole number"),
        ("inner.rate", "x", "a number, such as 0.01; now it is inner.rate=0.5"),
    ],
)
def test_a_wrong_value_is_told_what_was_expected_with_an_example(name, text, expected):
    with pytest.raises(ValueError, match=f"^expected {re.escape(expected)}"):
        kit.read(All(), name, text)


def test_settings_within_settings_have_dotted_names_and_the_others_stay():
    before = All()
    after = kit.changed(before, "inner.rate", 0.25)
    assert (after.inner.rate, before.inner.rate) == (0.25, 0.5)
    assert kit.changed(after, "n", 4) == All(n=4, inner=Inner(0.25))
    with pytest.raises(ValueError, match="there is no such setting"):
        kit.read(before, "inner", "3")


def test_the_kinds_of_a_class_are_those_of_its_values_and_need_none():
    found = kit.kinds(All)
    assert list(found)[-1] == "inner.rate"
    assert found["inner.rate"] is float
    assert found["clip"] == float | None

    @dataclass
    class Outer:
        both: All
        n: int

    found = kit.kinds(Outer)
    assert found["both.inner.rate"] is float
    assert found["both.shapes"] == tuple[tuple[int, int], ...]
    assert found["n"] is int
    assert len(found) == 11 + 1


@pytest.mark.parametrize(
    ("kind", "commas"),
    [
        *((kind, name in ("betas", "counts", "shapes")) for name, kind in KINDS.items()),
        (tuple[int, ...] | None, True),
        (tuple[Literal["a", "b"], ...], True),
        (int | None, False),
    ],
)
def test_values_of_tuples_have_commas(kind, commas):
    assert kit.has_commas(kind) == commas


# --- all demos ----------------------------------------------------------------------------------------------------------


def said(name, capsys, *options):
    """What a demo says as it refuses its options, with status 2."""
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"demos.{catalogue.chapter_of(name)}.{name}").main(list(options))
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", catalogue.names())
def test_an_unknown_name_is_answered_with_the_settings_which_can_all_be_set(name, tmp_path, capsys):
    options = ["--quick", "--out", str(tmp_path)]
    message = said(name, capsys, *options, "--set", "qqq=1")
    first, *lines = message.splitlines()
    assert first == f"python -m demos {name}: --set qqq=1: there is no such setting. There are:"
    present = " ".join(lines).split()
    assert len(present) >= 4
    again = [part for value in present for part in ("--set", value)]
    assert said(name, capsys, *options, *again, "--set", "qqq=1") == message
    assert said(name, capsys, *options, "--set", "qqq=1", "--set", present[0]) == message


@pytest.mark.parametrize("name", ["gan", "learning_curves", "speed"])
def test_help_lists_the_settings_with_their_defaults(name, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"demos.{catalogue.chapter_of(name)}.{name}").main(["--help"])
    text = capsys.readouterr().out
    assert re.search(r"^  --set NAME=VALUE ", text, re.MULTILINE)
    expected = {"gan": "width=128 ", "learning_curves": "stability.steps=300", "speed": "rounds=9"}[name]
    assert expected in text.partition("settings with their default values")[2]


def test_the_names_that_a_setting_chooses_from_are_those_that_there_are():
    assert get_args(get_type_hints(wgan.Settings)["optimizer"]) == tuple(wgan.OPTIMIZERS)
    assert get_args(speed.Name) == tuple(SIZES)


# --- a run --------------------------------------------------------------------------------------------------------------


def test_the_values_are_in_the_summary_and_go_before_those_of_quick(tmp_path, small):
    out = run("gan", tmp_path, *TINY, "--set", "width=8", "--set", "betas=0.1,0.9", "--set", "lr=1", "--set", "lr=0.01")
    settings = summary_of(out)["settings"]
    assert {"width": 8, "betas": [0.1, 0.9], "lr": 0.01, "steps": 2, "z": 2}.items() <= settings.items()


def test_the_values_are_those_that_the_networks_have(tmp_path, small, record):
    calls = record(gan, "make_game", gan.make_game)
    run("gan", tmp_path, *TINY, "--set", "width=8")
    assert calls[0].G[0].weight.shape == (2, 8)


def test_a_run_of_other_settings_is_not_resumed_one_of_the_same_is(tmp_path, small):
    options = ("--quick", "--set", "width=8", "--steps")
    whole = run("gan", tmp_path / "whole", *options, "6")
    parts = run("gan", tmp_path / "parts", *options, "3")
    with pytest.raises(SystemExit, match=r"comes from a run with other settings: width 8 there, 64 here$"):
        run("gan", parts, "--quick", "--steps", "6", "--resume")
    run("gan", parts, *options, "6", "--resume")
    assert_same_end(parts, whole)


def test_the_number_of_steps_is_a_setting_too_and_steps_plays_the_first_of_them(tmp_path, small):
    out = run("gan", tmp_path / "a", "--quick", "--set", "steps=3")
    assert summary_of(out)["settings"]["steps"] == 3
    shorter = run("gan", tmp_path / "b", "--quick", "--set", "steps=3", "--steps", "2")
    assert summary_of(shorter)["settings"]["steps"] == 2
    run("gan", shorter, "--quick", "--set", "steps=3", "--resume")
    assert_same_end(shorter, out)


def test_readmes_words_are_of_the_settings_as_they_are(tmp_path, no_pictures):
    detach.main(["--out", str(tmp_path / "usual")])
    detach.main(["--out", str(tmp_path / "other"), "--set", "seeds=2"])
    assert "found" in summary_of(tmp_path / "usual")
    assert "found" not in summary_of(tmp_path / "other")
    assert summary_of(tmp_path / "other")["settings"]["seeds"] == 2


def test_a_run_of_other_settings_is_not_recorded(tmp_path, capsys):
    message = refused("gan", capsys, "--out", str(tmp_path), "--record", "--set", "lr=0.01")
    assert "--record: only for a full run with the default options, without --set" in message


def test_an_assignment_without_a_value_is_refused(tmp_path, capsys):
    message = refused("gan", capsys, "--out", str(tmp_path / "new"), "--set", "lr")
    assert "argument --set: 'lr' is not NAME=VALUE, such as seeds=2" in message
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_nearly_right_is_set_right(tmp_path, capsys):
    assert "did you mean width? There are:" in refused("gan", capsys, "--out", str(tmp_path), "--set", "widht=3")
