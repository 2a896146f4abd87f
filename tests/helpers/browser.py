"""A Chromium without a window, driven over a pipe: what the tests of a page need, with nothing to install beside it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"]
# Chromium's pipes have the numbers 3 and 4; copies from 10 on first, for the pipes may have these numbers the other way round
PIPES = """
import fcntl, os, sys
reading, writing = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}

# A page's texts, [contrast with what is behind it, text, colour, background], the faintest first
CONTRAST = """(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = numbers(colour).map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const solid = colour => colour.startsWith("rgb") && (numbers(colour)[3] ?? 1) === 1;
  const ground = element => {
    const near = element.closest(".chip, .badge")?.querySelector("circle, rect")
      ?? element.closest(".node")?.querySelector("rect.box:not(:has(~ rect.box))");
    if (near) return getComputedStyle(near).fill;
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (solid(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest(".hidden, script, noscript, title, [aria-hidden]")) continue;
    if (getComputedStyle(element).visibility === "hidden") continue;
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const input = element.matches("input[type=search]");
    if (!own && !input) continue;
    const style = getComputedStyle(element, input ? "::placeholder" : null);
    const text = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(text), light(ground(element))];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), element.textContent.slice(0, 40), text, ground(element)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()"""


def executable() -> str | None:
    """Where Chromium is, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """One page of a Chromium of its own, with a new profile in `folder`. `errors` and `requests` fill up as it works."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 720):
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        chromium = [str(executable()), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PIPES, str(theirs_in), str(theirs_out), *chromium],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out, self._buffer, self._number = ours_in, ours_out, b"", 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        self._session = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def close(self) -> None:
        """End Chromium."""
        os.close(self._out)
        self.process.terminate()
        self.process.wait(timeout=60)
        os.close(self._in)

    def call(self, method: str, **parameters: Any) -> dict:
        """Call a method of the Chrome DevTools Protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                return said["result"]

    def _next(self) -> dict:
        while b"\0" not in self._buffer:
            if not (more := os.read(self._in, 1 << 20)):
                raise RuntimeError(f"chromium ended, with status {self.process.wait()}")
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        said = json.loads(text)
        self._note(said.get("method"), said.get("params", {}))
        return said

    def _note(self, event: str | None, about: dict) -> None:
        entry = about.get("entry", about)
        if event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Runtime.exceptionThrown" or (
            event in ("Runtime.consoleAPICalled", "Log.entryAdded")
            and entry.get("level", entry.get("type")) in ("error", "warning", "assert")
        ):
            self.errors.append(json.dumps(about))

    def open(self, page: Path | str) -> None:
        """Open a file, or an address."""
        self.errors, self.requests, self._loaded = [], [], False
        self.call("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        while not self._loaded:
            self._next()

    def resize(self, width: int, height: int) -> None:
        """Give the window this size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        said = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise RuntimeError(json.dumps(said["exceptionDetails"]))
        return said["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key, as a user does."""
        about = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button="left", clickCount=1, **more)

    def click(self, x: float, y: float) -> None:
        """Click at this point of the window."""
        for kind in ("Moved", "Pressed", "Released"):
            self.mouse(kind, x, y)

    def click_on(self, selector: str, text: str = "") -> None:
        """Click the first visible element of this kind with this text in it or in its label, after scrolling to it."""
        x, y = self.run(f"""(() => {{
            const said = element => element.getAttribute("aria-label") ?? element.textContent;
            const all = [...document.querySelectorAll({selector!r})].filter(element => element.getClientRects().length);
            const found = all.find(element => said(element) === {text!r})
              ?? all.find(element => said(element).includes({text!r}));
            found.scrollIntoView({{block: "nearest", inline: "nearest"}});
            const box = found.getBoundingClientRect();
            return [box.left + Math.min(box.width / 2, 40), box.top + box.height / 2];
        }})()""")
        self.click(x, y)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the button at the first of these points, and move over the others."""
        for i, (x, y) in enumerate(points):
            self.mouse("Moved" if i else "Pressed", x, y, buttons=1)
        self.mouse("Released", x, y)
