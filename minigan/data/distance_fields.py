"""Shapes as signed distance fields, from which glyphs and scenes are drawn.

A field is a fine grid of numbers: the distance to the shape's edge, positive inside and negative outside. An image reads the
field at its transformed pixel centres. A pixel less than half a pixel from the edge is covered in part.
"""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

STEP = 0.5  # between a field's grid points, in pixels
REACH = 14.0  # a field covers [-14, 14]^2, with the shape's centre at 0
CHUNK = 50  # images drawn at a time: the temporary arrays stay in the processor's cache

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Reals = TypeVar("Reals", Floats, Singles)


def matrices(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """The matrices [[a, b], [c, d]]: four (n,) arrays to one (n, 2, 2)."""
    return np.stack([np.stack([a, b], axis=-1), np.stack([c, d], axis=-1)], axis=-2)


def place(forward: Floats, half_sizes: Floats, room: float, most: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The linear maps (n, 2, 2), made smaller where necessary, and drawn shifts (n, 2): the shapes stay in [-room, room]^2.

    `half_sizes` (n, 2): half a shape's width and height; `most`: the largest shift.
    """
    extent = np.einsum("nij,nj->ni", np.abs(forward), half_sizes)  # (n, 2) half the sides of the mapped shape's box
    shrink = np.minimum(1, room / extent.max(axis=1))
    free = np.minimum(room - shrink[:, None] * extent, most)
    return shrink[:, None, None] * forward, rng.uniform(-1, 1, (len(forward), 2)) * free


def read(
    fields: Singles, template: Integers, forward: Floats, shift: Floats, side: int, thicker: Floats | float = 0.0
) -> Floats:
    """Distances (n, side, side) in the image's pixels: each pixel's centre is mapped back to its template's field.

    `thicker` (n, 1): how far the edges move outwards, in the template's pixels.
    """
    centres = np.arange(side) - (side - 1) / 2
    x, y = np.meshgrid(centres, -centres)  # the first row is the top
    pixels = np.stack([x.ravel(), y.ravel()])  # (2, side * side)
    points = np.linalg.inv(forward) @ (pixels - shift[:, :, None])  # (n, 2, side * side)
    distance = bilinear(fields, template, points.astype(np.float32)) + thicker
    scale: Floats = np.sqrt(np.linalg.det(forward))[:, None]  # image pixels per template pixel
    return (scale * distance).reshape(-1, side, side)


def cover(distance: Reals) -> Reals:
    """The share of each pixel that the shape covers."""
    share: Reals = np.clip(0.5 + distance, 0, 1)
    return share


def bilinear(fields: Singles, template: Integers, points: Singles) -> Floats:
    """fields[template] (n, side, side), interpolated bilinearly at the points (n, 2, p): (n, p)."""
    side = fields.shape[1]
    at = np.clip((points + REACH) / STEP, 0, side - 1.001)  # in grid steps; beyond the grid, the distance of its border
    corner = at.astype(np.int32)
    fx, fy = np.moveaxis(at - corner, 1, 0)
    flat = fields.reshape(-1)
    index = (template[:, None] * side + corner[:, 1]) * side + corner[:, 0]
    below = flat[index] * (1 - fx) + flat[index + 1] * fx
    above = flat[index + side] * (1 - fx) + flat[index + side + 1] * fx
    distance: Floats = below * (1 - fy) + above * fy
    return distance


# --- from an outline to its field -------------------------------------------------------------------------------------


def make(outlines: Iterable[list[Floats]]) -> tuple[Singles, Floats]:
    """The fields (t, side, side) of outlines centred on 0, and half their widths and heights (t, 2).

    An outline is a list of closed contours (e + 1, 2), whose last point is the first; a hole's turns the other way.
    """
    line = np.arange(-REACH, REACH + STEP / 2, STEP)
    fields, half_sizes = [], []
    for contours in outlines:
        starts, ends = np.concatenate([c[:-1] for c in contours]), np.concatenate([c[1:] for c in contours])
        fields.append(signed_distance(starts, ends, line))
        half_sizes.append(starts.max(axis=0))
    return np.array(fields, np.float32), np.array(half_sizes)


def signed_distance(starts: Floats, ends: Floats, line: Floats) -> Floats:
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
