"""A session: one run, or two side by side, played by one thread, which answers the page between two iterations."""

import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demos.lab.code import BOUNDS, CHOICES, OWN, PAPERS, Settings
from demos.lab.panel import REACH, SIDE, Panel

PAGE = Path(__file__).with_name("page.html")
PAUSE = 0.04  # least seconds between two frames: nobody sees more than 25 a second
LONGEST = 0.1  # most seconds of iterations between two frames
PLAYER = 4_500_000  # most bytes of recorded frames
PATIENCE = 30  # seconds that a command may take
SPEEDS = (1, 5, 20, 100)  # iterations between two frames


class Session:
    """The commands of the page. They wait in a queue, and the session's own thread executes them in order."""

    def __init__(self, settings: Settings = Settings()):  # noqa: B008 (it is frozen)
        self.panels = [Panel(settings)]
        self.playing, self.speed, self.message = False, 5, ""
        self.commands: queue.SimpleQueue = queue.SimpleQueue()
        self.frame, self.number, self.news = "", 0, threading.Condition()
        self.reader: object | None = None  # the page that is open now
        self.recorded: list[tuple[int, str]] = []  # for the player: iterations and frames, ...
        self.every, self.shown = 1, 0  # ... one of every `every` frames that were shown
        self.show()
        threading.Thread(target=self.run, daemon=True).start()

    # --- commands, by name ------------------------------------------------------------------------------------

    def do(self, asked: dict[str, Any]) -> None:
        """Execute a command. Raises ValueError for an invalid one."""
        name, panel = asked.get("do"), asked.get("panel", 0)
        if not (isinstance(name, str) and type(panel) is int and 0 <= panel < len(self.panels)):
            raise ValueError("expected a command and the number of a panel")
        self.message = ""
        trouble = next((panel.trouble for panel in self.panels if panel.trouble), "")
        if trouble and name in ("play", "iterate", "substep"):
            raise ValueError(trouble)
        if name in ("play", "pause"):
            self.playing = name == "play"
        elif name == "speed" and asked.get("to") in SPEEDS:
            self.speed = int(asked["to"])
        elif name in ("iterate", "substep"):
            self.playing = False
            for each in self.last():
                getattr(each, name)()
        elif name == "undo":
            self.undo()
        elif name == "restart":
            for each in self.panels:
                each.begin(each.settings)
            self.forget()
        elif name == "set":
            self.change(self.panels[panel], asked.get("to"))
        elif name == "panels" and asked.get("to") in (1, 2):
            self.playing = False
            if asked["to"] == 2 and len(self.panels) == 1:
                self.panels.append(self.panels[0].copy())
            for each in self.panels[int(asked["to"]) :]:
                each.abort()
                self.panels.remove(each)
        else:
            raise ValueError(f"unknown command, or wrong arguments: {name[:40]!r}")
        self.show()

    def change(self, panel: Panel, asked: Any) -> None:
        """Change the settings of a panel. If its run restarts, all runs do."""
        before, run = panel.settings, panel.parts[0]
        panel.change(asked)
        if panel.parts[0] is not run:
            for other in self.panels:
                if other is not panel:
                    other.begin(other.settings)
            self.forget()
        s = panel.settings
        if s.game != before.game and any(getattr(s, name) != getattr(before, name) for name in OWN):
            source = "its paper's " if s.game in PAPERS else ""
            self.message = f"{s.game} has {source}k = {s.k} and rate {s.lr_D:g}, {s.optimizer}. Undo reverts this."

    def undo(self) -> None:
        """Take back the last step: the change in the panels that have just changed, or else one iteration in every panel."""
        self.playing = False
        run = self.panels[0].parts[0]
        for panel in [panel for panel in self.panels if panel.has_just_changed()] or self.panels:
            panel.undo()
        self.recorded = [(at, frame) for at, frame in self.recorded if at < self.panels[0].iteration]
        if self.panels[0].parts[0] is not run:
            self.forget()

    def last(self) -> list[Panel]:
        """The panels that play next, so that none is more than one iteration ahead of the other."""
        return [panel for panel in self.panels if panel.iteration == min(each.iteration for each in self.panels)]

    def forget(self) -> None:
        """Delete the recorded frames: the player shows one run from its start."""
        self.recorded, self.every, self.shown = [], 1, 0

    # --- from other threads --------------------------------------------------------------------------------------------

    def ask(self, command: Callable[[], Any]) -> Any:
        """Execute the command on the session's thread; return its result, or raise its error."""
        answer: queue.SimpleQueue = queue.SimpleQueue()
        self.commands.put((command, answer))
        try:
            kind, result = answer.get(timeout=PATIENCE)
        except queue.Empty:
            raise ValueError("the session is still busy with an earlier command") from None
        if kind == "error":
            raise result
        return result

    def wait_for(self, number: int, seconds: float) -> tuple[str, int]:
        """Wait for a frame after this number, at most this long; return the newest frame and its number."""
        with self.news:
            self.news.wait_for(lambda: self.number > number, seconds)
            return self.frame, self.number

    def page(self, recorded: bool = False) -> str:
        """The page. recorded: with the recorded frames, so that it needs no server."""
        about = {"choices": CHOICES, "bounds": BOUNDS, "side": SIDE, "reach": REACH, "speeds": SPEEDS, "frames": None}
        text = json.dumps(about)
        if recorded:
            text = text.replace('"frames": null', f'"frames": [{",".join(frame for _, frame in self.recorded)}]')
        return PAGE.read_text(encoding="utf-8").replace("/* what is known */ null", text.replace("</", "<\\/"))

    # --- the session's own thread -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play, and answer the page, for ever."""
        while True:
            try:
                command, answer = self.commands.get(timeout=0.001 if self.playing and self.reader else 0.25)
            except queue.Empty:
                if self.playing and self.reader:
                    self.play()
                continue
            try:
                answer.put(("result", command()))
            except Exception as error:  # the page shows it, and the session continues
                answer.put(("error", error))

    def play(self) -> None:
        """Play some iterations, then show a frame."""
        start = time.perf_counter()
        try:
            for _ in range(self.speed):
                for panel in self.last():
                    panel.iterate()
                self.playing = not any(panel.trouble for panel in self.panels)
                if not self.playing or time.perf_counter() - start > LONGEST or not self.commands.empty():
                    break
            self.show()
        except Exception as error:  # such as a nan in debug mode
            self.playing, self.message = False, f"{error}"
            self.tell(self.state | {"playing": False, "message": self.message})
        time.sleep(max(0.0, PAUSE - (time.perf_counter() - start)))

    def show(self) -> None:
        """Send a new frame to the page; record it for the player if it is its turn."""
        frames = [panel.frame() for panel in self.panels]
        self.tell({"playing": self.playing, "speed": self.speed, "message": self.message, "panels": frames})
        if self.shown % self.every == 0:
            self.record(frames)
        self.shown += 1

    def tell(self, state: dict[str, Any]) -> None:
        text = json.dumps(state, allow_nan=False)
        with self.news:
            self.state, self.frame, self.number = state, text, self.number + 1
            self.news.notify_all()

    def record(self, frames: list[dict[str, Any]]) -> None:
        """Record a frame for the player, with the visible digits only. If the frames are too large, drop every second one."""
        text = json.dumps({"playing": False, "message": "", "panels": [smaller(frame) for frame in frames]})
        self.recorded.append((frames[0]["iteration"], text))
        if sum(len(text) for _, text in self.recorded) > PLAYER:
            del self.recorded[1::2]
            self.every *= 2


def smaller(frame: dict[str, Any]) -> dict[str, Any]:
    """A frame for the player: rounded arrays, and only the newest row of the curves, which the page joins."""

    def rounded(value: Any) -> Any:
        return [rounded(v) for v in value] if isinstance(value, list) else value and round(value, 2)

    short = {name: rounded(frame[name]) for name in ("data", "samples", "arrows", "opinion", "grid")}
    return frame | short | {"history": frame["history"][-1:], "script": ""}
