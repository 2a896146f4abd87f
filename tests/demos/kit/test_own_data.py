"""--data PATH: what a file or folder holds, the games on it, and what is refused in one line."""

import io
import re
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.__main__ import main
from demos.commands.lab import own_points
from demos.kit import own_data
from demos.lab.session import Session
from minigan import data, metrics
from tests.demos.running import coarse_pictures, run, samples_of, summary_of, training_of
from tests.helpers.programs import ROOT

RNG = np.random.default_rng(0)
POINTS = RNG.normal((1000.0, -5.0), (3.0, 1.0), (300, 2))
PIXELS = RNG.integers(256, size=(40, 20, 30), dtype=np.uint8)
IN_README = re.search(r"demos cgan --data (photos [^`]*)`", (ROOT / "demos" / "README.md").read_text("utf-8"))[1]
SMALL = ("--quick", "--steps", "2", "--set", "batch=8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("points.npy", POINTS)
    np.savetxt("points.csv", POINTS, delimiter=",", header="east,north", comments="")
    np.savetxt("bare.csv", POINTS, delimiter=",")
    np.savez("pixels.npz", x=PIXELS, y=np.arange(40) % 4 + 5)
    np.save("colour.npy", RNG.random((20, 3, 16, 16), np.float32))
    for name, colour in {"red": (200, 0, 0), "blue": (0, 0, 200), "white": (255, 255, 255)}.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (20 + i, 30), colour).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path


def test_points_are_the_same_in_every_file_and_come_back_in_their_units(folder):
    for name in ("points.npy", "points.csv", "bare.csv"):
        args = Namespace(data=name)
        x = own_data.points(args)
        assert (x.dtype, np.ptp(x, axis=0).max()) == (np.float32, pytest.approx(4))
        restored = own_data.restored(args, x)
        np.testing.assert_allclose(np.sort(restored, axis=0), np.sort(POINTS, axis=0), atol=1e-4)


def test_images_get_their_side_and_pixels_from_0_to_1_and_classes_their_names(folder):
    own = own_data.read("pixels.npz")
    assert (own.shape, own.names, own.y.tolist()) == ((1, 28, 28), ["5", "6", "7", "8"], [0, 1, 2, 3] * 10)
    square = Image.fromarray(PIXELS[7, :, 5:25].astype(np.float32) / 255).resize((28, 28), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(own.images([7])[0, 0, :, 1:-1], np.asarray(square)[:, 1:-1], atol=1e-6)
    assert own_data.read("pixels.npz", 16).images(slice(5)).shape == (5, 1, 16, 16)
    mapped = own_data.read("colour.npy")
    assert isinstance(mapped.x, np.memmap)
    np.testing.assert_array_equal(mapped.images([3])[0], np.load("colour.npy")[3])


def test_flips_and_shifts_change_images_at_random_and_the_stream_goes_on_bit_exactly(folder):
    own = own_data.OwnData(np.zeros((8, 1, 16, 16), np.float32), side=16)
    own.x[:, 0, 5, 3] = 1
    stream = own_data.Minibatches(own, 8, ("flips", "shifts"))
    drawn = [next(stream) for _ in range(20)]
    places = {tuple(int(i) for i in np.argwhere(image[0] == 1)[0]) for batch in drawn for image in batch}
    assert {row for row, _ in places} == {3, 4, 5, 6, 7}
    assert {column for _, column in places} == {1, 2, 3, 4, 5, 10, 11, 12, 13, 14}
    state = stream.state_dict()
    expected = [next(stream) for _ in range(3)]
    stream.load_state_dict(state)
    np.testing.assert_array_equal([next(stream) for _ in range(3)], expected)
    assert sorted(np.unique(next(own_data.Minibatches(own, 99, ())))) == [-1, 1]


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        pytest.param("cgan", IN_README.split(), (3, 28, 28), marks=pytest.mark.slow),
        ("dcgan", ["colour.npy"], (3, 16, 16)),
        pytest.param("dcgan", ["scenes"], (3, 32, 32), marks=pytest.mark.slow),
        pytest.param("gan", ["pixels.npz", "--size", "16"], (1, 16, 16), marks=pytest.mark.slow),
        ("gan", ["points.csv"], (2,)),
        pytest.param("wgan", ["points.npy"], (2,), marks=pytest.mark.slow),
    ],
)
def test_games_on_your_own_data_are_played_drawn_and_not_judged(name, options, shape, folder):
    with coarse_pictures():
        out = run(name, folder / "out", *SMALL, "--data", *options)
    samples, summary = samples_of(out), summary_of(out)
    assert samples["samples"].shape[1:] == shape
    assert summary["holds"] == {}
    assert all("not judged" in text for text in summary["expected"].values())
    assert {"over_time", "curves"} <= summary["pictures"].keys()
    assert summary["settings"].items() >= {"data": options[0], "seed": 0}.items()
    if name == "cgan":
        assert samples["labels"].tolist() == (np.arange(1000) % 3).tolist()
        assert (samples_of(out)["samples"].min() >= 0, "rng" in training_of(out)["batches"]) == (True, True)


def too_long(path):
    """An .npz whose array announces a terabyte."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**36, 2)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())


REFUSED = {  # file: (its array, arrays or text, or what makes it; the demo; the line)
    "a.npy": (np.array([[{}, 1]], object), "gan", "Python objects"),
    "b.npy": (np.zeros((9, 3)), "gan", r"is float64 \(9, 3\); expected numbers: points \(n, 2\), or images"),
    "c.npy": (np.full((9, 8, 8), 7.0), "gan", "has float64 pixels from 7 to 7; expected integers up to 255, or floats"),
    "d.npy": (np.full((9, 2), np.nan), "gan", "has a nan or an infinity"),
    "e.npy": ("not an array", "gan", "e.npy: "),
    "e2.npy": (np.append(np.zeros((1_100_000, 2)), [[0.0, np.nan]], axis=0), "gan", "has a nan or an infinity"),
    "f.npy": (np.zeros((9, 8, 8)), "wgan", "has images; expected points"),
    "g.npy": (POINTS, "dcgan", "has points; expected images"),
    "h.npy": (PIXELS, "cgan", "has no classes; expected a folder with a subfolder for each, or an .npz with y"),
    "i.npz": ({"a": POINTS, "b": POINTS}, "gan", "has the arrays a, b; expected x, and y for classes"),
    "j.npz": ({"x": PIXELS, "y": np.zeros(3)}, "gan", r"has labels float64 \(3,\) for 40 samples"),
    "k.npz": ("not a zip", "gan", "k.npz: File is not a zip file"),
    "l.npz": (too_long, "gan", "l.npz: "),
    "m.csv": ("1,2,3\n4,5,6\n", "gan", "has 3 columns; expected two"),
    "n.csv": ("a,b\n1,2\n3,?\n", "gan", "n.csv: could not convert"),
    "o.txt": ("1 2", "gan", "o.txt: expected a .npy, .npz or .csv file, or a folder of pictures"),
    "p": (Path.mkdir, "gan", "p: no pictures"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_in_one_line_that_says_what_was_expected(name, folder):
    content, demo, line = REFUSED[name]
    if isinstance(content, str):
        (folder / name).write_text(content)
    elif callable(content):
        content(folder / name)
    else:
        np.savez(name, **content) if isinstance(content, dict) else np.save(name, content)
    with pytest.raises(SystemExit, match=rf"^--data:? .*{line}") as end:
        main([demo, "--quick", "--data", name, "--out", "out"])
    assert "\n" not in end.value.code


def test_a_new_experiment_and_the_playground_take_your_points(folder):
    main(["new", "mine_with_data"])
    main(["mine_with_data.py", "--quick", "--data", "points.csv", "--out", "out"])
    found = summary_of(folder / "out")
    assert (found["settings"]["data"], found["metrics"]) == ("points.csv", {})
    with pytest.raises(SystemExit, match=r"--data pixels\.npz: has images; expected points"):
        main(["mine_with_data.py", "--quick", "--data", "pixels.npz"])
    shown = Session(own_points(Namespace(data="points.csv"))).panels[0].objects["drawn"]
    assert metrics.wasserstein1(shown, own_data.points(Namespace(data="points.csv")) / 2) < 0.001


def test_data_that_are_too_large_to_unpack_are_refused(folder, monkeypatch):
    monkeypatch.setattr(own_data, "LIMIT", 1000)
    with pytest.raises(data.DataError, match=r"save x with np\.save: an \.npy is not read as a whole"):
        own_data.read("pixels.npz")
