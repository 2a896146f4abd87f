"""Digit images without a download: the digits of matplotlib's own fonts, each image distorted at random.

Every digit of every font becomes a signed distance field once: on a fine grid, the distance to the stroke's edge, positive
inside and negative outside. An image reads the field at its transformed pixel centres. A number added to all distances
thickens the stroke. A pixel less than half a pixel from the edge is grey.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigan import checks
from minigan.backend import random_numbers

FONTS = (  # in every matplotlib, with ordinary digits: no old-style figures, no dotted zeros, no symbols
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmb10", "cmr10", "cmss10", "cmtt10"),
)

_SIZE = 28  # pixels along an image's side
_HEIGHT = 20.0  # of an undistorted digit, in pixels: MNIST's
_MARGIN = 1.5  # pixels between the border and the edge of a digit, so that the outermost pixels stay black
_STEP = 0.5  # between a field's grid points, in pixels
_REACH = 14.0  # a field covers [-14, 14]^2, with the digit's centre at 0
CHUNK = 1000  # images drawn at a time, to keep the temporary arrays small

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]


def glyphs(n: int, rng: np.random.Generator | None = None) -> tuple[Singles, Integers]:
    """`n` images of digits, (n, 1, 28, 28) float32 in [0, 1], white on black; labels (n,) int64, uniform in 0 ... 9.

    Every image has its own font, shear, rotation, size, stroke width and position, drawn from `rng` or else minigan's default
    generator. Raises ValueError for n < 0 and ImportError without matplotlib.
    """
    n = checks.whole("glyphs", "n", n, least=0)
    rng = random_numbers.generator(rng)
    fields, half_sizes, strokes = _templates()
    labels = rng.integers(10, size=n)
    template = 10 * rng.integers(len(FONTS), size=n) + labels  # (n,) row of `fields`
    thicker = _stroke_changes(strokes[template], rng)
    forward, shift = _placements(half_sizes[template] + thicker[:, None], rng)
    images = np.empty((n, 1, _SIZE, _SIZE), np.float32)
    for start in range(0, n, CHUNK):
        chunk = slice(start, start + CHUNK)
        images[chunk, 0] = _draw(fields, template[chunk], forward[chunk], shift[chunk], thicker[chunk])
    return images, labels.astype(np.int64)


# --- one image's distortion -------------------------------------------------------------------------------------------


def _stroke_changes(strokes: Singles, rng: np.random.Generator) -> Floats:
    """How many pixels each stroke's edge moves outwards (n,), towards a half-width drawn from 1.2 to 2 pixels."""
    wanted = rng.uniform(1.2, 2.0, len(strokes))
    return np.clip(wanted - strokes, -0.35, 0.6)  # any thinner, hairlines vanish; any thicker, holes fill


def _placements(half_sizes: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Linear maps (n, 2, 2) from a digit to its image, and shifts (n, 2), that keep the digit off the border.

    `half_sizes` (n, 2) are half a digit's width and height in pixels; vectors are (x, y) with y upwards.
    """
    n = len(half_sizes)
    angle = np.clip(rng.normal(0, 0.12, n), -0.3, 0.3)
    size, stretch = rng.uniform(0.85, 1.1, n), rng.uniform(0.85, 1.2, n)
    slant = rng.uniform(-0.25, 0.2, n)
    cos, sin, one, zero = np.cos(angle), np.sin(angle), np.ones(n), np.zeros(n)
    rotate, shear = _matrices(cos, -sin, sin, cos), _matrices(one, slant, zero, one)
    forward = rotate @ shear @ _matrices(size * stretch, zero, zero, size)
    room = _SIZE / 2 - _MARGIN
    extent = np.einsum("nij,nj->ni", np.abs(forward), half_sizes)  # (n, 2) half the sides of the digit's box
    shrink = np.minimum(1, room / extent.max(axis=1))
    free = np.minimum(room - shrink[:, None] * extent, 2.0)
    return shrink[:, None, None] * forward, rng.uniform(-1, 1, (n, 2)) * free


def _matrices(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """The matrices [[a, b], [c, d]]: four (n,) arrays to one (n, 2, 2)."""
    return np.stack([np.stack([a, b], axis=-1), np.stack([c, d], axis=-1)], axis=-2)


def _draw(fields: Singles, template: Integers, forward: Floats, shift: Floats, thicker: Floats) -> Floats:
    """Images (n, 28, 28): each pixel's centre is mapped back to its template, where the field gives the pixel's grey."""
    centres = np.arange(_SIZE) - (_SIZE - 1) / 2
    x, y = np.meshgrid(centres, -centres)  # the first row is the top
    pixels = np.stack([x.ravel(), y.ravel()])  # (2, 784)
    points = np.linalg.inv(forward) @ (pixels - shift[:, :, None])  # (n, 2, 784)
    distance = _bilinear(fields, template, points.astype(np.float32)) + thicker[:, None]
    scale: Floats = np.sqrt(np.linalg.det(forward))[:, None]  # image pixels per template pixel
    return np.clip(0.5 + scale * distance, 0, 1).reshape(-1, _SIZE, _SIZE)


def _bilinear(fields: Singles, template: Integers, points: Singles) -> Floats:
    """fields[template] (n, side, side), interpolated bilinearly at the points (n, 2, p): (n, p)."""
    side = fields.shape[1]
    at = np.clip((points + _REACH) / _STEP, 0, side - 1.001)  # in grid steps; beyond the grid all is black
    corner = at.astype(np.int32)
    fx, fy = np.moveaxis(at - corner, 1, 0)
    flat = fields.reshape(-1)
    index = (template[:, None] * side + corner[:, 1]) * side + corner[:, 0]
    below = flat[index] * (1 - fx) + flat[index + 1] * fx
    above = flat[index + side] * (1 - fx) + flat[index + side + 1] * fx
    distance: Floats = below * (1 - fy) + above * fy
    return distance


# --- the fonts' digits as signed distance fields ----------------------------------------------------------------------


@lru_cache(maxsize=1)
def _templates() -> tuple[Singles, Floats, Singles]:
    """The t = 10 * fonts templates, font by font, in pixels.

    Signed distance fields (t, side, side), half widths and heights (t, 2), half stroke widths (t,).
    """
    line = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    fields, half_sizes = [], []
    for font in FONTS:
        for digit in "0123456789":
            starts, ends = _outline(font, digit)
            fields.append(_signed_distance(starts, ends, line))
            half_sizes.append(starts.max(axis=0))
    stacked = np.array(fields, np.float32)
    return stacked, np.array(half_sizes), stacked.max(axis=(1, 2))


def _outline(font: str, digit: str) -> tuple[Floats, Floats]:
    """The edges of a digit's outline, from (e, 2) to (e, 2), scaled to `_HEIGHT` and centred on 0."""
    try:
        import matplotlib
        from matplotlib import font_manager, ft2font, path, textpath
    except ImportError as error:
        raise ImportError("glyphs draws matplotlib's fonts: pip install 'minigan[demos]'") from error
    file = str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf"))
    maker, unit = textpath.TextToPath(), ft2font.FT2Font(file).units_per_EM
    maker.FONT_SCALE = float(unit)  # in the font's own units the points are integers, which no version of FreeType rounds
    points, codes = maker.get_text_path(font_manager.FontProperties(fname=file), digit)
    outline = path.Path(50 / unit * np.asarray(points), codes)  # 50: how finely curves are cut
    contours = [np.asarray(contour, np.float64) for contour in outline.to_polygons()]  # closed: the last point is the first
    points = np.concatenate(contours)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = _HEIGHT / (high[1] - low[1])
    contours = [scale * (contour - (low + high) / 2) for contour in contours]
    return np.concatenate([c[:-1] for c in contours]), np.concatenate([c[1:] for c in contours])


def _signed_distance(starts: Floats, ends: Floats, line: Floats) -> Floats:
    """Each grid point's distance to the nearest edge, positive inside: (side, side), row y, column x."""
    x, y = line[None, :, None], line[:, None, None]  # edges along the last axis
    ax, ay = starts.T
    dx, dy = (ends - starts).T
    along = ((x - ax) * dx + (y - ay) * dy) / np.maximum(dx**2 + dy**2, 1e-12)  # 0 at the edge's start, 1 at its end
    along = np.clip(along, 0, 1)
    squared = (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2
    distance: Floats = np.sqrt(squared.min(axis=2))
    return distance * np.where(_inside(starts, ends, line), 1, -1)


def _inside(starts: Floats, ends: Floats, line: Floats) -> NDArray[np.bool_]:
    """Does the outline wind around the grid point (side, side)? Count the edges to its right, upward minus downward."""
    (ax, ay), (bx, by), y = starts.T, ends.T, line[:, None]
    upward = np.where(by > ay, 1, -1)
    crosses = (ay <= y) != (by <= y)  # (side, edges)
    level = np.where(by == ay, 1, by - ay)  # a level edge crosses no row
    crossing = ax + (y - ay) * (bx - ax) / level
    right = crosses[:, None, :] & (crossing[:, None, :] > line[None, :, None])  # (side, side, edges)
    winds: NDArray[np.bool_] = (right * upward).sum(axis=2) != 0
    return winds
