"""The page of a trace: what is in it, and what a reader can do with it in a browser."""

import base64
import html.parser
import json
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from minigan import games
from minigan.watching.trace import page
from minigan.watching.trace.rows import MAP, SourceLine, TensorEntry, Update, Value
from tests.helpers.browser import CONTRAST
from tests.watching.trace import steps

SIZES = [(1280, 800), (1920, 1080), (390, 844)]


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
        if row.kind in ("forward", "update"):
            assert shown["f"] == row.formula
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
    t = updates(50, Value.of(np.zeros(3)))
    for row in t.rows:
        row.after = Value.of(np.random.default_rng(row.number).normal(size=(MAP, MAP)))
    whole = page.text(t)
    assert "too large" not in whole
    told = contents(page.text(updates(page.ROWS + 7, Value.of(np.zeros(3)))))
    assert len(told["rows"]) == page.ROWS
    assert told["omissions"] == ["This page shows 500 rows: the last 7 of this trace are not here."]
    monkeypatch.setattr(page, "SIZE", len(whole) // 2)
    small = page.text(t)
    assert len(small) <= page.SIZE
    assert contents(small)["omissions"] == ["The page would be too large: its maps show at most 32 x 32 numbers."]
    monkeypatch.setattr(page, "ROWS", 100)
    monkeypatch.setattr(page, "SIZE", len(page.text(updates(80, Value.of(np.zeros(3))))))
    text = page.text(updates(100, Value.of(np.zeros(3))))
    assert len(text) <= page.SIZE
    assert "This page shows 50 rows: the last 50 of this trace are not here." in contents(text)["omissions"]


def test_acts_that_repeat_are_left_out_of_a_long_page(monkeypatch):
    t = steps.traced(*steps.game(games.WGAN))  # five steps of D
    monkeypatch.setattr(page, "ROWS", 150)
    acts, (note,) = page.shown(t, page.ROWS)
    assert [act.title for act in acts][:3] == ["D learns", "D learns", "G learns"]
    assert "Acts 1 to 5 do the same" in note
    assert "3 acts are left out" in note
    assert [row["n"] for row in contents(page.text(t))["rows"]] == [row.number for act in acts for row in act.rows]


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


def test_a_reader_moves_through_the_rows(opened, browser, trace):
    opened(trace)
    last = len(trace.rows)
    for key, at in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", last), ("ArrowRight", last), ("Home", 1)]:
        browser.press(key)
        assert row(browser) == at
    click(browser, "#last")
    click(browser, "#back")
    assert row(browser) == last - 1
    for clicked in ("#card", "#graph .node", "#search", "#acts button"):
        click(browser, clicked)
        browser.run("go(0)")
        browser.press("ArrowDown")
        assert (clicked, row(browser)) == (clicked, 2)
    browser.run(
        "(s => { s.value = 'backward softplus'; s.dispatchEvent(new Event('input')); })(document.querySelector('#search'))"
    )
    found = browser.run("[...document.querySelectorAll('#rows .row')].map(b => +b.dataset.row + 1)")
    assert sorted(found) == [row.number for row in steps.of(trace, "backward", op="softplus")]
    click(browser, "#lessons .link", trace.lessons[0].text)
    assert row(browser) == trace.lessons[0].row


def test_a_row_shows_its_formula_its_numbers_and_its_place_in_the_graph(opened, browser, trace):
    opened(trace)
    softplus, update = steps.of(trace, "backward", op="softplus")[0], steps.of(trace, "update")[0]
    browser.run(f"go({softplus.number - 1})")
    for text in ("g * sigmoid(x)", str(softplus.defined), str(softplus.place), softplus.place.code, "g, which arrived"):
        assert text in see(browser, "#card")
    classes = "Object.values(nodes).filter(n => n.element.classList.contains('{}')).map(n => n.l)"
    browser.run(f"go({update.number - 1})")
    assert browser.run(classes.format("updated")) == [str(trace.tensors[update.parameter])]
    browser.run("go(0)")
    assert browser.run(classes.format("now")) == ["affine"]
    weight = trace.tensors[trace.rows[0].inputs[1]].value
    browser.run("document.querySelectorAll('#card figure canvas')[1].focus()")
    browser.press("ArrowRight")
    readout = browser.run("document.querySelectorAll('#card figure .readout')[1].textContent").replace("\u2212", "-")
    assert readout == f"[0, 1] = {weight.first[1]:.4g}"
    assert browser.run("current") == 0  # the arrow moved in the map, not on


def test_a_tensor_shows_where_its_gradient_came_from_or_why_it_is_none(opened, browser, trace):
    opened(trace)
    click(browser, ".node", "D.0.weight")
    assert "gradient (2, 8)" in see(browser, "#tensor")
    click(browser, "#acts button", "G learns")
    assert "None in this backward pass: it was frozen, at games/gan.py:" in see(browser, "#tensor")
    click(browser, "#acts button", "D learns")
    click(browser, ".node", "D.0.weight")
    click(browser, "#tensor .link", "gradient of D.0.weight by affine")
    assert trace.rows[row(browser) - 1].source in see(browser, "#card .formula")


def test_the_smallest_gradient_and_the_first_nan_are_found(opened, browser):
    t = steps.nan()
    opened(t)
    click(browser, "#bynorm")
    click(browser, "#rows .row")
    norms = {row.number: row.left.norm for row in steps.of(t, "backward") if np.isfinite(row.left.norm)}
    assert norms[row(browser)] == min(norms.values())
    click(browser, "#nan")
    assert "from an infinity in u, which row 1 made" in see(browser, "#card")
    assert browser.run("Object.values(nodes).filter(n => n.element.classList.contains('bad')).map(n => n.b)") == ["v (2)"]


def test_tab_reaches_every_control_and_each_has_a_name(opened, browser, trace):
    opened(trace)
    browser.run("pick(2); window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
    controls = """[...document.querySelectorAll("button, input, canvas, [tabindex]")].filter(e => e.tabIndex >= 0
        && !e.hidden && e.getClientRects().length)"""
    for _ in range(browser.run(f"{controls}.length") + 2):
        browser.press("Tab")
    assert browser.run(f"{controls}.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 90))") == []
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    focusable = [n for n in nodes if any(p["name"] == "focusable" for p in n.get("properties", []))]
    unnamed = [n["role"]["value"] for n in focusable if not n.get("name", {}).get("value")]
    assert len(focusable) > 40
    assert set(unnamed) <= {"RootWebArea"}
