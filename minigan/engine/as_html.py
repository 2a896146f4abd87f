"""A Tensor in a notebook: numbers about its values, and a picture. Images are shown as images, all else as a map of colours."""

import base64
import html as markup
import math
import struct
import zlib
from typing import Any

import numpy as np

CELLS = 64  # rows and columns of a map, at most
IMAGES = 16  # side by side, at most
PIXELS = 128  # of a side of an image, at most
LEAST = 8  # pixels of a side: smaller arrays are shown as maps
SIZE = 256  # to which a small picture is enlarged, in the screen's pixels
BLUE, WHITE, RED, BLACK = (np.array(colour, float) for colour in ((40, 80, 200), (255, 255, 255), (200, 40, 40), (0, 0, 0)))


def html(t: Any) -> str:
    """A table of shape, dtype, op, name and numbers, and the picture below it. All text is escaped."""
    values = t.numpy()
    facts = {"shape": str(t.shape), "dtype": str(t.dtype), "op": t.op, "name": t.name, **_numbers(values)}
    rows = [f"<tr><th>{_escaped(key)}</th><td>{_escaped(fact)}</td></tr>" for key, fact in facts.items() if fact]
    return f"<table>{''.join(rows)}</table>{_picture(values)}"


def _numbers(values: np.ndarray) -> dict[str, str]:
    """min, mean, max and std of the finite values, and how many are not finite."""
    finite = values[np.isfinite(values)]
    found: dict[str, str] = {}
    if finite.size:
        with np.errstate(all="ignore"):  # float64 itself may overflow
            numbers = {"min": finite.min(), "mean": finite.mean(dtype="f8"), "max": finite.max(), "std": finite.std(dtype="f8")}
        found |= {name: f"{float(number):.4g}" for name, number in numbers.items()}
    counts = {"nan": np.count_nonzero(np.isnan(values)), "inf": np.count_nonzero(np.isinf(values))}
    return found | {name: f"{count:,}" for name, count in counts.items() if count}


def _picture(values: np.ndarray) -> str:
    if values.size < 2:  # the table shows it already
        return ""
    if values.ndim == 4 and values.shape[1] in (1, 3) and min(values.shape[2:]) >= LEAST:
        return _images(values)
    return _map(values)


# --- a map of colours ---------------------------------------------------------------------------------------------------


def _map(values: np.ndarray) -> str:
    """Each number as a square: blue below 0, white at 0, red above; black if it is not finite. The last axis goes right."""
    rows, columns = math.prod(values.shape[:-1]), values.shape[-1]
    places = [np.unravel_index(i, values.shape[:-1]) for i in range(min(rows, CELLS))]
    shown = np.stack([values[place][:CELLS] for place in places]).astype("f8")
    largest = np.abs(shown[np.isfinite(shown)]).max(initial=0.0) or 1.0
    note = f"blue {-largest:.3g}, white 0, red {largest:.3g}" + ("" if np.isfinite(shown).all() else ", black not finite")
    if rows > CELLS or columns > CELLS:
        note += f"; the first {shown.shape[0]} of {rows:,} rows, {shown.shape[1]} of {columns:,} columns"
    return _image(_colours(shown / largest)) + _note(note)


def _colours(values: np.ndarray) -> np.ndarray:
    """Values in [-1, 1] (H, W) as red, green and blue (H, W, 3)."""
    values = values[..., None]
    share = np.where(np.isfinite(values), np.abs(values), 0.0)
    colours = (1 - share) * WHITE + share * np.where(values < 0, BLUE, RED)
    return np.where(np.isfinite(values), colours, BLACK)


# --- images -------------------------------------------------------------------------------------------------------------


def _images(values: np.ndarray) -> str:
    """Images (N, 1 or 3, H, W) side by side: black is the least of the values shown, white the largest, red is not finite."""
    step = math.ceil(max(values.shape[2:]) / PIXELS)
    shown = np.moveaxis(values[:IMAGES, :, ::step, ::step], 1, -1).astype("f8")
    finite = np.isfinite(shown)
    low, high = (shown[finite].min(), shown[finite].max()) if finite.any() else (0.0, 0.0)
    broken = ~finite.all(axis=-1, keepdims=True)
    note = f"black {low:.3g}, white {high:.3g}" + (", red not finite" if broken.any() else "")
    if len(values) > IMAGES:
        note += f"; the first {IMAGES} of {len(values):,} images"
    if step > 1:
        note += f"; one of {step} x {step} pixels"
    return "".join(map(_image, np.where(broken, RED, 255 * _between(shown, low, high)))) + _note(note)


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 for low, 1 for high. Divided before the subtraction, as high - low may be too large for a float."""
    if low == high:
        return np.full_like(values, 0.5)
    largest = max(abs(low), abs(high))
    return (values / largest - low / largest) / (high / largest - low / largest)


# --- HTML and PNG -------------------------------------------------------------------------------------------------------


def _image(colours: np.ndarray) -> str:
    """An <img> of colours (H, W, 3) from 0 to 255, small ones enlarged without a blur."""
    height, width, _ = colours.shape
    scale = max(1, min(16, SIZE // max(height, width)))
    data = base64.b64encode(png(np.rint(colours).astype(np.uint8))).decode()
    style = (
        f"display: inline-block; margin: 2px; width: {width * scale}px; height: {height * scale}px; image-rendering: pixelated"
    )
    return f'<img alt="" src="data:image/png;base64,{data}" style="{style}">'


def png(pixels: np.ndarray) -> bytes:
    """Red, green and blue (H, W, 3) uint8 as a PNG file."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    lines = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)])  # each line begins with its filter: none
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes())) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _note(text: str) -> str:
    return f"<div><small>{_escaped(text)}</small></div>"


def _escaped(value: Any) -> str:
    return markup.escape(str(value))
