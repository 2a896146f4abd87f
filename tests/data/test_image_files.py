"""data.images: pictures of any kind become the pixels that one sees; what is not as expected is refused by name."""

import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from minigan import data

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(256, size=(28, 28, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]
BLACK = np.zeros((28, 28), np.uint8)


def turned():
    """A camera's picture, held sideways: upright, its left half is white."""
    exif = Image.Exif()
    exif[0x0112] = 8
    picture = np.zeros((28, 28), np.uint8)
    picture[:14] = 255
    return Image.fromarray(picture), {"exif": exif}


KINDS = {  # file: (picture, options of the file, the pixels expected, (C, 28, 28) or one number)
    "grey.png": (Image.fromarray(GREY), {}, GREY[None]),
    "colour.PNG": (Image.fromarray(COLOUR), {}, COLOUR.transpose(2, 0, 1)),
    "named_wrongly.jpg": (Image.fromarray(GREY), {"format": "PNG"}, GREY[None]),
    "sixteen_bits.png": (Image.fromarray(GREY.astype(np.uint16) * 257), {}, GREY[None]),
    "palette.gif": (Image.fromarray(GREY).convert("P"), {}, GREY[None]),
    "transparent.png": (Image.fromarray(BLACK).convert("P"), {"transparency": 0}, 255),
    "half_transparent.png": (Image.fromarray(np.dstack([*[BLACK] * 3, BLACK + 102])), {}, 153),
    "animated.gif": (Image.fromarray(BLACK + 255), {"save_all": True, "append_images": [Image.fromarray(BLACK)]}, 255),
    "one_bit.png": (Image.fromarray(GREY > 99), {}, np.where(GREY > 99, 255, 0)[None]),
    "cmyk.jpg": (Image.new("CMYK", (50, 60)), {}, 255),
    "tall.bmp": (Image.fromarray(np.repeat(np.repeat([0, 90, 200, 0], 28), 56).reshape(112, 56).astype(np.uint8)), {},
                 np.repeat([90, 200], 14)[None, :, None] + BLACK),
    "turned.jpg": (*turned(), np.repeat([255, 0], 14) + BLACK[None].astype(int)),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_of_any_kind_has_the_pixels_that_one_sees(name, tmp_path):
    picture, options, expected = KINDS[name]
    picture.save(tmp_path / name, **options)
    x, labels, names = data.images(tmp_path)
    assert (x.dtype, labels, names) == (np.float32, None, [])
    far = np.abs(255 * x[0] - expected)
    assert far.mean() <= 3  # a JPEG, or the edge between two halves, is not exact
    assert far.max() < 0.001 or name in ("tall.bmp", "turned.jpg")
    (tmp_path / "notes.txt").write_text("left out")
    assert data.images(tmp_path, size=5, grey=False)[0].shape == (1, 3, 5, 5)


def test_subfolders_are_classes_and_one_picture_in_colour_makes_all_of_them_colour(tmp_path):
    for name, pictures in {"b": [GREY, COLOUR], "a": [GREY], "_left out": []}.items():
        (tmp_path / name).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / name / f"{i}.png")
    x, y, names = data.images(tmp_path)
    assert (x.shape, y.tolist(), y.dtype, names) == ((3, 3, 28, 28), [0, 1, 1], np.int64, ["a", "b"])
    np.testing.assert_allclose(255 * x, [[GREY] * 3, [GREY] * 3, COLOUR.transpose(2, 0, 1)], atol=1e-4)
    grey = data.images(tmp_path, grey=True)[0]
    np.testing.assert_array_equal(grey[2, 0], np.asarray(Image.fromarray(COLOUR).convert("L")) / np.float32(255))


def a_bomb(path, side):
    """A PNG of a few kB with side x side pixels."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(side * side // 8)),
        b"IEND": b"",
    }
    chunks = [
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in parts.items()
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def cut(path):
    Image.fromarray(COLOUR).save(path)
    path.write_bytes(path.read_bytes()[:900])


def folder_of(*names):
    def make(path):
        for name in names:
            (path.parent / name).mkdir(parents=True)

    return make


REFUSED = {
    "text": (lambda path: path.write_text("not a picture"), "a.png: cannot be read as a picture: "),
    "empty": (lambda path: path.touch(), "a.png: cannot be read as a picture: "),
    "cut short": (cut, "a.png: cannot be read as a picture: .*truncated"),
    "a program for a printer": (lambda path: Image.fromarray(COLOUR).save(path, format="EPS"), "cannot be read as a picture"),
    "numbers": (lambda path: Image.fromarray(np.float32(BLACK)).save(path, format="TIFF"), "a.png: has floating-point numbers"),
    "32 bits": (lambda path: Image.fromarray(np.int32(BLACK) + 70_000).save(path, format="TIFF"), "more than 16 bits"),
    "a bomb": (lambda path: a_bomb(path, 9_000), "a.png: has 9000 x 9000 pixels; at most 67,108,864"),
    "a larger bomb": (lambda path: a_bomb(path, 20_000), "a.png: cannot be read as a picture: DecompressionBomb"),
    "nothing": (lambda path: None, r"pictures: no pictures; expected \.png \.jpg"),
    "a pipe": (lambda path: os.mkfifo(path), "no pictures"),
    "a loop": (lambda path: path.symlink_to(path.parent, target_is_directory=True), "a.png: has the subfolder a.png"),
    "an empty class": (folder_of("cats"), "cats: has no pictures; expected the pictures of one class"),
    "classes of classes": (folder_of("cats/black"), "cats: has the subfolder black"),
    "both": (lambda path: (path.parent.joinpath("cats").mkdir(), path.touch()), "has a.png next to the subfolder cats"),
    "no folder": (lambda path: path.parent.rmdir(), "pictures: cannot be read: No such file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_folder_of_pictures_is_refused_by_name_in_little_memory(name, tmp_path):
    make, message = REFUSED[name]
    (tmp_path / "pictures").mkdir()
    make(tmp_path / "pictures" / "a.png")
    tracemalloc.start()
    with pytest.raises(data.DataError, match=message) as error:
        data.images(tmp_path / "pictures")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert "\n" not in str(error.value)


def test_more_than_two_gib_are_refused_before_anything_is_read(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(data.DataError, match="1 pictures of size 20000 need over 2 GiB; use a smaller size"):
        data.images(tmp_path, size=20_000)
