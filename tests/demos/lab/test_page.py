"""The laboratory in a browser: what a class does with it."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from demos.lab.server import Server
from tests.demos.lab.test_code import END, parameters
from tests.demos.running import ROOT
from tests.helpers.browser import CONTRAST

SIZES = [(1280, 800), (1920, 1080), (390, 844)]


@pytest.fixture
def table(browser, tmp_path):
    """The page of a new server; nothing may go wrong in it, or leave the machine."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    yield Visitor(browser, server, tmp_path)
    server.table.playing = False
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith((server.address, "blob:", "file:", "data:"))] == []
    browser.open("about:blank")
    server.shutdown()
    server.server_close()


class Visitor:
    """Somebody at the table."""

    def __init__(self, browser, server, folder, size=SIZES[0]):
        self.browser, self.server, self.folder = browser, server, folder
        browser.resize(*size)
        browser.open(server.address)
        self.until("state && panes.length === 1")

    def run(self, script):
        return self.browser.run(script)

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, (condition, self.run("document.getElementById('said').textContent"))
            time.sleep(0.02)

    def press(self, words, pane=None):
        """Click the button with these words."""
        place = self.run(f"""(() => {{
            const root = {"document" if pane is None else f"panes[{pane}].root"};
            const all = [...root.querySelectorAll("button, summary, .shown label")].filter(b => b.offsetParent);
            const found = all.find(b => b.textContent === {words!r});
            found.scrollIntoView({{block: "nearest"}});
            const box = found.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2];
        }})()""")
        self.browser.click(*place)

    def choose(self, name, value, pane=0):
        """Another setting, as somebody who types it."""
        changed = "input.dispatchEvent(new Event('change'))"
        self.run(f"(() => {{ const input = panes[{pane}].inputs[{name!r}]; input.value = {value!r}; {changed}; }})()")

    def iteration(self, pane=0):
        return self.run(f"state.panes[{pane}].iteration")

    def step(self, words, condition):
        self.press(words)
        self.until(condition)

    def saved(self, name):
        path = self.folder / name
        end = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        return path


def test_a_lesson(table):
    """Draw data, play, pause, sub-steps, another rate, undo, two panes; save a player and a script, and use them."""
    table.press("Draw your own")
    box = table.run("(b => [b.left, b.top, b.width, b.height])(panes[0].plane.getBoundingClientRect())")
    at = [(box[0] + box[2] * a, box[1] + box[3] * b) for a, b in ((0.3, 0.3), (0.35, 0.3), (0.4, 0.35), (0.6, 0.7))]
    table.browser.drag(*at)
    table.browser.drag(at[0], (2, 2))  # beyond the plane
    for key in ("ArrowLeft", "ArrowUp", "Enter"):  # and without a mouse
        table.browser.press(key)
    drawn = table.run("panes[0].drawn")
    assert len(drawn) == 30
    assert np.allclose(drawn[0], (-0.6, 0.6), atol=0.06)
    assert np.allclose(drawn[-1], (-0.05, 0.05), atol=0.06)
    table.step("Use the drawing", "state.panes[0].settings.data === 'drawn' && panes[0].drawn === null")
    assert np.abs(np.array(table.run("state.panes[0].data"))[:, None] - np.array(drawn)).max(-1).min(1).max() < 0.15

    table.step("Play", "state.playing && state.panes[0].iteration > 20")
    table.step("Pause", "!state.playing")
    played = table.iteration()
    assert table.run("state.panes[0].history.length") > 2

    table.step("One sub-step", "state.panes[0].substep && state.panes[0].substep.name === 'x and z'")
    table.step("One sub-step", "state.panes[0].substep.name === 'G(z)'")
    assert table.run("document.querySelector('.rows').textContent").count("affine") >= 3
    assert "games/gan.py" in table.run("document.querySelector('.at').textContent")
    table.step("One iteration", f"state.panes[0].iteration === {played + 1} && !state.panes[0].substep")
    table.step("Undo", f"state.panes[0].iteration === {played}")

    table.choose("lr_D", "0.0125")
    table.until("state.panes[0].settings.lr_D === 0.0125")
    table.choose("lr_D", "-1")
    table.until("document.getElementById('said').textContent.startsWith('lr_D: expected')")
    assert table.run("panes[0].inputs.lr_D.value") == "0.0125"
    table.choose("lr_G", "")  # no number
    table.until("document.getElementById('said').textContent.startsWith('lr_G: expected')")
    table.choose("game", "hinge")
    table.until("state.panes[0].settings.game === 'hinge'")
    table.step("One iteration", f"state.panes[0].iteration === {played + 1}")

    table.press("This run as code")
    table.until("document.querySelector('.code').textContent.includes('game = HingeGAN(G, D')")
    table.press("Save script")
    script = table.saved("run.py")
    subprocess.run([sys.executable, "-c", f"{script.read_text()}\n{END}", table.folder / "end.npz"], check=True, cwd=ROOT)
    theirs = np.load(table.folder / "end.npz").values()
    for mine, other in zip(parameters(table.server.table.panes[0]), theirs, strict=True):
        np.testing.assert_array_equal(mine, other)

    table.step("Two side by side", f"panes.length === 2 && state.panes.every(pane => pane.iteration === {played + 1})")
    samples = table.run("state.panes.map(pane => pane.samples)")
    assert samples[0] == samples[1]
    table.choose("game", "WGAN-GP", pane=1)
    table.until("state.panes[1].settings.game === 'WGAN-GP'")
    table.step("One iteration", f"state.panes.every(pane => pane.iteration === {played + 2})")
    samples = table.run("state.panes.map(pane => pane.samples)")
    assert samples[0] != samples[1]
    table.step("Undo", f"state.panes.every(pane => pane.iteration === {played + 1})")
    table.step("One iteration", f"state.panes.every(pane => pane.iteration === {played + 2})")

    table.press("Save player")
    player = table.saved("laboratory.html")
    assert player.stat().st_size < 5_000_000
    table.browser.open(player)
    assert not table.run("document.getElementById('play').offsetParent")
    assert table.run("document.title") == "A recorded run: GAN"
    frames = table.run("KNOWN.frames.length")
    table.browser.press("ArrowRight")
    assert table.run("at") == 1
    table.run("turn(KNOWN.frames.length - 1)")
    assert table.run("panes.length") == 2
    assert table.run("document.querySelector('h1').innerText") == "A recorded run: hinge and WGAN-GP"
    assert table.run("state.panes[1].iteration") == played + 2
    assert np.allclose(table.run("state.panes.map(pane => pane.samples)"), samples, atol=0.006)
    text = table.run("document.body.innerText")
    for words in ("Pane 1: hinge on drawn data", "Pane 2: WGAN-GP on drawn data", "blue: D says high", "black: G's samples"):
        assert words in text
    assert table.run("panes[1].inputs.k.innerText + ' ' + panes[1].inputs.lr_D.innerText") == "5 0.0001"
    table.run("turn(0)")
    table.press("Play")
    table.until(f"at === {frames - 1}")


@pytest.mark.parametrize("size", SIZES)
def test_it_fits_every_width_and_its_text_stands_out(table, size):
    """Two panes have their curves on the first screen, one pane uses it to its end; on a phone the plane comes first."""
    table.browser.resize(*size)
    table.press("One sub-step")
    table.until("state.panes[0].substep")
    table.press("One sub-step")
    for panes in (1, 2):
        if panes == 2:
            table.step("Two side by side", "panes.length === 2")
        assert table.run("document.documentElement.scrollWidth") <= size[0]
        found = table.run(CONTRAST)
        assert len(found) > 30
        assert found[0][0] >= 4.5, found[0]
        smallest = table.run("Math.min(...[...document.querySelectorAll('.plane')].map(c => c.getBoundingClientRect().width))")
        assert smallest > 250
        lowest = "Math.max(...[...document.querySelectorAll('.{}')].map(e => e.getBoundingClientRect().bottom))"
        if size[0] > 390:
            assert (
                table.run(lowest.format("curve"))
                <= table.run("document.querySelector('.step').getBoundingClientRect().top")
                < size[1]
            )
            assert panes == 2 or table.run(lowest.format("shown")) > size[1] - 40
        else:
            top = "document.querySelector('.{}').getBoundingClientRect().top"
            assert table.run(top.format("plane")) < size[1] / 2 < table.run(top.format("asked"))
        assert table.run("document.querySelector('.key').getBoundingClientRect().bottom") < size[1] / 3


def test_tab_reaches_every_control_and_each_has_a_name(table):
    table.press("This run as code")
    table.run("window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
    controls = """[...document.querySelectorAll("button, input, select, canvas[tabindex], summary, [tabindex]")]
        .filter(e => e.tabIndex >= 0 && e.getClientRects().length)"""
    for _ in range(table.run(f"{controls}.length") + 2):
        table.browser.press("Tab")
    assert table.run(f"{controls}.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 90))") == []
    unnamed = "e => !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))"
    assert table.run(f"{controls}.filter({unnamed}).map(e => e.outerHTML.slice(0, 90))") == []


def test_keys_play_it_whatever_was_clicked(table):
    for i, clicked in enumerate(("", "One sub-step", "This run as code", "samples", "game", "lr_D"), start=1):
        if clicked in ("game", "lr_D"):  # a choice, made with the mouse; a number, with Enter
            table.run(f"window.input = panes[0].inputs.{clicked}; input.focus(); document.onpointerdown()")
            table.run("input.dispatchEvent(new Event('change', {bubbles: true}))")
            table.browser.press("Enter" if clicked == "lr_D" else "ArrowRight")
        elif clicked:
            table.press(clicked)
        if clicked != "game":
            table.browser.press("ArrowRight")
        table.until(f"state.panes[0].iteration === {i}")
        table.browser.press("ArrowDown")
        table.until("state.panes[0].substep !== null")
        table.browser.press("ArrowLeft")
        table.until(f"state.panes[0].iteration === {i} && state.panes[0].substep === null")
    table.browser.press(" ")
    table.until("state.playing")
    table.browser.press(" ")
    table.until("!state.playing")
    table.run("document.getElementById('substep').focus()")  # a button that the keyboard has reached has its own space bar
    table.browser.press(" ")
    table.until("state.panes[0].substep !== null")
    assert table.run("document.activeElement.id") == "substep"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("pane", "asked", "who"),
    [
        (0, {"optimizer": "SGD", "lr_D": "5", "lr_G": "5"}, "parameters of D and then of G"),
        (1, {"optimizer": "SGD", "lr_D": "10", "lr_G": "0", "game": "GAN with R1"}, "parameters of D"),
        (1, {"game": "WGAN-GP", "optimizer": "momentum", "lr_D": "9", "lr_G": "0"}, "parameters of D"),
    ],
)
def test_a_run_that_diverges_stops_and_says_where(table, pane, asked, who):
    if pane:
        table.step("Two side by side", "panes.length === 2")
    for setting, value in asked.items():
        table.choose(setting, value, pane)
        table.until(f"String(state.panes[{pane}].settings.{setting}) === {value!r}")
    table.step("Play", f"!state.playing && state.panes[{pane}].trouble")
    at = table.iteration(pane)
    text = table.run(f"panes[{pane}].root.querySelector('.trouble').innerText")
    assert text.startswith(f"Iteration {at:,}: {who}")
    painted = table.run(f"[...panes[{pane}].plane.getContext('2d').getImageData(panes[{pane}].plane.width / 2, 99, 1, 1).data]")
    if who.endswith("G"):
        assert painted[:3] == [255, 255, 255]  # no opinion, neither real nor fake
        assert "256 of 256 samples are nan or infinite" in table.run(f"panes[{pane}].root.innerText")
    assert table.run("['play', 'iterate', 'substep'].map(id => document.getElementById(id).disabled)") == [True, True, True]
    table.browser.press("ArrowRight")
    table.run(f"panes[{pane}].root.querySelector('.trouble button').click()")
    table.until(f"state.panes.every(pane => pane.iteration === {at - 1} && !pane.trouble)")
    assert not table.run("document.getElementById('play').disabled")
    assert not table.run(f"panes[{pane}].root.querySelector('.trouble').offsetParent")


def test_another_game_brings_its_papers_rates_says_so_and_undo_takes_them_back(table):
    for game, words, wanted in [
        ("WGAN-GP", "its paper's k = 5 and rate 0.0001, Adam", [5, 1e-4, "Adam"]),
        ("WGAN", "its paper's k = 5 and rate 5e-05, RMSProp", [5, 5e-5, "RMSProp"]),
        ("hinge", "hinge has k = 1 and rate 0.002, Adam", [1, 0.002, "Adam"]),
    ]:
        table.choose("game", game)
        table.until(f"document.getElementById('said').textContent.includes({json.dumps(words)})")
        assert table.run("(s => [s.k, s.lr_G, s.optimizer])(state.panes[0].settings)") == wanted
    for game, k in (("WGAN", 5), ("WGAN-GP", 5), ("GAN", 1)):
        table.step("Undo", f"state.panes[0].settings.game === '{game}'")
        assert table.run("state.panes[0].settings.k") == k


def test_samples_beyond_the_plane_are_counted(table):
    for samples, words in [([[0, 0], [1.6, 0], [0, -9]], "2 of 3 samples are outside"), ([[0, 0]], "")]:
        table.run(f"show({{...state, panes: [{{...state.panes[0], samples: {samples}}}]}})")
        assert table.run("document.querySelector('.outside').innerText") == words


def test_modes_come_with_the_share_of_samples_near_to_one(table):
    figures = "panes[0].root.querySelector('.figures').innerText.replace(/\\s+/g, ' ')"
    table.run("show({...state, panes: [{...state.panes[0], figures: {iteration: 7, modes: 8, of: 8, high_quality: .414}}]})")
    assert "modes 8 of 8 within 3 std 41 %" in table.run(figures)
    table.choose("data", "moons")
    table.until("state.panes[0].settings.data === 'moons'")
    assert "std" not in table.run(figures)


def test_a_curve_has_a_box_where_it_may_have_values_and_labels_where_it_has_some(table):
    painted = """(() => { const texts = [], before = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text) { texts.push(text); before.apply(this, arguments); };
        panes[0].paint(); CanvasRenderingContext2D.prototype.fillText = before; return texts; })()"""
    shown = "panes[0].charts.map(canvas => canvas.offsetParent !== null)"
    assert table.run(shown) == [True, True, True]
    assert [text for text in table.run(painted) if "e" in text and "arrow" not in text] == []
    table.run("panes[0].history = [{iteration: 0, loss_D: 3e30, loss_G: -2e-7, distance: 0}]; panes[0].paint()")
    assert {"3e+30", "-2e-7"} <= set(table.run(painted))
    table.choose("game", "WGAN")
    table.until("state.panes[0].settings.game === 'WGAN'")
    assert table.run(shown) == [True, False, True]  # a critic has no D(x)
    assert "blue: D says high" in table.run("document.querySelector('.key').innerText")


def test_a_restart_and_a_second_pane_lose_nothing(table):
    for i in (1, 2, 3):
        table.step("One iteration", f"state.panes[0].iteration === {i}")
    samples, rows = table.run("[state.panes[0].samples, state.panes[0].history.length]")
    table.step("Two side by side", "panes.length === 2")
    assert table.run("state.panes.map(pane => [pane.iteration, pane.samples, pane.history.length])") == [[3, samples, rows]] * 2
    table.step("Two side by side", "panes.length === 1")
    table.step("Restart", "state.panes[0].iteration === 0")
    table.step("Undo", "state.panes[0].iteration === 3")
    table.choose("width", "8")
    table.until("state.panes[0].iteration === 0")
    table.step("Undo", "state.panes[0].iteration === 3")
    assert table.run("[state.panes[0].samples, state.panes[0].history.length]") == [samples, rows]


def test_reloading_goes_on_where_it_was(table):
    for i in (1, 2):
        table.step("One iteration", f"state.panes[0].iteration === {i}")
    table.browser.open(table.server.address)
    table.until("state && state.panes[0].iteration === 2")


@pytest.mark.slow
def test_it_shows_a_hundred_frames(table):
    table.run("window.shown = 0; { const before = show; show = (...all) => { shown++; before(...all); }; }")
    table.press("Play")
    table.until("shown >= 100")  # in ten seconds, on a machine that does nothing else
