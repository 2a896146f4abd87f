"""The coloured scenes: shapes as named, inside the frame; colours, sizes and places that do not give the class away."""

import numpy as np
import pytest

from minigan import data
from minigan.data import scene_images


@pytest.fixture(scope="module")
def many():
    return data.scenes(4000, rng=np.random.default_rng(0))


def test_all_colours_occur(many):
    images, _ = many
    assert 0 <= images.min() < 0.02 < 0.98 < images.max() <= 1
    brightest = np.bincount(images.mean(axis=(2, 3)).argmax(axis=1), minlength=3)
    np.testing.assert_allclose(brightest, 4000 / 3, rtol=0.15)


def test_the_grounds_do_not_depend_on_the_class_and_no_shape_touches_the_border(many):
    images, labels = many
    border = np.concatenate([images[:, :, 0], images[:, :, :, 0]], axis=2)  # no shadow falls there
    mean, spread = border.mean(axis=2), border.std(axis=2)
    for measured in (mean, spread):
        by_class = np.array([measured[labels == c].mean(axis=0) for c in range(10)])
        most = np.broadcast_to(5 * measured.std(axis=0) / 18, by_class.shape)
        np.testing.assert_array_less(np.abs(by_class - measured.mean(axis=0)), most)


def test_the_shapes_are_as_named_and_upright():
    fields = dict(zip(scene_images.SHAPES, scene_images._templates()[0], strict=True))
    inside = {name: field > 0 for name, field in fields.items()}  # 28 is the middle
    assert [name for name, shape in inside.items() if not shape[28, 28]] == ["ring", "moon"]
    upper = {name: shape[29:].sum() / shape.sum() for name, shape in inside.items()}
    assert [name for name, share in upper.items() if share > 0.55] == ["heart"]
    assert [name for name, share in upper.items() if share < 0.4] == ["drop", "triangle"]
    assert inside["arrow"][29].sum() > 2 * inside["arrow"][27].sum()
    for name in ("disc", "ring", "cross", "square"):
        np.testing.assert_allclose(fields[name], fields[name].T, atol=1e-4)
        np.testing.assert_allclose(fields[name], fields[name][::-1], atol=1e-4)
    assert inside["square"].sum() > inside["disc"].sum() > 2 * inside["moon"].sum()
