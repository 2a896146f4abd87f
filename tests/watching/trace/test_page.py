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

SIZES = [(1280, 800), (390, 844)]


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


# --- what is in it ------------------------------------------------------------------------------------------------------


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


# --- in a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens a trace's page; whatever the test does, nothing may go wrong in the page, or leave it."""

    def open_(trace, size=SIZES[0]):
        browser.resize(*size)
        browser.open(page.write(trace, tmp_path / "page.html"))

    yield open_
    assert browser.errors == []
    assert len(browser.requests) == 1  # the page itself


def see(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")


def row(browser):
    return int(see(browser, "#counter").split()[1])


def click(browser, selector, text=""):
    """Click the first element of this kind with this text, after scrolling to it."""
    place = browser.run(f"""(() => {{
        const all = [...document.querySelectorAll({json.dumps(selector)})];
        const found = all.find(e => (e.getAttribute("aria-label") ?? e.textContent).includes({json.dumps(text)}));
        found.scrollIntoView({{block: "nearest", inline: "nearest"}});
        const box = found.getBoundingClientRect();
        return [box.left + Math.min(box.width / 2, 40), box.top + box.height / 2];
    }})()""")
    browser.click(*place)


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_the_window_no_box_is_cut_and_text_stands_out(size, opened, browser):
    outside = """(() => { const panel = document.getElementById("graph").getBoundingClientRect(), boxes = Object.values(nodes);
        const found = boxes.map(n => n.element.querySelector("rect.box").getBoundingClientRect());
        return found.map(box => Math.max(panel.left - box.left, box.right - panel.right) / box.width); })()"""
    opened(steps.dcgan(), size)
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    for state in ("go(0)", "go(rows.findIndex(row => row.k === 'backward'))", "go(rows.length - 1)", "pick(1)"):
        shares = browser.run(f"{state}, {outside}")
        assert [share for share in shares if 0.02 < share < 0.98] == []
        found = browser.run(CONTRAST)
        assert len(found) > 20
        assert found[0][0] >= 4.5, (state, found[0])


def test_a_reader_moves_through_the_rows_and_tab_reaches_every_control(opened, browser, trace):
    opened(trace)
    last = len(trace.rows)
    for key, at in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", last), ("ArrowRight", last), ("Home", 1)]:
        browser.press(key)
        assert row(browser) == at
    for clicked, at in [("#last", last), ("#back", last - 1), ("#card", 2), ("#graph .node", 2), ("#search", 2)]:
        click(browser, clicked)
        if at == 2:  # the keys work whatever was clicked
            browser.run("go(0)")
            browser.press("ArrowDown")
        assert row(browser) == at
    click(browser, "#lessons .link", trace.lessons[0].text)
    assert row(browser) == trace.lessons[0].row
    browser.run("pick(2); window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
    controls = """[...document.querySelectorAll("button, input, canvas, [tabindex]")].filter(e => e.tabIndex >= 0
        && !e.hidden && e.getClientRects().length)"""
    for _ in range(browser.run(f"{controls}.length") + 2):
        browser.press("Tab")
    assert browser.run(f"{controls}.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 90))") == []


def test_rows_and_tensors_show_their_formulas_numbers_and_gradients(opened, browser, trace):
    opened(trace)
    softplus, update = steps.of(trace, "backward", op="softplus")[0], steps.of(trace, "update")[0]
    browser.run(f"go({softplus.number - 1})")
    for text in ("g * sigmoid(x)", str(softplus.defined), str(softplus.place), softplus.place.code, "g, which arrived"):
        assert text in see(browser, "#card")
    browser.run(f"go({update.number - 1})")
    updated = "Object.values(nodes).filter(n => n.element.classList.contains('updated')).map(n => n.l)"
    assert browser.run(updated) == [str(trace.tensors[update.parameter])]
    browser.run("go(0); document.querySelectorAll('#card figure canvas')[1].focus()")
    browser.press("ArrowRight")  # moves in the map
    readout = browser.run("document.querySelectorAll('#card figure .readout')[1].textContent").replace("\u2212", "-")
    assert readout == f"[0, 1] = {trace.tensors[trace.rows[0].inputs[1]].value.first[1]:.4g}"
    click(browser, ".node", "D.0.weight")
    click(browser, "#tensor .link", "gradient of D.0.weight by affine")
    assert trace.rows[row(browser) - 1].source in see(browser, "#card .formula")
    click(browser, "#acts button", "G learns")
    assert "None in this backward pass: it was frozen, at games/gan.py:" in see(browser, "#tensor")
    click(browser, "#bynorm")
    click(browser, "#rows .row")
    assert trace.rows[row(browser) - 1].left.norm == min(row.left.norm for row in steps.of(trace, "backward"))
