"""Digit images without a download: the digits of matplotlib's own fonts, each image distorted at random.

Every digit of every font becomes a signed distance field once (see `distance_fields`). An image reads the field at its
transformed pixel centres. A number added to all distances thickens the stroke.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from minigan import checks
from minigan.backend import random_numbers
from minigan.data import distance_fields
from minigan.data.distance_fields import CHUNK, Floats, Integers, Singles, matrices

FONTS = (  # in every matplotlib, with ordinary digits: no old-style figures, no dotted zeros, no symbols
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmb10", "cmr10", "cmss10", "cmtt10"),
)

_SIZE = 28  # pixels along an image's side
_HEIGHT = 20.0  # of an undistorted digit, in pixels: MNIST's
_MARGIN = 1.5  # pixels between the border and the edge of a digit, so that the outermost pixels stay black


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
        where = template[chunk], forward[chunk], shift[chunk]
        images[chunk, 0] = distance_fields.cover(distance_fields.read(fields, *where, _SIZE, thicker[chunk, None]))
    return images, labels.astype(np.int64)


# --- one image's distortion -------------------------------------------------------------------------------------------


def _stroke_changes(strokes: Singles, rng: np.random.Generator) -> Floats:
    """How many pixels each stroke's edge moves outwards (n,), towards a half-width drawn from 1.2 to 2 pixels."""
    wanted = rng.uniform(1.2, 2.0, len(strokes))
    return np.clip(wanted - strokes, -0.35, 0.6)  # any thinner, hairlines vanish; any thicker, holes fill


def _placements(half_sizes: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Linear maps (n, 2, 2) from a digit to its image, and shifts (n, 2) of at most 2 pixels.

    `half_sizes` (n, 2) are half a digit's width and height in pixels; vectors are (x, y) with y upwards.
    """
    n = len(half_sizes)
    angle = np.clip(rng.normal(0, 0.12, n), -0.3, 0.3)
    size, stretch = rng.uniform(0.85, 1.1, n), rng.uniform(0.85, 1.2, n)
    slant = rng.uniform(-0.25, 0.2, n)
    cos, sin, one, zero = np.cos(angle), np.sin(angle), np.ones(n), np.zeros(n)
    rotate, shear = matrices(cos, -sin, sin, cos), matrices(one, slant, zero, one)
    forward = rotate @ shear @ matrices(size * stretch, zero, zero, size)
    return distance_fields.place(forward, half_sizes, _SIZE / 2 - _MARGIN, 2.0, rng)


# --- the fonts' digits as signed distance fields ----------------------------------------------------------------------


@lru_cache(maxsize=1)
def _templates() -> tuple[Singles, Floats, Singles]:
    """The t = 10 * fonts templates, font by font, in pixels.

    Signed distance fields (t, side, side), half widths and heights (t, 2), half stroke widths (t,).
    """
    fields, half_sizes = distance_fields.make(_outline(font, digit) for font in FONTS for digit in "0123456789")
    return fields, half_sizes, fields.max(axis=(1, 2))


def _outline(font: str, digit: str) -> list[Floats]:
    """The contours of a digit, each (e + 1, 2) with the first point again at its end, scaled to `_HEIGHT` and centred on 0."""
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
    return [scale * (contour - (low + high) / 2) for contour in contours]
