"""The records of the demos are what their code would do, and the pages show them."""

import json
import re
from types import SimpleNamespace

import pytest

from demos import catalogue
from demos.__main__ import main
from demos.kit.runner import index_page, pages, results
from demos.kit.words import say

BOUND = re.compile(r"(?:at least|at most|within|up to) \{[^}]*\|(?![<>])[^} ]*\}")  # a bound, rounded to the nearest
MISSED = {  # bounds that the record does not reach; no verdict says "True: "
    "ebgan": {"f_PT: the pull-away term"}, "dcgan": {"clear digits, convolutional"}, "referee": {"began: Frechet distance"},
    "lapgan": {"Frechet distance, LAPGAN / one scale"},
    "learning_curves": {"WGAN, clipped: rank correlation after a tenth, worst seed"},
    "ali": {"same class", "same class, independent pairs", "same mode", "way of z"},
    "adversarial_autoencoder": {"KS distance from the prior", "codes told from z"},
    "manifold_defense": {"projected_0.25", "pairs_before"}, "infogan": {"with the information: agree"},
    "colour": {"Frechet distance"},
    "began": {"|G(z*) - x|, over the nearest training image's", "half way: Frechet distance, z over pixels"},
}  # fmt: skip


class BegunError(Exception):
    """A demo has begun, with these settings."""


@pytest.mark.parametrize("name", catalogue.names())
def test_a_record_is_of_the_codes_settings_holds_and_fills_the_verdict_and_the_finding(name, monkeypatch, tmp_path):
    def begin(args, settings):
        raise BegunError({**settings, "seed": args.seed, "backend": args.backend})

    monkeypatch.setattr("demos.kit.runner.opening.open_checkpoint", begin)
    with pytest.raises(BegunError) as begun:
        main([name, "--out", str(tmp_path)])
    record, demo = results.recorded(name), pages.declared(name)
    assert record["settings"] == json.loads(json.dumps(begun.value.args[0]))
    assert record["holds"]
    assert {figure for figure, held in record["holds"].items() if not held} == MISSED.get(name, set())
    verdict, finding = pages.verdict(name, record), say(demo.finding, record["metrics"])
    assert not re.search(r"\n|nan|inf\b|None|\d%|Fréchet", verdict + finding)
    assert BOUND.findall(demo.verdict + demo.finding) == []
    assert not set(index_page.formulas(finding)) & set("\\${}^")
    assert set(re.findall(r"\\([a-zA-Z]+|.)", finding)) <= set(index_page.SIGNS)


@pytest.mark.parametrize(
    ("words", "misses", "says"),
    [
        ("True: it helps", True, "bounds that the record misses: b"),
        ("Not reached at this size: it helps", False, "the record misses: none"),
        ("Not reached at this size: it helps", True, ""),
    ],
)
def test_a_verdict_that_contradicts_the_record_is_refused(words, misses, says, monkeypatch):
    monkeypatch.setattr(pages, "declared", lambda name: SimpleNamespace(verdict=words))
    record = {"metrics": {"a": 1.0}, "holds": {"a": True, "b": not misses}}
    if not says:
        assert pages.verdict("x", record) == words
        return
    with pytest.raises(ValueError, match=says):
        pages.verdict("x", record)


@pytest.mark.parametrize(
    ("latex", "html"),
    [
        (r"$\mp 2m$", "<i>&mp;2m</i>"),
        (r"$-\log 4 + 2\,JSD$", "<i>-log&nbsp;4 + 2&thinsp;JSD</i>"),
        (r"$F^{-1}(u) < p_{data}$ <b>", "<i>F<sup>-1</sup>(u) &lt; p<sub>data</sub></i> &lt;b&gt;"),
    ],
)
def test_a_formula_is_html(latex, html):
    assert index_page.formulas(latex) == html
