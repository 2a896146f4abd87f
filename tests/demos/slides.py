"""What is wrong with a picture on a slide 1,280 pixels wide, found by drawing it."""

import io
import re
from contextlib import contextmanager

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure

LEAST = 14  # pixels that a text is high
SLIDE = 1280


@contextmanager
def texts_drawn():
    """All texts that are drawn in this block, whatever draws them."""
    found, draw = [], RendererAgg.draw_text

    def note(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        if mtext is not None and s.strip():
            found.append((s, mtext.get_window_extent(self)))
        return draw(self, gc, x, y, s, prop, angle, ismath, mtext)

    RendererAgg.draw_text = note
    try:
        yield found
    finally:
        RendererAgg.draw_text = draw


def complaints(figure: Figure) -> list[str]:
    """What is wrong with this figure; best nothing."""
    with texts_drawn() as texts:
        FigureCanvasAgg(figure).print_png(io.BytesIO())
    width, height = figure.bbox.width, figure.bbox.height
    scale, found = SLIDE / width, []
    for s, box in texts:
        if min(box.width, box.height) * scale < LEAST and max(box.width, box.height) * scale > 1 and len(s) > 1:
            found.append(f"{s!r} is {min(box.width, box.height) * scale:.1f} pixels high")
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
