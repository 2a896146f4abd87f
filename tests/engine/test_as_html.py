"""A Tensor in a notebook: the table's figures, and pictures whose pixels are read back from the PNG."""

import base64
import html
import re
import struct
import warnings
import zlib

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor
from tests.helpers.leaves import leaf

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def shown(array, **options):
    return Tensor(np.array(array), **options)._repr_html_()


def table(text):
    return {key: html.unescape(value) for key, value in re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", text)}


def chunks(data):
    """(kind, content) of each chunk of a PNG, whose checksums are right."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + content),)
        found.append((kind, content))
        at += 12 + length
    return found


def pixels_of(data):
    (first, header), (second, compressed), last = chunks(data)
    assert (first, second, last) == (b"IHDR", b"IDAT", (b"IEND", b""))
    width, height, *rest = struct.unpack(">IIBBBBB", header)
    assert rest == [8, 2, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def pictures(text):
    return [pixels_of(base64.b64decode(data)) for data in re.findall(r'src="data:image/png;base64,([^"]*)"', text)]


# --- the table ----------------------------------------------------------------------------------------------------------


def test_the_table_has_shape_dtype_op_name_and_figures():
    y = leaf([[1.0, 2.0, 6.0]], name="w") * 1.0
    y.name = "y"
    assert table(y._repr_html_()) == {
        "shape": "(1, 3)", "dtype": "float64", "op": "multiply", "name": "y",
        "min": "1", "mean": "3", "max": "6", "std": f"{np.std([1, 2, 6]):.4g}",
    }  # fmt: skip


def test_what_is_not_finite_is_counted_and_left_out_of_the_figures():
    found = table(shown([1.0, np.nan, 3.0, np.inf, -np.inf]))
    assert (found["nan"], found["inf"], found["min"], found["mean"], found["max"]) == ("1", "2", "1", "2", "3")
    assert not {"nan", "inf"} & table(shown([1.0, 2.0])).keys()


def test_names_and_ops_are_escaped():
    bad = "<script>alert('&')</script>"
    x = leaf(name=bad)
    y = mg.record(bad, x.data * 1, (x, lambda g, y: g))
    y.name = bad
    text = y._repr_html_()
    assert "<script>" not in text
    assert table(text)["name"] == table(text)["op"] == bad


ODD = {
    "empty": np.zeros((0, 3)),
    "no images": np.zeros((0, 1, 8, 8)),
    "0-d": np.array(3.0),
    "0-d nan": np.array(np.nan),
    "booleans": np.array([[True, False]]),
    "integers": np.array([-(2**63), 2**63 - 1]),
    "float16": np.full((3, 3), 60_000, "float16"),
    "all nan": np.full((3, 3), np.nan),
    "nan images": np.full((2, 3, 8, 8), np.nan),
    "infinite": np.array([np.inf, -np.inf]),
    "infinite images": np.array([np.inf, -np.inf] * 64).reshape(2, 1, 8, 8),
    "huge": np.array([1e308, -1e308, 1e308]),
    "huge images": np.array([1e308, -1e308] * 64).reshape(2, 1, 8, 8),
    "tiny": np.array([5e-324, -5e-324]),
    "tiny images": np.array([5e-324, -5e-324] * 64).reshape(2, 1, 8, 8),
    "a constant image": np.full((1, 1, 8, 8), np.float32(0.1)),
    "zeros": np.zeros((2, 2)),
    "5-d": np.ones((2, 2, 2, 2, 2)),
}


@pytest.mark.parametrize("array", ODD.values(), ids=ODD)
def test_odd_tensors_are_shown_without_an_error_or_a_warning(array):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = shown(array)
    assert table(text)["shape"] == str(array.shape)
    assert table(text)["dtype"] == str(array.dtype)
    assert bool(pictures(text)) == (array.size > 1)


# --- pictures -----------------------------------------------------------------------------------------------------------


def test_a_map_is_blue_below_0_white_at_0_red_above_and_symmetric():
    (picture,) = pictures(shown([[-1.0, -4.0], [0.0, 4.0], [2.0, np.nan]]))
    pale_blue, blue, white, red, pale_red, black = map(tuple, picture.reshape(-1, 3).astype(int))
    assert (white, black) == (WHITE, BLACK)
    assert blue[2] > 150 > blue[0]
    assert red[0] > 150 > red[2]
    np.testing.assert_allclose(pale_blue, np.array(WHITE) + (np.array(blue) - WHITE) / 4, atol=1)
    np.testing.assert_allclose(pale_red, np.array(WHITE) + (np.array(red) - WHITE) / 2, atol=1)


@pytest.mark.parametrize(
    ("shape", "size", "note"),
    [
        ((5,), (1, 5), None),
        ((64, 64), (64, 64), None),
        ((65, 70), (64, 64), "the first 64 of 65 rows, 64 of 70 columns"),
        ((3, 100_000), (3, 64), "the first 3 of 3 rows, 64 of 100,000 columns"),
        ((2, 5, 6), (10, 6), None),
        ((2, 1, 7, 8), (14, 8), None),
        ((2, 2, 8, 8), (32, 8), None),
    ],
)
def test_a_map_has_at_most_64_by_64_squares_and_a_note_says_what_is_missing(shape, size, note):
    text = shown(np.ones(shape))
    assert [picture.shape[:2] for picture in pictures(text)] == [size]
    assert note in text if note else "first" not in text
    assert "image-rendering: pixelated" in text


def test_images_stand_side_by_side_in_grey():
    array = np.linspace(-1.0, 1.0, 2 * 8 * 9).reshape(2, 1, 8, 9)
    first, second = pictures(shown(array))
    assert first.shape == second.shape == (8, 9, 3)
    both = np.stack([first, second])
    assert (both == both[..., :1]).all()
    np.testing.assert_array_equal(both[..., 0], np.rint((array[:, 0] + 1) / 2 * 255))


def test_images_of_three_channels_are_in_colour():
    array = np.zeros((1, 3, 8, 8))
    array[0, 2] = 1.0
    (picture,) = pictures(shown(array))
    assert (picture == (0, 0, 255)).all()


def test_a_pixel_that_is_not_finite_is_red():
    array = np.linspace(0.0, 1.0, 64).reshape(1, 1, 8, 8)
    array[0, 0, 3, 4] = np.nan
    (picture,) = pictures(shown(array))
    red = (picture[..., 0] > 150) & (picture[..., 1] < 50)
    assert list(zip(*np.nonzero(red), strict=True)) == [(3, 4)]


def test_at_most_16_images_are_shown_and_large_ones_are_thinned():
    text = shown(np.zeros((20, 1, 8, 300)))
    assert [picture.shape[:2] for picture in pictures(text)] == [(3, 100)] * 16
    assert "the first 16 of 20 images; one of 3 x 3 pixels" in text
