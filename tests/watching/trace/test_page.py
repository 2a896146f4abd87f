"""The page of a trace: what is in it, and what a reader can do with it in a browser."""

import base64
import html.parser
import json
import time
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from minigan import data, games, nn, optim
from minigan.watching.trace import page
from minigan.watching.trace.rows import MAP, SourceLine, TensorEntry, Update, Value
from tests.helpers.browser import CONTRAST
from tests.watching.trace import steps

SIZES = [(1280, 800), (1920, 1080), (390, 844)]


def contents(text):
    """What the page's script is given."""
    return json.loads(text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])


@pytest.fixture(scope="module")
def trace():
    mg.seed(0)
    return steps.gan()


@pytest.fixture(scope="module")
def told(trace):
    return contents(page.text(trace))


def unseen():
    """D learns: G's parameters get no gradient."""
    G, D = steps.players()
    with mg.trace(G=G, D=D) as t:
        fake = G(np.ones((4, 2), np.float32)).detach()
        D(fake).mean().backward()
    return t


def dcgan():
    """A small one, whose layers fold."""
    G, D = games.dcgan_generator(8, 4), games.dcgan_discriminator(1, 4)
    game = games.GAN(G, D, data.noise(8), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
    images = np.random.default_rng(0).uniform(-1, 1, (16, 1, 28, 28)).astype("float32")
    return steps.traced(game, data.batches(images, size=8))


def deep():
    """A GAN whose networks have three layers: its graph has more columns."""
    layers = lambda act, out: [nn.Dense(2, 8), act(), nn.Dense(8, 8), act(), nn.Dense(8, out)]  # noqa: E731
    G, D = nn.Sequential(*layers(nn.ReLU, 2)), nn.Sequential(*layers(nn.LeakyReLU, 1))
    game = games.GAN(G, D, data.noise(2), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
    return steps.traced(game, data.batches(data.ring(100), size=4))


def long():
    """More columns than fit into any window."""
    w = mg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    with mg.trace(w=w) as t:
        y = w
        for op in 12 * [mg.exp, mg.sin, mg.tanh]:
            y = op(y)
        y.sum().backward()
    return t


def updates(n, value):
    """A trace that is nothing but n updates of a parameter."""
    entry = TensorEntry(1, "w", "parameter", value, True)
    rows = [Update(i + 1, SourceLine("here.py", 1), "SGD", "", 1, value, value, value) for i in range(n)]
    return SimpleNamespace(rows=rows, tensors={1: entry}, lessons=[], players=[])


# --- what is in it --------------------------------------------------------------------------------------------------------


def test_write_returns_the_path_of_a_small_page(trace, tmp_path):
    path = trace.html(str(tmp_path / "step.html"))
    assert path == tmp_path / "step.html"
    assert path.read_text(encoding="utf-8") == page.text(trace)
    assert path.stat().st_size < 130_000


def test_every_row_is_on_the_page_with_its_formula_and_places(trace, told):
    assert [row["n"] for row in told["rows"]] == [row.number for row in trace.rows]
    for row, shown in zip(trace.rows, told["rows"], strict=True):
        assert told["places"][shown["p"]] == [str(row.place), row.place.code]
        if row.kind == "backward":
            assert (shown["f"], shown["d"]) == (row.source, str(row.defined))
            assert set(row.helpers) <= set(shown["remarks"])
        if row.kind in ("forward", "update"):
            assert shown["f"] == row.formula


def test_every_tensor_has_its_history_and_every_lesson_its_row(trace, told):
    for number, tensor in told["tensors"].items():
        assert tensor["l"] == str(trace.tensors[int(number)])
        assert tensor["h"][0][0] == "How it was made"
        assert any(number in act["g"] for act in told["acts"])
    assert told["lessons"] == [[lesson.text, lesson.row - 1] for lesson in trace.lessons]


def test_data_cannot_end_the_script():
    x = mg.Tensor([1.0], name="</script><!-- \u2028 é")
    with mg.trace() as t:
        x * 2.0

    class Tags(html.parser.HTMLParser):
        found: list = []  # noqa: RUF012 (one parser)

        def handle_starttag(self, tag, attributes):
            self.found.append(tag)

        def handle_endtag(self, tag):
            self.found.append("/" + tag)

    text = page.text(t)
    parser = Tags()
    parser.feed(text)
    assert parser.found.count("script") == parser.found.count("/script") == 2
    assert contents(text)["tensors"]["1"]["l"] == x.name


def test_maps_keep_what_they_show():
    numbers = np.random.default_rng(0).normal(size=(20, 30))
    numbers[0, :3] = np.nan, np.inf, -np.inf
    told = page.encoded(numbers, numbers.shape)
    codes = np.frombuffer(base64.b64decode(told["z"]), np.uint8).reshape(20, 30)
    assert codes[0, :3].tolist() == [page.NAN, page.INFINITY, page.MINUS_INFINITY]
    low, high = told["q"]
    finite = np.isfinite(numbers)
    back = low + codes / page.LEVELS * (high - low)
    assert np.abs(back - numbers)[finite].max() < 0.51 * (high - low) / page.LEVELS + 1e-3
    assert page.encoded(np.array([[1.5, np.nan]]), (2,))["v"] == [1.5, "nan"]
    assert page.encoded(np.full((8, 8), 3.0), (8, 8))["q"] == [3.0, 3.0]


def test_maps_of_images_are_cut_between_images():
    value = Value.of(np.zeros((10, 3, 14, 14)))
    assert value.map.shape == (42, 56)
    assert page.smaller(value.map, value.shape, 32).shape == (28, 28)
    assert page.smaller(value.map, value.shape, 8).shape == (8, 8)
    assert page.encoded(value.map, value.shape)["i"] == [14, 14]


def test_a_page_that_would_be_too_large_has_smaller_maps_and_says_so(monkeypatch):
    t = updates(50, Value.of(np.zeros(3)))
    for row in t.rows:
        row.after = Value.of(np.random.default_rng(row.number).normal(size=(MAP, MAP)))
    whole = page.text(t)
    assert "too large" not in whole
    monkeypatch.setattr(page, "SIZE", len(whole) // 2)
    small = page.text(t)
    assert len(small) <= len(whole) // 2
    assert contents(small)["omissions"] == ["The page would be too large: its maps show at most 32 x 32 numbers."]


def test_a_page_shows_500_rows_and_says_so():
    told = contents(page.text(updates(page.ROWS + 7, Value.of(np.zeros(3)))))
    assert len(told["rows"]) == page.ROWS
    assert told["omissions"] == ["This page shows 500 rows: the last 7 of this trace are not here."]


def test_where_even_maps_are_too_much_rows_are_left_out(monkeypatch):
    monkeypatch.setattr(page, "ROWS", 100)
    t = updates(page.ROWS, Value.of(np.zeros(3)))
    monkeypatch.setattr(page, "SIZE", len(page.text(updates(80, Value.of(np.zeros(3))))))
    text = page.text(t)
    assert len(text) <= page.SIZE
    assert "This page shows 50 rows: the last 50 of this trace are not here." in contents(text)["omissions"]


def test_acts_that_repeat_are_left_out_of_a_long_page(monkeypatch):
    t = steps.traced(*steps.game(games.WGAN))  # five steps of D
    monkeypatch.setattr(page, "ROWS", 150)
    acts, notes = page.shown(t, page.ROWS)
    assert [act.title for act in acts][:3] == ["D learns", "D learns", "G learns"]
    assert len(notes) == 1
    assert "Acts 1 to 5 do the same" in notes[0]
    assert "3 acts are left out" in notes[0]
    text = contents(page.text(t))
    assert [row["n"] for row in text["rows"]] == [row.number for act in acts for row in act.rows]


def nothing():
    with mg.trace() as t:
        pass
    return t


def test_a_trace_of_nothing_has_a_page():
    assert contents(page.text(nothing()))["rows"] == []


# --- in a browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages, by name: written when they are first asked for."""
    folder, made = tmp_path_factory.mktemp("pages"), {"gan": steps.gan, "unseen": unseen, "nan": steps.nan, "dcgan": dcgan}
    made |= {"wgan_gp": steps.wgan_gp, "nothing": nothing, "deep": deep, "long": long}

    def file(name):
        path = folder / f"{name}.html"
        if not path.exists():
            mg.seed(0)
            page.write(made[name](), path)
        return path

    return file


@pytest.fixture
def opened(browser, files):
    """A function that opens a page; whatever the test does, nothing may go wrong in the page, or leave it."""

    def open_(name, size=SIZES[0]):
        browser.resize(*size)
        browser.open(files(name))
        return Reader(browser)

    yield open_
    assert browser.errors == []
    assert len(browser.requests) == 1  # the page itself


class Reader:
    """Somebody who looks at the page, and counts clicks."""

    def __init__(self, browser):
        self.browser, self.clicks = browser, 0

    def see(self, selector):
        return self.browser.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def row(self):
        """The number of the current row."""
        return int(self.see("#counter").split()[1])

    def click(self, selector, text=""):
        """Click the first element of this kind with this text, after scrolling to it."""
        place = self.browser.run(f"""(() => {{
            const all = [...document.querySelectorAll({json.dumps(selector)})];
            const found = all.find(e => (e.getAttribute("aria-label") ?? e.textContent).includes({json.dumps(text)}));
            found.scrollIntoView({{block: "nearest", inline: "nearest"}});
            const box = found.getBoundingClientRect();
            return [box.left + Math.min(box.width / 2, 40), box.top + box.height / 2];
        }})()""")
        self.browser.click(*place)
        self.clicks += 1


@pytest.mark.parametrize("name", ["gan", *[pytest.param(name, marks=pytest.mark.slow) for name in ("nan", "dcgan", "wgan_gp")]])
def test_pages_open_and_fit_with_larger_letters_on_a_larger_window(name, opened, browser, files):
    files(name)
    letters = []
    for size in SIZES[:2]:
        opened(name, size)
        assert browser.run("document.querySelectorAll('.node').length") > 2
        assert browser.run("innerWidth") == size[0]
        assert browser.run("document.documentElement.scrollWidth") <= size[0]
        assert browser.run("document.documentElement.scrollHeight") <= size[1]
        letters.append(browser.run("parseFloat(getComputedStyle(document.body).fontSize)"))
    assert letters[0] >= 13
    assert letters[1] >= 20


@pytest.mark.parametrize(
    ("size", "name", "fits"),
    [
        *(pytest.param(SIZES[0], name, True, marks=pytest.mark.slow) for name in ("wgan_gp", "dcgan")),
        (SIZES[0], "deep", True),
        (SIZES[0], "long", False),
        (SIZES[2], "gan", False),
    ],
)
def test_no_box_of_the_graph_is_cut(size, name, fits, opened, browser):
    """A graph that does not fit moves by whole columns."""
    outside = """(() => { const panel = document.getElementById("graph").getBoundingClientRect(), boxes = Object.values(nodes);
        const found = boxes.map(n => n.element.querySelector("rect.box").getBoundingClientRect());
        return found.map(box => Math.max(panel.left - box.left, box.right - panel.right) / box.width); })()"""
    opened(name, size)
    for row in ("0", "rows.findIndex(row => row.k === 'backward')", "rows.length - 1"):
        shares = browser.run(f"go({row}), {outside}")
        assert [share for share in shares if 0.02 < share < 0.98] == []
        assert max(shares) < 0.02 or not fits


def test_keys_buttons_and_the_slider_move(opened, browser, trace):
    reader, last = opened("gan"), len(trace.rows)
    assert reader.row() == 1
    for key, row in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", last), ("ArrowRight", last), ("Home", 1)]:
        browser.press(key)
        assert reader.row() == row
    for button, row in [("#next", 2), ("#last", last), ("#back", last - 1), ("#first", 1)]:
        reader.click(button)
        assert reader.row() == row
    browser.run("document.getElementById('slider').focus()")
    browser.press("ArrowRight")
    assert reader.row() == 2
    box = "document.getElementById('slider').getBoundingClientRect()"
    x, y, width = browser.run(f"(b => [b.left, b.top + b.height / 2, b.width])({box})")
    browser.click(x + width / 2, y)
    assert abs(reader.row() - last / 2) < 4


def test_keys_do_nothing_on_a_page_of_nothing(opened, browser):
    reader = opened("nothing")
    for key in ("ArrowRight", "ArrowDown", "End", "Home"):
        browser.press(key)
    reader.click("#bynorm")
    assert "Nothing happened" in reader.see("#card")


def test_up_and_down_go_to_the_next_row_of_the_list_whatever_was_clicked(opened, browser):
    reader = opened("gan")
    for clicked in ("body", "#card", "#next", "#graph .node", "#search", "#acts button", "#bynorm", "#rows .row"):
        reader.click(clicked)
        shown = browser.run("[...document.querySelectorAll('#rows .row')].map(button => +button.dataset.row)")
        browser.run(f"go({shown[0]})")
        for key, place in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("ArrowUp", 0), ("ArrowUp", 0)):
            browser.press(key)
            assert (clicked, reader.row()) == (clicked, shown[place] + 1)
    assert browser.run("document.activeElement.dataset.row") == str(shown[0])
    assert browser.run("document.querySelectorAll('#rows [tabindex=\"0\"]').length") == 1  # one stop of Tab


@pytest.mark.slow
def test_space_plays_and_stops(opened, browser):
    reader = opened("gan")
    browser.press(" ")
    assert reader.see("#play") == "Pause"
    hang = time.monotonic() + 60
    while reader.row() == 1 and time.monotonic() < hang:
        time.sleep(0.05)
    assert reader.row() > 1
    browser.press(" ")
    assert reader.see("#play") == "Play"


def test_a_row_shows_its_formula_its_source_and_the_users_line(opened, browser, trace):
    reader = opened("gan")
    row = next(row for row in trace.rows if row.kind == "backward" and row.op == "softplus")
    browser.run(f"go({row.number - 1})")
    card = reader.see("#card")
    for text in ("g * sigmoid(x)", str(row.defined), str(row.place), row.place.code, "g, which arrived"):
        assert text in card


def test_the_graph_shows_where_the_step_is(opened, browser, trace):
    opened("gan")
    classes = "Object.values(nodes).filter(n => n.element.classList.contains('{}')).map(n => n.l)"
    assert browser.run(classes.format("now")) == ["affine"]
    assert len(browser.run(classes.format("future"))) > 10
    backward = next(row for row in trace.rows if row.kind == "backward")
    browser.run(f"go({backward.number - 1})")
    assert browser.run("edges.filter(e => e.back.getAttribute('class').includes('now')).length") == 1
    assert browser.run(classes.format("future")) == []
    update = next(row for row in trace.rows if row.kind == "update")
    browser.run(f"go({update.number - 1})")
    assert browser.run(classes.format("updated")) == [str(trace.tensors[update.parameter])]
    frozen = next(row for row in trace.rows if row.kind == "cut" and row.what == "frozen")
    browser.run(f"go({frozen.number})")
    assert sorted(browser.run(classes.format("frozen"))) == sorted(str(trace.tensors[n]) for n in frozen.inputs)
    browser.run("go(3)")
    assert browser.run("edges.filter(e => e.mark?.classList.contains('now')).length") == 1


def test_heat_maps_tell_their_numbers_to_the_mouse_and_to_the_keyboard(opened, browser, trace):
    opened("gan")
    weight = trace.tensors[trace.rows[0].inputs[1]].value
    figure = "document.querySelectorAll('#card figure')[1]"
    x, y = browser.run(f"(b => [b.left + 3, b.top + 3])({figure}.querySelector('canvas').getBoundingClientRect())")
    readout = f"{figure}.querySelector('.readout').textContent"
    browser.hover(x, y)
    assert browser.run(readout).replace("\u2212", "-") == f"[0, 0] = {weight.first[0]:.4g}"
    browser.hover(0, 0)
    browser.run(f"{figure}.querySelector('canvas').focus()")
    browser.press("ArrowRight")
    assert browser.run(readout).replace("\u2212", "-") == f"[0, 1] = {weight.first[1]:.4g}"
    assert browser.run("current") == 0  # the arrow moved in the map, not on


def test_rows_are_searched_and_lessons_lead_to_their_rows(opened, browser, trace):
    reader = opened("gan")
    search = "(s => {{ s.value = '{}'; s.dispatchEvent(new Event('input')); }})(document.getElementById('search'))"
    browser.run(search.format("backward softplus"))
    shown = browser.run("[...document.querySelectorAll('#rows .row')].map(b => +b.dataset.row + 1)")
    assert shown == [row.number for row in steps.of(trace, "backward", op="softplus")]
    browser.run(search.format("zzz"))
    assert reader.see("#rows") == "No row matches."
    reader.click("#lessons .link", trace.lessons[0].text)
    assert reader.row() == trace.lessons[0].row


# --- four questions, in three clicks at most --------------------------------------------------------------------------


def test_which_op_made_this_gradient(opened, trace):
    reader = opened("gan")
    reader.click(".node", "D.0.weight")
    reader.click("#tensor .link", "gradient of D.0.weight by affine")
    row = trace.rows[reader.row() - 1]
    assert str(row.defined) in reader.see("#card")
    assert row.source in reader.see("#card .formula")
    assert reader.clicks <= 3


@pytest.mark.parametrize("name", ["unseen", "wgan_gp"])
def test_why_is_this_gradient_none(name, opened):
    """As D learns, also where G learns after it."""
    reader = opened(name)
    reader.click(".node", "G.0.weight")
    assert "None in this backward pass: fake was detached at " in reader.see("#tensor")
    assert "gradient (" not in reader.see("#tensor")
    assert reader.clicks <= 3


def test_a_tensor_shows_the_backward_pass_of_the_act(opened, browser, trace):
    """Of a tensor that was clicked, also when the player has come to the next act; and an update, of the last backward pass."""
    reader = opened("gan")
    reader.click(".node", "D.0.weight")
    assert "gradient (2, 8)" in reader.see("#tensor")
    reader.click("#acts button", "G learns")
    assert reader.see("#tensor h3") == "Its gradient in act 2, G learns"
    assert "None in this backward pass: it was frozen, at games/gan.py:" in reader.see("#tensor")
    assert "gradient (" not in reader.see("#tensor")
    reader.click("#acts button", "no backward pass")
    assert "None in this act, which does not use it" in reader.see("#tensor")
    told = contents(page.text(steps.traced(*steps.game(k=2))))
    passes = [i for i, row in enumerate(told["rows"]) if row["k"] == "backward pass"]
    changes = [i for i, row in enumerate(told["rows"]) if row["k"] == "update" and row["s"].endswith("D.0.weight")]
    for i, first, after in zip(changes, passes[:2], passes[1:], strict=True):
        of_update = [line for line in told["rows"][i]["links"] if isinstance(line, int)]
        assert len(of_update) == 2
        assert all(first < at < after for at in of_update)


@pytest.mark.parametrize("name", ["gan", "nan"])
def test_which_derivative_is_smallest(name, opened, browser, files):
    reader = opened(name)
    reader.click("#bynorm")
    reader.click("#rows .row")
    rows = contents(files(name).read_text(encoding="utf-8"))
    norms = [rows["values"][row["v"][1][1]]["q"][1] for row in rows["rows"] if row["k"] == "backward"]
    smallest = rows["values"][rows["rows"][reader.row() - 1]["v"][1][1]]["q"][1]
    assert smallest == min(norm for norm in norms if norm != "nan")
    assert reader.see("#rows h3") == "Gradients, by their norms"
    assert f"norm {smallest}" in browser.run("document.querySelector('#rows .row').getAttribute('aria-label')")
    assert reader.clicks <= 3
    reader.click("#bynorm")
    browser.press("Home")
    assert reader.see("#bynorm") == "norm, largest first"
    reader.click("#rows .row")
    largest = rows["values"][rows["rows"][reader.row() - 1]["v"][1][1]]["q"][1]
    assert largest == ("nan" if "nan" in norms else max(norms))
    reader.click("#inorder")
    assert browser.run("document.querySelectorAll('#rows .row').length") == len(rows["rows"])


def test_a_notebook_shows_the_page_itself(browser, tmp_path, trace):
    cell = tmp_path / "cell.html"
    cell.write_text(f"<body style='width: 960px'>{trace._repr_html_()}</body>", encoding="utf-8")
    browser.resize(1280, 800)
    browser.open(cell)
    with browser.inside_the_frame():
        assert browser.run("document.querySelector('h1').textContent") == "The record of a step"
        assert browser.run("go(5); document.getElementById('counter').innerText") == f"row 6 of {len(trace.rows)}"
        assert browser.run("document.getElementById('graph').clientHeight") > 150
        assert browser.run("document.documentElement.scrollWidth") <= 960
        with pytest.raises(RuntimeError, match="SecurityError"):
            browser.run("parent.document.title")
    assert browser.errors == []
    assert browser.requests == [cell.as_uri()]


def test_where_did_this_nan_come_from(opened, browser):
    reader = opened("nan")
    reader.click("#nan")
    assert "from an infinity in u, which row 1 made" in reader.see("#card")
    assert browser.run("Object.values(nodes).filter(n => n.element.classList.contains('bad')).map(n => n.b)") == ["v (2)"]
    assert reader.clicks <= 3


def test_what_did_batch_norms_backward_add_up_and_images_lie_side_by_side(opened, browser):
    reader = opened("dcgan")
    reader.click(".node", "2 layers")
    reader.click("#tensor .link", "= batch_norm(")
    reader.click("#card .link", "by batch_norm")
    assert "mean(g x^)" in reader.see("#card").replace("  ", " ")
    assert reader.clicks <= 3
    browser.run("go(rows.findIndex(row => row.o === 'tanh'))")
    assert browser.run("maps[values[rows[current].v[1][1]].m].i") == [28, 28]
    width, height = browser.run("(c => [c.width, c.height])([...document.querySelectorAll('#card canvas')].pop())")
    assert width > 1.9 * height  # two images of 28 x 28


# --- for everybody ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nan", "dcgan"])
def test_text_stands_out(name, opened, browser):
    opened(name)
    states = ["go(0)", "go(3)", "go(rows.findIndex(row => row.k === 'backward'))", "go(rows.length - 1)", "pick(1)"]
    for state in [*states, "document.getElementById('nan').click()"]:
        browser.run(state)
        found = browser.run(CONTRAST)
        assert len(found) > 20
        assert found[0][0] >= 4.5, (state, found[0])


def test_tab_reaches_every_control_and_each_has_a_name(opened, browser):
    opened("gan")
    browser.run("pick(2); window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
    controls = """[...document.querySelectorAll("button, input, canvas, [tabindex]")].filter(e => e.tabIndex >= 0
        && !e.hidden && e.getClientRects().length)"""
    for _ in range(browser.run(f"{controls}.length") + 2):
        browser.press("Tab")
    missed = browser.run(f"{controls}.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 90))")
    assert missed == []
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    focusable = [n for n in nodes if any(p["name"] == "focusable" for p in n.get("properties", []))]
    focusable = [n for n in focusable if n["role"]["value"] != "RootWebArea"]
    unnamed = [n["role"]["value"] for n in focusable if not n.get("name", {}).get("value")]
    assert len(focusable) > 40
    assert unnamed == []


def test_focus_is_visible_enter_is_a_click_and_the_language_is_told(opened, browser):
    reader = opened("gan")
    browser.run("document.querySelector('#first').focus()")
    browser.press("Tab")
    assert browser.run("document.activeElement.id") == "back"
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.run("document.querySelector('.node').focus()")
    browser.press("Tab")
    assert browser.run("getComputedStyle(document.activeElement.querySelector('.halo')).strokeWidth") == "3px"
    browser.run("Object.values(nodes).find(n => n.l === 'G.0.weight').element.focus()")
    browser.press("Enter")
    assert reader.see("#tensor .name") == "G.0.weight, parameter"
    assert browser.run("document.documentElement.lang") == "en"


def test_nothing_moves_by_itself_for_those_who_want_that(opened, browser):
    opened("gan")
    animation = "getComputedStyle(document.querySelector('.edge.now')).animationName"
    assert browser.run(animation) == "flow"
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert browser.run(animation) == "none"
    browser.call("Emulation.setEmulatedMedia", features=[])
