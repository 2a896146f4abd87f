"""The playground in a browser, used as in a class."""

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
def page(browser, tmp_path):
    """The page of a new server; nothing may go wrong in it, or leave the machine."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    yield Visitor(browser, server, tmp_path)
    server.session.playing = False
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith((server.address, "blob:", "file:", "data:"))] == []
    browser.open("about:blank")
    server.shutdown()
    server.server_close()


class Visitor:
    """A person who uses the page."""

    def __init__(self, browser, server, folder, size=SIZES[0]):
        self.browser, self.server, self.folder = browser, server, folder
        browser.resize(*size)
        browser.open(server.address)
        self.until("state && panels.length === 1")

    def run(self, script):
        return self.browser.run(script)

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, (condition, self.run("document.getElementById('message').textContent"))
            time.sleep(0.02)

    def press(self, words, panel=None):
        """Click the button with these words."""
        place = self.run(f"""(() => {{
            const root = {"document" if panel is None else f"panels[{panel}].root"};
            const all = [...root.querySelectorAll("button, summary, .shown label")].filter(b => b.offsetParent);
            const found = all.find(b => b.textContent === {words!r});
            found.scrollIntoView({{block: "nearest"}});
            const box = found.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2];
        }})()""")
        self.browser.click(*place)

    def choose(self, name, value, panel=0):
        """Another setting, as somebody who types it."""
        changed = "input.dispatchEvent(new Event('change'))"
        self.run(f"(() => {{ const input = panels[{panel}].inputs[{name!r}]; input.value = {value!r}; {changed}; }})()")

    def iteration(self, panel=0):
        return self.run(f"state.panels[{panel}].iteration")

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


def test_a_lesson(page):
    """Draw data, play, pause, sub-steps, another rate, undo, two panels; save a player and a script, and use them."""
    page.press("Draw your own")
    box = page.run("(b => [b.left, b.top, b.width, b.height])(panels[0].plane.getBoundingClientRect())")
    at = [(box[0] + box[2] * a, box[1] + box[3] * b) for a, b in ((0.3, 0.3), (0.35, 0.3), (0.4, 0.35), (0.6, 0.7))]
    page.browser.drag(*at)
    page.browser.drag(at[0], (2, 2))  # beyond the plane
    for key in ("ArrowLeft", "ArrowUp", "Enter"):  # and without a mouse
        page.browser.press(key)
    drawn = page.run("panels[0].drawn")
    assert len(drawn) == 30
    assert np.allclose(drawn[0], (-0.6, 0.6), atol=0.06)
    assert np.allclose(drawn[-1], (-0.05, 0.05), atol=0.06)
    page.step("Use the drawing", "state.panels[0].settings.data === 'drawn' && panels[0].drawn === null")
    assert np.abs(np.array(page.run("state.panels[0].data"))[:, None] - np.array(drawn)).max(-1).min(1).max() < 0.15

    page.step("Play", "state.playing && state.panels[0].iteration > 20")
    page.step("Pause", "!state.playing")
    played = page.iteration()
    assert page.run("state.panels[0].history.length") > 2

    page.step("One sub-step", "state.panels[0].substep && state.panels[0].substep.name === 'x and z'")
    page.step("One sub-step", "state.panels[0].substep.name === 'G(z)'")
    assert page.run("document.querySelector('.rows').textContent").count("affine") >= 3
    assert "games/gan.py" in page.run("document.querySelector('.at').textContent")
    page.step("One iteration", f"state.panels[0].iteration === {played + 1} && !state.panels[0].substep")
    page.step("Undo", f"state.panels[0].iteration === {played}")

    page.choose("lr_D", "0.0125")
    page.until("state.panels[0].settings.lr_D === 0.0125")
    page.choose("lr_D", "-1")
    page.until("document.getElementById('message').textContent.startsWith('lr_D: expected')")
    assert page.run("panels[0].inputs.lr_D.value") == "0.0125"
    page.choose("lr_G", "")  # no number
    page.until("document.getElementById('message').textContent.startsWith('lr_G: expected')")
    page.choose("game", "hinge")
    page.until("state.panels[0].settings.game === 'hinge'")
    page.step("One iteration", f"state.panels[0].iteration === {played + 1}")

    page.press("This run as code")
    page.until("document.querySelector('.code').textContent.includes('game = HingeGAN(G, D')")
    page.press("Save script")
    script = page.saved("run.py")
    subprocess.run([sys.executable, "-c", f"{script.read_text()}\n{END}", page.folder / "end.npz"], check=True, cwd=ROOT)
    theirs = np.load(page.folder / "end.npz").values()
    for mine, other in zip(parameters(page.server.session.panels[0]), theirs, strict=True):
        np.testing.assert_array_equal(mine, other)

    page.step("Two side by side", f"panels.length === 2 && state.panels.every(panel => panel.iteration === {played + 1})")
    samples = page.run("state.panels.map(panel => panel.samples)")
    assert samples[0] == samples[1]
    page.choose("game", "WGAN-GP", panel=1)
    page.until("state.panels[1].settings.game === 'WGAN-GP'")
    page.step("One iteration", f"state.panels.every(panel => panel.iteration === {played + 2})")
    samples = page.run("state.panels.map(panel => panel.samples)")
    assert samples[0] != samples[1]
    page.step("Undo", f"state.panels.every(panel => panel.iteration === {played + 1})")
    page.step("One iteration", f"state.panels.every(panel => panel.iteration === {played + 2})")

    page.press("Save player")
    player = page.saved("playground.html")
    assert player.stat().st_size < 5_000_000
    page.browser.open(player)
    assert not page.run("document.getElementById('play').offsetParent")
    assert page.run("document.title") == "A recorded run: GAN"
    frames = page.run("KNOWN.frames.length")
    page.browser.press("ArrowRight")
    assert page.run("at") == 1
    page.run("turn(KNOWN.frames.length - 1)")
    assert page.run("panels.length") == 2
    assert page.run("document.querySelector('h1').innerText") == "A recorded run: hinge and WGAN-GP"
    assert page.run("state.panels[1].iteration") == played + 2
    assert np.allclose(page.run("state.panels.map(panel => panel.samples)"), samples, atol=0.006)
    text = page.run("document.body.innerText")
    for words in ("Panel 1: hinge on drawn data", "Panel 2: WGAN-GP on drawn data", "blue: D says high", "black: G's samples"):
        assert words in text
    assert page.run("panels[1].inputs.k.innerText + ' ' + panels[1].inputs.lr_D.innerText") == "5 0.0001"
    page.run("turn(0)")
    page.press("Play")
    page.until(f"at === {frames - 1}")


@pytest.mark.parametrize("size", SIZES)
def test_it_fits_every_width_and_its_text_stands_out(page, size):
    """Two panels have their curves on the first screen, one panel uses it to its end; on a phone the plane comes first."""
    page.browser.resize(*size)
    page.press("One sub-step")
    page.until("state.panels[0].substep")
    page.press("One sub-step")
    for panels in (1, 2):
        if panels == 2:
            page.step("Two side by side", "panels.length === 2")
        assert page.run("document.documentElement.scrollWidth") <= size[0]
        found = page.run(CONTRAST)
        assert len(found) > 30
        assert found[0][0] >= 4.5, found[0]
        smallest = page.run("Math.min(...[...document.querySelectorAll('.plane')].map(c => c.getBoundingClientRect().width))")
        assert smallest > 250
        lowest = "Math.max(...[...document.querySelectorAll('.{}')].map(e => e.getBoundingClientRect().bottom))"
        if size[0] > 390:
            assert (
                page.run(lowest.format("curve"))
                <= page.run("document.querySelector('.step').getBoundingClientRect().top")
                < size[1]
            )
            assert panels == 2 or page.run(lowest.format("shown")) > size[1] - 40
        else:
            top = "document.querySelector('.{}').getBoundingClientRect().top"
            assert page.run(top.format("plane")) < size[1] / 2 < page.run(top.format("asked"))
        assert page.run("document.querySelector('.key').getBoundingClientRect().bottom") < size[1] / 3


def test_tab_reaches_every_control_and_each_has_a_name(page):
    page.press("This run as code")
    page.run("window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
    controls = """[...document.querySelectorAll("button, input, select, canvas[tabindex], summary, [tabindex]")]
        .filter(e => e.tabIndex >= 0 && e.getClientRects().length)"""
    for _ in range(page.run(f"{controls}.length") + 2):
        page.browser.press("Tab")
    assert page.run(f"{controls}.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 90))") == []
    unnamed = "e => !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))"
    assert page.run(f"{controls}.filter({unnamed}).map(e => e.outerHTML.slice(0, 90))") == []


def test_keys_play_it_whatever_was_clicked(page):
    for i, clicked in enumerate(("", "One sub-step", "This run as code", "samples", "game", "lr_D"), start=1):
        if clicked in ("game", "lr_D"):  # a choice, made with the mouse; a number, with Enter
            page.run(f"window.input = panels[0].inputs.{clicked}; input.focus(); document.onpointerdown()")
            page.run("input.dispatchEvent(new Event('change', {bubbles: true}))")
            page.browser.press("Enter" if clicked == "lr_D" else "ArrowRight")
        elif clicked:
            page.press(clicked)
        if clicked != "game":
            page.browser.press("ArrowRight")
        page.until(f"state.panels[0].iteration === {i}")
        page.browser.press("ArrowDown")
        page.until("state.panels[0].substep !== null")
        page.browser.press("ArrowLeft")
        page.until(f"state.panels[0].iteration === {i} && state.panels[0].substep === null")
    page.browser.press(" ")
    page.until("state.playing")
    page.browser.press(" ")
    page.until("!state.playing")
    page.run("document.getElementById('substep').focus()")  # a button that the keyboard has reached has its own space bar
    page.browser.press(" ")
    page.until("state.panels[0].substep !== null")
    assert page.run("document.activeElement.id") == "substep"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("panel", "asked", "who"),
    [
        (0, {"optimizer": "SGD", "lr_D": "5", "lr_G": "5"}, "parameters of D and then of G"),
        (1, {"optimizer": "SGD", "lr_D": "10", "lr_G": "0", "game": "GAN with R1"}, "parameters of D"),
        (1, {"game": "WGAN-GP", "optimizer": "momentum", "lr_D": "9", "lr_G": "0"}, "parameters of D"),
    ],
)
def test_a_run_that_diverges_stops_and_says_where(page, panel, asked, who):
    if panel:
        page.step("Two side by side", "panels.length === 2")
    for setting, value in asked.items():
        page.choose(setting, value, panel)
        page.until(f"String(state.panels[{panel}].settings.{setting}) === {value!r}")
    page.step("Play", f"!state.playing && state.panels[{panel}].trouble")
    at = page.iteration(panel)
    text = page.run(f"panels[{panel}].root.querySelector('.trouble').innerText")
    assert text.startswith(f"Iteration {at:,}: {who}")
    painted = page.run(
        f"[...panels[{panel}].plane.getContext('2d').getImageData(panels[{panel}].plane.width / 2, 99, 1, 1).data]"
    )
    if who.endswith("G"):
        assert painted[:3] == [255, 255, 255]  # no opinion, neither real nor fake
        assert "256 of 256 samples are nan or infinite" in page.run(f"panels[{panel}].root.innerText")
    assert page.run("['play', 'iterate', 'substep'].map(id => document.getElementById(id).disabled)") == [True, True, True]
    page.browser.press("ArrowRight")
    page.run(f"panels[{panel}].root.querySelector('.trouble button').click()")
    page.until(f"state.panels.every(panel => panel.iteration === {at - 1} && !panel.trouble)")
    assert not page.run("document.getElementById('play').disabled")
    assert not page.run(f"panels[{panel}].root.querySelector('.trouble').offsetParent")


def test_another_game_brings_its_papers_rates_says_so_and_undo_takes_them_back(page):
    for game, words, wanted in [
        ("WGAN-GP", "its paper's k = 5 and rate 0.0001, Adam", [5, 1e-4, "Adam"]),
        ("WGAN", "its paper's k = 5 and rate 5e-05, RMSProp", [5, 5e-5, "RMSProp"]),
        ("hinge", "hinge has k = 1 and rate 0.002, Adam", [1, 0.002, "Adam"]),
    ]:
        page.choose("game", game)
        page.until(f"document.getElementById('message').textContent.includes({json.dumps(words)})")
        assert page.run("(s => [s.k, s.lr_G, s.optimizer])(state.panels[0].settings)") == wanted
    for game, k in (("WGAN", 5), ("WGAN-GP", 5), ("GAN", 1)):
        page.step("Undo", f"state.panels[0].settings.game === '{game}'")
        assert page.run("state.panels[0].settings.k") == k


def test_samples_beyond_the_plane_are_counted(page):
    for samples, words in [([[0, 0], [1.6, 0], [0, -9]], "2 of 3 samples are outside"), ([[0, 0]], "")]:
        page.run(f"show({{...state, panels: [{{...state.panels[0], samples: {samples}}}]}})")
        assert page.run("document.querySelector('.outside').innerText") == words


def test_modes_come_with_the_share_of_samples_near_to_one(page):
    figures = "panels[0].root.querySelector('.figures').innerText.replace(/\\s+/g, ' ')"
    page.run("show({...state, panels: [{...state.panels[0], figures: {iteration: 7, modes: 8, of: 8, high_quality: .414}}]})")
    assert "modes 8 of 8 within 3 std 41 %" in page.run(figures)
    page.choose("data", "moons")
    page.until("state.panels[0].settings.data === 'moons'")
    assert "std" not in page.run(figures)


def test_a_curve_has_a_box_where_it_may_have_values_and_labels_where_it_has_some(page):
    painted = """(() => { const texts = [], before = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text) { texts.push(text); before.apply(this, arguments); };
        panels[0].paint(); CanvasRenderingContext2D.prototype.fillText = before; return texts; })()"""
    shown = "panels[0].charts.map(canvas => canvas.offsetParent !== null)"
    assert page.run(shown) == [True, True, True]
    assert [text for text in page.run(painted) if "e" in text and "arrow" not in text] == []
    page.run("panels[0].history = [{iteration: 0, loss_D: 3e30, loss_G: -2e-7, distance: 0}]; panels[0].paint()")
    assert {"3e+30", "-2e-7"} <= set(page.run(painted))
    page.choose("game", "WGAN")
    page.until("state.panels[0].settings.game === 'WGAN'")
    assert page.run(shown) == [True, False, True]  # a critic has no D(x)
    assert "blue: D says high" in page.run("document.querySelector('.key').innerText")


def test_a_restart_and_a_second_panel_lose_nothing(page):
    for i in (1, 2, 3):
        page.step("One iteration", f"state.panels[0].iteration === {i}")
    samples, rows = page.run("[state.panels[0].samples, state.panels[0].history.length]")
    page.step("Two side by side", "panels.length === 2")
    assert (
        page.run("state.panels.map(panel => [panel.iteration, panel.samples, panel.history.length])")
        == [[3, samples, rows]] * 2
    )
    page.step("Two side by side", "panels.length === 1")
    page.step("Restart", "state.panels[0].iteration === 0")
    page.step("Undo", "state.panels[0].iteration === 3")
    page.choose("width", "8")
    page.until("state.panels[0].iteration === 0")
    page.step("Undo", "state.panels[0].iteration === 3")
    assert page.run("[state.panels[0].samples, state.panels[0].history.length]") == [samples, rows]


def test_reloading_goes_on_where_it_was(page):
    for i in (1, 2):
        page.step("One iteration", f"state.panels[0].iteration === {i}")
    page.browser.open(page.server.address)
    page.until("state && state.panels[0].iteration === 2")


@pytest.mark.slow
def test_it_shows_a_hundred_frames(page):
    page.run("window.shown = 0; { const before = show; show = (...all) => { shown++; before(...all); }; }")
    page.press("Play")
    page.until("shown >= 100")  # in ten seconds, on a machine that does nothing else
