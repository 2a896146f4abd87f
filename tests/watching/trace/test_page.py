"""The page of a trace: what is in it, and what a reader can do with it in a browser."""

import base64
import html.parser
import json
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from minigan.watching.trace import page
from minigan.watching.trace.rows import MAP, SourceLine, TensorEntry, Update, Value
from tests.helpers.browser import CONTRAST
from tests.watching.trace import steps


def contents(text):
    """What the page's script is given."""
    return json.loads(text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])


def updates(n, value):
    """A trace that is nothing but n updates of a parameter."""
    entry = TensorEntry(1, "w", "parameter", value, True)
    rows = [Update(i + 1, SourceLine("here.py", 1), "SGD", "", 1, value, value, value) for i in range(n)]
    return SimpleNamespace(rows=rows, tensors={1: entry}, lessons=[], players=[])


@pytest.fixture(scope="module")
def trace():
    mg.seed(0)
    return steps.gan()


def test_every_row_tensor_and_lesson_is_on_the_page(trace, tmp_path):
    path = trace.html(str(tmp_path / "step.html"))
    assert path == tmp_path / "step.html"
    assert path.stat().st_size < 130_000
    told = contents(path.read_text(encoding="utf-8"))
    assert [row["n"] for row in told["rows"]] == [row.number for row in trace.rows]
    for row, shown in zip(trace.rows, told["rows"], strict=True):
        assert told["places"][shown["p"]] == [str(row.place), row.place.code]
        if row.kind == "backward":
            assert (shown["f"], shown["d"]) == (row.source, str(row.defined))
            assert set(row.helpers) <= set(shown["remarks"])
    for number, tensor in told["tensors"].items():
        assert (tensor["l"], tensor["h"][0][0]) == (str(trace.tensors[int(number)]), "How it was made")
        assert any(number in act["g"] for act in told["acts"])
    assert told["lessons"] == [[lesson.text, lesson.row - 1] for lesson in trace.lessons]


def test_an_update_shows_the_gradients_since_the_one_before():
    w = mg.Tensor([1.0], requires_grad=True)
    with mg.trace(w=w) as t:
        for _ in range(2):
            (w * w).backward()
            mg.optim.SGD([w], 0.1).step()
    first, second = [row["links"] for row in contents(page.text(t))["rows"] if row["k"] == "update"]
    assert len(first) == len(second) == 3


def test_data_cannot_end_the_script_or_the_frame():
    x = mg.Tensor([1.0], name="</script><!-- ' & \u2028 é")
    with mg.trace() as t:
        x * 2.0
    found = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.handle_endtag = lambda tag: found.append("/" + tag)
    text = page.text(t)
    parser.feed(text)
    assert sum(tag == "/script" or tag[0] == "script" for tag in found) == 4
    assert contents(text)["tensors"]["1"]["l"] == x.name
    found.clear()
    parser.feed(t._repr_html_())
    assert [tag for tag, *_ in found] == ["iframe", "/"]
    assert (found[0][1]["srcdoc"], found[0][1]["sandbox"]) == (text, "allow-scripts")


def test_maps_keep_what_they_show():
    numbers = np.random.default_rng(0).normal(size=(20, 30))
    numbers[0, :3] = np.nan, np.inf, -np.inf
    told = page.encoded(numbers, numbers.shape)
    codes = np.frombuffer(base64.b64decode(told["z"]), np.uint8).reshape(20, 30)
    assert codes[0, :3].tolist() == [page.NAN, page.INFINITY, page.MINUS_INFINITY]
    low, high = told["q"]
    back = low + codes / page.LEVELS * (high - low)
    assert np.abs(back - numbers)[np.isfinite(numbers)].max() < 0.51 * (high - low) / page.LEVELS + 1e-3
    assert page.encoded(np.array([[1.5, np.nan]]), (2,))["v"] == [1.5, "nan"]
    assert page.encoded(np.full((8, 8), 3.0), (8, 8))["q"] == [3.0, 3.0]
    images = Value.of(np.zeros((10, 3, 14, 14)))  # cut between two of them
    assert [page.smaller(images.map, images.shape, side).shape for side in (32, 8)] == [(28, 28), (8, 8)]
    assert page.encoded(images.map, images.shape)["i"] == [14, 14]


def test_a_page_that_would_be_too_large_has_smaller_maps_and_then_fewer_rows_and_says_so(monkeypatch):
    small, large = Value.of(np.zeros(3)), Value.of(np.random.default_rng(0).normal(size=(MAP, MAP)))
    whole, short = (page.text(updates(*which)) for which in ((1, large), (80, small)))
    assert contents(whole)["omissions"] == []
    monkeypatch.setattr(page, "SIZE", len(whole) - 1)
    omissions = ["The page would be too large: its maps show at most 32 x 32 numbers."]
    assert contents(page.text(updates(1, large)))["omissions"] == omissions
    monkeypatch.setattr(page, "ROWS", 100)
    monkeypatch.setattr(page, "SIZE", len(short))
    text = page.text(updates(100, small))
    assert len(text) <= page.SIZE
    assert "This page shows 50 rows: the last 50 of this trace are not here." in contents(text)["omissions"]
    assert len(contents(text)["rows"]) == 50


def test_a_reader_moves_through_the_rows_and_sees_their_formulas_numbers_and_gradients(browser, tmp_path, trace):
    def see(selector):
        return browser.run(f"document.querySelector({selector!r}).innerText")

    def row():
        return int(see("#counter").split()[1])

    browser.resize(1280, 800)
    browser.open(trace.html(tmp_path / "page.html"))
    last = len(trace.rows)
    for key, at in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", last), ("ArrowRight", last), ("Home", 1)]:
        browser.press(key)
        assert row() == at
    browser.click_on("#lessons .link", trace.lessons[0].text)
    assert row() == trace.lessons[0].row
    softplus = steps.of(trace, "backward", op="log_loss")[0]
    browser.run(f"go({softplus.number - 1})")
    for text in (softplus.source, str(softplus.defined), str(softplus.place), softplus.place.code, "g, which arrived"):
        assert text in see("#card")
    browser.run("go(0); document.querySelectorAll('#card figure canvas')[1].focus()")
    browser.press("ArrowRight")  # moves in the map
    readout = browser.run("document.querySelectorAll('#card figure .readout')[1].textContent").replace("\u2212", "-")
    assert readout == f"[0, 1] = {trace.tensors[trace.rows[0].inputs[1]].value.first[1]:.4g}"
    browser.click_on(".node", "D.0.weight")
    browser.click_on("#tensor .link", "gradient of D.0.weight by affine")
    assert trace.rows[row() - 1].source in see("#card .formula")
    browser.click_on("#acts button", "G learns")
    assert "None in this backward pass: it was frozen, at games/gan.py:" in see("#tensor")
    browser.click_on("#bynorm")
    browser.click_on("#rows .row")
    assert trace.rows[row() - 1].left.norm == min(row.left.norm for row in steps.of(trace, "backward"))
    for width in (1280, 390):
        browser.resize(width, 800)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run(CONTRAST)[0][0] >= 4.5
    assert browser.errors == []
    assert len(browser.requests) == 1  # the page itself
