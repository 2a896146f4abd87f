"""data.images: pictures of any kind become the pixels that one sees; what is not as expected is refused by name."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minigan import data

COLOUR = np.random.default_rng(0).integers(256, size=(28, 28, 3), dtype=np.uint8)
GREY, BLACK = COLOUR[..., 0], np.zeros((28, 28), np.uint8)
LEFT = np.repeat(np.uint8([255, 0]), 14) + BLACK  # white on the left
SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 8  # the camera was turned
KINDS = {  # file: (array, mode, options of the file, the pixels expected, (C, 28, 28) or one number)
    "grey.png": (GREY, "L", {}, GREY[None]),
    "colour.PNG": (COLOUR, "RGB", {}, COLOUR.transpose(2, 0, 1)),
    "named_wrongly.jpg": (GREY, "L", {"format": "PNG"}, GREY[None]),
    "sixteen_bits.png": (np.uint16(GREY) * 257, "I;16", {}, GREY[None]),
    "palette.gif": (GREY, "P", {}, GREY[None]),
    "transparent.png": (BLACK, "P", {"transparency": 0}, 255),
    "half_transparent.png": (np.dstack([*[BLACK] * 3, BLACK + 102]), "RGBA", {}, 153),
    "animated.gif": (BLACK + 255, "L", {"save_all": True, "append_images": [Image.fromarray(BLACK)]}, 255),
    "one_bit.png": (255 * (GREY > 99).astype("u1"), "1", {}, np.where(GREY > 99, 255, 0)[None]),
    "cmyk.jpg": (None, "CMYK", {}, 255),
    "wide.bmp": (np.repeat(np.repeat(np.hstack([BLACK, LEFT, BLACK]), 2, 0), 2, 1), "L", {}, LEFT[None]),
    "sideways.jpg": (np.rot90(LEFT, -1).copy(), "L", {"exif": SIDEWAYS}, LEFT[None]),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_of_any_kind_has_the_pixels_that_one_sees(name, tmp_path):
    array, mode, options, expected = KINDS[name]
    picture = Image.new(mode, (28, 28)) if mode == "CMYK" else Image.fromarray(array)
    (picture if picture.mode == mode else picture.convert(mode)).save(tmp_path / name, **options)
    x, labels, names = data.images(tmp_path)
    assert (x.dtype, labels, names) == (np.float32, None, [])
    assert np.abs(255 * x[0] - np.float32(expected)).max() <= (0.001 if name not in ("wide.bmp", "sideways.jpg") else 40)
    (tmp_path / "notes.txt").write_text("left out")
    assert data.images(tmp_path, size=5, grey=False)[0].shape == (1, 3, 5, 5)


def test_subfolders_are_classes_and_one_picture_in_colour_makes_all_of_them_colour(tmp_path):
    for name, pictures in {"b": [GREY, COLOUR], "a": [GREY], "_left out": []}.items():
        (tmp_path / name).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / name / f"{i}.png")
    x, y, names = data.images(tmp_path)
    assert (y.tolist(), y.dtype, names) == ([0, 1, 1], np.int64, ["a", "b"])
    np.testing.assert_allclose(255 * x, [[GREY] * 3, [GREY] * 3, COLOUR.transpose(2, 0, 1)], atol=1e-4)
    grey = data.images(tmp_path, grey=True)[0]
    np.testing.assert_array_equal(grey[2, 0], np.asarray(Image.fromarray(COLOUR).convert("L")) / np.float32(255))


def bomb(side):
    """A PNG of a few bytes with side x side pixels."""
    parts = [b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0), b"IDAT" + zlib.compress(bytes(99)), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts)


def saved(array, **options):
    return lambda path: Image.fromarray(array).save(path, **options)


REFUSED = {
    "text": (lambda path: path.write_text("not a picture"), "a.png: cannot be read as a picture: "),
    "cut short": (
        lambda path: (saved(COLOUR)(path), os.truncate(path, 900)),
        "a.png: cannot be read as a picture: .*truncated",
    ),
    "a printer's program": (saved(COLOUR, format="EPS"), "a.png: cannot be read as a picture: Unidentified"),
    "numbers": (saved(np.float32(BLACK), format="TIFF"), "a.png: has floating-point numbers; expected 8 or 16 bits"),
    "32 bits": (saved(np.int32(BLACK) + 70_000, format="TIFF"), "a.png: has more than 16 bits"),
    "a bomb": (lambda path: path.write_bytes(bomb(9_000)), "a.png: has 9000 x 9000 pixels; at most 67,108,864"),
    "a larger bomb": (lambda path: path.write_bytes(bomb(20_000)), "a.png: cannot be read as a picture: DecompressionBomb"),
    "nothing": (lambda path: None, r"pictures: no pictures; expected \.png \.jpg"),
    "a pipe": (lambda path: os.mkfifo(path), "no pictures"),
    "a loop": (lambda path: path.symlink_to(path.parent), "a.png: has the subfolder a.png"),
    "an empty class": (
        lambda path: path.with_name("cats").mkdir(),
        "cats: has no pictures; expected the pictures of one class",
    ),
    "classes of classes": (lambda path: (os.makedirs(path.parent / "cats/black"), saved(GREY)(path.parent / "cats/a.png")),
                           "cats: has the subfolder black"),
    "both": (lambda path: (path.with_name("cats").mkdir(), path.touch()), "has a.png next to the subfolder cats"),
    "no folder": (lambda path: path.parent.rmdir(), "pictures: cannot be read: No such file"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_folder_of_pictures_is_refused_by_name_in_one_line(make, message, tmp_path):
    (tmp_path / "pictures").mkdir()
    make(tmp_path / "pictures" / "a.png")
    with pytest.raises(data.DataError, match=rf"\A{tmp_path}.*{message}.*\Z"):
        data.images(tmp_path / "pictures")


def test_more_than_two_gib_are_refused_before_anything_is_read(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(data.DataError, match="1 pictures of size 20000 need over 2 GiB; use a smaller size"):
        data.images(tmp_path, size=20_000)
