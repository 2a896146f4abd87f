"""What is recorded of the demos is what their code would do, and README says what is recorded."""

import json
import re

import pytest

from demos import catalogue
from demos.__main__ import main
from demos.kit.runner import results

every_demo = pytest.mark.parametrize("name", catalogue.names())
README = results.README.read_text(encoding="utf-8")
MISSED = {  # bounds that the record does not reach, and README's words say so
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
def test_the_figures_can_be_said_in_a_table(name):
    words = results.in_words(name, results.recorded(name)["metrics"])
    assert not re.search(r"[|\n]|nan|inf\b|None", words)
    assert not re.search(r"\d%|Fréchet", words), "in the other cells: 97 %, Frechet"


def test_readme_says_what_is_recorded_of_every_demo():
    assert sorted(row[2] for row in results.ROW.finditer(README)) == sorted(catalogue.names())
    assert results.readme(README) == README


@every_demo
def test_a_changed_digit_shows_in_readme_and_in_the_file(name, tmp_path, monkeypatch):
    row = next(row for row in results.ROW.finditer(README) if row[2] == name)
    digit = re.search(r"\d", row[0][row.end(1) - row.start() :])
    assert digit, "no figure was found?"
    place = row.end(1) - row.start() + digit.start()
    spoilt = row[0][:place] + str((int(digit[0]) + 1) % 10) + row[0][place + 1 :]
    assert results.readme(spoilt) == row[0] != spoilt

    text = (results.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    place = text.index('"metrics"') + re.search(r"\d", text[text.index('"metrics"') :]).start()
    (tmp_path / f"{name}.json").write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    with pytest.raises(ValueError, match=r"was changed by hand"):
        results.recorded(name)
