"""The records of the demos are what their code would do, and the pages show them."""

import json
import re
from types import SimpleNamespace

import pytest

from demos import catalogue
from demos.__main__ import main
from demos.kit.runner import pages, results
from demos.kit.words import say

every_demo = pytest.mark.parametrize("name", catalogue.names())
BOUND = re.compile(r"(?:at least|at most|within|up to) \{[^}]*\|(?![<>])[^} ]*\}")  # a bound, rounded to the nearest
MISSED = {  # bounds that the record does not reach; no verdict says "True: "
    "ebgan": {"f_PT: the pull-away term"},
    "lapgan": {"Frechet distance, LAPGAN / one scale"},
    "adversarial_autoencoder": {"KS distance from the prior"},
    "ali": {"same class", "same class, independent pairs", "same mode", "way of z"},
    "semi_supervised": {"errors, with the GAN / alone, worst"},
    "manifold_defense": {"projected_0.25"},
}


class BegunError(Exception):
    """A demo has begun, with these settings."""


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """name -> everything that the demo's result depends on by its default options, as a file has it."""

    def begin(args, settings):
        raise BegunError({**settings, "seed": args.seed, "backend": args.backend})

    monkeypatch.setattr("demos.kit.runner.opening.open_checkpoint", begin)

    def of(name):
        with pytest.raises(BegunError) as begun:
            main([name, "--out", str(tmp_path)])
        return json.loads(json.dumps(begun.value.args[0]))

    return of


@every_demo
def test_the_recorded_settings_are_those_of_the_code(name, settings):
    assert results.recorded(name)["settings"] == settings(name)


@every_demo
def test_every_demo_has_a_bound_and_what_is_recorded_holds(name):
    holds = results.recorded(name)["holds"]
    assert holds
    assert {figure for figure, held in holds.items() if not held} == MISSED.get(name, set())


@every_demo
def test_the_record_can_be_said_in_a_verdict_and_in_two_sentences(name):
    record, demo = results.recorded(name), pages.declared(name)
    verdict, finding = pages.verdict(name, record), say(demo.finding, record["metrics"])
    assert len(verdict.split()) <= 30
    assert 5 < len(finding.split()) <= 55
    assert not re.search(r"\n|nan|inf\b|None|\d%|Fréchet", verdict + finding)
    assert BOUND.findall(demo.verdict + demo.finding) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("it helps", "it begins with one of: True: "),
        ("True: it helps", "bounds that the record misses: b"),
        ("Not reached at this size: it helps", ""),
    ],
)
def test_a_verdict_that_contradicts_the_record_is_refused(words, says, monkeypatch):
    monkeypatch.setattr(pages, "declared", lambda name: SimpleNamespace(verdict=words))
    record = {"metrics": {"a": 1.0}, "holds": {"a": True, "b": False}}
    if not says:
        assert pages.verdict("x", record) == words
        with pytest.raises(ValueError, match="the record misses: none"):
            pages.verdict("x", {**record, "holds": {"a": True}})
        return
    with pytest.raises(ValueError, match=says):
        pages.verdict("x", record)


@every_demo
def test_a_digit_that_is_changed_by_hand_shows(name, tmp_path, monkeypatch):
    text = (results.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    place = text.index('"metrics"') + re.search(r"\d", text[text.index('"metrics"') :]).start()
    (tmp_path / f"{name}.json").write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    with pytest.raises(ValueError, match=r"was changed by hand"):
        results.recorded(name)
