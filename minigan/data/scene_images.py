"""Colour images without a download: one of ten shapes on a textured ground, with random colours, size, angle and place.

The shapes are signed distance fields (see `distance_fields`), so that their edges are smooth at any size. The distance also
shades a shape: it is darker near its edge.
"""

from functools import lru_cache

import numpy as np

from minigan import checks
from minigan.backend import random_numbers
from minigan.data import distance_fields
from minigan.data.distance_fields import CHUNK, Floats, Integers, Singles, matrices

SHAPES = ("disc", "ring", "moon", "drop", "heart", "star", "cross", "triangle", "square", "arrow")  # the classes 0 ... 9

_SIZE = 32  # pixels along an image's side
_HEIGHT = 20.0  # of a shape's longer side, before its size is drawn
_MARGIN = 1.0  # pixels between the border and a shape, at least
_SHIFT = 5.0  # pixels from the middle of the image to that of a shape, at most, along each axis
_SHADOW = 2  # pixels that the shadow is to the right of the shape and below it

# A ground mixes two colours by 1/2 + sharpness * (a cos u + b cos v + c cos u cos v + d), clipped to [0, 1]; the axis v is
# orthogonal to u. In each row: a, b, c, d, sharpness, and the shortest and the longest period in pixels.
_TEXTURES = np.array(
    [
        (1, 0, 0, 0, 0.5, 40, 80),  # a gradient
        (1, 0, 0, 0, 2.0, 6, 14),  # stripes
        (0, 0, 1, 0, 2.0, 12, 24),  # checks
        (1, 1, 0, -0.8, 1.5, 7, 14),  # dots
        (1, 1, 0, 0, 0.35, 8, 16),  # waves
    ]
)


def scenes(n: int, rng: np.random.Generator | None = None) -> tuple[Singles, Integers]:
    """`n` colour images of shapes, (n, 3, 32, 32) float32 in [0, 1]; labels (n,) int64, uniform in 0 ... 9, see SHAPES.

    Every image has its own ground (a gradient, stripes, checks, dots or waves in two colours of similar hue), and its shape has
    its own colour, size, angle, place and shadow, drawn from `rng` or else minigan's default generator. None of them depends on
    the class. Light shapes are on dark grounds, and dark ones on light grounds. Raises ValueError for n < 0.
    """
    n = checks.whole("scenes", "n", n, least=0)
    rng = random_numbers.generator(rng)
    fields, half_sizes = _templates()
    labels = rng.integers(10, size=n)
    forward, shift = _placements(half_sizes[labels], rng)
    ground, other, shape = _colours(n, rng)
    texture, waves = _TEXTURES[rng.integers(len(_TEXTURES), size=n)], rng.random((3, n))
    images = np.empty((n, 3, _SIZE, _SIZE), np.float32)
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        distance = distance_fields.read(fields, labels[part], forward[part], shift[part], _SIZE)
        mixed = _mix(texture[part], *waves[:, part])
        images[part] = _paint(distance[:, None].astype(np.float32), mixed[:, None], ground[part], other[part], shape[part])
    return images, labels.astype(np.int64)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def _placements(half_sizes: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Linear maps (n, 2, 2) from a shape to its image, and shifts (n, 2)."""
    n = len(half_sizes)
    angle, size = rng.uniform(-0.5, 0.5, n), rng.uniform(0.8, 1.25, n)
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    return distance_fields.place(matrices(cos, -sin, sin, cos), half_sizes, _SIZE / 2 - _MARGIN, _SHIFT, rng)


def _colours(n: int, rng: np.random.Generator) -> tuple[Singles, Singles, Singles]:
    """The two colours of each ground and the colour of each shape, (n, 3, 1, 1) each."""
    hue, dark = rng.random(n), rng.random(n) < 0.5
    value = np.where(dark, rng.uniform(0.2, 0.45, n), rng.uniform(0.65, 0.9, n))
    ground = _rgb(hue, rng.uniform(0.2, 0.8, n), value)
    lighter = rng.choice([-1, 1], n) * rng.uniform(0.08, 0.15, n)
    other = _rgb(hue + rng.uniform(-0.1, 0.1, n), rng.uniform(0.2, 0.8, n), value + lighter)
    value = np.where(dark, rng.uniform(0.85, 1, n), rng.uniform(0.25, 0.5, n))
    return ground, other, _rgb(hue + rng.uniform(1 / 6, 5 / 6, n), rng.uniform(0.6, 1, n), value)


def _rgb(hue: Floats, saturation: Floats, value: Floats) -> Singles:
    """Red, green and blue (n, 3, 1, 1) of these hues (1 is a turn: red, green, blue, red), saturations and values (n,)."""
    pure = np.clip(np.abs((6 * hue[:, None] + [0, 4, 2]) % 6 - 3) - 1, 0, 1)  # (n, 3)
    mixed: Singles = (value[:, None] * (1 - saturation[:, None] * (1 - pure))).astype(np.float32)
    return mixed[:, :, None, None]


# --- drawing ----------------------------------------------------------------------------------------------------------


def _mix(texture: Floats, turn: Floats, period: Floats, phase: Floats) -> Singles:
    """The share of the ground's second colour in each pixel, (n, 32, 32), for drawn numbers from 0 to 1 (n,)."""
    a, b, c, d, sharpness, shortest, longest = texture.T[:, :, None, None].astype(np.float32)
    turns, periods, phases = np.stack([turn, period, phase])[:, :, None, None].astype(np.float32)
    wave = 2 * np.pi / (shortest + periods * (longest - shortest))
    across, down = wave * np.cos(np.pi * turns), wave * np.sin(np.pi * turns)
    place, start = np.arange(_SIZE, dtype=np.float32), 2 * np.pi * phases
    cos_u = np.cos(start + down * place[:, None] + across * place)
    cos_v = np.cos(start + across * place[:, None] - down * place)
    mixed: Singles = np.clip(0.5 + sharpness * (a * cos_u + b * cos_v + c * cos_u * cos_v + d), 0, 1)
    return mixed


def _paint(distance: Singles, mixed: Singles, ground: Singles, other: Singles, shape: Singles) -> Singles:
    """The ground, the shape's shadow on it, and the shape, (n, 3, 32, 32)."""
    covered = distance_fields.cover(distance)
    shadow = np.zeros_like(covered)
    shadow[..., _SHADOW:, _SHADOW:] = 0.4 * covered[..., :-_SHADOW, :-_SHADOW]
    depth: Singles = np.clip(distance / 3, 0, 1)
    shade = covered * (0.7 + 0.3 * depth)
    light = (1 - covered) * (1 - shadow)
    painted: Singles = ground * light + (other - ground) * (light * mixed) + shape * shade
    return np.clip(painted, 0, 1, out=painted)


# --- the shapes -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _templates() -> tuple[Singles, Floats]:
    """The signed distance fields of SHAPES (10, side, side), and half their widths and heights (10, 2)."""
    return distance_fields.make(_centred(outline) for outline in _outlines())


def _centred(contours: list[Floats]) -> list[Floats]:
    """Closed, centred on 0, and `_HEIGHT` along the longer side."""
    points = np.concatenate(contours)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = _HEIGHT / (high - low).max()
    return [scale * (np.concatenate([contour, contour[:1]]) - (low + high) / 2) for contour in contours]


def _outlines() -> list[list[Floats]]:
    """The contours of SHAPES, (e, 2) each, with y upwards; the ring's second contour is its hole."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    disc = _points(np.cos(t), np.sin(t))
    outer, inner = np.linspace(1.015, 2 * np.pi - 1.015, 40), np.linspace(2 * np.pi - 1.538, 1.538, 30)  # they meet
    moon = np.concatenate([_points(np.cos(outer), np.sin(outer)), _points(0.5 + 0.85 * np.cos(inner), 0.85 * np.sin(inner))])
    drop = _points(np.sin(t) * np.sin(t / 2) ** 1.5, 1.1 * np.cos(t))
    heart = _points(16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    tips = np.arange(10) * np.pi / 5
    star = _points(np.sin(tips), np.cos(tips)) * np.where(np.arange(10) % 2, 0.42, 1)[:, None]
    corner = np.array([(1.0, 3.0), (1.0, 1.0), (3.0, 1.0)])
    cross = np.concatenate([corner, corner[::-1] * [1, -1], -corner, corner[::-1] * [-1, 1]])
    triangle, square = disc[15::20], np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    arrow = np.array([(0, 3), (3, 0), (1.2, 0), (1.2, -3), (-1.2, -3), (-1.2, 0), (-3, 0)])
    whole = [[shape] for shape in (disc, moon, drop, heart, star, cross, triangle, square, arrow)]
    return [whole[0], [disc, 0.5 * disc[::-1]], *whole[1:]]


def _points(x: Floats, y: Floats) -> Floats:
    return np.stack([x, y], axis=-1)
