"""A Tensor in a notebook: the table's figures, and pictures whose pixels are read back from the PNG."""

import base64
import html
import io
import re

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan import Tensor
from tests.helpers.leaves import leaf


def shown(array, **options):
    return Tensor(np.array(array), **options)._repr_html_()


def table(text):
    return {key: html.unescape(value) for key, value in re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", text)}


def pictures(text):
    found = re.findall(r'src="data:image/png;base64,([^"]*)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)), formats=["PNG"])) for data in found]


def test_the_table_has_figures_of_the_finite_numbers_and_counts_the_others():
    found = table(shown([1.0, np.nan, 3.0, np.inf, -np.inf]))
    assert [found[key] for key in ("shape", "nan", "inf", "min", "mean", "max", "std")] == ["(5,)", *"1212", "3", "1"]
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
    "empty": np.zeros((0, 3)), "0-d nan": np.array(np.nan), "integers": np.array([-(2**63), 2**63 - 1]),
    "nan images": np.full((2, 3, 8, 8), np.nan), "huge images": np.array([1e308, -1e308] * 64).reshape(2, 1, 8, 8),
    "tiny": np.array([5e-324, -5e-324]), "5-d": np.ones((2, 2, 2, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("array", ODD.values(), ids=ODD)
def test_odd_tensors_are_shown_without_an_error(array):
    text = shown(array)
    assert (table(text)["shape"], table(text)["dtype"]) == (str(array.shape), str(array.dtype))
    assert bool(pictures(text)) == (array.size > 1)


def test_images_are_grey_or_in_colour_and_pixels_that_are_not_finite_red():
    array = np.linspace(-1.0, 1.0, 2 * 8 * 9).reshape(2, 1, 8, 9)
    both = np.stack(pictures(shown(array)))
    np.testing.assert_array_equal(both, np.repeat(np.rint((array[:, 0, :, :, None] + 1) / 2 * 255), 3, axis=-1))
    (blue,) = pictures(shown(np.array([0.0, 0.0, 1.0])[None, :, None, None] * np.ones((1, 1, 8, 8))))
    assert (blue == (0, 0, 255)).all()
    array[0, 0, 3, 4] = np.nan
    picture, _ = pictures(shown(array))
    assert np.argwhere((picture[..., 0] > 150) & (picture[..., 1] < 50)).tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("shape", "sizes"), [((65, 70), [(64, 64)]), ((2, 5, 6), [(10, 6)]), ((20, 1, 8, 300), [(3, 100)] * 16)], ids=str
)
def test_large_maps_and_images_are_cut_and_thinned(shape, sizes):
    assert [picture.shape[:2] for picture in pictures(shown(np.zeros(shape)))] == sizes
