"""The playground in a browser, used as in a class."""

import time

import numpy as np
import pytest

from tests.demos.lab.test_server import until


class Visitor:
    """A person who uses the page."""

    def __init__(self, browser, server, folder):
        self.browser, self.server, self.folder, self.run = browser, server, folder, browser.run
        browser.resize(1280, 800)
        browser.open(server.address)
        self.until("state && panels.length === 1")

    def until(self, condition):
        end = time.monotonic() + 60
        while not self.run(condition):
            assert time.monotonic() < end, (condition, self.run("document.getElementById('message').textContent"))
            time.sleep(0.02)

    def press(self, words, condition="true"):
        """Click the button with these words, and wait for what it does."""
        self.browser.click_on("button, summary, .shown label", words)
        self.until(condition)

    def choose(self, name, value, condition="true", panel=0):
        """Another setting, as somebody who types it."""
        changed = "input.dispatchEvent(new Event('change'))"
        self.run(f"(() => {{ const input = panels[{panel}].inputs[{name!r}]; input.value = {value!r}; {changed}; }})()")
        self.until(condition)

    def saved(self, name):
        until((path := self.folder / name).exists)
        return path


@pytest.fixture
def page(browser, server, tmp_path):
    """The page of a new server; nothing may go wrong in it, or leave the machine."""
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    yield Visitor(browser, server, tmp_path)
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith((server.address, "blob:", "file:", "data:"))] == []
    browser.open("about:blank")


@pytest.mark.slow
def test_a_lesson(page):
    """Draw data, play, pause, sub-steps, another rate, undo, two panels; save a player and a script, and use them."""
    page.press("Draw your own")
    left, top, side = page.run("(b => [b.left, b.top, b.width])(panels[0].plane.getBoundingClientRect())")
    page.browser.drag(*[(left + side * a, top + side * b) for a, b in ((0.3, 0.3), (0.35, 0.3), (0.4, 0.35), (0.6, 0.7))])
    drawn = np.array(page.run("panels[0].drawn"))
    assert np.allclose(drawn[0], (-0.6, 0.6), atol=0.06)
    page.press("Use the drawing", "state.panels[0].settings.data === 'drawn' && panels[0].drawn === null")
    assert np.abs(np.array(page.run("state.panels[0].data"))[:, None] - drawn).max(-1).min(1).max() < 0.15
    page.press("samples")  # keys play it whatever was clicked
    page.browser.press(" ")
    page.until("state.playing && state.panels[0].iteration > 20")
    page.press("Pause", "!state.playing")
    played = page.run("state.panels[0].iteration")
    page.press("One sub-step", "state.panels[0].substep && state.panels[0].substep.name === 'x and z'")
    page.press("One sub-step", "state.panels[0].substep.name === 'G(z)'")
    assert page.run("document.querySelector('.rows').textContent").count("affine") >= 3
    assert "games/gan.py" in page.run("document.querySelector('.at').textContent")
    page.press("One iteration", f"state.panels[0].iteration === {played + 1} && !state.panels[0].substep")
    page.press("Undo", f"state.panels[0].iteration === {played}")

    page.choose("lr_D", "0.0125", "state.panels[0].settings.lr_D === 0.0125")
    page.choose("lr_D", "-1", "document.getElementById('message').textContent.startsWith('lr_D: expected')")
    page.choose("game", "hinge", "state.panels[0].settings.k === 1")
    page.press("One iteration", f"state.panels[0].iteration === {played + 1}")
    page.press("This run as code", "document.querySelector('.code').textContent.includes('loss=losses.hinge_game')")
    page.press("Save script")
    script = page.saved("run.py")
    assert script.read_text() == page.server.session.panels[0].script()

    page.press("Two side by side", f"panels.length === 2 && state.panels.every(panel => panel.iteration === {played + 1})")
    page.choose("game", "WGAN-GP", "state.panels[1].settings.game === 'WGAN-GP'", panel=1)
    page.press("One iteration", f"state.panels.every(panel => panel.iteration === {played + 2})")
    samples = page.run("state.panels.map(panel => panel.samples)")
    assert samples[0] != samples[1]

    for width in (1280, 390):
        page.browser.resize(width, 844)
        assert page.run("document.documentElement.scrollWidth") <= width
    page.press("Save player")
    player = page.saved("playground.html")
    page.browser.open(player)
    page.run("turn(KNOWN.frames.length - 1)")
    assert page.run("document.querySelector('h1').innerText") == "A recorded run: hinge and WGAN-GP"
    assert np.allclose(page.run("state.panels.map(panel => panel.samples)"), samples, atol=0.006)
