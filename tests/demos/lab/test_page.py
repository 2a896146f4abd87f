"""The laboratory in a browser: what a class does with it."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from demos.lab.server import Server
from tests.browser import CONTRAST
from tests.demos.lab.test_code import END, parameters
from tests.demos.running import ROOT

SIZES = [(1280, 720), (1920, 1080), (390, 844)]


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
            const all = [...root.querySelectorAll("button, summary")].filter(b => b.offsetParent);
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
    table.step("Undo one iteration", f"state.panes[0].iteration === {played}")

    table.choose("lr_D", "0.0125")
    table.until("state.panes[0].settings.lr_D === 0.0125")
    table.choose("lr_D", "-1")
    table.until("document.getElementById('said').textContent.startsWith('lr_D: expected')")
    assert table.run("panes[0].inputs.lr_D.value") == "0.0125"
    table.choose("lr_G", "")  # no number
    table.until("document.getElementById('said').textContent.startsWith('lr_G: expected')")
    table.choose("game", "WGAN-GP")
    table.until("state.panes[0].settings.game === 'WGAN-GP'")
    table.step("One iteration", f"state.panes[0].iteration === {played + 1}")

    table.press("This run as code")
    table.until("document.querySelector('.code').textContent.includes('game = WGANGP(G, D')")
    table.press("Save script")
    script = table.saved("run.py")
    subprocess.run([sys.executable, "-c", f"{script.read_text()}\n{END}", table.folder / "end.npz"], check=True, cwd=ROOT)
    theirs = np.load(table.folder / "end.npz").values()
    for mine, other in zip(parameters(table.server.table.panes[0]), theirs, strict=True):
        np.testing.assert_array_equal(mine, other)

    table.step("Two side by side", "panes.length === 2 && state.panes[1].iteration === 0")
    table.choose("lr_G", "0.05", pane=1)
    table.until("state.panes[1].settings.lr_G === 0.05")
    table.step("One iteration", "state.panes.every(pane => pane.iteration === 1)")
    table.step("One iteration", "state.panes.every(pane => pane.iteration === 2)")
    samples = table.run("state.panes.map(pane => pane.samples)")
    assert samples[0] != samples[1]

    table.press("Save player")
    player = table.saved("laboratory.html")
    assert player.stat().st_size < 5_000_000
    table.browser.open(player)
    assert table.run("panes.length") == 2
    assert not table.run("document.getElementById('play').offsetParent")
    frames = table.run("KNOWN.frames.length")
    table.run("turn(KNOWN.frames.length - 1)")
    assert table.run("state.panes[1].iteration") == 2
    assert np.allclose(table.run("state.panes.map(pane => pane.samples)"), samples, atol=0.006)
    table.run("turn(0)")
    table.press("Play")
    table.until(f"at === {frames - 1}")


@pytest.mark.parametrize("size", SIZES)
def test_it_fits_every_width_and_its_text_stands_out(table, size):
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


def test_keys_play_it(table):
    table.run("document.activeElement.blur()")
    table.browser.press("ArrowRight")
    table.until("state.panes[0].iteration === 1")
    table.browser.press("ArrowDown")
    table.until("state.panes[0].substep !== null")
    table.browser.press("ArrowLeft")
    table.until("state.panes[0].iteration === 1 && state.panes[0].substep === null")
    table.browser.press(" ")
    table.until("state.playing")
    table.browser.press(" ")
    table.until("!state.playing")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_diverges_is_shown(table):
    for name, value in (("optimizer", "SGD"), ("lr_D", "10"), ("lr_G", "10")):
        table.choose(name, value)
    table.until("state.panes[0].settings.lr_G === 10")
    table.press("Play")
    table.until("panes[0].root.querySelector('.figures').textContent.includes('nan')")


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
