"""What is wrong with a picture on a slide 1,280 pixels wide, found by drawing it."""

import io
import re
from contextlib import contextmanager

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

LEAST = 14  # pixels that a text is high
SLIDE = 1280


@contextmanager
def texts_drawn():
    """(text, height of a line, its box, all in pixels) of all that is drawn in this block, whatever draws it."""
    found, draw = [], Text.draw

    def note(self, renderer, *args, **kwargs):
        if self.get_visible() and (words := self.get_text().strip()):
            box, lines = self.get_window_extent(renderer), words.count("\n") + 1
            height = {0: box.height, 90: box.width, 270: box.width}.get(self.get_rotation() % 360, 1e3)
            found.append((words, height / lines, box))
        return draw(self, renderer, *args, **kwargs)

    Text.draw = note
    try:
        yield found
    finally:
        Text.draw = draw


def complaints(figure: Figure) -> list[str]:
    """What is wrong with this figure; best nothing."""
    figure.draw_without_rendering()  # as `style.save` does
    with texts_drawn() as texts:
        FigureCanvasAgg(figure).print_png(io.BytesIO())
    width, height = figure.bbox.width, figure.bbox.height
    scale, found = SLIDE / width, []
    for s, line, box in texts:
        if line * scale < LEAST:
            found.append(f"{s!r} is {line * scale:.1f} pixels high")
        if box.x0 < -2 or box.y0 < -2 or box.x1 > width + 2 or box.y1 > height + 2:
            found.append(f"{s!r} leaves the picture")
    if height * scale > 725:
        found.append(f"{height * scale:.0f} pixels are higher than a slide")
    if width != SLIDE:
        found.append(f"{width:.0f} pixels wide")
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and not twin(axes, figure)]
    if len(panels) > 4:
        found.append(f"{len(panels)} panels")
    names = {name for name in (figure.get_supxlabel(), figure.get_supylabel()) if name}
    for axes in panels:
        for axis, visible in ((axes.xaxis, axes.axison), (axes.yaxis, axes.axison)):
            if visible and numbered(axis) and not axis.get_label_text() and not names:
                found.append(f"{axes.get_title() or axes}: its {axis.axis_name} axis has no name")
    if not figure.get_suptitle():
        found.append("no title")
    return found


def twin(axes: plt.Axes, figure: Figure) -> bool:
    """Whether it lies on an earlier one."""
    earlier = figure.axes[: figure.axes.index(axes)]
    return any(axes.bbox.bounds == other.bbox.bounds for other in earlier)


def numbered(axis) -> bool:
    """Whether numbers stand beside its ticks: words name themselves."""
    labels = [label.get_text() for label in axis.get_ticklabels() if label.get_visible() and label.get_text()]
    return any(re.fullmatch(r"[$\u2212\-.,\d%{}\\^]+", label.replace("mathdefault", "")) for label in labels)
