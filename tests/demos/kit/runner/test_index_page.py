"""The page of all demos: what it says of a run, and formulas without LaTeX."""

import json
import re
from importlib import import_module

import pytest

from demos import catalogue
from demos.kit.runner import index_page, results
from demos.kit.words import say

VERSIONS = {"minigan": "1.0", "numpy": "2.1.0"}
SUMMARY = {
    "metrics": {"a": 1.5, "b": 3.0, "c": 7.0, "said": 2.0},
    "expected": {"a": "at most 2", "b": "at most 2", "c": "at least 9: not judged by a quick run", "said": "reported"},
    "holds": {"a": True, "b": False},
    "versions": VERSIONS,
    "seconds": 1.0,
}
CHAPTERS = {"A chapter": [("one", "What it shows.", '"a slide" (L)', "python -m demos one")]}


def page(out, *summaries, seed=0, quick=False):
    entries = []
    for i, summary in enumerate(summaries):
        (out / f"demo{i}").mkdir()
        (out / f"demo{i}" / "summary.json").write_text(json.dumps(summary))
        entries.append((f"demo{i}", "It shows.", "", f"python -m demos demo{i}"))
    return index_page.write(out, {"A chapter": entries}, seed, quick).read_text()


def test_the_heading_has_the_seeds_and_the_versions(tmp_path):
    text = page(tmp_path, SUMMARY, SUMMARY, SUMMARY | {"versions": VERSIONS | {"numpy": "2.2.0"}}, seed=100)
    assert "<h1>minigan: results of the demos</h1>\n<p>seeds from 100 on; minigan 1.0; numpy 2.1.0; numpy 2.2.0</p>" in text
    assert "QUICK RUN" not in text


def test_a_page_of_quick_runs_says_so_in_its_heading_and_what_they_do_not_judge(tmp_path):
    text = page(tmp_path, SUMMARY, quick=True)
    assert "<title>minigan: QUICK RUN, too short to conclude from</title>" in text
    assert "<h1>minigan: QUICK RUN, too short to conclude from</h1>" in text
    rows = [row.split("</tr>")[0] for row in text.split("<tr>")[2:]]
    assert rows == [
        '<td>a</td><td>at most 2</td><td class="number">1.5</td><td>✓ holds</td>',
        '<td>b</td><td>at most 2</td><td class="number">3</td><td>✗ does not hold</td>',
        '<td>c</td><td>at least 9</td><td class="number">7</td><td>not judged</td>',
    ]


def test_a_demo_that_left_nothing_did_not_come_to_its_end(tmp_path):
    text = index_page.write(tmp_path, CHAPTERS, 0, False).read_text()
    assert "<strong>It did not finish:</strong> see one/output.txt" in text
    assert "<p>seeds from 0 on</p>" in text


@pytest.mark.parametrize(
    ("latex", "html"),
    [
        (r"$\mp 2m$", "<i>&mp;2m</i>"),
        (r"$-\log 4 + 2\,JSD$", "<i>-log&nbsp;4 + 2&thinsp;JSD</i>"),
        (r"$\theta_1$", "<i>&theta;<sub>1</sub></i>"),
        (r"$F^{-1}(u) < p_{data}$", "<i>F<sup>-1</sup>(u) &lt; p<sub>data</sub></i>"),
    ],
)
def test_a_formula_is_html(latex, html):
    assert index_page.formulas(latex) == html


@pytest.mark.parametrize("name", catalogue.names())
def test_every_formula_that_a_demo_finds_can_be_shown(name):
    words = say(import_module(catalogue.module_name(name)).main.finding, results.recorded(name)["metrics"])
    assert set(re.findall(r"\\([a-zA-Z]+|.)", words)) <= set(index_page.SIGNS)
    assert not set(index_page.formulas(words)) & set("\\${}^")
