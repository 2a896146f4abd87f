"""The laboratory's table: one run, or two side by side, played by one thread that answers the page between two iterations."""

import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demos.lab.code import BOUNDS, CHOICES, OWN, PAPERS, Settings
from demos.lab.pane import REACH, SIDE, Pane

PAGE = Path(__file__).with_name("page.html")
PAUSE = 0.04  # seconds between two frames, at least: more than 25 a second nobody sees
LONGEST = 0.1  # seconds of iterations between two frames, at most
PLAYER = 4_500_000  # bytes of recorded frames, at most
PATIENCE = 30  # seconds for a command to be done
SPEEDS = (1, 5, 20, 100)  # iterations between two frames


class Table:
    """What the page's commands do. They are put into a queue, and done by the table's own thread, one after another."""

    def __init__(self):
        self.panes = [Pane(Settings())]
        self.playing, self.speed, self.said = False, 5, ""
        self.commands: queue.SimpleQueue = queue.SimpleQueue()
        self.frame, self.number, self.news = "", 0, threading.Condition()
        self.reader: object | None = None  # the page that is open now
        self.recorded: list[tuple[int, str]] = []  # iterations, and frames for the player; ...
        self.every, self.shown = 1, 0  # ... every how many of those that were shown there is one
        self.show()
        threading.Thread(target=self.run, daemon=True).start()

    # --- commands, by their names ------------------------------------------------------------------------------------

    def do(self, asked: dict[str, Any]) -> None:
        """What the page asks for. Raises ValueError for anything else."""
        name, pane = asked.get("do"), asked.get("pane", 0)
        if not (isinstance(name, str) and type(pane) is int and 0 <= pane < len(self.panes)):
            raise ValueError("expected a command, and one of the panes")
        self.said = ""
        trouble = next((pane.trouble for pane in self.panes if pane.trouble), "")
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
            for each in self.panes:
                each.begin(each.settings)
            self.forget()
        elif name == "set":
            self.change(self.panes[pane], asked.get("to"))
        elif name == "panes" and asked.get("to") in (1, 2):
            self.playing = False
            if asked["to"] == 2 and len(self.panes) == 1:
                self.panes.append(self.panes[0].copy())
            for each in self.panes[int(asked["to"]) :]:
                each.close()
                self.panes.remove(each)
        else:
            raise ValueError(f"there is no command {name[:40]!r} like this")
        self.show()

    def change(self, pane: Pane, asked: Any) -> None:
        """Other settings in a pane. If its run begins anew, all do."""
        before, run = pane.settings, pane.parts[0]
        pane.change(asked)
        if pane.parts[0] is not run:
            for other in self.panes:
                if other is not pane:
                    other.begin(other.settings)
            self.forget()
        s = pane.settings
        if s.game != before.game and any(getattr(s, name) != getattr(before, name) for name in OWN):
            source = "its paper's " if s.game in PAPERS else ""
            self.said = f"{s.game} has {source}k = {s.k} and rate {s.lr_D:g}, {s.optimizer}. Undo takes this back."

    def undo(self) -> None:
        """Take back the last step: a change in the panes that have just changed, or else an iteration in each pane."""
        self.playing = False
        run = self.panes[0].parts[0]
        for pane in [pane for pane in self.panes if pane.has_just_changed()] or self.panes:
            pane.undo()
        self.recorded = [(at, frame) for at, frame in self.recorded if at < self.panes[0].iteration]
        if self.panes[0].parts[0] is not run:
            self.forget()

    def last(self) -> list[Pane]:
        """The panes that are to play now, so that none is more than an iteration ahead of the other."""
        return [pane for pane in self.panes if pane.iteration == min(each.iteration for each in self.panes)]

    def forget(self) -> None:
        """The player shows one run from its start."""
        self.recorded, self.every, self.shown = [], 1, 0

    # --- from other threads --------------------------------------------------------------------------------------------

    def ask(self, command: Callable[[], Any]) -> Any:
        """The command's result, or its error, from the table's thread."""
        answer: queue.SimpleQueue = queue.SimpleQueue()
        self.commands.put((command, answer))
        try:
            kind, result = answer.get(timeout=PATIENCE)
        except queue.Empty:
            raise ValueError("the table is still busy with what was asked for") from None
        if kind == "error":
            raise result
        return result

    def wait_for(self, number: int, seconds: float) -> tuple[str, int]:
        """The newest frame and its number, when it is newer than this, or when so much time has passed."""
        with self.news:
            self.news.wait_for(lambda: self.number > number, seconds)
            return self.frame, self.number

    def page(self, recorded: bool = False) -> str:
        """The page; with what was recorded, it needs nobody to talk to."""
        about = {"choices": CHOICES, "bounds": BOUNDS, "side": SIDE, "reach": REACH, "speeds": SPEEDS, "frames": None}
        text = json.dumps(about)
        if recorded:
            text = text.replace('"frames": null', f'"frames": [{",".join(frame for _, frame in self.recorded)}]')
        return PAGE.read_text(encoding="utf-8").replace("/* what is known */ null", text.replace("</", "<\\/"))

    # --- the table's own thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play, and answer, for ever."""
        while True:
            try:
                command, answer = self.commands.get(timeout=0.001 if self.playing and self.reader else 0.25)
            except queue.Empty:
                if self.playing and self.reader:
                    self.play()
                continue
            try:
                answer.put(("result", command()))
            except Exception as error:  # the page shows it; the table stays
                answer.put(("error", error))

    def play(self) -> None:
        """Some iterations, and a frame."""
        start = time.perf_counter()
        try:
            for _ in range(self.speed):
                for pane in self.last():
                    pane.iterate()
                self.playing = not any(pane.trouble for pane in self.panes)
                if not self.playing or time.perf_counter() - start > LONGEST or not self.commands.empty():
                    break
            self.show()
        except Exception as error:  # such as a nan's, in debug mode
            self.playing, self.said = False, f"{error}"
            self.tell(self.state | {"playing": False, "said": self.said})
        time.sleep(max(0.0, PAUSE - (time.perf_counter() - start)))

    def show(self) -> None:
        """A new frame for the page, and perhaps for the player."""
        frames = [pane.frame() for pane in self.panes]
        self.tell({"playing": self.playing, "speed": self.speed, "said": self.said, "panes": frames})
        if self.shown % self.every == 0:
            self.record(frames)
        self.shown += 1

    def tell(self, state: dict[str, Any]) -> None:
        """The page shows this state."""
        text = json.dumps(state, allow_nan=False)
        with self.news:
            self.state, self.frame, self.number = state, text, self.number + 1
            self.news.notify_all()

    def record(self, frames: list[dict[str, Any]]) -> None:
        """One frame for the player, with as many digits as can be seen; when there are too many, every other one goes."""
        text = json.dumps({"playing": False, "said": "", "panes": [smaller(frame) for frame in frames]})
        self.recorded.append((frames[0]["iteration"], text))
        if sum(len(text) for _, text in self.recorded) > PLAYER:
            del self.recorded[1::2]
            self.every *= 2


def smaller(frame: dict[str, Any]) -> dict[str, Any]:
    """A frame of the player: arrays with three digits; the curves are the last frame's alone, which the page cuts off."""

    def rounded(value: Any) -> Any:
        return [rounded(v) for v in value] if isinstance(value, list) else value and round(value, 2)

    short = {name: rounded(frame[name]) for name in ("data", "samples", "arrows", "opinion", "grid")}
    return frame | short | {"history": frame["history"][-1:], "script": ""}
