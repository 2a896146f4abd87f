"""--set: every demo's settings can be set, and what is wrong is said before anything runs."""

import re
from dataclasses import dataclass, field, is_dataclass
from typing import Literal

import pytest

from demos import catalogue
from demos.kit import settings as kit
from demos.the_game import gan
from tests.demos.running import run, summary_of


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
    inner: Inner = field(default_factory=Inner)


BETAS = "2 values with ',' between, each a number, such as 0.01, at least 0 and below 1; now it is betas=0.5,0.9"


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("n=1_000", 1000), ("lr=1e-3", 1e-3), ("lr=3", 3.0), ("on=false", False), ("on=True", True), ("word=a=b", "a=b"),
        ("rule=adam", "adam"), ("clip=-0.2", -0.2), ("clip=None", None), ("betas=0,0.99", (0.0, 0.99)), ("counts=5", (5,)),
        ("counts=1,2,3", (1, 2, 3)), ("shapes=5,6", ((5, 6),)), ("shapes=5,6;7,8", ((5, 6), (7, 8))), ("inner.rate=0.25", 0.25),
    ],
)  # fmt: skip
def test_a_value_has_the_fields_type_and_the_others_stay(assignment, value):
    name, _, text = assignment.partition("=")
    found = kit.read(All(), name, text)
    assert (found, type(found)) == (value, type(value))
    assert kit.changed(All(), name, found) == (All(inner=Inner(0.25)) if "." in name else All(**{name: value}))
    assert kit.read(All(), name, kit.written(found)) == value
    assert kit.has_commas(kit.kinds(All)[name]) == (name in ("betas", "counts", "shapes"))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("n=0 n=0.5 n=True", "a whole number from 1 on, such as 100; now it is n=3"),
        ("lr=fast lr=-1 lr=nan lr=1e999 lr=", "a number, such as 0.01, at least 0; now it is lr=0.1"),
        ("on=1", "true or false; now it is on=True"),
        ("clip=none", "a number, such as 0.01, or None; now it is clip=None"),
        ("betas=0.5 betas=0.5,0.9,0.9 betas=0.5,1", BETAS),
        ("counts=1,x", "values with ',' between, each a whole number from 1 on, such as 100; now it is counts=1,2"),
        ("shapes=1,2;3", "values with ';' between, each 2 values with ',' between, each a whole number"),
        ("inner.rate=x", "a number, such as 0.01; now it is inner.rate=0.5"),
    ],
)
def test_a_wrong_value_is_told_what_was_expected_with_an_example(wrong, expected):
    for assignment in wrong.split():
        name, _, text = assignment.partition("=")
        with pytest.raises(ValueError, match=f"^expected {re.escape(expected)}"):
            kit.read(All(), name, text)


# --- all demos ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", catalogue.names())
def test_an_unknown_name_is_answered_with_the_settings_which_can_all_be_set_and_swept(name, tmp_path, capsys):
    def said(*options):
        with pytest.raises(SystemExit, match=r"^2$"):
            module.main(["--quick", "--out", str(tmp_path), *options])
        return capsys.readouterr().err

    module = catalogue.module_of(name)
    assert is_dataclass(module.Settings)
    message = said("--set", "qqq=1")
    first, *lines = message.splitlines()
    assert first == f"python -m demos {name}: --set qqq=1: there is no such setting. There are:"
    present = " ".join(lines).split()
    assert {value.partition("=")[0] for value in present} == kit.kinds(module.Settings).keys()
    again = [part for value in present for part in ("--set", value)]
    assert said(*again, "--set", "qqq=1") == message
    with pytest.raises(SystemExit):
        module.main(["--help"])
    assert f"{present[0].partition('=')[0]}=" in capsys.readouterr().out.partition("settings with their default values")[2]


# --- a run --------------------------------------------------------------------------------------------------------------


def test_the_values_are_those_of_the_networks_and_the_summary_and_go_before_those_of_quick(tmp_path, small, record):
    calls = record(gan, "make_game", gan.make_game)
    sets = ["--set", "width=8", "--set", "betas=0.1,0.9", "--set", "lr=1", "--set", "lr=0.01"]
    found = summary_of(run("gan", tmp_path, "--quick", "--steps", "2", *sets))["settings"]
    assert found.items() >= {"width": 8, "betas": [0.1, 0.9], "lr": 0.01, "steps": 2, "z": 2}.items()
    assert calls[0].G[0].weight.shape == (2, 8)
