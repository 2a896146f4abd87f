"""A folder of pictures as an array: any size, grey or colour, one subfolder for each class."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan import checks
from minigan.data.downloads import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # that Pillow may decode; others start programs of their own
PIXELS = 2**26  # of a picture, at most: decoded, it takes 200 to 270 MB
LIMIT = 2**31  # bytes of the result, at most

_GREY = np.array([19595, 38470, 7471], np.uint32)  # of red, green and blue, in 65536ths (ITU-R BT.601): white stays white


def images(
    folder: str | os.PathLike[str], size: int = 28, grey: bool | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None, list[str]]:
    """A folder's pictures: x (n, C, size, size) float32 in [0, 1], labels (n,) int64 or None, and the names of the classes.

    If the folder has subfolders, each is a class, with its pictures directly in it: labels are the places of their names in
    alphabetical order. Pictures are read in the order of their names: PNG, JPEG, GIF, BMP, WebP, TIFF, PPM. Other files, and
    names that begin with "." or "_", are left out.

    Of a picture, the middle square is resized. 16 bits are rounded to 8, transparent places become white, and an animation
    is its first picture. `grey`: C is 1 (True) or 3 (False); None: 1 if all pictures are grey.

    Raises `DataError` for a picture that cannot be read or has more than 2**26 pixels, a folder without pictures, pictures
    next to subfolders, subfolders in a class, and more than 2 GiB in all. Needs Pillow (ImportError without it).
    """
    size, folder = checks.whole("images", "size", size), Path(folder)
    paths, labels, names = _listed(folder)
    if 4 * 3 * size**2 * len(paths) > LIMIT:
        raise DataError(f"{folder}: {len(paths):,} pictures of size {size} need over {LIMIT >> 30} GiB; use a smaller size")
    x = np.empty((len(paths), size, size, 3), np.uint8)
    for i, path in enumerate(paths):
        x[i] = _read(path, size)
    if grey is None:
        grey = all((picture == picture[..., :1]).all() for picture in x)
    result = np.empty((len(x), 1 if grey else 3, size, size), np.float32)
    for picture, pixels in zip(x, result, strict=True):  # one by one: the temporary arrays stay small
        pixels[:] = (picture @ _GREY + 2**15 >> 16) if grey else picture.transpose(2, 0, 1)
    result /= np.float32(255)
    return result, np.array(labels, np.int64) if names else None, names


def _listed(folder: Path) -> tuple[list[Path], list[int], list[str]]:
    """The pictures' paths, their labels, and the names of the classes: [] for a folder without subfolders."""
    pictures, classes = _content(folder)
    if not classes:
        if not pictures:
            raise DataError(f"{folder}: no pictures; expected {' '.join(ENDINGS)}, or a subfolder for each class")
        return pictures, [], []
    if pictures:
        raise DataError(f"{folder}: has {pictures[0].name} next to the subfolder {classes[0].name}; expected one or the other")
    paths: list[Path] = []
    labels: list[int] = []
    for label, inner in enumerate(classes):
        pictures, deeper = _content(inner)
        if deeper or not pictures:
            problem = f"has the subfolder {deeper[0].name}" if deeper else "has no pictures"
            raise DataError(f"{inner}: {problem}; expected the pictures of one class, directly in it")
        paths += pictures
        labels += [label] * len(pictures)
    return paths, labels, [inner.name for inner in classes]


def _content(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures and the subfolders of a folder, sorted by name."""
    try:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
        pictures = [path for path in inside if path.suffix.lower() in ENDINGS and path.is_file()]
        return pictures, [path for path in inside if path.is_dir()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None


def _read(path: Path, size: int) -> NDArray[np.uint8]:
    """The middle square of a picture, (size, size, 3)."""
    Image, ImageOps = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata, and of the number of pixels, which is checked here
            with Image.open(path, formats=FORMATS) as picture:  # reads the header only
                width, height = picture.size
                if width * height > PIXELS:
                    raise DataError(f"has {width} x {height} pixels; at most {PIXELS:,} are decoded")
                picture.draft("RGB", (2 * size, 2 * size))  # a JPEG is decoded at about this size, which is faster
                ImageOps.exif_transpose(picture, in_place=True)  # as the camera was held
                square = ImageOps.fit(_plain(Image, picture), (size, size), Image.Resampling.BILINEAR)
        if square.mode == "RGBA":
            square = Image.alpha_composite(Image.new("RGBA", square.size, "white"), square)
        pixels: NDArray[np.uint8] = np.asarray(square.convert("RGB"))
        return pixels
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds on broken files
        text = f"{error}" if isinstance(error, DataError) else f"cannot be read as a picture: {type(error).__name__}: {error}"
        raise DataError(f"{path}: {' '.join(text.split())}") from None


def _plain(Image: Any, picture: Any) -> Any:
    """The picture in grey, colour, or colour with transparency, 8 bits each."""
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
        values = np.asarray(picture)
        if not 0 <= values.min() <= values.max() < 2**16:
            raise DataError("has more than 16 bits; expected 8 or 16")
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise DataError("has floating-point numbers; expected 8 or 16 bits")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("images: pictures need Pillow: pip install 'minigan[demos]'") from error
    return Image, ImageOps
